"""The server starts with the platform where the setting asks for it, and ends with it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from egide.kernel.errors import StartupError
from egide.operations.tak.server import TakServer, context
from tests.operations.tak.field import Authority, Client, Field, until
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_a_port_without_certificates_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="is missing"):
        context(tmp_path)


async def test_it_starts_and_stops_with_the_platform(tmp_path: Path, unused_port: int) -> None:
    world = World(tmp_path / "data", tak_port=unused_port)
    authority = Authority(tmp_path / "data" / "tak")
    authority.issue("stranger")
    await world.start()
    try:
        client = Client("stranger")
        await client.connect(unused_port, authority.client("stranger"))
        await until(lambda: client.ended)  # as long as no devices are enrolled, nobody gets in
        assert client.events == []
        await client.close()
    finally:
        await world.stop()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", unused_port)


async def test_another_process_takes_over_the_port(tak: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egide.operations.tak.server.AGAIN_S", 0.05)
    second = TakServer(
        tak.world.kernel, tak.router, tak.server._device_of, port=tak.server.port, tls=context(tak.authority.folder), host="127.0.0.1"
    )  # fmt: skip
    await second.start()
    assert second._server is None, "it stands by"
    async with tak.client("alpha") as alpha:
        await until(lambda: alpha.of("t-x-takp-v"))
        await tak.server.stop()
        await until(lambda: alpha.ended)
        await until(lambda: second._server is not None)
    async with tak.client("alpha") as alpha:
        await until(lambda: alpha.of("t-x-takp-v"))
    await second.stop()


async def test_without_tls_it_listens_on_the_loopback_alone(tak: Field) -> None:
    device = tak.enrol("plain")
    asked: list[bytes] = []
    server = TakServer(
        tak.world.kernel, tak.router, lambda _kernel, der: asked.append(der) or device, port=0, tls=None, host="0.0.0.0"
    )  # fmt: skip
    await server.start()
    try:
        assert server._server is not None
        assert server._server.sockets[0].getsockname()[0] == "127.0.0.1"
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        assert b"t-x-takp-v" in await reader.readuntil(b"</event>")
        assert asked == [b""]
        [connection] = server._connections
        connection.push({"push": "notice", "title": {"fr": "Relève à 14 h", "en": "Relief at 14:00"}})
        assert "Relève à 14 h / Relief at 14:00" in (await reader.readuntil(b"</event>")).decode()
        assert connection.pending() == 0
        writer.close()
        await writer.wait_closed()
    finally:
        await server.stop()
