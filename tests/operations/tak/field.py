"""The field, for tests: an authority with devices' certificates, a server on a real platform, and a client of one's own.

The client is written from the published protocol text alone: it imports nothing of Égide, so that a misreading of ours is not
shared by what checks it.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from xml.sax.saxutils import quoteattr

import pytak
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from egide.operations.tak.identity import TakDevice
from egide.operations.tak.router import Router
from egide.operations.tak.server import TakServer
from tests.waiting import until
from tests.world import World

# ── Certificates ──


class Authority:
    """Issues the server's and the devices' certificates into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])
        self._ca = self._build(self._name, self._key.public_key(), ca=True)
        (folder / "clients.pem").write_bytes(self._ca.public_bytes(serialization.Encoding.PEM))
        self.issue("server", host="localhost")

    def issue(self, name: str, host: str = "") -> bytes:
        """A certificate with its key, `<name>.pem`; its DER."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._build(subject, key.public_key(), host=host)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (self.folder / f"{name}.key").write_bytes(pem)
        (self.folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM) + pem)
        return made.public_bytes(serialization.Encoding.DER)

    def server(self) -> ssl.SSLContext:
        """What the server speaks: only holders of a certificate of this authority get through."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.verify_mode = ssl.CERT_REQUIRED
        made.load_cert_chain(self.folder / "server.pem")
        made.load_verify_locations(self.folder / "clients.pem")
        return made

    def client(self, name: str) -> ssl.SSLContext:
        """What a client with this certificate speaks."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.load_verify_locations(self.folder / "clients.pem")
        made.load_cert_chain(self.folder / f"{name}.pem")
        return made

    def _build(self, subject: x509.Name, key: Any, *, ca: bool = False, host: str = "") -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=2)).add_extension(x509.BasicConstraints(ca, None), critical=True)
        )  # fmt: skip
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


# ── A server on a platform ──


@dataclass
class Field:
    """A platform with a TAK server; devices by name, each a person's."""

    world: World
    authority: Authority
    devices: dict[str, TakDevice] = field(default_factory=dict)
    router: Any = None
    server: Any = None

    def enrol(self, name: str, person: str = "officer") -> TakDevice:
        print_ = hashlib.sha256(self.authority.issue(name)).hexdigest()
        self.devices[print_] = TakDevice(name, person, name.upper(), print_)
        return self.devices[print_]

    def revoke(self, name: str) -> None:
        self.devices = {print_: device for print_, device in self.devices.items() if device.id != name}

    @asynccontextmanager
    async def client(self, name: str, person: str = "", **given: Any) -> AsyncIterator[Client]:
        """An independent client with the device's certificate, connected and told the offer."""
        if not any(device.id == name for device in self.devices.values()):
            self.enrol(name, person or "officer")
        made = Client(name, **given)
        await made.connect(self.server.port, self.authority.client(name))
        try:
            yield made
        finally:
            await made.close()


