"""Incidents between control rooms: CAP 1.2 in and out, EMSI in an EDXL-DE envelope out.

What comes in is somebody else's word: it becomes an incident that is only reported, and a human confirms it or not. What goes out
is an act with a motive and a named recipient (directive 2016/680, 25(1): disclosure to whom), and a line in the incident's log.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from datetime import UTC
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, select, update

from egide.kernel.act import Act, Ctx, Effect, Input, act
from egide.kernel.clock import from_us, iso
from egide.kernel.errors import BadInput, Conflict, Text
from egide.kernel.identity import new_id
from egide.operations import incident_tables as tables
from egide.operations.incident_desk import PURPOSE, WORK, body_of
from egide.operations.incident_log import ACTIVITY, NEED, changed, concerned, incident_row, insert_all, line, opening
from egide.operations.incident_model import (
    MAX_TEXT,
    MAX_TITLE,
    OVER,
    IncidentBody,
    LineBody,
    TaskBody,
    incident_owner,
    kinds,
    mission_owner,
    sentence,
)
from egide.protocols import cap, edxl, emsi
from egide.protocols.safexml import XmlError

MAX_CAP = 384 * 1024  # bytes of a message as it is given
MAX_RECIPIENT = 200
SEVERITY = {1: "Extreme", 2: "Severe", 3: "Moderate", 4: "Minor"}
URGENCY = {1: "Immediate", 2: "Immediate", 3: "Expected", 4: "Future"}
PRIORITY = {"Immediate": 1, "Expected": 2, "Future": 3}
EMSI_STATUS = {
    "reported": "NST",
    "confirmed": "NST",
    "assigned": "IPR",
    "on_scene": "IPR",
    "resolved": "COM",
    "closed": "COM",
}
EMSI_TASK = {
    "proposed": "NST",
    "accepted": "NST",
    "under_way": "IPR",
    "done": "COM",
    "declined": "CANCLD",
    "cancelled": "CANCLD",
}


class Message(Input):
    """A CAP 1.2 message (or an EDXL-DE envelope around it), as it came."""

    xml: str


class Imported(msgspec.Struct):
    """What became of the message: the incident, whether it is new, what the message was."""

    id: str
    state: str
    new: bool
    message: str


class Export(Input):
    """An incident for somebody else: in which form, to whom, why."""

    incident: str
    format: Literal["cap", "emsi"]
    recipient: str
    motive: str


class Exported(msgspec.Struct):
    """Where the file waits, once, for a minute."""

    url: str


def reference(sender: str, identifier: str) -> str:
    """Under which key an incident remembers the message it came from."""
    return hashlib.sha256(msgspec.json.encode([sender, identifier])).hexdigest()


# -- in ------------------------------------------------------------------------------------------------------------------


def _read(given: str) -> cap.Alert:
    try:
        data = given.encode()
        inside = edxl.contents(data)
        if inside is None:
            return cap.parse(data)
        if len(inside) != 1:
            raise BadInput(
                Text("L’enveloppe porte plusieurs messages.", "The envelope holds several messages."),
                Text("Donnez-les un par un.", "Give them one by one."),
            )
        return cap.alert_of(inside[0])
    except XmlError as error:
        raise BadInput(Text(error.fr, error.en)) from error
    except cap.CapError as error:
        fr = " ; ".join(f"{one.where} : {one.fr}" for one in error.problems)
        en = "; ".join(f"{one.where}: {one.en}" for one in error.problems)
        raise BadInput(
            Text(f"Ce message n’est pas du CAP 1.2 : {fr}", f"This message is not CAP 1.2: {en}"),
            Text("Demandez à l’émetteur de le corriger.", "Ask its sender to correct it."),
        ) from error


def _info(alert: cap.Alert) -> cap.Info:
    """The French block, else the first: the others say the same in other languages."""
    if not alert.infos:
        raise BadInput(Text("Ce message ne dit rien de l’événement.", "This message says nothing of the event."))
    return next((info for info in alert.infos if info.language.lower().startswith("fr")), alert.infos[0])


def _centre(info: cap.Info) -> tuple[float | None, float | None, float]:
    """(latitude, longitude, metres around) of the first area that has a shape."""
    for area in info.areas:
        for circle in area.circles:
            return circle.lat, circle.lon, min(circle.radius * 1000, 50_000.0)
        for ring in area.polygons:
            lat, lon = (sum(each) / (len(ring) - 1) for each in zip(*ring[:-1], strict=True))
            metres = max(
                math.hypot((a - lat) * 111_320, (b - lon) * 111_320 * math.cos(math.radians(lat))) for a, b in ring
            )
            return lat, lon, min(metres, 50_000.0)
    return None, None, 0.0


def _drafted(alert: cap.Alert) -> tuple[IncidentBody, str, int]:
    """(what it is about, its kind, its priority): a reading of the message, for a human to look at."""
    info = _info(alert)
    lat, lon, radius = _centre(info)
    kind = next((kind.id for kind in kinds().values() if kind.cap in info.categories), "other")
    mark = "[Exercice] " if alert.status == "Exercise" else ""
    title = (mark + (info.headline or info.event))[:MAX_TITLE]
    told = "\n".join(
        part for part in (info.description, info.instruction, f"— {info.sender_name or alert.sender}") if part
    )
    address = ", ".join(area.description for area in info.areas)[:MAX_TITLE]
    return IncidentBody(title, told[:MAX_TEXT], lat, lon, radius, address), kind, PRIORITY.get(info.urgency, 4)


@act(
    "operations.cap.import", verb="collect", activity=ACTIVITY, roles=("officer", "command"), duty=True, input=Message, output=Imported,
    max_bytes=2 * MAX_CAP, fr="Importer un message CAP", en="Import a CAP message",
)  # fmt: skip
def import_cap(ctx: Ctx, given: Message) -> Effect:
    if len(given.xml.encode()) > MAX_CAP:
        raise BadInput(Text("Message trop long.", "The message is too long."))
    alert = _read(given.xml)
    if alert.status not in ("Actual", "Exercise") or alert.kind not in ("Alert", "Update", "Cancel"):
        raise BadInput(
            Text(
                f"Un message « {alert.status}, {alert.kind} » n’annonce pas d’événement.",
                f"A message “{alert.status}, {alert.kind}” announces no event.",
            )
        )
    key = reference(alert.sender, alert.identifier)
    known = [key, *(reference(each.sender, each.identifier) for each in alert.references)]
    table = tables.incident
    query = select(table).where(table.c.reference.in_(known), table.c.closed.is_(None)).order_by(table.c.opened)
    row = ctx.db.execute(query).first()
    if row is not None:
        return _about(ctx, row, alert, key)
    if alert.kind == "Cancel":
        raise Conflict(Text("L’événement annulé n’est pas connu ici.", "The cancelled event is not known here."))
    body, kind, priority = _drafted(alert)
    id_ = new_id()
    rows = opening(ctx, id_, body, kind=kind, priority=priority, origin="cap", reference=key)
    rows.append(line(ctx, id_, "state", LineBody(text=_said(alert), after="reported", made_at=alert.sent)))
    return Effect(
        Imported(id_, "reported", new=True, message=alert.kind), apply=lambda connection: insert_all(connection, rows),
        events=[("incident.opened", {"incident": id_}), *changed(id_)], concerns=(incident_owner(id_),),
    )  # fmt: skip


def _about(ctx: Ctx, row: Any, alert: cap.Alert, key: str) -> Effect:
    """A message about an incident that is open: a line in its log; what follows from it people decide. The same twice: once."""
    result = Imported(row.id, row.state, new=False, message=alert.kind)
    if key == row.reference:
        return Effect(result)
    body, _kind, _priority = _drafted(alert) if alert.infos else (IncidentBody(""), "", 0)
    text = "\n".join(part for part in (_said(alert), body.title, body.text) if part)[:MAX_TEXT]
    added = line(ctx, row.id, "cap", LineBody(text=text, other=alert.kind, made_at=alert.sent))

    def apply(connection: Connection) -> None:
        connection.execute(update(tables.incident).where(tables.incident.c.id == row.id).values(reference=key))
        insert_all(connection, [added])

    return Effect(result, apply=apply, events=changed(row.id), concerns=(incident_owner(row.id),))


def _said(alert: cap.Alert) -> str:
    return f"CAP {alert.kind} · {alert.sender} · {alert.identifier}"


# -- out -----------------------------------------------------------------------------------------------------------------


def _stamp(us: int) -> str:
    """A moment as CAP writes it: whole seconds, with the offset (§3.3.2)."""
    return from_us(us).astimezone(UTC).isoformat(timespec="seconds")


def _earlier(ctx: Ctx, incident: str, form: str) -> list[str]:
    """Each message of this form that went out before, as `sender,identifier,sent`."""
    told = tables.incident_line
    rows = ctx.db.execute(
        select(told).where(told.c.incident == incident, told.c.kind == "export").order_by(told.c.at)
    ).all()
    found = [
        msgspec.json.decode(
            ctx.kernel.vault.open_(incident_owner(incident), PURPOSE, bytes(row.body), row.id.encode()), type=LineBody
        )
        for row in rows
    ]
    return [body.other for body in found if body.after == form]


def as_cap(ctx: Ctx, row: Any, body: IncidentBody, recipient: str, earlier: list[str], identifier: str) -> bytes:
    """The incident in French and in English, for one recipient."""
    kind, over = kinds()[row.kind], row.state in OVER
    areas = () if body.lat is None or body.lon is None else (
        cap.Area(description=body.address or body.title, circles=(cap.Circle(body.lat, body.lon, body.radius / 1000),)),
    )  # fmt: skip
    infos = tuple(
        cap.Info(
            language=language, categories=(kind.cap,), event=event, responses=("AllClear",) if over else (), urgency="Past" if over else URGENCY[row.priority],
            severity=SEVERITY[row.priority], certainty="Likely" if row.state == "reported" else "Observed", onset=_stamp(row.opened),
            headline=body.title, description=body.text, areas=areas,
        )
        for language, event in (("fr-FR", kind.fr), ("en-GB", kind.en))
    )  # fmt: skip
    references = tuple(cap.Reference(*each.split(",")) for each in earlier)
    status = "Exercise" if ctx.kernel.settings.demo else "Actual"
    return cap.write(
        cap.Alert(
            identifier=identifier, sender=_sender(ctx), sent=_stamp(ctx.now_us), status=status, kind="Update" if references else "Alert",
            scope="Private", addresses=f'"{recipient}"' if " " in recipient else recipient, references=references, infos=infos,
        )
    )  # fmt: skip


def as_emsi(ctx: Ctx, row: Any, body: IncidentBody, recipient: str, earlier: list[str], identifier: str) -> bytes:
    """The incident and its tasks (no officer is named), in an envelope for one recipient."""
    table, demo = tables.task, ctx.kernel.settings.demo
    missions = []
    for task in ctx.db.execute(select(table).where(table.c.incident == row.id).order_by(table.c.created)):
        sealed = ctx.kernel.vault.open_(mission_owner(task.mission), WORK, bytes(task.body), task.id.encode())
        ended = iso(task.changed) if EMSI_TASK[task.state] in ("COM", "CANCLD") else ""
        told = msgspec.json.decode(sealed, type=TaskBody)
        missions.append(
            emsi.Mission(
                id=task.id,
                kind="/GEN",
                name=told.title,
                status=EMSI_TASK[task.state],
                started=iso(task.created),
                ended=ended,
                text=told.text,
            )
        )
    content = emsi.message(
        emsi.Message(
            id=identifier, mode="EXERCS" if demo else "ACTUAL", kind="UPDATE" if earlier else "ALERT", created=iso(ctx.now_us),
            organisation=ctx.kernel.settings.realm, sender=_sender(ctx), event=row.id, name=body.title, categories=(kinds()[row.kind].emsi,),
            status=EMSI_STATUS.get(row.state, "STOP"), declared=iso(row.opened), urgent=row.priority <= 2, text=body.text,
            certainty=50 if row.state == "reported" else 100, place=None if body.lat is None or body.lon is None else (body.lat, body.lon),
            address=body.address, links=tuple(each.split(",")[1] for each in earlier), missions=tuple(missions),
        )
    )  # fmt: skip
    return edxl.seal(
        edxl.Envelope(
            id=identifier, sender=f"{ctx.kernel.settings.realm}@egide", sent=_stamp(ctx.now_us), status="Exercise" if demo else "Actual",
            kind="Update" if earlier else "Report", confidentiality="RESTRICTED", content=content, description="EMSI", language="fr-FR",
            recipients=(("name", recipient),), references=tuple(earlier),
        )
    )  # fmt: skip


def _sender(ctx: Ctx) -> str:
    return ctx.kernel.origin


FORMS = {"cap": as_cap, "emsi": as_emsi}


@act(
    "operations.incident.export", verb="export", activity=ACTIVITY, roles=("command",), groups=NEED, gather=concerned, input=Export,
    output=Exported, fr="Transmettre un incident à un autre service", en="Send an incident to another service",
)  # fmt: skip
def export(ctx: Ctx, given: Export) -> Effect:
    row, kernel = incident_row(ctx, given.incident), ctx.kernel
    recipient = sentence(given.recipient, MAX_RECIPIENT)
    if any(sign in recipient for sign in '"\n\r<&'):
        raise BadInput(
            Text("Nommez le destinataire sans guillemets ni « < ».", "Name the recipient without quotes or “<”.")
        )
    earlier = _earlier(ctx, row.id, given.format)
    identifier = f"{row.id}-{given.format}-{len(earlier) + 1}"
    data = FORMS[given.format](ctx, row, body_of(kernel, row), recipient, earlier, identifier)
    sender = _sender(ctx) if given.format == "cap" else f"{kernel.settings.realm}@egide"
    told = LineBody(
        text=f"{given.format.upper()} → {recipient}",
        after=given.format,
        other=f"{sender},{identifier},{_stamp(ctx.now_us)}",
    )

    def content() -> Iterator[bytes]:
        yield data

    url = kernel.downloads.offer(ctx.principal.id, ctx.now_us, f"{identifier}.xml", "application/xml", content)
    return Effect(
        Exported(url),
        rows=[line(ctx, row.id, "export", told)],
        events=changed(row.id),
        concerns=(incident_owner(row.id),),
    )


ACTS: tuple[Act, ...] = (import_cap, export)
