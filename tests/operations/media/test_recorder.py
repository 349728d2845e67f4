"""Sealed segments: whole, chained, playable, and never in the way of the live view."""

import io
import threading
import time
from dataclasses import replace

import av
import pytest
from tests.waiting import AT_ONCE_S

from egide.operations.media.assemble import Assembler
from egide.operations.media.recorder import Recorder, genesis, link, replay, verify
from egide.operations.media.ts import TsDemuxer
from egide.operations.media.units import Unit


@pytest.fixture(scope="module")
def units(synthetic):
    demuxer, assembler = TsDemuxer(), Assembler()
    samples = demuxer.push(synthetic.make_ts(100, with_klv=True)) + demuxer.flush()
    return [unit for sample in samples for unit in assembler.push(sample)]


class Vault:
    """Keeps segments, or refuses to."""

    def __init__(self):
        self.segments, self.metas, self.errors = [], [], []
        self.full = False

    def seal(self, segment, meta):
        if self.full:
            raise OSError(28, "No space left on device")
        self.segments.append(segment)
        self.metas.append(meta)

    def trouble(self, fr, en):
        self.errors.append((fr, en))


def record(vault, units, **options):
    recorder = Recorder("r1", "s1", vault.seal, vault.trouble, **options)
    feed(recorder, units)
    return recorder


def feed(recorder, units):
    for unit in units:
        if isinstance(unit, Unit):
            recorder.unit(unit)
            while recorder._queue.full():  # the tests' units come faster than real time
                time.sleep(0.001)
        else:
            recorder.klv(unit)


def decode(ts):
    with av.open(io.BytesIO(ts), format="mpegts") as container:
        klv, pictures = [], []
        for packet in container.demux():
            if packet.stream.type == "video":
                pictures += [frame.pts for frame in packet.decode()]
            elif packet.size:
                klv.append(bytes(packet))
        return pictures, klv


def test_segments_put_end_to_end_play_as_one(units):
    vault = Vault()
    assert record(vault, units, segment_us=1_000_000).close()
    pictures = [u for u in units if isinstance(u, Unit)]
    assert len(vault.segments) >= 3
    played, metadata = decode(replay(vault.segments))
    assert len(played) == len(pictures) == 100
    assert metadata == [u.raw for u in units if not isinstance(u, Unit)][1:]  # the first came before any picture
    demuxer = TsDemuxer()
    again = demuxer.push(replay(vault.segments)) + demuxer.flush()
    assert [s.data for s in again if s.kind == "video"] == [u.data for u in pictures]
    assert not any(s.damaged for s in again)


def test_each_segment_plays_alone_and_is_short(units):
    vault = Vault()
    record(vault, units, segment_us=1_000_000).close()
    for segment, meta in zip(vault.segments, vault.metas, strict=True):
        assert meta.starts_with_key
        assert meta.last_pts_us - meta.first_pts_us <= 1_000_000
        assert len(decode(segment)[0]) == meta.pictures
        assert (meta.codec[:5], meta.width, meta.height, meta.size) == ("avc1.", 320, 240, len(segment))


def test_a_source_without_key_frames_is_cut_all_the_same(units):
    first, *rest = [u for u in units if isinstance(u, Unit)]
    vault = Vault()
    pictures = [first] + [Unit(u.pts_us, u.dts_us, 0, False, u.data, u.config) for u in rest]
    record(vault, pictures, segment_us=1_000_000).close()
    assert len(vault.segments) >= 3
    assert not vault.metas[1].starts_with_key
    assert len(decode(replay(vault.segments))[0]) == 100


def test_the_chain_is_sha256_of_previous_and_segment(units):
    vault = Vault()
    recorder = record(vault, units, segment_us=1_000_000)
    recorder.close()
    previous = genesis("r1")
    for index, (segment, meta) in enumerate(zip(vault.segments, vault.metas, strict=True)):
        assert (meta.index, meta.previous, meta.chain, meta.lost) == (index, previous, link(previous, segment), 0)
        previous = meta.chain
    assert recorder.chain == previous
    chains = [meta.chain for meta in vault.metas]
    assert verify("r1", vault.segments, chains) is None
    assert verify("r2", vault.segments, chains) == 0
    assert verify("r1", vault.segments[:-1], chains) == len(chains) - 1
    assert verify("r1", [vault.segments[1], vault.segments[0], *vault.segments[2:]], chains) == 0
    forged = vault.segments[1][:-1] + bytes((vault.segments[1][-1] ^ 1,))
    assert verify("r1", [vault.segments[0], forged, *vault.segments[2:]], chains) == 1