@asynccontextmanager
async def deployed(world: World, authority: Authority) -> AsyncIterator[Field]:
    found = Field(world, authority)
    kernel = world.kernel
    found.router = Router(lambda: kernel.clock.latest_us() // 1000)
    found.server = TakServer(
        kernel, found.router, lambda _kernel, der: found.devices.get(hashlib.sha256(der).hexdigest()),
        port=0, tls=authority.server(), host="127.0.0.1",
    )  # fmt: skip
    await found.server.start()
    try:
        yield found
    finally:
        await found.server.stop()


# ── A client written from the protocol text ──


def stamp(seconds: float = 0) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def event(kind: str, uid: str, detail: str = "", at: tuple[float, float] = (60.17, 24.94), **changed: str) -> bytes:
    head = {
        "version": "2.0",
        "uid": uid,
        "type": kind,
        "how": "m-g",
        "time": stamp(),
        "start": stamp(),
        "stale": stamp(300),
    }
    text = " ".join(f"{key}={quoteattr(value)}" for key, value in (head | changed).items())
    point = f'<point lat="{at[0]}" lon="{at[1]}" hae="9999999.0" ce="9999999.0" le="9999999.0"/>'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<event {text}>{point}<detail>{detail}</detail></event>'.encode()


def fields(data: bytes) -> dict[int, list[Any]]:
    """A protobuf message's fields by number, decoded by hand."""
    found: dict[int, list[Any]] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return value
            shift += 7

    while at < len(data):
        tag = varint()
        value: Any
        if tag & 7 == 0:
            value = varint()
        elif tag & 7 == 1:
            value = struct.unpack_from("<d", data, at)[0]
            at += 8
        else:
            assert tag & 7 == 2, tag
            size = varint()
            value = data[at : at + size]
            at += size
        found.setdefault(tag >> 3, []).append(value)
    return found


def message(*given: tuple[int, Any]) -> bytes:
    """A protobuf message by hand: integers as varints, floats as doubles, the rest as bytes."""

    def varint(value: int) -> bytes:
        out = b""
        while value > 0x7F:
            out += bytes([value & 0x7F | 0x80])
            value >>= 7
        return out + bytes([value])

    made = b""
    for number, value in given:
        if isinstance(value, int):
            made += varint(number << 3) + varint(value)
        elif isinstance(value, float):
            made += varint(number << 3 | 1) + struct.pack("<d", value)
        else:
            text = value.encode() if isinstance(value, str) else value
            made += varint(number << 3 | 2) + varint(len(text)) + text
    return made


def framed(payload: bytes) -> bytes:
    size, out = len(payload), b"\xbf"
    while size > 0x7F:
        out += bytes([size & 0x7F | 0x80])
        size >>= 7
    return out + bytes([size]) + payload


class Client:
    """Speaks XML until it negotiates version 1; keeps what it is sent."""

    def __init__(self, name: str, *, speaks: bool = True) -> None:
        self.name = name
        self.uid = f"ANDROID-{name}"
        self.speaks = speaks  # whether it reads what it is sent
        self.events: list[tuple[str, str, bytes]] = []  # type, uid, bytes
        self.proto = False
        self.ended = False
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._task: asyncio.Task[None] | None = None

    async def connect(self, port: int, tls: ssl.SSLContext) -> None:
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=tls, server_hostname="localhost", limit=1 << 22
        )
        if self.speaks:
            self._task = asyncio.create_task(self._read())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._writer.transport.abort()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def sent(self) -> None:
        await self._writer.drain()

    def report(self, at: tuple[float, float] = (60.17, 24.94), detail: str = "", **changed: str) -> None:
        """Its own position, as ATAK tells it."""
        own = f'<takv os="33" version="5.2" device="Test" platform="ATAK-CIV"/><contact endpoint="*:-1:stcp" callsign="{self.name.upper()}"/><__group role="Team Member" name="Blue"/>'
        self.send(event("a-f-G-U-C", self.uid, own + detail, at, **changed))

    def of(self, kind: str) -> list[bytes]:
        return [raw for each, _uid, raw in self.events if each.startswith(kind)]

    def heard(self, uid: str) -> bool:
        return any(each == uid for _kind, each, _raw in self.events)

    def words(self) -> str:
        """What the platform said to it in chats."""
        return " ".join(
            raw.decode(errors="replace") for kind, uid, raw in self.events if kind == "b-t-f" and "EGIDE" in uid
        )

    async def negotiate(self) -> None:
        """Steps 5 and 6 of the negotiation."""
        self.send(event("t-x-takp-q", "protouid", '<TakControl><TakRequest version="1"/></TakControl>'))
        await until(lambda: self.proto)

    async def _read(self) -> None:
        try:
            while True:
                if self.proto:
                    await self._frame()
                else:
                    await self._document()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            self.ended = True

    async def _document(self) -> None:
        raw = await self._reader.readuntil(b"</event>")
        root = ET.fromstring(raw)
        self.events.append((root.get("type", ""), root.get("uid", ""), raw))
        if root.get("type") == "t-x-takp-r":
            response = root.find("detail/TakControl/TakResponse")
            assert response is not None
            self.proto = response.get("status") == "true"

    async def _frame(self) -> None:
        assert await self._reader.readexactly(1) == b"\xbf"
        size = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        payload = await self._reader.readexactly(size)
        inner = fields(fields(payload)[2][0])
        self.events.append((inner[1][0].decode(), inner[5][0].decode(), payload))


@asynccontextmanager
async def streaming(section: Any) -> AsyncIterator[pytak.CLITool]:
    """PyTAK, unmodified, running; its tasks and sockets are gone afterwards."""
    tool = pytak.CLITool(section)
    await tool.setup()
    writers = [worker.writer for worker in tool.tasks if hasattr(worker, "writer")]
    running = asyncio.create_task(tool.run())
    try:
        yield tool
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for task in tuple(tool.running_tasks):
            task.cancel()
        await asyncio.gather(*tool.running_tasks, return_exceptions=True)
        for writer in writers:
            writer.close()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)
