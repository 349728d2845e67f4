"""Incidents and tasks through the door: from the call for help to the closed mission; who may, and what is done once."""

from __future__ import annotations

import asyncio
import json
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from egide.kernel import rights_check
from egide.kernel import tables as kernel_tables
from egide.kernel.clock import iso
from egide.kernel.erasure import known
from egide.kernel.errors import BadInput, Conflict, NotFound, Refused
from egide.kernel.identity import ANONYMOUS
from egide.kernel.links import count
from egide.kernel.vault import Erased
from egide.operations import incident_tables as tables
from egide.operations import tables as common
from egide.operations.incident_model import (
    OVER,
    STATE_WORDS,
    STEPS,
    TASK_OVER,
    TASK_STEPS,
    TASK_WORDS,
    kinds,
    next_state,
)
from tests.world import DAY_US, INSIDE, Terminal, World

PLACE = {"lat": INSIDE[0], "lon": INSIDE[1]}
ASYNC = pytest.mark.anyio


# -- the tables of states, by themselves -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "words", "over", "start"), [(STEPS, STATE_WORDS, OVER, "reported"), (TASK_STEPS, TASK_WORDS, TASK_OVER, "proposed")])  # fmt: skip
def test_every_state_has_words_is_reached_and_ends(steps: Any, words: Any, over: Any, start: str) -> None:
    assert set(words) == {start} | {step.after for step in steps.values()}
    for step in steps.values():
        assert not set(step.before) & over, f"{step.name} leaves an end"
        assert step.after not in step.before
        assert step.fr != step.en
    for state in set(words) - set(over):
        assert any(state in step.before for step in steps.values()), f"nothing follows {state}"


WAY = ("reported", "confirmed", "assigned", "on_scene", "resolved", "closed")
TASK_WAY = ("proposed", "accepted", "under_way", "done")


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=12))
def test_no_path_of_an_incident_skips(names: list[str]) -> None:
    _no_skip(names, STEPS, STATE_WORDS, OVER, WAY)


@given(st.lists(st.sampled_from(sorted(TASK_STEPS)), max_size=12))
def test_no_path_of_a_task_skips(names: list[str]) -> None:
    _no_skip(names, TASK_STEPS, TASK_WORDS, TASK_OVER, TASK_WAY)


def _no_skip(names: list[str], steps: Any, words: Any, over: Any, way: tuple[str, ...]) -> None:
    """Whatever is asked in whatever order: each change is the next one of the way, or an end that is said to be one."""
    state, been = way[0], [way[0]]
    for name in names:
        if state not in steps[name].before:
            with pytest.raises(Conflict) as caught:
                next_state(steps, words, name, state)
            assert words[state].fr in caught.value.what.fr
            assert words[state].en in caught.value.what.en
            assert caught.value.do is not None
            assert caught.value.do.fr != caught.value.do.en
            continue
        state = next_state(steps, words, name, state)
        assert been[-1] not in over
        assert state not in way or way.index(state) == way.index(been[-1]) + 1
        been.append(state)
    assert way[-1] not in been or been == list(way)


def test_kinds_are_whole() -> None:
    for kind in kinds().values():
        assert kind.fr
        assert kind.fr != kind.procedure.fr
        assert kind.procedure.fr.count("\n") == kind.procedure.en.count("\n"), kind.id
        assert kind.cap in {
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
        }  # CAP 1.2 §3.2.2


# -- through the door ------------------------------------------------------------------------------------------------------


async def reported(world: World, who: str = "officer", **changed: Any) -> str:
    given = {
        "kind": "assault",
        "title": "Rixe devant la gare",
        "text": "Trois personnes",
        "priority": 2,
        **PLACE,
    } | changed
    return str((await world.act(who, "operations.incident.open", **given))["id"])


async def assigned(world: World, *roster: str) -> tuple[str, str]:
    """(incident, mission) with its crew; no order, no camera."""
    incident = await reported(world)
    await world.act("command", "operations.incident.confirm", incident=incident)
    mission = (
        await world.act(
            "command", "operations.mission.open", title="Gare", roster=list(roster or ("officer",)), incident=incident
        )
    )["id"]
    return incident, str(mission)


