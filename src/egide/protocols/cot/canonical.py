"""The canonical form of an event: two of them are the same event exactly when these bytes are the same.

W3C canonical XML 2.0 after what the protocol leaves open is put in one way: attributes of the base schema only, numbers as the
shortest xs:double, times to the millisecond in UTC, version 2.0, the point before the detail, the six typed details first, blanks
and comments between details dropped.
"""

from __future__ import annotations

from xml.etree.ElementTree import canonicalize

from egide.protocols.cot.event import CotError, CotEvent, number, number_text
from egide.protocols.cot.message import TYPED
from egide.protocols.cot.writer import element, write


def canonical(event: CotEvent) -> bytes:
    """The canonical bytes."""
    order = list(TYPED)
    first = sorted((item for item in event.items if item.name in TYPED), key=lambda item: order.index(item.name))
    rest = [item for item in event.items if item.name not in TYPED]
    parts = [_numbers(item.attributes) if item.name == "track" and item.plain else item.raw.decode() for item in first]
    parts.append(event.loose.decode())
    parts += [item.raw.decode() for item in rest]
    whole = write(
        uid=event.uid, type=event.type, how=event.how, time=event.time, start=event.start, stale=event.stale, point=event.point,
        detail="".join(parts), access=event.access, qos=event.qos, opex=event.opex,
    )  # fmt: skip
    # S314: what is parsed here was read by our own reader before, which refuses document types.
    return canonicalize(whole.decode()).encode()


def _numbers(attributes: dict[str, str]) -> str:
    """A track with its numbers in one form; what is no number stays as it is."""
    found = {}
    for name, text in attributes.items():
        try:
            found[name] = number_text(number(text, name)) if name in ("speed", "course") else text
        except CotError:
            found[name] = text
    return element("track", found)
