"""The page of roots: open to anyone, without a script, true in both languages, and its files check out without Égide's help."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest
import uvicorn

from egide.gateways.roots import language, render
from egide.kernel import checkpoint, cosigned, stamping, tile_export
from egide.kernel.cosignature import CosignatureVerifier
from egide.kernel.witness import trust
from egide.oversight.roots import RootCosigned, Roots, SignedHead, WitnessShown
from tests.conftest import missing
from tests.kernel.test_tile_export import root_of
from tests.kernel.test_witnessing import Authority, Beside, answering, signed, turn
from tests.ports import free_port
from tests.world import World

pytestmark = pytest.mark.anyio
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture
async def shown(tmp_path: Path) -> AsyncIterator[tuple[World, Beside]]:
    """A platform with a witness and an authority, each of which has answered."""
    beside = Beside(tmp_path / "witness")
    try:
        authority = Authority(tmp_path / "tsa")
    except FileNotFoundError:
        missing("stamps are tested with openssl as the authority: install it")
    with answering(beside) as witness, answering(authority) as stamps:
        world = World(
            tmp_path / "data", port=free_port(), witnesses={witness: beside.witness.vkey}, witness_every_s=3600, stamps=stamps
        )  # fmt: skip
        await world.start()
        trust(beside.folder, world.kernel.key.vkey)
        (world.folder / "keys" / stamping.AUTHORITY).write_bytes((authority.place / "tsa.pem").read_bytes())
        for _ in range(3):
            await signed(world)
            await turn(world)
        yield world, beside
        await world.stop()
    beside.witness.close()


def client(world: World) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=world.application)
    return httpx.AsyncClient(transport=transport, base_url=world.settings.origin)


async def test_the_page_shows_what_is_signed_cosigned_and_stamped(shown: tuple[World, Beside]) -> None:
    world, beside = shown
    async with client(world) as http:
        answer = await http.get("/roots", headers={"accept-language": "en-GB,en;q=0.9,fr;q=0.8"})
        assert answer.status_code == 200
        assert answer.headers["content-language"] == "en"
        page = answer.text
        head = cosigned.best(world.kernel.store.reader(), "police")
        assert head is not None
        for words in (
            world.kernel.key.vkey,
            beside.witness.vkey,
            "witness.example/w1",
            f"/roots/{head.size}.txt",
            "Stamped on",
        ):
            assert words in page, words
        assert "<script" not in page
        assert "style=" not in page
        assert "script-src" not in answer.headers["content-security-policy"]
        assert "Racines du registre" in (await http.get("/roots?lang=fr", headers={"accept-language": "en"})).text
        assert world.kernel.counted["oversight.roots.show"] >= 2
        data = msgspec.json.decode((await http.get("/roots.json")).content, type=Roots)
        assert data.heads[0].size >= head.size


async def test_its_files_check_out(shown: tuple[World, Beside]) -> None:
    world, beside = shown
    async with client(world) as http:
        note = (await http.get("/roots/checkpoint")).text
        head = checkpoint.verify(note, [world.kernel.key.vkey])
        assert len(CosignatureVerifier([beside.witness.vkey]).verify(checkpoint.parse(note))) == 1
        assert (await http.get(f"/roots/{head.size}.txt")).text == note
        ((size, token),) = cosigned.stamps(world.kernel.store.reader(), "police")
        assert (await http.get(f"/roots/{size}.tsr")).content == token
        tiles = {
            place.path(): (await http.get(f"/roots/{place.path()}")).content for place in tile_export.places(head.size)
        }
        assert root_of(tiles, head.size) == head.root
        for path in (
            "0.txt",
            "x.txt",
            "99999999999999999999.txt",
            "1.tsr",
            "tile/0/001",
            "tile/0/0",
            "tile/9/000",
            "tile/0/000.p/256",
            "tile/../x",
        ):
            assert (await http.get(f"/roots/{path}")).status_code == 404, path


async def test_an_empty_ledger_says_so(tmp_path: Path) -> None:
    page = render(Roots("egide/police", "k", "", [], [], stamps=False), "en", [], "http://localhost")
    assert "No signed head yet" in page
    assert "No witness is set" in page


def test_values_are_escaped() -> None:
    evil = '<img src=x onerror="x">'
    head = SignedHead(1, evil, "2026-11-24T00:00:00Z", "", [RootCosigned(evil, "2026-11-24T00:00:00Z")], "")
    page = render(
        Roots(evil, evil, "", [head], [WitnessShown(evil, evil, 1, "2026-11-24T00:00:00Z")], stamps=True),
        "fr",
        [],
        evil,
    )
    assert "<img" not in page


@pytest.mark.parametrize(
    ("asked", "accepted", "expected"),
    [
        ("", "", "fr"), ("en", "fr", "en"), ("fr", "en", "fr"), ("de", "en", "en"), ("", "de,en;q=0.5", "en"), ("", "fr;q=0.2,en;q=0.9", "en"),
        ("", "en;q=x", "fr"), ("", "en;q=0", "fr"), ("", "*", "fr"), ("", "," * 10_000, "fr"),
    ],
)  # fmt: skip
def test_language(asked: str, accepted: str, expected: str) -> None:
    assert language(asked, accepted) == expected


@pytest.mark.story
async def test_axe_finds_nothing_and_nothing_scrolls_sideways(shown: tuple[World, Beside]) -> None:
    from playwright.async_api import async_playwright

    from tests.stories.window import ARGS, NARROW, WIDE, chromium, opened

    program = chromium()
    if program is None:
        missing("the page is looked at in Chromium: install it or set EGIDE_CHROMIUM")
    world, _ = shown
    server = uvicorn.Server(
        uvicorn.Config(world.application, port=world.settings.port, lifespan="off", log_level="error")
    )
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=ARGS)
        for lang in ("fr", "en"):
            for size in (WIDE, NARROW):
                window = await opened(browser, world.settings.origin, size=size, lang=lang)
                await window.go(f"/roots?lang={lang}")
                assert await window.page.evaluate("document.documentElement.lang") == lang
                await window.apart(AXE.read_text("utf-8"))
                found = await window.apart(
                    "axe.run(document, {preload: false}).then(({violations, incomplete}) => ({violations, incomplete}))"
                )
                assert found["violations"] == []
                assert await window.apart(
                    "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
                )
                if place := os.environ.get("EGIDE_REPORTS"):
                    await window.page.screenshot(path=f"{place}/roots-{lang}-{size[0]}.png", full_page=True)
                assert window.stopped == []
                assert window.crashed == []
                await window.close()
        await browser.close()
    server.should_exit = True
    await task