async def step(world: World, who: str, incident: str, name: str, **more: Any) -> str:
    return str((await world.act(who, f"operations.incident.{name}", incident=incident, **more))["state"])


async def tasked(world: World, mission: str, **changed: Any) -> str:
    given = {"mission": mission, "title": "Chercher les témoins", "person": "officer", "text": "Quai 2"} | changed
    return str((await world.act("command", "operations.task.propose", **given))["id"])


async def called(world: World, text: str = "Au voleur, place du marché", **more: Any) -> Any:
    raw = json.dumps({"text": text, **PLACE} | more).encode()
    return (await world.kernel.perform("operations.alert.send", raw, ANONYMOUS)).result


def progress(world: World, alert: Any) -> str:
    found = world.kernel.things["alerts"].find(alert.id)
    return "closed" if found is None else str(found.progress)


@ASYNC
async def test_from_the_call_for_help_to_the_end(world: World) -> None:
    alert = await called(world, "Au voleur !\nIl part vers la gare")
    console, phone = Terminal(world.person("command")), Terminal(world.person("officer"))
    for terminal in (console, phone):
        board = await world.act(terminal.principal.id, "operations.incident.follow", terminal)
        assert board["incidents"] == []
    incident = (await world.act("officer", "operations.incident.from_alert", alert=alert.id, kind="theft"))["id"]
    shown = phone.pushed[-1]["incident"]
    assert (shown["title"], shown["text"], shown["lat"], shown["alerts"]) == (
        "Au voleur !",
        "Au voleur !\nIl part vers la gare",
        INSIDE[0],
        [alert.id],
    )
    assert (await world.act("officer", "operations.alert.list"))["alerts"][0]["incident"] == incident
    assert progress(world, alert) == "seen"
    with pytest.raises(Conflict):
        await world.act("officer", "operations.incident.from_alert", alert=alert.id)

    await step(world, "officer", incident, "confirm", reason="Vu par la patrouille")
    mission = (
        await world.act(
            "command", "operations.mission.open", title="Place du marché", roster=["officer"], incident=incident
        )
    )["id"]
    assert progress(world, alert) == "on_way"
    assert (await called_back(world, alert))["progress"] == "on_way"
    task = await tasked(world, mission, incident=incident, **PLACE)
    pushed = phone.pushed[-1]["task"]
    assert (pushed["id"], pushed["title"], pushed["mine"], pushed["state"]) == (
        task,
        "Chercher les témoins",
        True,
        "proposed",
    )
    for name, state in (("accept", "accepted"), ("start", "under_way"), ("finish", "done")):
        assert (await world.act("officer", f"operations.task.{name}", task=task))["state"] == state
        assert console.pushed[-1]["task"]["state"] == state
    assert await step(world, "officer", incident, "arrive") == "on_scene"
    assert progress(world, alert) == "there"
    await world.act("officer", "operations.incident.note", incident=incident, text="Sac retrouvé")
    assert await step(world, "officer", incident, "resolve") == "resolved"
    assert await step(world, "command", incident, "close") == "closed"
    assert console.pushed[-1]["incident"]["closed"] is True
    assert progress(world, alert) == "closed"
    await world.act("command", "operations.mission.close", mission=mission)

    told = await world.act("command", "operations.incident.read", incident=incident)
    assert [one["after"] for one in told["lines"] if one["kind"] in ("alert", "state")] == [
        "reported", "confirmed", "assigned", "on_scene", "resolved", "closed",
    ]  # fmt: skip
    assert [one["after"] for one in told["lines"] if one["kind"] == "task"] == [
        "proposed",
        "accepted",
        "under_way",
        "done",
    ]
    assert "Sac retrouvé" in {one["text"] for one in told["lines"]}
    river = (await world.act("dpo", "oversight.river"))["entries"]
    done = {entry["act"] for entry in river}
    assert {
        "operations.alert.send",
        "operations.incident.from_alert",
        "operations.mission.open",
        "operations.task.finish",
        "operations.incident.close",
    } <= done


