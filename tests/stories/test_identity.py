"""A resident signs in, on a phone and without JavaScript: to the provider and back, and where it does not work, another way on.

The browser is what this is for: it decides which cookie goes with which navigation. Only a real one shows that a session cookie
that is SameSite=Strict is there on the first page after the provider.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic, sleep
from types import SimpleNamespace

import pytest
import uvicorn
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from egide.engines.sqlite_keys import SqliteKeys
from egide.exercise.idp import IdentityProvider
from egide.gateways.oidc import Identity, Seal, SignInFlow, arrived
from egide.gateways.oidc_setup import relying
from egide.kernel.clock import Clock
from egide.kernel.filekeys import FileKeys
from egide.kernel.settings import Settings
from egide.kernel.vault import Vault
from tests.stories.test_axe import AXE, OVERFLOW, RUN
from tests.stories.window import NARROW, PATIENCE_MS, WIDE, Window

pytestmark = [pytest.mark.anyio, pytest.mark.story]

SESSION = "__Host-session"


class Place:
    """A platform of sign-in alone, on a name of its own: the provider is another site to the browser."""

    def __init__(self, folder: Path, idp: IdentityProvider) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        port = self.listening.getsockname()[1]
        found = relying(Settings(data=str(folder), port=port, identity="development", identity_issuer=idp.issuer))
        assert found is not None
        self.redirects = False
        self.base = f"http://localhost:{port}"
        self.vault = Vault.open(SqliteKeys(folder / "vault"), FileKeys(folder, "police"), "police")
        self.flow = SignInFlow(found, Seal.of(SimpleNamespace(vault=self.vault)), Clock(), self.opened)  # type: ignore[arg-type]
        routes = [*self.flow.routes(), Route("/services/vol", self.service), Route("/services/", self.service)]
        config = uvicorn.Config(
            Starlette(routes=routes), log_level="warning", lifespan="off", ws="none", access_log=False
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.listening],), daemon=True)

    async def opened(self, identity: Identity, request: Request) -> Response:
        to = request.state.return_to
        answer = RedirectResponse(to, 303) if self.redirects else arrived(to, request.state.lang)
        answer.set_cookie(SESSION, identity.subject, secure=True, httponly=True, samesite="strict")
        return answer

    async def service(self, request: Request) -> Response:
        who = request.cookies.get(SESSION, "nobody")
        link = "/identity/start?level=3&amp;return=/services/vol"
        return HTMLResponse(
            f'<!doctype html><title>Vol</title><main><p data-who>{who}</p><a href="{link}">Se connecter</a></main>'
        )

    def start(self) -> None:
        self.thread.start()
        until = monotonic() + PATIENCE_MS / 1000
        while not self.server.started:
            assert monotonic() < until
            sleep(0.01)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(5)
        self.flow.close()
        self.vault.close()
        self.listening.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with IdentityProvider() as idp:
        made = Place(tmp_path_factory.mktemp("identity"), idp)
        made.start()
        yield made
        made.stop()


@pytest.fixture
async def phone(browser: Browser, place: Place) -> AsyncIterator[Page]:
    context = await browser.new_context(
        base_url=place.base,
        viewport={"width": NARROW[0], "height": NARROW[1]},
        java_script_enabled=False,
        locale="fr-FR",
    )
    context.set_default_timeout(PATIENCE_MS)
    yield await context.new_page()
    await context.close()


async def choose(page: Page, who: str, level: str, wrong: str = "") -> None:
    await page.get_by_label(who).check()
    await page.get_by_label("À quel niveau ?").select_option(level)
    await page.get_by_label("Qu’est-ce qui ne va pas ?").select_option(wrong)
    await page.get_by_role("button", name="Se connecter").click()


async def test_to_the_provider_and_back(phone: Page, place: Place) -> None:
    await phone.goto("/services/vol")
    await phone.get_by_role("link", name="Se connecter").click()
    await expect(phone.get_by_text("tout ici est inventé")).to_be_visible()
    await choose(phone, "Maëlys", "eidas2")
    await expect(phone).to_have_url(f"{place.base}/services/vol")
    await expect(phone.locator("[data-who]")).to_have_text("exercise-maelys")


async def test_a_redirect_would_lose_the_session(phone: Page, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why `arrived` is a page: the control of the test before."""
    monkeypatch.setattr(place, "redirects", True)
    await phone.goto("/identity/start?level=2&return=/services/vol")
    await choose(phone, "Rachel", "eidas1")
    await expect(phone.locator("[data-who]")).to_have_text("nobody")


async def test_a_level_too_low_then_another_account(phone: Page, place: Place) -> None:
    await phone.goto("/identity/start?level=3&return=/services/vol")
    await choose(phone, "Alix", "eidas1")
    await expect(phone.get_by_role("heading", name="Cette connexion ne suffit pas")).to_be_visible()
    await expect(phone.get_by_text("niveau substantiel")).to_be_visible()
    await shot(phone, "identity-too-low")
    await phone.get_by_role("link", name="Réessayer").click()
    await choose(phone, "Nour", "eidas3")
    await expect(phone.locator("[data-who]")).to_have_text("exercise-nour")


async def test_who_says_no_has_another_way(phone: Page, place: Place) -> None:
    await phone.goto("/identity/start?level=2&return=/services/vol")
    await choose(phone, "Alix", "eidas1", "access_denied")
    await expect(phone.get_by_text("C’est votre droit.")).to_be_visible()
    await phone.get_by_role("link", name="Continuer autrement").click()
    await expect(phone).to_have_url(f"{place.base}/services/")
    await expect(phone.locator("[data-who]")).to_have_text("nobody")


@pytest.mark.parametrize(("lang", "size"), [("fr", NARROW), ("en", WIDE)])
async def test_axe_finds_nothing(browser: Browser, place: Place, lang: str, size: tuple[int, int]) -> None:
    context = await browser.new_context(
        base_url=place.base, viewport={"width": size[0], "height": size[1]}, locale=f"{lang}-FR"
    )
    page = await context.new_page()
    window = Window(context, page, await context.new_cdp_session(page))
    axe = AXE.read_text("utf-8")
    for where, wrong in (
        ("the provider", ""),
        ("no level", "no-acr"),
        ("away", "temporarily_unavailable"),
        ("unproved", "unsigned"),
    ):
        await page.goto("/identity/start?level=2&return=/services/vol")
        await shot(page, f"identity-provider-{lang}")
        if wrong:
            await page.locator("select[name=failure]").select_option(wrong)
            await page.locator("button").click()
            await expect(page.locator("section")).to_be_visible()
            await shot(page, f"identity-{wrong}-{lang}")
        found = await window.apart(f"{axe}; {RUN}")
        assert [rule["id"] for rule in (*found["violations"], *found["incomplete"])] == [], where
        assert await window.apart(OVERFLOW) == [], where
    assert window.stopped == []
    await context.close()


async def shot(page: Page, name: str) -> None:
    """Keeps a picture where the run keeps its reports."""
    if folder := os.environ.get("EGIDE_REPORTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
