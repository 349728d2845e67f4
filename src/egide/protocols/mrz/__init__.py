"""The machine-readable zone of travel documents (ICAO Doc 9303 parts 3 to 7): read, written, put right after a camera. Pure."""

from egide.protocols.mrz.codec import Mrz, inspect, parse, render
from egide.protocols.mrz.digits import check_digit
from egide.protocols.mrz.errors import MrzError
from egide.protocols.mrz.typed import Correction, Typed, differences, fitted, typed

__all__ = [
    "Correction",
    "Mrz",
    "MrzError",
    "Typed",
    "check_digit",
    "differences",
    "fitted",
    "inspect",
    "parse",
    "render",
    "typed",
]
