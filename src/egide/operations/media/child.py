"""SRT and RTMP through a child `ffmpeg` that copies pictures and data into MPEG-TS, and never sound.

Why a child: no maintained SRT or RTMP library is installable as a Python package, and PyAV's wheel has no SRT; Debian's ffmpeg
has both (decision 0042). The child speaks with strangers in C, so it is bounded: no privileges to gain, 2 GiB of address space,
no file it may open, dead with us. What it writes is demultiplexed by ts.py like any other source.

Sound is never copied, but it must be noticed (L242-4): ffmpeg names each track on its standard error, those it finds before it
begins and those that appear midway, and always before the first byte that follows.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import time
from typing import IO, Final

from egide.operations.media.dial import TICK_S
from egide.operations.media.errors import SourceError, source_error
from egide.operations.media.listing import PROBE_BYTES, Listing, listing
from egide.operations.media.psi import Track
from egide.operations.media.ts import TsDemuxer
from egide.operations.media.units import Sample

SILENCE_S: Final = 3.0
"""Seconds without a byte after which a source that sent is lost, as for RTSP."""
_GOODBYE_S: Final = 0.4
"""Seconds ffmpeg gets to take leave of the sender before it is killed."""
_CHUNK: Final = 64 * 1024
_LINE: Final = 2048
"""Bytes of a line of ffmpeg's that are looked at."""
_SPACE: Final = 2 * 1024**3
_TRACK: Final = re.compile(rb"Stream #0:\d+[^:]*: Audio: ([a-z0-9_]+)|New audio stream 0:")
_REASONS: Final = (
    # words of ffmpeg 5 to 8 and of libsrt 1.4 and 1.5, in lower case, first match wins
    (b"incorrect passphrase", "refused"),
    (b"badsecret", "refused"),
    (b"srto_passphrase", "passphrase"),
    (b"unauthorized", "refused"),
    (b"authentication", "refused"),
    (b"access denied", "refused"),
    (b"streamnotfound", "path"),
    (b"stream not found", "path"),
    (b"address already in use", "port"),
    (b"cannot assign requested address", "port"),
    (b"protocol not found", "ffmpeg"),
    (b"not on whitelist", "no_video"),
    (b"invalid data found", "no_video"),
    (b"does not contain any stream", "no_video"),
)


