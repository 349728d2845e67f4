"""Writes XML: an event from its fields, an element from its attributes. What is written reads back as the same values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from egide.protocols.cot.event import CotError, Point, number_text

_ESCAPES = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;",
}  # fmt: skip
_ESCAPED = str.maketrans(_ESCAPES)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_MS = 253_370_764_800_000  # ms: the year 9999 begins; calendars of devices end there


def escape(text: str) -> str:
    """Text as it may stand in an attribute or between tags; line breaks survive (XML 1.0 §3.3.3)."""
    return text.translate(_ESCAPED)


def element(name: str, attributes: Mapping[str, str], inner: str = "") -> str:
    """One element; `inner` is XML already."""
    given = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    return f"<{name}{given}>{inner}</{name}>" if inner else f"<{name}{given}/>"


def moment(ms: int) -> str:
    """Milliseconds since 1970 as xs:dateTime."""
    if not 0 <= ms < LATEST_MS:
        raise CotError("time", "a time beyond the calendar")
    at = _EPOCH + timedelta(milliseconds=ms)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def write(
    *, uid: str, type: str, how: str, time: int, start: int, stale: int, point: Point, detail: str = "",  # noqa: A002 — CoT's own word
    access: str = "", qos: str = "", opex: str = "",
) -> bytes:  # fmt: skip
    """An event as XML. `detail` is XML; times are milliseconds since 1970."""
    attributes = {"version": "2.0", "uid": uid, "type": type, "how": how, "access": access, "qos": qos, "opex": opex}
    head = {key: value for key, value in attributes.items() if value}
    head |= {"time": moment(time), "start": moment(start), "stale": moment(stale)}
    place = {name: number_text(getattr(point, name)) for name in ("lat", "lon", "hae", "ce", "le")}
    inner = element("point", place) + (f"<detail>{detail}</detail>" if detail else "<detail/>")
    try:
        return element("event", head, inner).encode()
    except UnicodeEncodeError as error:
        raise CotError("encoding", "text that is no Unicode") from error
