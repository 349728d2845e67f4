"""Many routes as one: the same answers as one after the other, whichever way an address begins."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from egide.gateways.routing import Routes


def _route(path: str, *methods: str) -> Route:
    async def shown(request: Request) -> Response:
        return PlainTextResponse(f"{path} {sorted(request.path_params.items())}")

    return Route(path, shown, methods=list(methods) or None)


def _routes() -> list[Route]:
    return [
        _route("/services"), _route("/services/file"), _route("/services/file", "POST"), _route("/services/{service}"),
        _route("/services/{service}", "POST"), _route("/services/{service}/{step}"), _route("/field"), _route("/"),
        _route("/assets/{name:path}"), _route("/api/csp", "POST"),
    ]  # fmt: skip


USUAL = Starlette(routes=_routes())
OURS = Starlette(routes=[Routes(_routes())])
PARTS = st.sampled_from(["", "services", "file", "theft", "field", "assets", "api", "csp", "é", "%2F", "a.b"])


async def _asked(application: Starlette, method: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://here") as client:
        return await client.request(method, path)


@given(st.lists(PARTS, max_size=4), st.sampled_from(["GET", "HEAD", "POST", "PUT"]))
def test_the_same_answer_as_one_after_the_other(parts: list[str], method: str) -> None:
    path = "/" + "/".join(parts).lstrip("/")
    ours, usual = (asyncio.run(_asked(one, method, path)) for one in (OURS, USUAL))
    assert (ours.status_code, ours.text, ours.headers) == (usual.status_code, usual.text, usual.headers)


def test_a_route_that_may_begin_with_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="may begin with anything"):
        Routes([_route("/{anything}")])
