"""A source received in its own thread: states, reconnection, sound, stop."""

import threading
import time
from itertools import pairwise

import pytest
from tests.ports import free_port
from tests.waiting import AT_ONCE_S, PATIENCE_S

from egide.operations.media import annexb, ingest, udp
from egide.operations.media.ingest import Ingest
from egide.operations.media.pairing import mux_ts
from egide.operations.media.source import SourceSpec


class Listener:
    """Keeps what an ingest says."""

    def __init__(self, spec):
        self.units, self.klv, self.states = [], [], []
        self.ingest = Ingest(spec, self.units.append, self.klv.append, lambda *state: self.states.append(state))

    def __enter__(self):
        self.ingest.start()
        return self

    def __exit__(self, *exc):
        self.ingest.stop()

    @property
    def names(self):
        return [state for state, _ in self.states]


@pytest.fixture
def play(tmp_path):
    def build(clip, *, loop=False):
        path = tmp_path / "clip"
        path.write_bytes(clip)
        return Listener(SourceSpec("s", "file", str(path), loop))

    return build


def test_a_file_plays_in_real_time_and_stops(synthetic, play):
    began = time.monotonic()
    with play(synthetic.make_ts(13, with_klv=True)) as heard:
        assert synthetic.wait_until(lambda: "stopped" in heard.names)
    assert time.monotonic() - began > 0.4
    assert heard.names == ["connecting", "live", "stopped"]
    assert [u.pts_us for u in heard.units] == [n * 40_000 for n in range(13)]
    assert [u.key for u in heard.units] == [True] + [False] * 9 + [True] + [False] * 2
    assert [u.codec_changed for u in heard.units] == [True] + [False] * 12
    assert len(heard.klv) == 13
    assert all(k.frame is not None and k.error is None for k in heard.klv)
    spread = heard.units[-1].capture_us - heard.units[0].capture_us
    assert abs(spread - 12 * 40_000) < 100_000


def test_an_mp4_gives_annex_b_with_its_parameter_sets(synthetic, play):
    with play(synthetic.make_ts(12, container="mov")) as heard:
        assert synthetic.wait_until(lambda: "stopped" in heard.names)
    keys = [u for u in heard.units if u.key]
    assert len(keys) == 2
    for unit in keys:
        types = [n.type for n in annexb.split(unit.data)]
        assert {annexb.SPS, annexb.PPS, annexb.IDR} <= set(types)
        assert types.index(annexb.SPS) < types.index(annexb.PPS) < types.index(annexb.IDR)


def test_a_loop_goes_on_without_a_step_back(synthetic, play):
    with play(synthetic.make_ts(5), loop=True) as heard:
        assert synthetic.wait_until(lambda: len(heard.units) >= 18)
    stamps = [u.pts_us for u in heard.units]
    assert all(20_000 <= b - a <= 70_000 for a, b in pairwise(stamps))


@pytest.mark.parametrize("container", ["mpegts", "mov"])
def test_sound_is_refused_before_any_picture(synthetic, play, container):
    with play(synthetic.make_ts(10, with_audio=True, container=container)) as heard:
        assert synthetic.wait_until(lambda: "failed" in heard.names)
    assert heard.units == []
    assert heard.ingest.error.code == "audio"
    assert "son" in heard.states[-1][1][0]


def test_sound_that_appears_midway_stops_everything(synthetic, plain, with_audio):
    port = free_port()
    with Listener(SourceSpec("s", "udp", f"udp://127.0.0.1:{port}")) as heard:
        with synthetic.Sender(port, [plain, with_audio, plain], seconds=0.5):
            assert synthetic.wait_until(lambda: "failed" in heard.names)
            count = len(heard.units)
            time.sleep(0.3)
        assert len(heard.units) == count <= 30
        assert heard.ingest.error.code == "audio"


def test_a_drone_on_udp_is_live_and_stops_at_once(synthetic, with_klv):
    port = free_port()
    with (
        Listener(SourceSpec("s", "udp", f"udp://127.0.0.1:{port}")) as heard,
        synthetic.Sender(port, [with_klv] * 9, seconds=0.4),
    ):
        assert synthetic.wait_until(lambda: len(heard.units) > 40)
        began = time.monotonic()
        assert heard.ingest.stop()
        assert time.monotonic() - began < AT_ONCE_S
        count = len(heard.units)
        time.sleep(0.2)
        assert len(heard.units) == count
    assert heard.names == ["connecting", "live", "stopped"]
    assert heard.units[0].key
    assert heard.ingest.counters.klv_errors == 0
    stamps = [u.pts_us for u in heard.units]
    assert stamps == sorted(stamps)


