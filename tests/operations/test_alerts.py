"""Alerts: who may send, read and answer; limits; the resident's page; what is erased when its time has come."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from egide.kernel import tables as kernel_tables
from egide.kernel.clock import iso
from egide.kernel.erasure import known
from egide.kernel.errors import BadInput, NotFound, NotSignedIn, TooMany
from egide.kernel.identity import ANONYMOUS
from egide.kernel.links import count
from egide.kernel.vault import Erased
from egide.operations import tables
from egide.operations.alerts import CATEGORY
from egide.operations.board import BURST, PURPOSE, owner
from tests.world import DAY_US, Terminal, World

pytestmark = pytest.mark.anyio
TEXT = {"answer": {"text": "no"}}


async def anyone(world: World, name: str, address: str = "", **given: Any) -> Any:
    done = await world.kernel.perform(
        f"operations.alert.{name}", json.dumps(given).encode(), ANONYMOUS, address=address
    )
    return done.result


async def test_both_ways(world: World) -> None:
    officer = Terminal(world.person("officer"))
    await world.act("officer", "operations.alert.list", officer)
    sent = await anyone(
        world, "send", text="Un homme est tombé à l’eau", lat=60.17, lon=24.94, reach="+33 1", lang="fr"
    )
    pushed = officer.pushed[-1]["alert"]
    assert (pushed["text"], pushed["lat"], pushed["reach"], pushed["journal"]) == (
        "Un homme est tombé à l’eau",
        60.17,
        "+33 1",
        False,
    )
    await world.act("officer", "operations.alert.take", alert=sent.id)
    await world.act("officer", "operations.alert.answer", alert=sent.id, text="Nous arrivons")
    await anyone(world, "say", alert=sent.id, secret=sent.secret, text="Vite")
    seen = (await anyone(world, "follow", alert=sent.id, secret=sent.secret)).alert
    assert [(word["officer"], word["text"]) for word in seen["words"]] == [(True, "Nous arrivons"), (False, "Vite")]
    assert seen["taken"] is True
    assert "Nous arrivons" in json.dumps(
        (await world.act("officer", "operations.alert.read", alert=sent.id)), ensure_ascii=False
    )
    officer.leave()
    before = len(officer.pushed)
    await world.act("officer", "operations.alert.close", alert=sent.id)
    assert len(officer.pushed) == before
    with pytest.raises(NotFound):
        await anyone(world, "follow", alert=sent.id, secret=sent.secret)


async def test_who_may_not(world: World) -> None:
    sent = await anyone(world, "send", text="help")
    for wrong in ("", "x", sent.secret[:-1]):
        with pytest.raises(NotFound):
            await anyone(world, "follow", alert=sent.id, secret=wrong)
        with pytest.raises(NotFound):
            await anyone(world, "say", alert=sent.id, secret=wrong, text="no")
    for name in ("list", "read", "take", "answer", "close"):
        with pytest.raises(NotSignedIn):
            await anyone(world, name, **({} if name == "list" else {"alert": sent.id}), **TEXT.get(name, {}))
    assert "GDPR-29" in await world.refused("prefect", "operations.alert.list")


async def test_what_is_no_alert(world: World) -> None:
    for given in (
        {"text": " "},
        {"text": "x" * 4001},
        {"text": "x", "lat": 91, "lon": 0},
        {"text": "x", "reach": "x" * 201},
    ):
        with pytest.raises(BadInput):
            await anyone(world, "send", **given)


async def test_one_address_cannot_drown_the_others(world: World) -> None:
    for _ in range(BURST):
        await anyone(world, "send", address="192.0.2.1", text="x")
    with pytest.raises(TooMany):
        await anyone(world, "send", address="192.0.2.1", text="x")
    await anyone(world, "send", address="192.0.2.2", text="x")


async def test_it_is_erased_when_its_time_has_come(world: World) -> None:
    sent = await anyone(world, "send", text="Je m’appelle Ada")
    await world.act("officer", "operations.alert.answer", alert=sent.id, text="Bonjour")
    await world.act("officer", "operations.alert.close", alert=sent.id)
    kernel, db = world.kernel, world.kernel.store.reader()
    sealed = db.execute(select(tables.alert.c.body)).scalar_one()
    assert b"Ada" not in sealed
    world.move(days=31)

    def gone() -> bool:
        return db.execute(select(func.count()).select_from(tables.alert)).scalar() == 0

    await world.until(gone)
    with pytest.raises(Erased):
        kernel.vault.open_(owner(sent.id), PURPOSE, sealed, sent.id.encode())
    about = select(kernel_tables.entry).where(kernel_tables.entry.c.act.like("operations.alert.%"))
    assert all(
        row.body is None and row.actor != owner(sent.id)
        for row in db.execute(about)
        if row.act != "operations.alert.list"
    )


async def test_erasing_an_alert_is_finished(world: World) -> None:
    """Nothing of it lies outside the store: the second step has nothing to remove, and says so."""
    sent = await anyone(world, "send", text="Ada")
    await world.act("officer", "operations.alert.close", alert=sent.id)
    world.move(days=31)
    kept, db = kernel_tables.retained.c, world.kernel.store.reader()
    state = select(kept.state).where(kept.id == f"{CATEGORY}/{sent.id}")
    await world.until(lambda: db.execute(state).scalar_one() == "erased")
    assert db.execute(select(func.count()).select_from(tables.alert)).scalar() == 0


async def lou(world: World) -> Terminal:
    """An officer who may be erased."""
    added = await world.act(
        "administrator", "administration.person.add", name="Lou Verdier", unit="brigade", roles=["officer"]
    )
    until = iso(world.clock.now_us() + 30 * DAY_US)
    await world.act("administrator", "administration.habilitation.grant", person=added["id"], scope="*", until=until)
    return Terminal(world.person(added["id"]))


async def erased(world: World, who: str) -> None:
    await world.act("dpo", "administration.person.erase", person=who, motive="Départ du service")
    world.move(seconds=5)
    await world.kernel.erasures.tick()


def links_to(world: World, who: str) -> dict[str, int]:
    return count(world.kernel.store.reader(), known(world.kernel), who).rows


async def test_an_erased_officer_is_in_charge_of_nothing(world: World) -> None:
    sent = await anyone(world, "send", text="help")
    officer = Terminal(world.person("officer"))
    await world.act("officer", "operations.alert.list", officer)
    who = (await lou(world)).principal.id
    await world.act(who, "operations.alert.take", alert=sent.id)
    await world.act(who, "operations.alert.answer", alert=sent.id, text="Coming")
    assert officer.pushed[-1]["alert"]["taken"] == "Lou Verdier"
    assert "alert.taken" in links_to(world, who)
    await erased(world, who)
    await world.until(lambda: officer.pushed[-1]["alert"]["taken"] is None)
    assert links_to(world, who) == {}
    (shown,) = (await world.act("officer", "operations.alert.list"))["alerts"]
    assert [word["text"] for word in shown["words"]] == ["Coming"]
    assert shown["taken"] is None


async def test_a_journalled_act_does_not_bring_an_erased_officer_back(world: World) -> None:
    sent = await anyone(world, "send", text="help")
    terminal = await lou(world)
    who = terminal.principal.id
    before = links_to(world, who)
    world.kernel.store.away = lambda: True  # type: ignore[method-assign]  # for emergency acts only: others are written
    for name, given in (("take", {}), ("answer", {"text": "Coming"})):
        raw = json.dumps({"alert": sent.id, **given}).encode()
        assert (await world.kernel.perform(f"operations.alert.{name}", raw, terminal.principal)).journal is not None
    assert links_to(world, who) == before
    await erased(world, who)
    del world.kernel.store.away  # the class's own again
    await world.until(lambda: world.kernel.emergency.waiting == 0)
    assert links_to(world, who) == {}
    db, entry = world.kernel.store.reader(), kernel_tables.entry
    late = db.execute(select(entry).where(entry.c.act.in_(["operations.alert.take", "operations.alert.answer"]))).all()
    assert len(late) == 2
    assert all(row.actor is None for row in late)
    assert (await world.act("officer", "operations.alert.list"))["alerts"][0]["words"][0]["text"] == "Coming"


@pytest.fixture
async def page(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=world.application)
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost") as client:
        yield client


async def test_the_page_without_javascript(world: World, page: httpx.AsyncClient) -> None:
    ours = {"origin": world.settings.origin, "content-type": "application/x-www-form-urlencoded"}
    shown = await page.get("/alert", headers={"accept-language": "en-GB"})
    assert "Call for help" in shown.text
    assert [number in shown.text for number in ("tel:17", "tel:112", "sms:114")] == [True] * 3
    assert "geolocation=(self)" in shown.headers["permissions-policy"]
    assert "'unsafe-inline'" not in shown.headers["content-security-policy"]
    sent = await page.post("/alert?lang=fr", content="text=%3Cb%3EAu+secours&lat=x&lon=1", headers=ours)
    assert sent.status_code == 303
    assert re.search(r"HttpOnly.*SameSite=strict.*Secure", sent.headers["set-cookie"])
    (alert,) = (await world.act("officer", "operations.alert.list"))["alerts"]
    assert alert["text"] == "<b>Au secours"
    await world.act("officer", "operations.alert.answer", alert=alert["id"], text="On arrive")
    talk = await page.get("/alert?lang=fr")
    assert "On arrive" in talk.text
    assert "&lt;b&gt;Au secours" in talk.text
    assert "data-journal" not in talk.text
    world.kernel.writer.failed = "down"
    assert (await page.post("/alert", content="do=say&text=merci", headers=ours)).status_code == 303
    assert "merci" in (await page.get("/alert?lang=fr")).text
    await page.post("/alert", content="do=new", headers=ours)
    assert "Appeler" in (await page.get("/alert?lang=fr")).text


async def test_another_site_sends_nothing(world: World, page: httpx.AsyncClient) -> None:
    for origin in ({"origin": "https://evil.example"}, {"origin": "null", "sec-fetch-site": "cross-site"}, {}):
        assert (await page.post("/alert", content="text=x", headers=origin)).status_code == 422
    assert (await world.act("officer", "operations.alert.list"))["alerts"] == []


async def test_what_was_written_comes_back_with_the_error(world: World, page: httpx.AsyncClient) -> None:
    ours = {"origin": world.settings.origin}
    wrong = await page.post("/alert?lang=en", content="text=+&reach=me", headers=ours)
    assert wrong.status_code == 422
    assert 'value="me"' in wrong.text
    assert (await page.post("/alert", content=b"text=" + b"x" * 60_000, headers=ours)).status_code == 413