def test_nothing_is_recorded_before_a_key_frame(units):
    vault = Vault()
    record(vault, [u for u in units if isinstance(u, Unit)][3:8]).close()
    assert vault.segments == []


def test_a_full_disk_is_told_once_and_the_gap_is_declared(units):
    vault = Vault()
    recorder = Recorder("r1", "s1", vault.seal, vault.trouble, segment_us=500_000)
    vault.full = True
    feed(recorder, units[:120])
    time.sleep(0.1)
    vault.full = False
    feed(recorder, units[120:])
    recorder.close()
    assert len(vault.errors) == 1
    assert "disque" in vault.errors[0][0]
    assert vault.metas[0].lost > 0
    assert vault.metas[0].index == 0
    assert vault.metas[1].lost == 0
    assert verify("r1", vault.segments, [m.chain for m in vault.metas]) is None
    decode(replay(vault.segments))


def test_a_disk_that_hangs_never_holds_the_source(units):
    vault, release = Vault(), threading.Event()

    def hang(segment, meta):
        release.wait(10)
        vault.seal(segment, meta)

    recorder = Recorder("r1", "s1", hang, vault.trouble, segment_us=200_000)
    began = time.monotonic()
    for unit in units:
        recorder.unit(unit) if isinstance(unit, Unit) else recorder.klv(unit)
    assert time.monotonic() - began < AT_ONCE_S
    assert vault.errors
    release.set()
    assert recorder.close()
    assert sum(meta.lost for meta in vault.metas) > 0


def test_closing_twice_and_late_units_are_harmless(units):
    vault = Vault()
    recorder = record(vault, units[:20])
    assert recorder.close()
    recorder.unit(units[0] if isinstance(units[0], Unit) else units[1])
    assert len(vault.segments) == 1
    assert recorder.close(0.5)


def test_replay_refuses_what_is_no_transport_stream(units):
    with pytest.raises(ValueError, match="segment 0"):
        replay([b"x" * 188])
    with pytest.raises(ValueError, match="segment 0"):
        replay([b"\x47" * 100])


def shown(film):
    """(seconds of each picture, its width) and the metadata packets of a film, as FFmpeg finds them."""
    with av.open(io.BytesIO(film)) as container:
        klv, pictures = [], []
        for packet in container.demux():
            if packet.stream.type == "video":
                pictures += [(float(frame.pts * frame.time_base), frame.width) for frame in packet.decode()]
            elif packet.size:
                klv.append(bytes(packet))
        return pictures, klv


def test_a_film_plays_whole_and_each_segment_alone_with_every_packet_of_telemetry(units):
    vault = Vault()
    assert record(vault, units, segment_us=1_000_000, form="mp4").close()
    pictures = [u for u in units if isinstance(u, Unit)]
    assert len(vault.segments) >= 3
    assert verify("r1", vault.segments, [meta.chain for meta in vault.metas]) is None
    played, klv = shown(b"".join(vault.segments))
    assert [at for at, _ in played] == pytest.approx([u.pts_us / 1e6 for u in pictures])
    assert klv == [u.raw for u in units if not isinstance(u, Unit)][1:]  # the first came before any picture
    for segment, meta in zip(vault.segments, vault.metas, strict=True):
        alone, told = shown(segment)
        assert (len(alone), len(told), meta.size) == (meta.pictures, meta.klv, len(segment))
        assert alone[0][0] == pytest.approx(meta.first_pts_us / 1e6)


def test_a_film_whose_size_changes_midway_plays_on(synthetic):
    def of(size, start):
        demuxer, assembler = TsDemuxer(), Assembler()
        samples = demuxer.push(synthetic.make_ts(20, size=size)) + demuxer.flush()
        found = [u for s in samples for u in assembler.push(s) if isinstance(u, Unit)]
        return [replace(u, pts_us=u.pts_us + start, dts_us=u.dts_us + start) for u in found]

    vault = Vault()
    assert record(vault, [*of((320, 240), 0), *of((640, 360), 800_000)], form="mp4").close()
    assert len(vault.segments) == 2, "another size, another segment"
    played, _ = shown(b"".join(vault.segments))
    assert [width for _, width in played] == [320] * 20 + [640] * 20