class ChildReader:
    """An SRT or RTMP source.  Opening raises SourceError address, ffmpeg."""

    def __init__(self, kind: str, url: str, timeout_s: float) -> None:
        self._listing = listing(kind, url)
        self.container = "MPEG-TS / SRT" if kind == "srt" else "FLV / RTMP"
        self.received = 0
        self._demuxer = TsDemuxer()
        self._sound: Track | None = None
        self._line = b""
        self._reason = ""
        self._corrupt = 0
        self._heard = time.monotonic()
        self._patience = self._heard + timeout_s
        self._process = _started(self._listing)
        out, said = self._process.stdout, self._process.stderr
        if out is None or said is None:  # never with the pipes asked for; this tells the type checker
            raise source_error("internal")
        self._out, self._said = out, said
        os.set_blocking(said.fileno(), False)
        self._poll = select.poll()
        for pipe in (out, said):
            self._poll.register(pipe.fileno(), select.POLLIN)

    @property
    def tracks(self) -> tuple[Track, ...]:
        """What is copied, and the sound that is not."""
        return self._demuxer.tracks + ((self._sound,) if self._sound else ())

    @property
    def has_audio(self) -> bool:
        """True as soon as ffmpeg names a sound track, or one hides in the data."""
        return self._sound is not None or self._demuxer.has_audio

    @property
    def lost(self) -> int:
        """Packets damaged on the way, as ffmpeg tells; what it writes has counters of its own, which miss nothing."""
        return self._demuxer.lost + self._corrupt

    def read(self) -> list[Sample] | None:
        """Wait up to 0.2 s for bytes.  Raises SourceError lost, silent, unreachable, refused and what ts.py raises."""
        ready = {descriptor for descriptor, _ in self._poll.poll(TICK_S * 1000)}
        data = os.read(self._out.fileno(), _CHUNK) if self._out.fileno() in ready else None
        self._listen()  # after the bytes: what ffmpeg said before it wrote them is known before they are handed on
        if data == b"":
            raise self._ended()
        now = time.monotonic()
        if data:
            self.received += len(data)
            self._heard = now
            return self._demuxer.push(data)
        if self.received and now - self._heard > SILENCE_S:
            raise source_error("lost")
        if not self.received and not self._listing.listens and now > self._patience:
            raise source_error("silent")
        return []

    def close(self) -> None:
        """End the child and whatever it started."""
        process = self._process
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GOODBYE_S)
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self._out.close()
        self._said.close()

    def _listen(self) -> None:
        """Reads what ffmpeg says: nothing of it is kept but which tracks there are and why it ends."""
        while True:
            try:
                data = os.read(self._said.fileno(), _CHUNK)
            except BlockingIOError:
                return
            if not data:
                with contextlib.suppress(KeyError):
                    self._poll.unregister(self._said.fileno())
                return
            *lines, rest = (self._line + data).split(b"\n")
            self._line = rest[-_LINE:]
            for line in lines:
                self._learn(line[:_LINE])

    def _learn(self, line: bytes) -> None:
        found = _TRACK.search(line)
        if found is not None:
            self._sound = self._sound or Track("audio", (found[1] or b"audio").decode())
        low = line.lower()
        self._corrupt += b"corrupt input packet" in low
        if not self._reason:
            self._reason = next((code for words, code in _REASONS if words in low), "")

    def _ended(self) -> SourceError:
        """Why the child has gone."""
        self._learn(self._line)
        if self._reason == "port":
            return source_error("port", port=self._listing.port)
        if self._reason:
            return source_error(self._reason)
        return source_error("lost" if self.received else "unreachable")


def _started(given: Listing) -> subprocess.Popen[bytes]:
    """Ffmpeg in a session of its own, its list already given.  Raises SourceError ffmpeg."""
    command = _command(given.protocols)
    try:
        process = subprocess.Popen(  # noqa: S603 — a fixed command line; the address goes through the pipe
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            bufsize=0,
        )
    except OSError as problem:
        raise source_error("ffmpeg") from problem
    _give(process.stdin, given.text)
    return process


def _give(pipe: IO[bytes] | None, text: str) -> None:
    """A list is far smaller than a pipe's 64 KiB: this never waits."""
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.write(text.encode())
        with contextlib.suppress(OSError):
            pipe.close()


def _command(protocols: str) -> list[str]:
    """The command line, the same for every source; util-linux bounds the child where it is there (Debian: always)."""
    program = shutil.which("ffmpeg")
    if program is None:
        raise source_error("ffmpeg")
    bounds: list[str] = []
    if (setpriv := shutil.which("setpriv")) is not None:
        bounds += [setpriv, "--pdeathsig", "KILL", "--no-new-privs"]  # it dies with the thread that wants it
    if (prlimit := shutil.which("prlimit")) is not None:
        bounds += [prlimit, f"--as={_SPACE}", "--core=0"]
    return [
        *bounds, program, "-hide_banner", "-nostats", "-loglevel", "level+info",
        "-fflags", "nobuffer", "-probesize", str(PROBE_BYTES), "-analyzeduration", "1", "-fpsprobesize", "0",
        "-f", "concat", "-safe", "0", "-protocol_whitelist", protocols, "-i", "pipe:0",
        "-map", "0:v:0?", "-map", "0:d?", "-c", "copy", "-muxdelay", "0", "-muxpreload", "0", "-flush_packets", "1",
        # a picture is not held back for telemetry that is rare, and tells its length (see exercise/broadcast.py)
        "-max_interleave_delta", "1", "-omit_video_pes_length", "0", "-pat_period", "0.25", "-f", "mpegts", "pipe:1",
    ]  # fmt: skip
