"""MISB ST 0601 telemetry (KLV): the codec, the packets of a stream, the pose a packet describes.

Why own: no maintained Python library reads the present edition, checks, writes back and keeps up with a core's worth of
cameras. Pure: bytes in, ``UasFrame`` out. All errors are ``KlvError``.
"""

from .codec import decode, encode
from .frame import UasFrame, to_json
from .pose import frame_of, pose_of
from .security import Security, decode_security, encode_security
from .wire import KEY, MAX_PACKET, KlvError, checksum, items, split, strip_au_header

__all__ = [
    "KEY",
    "MAX_PACKET",
    "KlvError",
    "Security",
    "UasFrame",
    "checksum",
    "decode",
    "decode_security",
    "encode",
    "encode_security",
    "frame_of",
    "items",
    "pose_of",
    "split",
    "strip_au_header",
    "to_json",
]