async def called_back(world: World, alert: Any) -> dict[str, Any]:
    raw = json.dumps({"alert": alert.id, "secret": alert.secret}).encode()
    told = (await world.kernel.perform("operations.alert.follow", raw, ANONYMOUS)).result.alert
    assert "officer" not in json.dumps(told["progress"])
    return dict(told)


@ASYNC
async def test_a_second_call_about_the_same(world: World) -> None:
    incident = await reported(world)
    alert = await called(world, "Moi aussi je les vois")
    await world.act("officer", "operations.incident.attach", alert=alert.id, incident=incident)
    told = await world.act("officer", "operations.incident.read", incident=incident)
    assert told["incident"]["alerts"] == [alert.id]
    assert told["lines"][-1]["text"] == "Moi aussi je les vois"
    with pytest.raises(NotFound):
        await world.act("officer", "operations.incident.attach", alert="0" * 16, incident=incident)


@ASYNC
async def test_what_is_known_better_later(world: World) -> None:
    incident = await reported(world, lat=None, lon=None, text="Quelque part")
    await world.act("officer", "operations.incident.change", incident=incident, kind="theft", priority=1, **PLACE)
    told = (await world.act("officer", "operations.incident.read", incident=incident))["incident"]
    assert (told["kind"], told["priority"], told["lat"], told["text"], told["title"]) == (
        "theft",
        1,
        INSIDE[0],
        "Quelque part",
        "Rixe devant la gare",
    )
    for wrong in ({"kind": "ufo"}, {"lat": 1.0}, {"title": ""}, {"radius": -1.0}):
        with pytest.raises(BadInput):
            await world.act("officer", "operations.incident.change", incident=incident, **wrong)
    await step(world, "command", incident, "dismiss", reason="Sans objet")
    with pytest.raises(Conflict):
        await world.act("officer", "operations.incident.change", incident=incident, priority=2)


@ASYNC
async def test_what_is_no_incident(world: World) -> None:
    for wrong in (
        {"kind": "ufo"}, {"title": "  "}, {"title": "x" * 201}, {"text": "x" * 4001}, {"priority": 0}, {"lat": 91.0}, {"lon": None},
        {"radius": -1.0}, {"radius": 1e9}, {"client_id": "x" * 65}, {"made_at": "hier"}, {"made_at": "2026-11-26T10:00:00"},
    ):  # fmt: skip
        with pytest.raises(BadInput):
            await reported(world, **wrong)
    assert (await world.act("officer", "operations.incident.list"))["incidents"] == []


@ASYNC
async def test_every_wrong_step_is_a_plain_refusal_and_changes_nothing(world: World) -> None:
    """Each step from each state, through the door: what the table does not have does not happen."""
    reached: dict[str, str] = {}
    incident = await reported(world)
    for name in ("", "confirm", "mission", "arrive", "resolve", "close"):
        if name == "mission":
            await world.act("command", "operations.mission.open", title="Gare", roster=["officer"], incident=incident)
        elif name:
            await step(world, "command", incident, name)
        state = (await world.act("command", "operations.incident.read", incident=incident))["incident"]["state"]
        reached[state] = incident
        for other in ("confirm", "arrive", "resolve", "close", "dismiss"):
            if state in STEPS[other].before:
                continue
            with pytest.raises(Conflict) as caught:
                await step(world, "command", incident, other, reason="essai")
            assert STATE_WORDS[state].fr in caught.value.what.fr
            assert STATE_WORDS[state].en in caught.value.what.en
        assert (await world.act("command", "operations.incident.read", incident=incident))["incident"]["state"] == state
    assert list(reached) == list(WAY)


