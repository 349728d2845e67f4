"""RTSP 1.0 messages: requests read from outside bytes, answers, and the description of a session.

Pure: bytes in, bytes out; every bound is a constant. Source: RFC 2326 §6, §7, §12; RFC 8866 (SDP); RFC 6184 §8.2.
"""

from __future__ import annotations

import base64
import re
from typing import NamedTuple

from egide.protocols.rtp import CLOCK_HZ, PPS, SPS

MAX_HEAD = 8 * 1024
MAX_LINES = 64
MAX_BODY = 4 * 1024
VIDEO, KLV = "video", "klv"
PAYLOAD_TYPES = {VIDEO: 96, KLV: 97}
REASONS = {
    200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 413: "Request Entity Too Large",
    454: "Session Not Found", 455: "Method Not Valid in This State", 461: "Unsupported Transport",
    503: "Service Unavailable", 505: "RTSP Version Not Supported",
}  # fmt: skip
_REQUEST = re.compile(r"([A-Z_]{1,32}) (\S{1,1024}) RTSP/(\d)\.(\d)")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*([\x20-\x7e\t]{0,1024})")


class RtspError(ValueError):
    """A request that is refused; ``status`` is what it is answered with."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Request(NamedTuple):
    """One request; header names in lower case."""

    method: str
    url: str
    headers: dict[str, str]

    @property
    def cseq(self) -> str:
        """The number that the answer repeats."""
        return self.headers.get("cseq", "0")


def parse_request(head: bytes) -> Request:
    """The request of a head that ends with an empty line. RtspError 400, 413 or 505 when it is none."""
    if len(head) > MAX_HEAD:
        raise RtspError(413, "the head is too long")
    try:
        lines = head.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        raise RtspError(400, "the head is not ASCII") from None
    if len(lines) > MAX_LINES + 3 or lines[-2:] != ["", ""]:
        raise RtspError(400, "the head has too many lines or no end")
    first = _REQUEST.fullmatch(lines[0])
    if not first:
        raise RtspError(400, "not a request line")
    if first[3] != "1":
        raise RtspError(505, "only RTSP 1.0 is spoken here")
    headers: dict[str, str] = {}
    for line in lines[1:-2]:
        header = _HEADER.fullmatch(line)
        if not header:
            raise RtspError(400, "not a header line")
        headers[header[1].lower()] = header[2].strip()
    if not headers.get("cseq", "0").isdecimal() or len(headers.get("cseq", "0")) > 10:
        raise RtspError(400, "CSeq is a number")
    return Request(first[1], first[2], headers)


def body_length(request: Request) -> int:
    """Bytes of body that follow. RtspError 400 when not a number, 413 when more than MAX_BODY."""
    given = request.headers.get("content-length", "0")
    if not given.isdecimal():
        raise RtspError(400, "Content-Length is a number")
    if len(given) > 9 or int(given) > MAX_BODY:
        raise RtspError(413, "the body is too long")
    return int(given)


def describe(parameter_sets: dict[int, bytes], name: str) -> str:
    """The session description (SDP) of the two media; `name` is one line."""
    sps, pps = parameter_sets[SPS], parameter_sets[PPS]
    sprop = ",".join(base64.b64encode(nal).decode() for nal in (sps, pps))
    form = f"packetization-mode=1;profile-level-id={sps[1:4].hex().upper()};sprop-parameter-sets={sprop}"
    return "\r\n".join(
        [
            "v=0", "o=- 1 1 IN IP4 127.0.0.1", f"s={name}", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*",
            f"m=video 0 RTP/AVP {PAYLOAD_TYPES[VIDEO]}",
            f"a=rtpmap:{PAYLOAD_TYPES[VIDEO]} H264/{CLOCK_HZ}",
            f"a=fmtp:{PAYLOAD_TYPES[VIDEO]} {form}",
            f"a=control:{VIDEO}",
            f"m=application 0 RTP/AVP {PAYLOAD_TYPES[KLV]}",
            f"a=rtpmap:{PAYLOAD_TYPES[KLV]} smpte336m/{CLOCK_HZ}",
            f"a=control:{KLV}",
            "",
        ]
    )  # fmt: skip


def answer(
    status: int, cseq: str, headers: dict[str, str] | None = None, body: str = "", *, server: str = "exercise"
) -> bytes:
    """The bytes of an answer; ``headers`` and ``body`` beyond what every answer has."""
    lines = [f"RTSP/1.0 {status} {REASONS[status]}", f"CSeq: {cseq}", f"Server: {server}"]
    lines.extend(f"{name}: {value}" for name, value in (headers or {}).items())
    if body:
        lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
