"""What a CAP 1.2 message says (OASIS CAP-v1.2-os §3.2), as Python values. Places are (latitude, longitude), degrees WGS84.

Times stay the text of the message, "2026-11-26T10:00:00+01:00": the standard wants the offset written, and a canonical form
keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Place = tuple[float, float]  # latitude, longitude


class Pair(NamedTuple):
    """A name and a value: code systems, parameters, geocodes."""

    name: str
    value: str


class Circle(NamedTuple):
    """A centre (degrees) and a radius in kilometres."""

    lat: float
    lon: float
    radius: float


class Reference(NamedTuple):
    """An earlier message: who sent it, its identifier, when."""

    sender: str
    identifier: str
    sent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """§3.2.3: a file beside the message."""

    description: str
    mime: str
    size: int | None = None  # bytes
    uri: str = ""
    content: str = ""  # base64
    digest: str = ""  # SHA-1, as the standard has it


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """§3.2.4: where."""

    description: str
    polygons: tuple[tuple[Place, ...], ...] = ()
    circles: tuple[Circle, ...] = ()
    geocodes: tuple[Pair, ...] = ()
    altitude: float | None = None  # feet above mean sea level
    ceiling: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """§3.2.2: what it is about, in one language."""

    categories: tuple[str, ...]
    event: str
    urgency: str
    severity: str
    certainty: str
    language: str = ""
    responses: tuple[str, ...] = ()
    audience: str = ""
    event_codes: tuple[Pair, ...] = ()
    effective: str = ""
    onset: str = ""
    expires: str = ""
    sender_name: str = ""
    headline: str = ""
    description: str = ""
    instruction: str = ""
    web: str = ""
    contact: str = ""
    parameters: tuple[Pair, ...] = ()
    resources: tuple[Resource, ...] = ()
    areas: tuple[Area, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """§3.2.1: the message."""

    identifier: str
    sender: str
    sent: str
    status: str
    kind: str  # msgType
    scope: str
    source: str = ""
    restriction: str = ""
    addresses: str = ""
    codes: tuple[str, ...] = ()
    note: str = ""
    references: tuple[Reference, ...] = ()
    incidents: str = ""
    infos: tuple[Info, ...] = ()
