"""What the acts of incidents share: the row and its log, who is concerned, what a new incident is made of.

What an outbox sends twice is done once (kernel/repeats.py).
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, insert

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Ctx, Facts
from egide.kernel.errors import BadInput, Text
from egide.kernel.identity import new_id
from egide.kernel.retention import keep
from egide.operations import incident_tables as tables
from egide.operations.facts import one
from egide.operations.incident_desk import CHANGED, PURPOSE, circle
from egide.operations.incident_model import PRIORITIES, IncidentBody, LineBody, incident_owner, kinds

CATEGORY = "incident"
ACTIVITY = "incidents"
CREW = ("officer", "command", "pilot")
NEED = ("need-to-know",)
MAX_RADIUS_M = 50_000.0  # m around its place


class IncidentId(msgspec.Struct):
    """The incident's id, and its state now."""

    id: str
    state: str


def incident_row(ctx: Ctx, id_: str) -> Any:
    """An incident; raises `NotFound`."""
    return one(ctx, tables.incident, id_, "Cet incident n’existe pas.", "This incident does not exist.")


def concerned(ctx: Ctx, given: Any) -> Facts:
    """Whether the one who asks is among those whom the incident's mission concerns."""
    return {"concerned": circle(ctx.db, incident_row(ctx, given.incident).mission).holds(ctx.principal)}


def line(ctx: Ctx, incident: str, kind: str, body: LineBody) -> tuple[Any, dict[str, Any]]:
    """A row of the log."""
    id_ = new_id()
    sealed = ctx.kernel.vault.seal(incident_owner(incident), PURPOSE, msgspec.json.encode(body), id_.encode())
    row = {"id": id_, "incident": incident, "at": ctx.now_us, "kind": kind, "person": ctx.principal.id, "body": sealed}
    return tables.incident_line, row


def changed(*incidents: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of incidents that changed."""
    return [(CHANGED, {"incident": id_}) for id_ in incidents]


def insert_all(connection: Connection, rows: list[tuple[Any, dict[str, Any]]]) -> None:
    """Rows in their order."""
    for table, row in rows:
        connection.execute(insert(table), row)


def opening(
    ctx: Ctx, id_: str, body: IncidentBody, *, kind: str, priority: int, origin: str, reference: str = ""
) -> list[tuple[Any, dict[str, Any]]]:
    """The rows of a new incident. Raises `BadInput`."""
    if kind not in kinds() or priority not in PRIORITIES or not 0 <= body.radius <= MAX_RADIUS_M:
        raise BadInput(
            Text("Nature, urgence ou rayon inconnus.", "Unknown kind, urgency or radius."),
            Text(
                f"Natures : {', '.join(kinds())} ; urgence de 1 à 4.", f"Kinds: {', '.join(kinds())}; urgency 1 to 4."
            ),
        )
    sealed = ctx.kernel.vault.seal(incident_owner(id_), PURPOSE, msgspec.json.encode(body), id_.encode())
    row = {
        "id": id_, "kind": kind, "priority": priority, "state": "reported", "opened": ctx.now_us, "closed": None, "origin": origin,
        "reference": reference, "person": ctx.principal.id, "mission": None, "merged": None, "body": sealed,
    }  # fmt: skip
    return [(tables.incident, row), (kernel_tables.retained, keep(CATEGORY, id_))]
