"""CAP 1.2 between bytes and values: one table says which elements there are, in their order, and both directions read it.

A message that is wrong is refused whole, with every fault in plain words and where it is. Elements of other namespaces (a
signature) are passed over. `write(parse(x))` is the canonical form: the standard's order, one indent, texts without space around.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from egide.protocols.cap.model import Alert, Area, Circle, Info, Pair, Place, Reference, Resource
from egide.protocols.safexml import Node, XmlError, safe
from egide.protocols.safexml import parse as parse_xml
from egide.protocols.safexml import write as write_xml

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
OLDER = ("urn:oasis:names:tc:emergency:cap:1.1", "http://www.incident.com/cap/1.0")
MAX_PROBLEMS = 20  # told at once
MAX_MANY = 200  # of one repeated element
MAX_POINTS = 2_000  # of one polygon
# §3.3.2: no "Z", the offset is written out.
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}[-+]\d{2}:\d{2}", re.ASCII)
_NAME = re.compile(r"[^\s,<&]+")  # §3.2.1: no spaces, commas or restricted characters
_NUMBER = re.compile(r"[-+]?\d{1,12}(\.\d{1,15})?", re.ASCII)

STATUS = ("Actual", "Exercise", "System", "Test", "Draft")
KINDS = ("Alert", "Update", "Cancel", "Ack", "Error")
SCOPES = ("Public", "Restricted", "Private")
CATEGORIES = (
    "Geo",
    "Met",
    "Safety",
    "Security",
    "Rescue",
    "Fire",
    "Health",
    "Env",
    "Transport",
    "Infra",
    "CBRNE",
    "Other",
)
RESPONSES = ("Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None")
URGENCIES = ("Immediate", "Expected", "Future", "Past", "Unknown")
SEVERITIES = ("Extreme", "Severe", "Moderate", "Minor", "Unknown")
CERTAINTIES = ("Observed", "Likely", "Possible", "Unlikely", "Unknown")


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: where in the message, and what, in both languages."""

    where: str
    fr: str
    en: str


