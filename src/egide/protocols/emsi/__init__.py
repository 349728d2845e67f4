"""EMSI — shared emergency information between control rooms (TSO; ISO/TR 22351:2015), as one message: context, event, missions.

Written only. Names and codes are those of the message structure: MODE, MSGTYPE, LEVEL, SECLASS, event and mission STATUS (NST not
started, IPR in progress, COM complete, STOP, CANCLD cancelled), EPSG-4326 places, at most 500 characters of free text. The schema
is sold, not published: what we write was checked against published implementations, not against the schema itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from egide.protocols.safexml import Node, safe

MODES = ("ACTUAL", "EXERCS", "SYSTEM", "TEST")
KINDS = ("ALERT", "UPDATE", "CANCEL", "ACK", "ERROR")
EVENT_STATUS = ("NST", "IPR", "COM", "STOP")
MISSION_STATUS = ("NST", "IPR", "PAU", "COM", "ABO", "CANCLD")
MAX_ID, MAX_NAME, MAX_TEXT, MAX_ADDRESS = 40, 80, 500, 256  # characters
COORDINATES = "EPSG-4326"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mission:
    """A task under way, or to come, or over."""

    id: str
    kind: str
    name: str
    status: str
    started: str = ""
    ended: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One event as one control room tells it to another."""

    id: str
    mode: str
    kind: str
    created: str
    organisation: str
    sender: str
    event: str
    name: str
    categories: tuple[str, ...]
    status: str
    declared: str
    urgent: bool = False
    certainty: int | None = None  # per cent
    text: str = ""
    place: tuple[float, float] | None = None  # latitude, longitude
    address: str = ""
    links: tuple[str, ...] = ()  # ids of earlier messages that this one supersedes
    missions: tuple[Mission, ...] = ()


def message(told: Message) -> Node:
    """The message as an element. Raises `ValueError` for a code that EMSI does not have."""
    if told.mode not in MODES or told.kind not in KINDS or told.status not in EVENT_STATUS:
        raise ValueError("a mode, kind or status that EMSI does not have")
    if any(mission.status not in MISSION_STATUS for mission in told.missions):
        raise ValueError("a mission status that EMSI does not have")
    return _node("EMSI", _context(told), _event(told), *(_mission(mission) for mission in told.missions))


def _context(told: Message) -> Node:
    links = [_node("LINK", _leaf("ID", link, MAX_ID), _leaf("ROLE", "SPRSDS")) for link in told.links]
    origin = _node("ORIGIN", _leaf("ORG_ID", told.organisation, MAX_ID), _leaf("NAME", told.sender, MAX_NAME))
    return _node(
        "CONTEXT", _leaf("ID", told.id, MAX_ID), _leaf("MODE", told.mode), _leaf("MSGTYPE", told.kind), _leaf("CREATION", told.created), *links,
        _leaf("LEVEL", "OPR"), _leaf("SECLASS", "RESTRC"), _leaf("URGENCY", "URGENT" if told.urgent else "NOT_URGENT"), origin,
    )  # fmt: skip


def _event(told: Message) -> Node:
    kinds = _node("ETYPE", *(_leaf("CATEGORY", each, MAX_NAME) for each in told.categories))
    certainty = "" if told.certainty is None else str(told.certainty)
    return _node(
        "EVENT", _leaf("ID", told.event, MAX_ID), _leaf("NAME", told.name, MAX_NAME), kinds, _leaf("SOURCE", "HUMOBS"),
        _leaf("CERTAINTY", certainty), _leaf("DECL_DATIME", told.declared), _leaf("STATUS", told.status), _where(told),
        _leaf("FREETEXT", told.text, MAX_TEXT),
    )  # fmt: skip


def _where(told: Message) -> Node | None:
    if told.place is None and not told.address:
        return None
    coord = (
        None
        if told.place is None
        else _node("COORD", _leaf("LAT", f"{told.place[0]:.6f}"), _leaf("LON", f"{told.place[1]:.6f}"))
    )
    position = _node(
        "POSITION", _leaf("TYPE", "POINT" if coord is not None else ""), coord, _leaf("COORDSYS", COORDINATES if coord is not None else ""),
        _leaf("ADDRESS", told.address, MAX_ADDRESS),
    )  # fmt: skip
    return _node("EGEO", _leaf("TYPE", "/GEN"), position)


def _mission(told: Mission) -> Node:
    return _node(
        "MISSION", _leaf("TYPE", told.kind, MAX_NAME), _leaf("FREETEXT", told.text, MAX_TEXT), _leaf("ID", told.id, MAX_ID),
        _leaf("NAME", told.name, MAX_NAME), _leaf("STATUS", told.status), _leaf("START_TIME", told.started), _leaf("END_TIME", told.ended),
    )  # fmt: skip


def _node(name: str, *children: Node | None) -> Node:
    return Node("", name, children=[child for child in children if child is not None])


def _leaf(name: str, text: str, longest: int = MAX_NAME) -> Node | None:
    text = safe(text)[:longest].strip()
    return Node("", name, text=text) if text else None
