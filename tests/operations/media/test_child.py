"""SRT and RTMP through the child ffmpeg: pictures, telemetry, sound noticed, secrets unseen, nothing left running."""

import os
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import missing
from tests.ports import free_port
from tests.waiting import PATIENCE_S

from egide.exercise.links import sink_of
from egide.operations.media import child, ingest
from egide.operations.media.child import ChildReader
from egide.operations.media.errors import SourceError
from egide.operations.media.ingest import Ingest
from egide.operations.media.listing import listing
from egide.operations.media.source import SourceSpec, Track, probe

FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "500")), deadline=None)
SECRET = "correct-horse-battery"


@pytest.fixture(scope="module")
def ffmpeg():
    if shutil.which("ffmpeg") is None:
        missing("ffmpeg is not installed: apt install ffmpeg")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """What waits in the field does not wait here."""
    monkeypatch.setattr(ingest, "FIRST_BACKOFF_S", 0.1)
    monkeypatch.setattr(child, "_GOODBYE_S", 0.1)


class Sending:
    """Plays a clip over a link in real time until told to stop; begins again when the other side hangs up."""

    def __init__(self, url, clip, seconds=1.2, *, again=True):
        self._url, self._clip, self._seconds, self._again = url, clip, seconds, again
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._stop.set()
        self._thread.join(PATIENCE_S)

    def _run(self):
        pieces = [self._clip[at : at + 1316] for at in range(0, len(self._clip), 1316)]
        while not self._stop.is_set():
            sink = sink_of(self._url)
            try:
                for piece in pieces:
                    if sink.over or self._stop.wait(self._seconds / len(pieces)):
                        break
                    sink.write(piece)
                    sink.send()
            finally:
                sink.close()
            if not self._again:
                return


class Heard:
    def __init__(self, kind, url):
        self.units, self.klv, self.states = [], [], []
        spec = SourceSpec("s", kind, url)
        self.ingest = Ingest(spec, self.units.append, self.klv.append, lambda *state: self.states.append(state))

    def __enter__(self):
        self.ingest.start()
        return self

    def __exit__(self, *exc):
        assert self.ingest.stop(2.0)

    @property
    def names(self):
        return [state for state, _ in self.states]


@pytest.fixture(scope="module")
def long(synthetic):
    return synthetic.make_ts(250, with_klv=True, gop=12)


