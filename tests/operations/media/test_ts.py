"""The transport stream demultiplexer, against FFmpeg's multiplexer and against hostile bytes."""

import io
import os
import tracemalloc

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.operations.media import psi
from egide.operations.media.errors import SourceError
from egide.operations.media.ts import MAX_GARBAGE, TsDemuxer
from egide.operations.media.tsmux import TsMuxer

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))
STREAM = st.binary(max_size=188 * 4)


def demux(data: bytes, step: int = 1316):
    demuxer = TsDemuxer()
    samples = [s for at in range(0, len(data), step) for s in demuxer.push(data[at : at + step])]
    return demuxer, samples + demuxer.flush()


@pytest.mark.parametrize("step", [1, 188, 1316, 100_000])
@pytest.mark.parametrize("lengths", [False, True])
def test_every_picture_is_the_one_ffmpeg_reads(synthetic, step, lengths):
    clip = synthetic.make_ts(24 if step > 1 else 6, lengths=lengths, with_klv=True)
    _, samples = demux(clip, step)
    with av.open(io.BytesIO(clip)) as container:
        theirs = [(p.stream.type, bytes(p), p.pts) for p in container.demux() if p.size]
    for kind, name in (("video", "video"), ("klv", "data")):
        ours = [(s.data, s.pts_us) for s in samples if s.kind == kind]
        assert ours == [(data, pts * 100 // 9) for type_, data, pts in theirs if type_ == name]


def test_a_picture_is_given_with_its_last_packet_once_the_sender_is_known(synthetic):
    clip = synthetic.make_ts(40)
    demuxer = TsDemuxer()
    early = late = 0
    packets = synthetic.packets(clip)
    for packet in packets:
        if demuxer.push(packet):
            starts_next = bool(packet[1] & 0x40)
            early, late = early + (not starts_next), late + starts_next
    assert early > 25
    assert late < 15


def test_a_sender_that_stuffs_inside_pictures_loses_nothing(synthetic):
    """Stuffing in the middle must never be taken for an end: every packet is padded here."""
    clip = synthetic.make_ts(30)
    _, samples = demux(clip)
    muxer = _Stuffing()
    for sample in samples:
        muxer.video(sample.data, sample.pts_us, sample.pts_us, key=False)
    again = demux(muxer.stream())[1]
    assert [s.data for s in again] == [s.data for s in samples]


class _Stuffing(TsMuxer):
    """Cuts the payload so that each packet carries 100 bytes and 84 of adaptation field."""

    def __init__(self):
        super().__init__(with_klv=False)
        self.tables()
        self._tables = self.take()
        self._packets = []
        self._cc = 0

    def _packetise(self, pid, payload, clock, *, fill=False):
        if fill:
            super()._packetise(pid, payload, clock, fill=True)
            return
        for at in range(0, len(payload), 100):
            piece = payload[at : at + 100]
            room = 184 - len(piece) - 1
            head = bytes((0x47, (0x40 if at == 0 else 0) | pid >> 8, pid & 255, 0x30 | self._cc, room))
            self._cc = (self._cc + 1) & 15
            self._packets.append(head + b"\x00" + b"\xff" * (room - 1) + piece)

    def stream(self):
        return self._tables + b"".join(self._packets)


def test_sound_is_seen_when_declared(with_audio, with_klv):
    assert demux(with_audio)[0].has_audio
    assert psi.Track("audio", "aac") in demux(with_audio)[0].tracks
    assert not demux(with_klv)[0].has_audio


def test_sound_is_seen_when_it_appears_midway(plain, with_audio):
    demuxer, _ = demux(plain)
    assert not demuxer.has_audio
    for at in range(0, len(with_audio), 1316):
        demuxer.push(with_audio[at : at + 1316])
    assert demuxer.has_audio


def test_undeclared_sound_is_seen_after_three_starts_but_one_flipped_bit_is_not_enough(plain):
    demuxer, _ = demux(plain)

    def sneak(counter):
        head = bytes((0x47, 0x40 | 0x01, 0x77, 0x10 | counter))
        demuxer.push((head + b"\x00\x00\x01\xc0\x00\x00\x80\x00\x00").ljust(188, b"\xff"))

    sneak(0)
    assert not demuxer.has_audio
    sneak(1)
    sneak(2)
    assert demuxer.has_audio


@pytest.mark.parametrize("synchronous", [False, True])
def test_klv_is_found_declared_either_way(synthetic, synchronous):
    muxer = TsMuxer(synchronous_klv=synchronous)
    muxer.tables()
    raw = synthetic.klv_packet(3)
    muxer.klv(raw, 40_000)
    clip = muxer.take()
    # a PMT without H.264 pictures is still read; the program is followed because one is declared
    demuxer, samples = demux(clip)
    assert demuxer.has_klv
    assert samples[0].data[-len(raw) :] == raw


def test_klv_is_found_undeclared(with_klv):
    """Some encoders announce private data and nothing else: the KLVA registration is cut out of the map here."""
    at = with_klv.find(b"\x05\x04KLVA")
    blind = with_klv
    while at >= 0:
        packet = blind[at - at % 188 : at - at % 188 + 188]
        start = 5 + packet[4]
        size = 3 + ((packet[start + 1] & 15) << 8 | packet[start + 2])
        section = packet[start : start + size - 4].replace(b"\x05\x04KLVA", b"\xf0\x04none")
        fixed = section + psi.crc32_mpeg2(section).to_bytes(4, "big")
        offset = at - at % 188 + start
        blind = blind[:offset] + fixed + blind[offset + size :]
        at = blind.find(b"\x05\x04KLVA")
    demuxer, samples = demux(blind)
    assert demuxer.has_klv
    assert sum(s.kind == "klv" for s in samples) == 30


def test_another_codec_is_named(synthetic):
    with pytest.raises(SourceError) as caught:
        demux(synthetic.make_ts(3, codec="mpeg2video"))
    assert caught.value.code == "codec"
    assert "MPEG-2" in caught.value.fr


def test_a_lost_packet_costs_one_picture_and_is_told(synthetic, plain):
    packets = synthetic.packets(plain)
    _, whole = demux(plain)
    middle = len(packets) // 2
    _, samples = demux(b"".join(packets[:middle] + packets[middle + 1 :]))
    assert len(whole) - len(samples) == 1
    assert sum(s.damaged for s in samples) == 1


def test_duplicate_packets_are_ignored(synthetic, plain):
    doubled = b"".join(p + p if not p[1] & 0x40 else p for p in synthetic.packets(plain))
    assert [s.data for s in demux(doubled)[1]] == [s.data for s in demux(plain)[1]]


def test_a_scrambled_stream_is_named(synthetic, plain):
    scrambled = b"".join(
        p if (p[1] & 0x1F == 0 and p[2] == 0) or p[1] & 0x1F == 0x10 else p[:3] + bytes((p[3] | 0x80,)) + p[4:]
        for p in synthetic.packets(plain)
    )
    with pytest.raises(SourceError) as caught:
        demux(scrambled)
    assert caught.value.code == "encrypted"


def test_endless_garbage_is_hostile_and_holds_no_memory():
    demuxer = TsDemuxer()
    tracemalloc.start()
    with pytest.raises(SourceError) as caught:  # noqa: PT012 - which of the pushes raises is not the matter
        for _ in range(MAX_GARBAGE // 1000 + 2):
            demuxer.push(b"\x00" * 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == "hostile"
    assert peak < 1 << 20


def test_an_endless_picture_is_dropped_within_its_bound(synthetic, plain):
    demuxer, _ = demux(plain)
    pid = next(iter(demuxer._pes))
    tracemalloc.start()
    body = (b"\x00\x00\x01\xe0\x00\x00\x80\x00\x00").ljust(184, b"\x55")
    demuxer.push(bytes((0x47, 0x40 | pid >> 8, pid & 255, 0x10)) + body)
    for number in range(1, 100_000):
        demuxer.push(bytes((0x47, pid >> 8, pid & 255, 0x10 | number & 15)) + b"\x55" * 184)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert demuxer.oversized == 1
    assert peak < 24 << 20
    assert held < 1 << 20
    assert len(demux(plain)[1]) == 30


@settings(max_examples=min(FUZZ, 200), deadline=None)
@given(st.data())
def test_flipped_cut_and_mixed_streams_end_in_samples_or_a_named_error(with_klv, data):
    clip = bytearray(with_klv[: 188 * 400])
    for _ in range(data.draw(st.integers(0, 30))):
        at = data.draw(st.integers(0, len(clip) - 1))
        clip[at] ^= 1 << data.draw(st.integers(0, 7))
    cut = data.draw(st.integers(0, len(clip)))
    more = data.draw(STREAM)
    try:
        _, samples = demux(bytes(clip[:cut]) + more + bytes(clip[cut:]))
    except SourceError:
        return
    assert all(len(s.data) <= 8 << 20 for s in samples)


@settings(max_examples=min(FUZZ, 300), deadline=None)
@given(st.lists(st.binary(min_size=187, max_size=187), max_size=20))
def test_any_packets_are_survived(bodies):
    try:
        demux(b"".join(b"\x47" + body for body in bodies))
    except SourceError:
        return


@settings(max_examples=FUZZ, deadline=None)
@given(st.binary(min_size=9, max_size=200))
def test_any_table_with_a_right_crc_is_survived(body):
    for table in (0x00, 0x02):
        head = bytes((table,)) + (0xB000 | len(body) + 4).to_bytes(2, "big") + body
        section = head + psi.crc32_mpeg2(head).to_bytes(4, "big")
        assert psi.crc32_mpeg2(section) == 0
        psi.parse_pat(section)
        streams = psi.parse_pmt(section)
        assert streams is None or len(streams) <= psi.MAX_STREAMS


def test_two_programs_with_their_maps_on_one_pid(synthetic, plain):
    """Legal and seen in the field: the second program's map must not push the first's pictures out."""
    pat = bytes.fromhex("00b011 0001 c1 00 00 0001f000 0002f000".replace(" ", ""))
    muxed = synthetic.packets(plain)
    first = next(p for p in muxed if p[1] & 0x1F == 0x10 and p[2] == 0)
    size = 3 + ((first[6] & 15) << 8 | first[7])
    second = bytearray(first[5 : 5 + size - 4])
    second[3:5] = b"\x00\x02"
    second[-5] = 0x06  # private data instead of pictures, on another PID
    second[-4:-2] = b"\xe3\x33"

    def packet(pid, section, counter):
        whole = section + psi.crc32_mpeg2(section).to_bytes(4, "big")
        return (bytes((0x47, 0x40 | pid >> 8, pid & 255, 0x10 | counter)) + b"\x00" + whole).ljust(188, b"\xff")

    body = [p for p in muxed if not (p[1] & 0x1F == 0 and p[2] == 0)]
    clip = packet(0, pat, 0) + first + b"".join(packet(0x1000, bytes(second), 1) + p for p in body)
    demuxer, samples = demux(clip)
    assert demuxer.known
    assert len(demuxer.tracks) == 2
    assert sum(s.kind == "video" for s in samples) == 30


START = st.booleans().map(lambda pictures: b"\x00\x00\x01" + (b"\xe0" if pictures else b"\xbd"))


@settings(max_examples=FUZZ, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.sampled_from([0x100, 0x101, 0x155]), START, st.binary(max_size=183)), max_size=12
    )
)
def test_any_pes_behind_right_tables_is_survived(pieces):
    """The tables are right, so that every byte reaches the PES reader: short headers, wrong lengths, cut stamps."""
    muxer = TsMuxer()
    muxer.tables()
    clip = muxer.take()
    counters = dict.fromkeys((0x100, 0x101, 0x155), 0)
    for start, pid, code, body in pieces:
        payload = ((code if start else b"") + body)[:183] or b"\x00"
        room = 184 - len(payload) - 1
        field = bytes((room,)) + (b"\x00" + b"\xff" * (room - 1) if room else b"")
        clip += bytes((0x47, start << 6 | pid >> 8, pid & 255, 0x30 | counters[pid])) + field + payload
        counters[pid] = (counters[pid] + 1) & 15
    for sample in demux(clip)[1]:
        assert sample.data
