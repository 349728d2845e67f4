"""Settings and a thin encoder for the drones' video: H.264 as a small aircraft's radio link wants it.

Baseline, no B-pictures, one slice, one key picture a second with its parameter sets in front of it: whoever joins sees
within a second, and nothing is ever reordered. Source: ITU-T H.264 Annex B; libx264's ultrafast and zerolatency.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import av
from av.video.frame import PictureType

BITRATE = 2_000_000
"""Bits per second: what a 720p link of a light drone carries."""


class AccessUnit(NamedTuple):
    """One coded picture, Annex B, with SPS and PPS in front when ``key``."""

    data: bytes
    key: bool


def h264_options(fps: int, bitrate: int = BITRATE) -> dict[str, str]:
    """Options of libx264; the rate buffer holds a fifth of a second, so that a key picture is no flood of datagrams."""
    return {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "profile": "baseline",
        "g": str(fps),
        "bf": "0",
        "b": str(bitrate),
        "maxrate": str(bitrate),
        "bufsize": str(bitrate // 5),
        "forced-idr": "1",
        "threads": "1",
        "x264-params": f"repeat-headers=1:annexb=1:scenecut=0:keyint={fps}:min-keyint={fps}",
    }


class Encoder:
    """Codes pictures one by one; each gives its access unit at once."""

    def __init__(self, size: tuple[int, int], fps: int, bitrate: int = BITRATE) -> None:
        codec = av.CodecContext.create("libx264", "w")
        codec.width, codec.height = size
        codec.pix_fmt = "yuv420p"
        codec.time_base = Fraction(1, fps)
        codec.framerate = Fraction(fps)
        codec.options = h264_options(fps, bitrate)
        self._codec = codec
        self._count = 0

    def encode(self, frame: av.VideoFrame, *, key: bool = False) -> AccessUnit:
        """The coded picture; ``key`` asks for a key picture now (a viewer joined)."""
        frame.pts = self._count
        frame.time_base = Fraction(1, self._codec.framerate or 1)
        self._count += 1
        frame.pict_type = PictureType.I if key else PictureType.NONE
        packets = self._codec.encode(frame)
        return AccessUnit(b"".join(bytes(p) for p in packets), any(p.is_keyframe for p in packets))
