"""An event, as everything in the house sees it: who, what, where, until when, and its details untouched.

Numbers and times are the protocol's: WGS 84 degrees, metres, milliseconds since 1970. Source: CoT base schema (MITRE MTR 090284)
and cotevent.proto.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass, field
from typing import Literal

MAX_EVENT = 1 << 20  # bytes of one event; a longer one is a file that took the wrong way
UNKNOWN = 9_999_999.0  # m: the protocol's word for “not known” (height, error)

Reason = Literal[
    "malformed", "too-long", "dtd", "encoding", "missing", "number", "time", "protobuf", "frame", "namespace"
]

_TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(?:Z|([+-])(\d\d):?(\d\d))?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|NaN|[+-]?INF", re.ASCII)


class CotError(ValueError):
    """An event, or a stream of them, is not what the protocol says. `fatal`: the stream cannot be followed any further."""

    def __init__(self, reason: Reason, what: str, *, fatal: bool = False) -> None:
        super().__init__(what)
        self.reason = reason
        self.fatal = fatal


@dataclass(frozen=True, slots=True)
class Point:
    """Where: degrees, height above the ellipsoid, circular and linear error in metres."""

    lat: float
    lon: float
    hae: float = UNKNOWN
    ce: float = UNKNOWN
    le: float = UNKNOWN

    @property
    def known(self) -> bool:
        """Whether it is a place: a device without a fix sends zeros."""
        return bool(self.lat or self.lon)


@dataclass(frozen=True, slots=True)
class Item:
    """One element directly under `detail`: its attributes, its bytes, whether it is nothing but attributes."""

    name: str
    attributes: dict[str, str]
    raw: bytes
    plain: bool
    children: tuple[tuple[str, dict[str, str]], ...] = ()  # the elements directly in it: name, attributes
    text: str = ""


@dataclass(slots=True)
class CotEvent:
    """An event. `raw` is the XML from `<event` to `</event>` as it came; `payload` the protobuf as it came, if it did."""

    uid: str
    type: str
    how: str
    time: int  # ms
    start: int  # ms
    stale: int  # ms
    point: Point
    raw: bytes
    items: tuple[Item, ...] = ()
    detail: bytes = b""  # the bytes inside `<detail>`, untouched
    loose: bytes = b""  # text directly under `detail` that is not blank; rare
    access: str = ""
    qos: str = ""
    opex: str = ""
    payload: bytes | None = field(default=None, repr=False)

    def item(self, name: str) -> Item | None:
        """The first detail of this name."""
        return next((item for item in self.items if item.name == name), None)

    def attribute(self, name: str, attribute: str) -> str:
        """An attribute of the first detail of this name; "" where there is none."""
        item = self.item(name)
        return item.attributes.get(attribute, "") if item is not None else ""

    @property
    def callsign(self) -> str:
        """The call sign it names itself by."""
        return self.attribute("contact", "callsign")

    @property
    def atom(self) -> bool:
        """Whether it is a thing on the map that moves (`a-…`): the newest says all. Chats, alerts, drawings are not."""
        return self.type.startswith("a-")

    @property
    def self_report(self) -> bool:
        """Whether a device tells with it where it is itself, and not where something else is."""
        if not self.type.startswith("a-f-"):
            return False
        return any(
            item.name in ("takv", "__group") or (item.name == "contact" and "endpoint" in item.attributes)
            for item in self.items
        )

    @property
    def destinations(self) -> tuple[dict[str, str], ...]:
        """To whom it is addressed (`<marti><dest callsign|uid|mission>`); empty: to everyone."""
        marti = self.item("marti")
        return () if marti is None else tuple(given for name, given in marti.children if name == "dest")


def number(text: str | None, name: str, default: float | None = None) -> float:
    """An xs:double; raises `CotError` for what is none, infinite included."""
    if text is None and default is not None:
        return default
    text = (text or "").strip()
    if not _NUMBER.fullmatch(text):
        raise CotError("number", f"{name} is no number")
    value = float(text.replace("INF", "inf"))
    if value in (float("inf"), float("-inf")):
        raise CotError("number", f"{name} is infinite")
    return value


def number_text(value: float) -> str:
    """The shortest xs:double that reads back as the same value."""
    return "NaN" if value != value else repr(value)  # noqa: PLR0124 — the one value that is not itself


def milliseconds(text: str | None, name: str) -> int:
    """An xs:dateTime as milliseconds since 1970; finer parts are dropped, as the protobuf form has no room for them."""
    found = _TIME.fullmatch((text or "").strip())
    if found is None:
        raise CotError("time", f"{name} is no time")
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    if not (1970 <= year <= 9998 and 1 <= month <= 12 and hour < 24 and minute < 60 and second <= 60):
        raise CotError("time", f"{name} is no time of any day")
    if not 1 <= day <= calendar.monthrange(year, month)[1]:
        raise CotError("time", f"{name} is on no day of its month")
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    if found[8]:
        offset = (int(found[9]) * 60 + int(found[10])) * 60
        seconds += -offset if found[8] == "+" else offset
    value = seconds * 1000 + int((found[7] or "0").ljust(3, "0")[:3])
    if value < 0:
        raise CotError("time", f"{name} is before 1970")
    return value