def children():
    """The ffmpeg processes whose parent we are, and their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if parent == os.getpid() and "ffmpeg" in line and "concat" in line:
                found[int(entry.name)] = line
    return found


def test_srt_with_a_pass_phrase_gives_pictures_and_telemetry_and_shows_no_secret(ffmpeg, synthetic, long, caplog):
    port = free_port()
    address = f"srt://127.0.0.1:{port}?passphrase={SECRET}"
    with Sending(f"{address}&mode=listener", long, 10), Heard("srt", f"{address}&mode=caller&latency=60") as heard:
        assert synthetic.wait_until(lambda: len(heard.units) > 25 and len(heard.klv) > 25)
        lines = children()
        assert len(lines) == 1
        assert not any(SECRET in line or str(port) in line for line in lines.values())
    assert not children(), "the child ends with its reader"
    assert heard.ingest.counters.klv_errors == 0
    assert heard.units[0].key
    assert SECRET not in caplog.text
    assert SECRET not in repr(heard.states) + repr(listing("srt", address))


def test_srt_that_is_called_survives_its_senders(ffmpeg, synthetic, long):
    port = free_port()
    with Heard("srt", f"srt://127.0.0.1:{port}?mode=listener&latency=60") as heard:
        with Sending(f"srt://127.0.0.1:{port}?mode=caller", long, 10):
            assert synthetic.wait_until(lambda: len(heard.units) > 10)
        assert synthetic.wait_until(lambda: heard.names[-1] == "waiting")
        assert heard.ingest.error.code == "lost"
        before = len(heard.units)
        with Sending(f"srt://127.0.0.1:{port}?mode=caller", long, 10):
            assert synthetic.wait_until(lambda: len(heard.units) > before + 10)
    assert heard.ingest.counters.reconnections >= 1


def test_rtmp_that_is_called_gives_pictures(ffmpeg, synthetic, long):
    port = free_port()
    with (
        Heard("rtmp", f"rtmp://127.0.0.1:{port}/live/{SECRET}?listen") as heard,
        Sending(f"rtmp://127.0.0.1:{port}/live/{SECRET}", long, 10),
    ):
        assert synthetic.wait_until(lambda: len(heard.units) > 10)
        assert not any(SECRET in line for line in children().values())
    assert heard.units[0].config.width == 320


@pytest.mark.parametrize("kind", ["srt", "rtmp"])
def test_sound_is_never_copied_and_always_noticed(ffmpeg, synthetic, kind):
    port = free_port()
    clip = synthetic.make_ts(200, with_audio=True, gop=12)
    tail = "?mode=listener&latency=60" if kind == "srt" else "/live/k?listen"
    with (
        Heard(kind, f"{kind}://127.0.0.1:{port}{tail}") as heard,
        Sending(f"{kind}://127.0.0.1:{port}" + ("/live/k" if kind == "rtmp" else ""), clip, 8),
    ):
        assert synthetic.wait_until(lambda: "failed" in heard.names)
    assert heard.ingest.error.code == "audio"
    assert heard.units == [], "refused before a picture is handed on"


def test_the_law_sees_the_sound_of_a_source_it_looks_at(ffmpeg, synthetic):
    port = free_port()
    clip = synthetic.make_ts(200, with_audio=True, gop=12)
    with Sending(f"srt://127.0.0.1:{port}?mode=listener", clip, 8):
        facts = probe(SourceSpec("s", "srt", f"srt://127.0.0.1:{port}"), 8)
    assert facts.has_audio
    assert Track("audio", "aac") in facts.tracks


def test_sound_that_appears_midway_is_noticed(ffmpeg, synthetic):
    port = free_port()
    clip = synthetic.make_ts(80, gop=12) + synthetic.make_ts(120, with_audio=True, gop=12, start=80)
    with (
        Heard("srt", f"srt://127.0.0.1:{port}?mode=listener&latency=60") as heard,
        Sending(f"srt://127.0.0.1:{port}?mode=caller", clip, 5),
    ):
        assert synthetic.wait_until(lambda: "failed" in heard.names)
    assert heard.ingest.error.code == "audio"
    assert heard.units, "it was seen before"


def test_a_wrong_pass_phrase_is_refused_in_plain_words(ffmpeg, synthetic, long):
    port = free_port()
    with Sending(f"srt://127.0.0.1:{port}?mode=listener&passphrase={SECRET}", long, 10):
        time.sleep(0.4)
        assert opened(f"srt://127.0.0.1:{port}?passphrase=something-else") == "refused"


def opened(url, kind="srt"):
    """The code of the error in which a source that cannot be had ends."""
    reader = ChildReader(kind, url, 5)
    try:
        while True:
            reader.read()
    except SourceError as error:
        return error.code
    finally:
        reader.close()


def test_what_is_wrong_is_told_by_its_code(ffmpeg):
    assert opened(f"srt://127.0.0.1:{free_port()}?passphrase=short") == "passphrase"
    assert opened(f"rtmp://127.0.0.1:{free_port()}/live/k", "rtmp") == "unreachable"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rival:
        rival.bind(("127.0.0.1", 0))
        assert opened(f"srt://127.0.0.1:{rival.getsockname()[1]}?mode=listener") == "port"


def test_without_ffmpeg_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(child.shutil, "which", lambda _name: None)
    with pytest.raises(SourceError, match="apt install ffmpeg") as caught:
        ChildReader("srt", "srt://127.0.0.1:9", 1)
    assert caught.value.final


def test_a_child_that_dies_is_started_again(ffmpeg, synthetic, long):
    port = free_port()
    with (
        Heard("srt", f"srt://127.0.0.1:{port}?mode=listener&latency=60") as heard,
        Sending(f"srt://127.0.0.1:{port}?mode=caller", long, 10),
    ):
        assert synthetic.wait_until(lambda: len(heard.units) > 5)
        (victim,) = children()
        os.kill(victim, 9)
        before = len(heard.units)
        assert synthetic.wait_until(lambda: len(heard.units) > before + 5)
    assert "waiting" in heard.names


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("srt", "srt://"), ("srt", "srt://h"), ("srt", "srt://:9?mode=caller"), ("srt", "srt://h:9?mode=x"), ("srt", "srt://h:9?x=1"),
        ("srt", "srt://h:9?passphrase=a%0Aoption"), ("srt", "rtmp://h/x"), ("srt", "srt://h:9?latency=x"), ("srt", "srt://h:99999"),
        ("rtmp", "rtmp://"), ("rtmp", "srt://h:9"), ("rtmp", "rtmp://h/x y"), ("rtmp", "rtmp://h/\nfile '/etc/passwd'"),
    ],
)  # fmt: skip
def test_an_address_that_is_none(kind, url):
    with pytest.raises(SourceError) as caught:
        listing(kind, url)
    assert caught.value.code == "address"


def test_the_list_says_what_the_address_meant():
    made = listing("srt", "srt://198.51.100.7:9000?passphrase=it's-a-secret&latency=200&streamid=drone")
    assert "file 'srt://198.51.100.7:9000'\n" in made.text
    assert "option latency '200000'\n" in made.text
    assert "option passphrase 'it'\\''s-a-secret'\n" in made.text
    assert (made.listens, made.port, made.protocols) == (False, 9000, "pipe,srt")
    assert listing("srt", "srt://:9000").listens
    called = listing("rtmp", "rtmp://0.0.0.0/live/key?listen&token=x")
    assert "file 'rtmp://0.0.0.0/live/key?token=x'\n" in called.text
    assert (called.listens, called.port) == (True, 1935)


@FUZZ
@given(st.sampled_from(["srt", "rtmp"]), st.text(max_size=80))
def test_no_address_writes_a_second_entry(kind, text):
    try:
        made = listing(kind, f"{kind}://h:9{text}")
    except SourceError:
        return
    lines = made.text.splitlines()
    assert sum(line.startswith("file ") for line in lines) == 1
    assert all(line.startswith(("ffconcat ", "file '", "option ")) for line in lines)


@FUZZ
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_whatever_the_child_says_is_bounded(said):
    reader = ChildReader.__new__(ChildReader)
    reader._sound, reader._reason, reader._line, reader._corrupt = None, "", b"", 0
    for line in said:
        reader._learn(line)
    assert reader._reason in {"", *(code for _, code in child._REASONS)}
