"""The page that says whether a receipt is real: with and without JavaScript, in both languages, and never whose it is."""

from __future__ import annotations

import asyncio
import html
import os
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from egide.gateways.receipt_page import POLICY, ReceiptPage
from egide.kernel.errors import Text, Unavailable
from egide.kernel.vault import SigningKey
from egide.services.receipts import PATH, Receipt, address, file_number, issue, verify_receipt
from tests.conftest import missing
from tests.ports import free_port

pytestmark = pytest.mark.anyio

AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
KEY = SigningKey("egide.example/police", Ed25519PrivateKey.generate())
RECEIPT = Receipt(
    number=file_number(bytes(range(10))), service="Plainte pour vol <b>", day=date(2026, 2, 1), unit="Commissariat & Cie", index=7, root=bytes(32)
)  # fmt: skip
CODE = issue(RECEIPT, KEY)


class Site:
    """The page alone on a site; `lines` is what a server would write to its log."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.away = False
        page = ReceiptPage(self.verify)
        self.application = Starlette(
            routes=[
                Route(PATH, page.show),
                Route(PATH, page.check, methods=["POST"]),
                Route(
                    "/favicon.svg",
                    lambda _: Response(b"<svg xmlns='http://www.w3.org/2000/svg'/>", media_type="image/svg+xml"),
                ),
            ]
        )

    async def verify(self, code: str) -> Receipt:
        if self.away:
            raise Unavailable(Text("Indisponible.", "Not available."))
        return verify_receipt(code, [KEY.vkey])

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            self.lines.append(f"{request.method} {request.url} {dict(request.headers).get('referer', '')}")
        await self.application(scope, receive, send)


@pytest.fixture
async def site() -> AsyncIterator[tuple[Site, httpx.AsyncClient]]:
    made = Site()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://site") as client:
        yield made, client


async def post(client: httpx.AsyncClient, code: str, lang: str = "fr") -> httpx.Response:
    body = urlencode({"code": code})
    return await client.post(
        f"{PATH}?lang={lang}", content=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )


async def test_the_blank_page_asks_and_tells_nothing(site: tuple[Site, httpx.AsyncClient]) -> None:
    _, client = site
    answer = await client.get(PATH, headers={"accept-language": "en-GB"})
    assert answer.status_code == 200
    assert "Verify a receipt" in answer.text
    for told in (RECEIPT.number, RECEIPT.unit, RECEIPT.service, "data-valid", "data-invalid"):
        assert html.escape(told) not in answer.text
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cache-control"] == "no-store"
    assert "unsafe" not in POLICY
    assert 'lang="fr"' in (await client.get(PATH)).text


@pytest.mark.parametrize(
    ("lang", "head", "day"),
    [("fr", "Récépissé authentique", "1er février 2026"), ("en", "The receipt is genuine", "1 February 2026")],
)
async def test_a_real_receipt(site: tuple[Site, httpx.AsyncClient], lang: str, head: str, day: str) -> None:
    made, client = site
    for pasted in (CODE, f"  {address('https://egide.example', CODE)}\r\n"):
        answer = await post(client, pasted, lang)
        assert answer.status_code == 200
        for told in (head, day, "Plainte pour vol &lt;b&gt;", "Commissariat &amp; Cie", RECEIPT.number):
            assert told in answer.text
        assert CODE not in answer.text
    assert not any(CODE[:20] in line for line in made.lines)


async def test_one_changed_character_is_refused_and_what_was_typed_is_kept(
    site: tuple[Site, httpx.AsyncClient],
) -> None:
    _, client = site
    changed = CODE[:99] + ("A" if CODE[99] != "A" else "B") + CODE[100:]
    answer = await post(client, changed)
    assert answer.status_code == 422
    assert "Ce n’est pas un récépissé valide" in answer.text
    assert "un caractère a été changé" in answer.text
    assert changed in answer.text
    assert RECEIPT.number not in answer.text
    hostile = await post(client, "</textarea><script>alert(1)</script>", "en")
    assert "<script>alert" not in hostile.text
    assert "character 1, “&lt;”" in hostile.text


async def test_too_long_unreadable_and_unavailable(site: tuple[Site, httpx.AsyncClient]) -> None:
    made, client = site
    assert (await post(client, "A" * 10_000)).status_code == 413
    assert (await client.post(PATH, content=b"code=\xff")).status_code == 422
    assert (await client.post(PATH, content=b"")).status_code == 422
    made.away = True
    answer = await post(client, CODE, "en")
    assert answer.status_code == 503
    assert "It could not be verified" in answer.text
    assert "not a valid receipt" not in answer.text


@pytest.mark.story
async def test_in_a_browser_the_fragment_is_read_and_leaves_the_address() -> None:
    from playwright.async_api import async_playwright, expect

    from tests.stories.window import ARGS, NARROW, WIDE, chromium, opened

    program = chromium()
    if program is None:
        missing("the page is looked at in Chromium: install it or set EGIDE_CHROMIUM")
    site, port = Site(), free_port()
    server = uvicorn.Server(uvicorn.Config(site, port=port, lifespan="off", log_level="error"))
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    changed = ("A" if CODE[0] != "A" else "B") + CODE[1:]
    fragments = {"empty": "", "valid": f"#{CODE}", "changed": f"#{changed}"}
    shown = {"empty": "form", "valid": "[data-valid]", "changed": "[data-invalid]"}
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGS)
        for lang, size in (("fr", WIDE), ("en", NARROW)):
            for state, fragment in fragments.items():
                window = await opened(browser, f"http://localhost:{port}", size=size, lang=lang)
                await window.page.goto(f"{PATH}?lang={lang}{fragment}")
                await expect(window.page.locator(shown[state])).to_be_visible()
                assert "#" not in window.page.url
                await window.apart(AXE.read_text("utf-8"))
                found = await window.apart(
                    "axe.run(document, {preload: false}).then(({violations, incomplete}) => ({violations, incomplete}))"
                )
                assert found == {"violations": [], "incomplete": []}, (state, lang, size)
                assert await window.apart(
                    "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
                )
                if place := os.environ.get("EGIDE_REPORTS"):
                    await window.page.screenshot(path=f"{place}/receipt-{state}-{lang}-{size[0]}.png", full_page=True)
                assert window.stopped == []
                assert window.crashed == []
                await window.close()
        context = await browser.new_context(java_script_enabled=False, base_url=f"http://localhost:{port}")
        page = await context.new_page()
        await page.goto(f"{PATH}?lang=fr")
        await page.get_by_label("Code du récépissé").fill(CODE)
        await page.get_by_role("button", name="Vérifier").click()
        await expect(page.get_by_text("Récépissé authentique")).to_be_visible()
        await browser.close()
    server.should_exit = True
    await task
    assert not any(CODE[:20] in line or changed[:20] in line for line in site.lines)
