"""MAVLink 1 and 2: what an aircraft says of where it is, where it looks and who it is.

Why own: the library of the protocol's authors is LGPL, brings lxml and a generated module of 40,000 lines for the twelve messages
needed here, and has no bound. Pure: bytes in, structs out; nothing is ever sent.
"""

from .frame import Counts, Frame, MavlinkError, frames
from .messages import Attitude, CameraFov, GlobalPosition, Heartbeat, Message, decode, heard_from

__all__ = [
    "Attitude",
    "CameraFov",
    "Counts",
    "Frame",
    "GlobalPosition",
    "Heartbeat",
    "MavlinkError",
    "Message",
    "decode",
    "frames",
    "heard_from",
]
