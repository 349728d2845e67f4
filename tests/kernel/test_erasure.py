"""One act erases a person: rows, links, bodies and keys; others stay whole, proofs verify, holds and standing orders block it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy import Boolean, LargeBinary, func, select

from egide.kernel import erasure, tables
from egide.kernel.clock import iso
from egide.kernel.errors import NotFound
from egide.kernel.ledger_verify import verify_export
from egide.kernel.links import count, links
from egide.kernel.merkle import Frontier, leaf_hash
from egide.operations import tables as operations
from egide.oversight import ledger
from tests.world import DAY_US, World

pytestmark = pytest.mark.anyio
WHY = {"motive": "Demande de la personne, départ du service"}
NAME = "Quentin Vasseur-Mallory"


async def person(world: World, *, roles: tuple[str, ...] = ("officer",), name: str = NAME) -> str:
    """Someone the administrator adds, with a right to act."""
    added = await world.act("administrator", "administration.person.add", name=name, unit="brigade", roles=list(roles))
    until = iso(world.clock.now_us() + 300 * DAY_US)
    await world.act("administrator", "administration.habilitation.grant", person=added["id"], scope="*", until=until)
    return str(added["id"])


async def busy(world: World, who: str) -> str:
    """Rows in three places and more: on a roster, with notes, of acts of their own and of others."""
    mission = await world.mission(await world.order(), who, "officer")
    for each in (who, "officer"):
        await world.act(each, "operations.note.add", mission=mission, text=f"Note de {each}", lat=60.17, lon=24.94)
    return mission


async def finished(world: World) -> None:
    world.move(seconds=5)
    await world.kernel.erasures.tick()


def cells(world: World, needle: str) -> list[str]:
    """Every cell of every table that holds these bytes."""
    found = []
    for metadata in (tables.metadata, operations.metadata):
        for table in metadata.sorted_tables:
            for row in world.kernel.store.reader().execute(select(table)).mappings():
                for column, value in row.items():
                    raw = value if isinstance(value, bytes) else str(value).encode()
                    if needle.encode() in raw:
                        found.append(f"{table.name}.{column}")
    return found


def proofs_hold(world: World) -> None:
    kernel = world.kernel
    leaves = [
        bytes(leaf)
        for (leaf,) in kernel.store.reader().execute(select(tables.entry.c.leaf).order_by(tables.entry.c.idx))
    ]
    tree = Frontier()
    tree.extend([leaf_hash(leaf) for leaf in leaves])
    assert tree.root() == kernel.log.root(len(leaves))
    kernel._check_head(kernel.latest_checkpoint())


async def test_a_person_is_gone_everywhere_and_others_are_not(world: World) -> None:
    who = await person(world)
    await busy(world, who)
    before = count(world.kernel.store.reader(), erasure.known(world.kernel), who)
    assert {
        "person.id",
        "roster.person",
        "note.person",
        "habilitation.person",
        "entry.actor",
        "concern.person",
    } <= before.rows.keys()
    assert cells(world, who), "the search finds them"
    others = count(world.kernel.store.reader(), erasure.known(world.kernel), "officer")
    told = await world.act("dpo", "administration.person.erase", person=who, **WHY)
    assert told["kept"] == []
    assert told["key_backup_due"]
    await finished(world)
    assert cells(world, who) == []
    listed = await world.act("dpo", "administration.erasure.list")
    assert [(each["id"], each["state"]) for each in listed["erasures"]] == [(told["erasure"], "done")]
    after = count(world.kernel.store.reader(), erasure.known(world.kernel), "officer")
    assert after.rows["note.person"] == others.rows["note.person"]
    assert after.rows["roster.person"] == others.rows["roster.person"]
    proofs_hold(world)


async def test_a_hold_blocks_it_and_says_until_when(world: World) -> None:
    who = await person(world)
    until = iso(world.clock.now_us() + DAY_US)
    hold = await world.act(
        "magistrate",
        "retention.hold",
        category="person",
        object=who,
        reference="PARQUET-SECRET",
        motive="Enquête",
        until=until,
    )
    assert await world.refused("dpo", "administration.person.erase", person=who, **WHY) == ["GDPR-17-3-e"]
    seen = await world.act("dpo", "administration.person.links", person=who, **WHY)
    assert [(each["id"], each["until"]) for each in seen["holds"]] == [(hold["id"], until)]
    assert "SECRET" not in str(seen)
    world.move(days=2)
    await world.act("dpo", "administration.person.erase", person=who, **WHY)
    await finished(world)
    assert cells(world, who) == []


async def test_a_hold_on_what_is_theirs_blocks_it(world: World) -> None:
    who = await person(world)
    await busy(world, who)
    note = (
        world.kernel.store.reader()
        .execute(select(operations.note.c.id).where(operations.note.c.person == who))
        .scalar()
    )
    await world.act("magistrate", "retention.hold", category="note", object=note, reference="P", motive="Enquête")
    assert await world.refused("dpo", "administration.person.erase", person=who, **WHY) == ["GDPR-17-3-e"]


async def test_evidence_is_limited_not_erased(world: World) -> None:
    who = await person(world)
    broken = await world.refused("dpo", "administration.person.erase", person=who, needed_as_proof=True, **WHY)
    assert broken == ["LED-16-3-person"]


async def test_a_standing_order_blocks_it_and_an_ended_one_is_kept_with_its_reason(world: World) -> None:
    who = await person(world, roles=("prefect",))
    drafted = await world.act(who, "orders.draft", **world.draft())
    await world.act(who, "orders.sign", order=drafted["id"])
    unsigned = await world.act(who, "orders.draft", **world.draft())
    assert await world.refused("dpo", "administration.person.erase", person=who, **WHY) == ["GDPR-17-3-b"]
    world.move(days=2)
    told = await world.act("dpo", "administration.person.erase", person=who, **WHY)
    assert {each["place"] for each in told["kept"]} == {
        "authorisation.draft",
        "authorisation.issuer",
        "authorisation.vkey",
    }
    await finished(world)
    assert set(cells(world, who)) == {"authorisation.draft", "authorisation.issuer", "authorisation.vkey"}
    kept = world.kernel.orders.all(world.kernel.store.reader())
    assert [(order.body.id, order.authentic) for order in kept] == [(drafted["id"], True)]
    assert unsigned["id"] not in {order.body.id for order in kept}


@pytest.mark.parametrize("crash", erasure.STEPS[:-1])
async def test_a_crash_at_any_step_is_finished_at_the_next_start(
    world: World, crash: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    who = await person(world)
    await busy(world, who)
    real = erasure.Erasures.step

    def dies(self: Any, id_: str, sealed: bytes, state: str) -> str:
        if state == crash:
            raise OSError("killed")
        return real(self, id_, sealed, state)

    monkeypatch.setattr(erasure.Erasures, "step", dies)
    await world.act("dpo", "administration.person.erase", person=who, **WHY)
    world.move(seconds=5)
    with pytest.raises(OSError, match="killed"):
        await world.kernel.erasures.tick()
    monkeypatch.undo()
    await asyncio.sleep(0.4)  # what the act set off is over
    await world.stop()
    await world.start()
    table = tables.erasure
    await world.until(lambda: world.kernel.store.reader().execute(select(table.c.state)).scalar() == "done")
    assert cells(world, who) == []
    assert (
        world.kernel.store.reader()
        .execute(select(func.count()).select_from(table).where(table.c.person.is_not(None)))
        .scalar()
        == 0
    )
    proofs_hold(world)


async def test_nobody_else_may_and_nobody_twice(world: World) -> None:
    who = await person(world)
    assert "GDPR-29" in await world.refused("administrator", "administration.person.erase", person=who, **WHY)


def test_every_column_that_names_a_person_says_so() -> None:
    """A column with such a name that is neither declared nor sealed would outlive an erasure."""
    names = {"person", "actor", "author", "issuer", "officer", "by", "user", "member", "agent", "subject"}
    links((tables.metadata, operations.metadata))
    for metadata in (tables.metadata, operations.metadata):
        for table in metadata.sorted_tables:
            for column in table.columns:
                if names & set(column.name.split("_")) and not isinstance(column.type, LargeBinary | Boolean):
                    assert column.info.get("person"), f"{table.name}.{column.name}"


async def test_an_erased_persona_does_not_come_back(world: World) -> None:
    await world.act("dpo", "administration.person.erase", person="other-officer", **WHY)
    await finished(world)
    await world.until(lambda: "other-officer" not in {each["id"] for each in world.kernel.things["personas"]})
    await world.stop()
    await world.start()
    assert "other-officer" not in {each["id"] for each in world.kernel.things["personas"]}
    reader = world.kernel.store.reader()
    assert reader.execute(select(tables.person.c.id).where(tables.person.c.id == "other-officer")).first() is None
    anyone = world.person("officer")
    with pytest.raises(NotFound):
        await world.kernel.perform("administration.demo.enter", b'{"persona": "other-officer"}', anyone)


async def test_pending_downloads_are_dropped_at_once(world: World) -> None:
    who = await person(world)
    now = world.clock.now_us()
    ticket = world.kernel.downloads.offer(who, now, "x", "text/plain", lambda: iter([b"x"])).rpartition("/")[2]
    await world.act("dpo", "administration.person.erase", person=who, **WHY)
    await world.until(lambda: world.kernel.downloads.take(ticket, who, now) is None)


async def test_an_issuers_key_file_names_nobody(world: World) -> None:
    who = await person(world, roles=("prefect",))
    world.kernel.orders.issuer_key(who)
    place = world.folder / "keys" / "issuers"
    (file,) = place.glob(f"{world.kernel.vault.name_of(who, 'issuer')}.key")
    vkey = world.kernel.orders.issuer_key(who).vkey
    file.rename(place / f"{who}.key")  # as older versions named it
    assert world.kernel.orders.issuer_key(who).vkey == vkey
    assert file.exists()
    assert not (place / f"{who}.key").exists()
    await world.act("dpo", "administration.person.erase", person=who, **WHY)
    await finished(world)
    assert not file.exists()


async def test_an_export_after_an_erasure_verifies_and_names_nobody(world: World, tmp_path: Any) -> None:
    who = await person(world)
    await busy(world, who)
    await world.act("dpo", "administration.person.erase", person=who, **WHY)
    await finished(world)
    await world.until(lambda: world.kernel.writer._unsigned == 0)
    for kind in ("inspector", "public"):
        ledger.write(world.kernel, kind, tmp_path / kind)
        assert [f.name for f in (tmp_path / kind).rglob("*") if f.is_file() and who.encode() in f.read_bytes()] == []
        report = verify_export(tmp_path / kind, [world.kernel.key.vkey])
        assert report.ok, report
