"""Orders are objects: what was signed opens, what was altered, lapsed or never signed opens nothing."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import select, update

from egide.kernel import tables
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, NotFound, Refused
from tests.world import DAY_US, SQUARE, Terminal, World

pytestmark = pytest.mark.anyio


async def listed(world: World, order: str) -> dict[str, Any]:
    found = await world.act("prefect", "orders.list")
    return next(each for each in found["orders"] if each["id"] == order)


async def state(world: World, order: str) -> str:
    return str((await listed(world, order))["state"])


async def camera_refused(world: World, mission: str, source: str) -> list[str]:
    return await world.refused("command", "operations.camera.start", source=source, mission=mission)


def alter(world: World, order: str, **values: Any) -> None:
    """What somebody with the database file in their hands would do."""
    with world.kernel.store.side() as connection:
        connection.execute(update(tables.order).where(tables.order.c.id == order).values(**values))


def edited(world: World, order: str, change: Callable[[bytes], bytes]) -> None:
    draft = (
        world.kernel.store.reader().execute(select(tables.order.c.draft).where(tables.order.c.id == order)).scalar_one()
    )
    alter(world, order, draft=change(bytes(draft)))


async def test_an_order_from_draft_to_end(world: World) -> None:
    drafted = await world.act("command", "orders.draft", **world.draft(starts=iso(world.clock.now_us() + 3600_000_000)))
    order = drafted["id"]
    assert await state(world, order) == "draft"
    signed = await world.perform("prefect", "orders.sign", order=order)
    assert signed.receipt is not None
    assert await state(world, order) == "signed"
    world.move(hours=2)
    assert await state(world, order) == "in_force"
    assert (await listed(world, order))["issuer"] == "prefect"
    await world.act("prefect", "orders.revoke", order=order, reason="Événement terminé")
    assert await state(world, order) == "revoked"
    with pytest.raises(Conflict):
        await world.act("prefect", "orders.revoke", order=order, reason="Encore")
    with pytest.raises(Conflict):
        await world.act("prefect", "orders.sign", order=order)


async def test_an_order_lapses_by_itself(world: World) -> None:
    order = await world.order()
    mission = await world.mission(order)
    world.move(days=2)
    assert await state(world, order) == "ended"
    assert "CSI-242-5-IV" in await camera_refused(world, mission, await world.source())


async def test_an_unsigned_order_opens_nothing(world: World) -> None:
    order = (await world.act("prefect", "orders.draft", **world.draft()))["id"]
    broken = await camera_refused(world, await world.mission(order), await world.source())
    assert {"CSI-242-5-IV", "CSI-242-5-IV-signature"} <= set(broken)
    with pytest.raises(Conflict):  # a renewal is of something that was signed
        await world.act(
            "prefect", "orders.extend", order=order, ends=world.draft()["ends"], reason="Prolonger un projet"
        )


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda draft: draft.replace(b'"cap":2', b'"cap":4'), id="cap"),
        pytest.param(lambda draft: draft.replace(b"24.92", b"24.02"), id="perimeter"),
        pytest.param(lambda draft: draft + b" ", id="a byte more"),
        pytest.param(lambda draft: draft[:-1], id="no JSON any more"),
        pytest.param(lambda draft: b"", id="nothing"),
        pytest.param(lambda draft: draft.replace(b'"Polygon"', b'"Point"'), id="no polygon any more"),
        pytest.param(lambda draft: draft.replace(b'"issuer":"prefect"', b'"issuer":"command"'), id="issuer"),
    ],
)
async def test_an_altered_order_is_seen_and_opens_nothing(world: World, change: Callable[[bytes], bytes]) -> None:
    order, other = await world.order(), await world.order()
    mission = await world.mission(order)
    edited(world, order, change)
    assert await state(world, order) == "altered"
    assert await state(world, other) == "in_force", "the others stay readable"
    broken = await camera_refused(world, mission, await world.source())
    assert {"CSI-242-5-IV", "CSI-242-5-IV-signature"} <= set(broken)
    with pytest.raises((Conflict, Refused)):
        await world.act("prefect", "orders.sign", order=order)
    with pytest.raises((Conflict, Refused)):
        await world.act(
            "prefect", "orders.extend", order=order, ends=world.draft()["ends"], reason="Blanchir l’altération"
        )
    assert await state(world, order) == "altered"


async def test_a_revocation_taken_out_of_the_store_is_seen(world: World) -> None:
    order = await world.order()
    mission = await world.mission(order)
    await world.act("prefect", "orders.revoke", order=order, reason="Fin")
    assert await state(world, order) == "revoked"
    alter(world, order, revoked=None, revocation=None, reason=None)
    assert await state(world, order) == "altered"
    await world.stop()
    await world.start()
    assert await state(world, order) == "altered", "the ledger remembers it after a restart"
    assert "CSI-242-5-IV-signature" in await camera_refused(world, mission, await world.source())


async def test_a_signature_of_another_order_does_not_fit(world: World) -> None:
    first, second = await world.order(), await world.order(cap=1)
    row = world.kernel.store.reader().execute(select(tables.order).where(tables.order.c.id == first)).one()
    alter(world, second, signature=row.signature, draft=row.draft)
    assert await state(world, second) == "altered"


async def test_an_alteration_stops_a_running_picture(world: World) -> None:
    order, _mission, deployment = await world.flying()
    terminal = Terminal(world.person("officer"))
    await world.act("officer", "operations.watch.open", terminal, deployment=deployment)
    edited(world, order, lambda draft: draft.replace(b'"cap":2', b'"cap":3'))
    await world.until(lambda: any(m.get("push") == "watch.ended" for m in terminal.pushed), 2.5)


async def test_more_than_three_months(world: World) -> None:
    start = world.clock.now_us()
    longest = world.draft(starts=iso(start), ends=iso(start + 95 * DAY_US))
    order = (await world.act("prefect", "orders.draft", **longest))["id"]
    assert await world.refused("prefect", "orders.sign", order=order) == ["CSI-242-5-IV-duration"]
    signed = await world.order(starts=iso(start), ends=iso(start + 88 * DAY_US))
    broken = await world.refused(
        "prefect", "orders.extend", order=signed, ends=iso(start + 300 * DAY_US), reason="Longtemps"
    )
    assert "CSI-242-5-IV-duration" in broken


async def test_only_the_prefect_signs(world: World) -> None:
    order = (await world.act("command", "orders.draft", **world.draft()))["id"]
    broken = await world.refused("command", "orders.sign", order=order)
    assert {"CSI-242-5-IV-issuer", "LED-29-e"} <= set(broken)
    signed = await world.order()
    for who in ("officer", "command", "administrator"):
        assert "LED-29-e" in await world.refused(who, "orders.revoke", order=signed, reason="Non")
    assert await state(world, signed) == "in_force"


async def test_a_gatherings_order_ends_with_it(world: World) -> None:
    now = world.clock.now_us()
    over = iso(now + DAY_US // 2)
    unbounded = (await world.act("prefect", "orders.draft", **world.draft(purpose="gathering")))["id"]
    assert "CSI-242-5-IV-gathering" in await world.refused("prefect", "orders.sign", order=unbounded)
    late = (await world.act("prefect", "orders.draft", **world.draft(purpose="gathering", event_ends=over)))["id"]
    assert "CSI-242-5-IV-gathering" in await world.refused("prefect", "orders.sign", order=late)
    order = await world.order(purpose="gathering", event_ends=over, ends=over)
    broken = await world.refused(
        "prefect", "orders.extend", order=order, ends=iso(now + DAY_US), reason="Encore du monde"
    )
    assert "CSI-242-5-IV-gathering" in broken


async def test_no_more_cameras_than_the_department_has(world: World) -> None:
    most = world.settings.department_cap
    over = (await world.act("prefect", "orders.draft", **world.draft(cap=most + 1)))["id"]
    assert await world.refused("prefect", "orders.sign", order=over) == ["CSI-242-5-IV-department"]
    await world.order(cap=most)


async def test_what_the_request_must_say(world: World) -> None:
    empty = world.draft(necessity=" ", less_intrusive="", title="", public_information="none")
    order = (await world.act("prefect", "orders.draft", **empty))["id"]
    broken = set(await world.refused("prefect", "orders.sign", order=order))
    assert {"CSI-242-5-IV-request", "CC-2021-834-necessity", "CC-2021-834-means", "CSI-242-3"} <= broken


async def test_an_extension_is_an_order_of_its_own(world: World) -> None:
    order = await world.order()
    later = iso(world.clock.now_us() + 5 * DAY_US)
    assert "CC-2021-834-renewal" in await world.refused("prefect", "orders.extend", order=order, ends=later, reason=" ")
    new = (await world.act("prefect", "orders.extend", order=order, ends=later, reason="La menace persiste"))["id"]
    shown = await listed(world, new)
    assert (shown["renewal_of"], shown["ends"]) == (order, later)
    world.move(days=2)
    assert (await state(world, order), await state(world, new)) == ("ended", "in_force")


async def test_two_sign_at_once_and_one_signature_stands(world: World) -> None:
    order = (await world.act("prefect", "orders.draft", **world.draft()))["id"]
    done = await asyncio.gather(
        *(world.perform("prefect", "orders.sign", order=order) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in done) == ["Conflict", "Outcome"]
    assert await state(world, order) == "in_force"


SENSELESS = [
    {"perimeter": {"type": "Point", "coordinates": [1, 2]}},
    {"perimeter": {"type": "Polygon", "coordinates": []}},
    {"perimeter": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 1], [1, 0], [0, 0]]]}},
    {"perimeter": {"type": "Polygon", "coordinates": [[[0, 0], [400, 0], [400, 1], [0, 0]]]}},
    {"perimeter": {"type": "Polygon", "coordinates": [[[0, 0], "x"]]}},
    {"perimeter": {"type": "Polygon", "coordinates": [[[n / 1e4, 0] for n in range(600)]]}},
    {"perimeter": {"type": "Polygon", "coordinates": 7}},
    {"perimeter": {}},
    {"cap": 0},
    {"cap": 10**12},
    {"ends": "2026-01-01"},
    {"ends": "demain"},
    {"purpose": "littering"},
    {"public_information": "perhaps"},
]


async def test_a_draft_that_makes_no_sense(world: World) -> None:
    for changed in SENSELESS:
        with pytest.raises(BadInput) as caught:
            await world.act("prefect", "orders.draft", **world.draft(**changed))
        assert caught.value.what.fr


async def test_the_end_follows_the_start(world: World) -> None:
    now = iso(world.clock.now_us())
    with pytest.raises(BadInput):
        await world.act("prefect", "orders.draft", **world.draft(starts=now, ends=now))


async def test_an_order_on_paper(world: World) -> None:
    scan = b"%PDF-1.7 scanned order"
    given = world.draft(reference="PREF-2026-1123", document=base64.b64encode(scan).decode())
    order = (await world.act("command", "orders.import_paper", **given))["id"]
    shown = await listed(world, order)
    assert shown["state"] == "in_force"
    assert shown["paper"] == {
        "reference": "PREF-2026-1123",
        "sha256": hashlib.sha256(scan).hexdigest(),
        "imported_by": "command",
    }
    row = world.kernel.store.reader().execute(select(tables.order.c.document).where(tables.order.c.id == order)).one()
    assert scan not in bytes(row.document)
    assert world.kernel.vault.open_(f"order:{order}", "orders", bytes(row.document), order.encode()) == scan
    await world.act(
        "command", "operations.camera.start", source=await world.source(), mission=await world.mission(order)
    )


async def test_paper_that_cannot_be_taken_in(world: World) -> None:
    scan = base64.b64encode(b"scan").decode()
    broken = await world.refused("command", "orders.import_paper", **world.draft(reference=" ", document=scan))
    assert "CSI-242-5-IV-issuer" in broken
    with pytest.raises(BadInput):
        await world.act("command", "orders.import_paper", **world.draft(reference="R", document="%%%"))
    too_long = world.draft(reference="R", document=scan, ends=iso(world.clock.now_us() + 200 * DAY_US))
    assert "CSI-242-5-IV-duration" in await world.refused("command", "orders.import_paper", **too_long)
    assert "LED-29-e" in await world.refused(
        "officer", "orders.import_paper", **world.draft(reference="R", document=scan)
    )


async def test_an_order_that_does_not_exist(world: World) -> None:
    with pytest.raises(NotFound):
        await world.act("prefect", "orders.sign", order="nowhere")


async def test_the_body_that_is_signed_has_one_spelling(world: World) -> None:
    order = await world.order()
    draft = (
        world.kernel.store.reader().execute(select(tables.order.c.draft).where(tables.order.c.id == order)).scalar_one()
    )
    again = msgspec.json.encode(msgspec.json.decode(draft), order="sorted")
    assert again == bytes(draft)
    assert msgspec.json.decode(draft)["perimeter"] == SQUARE
