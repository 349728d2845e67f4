"""What an unmanned aircraft broadcasts of itself: ASTM F3411 / ASD-STAN EN 4709-002, and the French signal of 2019.

Why own: the published decoders are in C or Dart, or bound to a radio. Pure and bounded: bytes of a receiver in, structs out.
A pilot's place and an operator's number are personal data: this package decodes, it shows nothing to anyone.
"""

from .astm import (
    HOUR_S,
    MAX_PACK,
    SIZE,
    Authentication,
    BasicId,
    Location,
    Message,
    OperatorId,
    RemoteIdError,
    SelfId,
    System,
    decode,
    encode,
    pack,
    place,
    since_2019,
    text,
    unpack,
)
from .capture import Capture, read
from .french import FrenchSignal, decode_signal, encode_signal

__all__ = [
    "HOUR_S",
    "MAX_PACK",
    "SIZE",
    "Authentication",
    "BasicId",
    "Capture",
    "FrenchSignal",
    "Location",
    "Message",
    "OperatorId",
    "RemoteIdError",
    "SelfId",
    "System",
    "decode",
    "decode_signal",
    "encode",
    "encode_signal",
    "pack",
    "place",
    "read",
    "since_2019",
    "text",
    "unpack",
]