def test_silence_is_told_and_the_return_too(synthetic, plain, monkeypatch):
    monkeypatch.setattr(ingest, "STALL_S", 0.3)
    monkeypatch.setattr(udp, "SENDER_SILENCE_S", 0.2)
    port = free_port()
    with Listener(SourceSpec("s", "udp", f"udp://127.0.0.1:{port}")) as heard:
        assert synthetic.wait_until(lambda: "waiting" in heard.names)
        for _ in range(2):
            with synthetic.Sender(port, [plain], seconds=0.3):
                assert synthetic.wait_until(lambda: heard.names[-1] == "live")
            assert synthetic.wait_until(lambda: heard.names[-1] == "waiting")
    assert heard.names == ["connecting", "waiting", "live", "waiting", "live", "waiting", "stopped"]
    assert heard.states[1][1] != heard.states[3][1]
    restart = [u for u in heard.units if u.codec_changed]
    assert len(restart) == 2
    assert all(u.key for u in restart)


def test_a_change_of_size_gives_a_new_configuration(synthetic, plain):
    port = free_port()
    other = synthetic.make_ts(20, size=(640, 360))
    with (
        Listener(SourceSpec("s", "udp", f"udp://127.0.0.1:{port}")) as heard,
        synthetic.Sender(port, [plain, other], seconds=0.5),
    ):
        assert synthetic.wait_until(lambda: bool(heard.units) and heard.units[-1].config.width == 640)
    changes = [(u.config.width, u.key) for u in heard.units if u.codec_changed]
    assert changes == [(320, True), (640, True)]
    stamps = [u.pts_us for u in heard.units]
    assert stamps == sorted(stamps)


def test_a_second_sender_on_the_port_is_ignored(synthetic, plain):
    port = free_port()
    other = synthetic.make_ts(30, size=(640, 360))
    with (
        Listener(SourceSpec("s", "udp", f"udp://127.0.0.1:{port}")) as heard,
        synthetic.Sender(port, [plain] * 3, seconds=0.5),
    ):
        assert synthetic.wait_until(lambda: len(heard.units) > 5)
        with synthetic.Sender(port, [other], seconds=0.3):
            assert synthetic.wait_until(lambda: len(heard.units) > 60)
    assert {u.config.width for u in heard.units} == {320}
    assert heard.ingest.counters.damaged == 0


def test_an_unreachable_camera_waits_and_stops(synthetic):
    with Listener(SourceSpec("s", "rtsp", "rtsp://127.0.0.1:1/x")) as heard:
        assert synthetic.wait_until(lambda: "waiting" in heard.names)
        assert heard.ingest.stop()
    assert heard.names == ["connecting", "waiting", "stopped"]


def test_a_missing_file_fails_for_good(synthetic):
    with Listener(SourceSpec("s", "file", "/nowhere.ts", loop=True)) as heard:
        assert synthetic.wait_until(lambda: "failed" in heard.names)


def test_an_unreadable_file_in_a_loop_does_not_spin(synthetic, play):
    clip = synthetic.make_ts(12)
    with play(clip[: 188 * 5], loop=True) as heard:
        assert synthetic.wait_until(lambda: "failed" in heard.names)
    assert heard.ingest.error.code == "truncated"


def test_a_fault_in_a_callback_is_told_not_swallowed(synthetic, tmp_path, plain):
    path = tmp_path / "clip.ts"
    path.write_bytes(plain)

    def broken(unit):
        raise RuntimeError("the caller's own fault")

    states = []
    ingest_ = Ingest(SourceSpec("s", "file", str(path)), broken, lambda k: None, lambda s, d: states.append(s))
    ingest_.start()
    assert synthetic.wait_until(lambda: "failed" in states)
    ingest_.stop()
    assert ingest_.error.code == "internal"


def test_stop_from_a_callback_does_not_lock(synthetic, tmp_path, plain):
    path = tmp_path / "clip.ts"
    path.write_bytes(plain)
    seen = []
    done = threading.Event()

    def once(unit):
        seen.append(unit)
        source.stop()
        done.set()

    source = Ingest(SourceSpec("s", "file", str(path)), once, lambda k: None, lambda s, d: None)
    source.start()
    assert done.wait(PATIENCE_S)
    assert source.stop()
    assert len(seen) == 1


@pytest.mark.parametrize("synchronous", [False, True])
def test_a_real_video_with_a_real_flight_keeps_every_packet(shared_data, tmp_path, synchronous):
    from egide.operations.media.assemble import Assembler
    from egide.operations.media.readers import open_reader
    from egide.operations.media.units import KlvUnit

    out = tmp_path / "flight.ts"
    video, flight = shared_data / "video" / "car-detection.mp4", shared_data / "klv" / "cheyenne.klv"
    written = mux_ts(video, flight, out, synchronous_klv=synchronous)
    assert (written.pictures, written.packets) == (377, 407)
    reader, assembler = open_reader("file", str(out), 1), Assembler()
    units = []
    while (samples := reader.read()) is not None:
        units += [unit for sample in samples for unit in assembler.push(sample)]
    reader.close()
    packets = [u for u in units if isinstance(u, KlvUnit)]
    assert sum(p.frame is not None for p in packets) == 407
    assert b"".join(p.raw for p in packets) == flight.read_bytes()
    assert len(units) - len(packets) == 377
    assert not reader.has_audio
