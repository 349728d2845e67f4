"""The traveller's phone answers a gate over the network; where the network fails its picture goes, and nothing is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from time import monotonic

import pytest
from playwright.async_api import Route, expect
from sqlalchemy import select

from egide.border import tables
from tests.border.airport import Airport
from tests.stories.border.at_a_gate import at, begin, drawn, held_up
from tests.stories.border.filmed import Filmed
from tests.stories.border.planted import with_tokens
from tests.stories.conftest import Opener
from tests.stories.window import PHONE, Window

pytestmark = [pytest.mark.anyio, pytest.mark.story]

REQUESTS, ANSWERS = "**/border/requests/*", "**/border/answers/*"
PATIENCE_S = 30  # s from the press to the picture: two of them are the wallet's, the others a busy machine's


async def asked(gates: Airport, gate: Window, phone: Window, camera: Filmed, point: str = "boarding") -> None:
    """The phone has read the gate's code and says who asks for what."""
    await begin(gate, gates, point)
    await at(gate.page, "code")
    camera.sees(await drawn(gate.page.locator("img.code")))
    await phone.page.get_by_role("link", name="Je suis à une porte").click()
    screen = phone.page.locator("[data-gate=asked]")
    await expect(screen).to_contain_text(gates.gates["facilitation"])
    await expect(screen).to_contain_text("que votre document a été vérifié")
    await expect(screen).to_contain_text("aucun texte ne demande ici qui vous êtes")
    camera.nobody()


async def passed(gates: Airport, gate: Window, phone: Window, camera: Filmed) -> None:
    """The gate opens, its receipt is kept, and one token was used, once."""
    page = phone.page
    await at(gate.page, "pass")
    camera.sees(await drawn(gate.page.locator(".receipt img")))
    await page.get_by_role("button", name="Lire le reçu de la porte").click()
    await expect(page.get_by_text("Reçu gardé sur ce téléphone")).to_be_visible()
    await page.get_by_role("button", name="Terminer").click()
    await expect(page.locator("[data-tokens]")).to_have_attribute("data-tokens", "3")
    await page.get_by_role("link", name="Qui a demandé quoi").click()
    await expect(page.locator("[data-asked] li")).to_have_count(1)
    await expect(page.locator("[data-asked] li")).to_contain_text("reçu signé par la porte")
    assert len(gates.kernel.store.reader().execute(select(tables.facilitation.spent)).all()) == 1


async def test_the_wallet_answers_a_gate_over_the_network(gates: Airport, screen: Opener, camera: Filmed) -> None:
    phone, gate = await screen(size=PHONE, touch=True), await screen("officer")
    page, sent = phone.page, []
    await with_tokens(gates, phone)
    page.on("request", lambda request: sent.append((request.method, request)) if "/border/" in request.url else None)
    await asked(gates, gate, phone, camera)
    assert [method for method, _ in sent if method == "POST"] == [], "nothing leaves before the traveller has said so"
    await page.get_by_role("button", name="Montrer", exact=True).click()
    await expect(page.locator("[data-gate=sent]")).to_contain_text("La porte a votre réponse")
    (post,) = [request for method, request in sent if method == "POST"]
    assert (post.post_data or "").startswith("response=")
    headers = await post.all_headers()
    assert {"cookie", "referer"} & headers.keys() == set()
    await passed(gates, gate, phone, camera)
    await gone_without_a_trace(phone)


async def gone_without_a_trace(phone: Window) -> None:
    """The keys of the tokens cannot be read out, and the page's address says nothing."""
    keys = """async () => { const db = await new Promise((done) => { const r = indexedDB.open('egide-pass'); r.onsuccess = () => done(r.result); });
      const all = await new Promise((done) => { const r = db.transaction('keys').objectStore('keys').getAll(); r.onsuccess = () => done(r.result); });
      db.close(); return all.map((key) => key.extractable); }"""
    assert set(await phone.page.evaluate(keys)) == {False}
    assert "?" not in phone.page.url


async def test_the_code_is_there_for_a_gate_that_does_not_move(gates: Airport, screen: Opener, camera: Filmed) -> None:
    """What was posted came to nobody: the same token is in the picture, and counts once."""
    phone, gate = await screen(size=PHONE, touch=True), await screen("officer")
    await with_tokens(gates, phone)

    async def swallowed(route: Route) -> None:
        await route.fulfill(json={})

    await phone.page.route(ANSWERS, swallowed)
    await asked(gates, gate, phone, camera)
    await phone.page.get_by_role("button", name="Montrer", exact=True).click()
    await expect(phone.page.locator("[data-gate=sent]")).to_be_visible()
    await phone.page.get_by_role("button", name="La porte ne bouge pas").click()
    camera.sees(await held_up(phone))
    await passed(gates, gate, phone, camera)


Failing = Callable[[Window], Awaitable[None]]


async def no_network(phone: Window) -> None:
    await phone.context.set_offline(True)


async def silence(phone: Window) -> None:
    """The request never comes: a network that takes and gives nothing."""

    async def held(_route: Route) -> None:
        """Nothing is answered."""

    await phone.page.route(REQUESTS, held)


async def another_page(phone: Window) -> None:
    """A network that answers everything with its own sign-in page."""

    async def portal(route: Route) -> None:
        await route.fulfill(content_type="text/html", body="<!doctype html><title>Wi-Fi</title>")

    await phone.page.route(REQUESTS, portal)


async def lost_on_the_way(phone: Window) -> None:
    """The request came, and the answer goes nowhere."""

    async def held(_route: Route) -> None:
        """Nothing is answered."""

    await phone.page.route(ANSWERS, held)


async def refused(phone: Window) -> None:
    async def away(route: Route) -> None:
        await route.fulfill(status=502, body="")

    await phone.page.route(ANSWERS, away)


@pytest.mark.parametrize("failing", [no_network, silence, another_page, lost_on_the_way, refused])
async def test_where_the_network_fails_the_picture_goes(
    failing: Failing, gates: Airport, screen: Opener, camera: Filmed
) -> None:
    phone, gate = await screen(size=PHONE, touch=True), await screen("officer")
    await with_tokens(gates, phone)
    await failing(phone)
    await asked(gates, gate, phone, camera)
    pressed = monotonic()
    await phone.page.get_by_role("button", name="Montrer", exact=True).click()
    await expect(phone.page.locator("[data-gate=show]")).to_be_visible()
    assert monotonic() - pressed < PATIENCE_S
    await expect(phone.page.get_by_role("alert")).to_have_count(0)
    camera.sees(await held_up(phone))
    await passed(gates, gate, phone, camera)
