"""What an RTSP camera says it has (SDP, RFC 8866), reduced to what decides: pictures, metadata, sound."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from egide.operations.media.psi import Track

MAX_SDP: Final = 64 * 1024
MAX_MEDIA: Final = 32
_STATIC: Final = {"26": "JPEG", "32": "MPEG-2", "33": "MP2T", "34": "H.263"}
"""Payload types of video with a fixed meaning (RFC 3551, table 5)."""
_NAMES: Final = {"H265": "H.265 (HEVC)", "H266": "H.266 (VVC)", "JPEG": "MJPEG", "MP4V-ES": "MPEG-4"}


@dataclass(slots=True)
class Media:
    """One m= section: its kind, first payload type, encoding in capitals, clock in Hz, control URL and H.264 sets."""

    kind: str
    payload_type: str
    encoding: str = ""
    clock_hz: int = 90_000
    control: str = ""
    parameter_sets: list[bytes] = field(default_factory=list)

    @property
    def track(self) -> Track:
        """How the rest of the house names it."""
        if self.kind == "audio":
            return Track("audio", self.encoding.lower() or "unknown")
        if self.encoding == "SMPTE336M":
            return Track("klv", "klv")
        if self.kind == "video":
            return Track("video", "h264" if self.encoding in ("H264", "MP2T") else self.name)
        return Track("data", self.encoding.lower() or "unknown")

    @property
    def name(self) -> str:
        """The codec as people write it."""
        return _NAMES.get(self.encoding, self.encoding or "?")


def parse(text: str) -> list[Media]:
    """The media of a session description; unknown lines are passed over, lengths are bounded."""
    media: list[Media] = []
    for line in text[:MAX_SDP].splitlines():
        key, _, value = line.strip().partition("=")
        if key == "m":
            words = value.split()
            if len(words) < 4 or len(media) >= MAX_MEDIA:
                continue
            media.append(Media(words[0].lower(), words[3], _STATIC.get(words[3], "")))
        elif key == "a" and media:
            _attribute(media[-1], value)
    return media


def _attribute(media: Media, value: str) -> None:
    name, _, rest = value.partition(":")
    number, _, detail = rest.partition(" ")
    if name == "control":
        media.control = rest.strip()
    elif name == "rtpmap" and number == media.payload_type:
        encoding, _, clock = detail.strip().partition("/")
        media.encoding = encoding.upper()
        hertz = clock.partition("/")[0]
        if hertz.isdecimal() and 0 < len(hertz) < 10 and int(hertz):
            media.clock_hz = int(hertz)
    elif name == "fmtp" and number == media.payload_type:
        for parameter in detail.split(";"):
            key, _, encoded = parameter.strip().partition("=")
            if key == "sprop-parameter-sets":
                media.parameter_sets = [nal for nal in map(_decode, encoded.split(",")[:8]) if nal]


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        return b""  # the sets come in band as well; a badly written hint is no reason to refuse the camera


def control_url(base: str, control: str) -> str:
    """The address of a medium (RFC 2326, C.1.1)."""
    if not control or control == "*":
        return base
    if urlsplit(control).scheme:
        return control
    return base.rstrip("/") + "/" + control.lstrip("/")
