"""Incidents that come of what a resident or an officer told another service: a burglary to go and see, a team that is needed.

The event says only that there is something; what may be known of it is asked for by an act (`services.export.give`) and is what
its definition exports to operations, no more. Nothing is typed again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from egide.kernel.act import Act, Ctx, Effect, Input, act
from egide.kernel.errors import NotFound
from egide.kernel.identity import new_id
from egide.kernel.listeners import Independent
from egide.operations.incident_log import ACTIVITY, IncidentId, changed, insert_all, line, opening
from egide.operations.incident_model import (
    MAX_TEXT,
    MAX_TITLE,
    IncidentBody,
    LineBody,
    incident_owner,
    place,
    sentence,
)

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

ORIGIN = "service"
IN_DANGER = "Vie en danger : une personne l’écrit au service d’aide"
# Kind and priority by service; what is not here is no incident (a home to pass by is a patrol's).
KINDS = {
    "theft": ("theft", 3),
    "hearing": ("theft", 3),
    "field-report": ("other", 3),
    "violence-chat": ("assistance", 1),
}


class FromService(Input):
    """An incident from a file of a service: its number, and what its definition hands to operations."""

    kind: str
    priority: int
    number: str
    title: str
    text: str = ""
    lat: float | None = None
    lon: float | None = None
    address: str = ""


@act(
    "operations.incident.from_service", verb="combine", activity=ACTIVITY, roles=["system"], system=True, duty=True, input=FromService,
    output=IncidentId, fr="Ouvrir un incident depuis une démarche", en="Open an incident from a request",
)  # fmt: skip
def from_service(ctx: Ctx, given: FromService) -> Effect:
    id_ = new_id()
    lat, lon = place(given.lat, given.lon)
    title, text = sentence(given.title, MAX_TITLE), sentence(given.text, MAX_TEXT, needed=False)
    body = IncidentBody(title, text, lat, lon, 0.0, sentence(given.address, MAX_TITLE, needed=False))
    rows = opening(ctx, id_, body, kind=given.kind, priority=given.priority, origin=ORIGIN, reference=given.number)
    rows.append(line(ctx, id_, "state", LineBody(text=given.number, after="reported")))
    return Effect(
        IncidentId(id_, "reported"),
        apply=lambda connection: insert_all(connection, rows),
        events=[("incident.opened", {"incident": id_}), *changed(id_)],
        concerns=(incident_owner(id_),),
    )


async def heard(kernel: Kernel, payload: dict[str, Any]) -> None:
    """A file has something for operations."""
    known = KINDS.get(payload["service"])
    if known is None:
        return
    system, cause = kernel.system(ACTIVITY), payload["cause"]
    asked = {"file": payload["file"], "target": "operations", "event": payload["event"]}
    try:
        outcome = await kernel.perform("services.export.give", msgspec.json.encode(asked), system, cause=cause)
    except NotFound:
        return  # erased meanwhile
    given = msgspec.json.encode(incident_of(msgspec.to_builtins(outcome.result), *known))
    await kernel.perform("operations.incident.from_service", given, system, cause=cause, once=payload["once"])


async def called(kernel: Kernel, payload: dict[str, Any]) -> None:
    """Somebody who writes to help by chat is in danger: a team is asked for."""
    system, cause = kernel.system(ACTIVITY), payload["cause"]
    asked = msgspec.json.encode({"chat": payload["chat"]})
    try:
        outcome = await kernel.perform("services.chat.exported", asked, system, cause=cause)
    except NotFound:
        return  # ended and erased meanwhile
    fields = msgspec.to_builtins(outcome.result)["fields"]
    kind, priority = KINDS["violence-chat"]
    given = {
        "kind": kind, "priority": priority, "number": "", "title": IN_DANGER, "text": fields.get("phone", "")[:MAX_TEXT],
        "address": fields.get("whereabouts", "")[:MAX_TITLE],
    }  # fmt: skip
    await kernel.perform(
        "operations.incident.from_service", msgspec.json.encode(given), system, cause=cause, once=payload["once"]
    )


def incident_of(handed: dict[str, Any], kind: str, priority: int) -> dict[str, Any]:
    """What an incident says of what was handed over: the purpose as its title, the place on the map, all of it as its text."""
    where = next((one["value"] for one in handed["fields"] if isinstance(one["value"], dict)), {})
    lines = [f"{one['label']['fr']} : {one['fr']}" for one in handed["fields"]]
    return {
        "kind": kind, "priority": priority, "number": handed["number"], "title": handed["purpose"]["fr"][:MAX_TITLE],
        "text": "\n".join(lines)[:MAX_TEXT], "lat": where.get("lat"), "lon": where.get("lon"),
        "address": str(where.get("address", ""))[:MAX_TITLE],
    }  # fmt: skip


ACTS: tuple[Act, ...] = (from_service,)
# Each opens an incident of its own.
LISTENERS = {"service.to_operations": Independent(heard), "help.needed": Independent(called)}
