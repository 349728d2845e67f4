"""Wake-ups: off unless the operator says where to; nothing in them; only to whom a mission concerns; forgotten when over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from egide.exercise.push_service import PushService
from egide.kernel.errors import BadInput, NotFound
from egide.operations.pushes import allowed
from egide.operations.terminal_tables import push_key, push_subscription
from tests.world import World

pytestmark = pytest.mark.anyio

HOSTS = "push.example updates.example"


@pytest.fixture
def service() -> Iterator[PushService]:
    with PushService() as running:
        yield running


@pytest.fixture
async def waking(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "data", push=HOSTS)
    await world.start()
    yield world
    await world.stop()


async def subscribed(world: World, who: str, endpoint: str) -> str:
    made = await world.act(who, "operations.terminal.register", label="A")
    await world.act(who, "operations.push.subscribe", terminal=made["terminal"], endpoint=endpoint)
    return str(made["terminal"])


def count(world: World) -> int:
    return int(world.kernel.store.reader().execute(select(func.count()).select_from(push_subscription)).scalar() or 0)


async def test_off_by_default(world: World, service: PushService) -> None:
    assert (await world.act("officer", "operations.push.offer"))["key"] is None
    with pytest.raises(BadInput):
        await subscribed(world, "officer", service.device("a"))
    assert world.kernel.store.reader().execute(select(push_key)).first() is None


async def test_a_roster_is_woken_without_a_word(waking: World, service: PushService) -> None:
    key = (await waking.act("officer", "operations.push.offer"))["key"]
    assert len(key) == 87, "65 bytes of P-256"
    await subscribed(waking, "officer", service.device("officer"))
    await subscribed(waking, "other-officer", service.device("other"))
    await waking.mission(await waking.order(), "officer")
    await waking.until(lambda: service.woken)
    assert [name for name, _ in service.woken] == ["officer"]
    assert service.wrong == []
    await waking.stop()
    await waking.start()
    assert (await waking.act("officer", "operations.push.offer"))["key"] == key, "the same key after a restart"


async def test_what_is_over_is_forgotten(waking: World, service: PushService) -> None:
    await subscribed(waking, "officer", service.origin + "/wake/unknown")
    await waking.mission(await waking.order(), "officer")
    await waking.until(lambda: count(waking) == 0)
    lost = await subscribed(waking, "officer", service.device("a"))
    await waking.act("officer", "operations.terminal.revoke", terminal=lost, reason="Perdu")
    assert count(waking) == 0
    mine = await subscribed(waking, "officer", service.device("b"))
    with pytest.raises(NotFound):
        await waking.act("command", "operations.push.subscribe", terminal=mine, endpoint=service.device("c"))
    await waking.act("officer", "operations.push.unsubscribe", terminal=mine)
    assert count(waking) == 0


@pytest.mark.parametrize(
    ("endpoint", "may"),
    [
        ("https://push.example/x", True), ("https://push.example:443/x", True), ("http://push.example/x", False),
        ("https://push.example:8443/x", False), ("https://push.example.evil.test/x", False), ("https://evil.test/x", False),
        ("https://push.example@evil.test/x", False), ("https://me@push.example/x", False), ("http://127.0.0.1:9/x", True),
        ("https://127.0.0.1/x", False), ("http://[::1]/x", False), ("https://[/x", False), ("file:///etc/passwd", False),
        ("https://push.example/" + "x" * 2000, False),
    ],
)  # fmt: skip
async def test_only_where_the_operator_said(waking: World, endpoint: str, may: bool) -> None:
    assert allowed(waking.kernel, endpoint) is may
