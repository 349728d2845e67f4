"""ONVIF messages: WS-Discovery, and the few SOAP requests that find a camera's stream and move it.

Why own: the kept-up Python client brings zeep, lxml and aiohttp (about 30 MB with what they need) and 3 MB of WSDL to write nine
fixed messages (decision 0042). Pure: text out, bytes in, all errors are ``OnvifError``. Outside XML: safexml.py.
"""

from .discovery import Match, matches, probe
from .soap import (
    Fault,
    OnvifError,
    Profile,
    Services,
    Token,
    capabilities,
    clock,
    continuous_move,
    get_capabilities,
    get_profiles,
    get_stream_uri,
    get_system_date_and_time,
    goto_preset,
    profiles,
    set_synchronization_point,
    stop,
    stream_uri,
    token,
)

__all__ = [
    "Fault",
    "Match",
    "OnvifError",
    "Profile",
    "Services",
    "Token",
    "capabilities",
    "clock",
    "continuous_move",
    "get_capabilities",
    "get_profiles",
    "get_stream_uri",
    "get_system_date_and_time",
    "goto_preset",
    "matches",
    "probe",
    "profiles",
    "set_synchronization_point",
    "stop",
    "stream_uri",
    "token",
]
