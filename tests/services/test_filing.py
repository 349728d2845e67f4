"""A resident files a complaint; an officer takes it up, asks, signs; the person follows it, and another one cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from egide.kernel import tables
from egide.kernel.errors import BadInput, Conflict, NotFound, Refused
from egide.kernel.identity import ANONYMOUS
from egide.kernel.keys import Row
from egide.kernel.retention import Keeper
from tests.kernel.test_writer import held as meeting
from tests.world import World

pytestmark = pytest.mark.anyio

THEFT = {
    "going_on": ["no"], "offence": ["theft"], "author_known": ["no"], "facts_date-day": ["3"], "facts_date-month": ["11"],
    "facts_date-year": ["2026"], "facts_place": ["12 rue de la Gare"], "account": ["Mon vélo attaché devant la gare a disparu."],
    "things": ["Vélo bleu"], "loss": ["350"], "email": ["claire@example.org"],
}  # fmt: skip


async def asked(world: World, name: str, /, **given: Any) -> Any:
    """An act of somebody without an account."""
    outcome = await world.kernel.perform(name, msgspec.json.encode(given), ANONYMOUS, address="192.0.2.1")
    return msgspec.to_builtins(outcome.result)


async def broken_rules(world: World, name: str, **given: Any) -> list[str]:
    with pytest.raises(Refused) as caught:
        await asked(world, name, **given)
    return [reason.rule for reason in caught.value.decision.reasons]


async def identified(world: World, level: int) -> dict[str, str]:
    given = msgspec.json.encode(
        {"level": level, "given_name": "Claire", "family_name": "Petit", "birthdate": "1988-02-29"}
    )
    done = await world.kernel.perform("services.identity.open", given, world.kernel.system("resident-identity"))
    return {"identity": done.result.id, "identity_secret": done.result.secret}


async def drafted(world: World, form: dict[str, list[str]], service: str = "theft") -> dict[str, str]:
    saved = await asked(world, "services.draft.save", service=service, form=form)
    return {"draft": saved["id"], "secret": saved["secret"]}


async def test_a_complaint_from_draft_to_signature(world: World) -> None:
    draft = await drafted(world, {name: THEFT[name] for name in ("going_on", "offence", "author_known")})
    await asked(world, "services.draft.save", service="theft", form=THEFT, **draft)
    filed = await asked(world, "services.theft.file", **draft, **await identified(world, 2))
    assert filed["number"] == "PL-2026-000001"
    held = {"number": filed["number"].lower(), "code": filed["code"].lower().replace("-", " ")}
    mine = await asked(world, "services.file.follow", **held)
    assert mine["state"] == "filed"
    assert not mine["late"]
    assert mine["wrong"] is None
    assert mine["answers"]["loss"] == 35000
    assert mine["who"]["family_name"] == "Petit"

    queue = (await world.act("officer", "services.desk.queue"))["files"]
    assert [one["number"] for one in queue] == [filed["number"]]
    file = queue[0]["id"]
    await world.act("officer", "services.theft.assign", file=file)
    await world.act("officer", "services.theft.ask", file=file, text="Avez-vous la facture ?")
    with pytest.raises(Conflict):
        await world.act("officer", "services.theft.sign", file=file)
    answered = await asked(world, "services.theft.my_answer", **held, text="Oui, je la joins.")
    assert answered["state"] == "assigned"
    await world.act("officer", "services.theft.sign", file=file)
    after = await asked(world, "services.file.follow", **held)
    assert after["state"] == "recorded"
    assert after["closed"]
    assert after["wrong"] is None
    assert [(one["step"], one["mine"], one["text"]) for one in after["events"]] == [
        ("file", True, ""), ("assign", False, ""), ("ask", False, "Avez-vous la facture ?"), ("answer", True, "Oui, je la joins."),
        ("sign", False, ""),
    ]  # fmt: skip


async def test_what_is_refused_loses_nothing(world: World) -> None:
    draft = await drafted(world, THEFT)
    assert await broken_rules(world, "services.theft.file", **draft) == ["CRPA-identity"]
    known = {**THEFT, "author_known": ["yes"]}
    await asked(world, "services.draft.save", service="theft", form=known, **draft)
    assert set(await broken_rules(world, "services.theft.file", **draft, **await identified(world, 2))) == {
        "CPP-15-3-1-author", "CRPA-eligible",
    }  # fmt: skip
    kept = await asked(world, "services.draft.read", **draft)
    assert kept["answers"]["account"] == THEFT["account"][0]
    await asked(world, "services.draft.save", service="theft", form={**THEFT, "email": ["nulle part"]}, **draft)
    with pytest.raises(BadInput) as caught:
        await asked(world, "services.theft.file", **draft, **await identified(world, 3))
    assert "email" in str(caught.value.do)
    assert (await asked(world, "services.draft.read", **draft))["form"]["email"] == ["nulle part"]


async def test_nobody_reaches_another_persons_file(world: World) -> None:
    filed = await asked(world, "services.theft.file", **await drafted(world, THEFT), **await identified(world, 2))
    for held in (
        {"number": filed["number"], "code": "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"},
        {"number": "PL-2026-000999", "code": filed["code"]},
        {"number": filed["number"], "code": ""},
    ):
        for name, more in (("services.file.follow", {}), ("services.theft.my_withdraw", {"text": ""})):
            assert await broken_rules(world, name, **held, **more) == ["CRPA-holder"]
    assert (await asked(world, "services.file.follow", number=filed["number"], code=filed["code"]))["state"] == "filed"


async def test_keys_of_a_crowd_are_made_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd, rows = 24, world.kernel.vault._rows
    made, add = [], rows.add

    def added(new: list[Row]) -> set[bytes]:
        theirs = [row for row in new if row.person.startswith(("draft:", "file:"))]
        made.extend([len(theirs)] * bool(theirs))
        return add(new)

    monkeypatch.setattr(rows, "add", added)
    drafts = await asyncio.gather(*(drafted(world, THEFT) for _ in range(crowd)))
    assert sum(made) == crowd
    assert len(made) < crowd / 2, "a key is one fsync; those of a commit are one together"
    made.clear()
    who = [await identified(world, 2) for _ in range(crowd)]
    made.clear()
    await asyncio.gather(
        *(asked(world, "services.theft.file", **draft, **one) for draft, one in zip(drafts, who, strict=True))
    )
    assert sum(made) == 2 * crowd, "one seals the file, one what the ledger keeps of it"
    assert len(made) < crowd / 2


async def test_of_a_draft_that_became_a_file_nothing_is_left(world: World) -> None:
    draft = await drafted(world, THEFT)
    await asked(world, "services.theft.file", **draft, **await identified(world, 2))
    assert await Keeper(world.kernel, "retention.erase").tick() == 1
    reader, own = world.kernel.store.reader(), f"draft:{draft['draft']}"
    kept = select(tables.retained.c.id).where(tables.retained.c.object == draft["draft"])
    assert reader.execute(kept).all() == []
    assert reader.execute(select(tables.entry.c.idx).where(tables.entry.c.actor == own)).all() == []
    assert world.kernel.vault.shred(own) == 0, "its key was destroyed"
    await world.until(lambda: not world.kernel.vault.unwiped)


async def test_sent_twice_is_filed_once(world: World) -> None:
    draft, who = await drafted(world, THEFT), await identified(world, 2)
    await asked(world, "services.theft.file", **draft, **who)
    with pytest.raises(NotFound):
        await asked(world, "services.theft.file", **draft, **who)
    assert len((await world.act("officer", "services.desk.queue"))["files"]) == 1


async def test_in_one_commit_a_draft_sent_twice_is_filed_once_and_takes_no_number(world: World) -> None:
    twice, *others = [await drafted(world, THEFT) for _ in range(4)]
    who = await identified(world, 2)
    asking = [asked(world, "services.theft.file", **draft, **who) for draft in (others[0], twice, twice, *others[1:])]
    async with meeting(world) as gate:
        blocking = asyncio.ensure_future(drafted(world, THEFT))
        await asyncio.sleep(0)
        await world.until(gate.writer._queue.empty)
        tasks = [asyncio.ensure_future(each) for each in asking]
        await world.until(lambda: gate.writer._queue.qsize() == len(tasks))
        gate.open.set()
        await blocking
        done = await asyncio.gather(*tasks, return_exceptions=True)
    assert gate.batches[1] == len(tasks)
    (sent,) = [each for each in done if isinstance(each, Exception)]
    assert isinstance(sent, Conflict)
    assert "vient d’être envoyé" in sent.what.fr
    numbers = sorted(each["number"] for each in done if isinstance(each, dict))
    assert [number.rsplit("-", 1)[1] for number in numbers] == ["000001", "000002", "000003", "000004"]


async def test_drafts_that_became_files_are_erased_in_one_commit_of_the_vault(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    who, rows = await identified(world, 2), world.kernel.vault._rows
    drafts = [await drafted(world, THEFT) for _ in range(20)]
    destroyed: list[int] = []
    delete = rows.delete

    def deleted(owned: Sequence[tuple[str, str | None]]) -> int:
        destroyed.append(sum(person.startswith("draft:") for person, _ in owned))
        return delete(owned)

    monkeypatch.setattr(rows, "delete", deleted)
    await asyncio.gather(*(asked(world, "services.theft.file", **draft, **who) for draft in drafts))
    await world.until(lambda: sum(destroyed) == len(drafts), 30)
    assert len(destroyed) < len(drafts) / 2, "a deletion is one fsync; those of a commit are one together"


async def test_taken_down_by_an_officer_it_is_the_same_file(world: World) -> None:
    remote = await asked(world, "services.theft.file", **await drafted(world, THEFT), **await identified(world, 2))
    mine = await asked(world, "services.file.follow", number=remote["number"], code=remote["code"])
    for channel in ("counter", "mobile"):
        taken = await world.act(
            "officer", "services.theft.take", channel=channel, version=1, answers=mine["answers"],
            who={"given_name": "Claire", "family_name": "Petit", "document": "CNI"},
        )  # fmt: skip
        same = await asked(world, "services.file.follow", number=taken["number"], code=taken["code"])
        assert same["answers"] == mine["answers"]
        assert same["state"] == mine["state"]


async def test_a_file_is_erased_when_its_time_has_come(world: World) -> None:
    filed = await asked(world, "services.theft.file", **await drafted(world, THEFT), **await identified(world, 2))
    held = {"number": filed["number"], "code": filed["code"]}
    await asked(world, "services.theft.my_withdraw", **held)
    world.clock.shift(timedelta(days=200))
    await Keeper(world.kernel, "retention.erase").tick()
    assert await broken_rules(world, "services.file.follow", **held) == ["CRPA-holder"]
    assert (await world.act("officer", "services.desk.queue"))["files"] == []