class CapError(ValueError):
    """A message that is not CAP 1.2; `problems` says all that is wrong."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{each.where}: {each.en}" for each in problems))
        self.problems = problems


class _WrongError(Exception):
    """One value that is not what its element wants."""

    def __init__(self, fr: str, en: str) -> None:
        super().__init__(en)
        self.fr, self.en = fr, en


# -- values ------------------------------------------------------------------------------------------------------------


def _text(text: str) -> str:
    return text


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise _WrongError("sans espace, virgule, « < » ni « & »", "without spaces, commas, “<” or “&”")
    return text


def _time(text: str) -> str:
    wrong = _WrongError("une date comme 2026-11-26T10:00:00+01:00", "a date like 2026-11-26T10:00:00+01:00")
    if not _TIME.fullmatch(text):
        raise wrong
    try:
        datetime.fromisoformat(text)
    except ValueError as error:  # a day or an hour that does not exist
        raise wrong from error
    return text


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise _WrongError(f"un de : {', '.join(words)}", f"one of: {', '.join(words)}")
        return text

    return read


def _number(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise _WrongError("un nombre", "a number")
    return float(text)


def _size(text: str) -> int:
    if not re.fullmatch(r"\d{1,15}", text, re.ASCII):
        raise _WrongError("un nombre d’octets", "a number of bytes")
    return int(text)


def _place(text: str) -> Place:
    lat, comma, lon = text.partition(",")
    if not comma:
        raise _WrongError("« latitude,longitude »", "“latitude,longitude”")
    found = _number(lat), _number(lon)
    if abs(found[0]) > 90 or abs(found[1]) > 180:
        raise _WrongError("un lieu sur la Terre, latitude d’abord", "a place on the Earth, latitude first")
    return found


def _polygon(text: str) -> tuple[Place, ...]:
    parts = text.split()
    if len(parts) > MAX_POINTS:
        raise _WrongError(f"{MAX_POINTS} points au plus", f"{MAX_POINTS} points at most")
    ring = tuple(_place(part) for part in parts)
    if len(ring) < 4 or ring[0] != ring[-1]:
        raise _WrongError("un contour fermé d’au moins quatre points", "a closed outline of at least four points")
    return ring


def _circle(text: str) -> Circle:
    parts = text.split()
    if len(parts) != 2:
        raise _WrongError("« latitude,longitude rayon »", "“latitude,longitude radius”")
    (lat, lon), radius = _place(parts[0]), _number(parts[1])
    if radius < 0:
        raise _WrongError("un rayon positif, en km", "a positive radius, in km")
    return Circle(lat, lon, radius)


def _references(text: str) -> tuple[Reference, ...]:
    found = []
    for part in text.split():
        pieces = part.split(",")
        if len(pieces) != 3:
            raise _WrongError(
                "« émetteur,identifiant,date », séparés par des espaces",
                "“sender,identifier,date”, separated by spaces",
            )
        found.append(Reference(_name(pieces[0]), _name(pieces[1]), _time(pieces[2])))
    if len(found) > MAX_MANY:
        raise _WrongError(f"{MAX_MANY} au plus", f"{MAX_MANY} at most")
    return tuple(found)


def _digits(value: float) -> str:
    """A number without an exponent: six decimals of a degree are a tenth of a metre."""
    if not math.isfinite(value):
        raise ValueError("a number that is none")
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _say_place(place: Place) -> str:
    return f"{_digits(place[0])},{_digits(place[1])}"


# -- the table -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Field:
    """One element: its name, the attribute it fills, how it is read and written; a type for what has elements of its own."""

    tag: str
    to: str
    read: Callable[[str], Any] = _text
    say: Callable[[Any], str] = str
    needed: bool = False
    many: bool = False
    kind: type[Any] | None = None


FIELDS: dict[type[Any], tuple[_Field, ...]] = {
    Alert: (
        _Field("identifier", "identifier", _name, needed=True), _Field("sender", "sender", _name, needed=True),
        _Field("sent", "sent", _time, needed=True), _Field("status", "status", _one_of(*STATUS), needed=True),
        _Field("msgType", "kind", _one_of(*KINDS), needed=True), _Field("source", "source"),
        _Field("scope", "scope", _one_of(*SCOPES), needed=True), _Field("restriction", "restriction"), _Field("addresses", "addresses"),
        _Field("code", "codes", many=True), _Field("note", "note"),
        _Field("references", "references", _references, lambda all_: " ".join(",".join(each) for each in all_)),
        _Field("incidents", "incidents"), _Field("info", "infos", many=True, kind=Info),
    ),
    Info: (
        _Field("language", "language"), _Field("category", "categories", _one_of(*CATEGORIES), needed=True, many=True),
        _Field("event", "event", needed=True), _Field("responseType", "responses", _one_of(*RESPONSES), many=True),
        _Field("urgency", "urgency", _one_of(*URGENCIES), needed=True), _Field("severity", "severity", _one_of(*SEVERITIES), needed=True),
        _Field("certainty", "certainty", _one_of(*CERTAINTIES), needed=True), _Field("audience", "audience"),
        _Field("eventCode", "event_codes", many=True, kind=Pair), _Field("effective", "effective", _time), _Field("onset", "onset", _time),
        _Field("expires", "expires", _time), _Field("senderName", "sender_name"), _Field("headline", "headline"),
        _Field("description", "description"), _Field("instruction", "instruction"), _Field("web", "web"), _Field("contact", "contact"),
        _Field("parameter", "parameters", many=True, kind=Pair), _Field("resource", "resources", many=True, kind=Resource),
        _Field("area", "areas", many=True, kind=Area),
    ),
    Resource: (
        _Field("resourceDesc", "description", needed=True), _Field("mimeType", "mime", needed=True), _Field("size", "size", _size),
        _Field("uri", "uri"), _Field("derefUri", "content"), _Field("digest", "digest"),
    ),
    Area: (
        _Field("areaDesc", "description", needed=True),
        _Field("polygon", "polygons", _polygon, lambda ring: " ".join(map(_say_place, ring)), many=True),
        _Field("circle", "circles", _circle, lambda circle: f"{_say_place(circle[:2])} {_digits(circle.radius)}", many=True),
        _Field("geocode", "geocodes", many=True, kind=Pair), _Field("altitude", "altitude", _number, _digits),
        _Field("ceiling", "ceiling", _number, _digits),
    ),
    Pair: (_Field("valueName", "name", needed=True), _Field("value", "value", needed=True)),
}  # fmt: skip


# -- reading ---------------------------------------------------------------------------------------------------------------


def parse(data: bytes) -> Alert:
    """The message. Raises `CapError` with all that is wrong."""
    try:
        root = parse_xml(data)
    except XmlError as error:
        raise CapError([Problem("alert", error.fr, error.en)]) from error
    return alert_of(root)


def alert_of(root: Node) -> Alert:
    """The message of an element, where it stands inside another one (EDXL-DE). Raises `CapError`."""
    if root.space in OLDER:
        raise CapError(
            [Problem("alert", "CAP 1.0 ou 1.1 : demandez la version 1.2.", "CAP 1.0 or 1.1: ask for version 1.2.")]
        )
    if (root.space, root.name) != (NAMESPACE, "alert"):
        raise CapError(
            [Problem(root.name, "Ce document n’est pas un message CAP.", "This document is no CAP message.")]
        )
    problems: list[Problem] = []
    found = _read(Alert, root, "alert", problems)
    if found is not None and not problems:
        _rules(found, problems)
    if problems or found is None:
        raise CapError(problems[:MAX_PROBLEMS])
    made: Alert = found
    return made


def _read(kind: type[Any], node: Node, where: str, problems: list[Problem]) -> Any:
    """One value of this kind; faults are added, and then the value may be None."""
    known = {field.tag: field for field in FIELDS[kind]}
    given: dict[str, list[Any]] = {}
    for child in node.children:
        field = known.get(child.name)
        if child.space != NAMESPACE:
            continue  # a signature, or another's extension
        here = f"{where}/{child.name}"
        if field is None:
            problems.append(Problem(here, "CAP 1.2 n’a pas cet élément ici.", "CAP 1.2 has no such element here."))
        elif len(given.get(field.to, ())) >= (MAX_MANY if field.many else 1):
            problems.append(Problem(here, "Trop de fois.", "Too many times."))
        else:
            value = _read(field.kind, child, here, problems) if field.kind else _value(field, child, here, problems)
            if value is not None and value != "":
                given.setdefault(field.to, []).append(value)
    missing = [field for field in known.values() if field.needed and field.to not in given]
    problems += [Problem(f"{where}/{field.tag}", "Il manque.", "It is missing.") for field in missing]
    if missing:
        return None
    many = {field.to for field in known.values() if field.many}
    return kind(**{to: tuple(values) if to in many else values[0] for to, values in given.items()})


def _value(field: _Field, node: Node, where: str, problems: list[Problem]) -> Any:
    if not node.text:
        return None
    try:
        return field.read(node.text)
    except _WrongError as wrong:
        problems.append(Problem(where, f"Attendu : {wrong.fr}.", f"Expected: {wrong.en}."))
        return None


def _rules(alert: Alert, problems: list[Problem]) -> None:
    """What the standard asks of several elements together (§3.2.1)."""
    if alert.scope == "Restricted" and not alert.restriction:
        problems.append(
            Problem("alert/restriction", "Portée restreinte : dites laquelle.", "A restricted scope: say which.")
        )
    if alert.scope == "Private" and not alert.addresses:
        problems.append(Problem("alert/addresses", "Portée privée : dites à qui.", "A private scope: say to whom."))
    if alert.kind in ("Update", "Cancel", "Ack", "Error") and not alert.references:
        problems.append(
            Problem("alert/references", "Dites de quel message il s’agit.", "Say which message it is about.")
        )


# -- writing -----------------------------------------------------------------------------------------------------------


def write(alert: Alert) -> bytes:
    """The canonical message. Raises `CapError` for one that could not be read back."""
    data = write_xml(node_of(alert))
    parse(data)
    return data


def node_of(alert: Alert) -> Node:
    """The message as an element, to stand in an envelope."""
    return _node("alert", alert)


def _node(tag: str, value: Any) -> Node:
    node = Node(NAMESPACE, tag)
    for field in FIELDS[type(value)]:
        held = getattr(value, field.to)
        for each in held if field.many else (held,):
            if field.kind is not None:
                node.children.append(_node(field.tag, each))
            elif each is not None and each not in ("", ()):
                text = safe(field.say(each))
                if text:
                    node.children.append(Node(NAMESPACE, field.tag, text=text))
    return node
