"""MAVLink 1 and 2: what an aircraft says of where it is, where it looks and who it is.

Why own: the library of the protocol's authors is LGPL, brings lxml and a generated module of 40,000 lines for the twelve messages
needed here, and has no bound. Pure: bytes in, structs out; what is written is for the exercise, the platform sends nothing.
"""

from .frame import Counts, Frame, MavlinkError, frames, write
from .messages import (
    GLOBAL_POSITION_INT,
    Attitude,
    CameraFov,
    GlobalPosition,
    Heartbeat,
    Message,
    decode,
    encode_position,
    heard_from,
)

__all__ = [
    "GLOBAL_POSITION_INT",
    "Attitude",
    "CameraFov",
    "Counts",
    "Frame",
    "GlobalPosition",
    "Heartbeat",
    "MavlinkError",
    "Message",
    "decode",
    "encode_position",
    "frames",
    "heard_from",
    "write",
]
