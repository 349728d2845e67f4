"""The few CoT events that Marti itself reads or writes: whose an event is, to which missions it goes, and notices of change.

An event is looked at with expat as it comes; a document type (and with it every entity) ends the reading; nothing is kept of
it but these attributes. The notices follow what ATAK's Data Sync listens to: `t-x-m-c` a change, `t-x-m-n` a new mission,
`t-x-m-d` its end. Sources: Cursor on Target event schema 2.0; the open TAK client's Data Sync messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from egide.kernel.clock import from_us
from egide.operations.tak.mission_store import CREATED, DELETED, ChangeShown

MAX_EVENT = 64 * 1024  # bytes of one event
MAX_DEPTH = 64  # elements inside one another
STALE = timedelta(minutes=5)  # a notice that nobody took by then is read from the mission's changes instead
TYPES = {CREATED: ("t-x-m-n", "CREATE"), DELETED: ("t-x-m-d", "DELETE")}
CHANGE = ("t-x-m-c", "CHANGE")


class EventError(ValueError):
    """No event; the words say why."""


@dataclass(frozen=True, slots=True)
class Head:
    """What of an event says whose it is and where it goes."""

    uid: str
    type: str
    missions: tuple[str, ...]
    addressed: bool  # to somebody by name, rather than to all of its groups


def read_head(event: bytes) -> Head:
    """Reads one whole event. Raises `EventError`."""
    if len(event) > MAX_EVENT:
        raise EventError(f"{len(event)} bytes, {MAX_EVENT} at most")
    parser = expat.ParserCreate()
    root: dict[str, str] = {}
    dests: list[dict[str, str]] = []
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise EventError("too many elements inside one another")
        if depth == 1:
            if tag != "event":
                raise EventError("its outer element is no event")
            root.update(attributes)
        elif tag == "dest":
            dests.append(attributes)

    def end(_tag: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_told: object) -> None:
        raise EventError("a document type")

    parser.StartElementHandler, parser.EndElementHandler, parser.StartDoctypeDeclHandler = start, end, doctype
    try:
        parser.Parse(event, True)
    except expat.ExpatError as error:
        raise EventError(str(error)) from error
    uid, kind = root.get("uid", ""), root.get("type", "")
    if not uid or not kind:
        raise EventError("without uid or type")
    missions = dict.fromkeys(dest["mission"] for dest in dests if dest.get("mission"))
    return Head(uid, kind, tuple(missions), bool(dests))


def instant(at_us: int) -> str:
    """µs → `2026-11-26T10:54:36.000Z`, as CoT and Marti write times."""
    return from_us(at_us).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_us // 1000 % 1000:03d}Z"


def notice(change: ChangeShown, tool: str, now_us: int, subscribers: Iterable[str]) -> bytes:
    """The event that tells subscribers' clients of a change."""
    kind, word = TYPES.get(change.kind, CHANGE)
    dest = "".join(f"<dest uid={quoteattr(uid)}/>" for uid in sorted(subscribers))
    inner = ""
    if kind == CHANGE[0]:
        inner = f"<MissionChanges><MissionChange>{_resource(change)}{_uid(change)}{_said(change)}</MissionChange></MissionChanges>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<event version="2.0" uid="{uuid4()}" type="{kind}" how="h-g-i-g-o" time="{instant(now_us)}" start="{instant(now_us)}" '
        f'stale="{instant(now_us + int(STALE.total_seconds()) * 1_000_000)}"><point lat="0.0" lon="0.0" hae="0.0" ce="999999" le="999999"/>'
        f"<detail><mission type={quoteattr(word)} tool={quoteattr(tool)} name={quoteattr(change.mission)} "
        f"authorUid={quoteattr(change.creator)}>{inner}</mission>{f'<marti>{dest}</marti>' if dest else ''}</detail></event>"
    ).encode()


def _resource(change: ChangeShown) -> str:
    found = change.resource
    if found is None:
        return f"<contentResource><hash>{escape(change.hash)}</hash></contentResource>" if change.hash else ""
    words = "".join(f"<keywords>{escape(word)}</keywords>" for word in found.keywords)
    return (
        f"<contentResource><creatorUid>{escape(found.creator)}</creatorUid><expiration>-1</expiration><hash>{found.hash}</hash>{words}"
        f"<mimeType>{escape(found.mime)}</mimeType><name>{escape(found.name)}</name><size>{found.bytes}</size>"
        f"<submissionTime>{instant(found.at_us)}</submissionTime><submitter>{escape(found.submitter)}</submitter>"
        f"<tool>{escape(found.tool)}</tool><uid>{escape(found.id)}</uid></contentResource>"
    )


def _uid(change: ChangeShown) -> str:
    return f"<contentUid>{escape(change.uid)}</contentUid>" if change.uid else ""


def _said(change: ChangeShown) -> str:
    return (
        f"<creatorUid>{escape(change.creator)}</creatorUid><isFederatedChange>false</isFederatedChange>"
        f"<missionName>{escape(change.mission)}</missionName><timestamp>{instant(change.at_us)}</timestamp><type>{change.kind}</type>"
    )
