"""The security marking inside a telemetry packet: the ST 0102 local set that item 48 of ST 0601 carries.

What: ``Security``, ``decode_security``, ``encode_security`` and the line of text a screen shows.
Source: MISB ST 0102.12, table of the local set (tags 1 to 18, 22 to 24). Object countries (tag 13) are UTF-16 big-endian, other
texts ISO 646. A marking that cannot be read must not look like no marking: whoever shows it says "unreadable".
"""

from __future__ import annotations

from typing import Any

import msgspec

from .wire import KlvError, items, write_length, write_tag

CLASSIFICATIONS = {1: "UNCLASSIFIED", 2: "RESTRICTED", 3: "CONFIDENTIAL", 4: "SECRET", 5: "TOP SECRET"}
CODINGS = {
    1: "ISO-3166 two-letter", 2: "ISO-3166 three-letter", 3: "FIPS 10-4 two-letter", 4: "FIPS 10-4 four-letter",
    5: "ISO-3166 numeric", 6: "STANAG 1059 two-letter", 7: "STANAG 1059 three-letter", 10: "FIPS 10-4 mixed", 11: "ISO-3166 mixed",
    12: "STANAG 1059 mixed", 13: "GENC two-letter", 14: "GENC three-letter", 15: "GENC numeric", 16: "GENC mixed",
}  # fmt: skip
"""How countries are written (tags 2 and 12)."""
_TEXTS = {
    3: "country", 4: "sci_shi", 5: "caveats", 6: "releasing", 7: "classified_by", 8: "derived_from", 9: "reason",
    10: "declassification_date", 11: "marking_system", 14: "comments", 23: "coding_date", 24: "object_coding_date",
}  # fmt: skip
_NUMBERS = {
    1: ("classification", 1), 2: ("coding", 1), 12: ("object_coding", 1), 16: ("stream_id", 1), 17: ("transport_stream_id", 2),
    22: ("version", 2),
}  # fmt: skip
_OBJECTS = 13
_KEPT = {15: "umid", 18: "item_designator"}


class Security(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A marking; None means absent. ``classification`` and the codings are the codes of the tables above."""

    classification: int | None = None
    coding: int | None = None
    country: str | None = None
    sci_shi: str | None = None
    caveats: str | None = None
    releasing: str | None = None
    classified_by: str | None = None
    derived_from: str | None = None
    reason: str | None = None
    declassification_date: str | None = None
    marking_system: str | None = None
    object_coding: int | None = None
    object_countries: str | None = None
    comments: str | None = None
    umid: bytes | None = None
    stream_id: int | None = None
    transport_stream_id: int | None = None
    item_designator: bytes | None = None
    version: int | None = None
    coding_date: str | None = None
    object_coding_date: str | None = None

    @property
    def marking(self) -> str:
        """The line to show above a picture: classification, caveats, and to whom it may be released."""
        level = CLASSIFICATIONS.get(self.classification or 0, "UNKNOWN CLASSIFICATION")
        releasing = f"REL TO {self.releasing}" if self.releasing else ""
        country = (self.country or "").removeprefix("//")
        head = f"{country} {level}".strip()
        return "//".join(part for part in (head, self.sci_shi, self.caveats, releasing) if part)


def decode_security(raw: bytes) -> Security:
    """The marking of item 48.  Raises KlvError when it is broken, or holds no classification."""
    values: dict[str, Any] = {}
    for tag, value in items(raw):
        if tag in _TEXTS:
            values[_TEXTS[tag]] = _text(tag, value, "ascii")
        elif tag in _NUMBERS:
            name, width = _NUMBERS[tag]
            if len(value) != width:
                raise KlvError(f"security item {tag} has {len(value)} bytes, not {width}")
            values[name] = int.from_bytes(value, "big")
        elif tag == _OBJECTS:
            values["object_countries"] = _text(tag, value, "utf-16-be")
        elif tag in _KEPT:
            values[_KEPT[tag]] = value
    if values.get("classification") not in CLASSIFICATIONS:
        raise KlvError("the security set tells no known classification")
    return Security(**values)


def _text(tag: int, value: bytes, coding: str) -> str:
    try:
        found = value.decode(coding)
    except UnicodeDecodeError as problem:
        raise KlvError(f"security item {tag} is no text") from problem
    if not found.isprintable():
        raise KlvError(f"security item {tag} is no plain text")
    return found.strip()


def encode_security(marking: Security) -> bytes:
    """The set of a marking, tags in order.  Raises KlvError for a value that its item cannot carry."""
    parts: dict[int, bytes] = {}
    try:
        for tag, name in _TEXTS.items():
            if (words := getattr(marking, name)) is not None:
                parts[tag] = words.encode("ascii")
        for tag, (name, width) in _NUMBERS.items():
            if (number := getattr(marking, name)) is not None:
                parts[tag] = number.to_bytes(width, "big")
    except (UnicodeEncodeError, OverflowError) as problem:
        raise KlvError(f"the marking cannot be written: {problem}") from problem
    for tag, name in _KEPT.items():
        if (kept := getattr(marking, name)) is not None:
            parts[tag] = kept
    if marking.object_countries is not None:
        parts[_OBJECTS] = marking.object_countries.encode("utf-16-be")
    return b"".join(write_tag(tag) + write_length(len(parts[tag])) + parts[tag] for tag in sorted(parts))


def security_json(raw: bytes) -> dict[str, Any]:
    """The marking as plain JSON values, ``marking`` being the line to show; ``unreadable`` with the reason when it is broken."""
    try:
        marking = decode_security(raw)
    except KlvError as problem:
        return {"marking": "UNREADABLE MARKING", "unreadable": str(problem)}
    out: dict[str, Any] = {
        "marking": marking.marking,
        "classification": CLASSIFICATIONS[marking.classification or 1],
    }
    for coding in ("coding", "object_coding"):
        if (code := getattr(marking, coding)) is not None:
            out[coding] = CODINGS.get(code, f"code {code}")
    named = (*_TEXTS.values(), "object_countries", "version")
    return out | {name: getattr(marking, name) for name in named if getattr(marking, name) is not None}
