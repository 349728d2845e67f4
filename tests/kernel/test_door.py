"""The one door: what has the wrong form is told so, what is nobody's is not there, and what is refused is written down."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Row, func, select

from egide.kernel import tables
from egide.kernel.errors import BadInput, EgideError, NotFound, NotSignedIn, Refused, TooLarge, TooMany
from egide.kernel.identity import ANONYMOUS, OPERATOR, Principal
from egide.kernel.ledger import Log
from egide.kernel.tiles import SqlTiles
from egide.kernel.told import problem
from egide.kernel.work import Body, Leaf
from tests.world import Terminal, World

pytestmark = pytest.mark.anyio

SECRET = "Mémorandum Zanzibar-7731"  # a text that occurs nowhere else


def entries(world: World) -> int:
    return int(world.kernel.store.reader().execute(select(func.count()).select_from(tables.entry)).scalar_one())


def last(world: World) -> Row[tuple[object, ...]]:
    found = (
        world.kernel.store.reader().execute(select(tables.entry).order_by(tables.entry.c.idx.desc()).limit(1)).first()
    )
    assert found is not None
    return found


FORMLESS = [
    (b"{", "truncated"),
    (b'{"word": 7}', "$.word"),
    (b"{}", "word"),
    (b'{"word": "a", "gallery": 1}', "gallery"),
    (b'["word"]', "object"),
    (b'{"word": "\xff"}', ""),
    (b"\x00\x01", ""),
    (b"[" * 60_000, ""),
    (b'{"word": ' + b"[" * 60_000, "$.word"),
]


async def test_the_wrong_form_is_said_plainly(plugged: World) -> None:
    for raw, named in FORMLESS:
        before = entries(plugged)
        with pytest.raises(BadInput) as caught:
            await plugged.kernel.perform("works.item.add", raw, plugged.person("officer"))
        error = caught.value
        assert named in error.what.en
        assert error.what.fr
        assert error.do is not None
        assert error.status == 422
        assert entries(plugged) == before, "what cannot be read is no act"


async def test_too_many_bytes(plugged: World) -> None:
    raw = msgspec.json.encode({"word": "x" * 70_000})
    with pytest.raises(TooLarge, match="65536"):
        await plugged.kernel.perform("works.item.add", raw, plugged.person("officer"))


async def test_an_act_that_does_not_exist_is_named(world: World) -> None:
    with pytest.raises(NotFound, match=r"operations\.gallery\.search"):
        await world.act("officer", "operations.gallery.search")


async def test_the_platforms_own_acts_are_out_of_reach(plugged: World) -> None:
    """`system` acts have no door, for the operator no more than for an officer."""
    given = msgspec.json.encode({"word": "a"})
    for principal in (plugged.person("administrator"), plugged.person("magistrate"), OPERATOR, ANONYMOUS):
        with pytest.raises(NotFound):
            await plugged.kernel.perform("works.item.tidy", given, principal)
        with pytest.raises(NotFound):
            await plugged.kernel.perform("retention.erase", b'{"category":"x","object":"y"}', principal)


async def test_live_acts_need_a_live_channel(plugged: World) -> None:
    with pytest.raises(NotFound):
        await plugged.act("officer", "works.follow")
    terminal = Terminal(plugged.person("officer"))
    await plugged.act("officer", "works.follow", terminal)


async def test_the_open_class_is_counted_and_never_in_the_ledger(plugged: World) -> None:
    before = entries(plugged)
    outcome = await plugged.kernel.perform("works.hello", b"{}", ANONYMOUS)
    assert outcome.receipt is None
    assert plugged.kernel.counted["works.hello"] == 1
    assert entries(plugged) == before


async def test_nobody_signed_in_is_told_to_sign_in(plugged: World) -> None:
    before = entries(plugged)
    with pytest.raises(NotSignedIn):
        await plugged.kernel.perform("works.item.list", b"{}", ANONYMOUS)
    assert entries(plugged) == before


async def test_a_refusal_is_recorded_with_its_articles(plugged: World) -> None:
    before = entries(plugged)
    with pytest.raises(Refused) as caught:
        await plugged.act("prefect", "works.item.add", word="a")
    refused = caught.value
    assert refused.receipt == ("police", before)
    row = last(plugged)
    assert (row.idx, row.outcome, row.actor) == (before, "refused", "prefect")
    leaf = msgspec.json.decode(row.leaf, type=Leaf)
    assert leaf.rules == tuple(reason.rule for reason in refused.decision.reasons)
    shown = problem(refused, "works.item.add")
    assert shown["receipt"] == {"realm": "police", "index": before}
    assert {"fr", "en", "article", "remedy", "rule", "text", "text_title", "ask"} <= set(shown["reasons"][0])
    assert await plugged.act("officer", "works.item.list") == {"words": []}, "nothing of it was done"


async def test_facts_that_are_missing_refuse(plugged: World) -> None:
    assert "FACTS-MISSING" in await plugged.refused("officer", "works.forgetful")


async def test_a_purpose_that_is_not_the_activitys_is_refused(world: World) -> None:
    _order, _mission, deployment = await world.flying()
    terminal = Terminal(world.person("officer"))
    broken = await world.refused(
        "officer", "operations.watch.open", terminal, deployment=deployment, purpose="curiosity"
    )
    assert "LED-4-1-b" in broken


async def test_one_person_cannot_keep_the_door_busy(tmp_path: Path) -> None:
    made = World(tmp_path / "data", acts_per_s=2)
    await made.start()
    try:
        with pytest.raises(TooMany):  # at once: however slow a machine is, its seconds give no more than two of them
            await asyncio.gather(*(made.act("officer", "orders.list") for _ in range(40)))
        await made.act("prefect", "orders.list")  # another's bucket is another's
    finally:
        await made.stop()


def files_of(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


async def test_what_is_said_is_sealed(world: World) -> None:
    """The input's words stand nowhere on the disk; the same words put there unsealed are found (positive control)."""
    mission = await world.mission(await world.order())
    await world.act("officer", "operations.note.add", mission=mission, text=SECRET, lat=60.17, lon=24.94)
    folder = world.settings.folder
    for spelling in (SECRET.encode(), msgspec.json.encode(SECRET)[1:-1], SECRET.encode("utf-16-le"), b"Zanzibar-7731"):
        assert spelling not in files_of(folder)

    def leak() -> None:
        with world.kernel.store.side() as connection:
            connection.execute(tables.unit.insert().values(id="control", name=SECRET))

    leak()
    assert SECRET.encode() in files_of(folder), "the search would have found it"

    row = last(world)
    sealed = bytes(row.body)
    opened = world.kernel.vault.open_("officer", "field-notes", sealed, row.id.encode())
    body = msgspec.json.decode(opened, type=Body)
    assert msgspec.json.decode(body.input)["text"] == SECRET, "and whoever holds the key can replay the act"
    assert body.facts["habilitated"] is True


