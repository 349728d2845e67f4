"""Terminals: a lease at each contact, none after revocation, for nobody else; a socket that closes with its session."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select

from egide.kernel.clock import iso
from egide.kernel.errors import NotFound
from egide.kernel.identity import Principal
from egide.operations.procedure import procedures
from egide.operations.terminal_tables import terminal
from egide.operations.terminals import LEASE
from tests.gateways.browser import Browser
from tests.world import DAY_US, World

pytestmark = pytest.mark.anyio

LOST: dict[str, str] = {"reason": "Perdu place du marché"}


@pytest.fixture
async def officer(world: World) -> AsyncIterator[Browser]:
    browser = await Browser(world).enter("officer")
    yield browser
    await browser.close()


async def asked(browser: Browser, name: str, **given: Any) -> dict[str, Any]:
    answer = await browser.act(name, **given)
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["result"])


async def test_a_lease_a_day_and_the_same_key(world: World, officer: Browser) -> None:
    made = await asked(officer, "operations.terminal.register", label="  Téléphone  de service ")
    assert made["state"] == "active"
    assert len(b64decode(made["key"])) == 32
    assert made["seconds"] == 24 * 3600
    world.move(hours=3)
    again = await asked(officer, "operations.terminal.lease", terminal=made["terminal"])
    assert again["key"] == made["key"], "what waits on the device can still be opened after a long time away"
    assert again["until"] == iso(world.clock.now_us() + DAY_US)[:19] + again["until"][19:]
    (shown,) = (await asked(officer, "operations.terminal.mine"))["terminals"]
    assert (shown["label"], shown["here"], shown["revoked"]) == ("Téléphone de service", True, None)


async def test_nobody_elses(world: World, officer: Browser) -> None:
    made = await asked(officer, "operations.terminal.register", label="A")
    for name, more in (("lease", {}), ("revoke", LOST)):
        with pytest.raises(NotFound):
            await world.act("other-officer", f"operations.terminal.{name}", terminal=made["terminal"], **more)
    assert (await world.act("other-officer", "operations.terminal.mine"))["terminals"] == []
    assert "GDPR-29" in await world.refused("officer", "operations.terminal.of", person="command")
    assert "GDPR-29" in await world.refused("officer", "operations.terminal.block", terminal=made["terminal"], **LOST)


async def test_a_withdrawn_right_gives_no_lease(world: World) -> None:
    admin = "administrator"
    unit = (await world.act(admin, "administration.unit.add", name="BAC"))["id"]
    who = (await world.act(admin, "administration.person.add", name="Jo", unit=unit, roles=["officer"]))["id"]
    made = await world.act(who, "operations.terminal.register", label="A")
    assert "LED-29-e" in await world.refused(who, "operations.terminal.lease", terminal=made["terminal"])


@pytest.mark.parametrize("by", ["officer", "administrator"])
async def test_revoked(world: World, officer: Browser, by: str) -> None:
    """The session ends, the key is nowhere, and the device may learn it without a session."""
    made = await asked(officer, "operations.terminal.register", label="A")
    row = world.kernel.store.reader().execute(select(terminal)).one()
    name = "revoke" if by == "officer" else "block"
    await world.act(by, f"operations.terminal.{name}", terminal=made["terminal"], **LOST)
    assert (await officer.act("operations.terminal.lease", terminal=made["terminal"])).status_code == 401
    assert (await asked(officer, "operations.terminal.state", terminal=made["terminal"])) == {"state": "revoked"}
    kept = world.kernel.store.reader().execute(select(terminal)).one()
    assert kept.key is None
    assert world.kernel.vault.holds(bytes(row.key)) is False, "a copy of the row opens no more"
    assert world.kernel.vault.shred(f"terminal:{row.id}", LEASE) == 0
    back = await Browser(world).enter("officer")
    assert (await asked(back, "operations.terminal.lease", terminal=made["terminal"]))["state"] == "revoked"
    assert (await asked(back, "operations.terminal.state", terminal="0" * 32)) == {"state": "unknown"}
    await back.close()


class Socket:
    """What the doors hold of an open socket."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.ended = False

    def push(self, message: dict[str, Any]) -> None:
        assert message

    def end(self) -> None:
        self.ended = True


async def test_its_sockets_close_and_no_others(world: World, officer: Browser) -> None:
    made = await asked(officer, "operations.terminal.register", label="A")
    other = await Browser(world).enter("officer")
    sockets = [Socket(world.kernel.identity.by_cookie(each.cookie.partition("=")[2])) for each in (officer, other)]
    live = world.kernel.things["live"]
    live.channels.update(sockets)
    await world.act("administrator", "operations.terminal.block", terminal=made["terminal"], **LOST)
    await world.until(lambda: sockets[0].ended)
    assert not sockets[1].ended
    live.channels.difference_update(sockets)
    await other.close()


async def test_the_reminders(world: World) -> None:
    found = (await world.act("officer", "operations.procedure.list"))["procedures"]
    assert len(found) == len(procedures()) >= 5
    for each in found:
        assert each["title"]["fr"]
        assert each["title"]["en"]
        assert all(step["fr"] and step["en"] for step in each["steps"])
