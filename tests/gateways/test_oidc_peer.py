"""Residents' sign-in against an identity provider that others wrote: the npm package oidc-provider (`make peers` installs it).

What our own provider cannot show: that both sides do not share one misunderstanding.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from egide.gateways.oidc import START, Identity, Seal, SignInFlow, arrived
from egide.gateways.oidc_setup import CALLBACK, Relying
from egide.kernel.clock import Clock
from egide.protocols.oidc import Client, Preset
from tests.conftest import missing

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
PEER = ROOT / "tests" / "peers" / "oidc-provider"
HOME = "https://localhost:8620"
SHARED = "nothing here is secret, and longer than 32 bytes"


def node() -> str:
    """Node.js, where the pages' build would take it from."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "tools" / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    tools = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tools)
    found = tools.node_on_machine() or tools.node_from_package()
    if found is None:
        missing("Node.js is not there: run “make peers”")
    return str(found[0])


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    if not (PEER / "node_modules" / "oidc-provider").is_dir():
        missing("the npm package oidc-provider is not installed: run “make peers”")
    command = [node(), "server.mjs", HOME + CALLBACK, SHARED, "eidas2"]
    with subprocess.Popen(
        command, cwd=PEER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the peer did not start"
        yield json.loads(line)["issuer"]
        process.stdin.close()
        process.wait(10)


class Browser:
    """A platform with the peer as its provider, and a browser that follows what both say."""

    def __init__(self, issuer: str, client: str) -> None:
        preset = Preset(
            title="Peer",
            levels={"eidas1": 2, "eidas2": 3, "eidas3": 4},
            authenticate="post" if client == "shared" else "basic",
            signing=("HS256",) if client == "shared" else ("ES256", "RS256", "PS256", "EdDSA"),
        )
        relying = Relying(preset=preset, issuer=issuer, client=Client(client, SHARED, HOME + CALLBACK))
        self.signed: list[Identity] = []
        seal = Seal(bytes, bytes)  # the cookie is not what is tested here
        self.flow = SignInFlow(relying, seal, Clock(), self.opened)
        app = Starlette(routes=[*self.flow.routes()])
        self.here = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOME)
        self.there = httpx.AsyncClient(trust_env=False)

    async def opened(self, identity: Identity, request: Request) -> Response:
        self.signed.append(identity)
        return arrived(request.state.return_to, request.state.lang)

    async def sign_in(self, level: int) -> httpx.Response:
        went = await self.here.get(START, params={"level": level, "return": "/services/"})
        for _ in range(6):
            assert went.status_code in {302, 303}, went.text
            where = str(went.headers["location"])
            if where.startswith(HOME):
                return await self.here.get(where)
            went = await self.there.get(went.url.join(where))
        raise AssertionError("the peer sends the browser around")

    async def close(self) -> None:
        await self.here.aclose()
        await self.there.aclose()
        self.flow.close()


@pytest.fixture
async def browser(issuer: str, request: pytest.FixtureRequest) -> AsyncIterator[Browser]:
    made = Browser(issuer, request.param)
    yield made
    await made.close()


@pytest.mark.parametrize("browser", ["plain", "signed", "edwards", "probabilistic", "shared"], indirect=True)
async def test_sign_in_passes(browser: Browser) -> None:
    """RS256 with plain userinfo, ES256 with signed userinfo, EdDSA, PS256, HS256 by our secret."""
    answer = await browser.sign_in(3)
    assert answer.status_code == 200, answer.text
    (who,) = browser.signed
    assert msgspec.structs.replace(who, at=0) == Identity(
        issuer=who.issuer, subject="zoe", level=3, acr="eidas2",
        given_name="Zoé", family_name="Peer", birthdate="1991-01-31", email="zoe@example.org",
    )  # fmt: skip


@pytest.mark.parametrize("browser", ["silent"], indirect=True)
@pytest.mark.parametrize("level", [1, 2, 3, 4])
async def test_a_token_without_acr_is_refused(browser: Browser, level: int) -> None:
    """It was asked for, and does not come; the peer says no word of it."""
    answer = await browser.sign_in(level)
    assert answer.status_code == 403
    assert "ne suffit pas" in answer.text
    assert browser.signed == []


@pytest.mark.parametrize("browser", ["plain"], indirect=True)
async def test_a_lower_acr_is_refused(browser: Browser) -> None:
    assert (await browser.sign_in(4)).status_code == 403
    assert browser.signed == []