@ASYNC
async def test_two_who_take_the_same_step(world: World) -> None:
    incident = await reported(world)
    both = await asyncio.gather(
        *(step(world, who, incident, "confirm") for who in ("officer", "command")), return_exceptions=True
    )
    assert sorted(isinstance(one, Conflict) for one in both) == [False, True]
    lines = (await world.act("officer", "operations.incident.read", incident=incident))["lines"]
    assert [one["after"] for one in lines] == ["reported", "confirmed"]


@ASYNC
async def test_who_may_not(world: World) -> None:
    incident, mission = await assigned(world)
    task = await tasked(world, mission)
    need = "LED-29-e-mission"
    assert await world.refused("other-officer", "operations.incident.read", incident=incident) == [need]
    assert await world.refused("other-officer", "operations.incident.note", incident=incident, text="x") == [need]
    assert await world.refused("other-officer", "operations.incident.arrive", incident=incident) == [need]
    assert await world.refused("other-officer", "operations.mission.brief", mission=mission) == [need]
    for name in ("accept", "decline"):
        assert await world.refused("other-officer", f"operations.task.{name}", task=task, reason="x") == [need]
        assert await world.refused("command", f"operations.task.{name}", task=task, reason="x") == [
            need
        ]  # nobody for them
    for name, input_ in (
        ("cancel", {"task": task, "reason": "x"}),
        ("propose", {"mission": mission, "title": "x", "person": "officer"}),
    ):
        assert "LED-29-e" in await world.refused("officer", f"operations.task.{name}", **input_)
    for who, name in product(("prefect", "dpo"), ("confirm", "close")):
        assert "LED-29-e" in await world.refused(who, f"operations.incident.{name}", incident=incident)
    (mark,) = (await world.act("other-officer", "operations.incident.list"))["incidents"]
    assert (mark["title"], mark["lat"], mark["text"], mark["concerned"]) == (
        "Rixe devant la gare",
        INSIDE[0],
        "",
        False,
    )
    assert all(one["why"] for one in mark["steps"])
    assert (await world.act("other-officer", "operations.incident.list"))["tasks"] == []


@ASYNC
async def test_no_machine_takes_a_step(world: World) -> None:
    incident, mission = await assigned(world)
    task = await tasked(world, mission)
    for activity, name, input_ in (
        ("incidents", "incident.arrive", {"incident": incident}), ("mission-work", "task.accept", {"task": task}),
        ("mission-work", "task.cancel", {"task": task, "reason": "x"}),
    ):  # fmt: skip
        with pytest.raises(Refused) as caught:
            await world.kernel.perform(f"operations.{name}", msgspec.json.encode(input_), world.kernel.system(activity))
        assert "LED-29-e" in {reason.rule for reason in caught.value.decision.reasons}


@ASYNC
async def test_done_twice_is_done_once(world: World) -> None:
    """What an outbox sends again after a lost answer: same answer, one row, one line, in whatever state it arrives late."""
    incident, mission = await assigned(world)
    task = await tasked(world, mission, client_id="client-a1")
    assert await tasked(world, mission, client_id="client-a1") == task
    other = await tasked(world, mission, client_id="client-a2")
    assert other != task
    again = {"client_id": "client-b1", "made_at": "2026-11-26T10:00:00+01:00"}
    for _ in range(3):
        assert (await world.act("officer", "operations.task.accept", task=task, **again))["state"] == "accepted"
    both = await asyncio.gather(
        *(world.act("officer", "operations.task.start", task=task, client_id="client-b2") for _ in range(4))
    )
    assert {one["state"] for one in both} == {"under_way"}
    late = await world.act("officer", "operations.task.accept", task=task, **again)
    assert late["state"] == "accepted", "the first answer, again, and nothing done"
    with pytest.raises(Conflict):
        await world.act("officer", "operations.task.accept", task=task, client_id="client-b3")
    for _ in range(2):
        await world.act(
            "officer",
            "operations.incident.note",
            incident=incident,
            text="Vu",
            client_id="client-c1",
            made_at="2026-11-26T09:59:00Z",
        )
        await world.act(
            "officer",
            "operations.note.add",
            mission=mission,
            text="Vu",
            **PLACE,
            client_id="client-c2",
            made_at="2026-11-26T09:59:00Z",
        )
    await world.act(
        "command", "operations.incident.note", incident=incident, text="Vu", client_id="client-c1"
    )  # another's id is another's
    db = world.kernel.store.reader()
    notes = db.execute(select(tables.incident_line).where(tables.incident_line.c.kind == "note")).all()
    assert len(notes) == 2
    assert db.execute(select(func.count()).select_from(common.note)).scalar() == 1  # type: ignore[union-attr]  # operations has tables
    told = (await world.act("officer", "operations.incident.read", incident=incident))["lines"]
    assert [one["made_at"] for one in told if one["kind"] == "note"] == ["2026-11-26T09:59:00Z", ""]


