"""A scanner for malicious files: ClamAV's daemon, asked over its socket. Without one a file is "not scanned", never "clean".

The setting `clamav` names the socket (`unix:/run/clamav/clamd.ctl` or `tcp:127.0.0.1:3310`). The daemon does not start without a
base of signatures; which one it has is kept with what it says. Source: clamd(8), commands zVERSION and zINSTREAM.
"""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from typing import IO, Literal

BLOCK = 128 * 1024  # bytes sent at once
WAIT_S = 120.0  # s for the daemon's word on one file
CONNECT_S = 5.0  # s
MAX_ANSWER = 4096  # bytes
VERSION = re.compile(r"ClamAV [0-9][^\0\n]{0,100}", re.ASCII)

State = Literal["clean", "found", "unscanned"]


@dataclass(frozen=True, slots=True)
class Scan:
    """What is known: the state, which scanner with which base, and the name of what was found or why nobody looked."""

    state: State
    scanner: str = ""
    word: str = ""


def scan(address: str, content: IO[bytes]) -> Scan:
    """Asks the daemon about a file; blocks. Whatever keeps it from an answer leaves the file not scanned."""
    if not address:
        return Scan("unscanned", word="no scanner")
    try:
        scanner = _version(_ask(address, b"zVERSION\0", None))
        if not scanner:
            return Scan("unscanned", word="not ClamAV")
        said = _ask(address, b"zINSTREAM\0", content)
    except (OSError, ValueError):
        return Scan("unscanned", word="no answer")
    if said == "stream: OK":
        return Scan("clean", scanner)
    if said.startswith("stream: ") and said.endswith(" FOUND"):
        return Scan("found", scanner, said.removeprefix("stream: ").removesuffix(" FOUND")[:100])
    return Scan("unscanned", scanner, "too large for the scanner" if "size limit exceeded" in said else "no verdict")


def _version(said: str) -> str:
    found = VERSION.fullmatch(said)
    return found.group() if found else ""


def _ask(address: str, command: bytes, content: IO[bytes] | None) -> str:
    with _connected(address) as line:
        line.settimeout(WAIT_S)
        line.sendall(command)
        if content is not None:
            _stream(line, content)
        answer = b""
        while not answer.endswith(b"\0") and len(answer) < MAX_ANSWER:
            more = line.recv(MAX_ANSWER)
            if not more:
                break
            answer += more
    return answer.rstrip(b"\0").decode("utf-8", "replace").strip()


def _stream(line: socket.socket, content: IO[bytes]) -> None:
    """Each block with its length; a length of zero ends it. A daemon that has heard enough closes: its answer says why."""
    content.seek(0)
    try:
        while block := content.read(BLOCK):
            line.sendall(len(block).to_bytes(4, "big") + block)
        line.sendall(bytes(4))
    except (BrokenPipeError, ConnectionResetError):
        return


def _connected(address: str) -> socket.socket:
    kind, _, place = address.partition(":")
    if kind == "unix":
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(CONNECT_S)
        try:
            line.connect(place)
        except OSError:
            line.close()
            raise
        return line
    host, _, port = place.rpartition(":")
    if kind != "tcp" or not port.isdecimal():
        raise ValueError("clamav: unix:/path or tcp:host:port")
    return socket.create_connection((host, int(port)), CONNECT_S)
