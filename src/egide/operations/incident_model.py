"""What an incident, a task and a drawing are, and from which state to which they may go. Pure: no store, no act.

Every path is in two small tables, read by the acts, by the console (what may come next) and by the tests. Nobody skips a state:
an incident that was never real is dismissed, one that is told twice is merged. The life of a task follows the usual one of
command and control (proposed, accepted, under way, done), where the one it is given to says yes or no.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from egide.kernel.act import Input
from egide.kernel.clock import to_us
from egide.kernel.errors import BadInput, Conflict, Text
from egide.protocols.positions import on_earth

MAX_TITLE, MAX_TEXT = 200, 4000  # characters
PRIORITIES = (1, 2, 3, 4)
State = Literal["reported", "confirmed", "assigned", "on_scene", "resolved", "closed", "dismissed", "merged"]
OVER: frozenset[str] = frozenset({"closed", "dismissed", "merged"})
TASK_OVER: frozenset[str] = frozenset({"done", "declined", "cancelled"})

STATE_WORDS = {
    "reported": Text("signalé", "reported"), "confirmed": Text("confirmé", "confirmed"), "assigned": Text("affecté", "assigned"),
    "on_scene": Text("sur place", "on scene"), "resolved": Text("résolu", "resolved"), "closed": Text("clos", "closed"),
    "dismissed": Text("écarté", "dismissed"), "merged": Text("fusionné", "merged"),
}  # fmt: skip
TASK_WORDS = {
    "proposed": Text("proposée", "proposed"), "accepted": Text("acceptée", "accepted"), "under_way": Text("en cours", "under way"),
    "done": Text("faite", "done"), "declined": Text("déclinée", "declined"), "cancelled": Text("annulée", "cancelled"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """One way from state to state: what it is called, whence, whither, who may go it."""

    name: str
    before: tuple[str, ...]
    after: str
    roles: tuple[str, ...]
    fr: str
    en: str
    reason: bool = False  # words are asked for


# Assigning and merging carry more than a step: acts of their own (incident_steps.py), with these same checks.
STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        Step("confirm", ("reported",), "confirmed", ("officer", "command"), "Confirmer un incident", "Confirm an incident"),
        Step("assign", ("confirmed",), "assigned", ("command",), "Affecter une mission à un incident", "Assign a mission to an incident"),
        Step("arrive", ("assigned",), "on_scene", ("officer", "command"), "Dire que l’on est sur place", "Say that one is on scene"),
        Step("resolve", ("on_scene",), "resolved", ("officer", "command"), "Dire qu’un incident est résolu", "Say that an incident is resolved"),
        Step("close", ("resolved",), "closed", ("command",), "Clore un incident", "Close an incident"),
        Step("dismiss", ("reported", "confirmed"), "dismissed", ("command",), "Écarter un incident sans objet", "Dismiss an unfounded incident", reason=True),
        Step("merge", ("reported", "confirmed", "assigned", "on_scene"), "merged", ("command",), "Fusionner deux incidents", "Merge two incidents"),
    )
}  # fmt: skip
# Who has the task goes its way; who gave it may take it back.
TASK_STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        Step("accept", ("proposed",), "accepted", ("officer", "pilot", "command"), "Accepter une tâche", "Accept a task"),
        Step("decline", ("proposed", "accepted"), "declined", ("officer", "pilot", "command"), "Décliner une tâche", "Decline a task", reason=True),
        Step("start", ("accepted",), "under_way", ("officer", "pilot", "command"), "Commencer une tâche", "Start a task"),
        Step("finish", ("under_way",), "done", ("officer", "pilot", "command"), "Finir une tâche", "Finish a task"),
        Step("cancel", ("proposed", "accepted", "under_way"), "cancelled", ("command",), "Annuler une tâche", "Cancel a task", reason=True),
    )
}  # fmt: skip


def next_state(steps: dict[str, Step], words: dict[str, Text], name: str, now: str) -> str:
    """The state that a step leads to; raises `Conflict` where it does not start from here."""
    step = steps[name]
    if now in step.before:
        return step.after
    fr = " ou ".join(f"« {words[each].fr} »" for each in step.before)
    en = " or ".join(f"“{words[each].en}”" for each in step.before)
    raise Conflict(
        Text(
            f"Rien n’a changé : l’état est « {words[now].fr} », et « {words[step.after].fr} » ne vient qu’après {fr}.",
            f"Nothing changed: the state is “{words[now].en}”, and “{words[step.after].en}” comes only after {en}.",
        ),
        Text("Actualisez, puis choisissez l’étape suivante.", "Refresh, then choose the next step."),
    )


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same in both languages."""

    fr: str
    en: str


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of incident, its symbol, its codes in exchange formats, and what is done first."""

    id: str
    fr: str
    en: str
    symbol: str
    sidc: str
    cap: str
    emsi: str
    procedure: Words


class _Kinds(msgspec.Struct, forbid_unknown_fields=True):
    kind: list[Kind]


@cache
def kinds() -> dict[str, Kind]:
    """The short list, by id."""
    told = tomllib.loads((files("egide.operations") / "incident_kinds.toml").read_text("utf-8"))
    return {kind.id: kind for kind in msgspec.convert(told, _Kinds).kind}


class IncidentBody(msgspec.Struct):
    """What an incident is about; sealed with its own key. Degrees WGS84; `radius` in metres around the place."""

    title: str
    text: str = ""
    lat: float | None = None
    lon: float | None = None
    radius: float = 0.0
    address: str = ""


class LineBody(msgspec.Struct):
    """One line of the log; `made_at` is what the device's clock said, shown as such and never used for order."""

    text: str = ""
    before: str = ""
    after: str = ""
    other: str = ""  # the other incident, the alert, the task
    made_at: str = ""


class TaskBody(msgspec.Struct):
    """What is to be done; sealed with the mission's key."""

    title: str
    text: str = ""
    answer: str = ""  # why it was declined or cancelled
    made_at: str = ""


class FromClient(Input, kw_only=True):
    """What a terminal's outbox may send twice: its own id of the act (kernel/repeats.py), and when it was made by its clock."""

    client_id: str = ""
    made_at: str = ""

    def __post_init__(self) -> None:
        """The moment is shown, never trusted: it need only be one."""
        if self.made_at and (len(self.made_at) > 40 or datetime.fromisoformat(self.made_at).tzinfo is None):
            raise ValueError("`made_at` is a moment with its zone, ISO 8601")


def sentence(text: str, longest: int, *, needed: bool = True) -> str:
    """Words as they are kept; raises `BadInput` where they are missing or too many."""
    text = text.strip()
    if (needed and not text) or len(text) > longest:
        raise BadInput(
            Text(
                f"Écrivez quelques mots, {longest} signes au plus.", f"Write a few words, {longest} characters at most."
            )
        )
    return text


def moment(given: str) -> int | None:
    """µs of a moment in ISO 8601; None where it is none, or says no zone."""
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        return None
    return to_us(found) if found.tzinfo is not None else None


def place(lat: float | None, lon: float | None) -> tuple[float | None, float | None]:
    """Both or none; raises `BadInput` off the Earth."""
    if lat is None and lon is None:
        return None, None
    if lat is None or lon is None or not on_earth(lat, lon):
        raise BadInput(Text("Ce lieu est hors de la Terre.", "This place is off the Earth."))
    return lat, lon


def incident_owner(incident: str) -> str:
    """Whose key seals an incident: its own."""
    return f"incident:{incident}"


def mission_owner(mission: str) -> str:
    """Whose key seals a mission's tasks and drawings: its own."""
    return f"mission:{mission}"