@ASYNC
async def test_a_task_for_a_unit_is_taken_by_the_first(world: World) -> None:
    _, mission = await assigned(world, "command")
    unit = world.person("officer").unit
    assert unit
    task = await tasked(world, mission, person="", unit=unit)
    (seen,) = (await world.act("officer", "operations.incident.list"))["tasks"]
    assert (seen["id"], seen["mine"], seen["person"]) == (task, True, None)
    assert (await world.act("officer", "operations.task.accept", task=task))["state"] == "accepted"
    assert (await world.act("officer", "operations.incident.list"))["tasks"][0]["person"]["id"] == "officer"
    for wrong in (
        {"person": "officer", "unit": unit},
        {"person": ""},
        {"person": "nobody"},
        {"person": "", "unit": "none"},
        {"deadline": "demain"},
    ):
        with pytest.raises(BadInput):
            await tasked(world, mission, **wrong)


@ASYNC
async def test_merged_duplicates(world: World) -> None:
    first, mission = await assigned(world)
    alert = await called(world, "Encore une rixe")
    second = (await world.act("officer", "operations.incident.from_alert", alert=alert.id))["id"]
    assert await step(world, "command", second, "merge", into=first) == "merged"
    told = await world.act("officer", "operations.incident.read", incident=first)
    assert told["incident"]["alerts"] == [alert.id]
    assert told["lines"][-1]["text"].startswith("Encore une rixe")
    assert progress(world, alert) == "on_way"
    assert [one["id"] for one in (await world.act("officer", "operations.incident.list"))["incidents"]] == [first]
    for wrong in (first, second):
        with pytest.raises(Conflict):
            await step(world, "command", first, "merge", into=wrong)
    assert mission


@ASYNC
async def test_a_duplicate_with_a_mission_hands_it_over(world: World) -> None:
    first, mission = await assigned(world)
    task = await tasked(world, mission, incident=first)
    second = await reported(world)
    await step(world, "command", first, "merge", into=second)
    told = await world.act("officer", "operations.incident.read", incident=second)
    assert told["incident"]["mission"] == mission
    assert [one["id"] for one in told["tasks"]] == [task]


@ASYNC
async def test_a_roster_change_counts_at_once(world: World) -> None:
    incident, mission = await assigned(world)
    phone = Terminal(world.person("other-officer"))
    await world.act("other-officer", "operations.incident.follow", phone)
    await world.act("command", "operations.roster.change", mission=mission, add=["other-officer"])
    await world.until(lambda: {"push": "incidents"} in phone.pushed)
    assert (await world.act("other-officer", "operations.mission.brief", mission=mission))["mission"]["id"] == mission
    task = await tasked(world, mission)
    assert phone.pushed[-1]["task"]["id"] == task
    await world.act("command", "operations.roster.change", mission=mission, remove=["other-officer"])
    before = len([one for one in phone.pushed if one["push"] == "task"])
    await tasked(world, mission, title="Autre")
    assert len([one for one in phone.pushed if one["push"] == "task"]) == before
    assert await world.refused("other-officer", "operations.incident.read", incident=incident) == ["LED-29-e-mission"]