async def test_a_leaf_names_nobody(world: World) -> None:
    mission = await world.mission(await world.order())
    await world.act("officer", "operations.note.add", mission=mission, text=SECRET, lat=60.17, lon=24.94)
    leaf = bytes(last(world).leaf)
    for word in (b"officer", b"Camille", b"Aubert", SECRET.encode()):
        assert word not in leaf
    assert msgspec.json.decode(leaf, type=Leaf).actor == world.kernel.vault.subject_id("officer", "field-notes")


async def test_a_system_activity_inherits_no_right(plugged: World) -> None:
    """What the platform does by itself may do its own acts and nothing that people do."""
    system = plugged.kernel.system("works-items")
    await plugged.kernel.perform("works.item.tidy", b'{"word":"a"}', system)
    with pytest.raises(Refused):
        await plugged.kernel.perform("works.item.add", b'{"word":"a"}', system)


async def test_an_officer_of_another_role_or_without_habilitation_is_refused(plugged: World) -> None:
    someone = Principal(id="officer", name="", roles=frozenset({"officer"}), strong=True)
    with pytest.raises(Refused) as caught:
        await plugged.kernel.perform("works.item.list", b"{}", someone)
    assert [reason.rule for reason in caught.value.decision.reasons] == ["LED-29-e"]
    weak = Principal(id="officer", name="", roles=frozenset({"officer"}), scopes=(("*", 1 << 62),))
    with pytest.raises(Refused):
        await plugged.kernel.perform("works.item.list", b"{}", weak)


async def test_who_starts_while_another_appends_reads_one_moment(plugged: World) -> None:
    kernel = plugged.kernel
    await plugged.act("officer", "works.item.add", word="first")
    live = SqlTiles(kernel.store.reader, "police")
    with kernel.store.moment() as db:
        size, _ = kernel.store.last_entry("police", db)
        await asyncio.gather(
            *(plugged.act("officer", "works.item.add", word=f"more {number}") for number in range(300))
        )
        with pytest.raises(EgideError):  # a full tile more than the count knows of
            Log.recover(live, size)
        log = Log.recover(SqlTiles(lambda: db, "police"), size, later=live)
    assert log.root() == kernel.log.root(size)
    assert log.inclusion(size - 1) == kernel.log.inclusion(size - 1, size)
