"""MPEG-TS over TCP, called and calling: first picture, reconnection, stalls, sound, and bytes of nobody in good faith."""

import contextlib
import os
import socket
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ports import free_port
from tests.waiting import AT_ONCE_S, PATIENCE_S

from egide.exercise.links import TcpSink
from egide.operations.media import ingest, tcp
from egide.operations.media.errors import SourceError
from egide.operations.media.ingest import Ingest
from egide.operations.media.source import SourceSpec, probe
from egide.operations.media.tcp import TcpReader

FUZZ = settings(max_examples=min(60, int(os.environ.get("EGIDE_FUZZ", "60"))), deadline=None)


class Pump:
    """Sends clips by a sink, in real time, from a thread."""

    def __init__(self, sink, *clips, seconds=1.0):
        self.sink, self._clips, self._seconds = sink, clips, seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join(PATIENCE_S)
        self.sink.close()

    def _run(self):
        for clip in self._clips:
            pieces = [clip[at : at + 1316] for at in range(0, len(clip), 1316)]
            for piece in pieces:
                if self._stop.wait(self._seconds / len(pieces)):
                    return
                self.sink.write(piece)
                self.sink.send()


class Heard:
    """An ingest and what it says."""

    def __init__(self, kind, url):
        self.units, self.klv, self.states = [], [], []
        spec = SourceSpec("s", kind, url)
        self.ingest = Ingest(spec, self.units.append, self.klv.append, lambda *state: self.states.append(state))

    def __enter__(self):
        self.ingest.start()
        return self

    def __exit__(self, *exc):
        assert self.ingest.stop()

    @property
    def names(self):
        return [state for state, _ in self.states]


def test_a_sender_that_listens_is_called(synthetic, with_klv):
    sink = TcpSink("127.0.0.1", 0, listen=True)
    with Pump(sink, *[with_klv] * 4), Heard("tcp", f"tcp://127.0.0.1:{sink.port}") as heard:
        assert synthetic.wait_until(lambda: len(heard.units) > 20 and len(heard.klv) > 20)
    assert heard.names[:2] == ["connecting", "live"]
    assert heard.ingest.counters.klv_errors == 0
    assert not any(unit.damaged for unit in heard.units[1:20])


def test_a_sender_that_calls_is_let_in_and_another_after_it(synthetic, plain):
    port = free_port()
    with Heard("tcp", f"tcp://127.0.0.1:{port}?listen") as heard:
        with Pump(TcpSink("127.0.0.1", port), plain):
            assert synthetic.wait_until(lambda: len(heard.units) > 10)
        before = len(heard.units)
        with Pump(TcpSink("127.0.0.1", port), plain, plain):
            assert synthetic.wait_until(lambda: len(heard.units) > before + 10)
    assert "failed" not in heard.names
    stamps = [unit.pts_us for unit in heard.units]
    assert stamps == sorted(stamps), "the clock goes on across senders"


def test_it_tells_what_it_carries(synthetic, with_klv):
    sink = TcpSink("127.0.0.1", 0, listen=True)
    with Pump(sink, *[with_klv] * 4):
        facts = probe(SourceSpec("s", "tcp", f"tcp://127.0.0.1:{sink.port}"), 4)
    assert (facts.width, facts.height, facts.fps, facts.has_klv, facts.has_audio) == (320, 240, 25.0, True, False)


def test_sound_ends_it_for_good(synthetic, plain, with_audio):
    port = free_port()
    with (
        Heard("tcp", f"tcp://127.0.0.1:{port}?listen") as heard,
        Pump(TcpSink("127.0.0.1", port), plain, with_audio, seconds=0.4),
    ):
        assert synthetic.wait_until(lambda: "failed" in heard.names)
    assert heard.ingest.error.code == "audio"


def test_a_server_that_stops_sending_is_lost_then_found_again(synthetic, plain, monkeypatch):
    monkeypatch.setattr(tcp, "SILENCE_S", 0.3)
    monkeypatch.setattr(ingest, "FIRST_BACKOFF_S", 0.1)
    sink = TcpSink("127.0.0.1", 0, listen=True)
    with Heard("tcp", f"tcp://127.0.0.1:{sink.port}") as heard:
        with_pause = Pump(sink, plain, seconds=0.4)
        with_pause._thread.start()
        assert synthetic.wait_until(lambda: "waiting" in heard.names)
        assert heard.ingest.error.code == "lost"
        with Pump(sink, *[plain] * 4):
            assert synthetic.wait_until(lambda: heard.names[-1] == "live")
    assert heard.ingest.counters.reconnections >= 1


def test_a_size_that_changes_midway_is_announced(synthetic, plain):
    port = free_port()
    larger = synthetic.make_ts(30, size=(640, 360), start=30)
    with (
        Heard("tcp", f"tcp://127.0.0.1:{port}?listen") as heard,
        Pump(TcpSink("127.0.0.1", port), plain, larger, larger, seconds=0.4),
    ):
        assert synthetic.wait_until(lambda: any(unit.config.width == 640 for unit in heard.units))
    changed = [unit for unit in heard.units if unit.codec_changed]
    assert [unit.config.width for unit in changed][:2] == [320, 640]
    assert all(unit.key for unit in changed)


def test_a_codec_that_changes_midway_is_told(synthetic, plain):
    port = free_port()
    other = synthetic.make_ts(20, codec="libx265")
    with (
        Heard("tcp", f"tcp://127.0.0.1:{port}?listen") as heard,
        Pump(TcpSink("127.0.0.1", port), plain, other, seconds=0.4),
    ):
        assert synthetic.wait_until(lambda: "failed" in heard.names)
    assert heard.ingest.error.code == "codec"
    assert "H.265" in heard.states[-1][1][0]


@pytest.mark.parametrize(
    "url",
    ["tcp://", "tcp://h", "tcp://:0", "tcp://:5000", "tcp://h:99999", "udp://h:1", "tcp://h:1?x=1", "tcp://[::1:5"],
)
def test_an_address_that_is_none(url):
    with pytest.raises(SourceError) as caught:
        TcpReader(url, 1, threading.Event())
    assert caught.value.code == "address"


def test_nobody_there_and_a_port_that_is_taken():
    with pytest.raises(SourceError) as caught:
        TcpReader(f"tcp://127.0.0.1:{free_port()}", 1, threading.Event())
    assert caught.value.code == "unreachable"
    with socket.create_server(("127.0.0.1", 0)) as rival, pytest.raises(SourceError) as caught:
        TcpReader(f"tcp://127.0.0.1:{rival.getsockname()[1]}?listen", 1, threading.Event())
    assert caught.value.code == "port"


def test_a_stop_is_prompt_while_a_server_is_silent():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        heard = Heard("tcp", f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        heard.ingest.start()
        time.sleep(0.1)
        began = time.monotonic()
        assert heard.ingest.stop()
        assert time.monotonic() - began < AT_ONCE_S


@FUZZ
@given(st.binary(max_size=4000))
def test_any_bytes_end_in_samples_or_a_plain_error(data):
    ours, theirs = socket.socketpair()
    reader = TcpReader.__new__(TcpReader)
    reader.received, reader._server, reader._socket, reader._anew = 0, None, ours, False
    reader._demuxer, reader._heard = tcp.TsDemuxer(), time.monotonic()
    with theirs:
        theirs.sendall(data)
    with contextlib.suppress(SourceError):
        for _ in range(3):
            reader.read()
    reader.close()
