"""Fragmented MP4: what we write, a reader of our own finds again, and FFmpeg plays."""

from __future__ import annotations

import io
import os
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.operations.media import annexb
from egide.protocols import fmp4

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "200")), deadline=None)
CONTAINERS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"mvex", b"moof", b"traf"}
META = fmp4.MetaTrack(2, "urn:misb:KLV:bin:1910.1")


def boxes(data, begin=0, end=None, path=""):
    """(path, first byte, begin of the content, end) of every box, each of which must lie inside the one around it."""
    end = len(data) if end is None else end
    while begin < end:
        size, kind = struct.unpack_from(">I4s", data, begin)
        assert 8 <= size <= end - begin, f"{path}/{kind} leaves its container"
        here = f"{path}/{kind.decode()}"
        yield here, begin, begin + 8, begin + size
        if kind in CONTAINERS:
            yield from boxes(data, begin + 8, begin + size, here)
        begin += size


def read(segment):
    """What a segment holds: {track: [(time, duration, key, offset, data)]} and the numbers of its fragments."""
    found, numbers, moof, track, time = {}, [], 0, 0, 0
    for path, begin, at, _end in boxes(segment):
        if path == "/moof":
            moof = begin
        elif path == "/moof/mfhd":
            numbers.append(struct.unpack_from(">I", segment, at + 4)[0])
        elif path == "/moof/traf/tfhd":
            (track,) = struct.unpack_from(">I", segment, at + 4)
        elif path == "/moof/traf/tfdt":
            (time,) = struct.unpack_from(">Q", segment, at + 4)
        elif path == "/moof/traf/trun":
            count, offset = struct.unpack_from(">Ii", segment, at + 4)
            place = moof + offset
            for number in range(count):
                duration, size, flags, shift = struct.unpack_from(">IIIi", segment, at + 12 + 16 * number)
                data = segment[place : place + size]
                found.setdefault(track, []).append((time, duration, not flags & 0x10000, shift, data))
                place, time = place + size, time + duration
    return found, numbers


SAMPLES = st.lists(
    st.builds(
        fmp4.Sample,
        st.binary(max_size=60),
        st.integers(0, 1 << 32 - 1),
        st.booleans(),
        st.integers(-(1 << 31), 1 << 30),
    ),
    max_size=5,
)


@FUZZ
@given(video=SAMPLES, meta=SAMPLES, number=st.integers(0, 1 << 33), time=st.integers(0, 1 << 60))
def test_what_is_written_is_read_again(video, meta, number, time):
    runs = [fmp4.Run(1, time, video), fmp4.Run(2, time + 7, meta)]
    if not video and not meta:
        with pytest.raises(fmp4.Fmp4Error):
            fmp4.fragment(number, runs)
        return
    found, numbers = read(fmp4.fragment(number, runs))
    assert numbers == [number & 0xFFFFFFFF]
    for track, samples, begin in ((1, video, time), (2, meta, time + 7)):
        got = found.get(track, [])
        assert [one[4] for one in got] == [s.data for s in samples]
        assert [(d, k, o) for _, d, k, o, _ in got] == [(s.duration, s.key, s.offset) for s in samples]
        assert [one[0] for one in got][:1] == ([begin] if samples else [])


@FUZZ
@given(sets=st.lists(st.binary(max_size=40), max_size=4), more=st.lists(st.binary(max_size=20), max_size=3))
def test_any_bytes_as_parameter_sets_make_a_record_or_a_clear_error(sets, more):
    for made in (lambda: fmp4.avc_record(sets, more), lambda: fmp4.hevc_record(more, sets, more)):
        try:
            assert made()[0] == 1
        except fmp4.Fmp4Error as problem:
            assert str(problem)  # noqa: PT017 — an error must speak; none is as good


def test_fields_that_do_not_fit_are_refused():
    with pytest.raises(fmp4.Fmp4Error):
        fmp4.fragment(1, [fmp4.Run(1, -1, [fmp4.Sample(b"x", 1)])])
    with pytest.raises(fmp4.Fmp4Error):
        fmp4.initialisation([])
    with pytest.raises(fmp4.Fmp4Error):
        fmp4.initialisation([fmp4.VideoTrack(1, "avc1", b"", 1 << 20, 10)])


def encoded(codec, pictures=12, size=(320, 240)):
    """Annex B access units of a moving picture: [(key, bytes)]."""
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt, context.time_base = *size, "yuv420p", Fraction(1, 25)
    context.options = {
        "libx264": {"preset": "ultrafast", "tune": "zerolatency", "g": "6"},
        "libx265": {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "keyint=6:log-level=none:repeat-headers=1"},
    }[codec]  # fmt: skip
    found = []
    for number in range(pictures):
        image = np.full((size[1], size[0], 3), 60, np.uint8)
        image[:, number * 8 : number * 8 + 40] = 200
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts = number
        found += [(packet.is_keyframe, bytes(packet)) for packet in context.encode(frame)]
    return found + [(packet.is_keyframe, bytes(packet)) for packet in context.encode(None)]


def nals(data):
    return [data[nal.start : nal.end] for nal in annexb.split(data)]


def track_of(codec, first, size):
    if codec == "libx264":
        kinds = {kind: [n for n in first if n[0] & 0x1F == kind] for kind in (7, 8)}
        return fmp4.VideoTrack(1, "avc1", fmp4.avc_record(kinds[7], kinds[8]), *size)
    kinds = {kind: [n for n in first if n[0] >> 1 & 0x3F == kind] for kind in (32, 33, 34)}
    assert fmp4.hevc_size(kinds[33][0]) == size
    return fmp4.VideoTrack(1, "hvc1", fmp4.hevc_record(kinds[32], kinds[33], kinds[34]), *size)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_ffmpeg_plays_what_we_write_and_finds_every_metadata_packet(codec):
    size, units = (322, 242), encoded(codec, size=(322, 242))
    sets = (7, 8) if codec == "libx264" else (32, 33, 34)
    out = [fmp4.initialisation([track_of(codec, nals(units[0][1]), size), META])]
    for number, (key, unit) in enumerate(units):
        kept = [n for n in nals(unit) if (n[0] & 0x1F if codec == "libx264" else n[0] >> 1 & 0x3F) not in sets]
        picture = fmp4.Sample(fmp4.with_lengths(kept), 40_000, key)
        told = fmp4.Sample(b"klv %d" % number, 40_000)
        out.append(
            fmp4.fragment(number + 1, [fmp4.Run(1, number * 40_000, [picture]), fmp4.Run(2, number * 40_000, [told])])
        )
    with av.open(io.BytesIO(b"".join(out))) as movie:
        assert (movie.streams.video[0].width, movie.streams.video[0].height) == size
        pictures, told = [], []
        for packet in movie.demux():
            if packet.stream.type == "video":
                pictures += [float(frame.pts * frame.time_base) for frame in packet.decode()]
            elif packet.size:
                told.append(bytes(packet))
    assert pictures == pytest.approx([n * 0.04 for n in range(len(units))])
    assert told == [b"klv %d" % n for n in range(len(units))]


def test_the_record_says_the_codec():
    first = nals(encoded("libx264", 1)[0][1])
    sps = next(n for n in first if n[0] & 0x1F == 7)
    record = fmp4.avc_record([sps], [n for n in first if n[0] & 0x1F == 8])
    assert record[1:4] == sps[1:4]
    assert annexb.parse_sps(sps).codec == f"avc1.{record[1:4].hex().upper()}"
