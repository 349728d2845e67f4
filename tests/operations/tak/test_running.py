"""The server starts with the platform where the setting asks for it, and ends with it."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from egide.operations.tak.authority import Authority, read_request
from egide.operations.tak.server import TakServer
from tests.operations.tak.field import Client, Field
from tests.operations.tak.marti.client import request
from tests.ports import free_port
from tests.waiting import until
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_it_starts_and_stops_with_the_platform(tmp_path: Path) -> None:
    port = free_port()
    world = World(tmp_path / "data", tak_port=port)
    await world.start()
    try:
        client = Client("stranger")
        await client.connect(port, _certified(world, tmp_path))
        await until(lambda: client.ended)  # our authority signed, but no row says that it is enrolled
        assert client.events == []
        await client.close()
    finally:
        await world.stop()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)


def _certified(world: World, folder: Path) -> ssl.SSLContext:
    """What a client speaks whose certificate is of our authority, and nobody's."""
    authority, key = Authority.of(world.kernel), ec.generate_private_key(ec.SECP256R1())
    made = authority.sign(read_request(request(key)), "stranger", datetime.now(UTC))
    file = folder / "stranger.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=authority.pem.decode())
    context.load_cert_chain(file)
    return context


async def test_another_process_takes_over_the_port(tak: Field, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egide.operations.tak.server.AGAIN_S", 0.05)
    second = TakServer(
        tak.world.kernel, tak.router, tak.server._device_of, port=tak.server.port, tls=tak.authority.server(), host="127.0.0.1"
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
