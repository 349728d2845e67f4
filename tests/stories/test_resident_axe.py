"""axe-core on every page for residents, as it opens, after a mistake, and without network: no violation, nothing left unjudged.

In both languages, wide and at 320 px, by day and by night; nothing scrolls sideways. The pages are those of residents.py, walked
once in each language and then put before one browser, quickly; none can escape, for the list is held against the routes of the
application and the catalogue. Without network a form stays where it is, with all that was typed into it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import product
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Route, expect
from starlette.routing import Match, WebSocketRoute
from starlette.routing import Route as Address

from egide.exercise.idp import IdentityProvider
from egide.exercise.wallet import Wallet
from egide.gateways.chat_words import WORDS as CHAT
from egide.gateways.headers import PAGES as CONSOLES
from egide.gateways.resident import NOT_SENT
from egide.gateways.wallet_setup import EXERCISE
from egide.services.definition import catalogue
from tests.conftest import missing
from tests.stories.residents import FORM, LOST, Shown, Walk
from tests.stories.test_axe import AXE, CROSSED, OVERFLOW, RUN, reports, told
from tests.stories.test_axe import PAGES as JUDGED_CONSOLES
from tests.stories.window import NARROW, WIDE
from tests.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.story]

LANGS, SIZES, STATES = ("fr", "en"), (WIDE, NARROW), ("empty", "error", "offline")
# What is for programs, files and workers: nobody sees it as a page.
FOR_PROGRAMS = {
    "/api/openapi.json", "/api/csp", "/api/uploads/{id}", "/api/recordings/{id}", "/services/file/hearing/recordings/{id}", "/map/{name}", "/tls/ca.crt", "/healthz", "/metrics", "/live", "/assets/{name:path}",
    "/favicon.svg", "/terminal-worker.js", "/field-worker.js", "/field/pack.json", "/pass-worker.js", "/pass/points.json", "/pass/models/{name}", "/kiosk/reader",
    "/kiosk/specimen", "/kiosk/chip", "/border/requests/{control}", "/border/answers/{control}", "/identity/keys", "/identity/wallet/requests/{request}/{way}",
    "/roots.json", "/roots/style.css", "/roots/checkpoint", "/roots/{size}.txt", "/roots/{size}.tsr", "/roots/tile/{path:path}",
}  # fmt: skip
# Of a live conversation there is no caption track: its captions are the line below the picture.
LIVE = {"video-caption"}
# The help page says it in its own words.
SAID = {words for text in (NOT_SENT, CHAT["lost"]) for words in (text.fr, text.en)}
# Types something where one can, and sends; gives back whether there was somewhere to type.
TRY = """() => { const form = document.querySelector('form[method=post]'); form.noValidate = true; form.closest('details')?.setAttribute('open', '');
  const box = form.querySelector('textarea, input:not([type=hidden], [type=radio], [type=checkbox], [type=file])');
  if (box) box.value = 'Bonjour'; form.querySelector('button:not([tabindex="-1"]):not([type=button])').click(); return Boolean(box); }"""
TYPED = "() => document.querySelector('form[method=post]').querySelector('textarea, input:not([type=hidden], [type=radio], [type=checkbox], [type=file])').value"


class Pages(NamedTuple):
    """Every page, by language, and what the application was asked for on the way."""

    shown: dict[str, list[Shown]]
    asked_for: set[tuple[str, str]]
    world: World


@pytest.fixture(scope="module")
async def pages(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pages]:
    assert browser.is_connected()
    folder = tmp_path_factory.mktemp("residents") / "data"
    with IdentityProvider() as idp, Wallet(folder / EXERCISE) as purse:
        settings: dict[str, Any] = {
            "identity": "development", "identity_issuer": idp.issuer, "wallet": "development", "wallet_address": purse.address,
        }  # fmt: skip
        world = World(folder, **settings)
        await world.start()
        walks = [Walk(world, idp, purse, lang) for lang in LANGS]
        shown = {walk.lang: await walk.all() for walk in walks}
        yield Pages(shown, set.union(*(walk.asked_for for walk in walks)), world)
        await world.stop()


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        missing("axe-core is not there: run “make setup”")
    return AXE.read_text("utf-8")


async def test_no_page_escapes(pages: Pages) -> None:
    """Every route is walked, a console that test_axe.py looks at, or for programs; every service has its pages here."""
    (many,) = pages.world.application._app.routes
    routes = many.routes
    escaped: list[str] = []
    for route in routes:
        if isinstance(route, WebSocketRoute) or route.path in FOR_PROGRAMS or route.path in CONSOLES:
            continue
        assert isinstance(route, Address)
        escaped += [
            f"{method} {route.path}"
            for method in (route.methods or set()) - {"HEAD"}
            if not any(asked == method and _leads(route, method, path) for asked, path in pages.asked_for)
        ]
    assert escaped == []
    assert {route.path for route in routes} >= FOR_PROGRAMS, "what is no route any more is no exception either"
    assert {path.partition("#")[0] for _, path, _ in JUDGED_CONSOLES.values()} == set(CONSOLES)
    for lang in LANGS:
        names = {one.name for one in pages.shown[lang]}
        for definition in catalogue().current():
            assert definition.id in names
            steps = {f"{definition.id}, {step.id}" for step in definition.steps}
            assert steps <= names or not any(
                FORM in one.empty for one in pages.shown[lang] if one.name == definition.id
            )
    assert [one.name for one in pages.shown["fr"]] == [one.name for one in pages.shown["en"]]
    assert len({one.name for one in pages.shown["fr"]}) == len(pages.shown["fr"])
    looked_at = [
        (at, lang, size, state)
        for lang in LANGS
        for at, page in enumerate(pages.shown[lang])
        for size, state in chosen(page, at, lang)
    ]
    assert {at for at, *_ in looked_at} == set(range(len(pages.shown["fr"]))), "each page is looked at in every run"
    assert {tuple(how) for _, *how in looked_at} == set(product(LANGS, SIZES, STATES))


def _leads(route: Address, method: str, path: str) -> bool:
    return route.matches({"type": "http", "method": method, "path": path, "root_path": ""})[0] is Match.FULL


def chosen(page: Shown, at: int, lang: str) -> list[tuple[tuple[int, int], str]]:
    """The widths and states in which this page is looked at in a language: all in the proof, else each page once, in its turn."""
    every = [
        (one, size, state)
        for one, size, state in product(LANGS, SIZES, STATES)
        if not (state == "error" and page.error == page.empty)  # the very same page
        and not (state == "offline" and LOST not in page.empty)  # nothing to send: without network it stays as it is
    ]
    return [(size, state) for one, size, state in (every if CROSSED else [every[5 * at % len(every)]]) if one == lang]


@pytest.mark.parametrize(
    ("lang", "size"), list(product(LANGS, SIZES)), ids=lambda value: str(value if isinstance(value, str) else value[0])
)
async def test_every_page(browser: Browser, pages: Pages, axe: str, lang: str, size: tuple[int, int]) -> None:
    todo = [
        (page, state)
        for at, page in enumerate(pages.shown[lang])
        for wide, state in chosen(page, at, lang)
        if wide == size
    ]
    assert todo
    halves = await asyncio.gather(*(_judged(browser, pages, axe, lang, size, todo[half::2]) for half in (0, 1)))
    wrong = [line for half in halves for line in half]
    assert wrong == [], "\n".join(wrong)


async def _judged(
    browser: Browser, pages: Pages, axe: str, lang: str, size: tuple[int, int], todo: list[tuple[Shown, str]]
) -> list[str]:
    """What is wrong with these pages, looked at one after the other in one window."""
    scheme: Any = "dark" if (lang == "en") is (size == WIDE) else "light"
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, locale=f"{lang}-FR", bypass_csp=True
    )
    try:
        return await _looked_at(context, pages, axe, f"{lang}, {size[0]} px", todo)
    finally:
        await context.close()


async def _looked_at(
    context: BrowserContext, pages: Pages, axe: str, where: str, todo: list[tuple[Shown, str]]
) -> list[str]:
    wrong: list[str] = []
    shown, network = todo[0], True
    origin = pages.world.settings.origin
    transport = httpx.ASGITransport(pages.world.application)

    async def answer(route: Route) -> None:
        request = route.request
        if request.is_navigation_request():
            body = shown[0].error if shown[1] == "error" else shown[0].empty
            await route.fulfill(body=body, content_type="text/html; charset=utf-8")
        elif not network:
            await route.abort("internetdisconnected")
        elif urlsplit(request.url).path.startswith(("/assets/", "/favicon", "/roots/style.css")):
            async with httpx.AsyncClient(transport=transport, base_url=origin) as client:
                got = await client.request(request.method, request.url)
            kind = got.headers.get("content-type", "")
            await route.fulfill(status=got.status_code, body=got.content, content_type=kind)
        else:
            await route.fulfill(status=204)  # what pages look for by themselves: there is nothing new

    await context.route("**/*", answer)
    await context.add_init_script(axe)
    page = await context.new_page()
    for one in todo:
        shown, network = one, True
        name = f"{one[0].name}, {one[1]}, {where}"
        url = one[0].url
        await page.goto(url if url.startswith("http") else f"{origin}{url}")
        if one[1] == "offline":
            network = False
            typed = await page.evaluate(TRY)
            await expect(page.locator("#lost")).to_be_visible()
            assert await page.locator("#lost").inner_text() in SAID, name
            if typed and await page.evaluate(TYPED) != "Bonjour":
                wrong.append(f"{name}: what was typed is gone")
        # What lies under a bar that stays in view cannot be judged: at the top nothing does.
        await page.evaluate("scrollTo(0, 0)")
        found = await page.evaluate(RUN)
        every = found["violations"] + found["incomplete"]
        wrong += [f"{name}: {told(rule)}" for rule in every if rule["id"] not in LIVE]
        wrong += [f"{name}: {what}" for what in await page.evaluate(OVERFLOW)]
        folder = reports()
        if folder is not None:
            await page.screenshot(path=folder / f"resident {name.replace('/', '-')}.png", full_page=True)
    return wrong
