"""Stream and Marti together: an enrolled device's certificate opens the stream; what is shared there is heard, and told of."""

from __future__ import annotations

import asyncio
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytak
import pytest

from egide.app import build
from egide.gateways.tak import TakPorts
from egide.operations.tak.authority import Authority
from tests.operations.tak.marti.client import Client, package, sha256
from tests.operations.tak.marti.ports import TakWorld
from tests.operations.tak.marti.test_federation import event
from tests.ports import free_port
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


class Whole(TakWorld):
    """With the stream itself."""

    async def start(self) -> None:
        self.kernel, self.application = build(self.settings, clock=self.clock, extra=self.extra)
        await self.kernel.start()
        self.ports = TakPorts(self.kernel)
        await self.ports.start()


class Stream:
    """A device on the stream, speaking XML."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.heard = b""
        self._task = asyncio.create_task(self._read(reader))

    @classmethod
    async def of(cls, client: Client, port: int) -> Stream:
        context: ssl.SSLContext = client.trust
        return cls(*await asyncio.open_connection("localhost", port, ssl=context))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while more := await reader.read(65536):
            self.heard += more

    async def close(self) -> None:
        self.writer.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def report(uid: str, callsign: str, now: str, stale: str) -> bytes:
    return (
        event(uid, detail=f'<contact callsign="{callsign}" endpoint="*:-1:stcp"/><__group name="Cyan" role="Team Member"/>')
        .replace(b"2026-11-26T10:00:00Z", now.encode()).replace(b"2026-11-26T10:05:00Z", stale.encode())
    )  # fmt: skip


async def test_one_client_as_any(tmp_path: Path) -> None:
    tak = Whole(tmp_path / "data", tak_port=free_port())
    await tak.start()
    try:
        await tak.mission(await tak.order(), "officer", "command")
        officer, command = await tak.device("officer", "ANDROID-1"), await tak.device("command", "ANDROID-2")
        for who in ("officer", "command"):
            await tak.act(who, "operations.duty.begin", hours=8, informed=True)
        one, two = [await Stream.of(each, tak.settings.tak_port) for each in (officer, command)]
        now = datetime.now(UTC)
        at, stale = now.strftime("%Y-%m-%dT%H:%M:%SZ"), (now + timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
        one.writer.write(report("ANDROID-1", "Nord 1", at, stale))
        two.writer.write(report("ANDROID-2", "Salle", at, stale))
        await tak.until(lambda: b"ANDROID-1" in two.heard and b"ANDROID-2" in one.heard)
        assert {each["uid"] for each in (await command.get("/Marti/api/contacts/all")).json()} == {
            "ANDROID-1",
            "ANDROID-2",
        }
        await officer.https.put("/Marti/api/missions/nord")
        await command.https.put("/Marti/api/missions/nord/subscription")
        content = package()
        await officer.upload(content)
        await officer.https.put("/Marti/api/missions/nord/contents", json={"hashes": [sha256(content)]})
        await tak.until(lambda: b"t-x-m-c" in two.heard and sha256(content).encode() in two.heard)
        one.writer.write(
            event("marker-1", "a-u-G", '<marti><dest mission="nord"/></marti>')
            .replace(b"2026-11-26T10:00:00Z", at.encode()).replace(b"2026-11-26T10:05:00Z", stale.encode())
        )  # fmt: skip
        await tak.until(lambda: b"marker-1" in two.heard)
        for _ in range(200):
            (shown,) = await command.data("/Marti/api/missions/nord")
            if shown["uids"]:
                break
            await asyncio.sleep(0.05)
        assert [each["data"] for each in shown["uids"]] == ["marker-1"]
        await tak.act("officer", "operations.tak.device.revoke", device=officer.name, reason="Perdu")
        await tak.until(one._task.done)
        assert (await officer.get("/Marti/api/version")).status_code == 401
        for each in (one, two):
            await each.close()
    finally:
        await tak.stop()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:pytak", "ignore:BasicAuth is deprecated")
async def test_pytak_as_it_is_enrols_and_streams(tmp_path: Path) -> None:
    """PyTAK, unmodified. It knows one enrolment port, so the platform stands on a loopback address of its own."""
    host = f"127.{os.getpid() % 250 + 2}.{os.getpid() // 250 % 250 + 2}.7"
    tak = Whole(tmp_path / "data", tak_port=free_port(), tak_enrol_port=8446, host=host)
    await tak.start()
    try:
        told = await tak.act("officer", "operations.tak.enrol", callsign="Nord 1")
        p12 = tmp_path / "pytak.p12"
        await pytak.crypto_classes.CertificateEnrollment().begin_enrollment(
            host, told["device"], told["token"], output_path=str(p12), passphrase="a passphrase"
        )  # fmt: skip
        (device,) = (await tak.act("officer", "operations.tak.device.list"))["devices"]
        assert (device["id"], device["callsign"]) == (told["device"], "Nord 1")
        made = pytak.crypto_functions.convert_cert(str(p12), "a passphrase")
        context = ssl.create_default_context(cadata=Authority.of(tak.kernel).pem.decode())
        context.check_hostname = False  # by address, of which the certificate says nothing
        context.load_cert_chain(made["cert_pem_path"], made["pk_pem_path"], "a passphrase")
        reader, writer = await asyncio.open_connection(host, tak.settings.tak_port, ssl=context)
        async with asyncio.timeout(PATIENCE_S):
            assert b"t-x-takp-v" in await reader.readuntil(b"</event>")
        writer.close()
    finally:
        await tak.stop()
