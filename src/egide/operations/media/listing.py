"""What an SRT or RTMP address means, and the list of one entry that tells it to ffmpeg.

Why a list: whatever stands on a command line is read by everyone on the machine (`ps`), and these addresses carry pass phrases
and stream keys. ffmpeg's `concat` demuxer takes addresses and their options from its standard input instead (FFmpeg 5.0).
Source: draft-sharabayko-srt, the SRT project's URI syntax (mode, latency in ms, passphrase, pbkeylen, streamid); Adobe RTMP 1.0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit, urlunsplit

from egide.operations.media.errors import source_error

PROBE_BYTES: Final = 32 * 1024
"""Bytes ffmpeg may look at before it begins (its default is 5 MB)."""
_PROTOCOLS: Final = {"srt": "pipe,srt", "rtmp": "pipe,rtmp,tcp", "rtmps": "pipe,rtmps,rtmp,tls,tcp"}
_HEAD: Final = "ffconcat version 1.0\n"
_TUNED: Final = (
    # A sender decides what it sends: nothing but these two may be recognised in it (no playlist that opens other addresses).
    "option format_whitelist mpegts,flv\n"
    f"option probesize {PROBE_BYTES}\noption analyzeduration 1\noption fpsprobesize 0\noption fflags nobuffer\n"
)
_FORBIDDEN: Final = re.compile(r"[\s\x00-\x1f\x7f]")
_LATENCY_MS: Final = (20, 8000)


@dataclass(frozen=True, slots=True)
class Listing:
    """The list for ffmpeg, which protocols it may use, and whether the sender calls us (on `port`)."""

    text: str = field(repr=False)
    protocols: str
    listens: bool
    port: int


def listing(kind: str, url: str) -> Listing:
    """The list for an `srt` or `rtmp` address.  Raises SourceError address."""
    try:
        parts = urlsplit(url)
        port = parts.port
        asked = dict(parse_qsl(parts.query, keep_blank_values=True, max_num_fields=8))
    except ValueError as problem:
        raise source_error("address") from problem
    if _FORBIDDEN.search(url) or any(_FORBIDDEN.search(value) for value in asked.values()):
        raise source_error("address")
    if kind == "srt" and parts.scheme == "srt" and port:
        return _srt(parts, port, asked)
    if kind == "rtmp" and parts.scheme in ("rtmp", "rtmps") and parts.hostname:
        return _rtmp(parts, port or (443 if parts.scheme == "rtmps" else 1935), asked)
    raise source_error("address")


def _srt(parts: SplitResult, port: int, asked: dict[str, str]) -> Listing:
    mode = asked.pop("mode", "caller" if parts.hostname else "listener")
    options = {"mode": mode}
    latency = asked.pop("latency", "120")
    if mode not in ("caller", "listener") or not latency.isdecimal():
        raise source_error("address")
    options["latency"] = str(min(max(int(latency), _LATENCY_MS[0]), _LATENCY_MS[1]) * 1000)  # ffmpeg counts in µs
    for name in ("passphrase", "pbkeylen", "streamid"):
        if name in asked:
            options[name] = asked.pop(name)
    if asked or (mode == "caller" and not parts.hostname):
        raise source_error("address")
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return Listing(_written(f"srt://{host}:{port}", options), _PROTOCOLS["srt"], mode == "listener", port)


def _rtmp(parts: SplitResult, port: int, asked: dict[str, str]) -> Listing:
    """Whatever the address says besides `listen` is the server's (stream keys are often parameters)."""
    listens = asked.get("listen") in ("", "1")
    query = "&".join(part for part in parts.query.split("&") if part.partition("=")[0] != "listen")
    address = urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))
    return Listing(_written(address, {"listen": "1"} if listens else {}), _PROTOCOLS[parts.scheme], listens, port)


def _written(address: str, options: dict[str, str]) -> str:
    lines = [f"file {_quoted(address)}", *(f"option {name} {_quoted(value)}" for name, value in options.items())]
    return _HEAD + "\n".join(lines) + "\n" + _TUNED


def _quoted(word: str) -> str:
    """A word as ffmpeg's lists quote it: nothing is special inside, a quote is closed, escaped and opened again."""
    return "'" + word.replace("'", "'\\''") + "'"
