"""The server starts with the platform where the setting asks for it, and ends with it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from configparser import ConfigParser
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytak
import pytest

from egide.operations.tak.server import TakServer
from tests.conftest import missing
from tests.operations.tak.field import Authority, Field, streaming, until
from tests.operations.tak.marti.ports import TakWorld

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(tmp_path: Path, unused_port: int) -> AsyncIterator[TakWorld]:
    """A platform with every TAK port open; PyTAK knows one enrolment port only, the customary one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", pytak.DEFAULT_TAK_ENROLLMENT_PORT))
        except OSError:
            missing("port 8446 is taken on this machine")
    made = TakWorld(tmp_path / "data", tak_port=unused_port, tak_enrol_port=pytak.DEFAULT_TAK_ENROLLMENT_PORT)
    await made.start()
    yield made
    await made.stop()


async def test_a_stranger_gets_nowhere(house: TakWorld, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki")
    authority.issue("stranger")
    context = authority.client("stranger")
    context.load_verify_locations(house.folder / "tak" / "ca.pem")
    reader, writer = await asyncio.open_connection("localhost", house.settings.tak_port, ssl=context)
    with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
        await asyncio.wait_for(reader.readexactly(1), 10)
    writer.transport.abort()


@pytest.mark.filterwarnings("ignore:ssl.OP_NO_:DeprecationWarning")  # PyTAK's own
async def test_pytak_enrols_streams_and_is_revoked(house: TakWorld, tmp_path: Path) -> None:
    told = await house.act("officer", "operations.tak.enrol", callsign="Officer 1")
    given = pytak.client_functions.parse_tak_url(told["url"])
    keys = tmp_path / "py.p12"
    await pytak.CertificateEnrollment(str(house.folder / "tak" / "ca.pem")).begin_enrollment(
        given["hostname"], given["username"], given["token"], output_path=str(keys), passphrase="between-us"
    )
    assert keys.exists()
    config = ConfigParser()
    config["pytak"] = {
        "COT_URL": f"tls://{given['hostname']}:{house.settings.tak_port}", "PYTAK_TLS_CLIENT_CERT": str(keys),
        "PYTAK_TLS_CLIENT_PASSWORD": "between-us", "PYTAK_TLS_CLIENT_CAFILE": str(house.folder / "tak" / "ca.pem"), "PYTAK_NO_HELLO": "1",
    }  # fmt: skip
    await house.act("officer", "operations.duty.begin", hours=8, informed=True)
    beside = await house.device("command", "ANDROID-2")
    async with streaming(config["pytak"]) as tool, marti_stream(beside, house.settings.tak_port) as heard:
        own = pytak.gen_cot(lat=60.17, lon=24.94, uid="PYTAK-1", cot_type="a-f-G-U-C", callsign="PY", stale=60)
        assert own is not None
        detail = ET.fromstring(own)
        ET.SubElement(
            detail.find("detail"),
            "takv",
            {"platform": "PyTAK", "version": pytak.__version__, "device": "test", "os": "0"},
        )  # type: ignore[arg-type]  # gen_cot always has one
        await tool.tx_queue.put(ET.tostring(detail))
        await until(lambda: b"PYTAK-1" in heard)
        shown = house.kernel.things["tak"].contacts()
        assert {each.uid for each in shown} >= {"PYTAK-1"}
        await house.act("officer", "operations.tak.device.revoke", device=told["device"], reason="Perdu")
        await until(lambda: "PYTAK-1" not in {each.uid for each in house.kernel.things["tak"].contacts()}, 2.5)


@asynccontextmanager
async def marti_stream(client: Any, port: int) -> AsyncIterator[bytearray]:
    """The stream of an enrolled device, as bytes."""
    reader, writer = await asyncio.open_connection("localhost", port, ssl=client.trust)
    heard = bytearray()

    async def listen() -> None:
        while data := await reader.read(65_536):
            heard.extend(data)

    listening = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        writer.transport.abort()


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