@ASYNC
async def test_who_loses_the_right_follows_no_more(world: World) -> None:
    added = await world.act("administrator", "administration.person.add", name="Lou", unit="brigade", roles=["officer"])
    until = iso(world.clock.now_us() + DAY_US)
    granted = await world.act(
        "administrator", "administration.habilitation.grant", person=added["id"], scope="*", until=until
    )
    phone = Terminal(world.person(added["id"]))
    await world.act(added["id"], "operations.incident.follow", phone)
    await world.act(
        "administrator", "administration.habilitation.withdraw", habilitation=granted["id"], reason="Mutation"
    )
    await world.until(lambda: {"push": "incidents"} in phone.pushed)
    told = len(phone.pushed)
    await reported(world)
    assert len(phone.pushed) == told
    assert "LED-29-e" in await world.refused(added["id"], "operations.incident.follow", phone)


@ASYNC
async def test_a_mission_without_an_order_has_no_camera(world: World) -> None:
    incident, mission = await assigned(world, "officer", "pilot")
    rules = await world.refused("command", "operations.camera.start", source=await world.source(), mission=mission)
    assert {"CSI-242-5-IV", "CSI-242-5-IV-cap"} & set(rules), rules
    (shown,) = (await world.act("command", "operations.picture"))["missions"]
    assert shown["order"] is None
    await world.act("officer", "operations.note.add", mission=mission, text="Vu", **PLACE)
    with pytest.raises(NotFound):
        await world.act("command", "operations.mission.open", title="x", order="nothing")
    assert (await world.act("officer", "operations.incident.list"))["incidents"][0]["id"] == incident


@ASYNC
async def test_the_brief_is_whole(world: World) -> None:
    incident, mission = await assigned(world)
    await tasked(world, mission, incident=incident, deadline="2026-12-01T12:00:00Z")
    told = await world.act("officer", "operations.mission.brief", mission=mission)
    assert [one["id"] for one in told["incidents"]] == [incident]
    assert told["tasks"][0]["deadline"].startswith("2026-12-01T12:00:00")
    assert told["procedures"][0]["text"]["fr"]
    assert told["mission"]["roster"][0]["id"] == "officer"


def faults(world: World) -> set[str]:
    return {each.where for _acts, told in rights_check.faults(world.kernel) for each in told}


@ASYNC
async def test_a_state_that_no_act_led_to_is_found(world: World) -> None:
    incident, mission = await assigned(world)
    task, other = await tasked(world, mission, incident=incident), await tasked(world, mission)
    for _ in range(2):
        await world.act("officer", "operations.task.accept", task=task, client_id="client-a")
    await world.act("officer", "operations.task.start", task=task)
    await world.act("officer", "operations.task.accept", task=task, client_id="client-a")
    await world.act("officer", "operations.task.decline", task=other, reason="Blessé")
    await world.act("officer", "operations.incident.change", incident=incident, kind="theft")
    duplicate = await reported(world)
    await step(world, "command", duplicate, "merge", into=incident)
    assert faults(world) == set()
    for table, id_, changes in (
        (tables.incident, incident, {"state": "closed"}), (tables.incident, incident, {"priority": 4}), (tables.incident, incident, {"closed": 1}),
        (tables.incident, duplicate, {"state": "reported"}), (tables.task, task, {"state": "done"}), (tables.task, task, {"person": "other-officer"}),
        (tables.task, other, {"state": "proposed"}), (tables.task, other, {"lat": 1.5}),
    ):  # fmt: skip
        before = world.kernel.store.reader().execute(select(table).where(table.c.id == id_)).one()._asdict()
        with world.kernel.store.side() as connection:
            connection.execute(update(table).where(table.c.id == id_).values(**changes))
        assert faults(world) == {f"{table.name} {id_}"}, changes
        with world.kernel.store.side() as connection:
            connection.execute(update(table).where(table.c.id == id_).values(**before))
    await world.act("command", "operations.mission.close", mission=mission)
    assert faults(world) == set()


