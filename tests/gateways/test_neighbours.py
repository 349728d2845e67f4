"""A request for what another process has: passed on, or answered here, or said to be lost; never waited for without an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from egide.gateways import neighbours as module
from egide.gateways.neighbours import Neighbours
from egide.kernel.errors import Unavailable
from tests.waiting import PATIENCE_S

if TYPE_CHECKING:
    import socket

    from egide.kernel.kernel import Kernel

pytestmark = pytest.mark.anyio
SCOPE = {
    "method": "POST", "path": "/api/acts/x", "client": ("192.0.2.7", 9),
    "headers": [(b"cookie", b"a=b"), (b"origin", b"https://x"), (b"x-other", b"y")],
}  # fmt: skip


async def application(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    """Says what came to it."""
    said = f"{scope['path']} {scope['client']} {scope['headers']}".encode() + (await receive())["body"]
    await send({"type": "http.response.start", "status": 418, "headers": [(b"content-type", b"text/x")]})
    await send({"type": "http.response.body", "body": said})


def process(folder: Path, name: str) -> Neighbours:
    living = SimpleNamespace(alive=lambda _db: {"one", "two"})
    kernel = SimpleNamespace(
        process=name, settings=SimpleNamespace(folder=folder), processes=living, store=SimpleNamespace(reader=lambda: None)
    )  # fmt: skip
    return Neighbours(cast("Kernel", kernel), lambda: None, cast("socket.socket", None), application)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[Neighbours, Neighbours]]:
    made = process(tmp_path, "one"), process(tmp_path, "two")
    for each in made:
        await each.start()
    yield made
    for each in made:
        await each.stop()


async def test_the_other_process_is_asked_as_it_came_with_what_says_who_asks(
    two: tuple[Neighbours, Neighbours],
) -> None:
    one, _other = two
    body = b"\0" * 3_000_000
    answer = await one.pass_on("two-secret", SCOPE, body)
    assert answer is not None
    headers = [(b"cookie", b"a=b"), (b"origin", b"https://x")]
    assert (answer.status, answer.media_type) == (418, "text/x")
    assert answer.body == f"/api/acts/x ('192.0.2.7', 9) {headers}".encode() + body


async def test_what_is_ours_or_nobodys_is_answered_here(two: tuple[Neighbours, Neighbours]) -> None:
    for id_ in ("one-secret", "three-secret", "../two-secret", "two/..-secret", "", "x" * 200):
        assert await two[0].pass_on(id_, SCOPE, b"") is None


async def test_a_process_that_took_it_and_is_silent_is_not_waited_for(
    two: tuple[Neighbours, Neighbours], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    async def sleeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until who asked hangs up
        writer.close()
        left.set()

    left = asyncio.Event()

    monkeypatch.setattr(module, "PASSED_S", 0.2)
    for name, behaves in (("dead", dies), ("asleep", sleeps)):
        server = await asyncio.start_unix_server(behaves, tmp_path / "run" / f"{name}.sock")
        with pytest.raises(Unavailable, match="whether it was done is not known"):
            await two[0].pass_on(f"{name}-secret", SCOPE, b"{}")
        server.close()
    await asyncio.wait_for(left.wait(), PATIENCE_S)
