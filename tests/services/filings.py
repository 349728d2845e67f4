"""Lawful answers to any service, and files filed with them on any channel: the same each time, made from the definition alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import product
from typing import Any

from egide.services import documents
from egide.services.answers import asked, way_of
from egide.services.definition import ChannelName, Definition, Field, Transition
from egide.services.filing import slug
from tests.services.desk import photo
from tests.services.forms import typed
from tests.services.test_entitled import sent
from tests.services.test_filing import asked as ask
from tests.services.test_filing import drafted, identified
from tests.world import World

WHO = {"given_name": "Claire", "family_name": "Petit", "birthdate": "1988-02-29", "document": "CNI 880229"}
WORDS = "Zébulon"  # in every text: what an answer to somebody else must not hold
_VALUES: dict[str, Any] = {
    "text": f"{WORDS} 17",
    "long": f"{WORDS} a vu ceci, puis cela.",
    "yesno": "yes",
    "date": "2026-01-05",
    "time": "14:30",
    "place": {"address": f"12 rue {WORDS}", "lat": 48.85, "lon": 2.35},
    "phone": "06 12 34 56 78",
    "email": "zebulon@example.org",
    "amount": 12_050,
    "number": 3,
}


def value(field: Field) -> Any:
    """A lawful answer to a question, by its kind."""
    match field.kind:
        case "choice":
            return field.options[0].id
        case "choices":
            return [option.id for option in field.options[:2]]
        case "text" | "long":
            return str(_VALUES[field.kind])[: field.max]
        case "amount" | "number":
            return min(_VALUES[field.kind], field.max or _VALUES[field.kind])
        case _:
            return _VALUES[field.kind]


def _options(field: Field) -> list[Any]:
    match field.kind:
        case "choice":
            return [option.id for option in field.options]
        case "yesno":
            return ["no", "yes"]
        case _:
            return [value(field)]


def lawful(definition: Definition) -> dict[str, Any]:
    """Every question answered that these answers make one ask, none of which leads elsewhere; files are sent, not answered.

    Where a question for files is due only after certain answers, those are given.
    """
    wanted = {
        one.field: one.among[0] for id_ in definition.attachments for one in definition.field(id_).when
    }  # fmt: skip
    choices = [
        [wanted[field.id]] if field.id in wanted else _options(field)
        for field in definition.questions
    ]  # fmt: skip
    for given in product(*choices):
        first = dict(zip((field.id for field in definition.questions), given, strict=True))
        first = {field.id: first[field.id] for field in asked(definition.questions, first)}
        if way_of(definition, first) is None:
            break
    else:
        raise AssertionError(f"{definition.id}: every first answer leads elsewhere")
    answers: dict[str, Any] = first
    for field in definition.fields:
        if field.id not in answers and field.kind != "files" and field in asked(definition.fields, answers):
            answers[field.id] = wanted.get(field.id, value(field))
    return answers


async def filed_remotely(world: World, definition: Definition) -> dict[str, Any]:
    """The receipt of what a resident filed from the pages' own acts, with a photo where files are asked for."""
    answers = lawful(definition)
    draft = await drafted(world, typed(definition, answers), definition.id)
    if any(field.kind == "files" for field in asked(definition.fields, answers)):
        await sent(world, f"draft:{draft['draft']}", draft["secret"], photo())
    level = definition.channels["remote"].identity
    who = await identified(world, level) if level > 1 else {}
    done: dict[str, Any] = await ask(world, f"services.{slug(definition.id)}.file", **draft, **who)
    return done


async def taken(
    world: World, definition: Definition, channel: ChannelName, by: str = "officer", who: Mapping[str, str] = WHO
) -> dict[str, Any]:
    """The receipt of what an officer took down."""
    done: dict[str, Any] = await world.act(
        by, f"services.{slug(definition.id)}.take", channel=channel, version=definition.version, answers=lawful(definition), who=dict(who)
    )  # fmt: skip
    return done


async def filed(world: World, definition: Definition) -> dict[str, Any]:
    """A file of this service, on its first channel that is a form."""
    if definition.on_pages:
        return await filed_remotely(world, definition)
    return await taken(world, definition, "counter" if "counter" in definition.channels else "mobile")


async def drawn(world: World, definition: Definition, file: str) -> list[str]:
    """The documents that somebody has to ask for, asked for: by the ids of the service's outputs."""
    outputs = [one.id for one in documents.at_will(definition)]
    for output in outputs:
        await world.act("command", "services.document.draw", file=file, output=output)
    return outputs


def way_to(definition: Definition, state: str) -> list[Transition]:
    """The fewest steps from the beginning to a state, breadth first. Raises `AssertionError` where none lead there."""
    found: dict[str, list[Transition]] = {definition.initial: []}
    waiting = deque([definition.initial])
    while waiting:
        here = waiting.popleft()
        for step in definition.transitions:
            if here in step.origins and step.to not in found:
                found[step.to] = [*found[here], step]
                waiting.append(step.to)
    assert state in found, f"{definition.id}: no steps lead to “{state}”"
    return found[state]


def _asked_at(step: Transition) -> list[Field]:
    """The questions that a step asks of whoever gives the first answer to each choice; files are sent, not answered."""
    answers: dict[str, Any] = {}
    for field in step.asks:
        if field.kind != "files" and field in asked(step.asks, answers):
            answers[field.id] = value(field)
    return [one for one in step.asks if one.id in answers]


async def stepped(world: World, definition: Definition, step: Transition, done: Mapping[str, Any]) -> dict[str, Any]:
    """A step taken by the first of the roles that may; where words are due, some."""
    said: dict[str, Any] = {"text": f"{WORDS} le dit."} if step.reason else {}
    if step.asks:
        said["answers"] = {one.id: value(one) for one in _asked_at(step)}
        if any(one.kind == "files" for one in asked(step.asks, said["answers"])):
            await sent(world, f"file:{done['file']}", done["code"], photo())
    role = step.roles[0]
    name = f"services.{slug(definition.id)}"
    if role == "holder":
        after: dict[str, Any] = await ask(
            world, f"{name}.my_{slug(step.id)}", number=done["number"], code=done["code"], **said
        )
    else:
        after = await world.act(role, f"{name}.{slug(step.id)}", file=done["file"], **said)
    return after