@ASYNC
async def test_closing_a_mission_ends_its_tasks(world: World) -> None:
    _, mission = await assigned(world)
    task = await tasked(world, mission)
    phone = Terminal(world.person("officer"))
    await world.act("officer", "operations.incident.follow", phone)
    await world.act("command", "operations.mission.close", mission=mission)
    await world.until(
        lambda: any(one["push"] == "task" and one["task"]["state"] == "cancelled" for one in phone.pushed)
    )
    with pytest.raises(Conflict):
        await world.act("officer", "operations.task.accept", task=task)
    with pytest.raises(Conflict):
        await tasked(world, mission)


@ASYNC
async def test_an_incident_is_erased_when_its_time_has_come(world: World) -> None:
    incident = await reported(world, text="Ada Lovelace est blessée")
    await world.act("officer", "operations.incident.note", incident=incident, text="Ada va mieux")
    await step(world, "command", incident, "dismiss", reason="Sans objet")
    db = world.kernel.store.reader()
    sealed = db.execute(select(tables.incident.c.body)).scalar_one()
    assert b"Ada" not in sealed
    world.move(days=367)
    await world.until(lambda: db.execute(select(func.count()).select_from(tables.incident)).scalar() == 0)
    assert db.execute(select(func.count()).select_from(tables.incident_line)).scalar() == 0
    with pytest.raises(Erased):
        world.kernel.vault.open_(f"incident:{incident}", "incidents", bytes(sealed), incident.encode())
    about = select(kernel_tables.entry).where(kernel_tables.entry.c.act.like("operations.incident.%"), kernel_tables.entry.c.act != "operations.incident.list")  # fmt: skip
    assert all(row.body is None for row in db.execute(about))


@ASYNC
async def test_a_missions_work_is_erased_when_its_time_has_come(world: World) -> None:
    _, mission = await assigned(world)
    await tasked(world, mission)
    await world.act("command", "operations.mission.close", mission=mission)
    world.move(days=367)
    db = world.kernel.store.reader()
    await world.until(lambda: db.execute(select(func.count()).select_from(tables.task)).scalar() == 0)


@ASYNC
async def test_an_erased_call_for_help_leaves_no_link(world: World) -> None:
    alert = await called(world)
    incident = (await world.act("officer", "operations.incident.from_alert", alert=alert.id))["id"]
    await world.act("officer", "operations.alert.close", alert=alert.id)
    world.move(days=31)
    db = world.kernel.store.reader()
    await world.until(lambda: db.execute(select(func.count()).select_from(tables.incident_alert)).scalar() == 0)
    assert (await world.act("officer", "operations.incident.read", incident=incident))["incident"]["alerts"] == []


@ASYNC
async def test_an_erased_officer_is_named_nowhere(world: World) -> None:
    added = await world.act(
        "administrator", "administration.person.add", name="Lou Verdier", unit="brigade", roles=["officer"]
    )
    who = added["id"]
    until = iso(world.clock.now_us() + 30 * DAY_US)
    await world.act("administrator", "administration.habilitation.grant", person=who, scope="*", until=until)
    incident = await reported(world, who)
    await world.act("command", "operations.incident.confirm", incident=incident)
    mission = (await world.act("command", "operations.mission.open", title="Gare", roster=[who], incident=incident))[
        "id"
    ]
    task = await tasked(world, mission, person=who, incident=incident)
    await world.act(who, "operations.task.accept", task=task)
    await world.act(who, "operations.incident.note", incident=incident, text="Rien à signaler")
    await world.act("dpo", "administration.person.erase", person=who, motive="Départ du service")
    world.move(seconds=5)
    await world.kernel.erasures.tick()
    assert count(world.kernel.store.reader(), known(world.kernel), who).rows == {}
    told = await world.act("command", "operations.incident.read", incident=incident)
    assert {one["person"] for one in told["lines"]} <= {"", world.person("command").name}
    assert "Rien à signaler" in {one["text"] for one in told["lines"]}
    assert told["tasks"][0]["person"] is None
