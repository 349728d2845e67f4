"""Those of the soak's clients that look through a camera, and TAK devices over mutual TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

from egide.bench.tak_load import Client as Field
from egide.exercise.people import Person
from egide.operations.media.frames import END, FRAGMENT, VIDEO
from egide.operations.rtsp_out import AWAY_S
from tests.attacks.soak_clients import ANSWER_S, Client, Terminal, Untold
from tests.attacks.soak_sources import Camera

SETTLING_S = 5.0  # s in which what was decided before a right came back has arrived


class Watcher(Client):
    """Somebody who looks through a camera: `camera` and the deployment it was opened on."""

    person: Person
    camera: Camera
    deployment = ""
    revoked = False  # the person may not look any more
    regained = 0.0  # when the person might look again
    lives = (0, 0)  # of the camera and of ourselves, in which the pictures counted were seen
    seen = 0  # pictures in these lives

    def lawful(self) -> bool:
        """Whether nothing is known for which the picture had to end."""
        return not self.barred() and self.deployment == self.camera.deployment

    def barred(self) -> bool:
        """Whether the person may not look, or might not a moment ago: what was decided then may still be on its way."""
        return self.revoked or time.monotonic() - self.regained < SETTLING_S

    def picture(self) -> None:
        """A picture came."""
        now = (self.camera.life, int((self.alive or 0) * 1000))
        if now != self.lives:
            self.lives, self.seen = now, 0
        self.seen += 1
        self.came()


class Viewer(Terminal, Watcher):
    """A console that watches a camera, as access units or as fMP4."""

    def __init__(self, name: str, person: Person, form: str) -> None:
        super().__init__(name, person)
        self.form = form

    async def up(self) -> None:
        await super().up()
        self.deployment = self.camera.deployment
        await self.act("operations.watch.open", deployment=self.deployment, form=self.form)

    def frame(self, data: bytes) -> None:
        if data[0] == (FRAGMENT if self.form == "fmp4" else VIDEO):
            self.picture()
        elif data[0] == END:
            self.ended("its picture ended", fault=self.lawful())

    def pushed(self, told: dict[str, Any]) -> None:
        if told["push"] == "watch.ended":
            self.ended(f"its picture was closed: {told}", fault=self.lawful())


class Player(Watcher):
    """Another program that plays a camera over RTSP, interleaved (RFC 2326 §10.12)."""

    def __init__(self, name: str, person: Person) -> None:
        super().__init__(name)
        self.person = person
        self.url = ""
        self._left = 0.0
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def up(self) -> None:
        await self.drop()
        if not self.person.cookie:
            await self.person.enter()
        gone = time.monotonic() - self._left > AWAY_S / 2  # or soon: the address is closed for who stays away
        if self.deployment != self.camera.deployment or not self.url or gone:
            self.deployment = self.camera.deployment
            told = await self.person.act("operations.watch.rtsp", deployment=self.deployment)
            self.url = told["url"]
        url, self.url = self.url, ""  # used once more only after we played it
        parts = urlsplit(url)
        reader, self._writer = await asyncio.open_connection(parts.hostname, parts.port)
        session = ""
        async with asyncio.timeout(ANSWER_S):
            for number, (method, path, more) in enumerate((
                ("DESCRIBE", url, "Accept: application/sdp\r\n"),
                ("SETUP", f"{url}/video", "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"),
                ("PLAY", url, "Session: {session}\r\n"),
            )):  # fmt: skip
                asked = f"{method} {path} RTSP/1.0\r\nCSeq: {number + 1}\r\n{more.format(session=session)}\r\n"
                self._writer.write(asked.encode())
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                headers = dict(line.partition(": ")[::2] for line in head.lower().split("\r\n")[1:] if line)
                await reader.readexactly(int(headers.get("content-length", 0)))
                session = headers.get("session", "").partition(";")[0]
                if " 200 " not in head.partition("\r\n")[0]:
                    raise Untold(f"{self.name}: {method}: {head.splitlines()[0]}")
        self.url = url
        self._task = asyncio.create_task(self._play(reader))

    def freeze(self) -> None:
        if self._writer is not None:
            self._writer.transport.pause_reading()  # type: ignore[attr-defined]  # a connection's transport reads and writes

    async def drop(self) -> None:
        writer, self._writer = self._writer, None
        task, self._task = self._task, None
        if writer is not None:
            writer.transport.abort()
            self._left = time.monotonic()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _play(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(4)
                packet = await reader.readexactly(int.from_bytes(head[2:], "big"))
                if head[0] != 0x24:
                    self.ended("bytes that are no interleaved packet", fault=True)
                    return
                if head[1] == 0 and packet[1] & 0x80:  # the marker: the last packet of a picture (RFC 6184 §5.1)
                    self.picture()
        self.url = ""
        self.ended("its connection was closed", fault=self.lawful())


class Device(Client):
    """A TAK device: it hears everybody, and tells where it is if it is one that `tells`."""

    def __init__(self, name: str, number: int, port: int, trust: ssl.SSLContext, *, tells: bool) -> None:
        super().__init__(name)
        self.number, self.port, self.trust, self.tells = number, port, trust, tells
        self.field: _Heard | None = None
        self._telling: asyncio.Task[None] | None = None

    async def up(self) -> None:
        await self.drop()
        _, self.field = await asyncio.get_running_loop().create_connection(
            lambda: _Heard(self), "127.0.0.1", self.port, ssl=self.trust, server_hostname="localhost", ssl_handshake_timeout=60
        )  # fmt: skip
        if self.tells:
            self._telling = asyncio.create_task(self._tell())

    def freeze(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
        if self.field is not None and self.field.wire is not None:
            self.field.wire.pause_reading()

    async def drop(self) -> None:
        field, self.field = self.field, None
        if self._telling is not None:
            self._telling.cancel()
        if field is not None and field.wire is not None:
            field.wire.abort()

    async def _tell(self) -> None:
        while self.field is not None:
            self.field.tell()
            await asyncio.sleep(1)


class _Heard(Field):
    """The bench's TAK client, which counts events for its device."""

    def __init__(self, device: Device) -> None:
        super().__init__(device.number * 10)  # those with such numbers read what comes
        self._device = device
        self.wire: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.wire = self._transport

    def data_received(self, data: bytes) -> None:
        before = self.events
        super().data_received(data)
        self.ages.clear()
        if self.events > before and self._device.field is self:
            self._device.got += self.events - before - 1
            self._device.came()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        if self._device.field is self:
            self._device.ended(f"the platform let it go: {error}", fault=True)
