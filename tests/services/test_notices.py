"""A notice says that there is news, to the address that was left, and nothing that anybody else could read."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from egide.engines.mail import SmtpMail
from egide.kernel.errors import StartupError, Unavailable
from tests.services.test_filing import THEFT, asked, drafted, identified
from tests.world import World

pytestmark = pytest.mark.anyio
PATIENCE_S = 20


class Relay:
    """A mail relay that takes everything (RFC 5321), or says that it is busy."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.to: list[str] = []
        self.busy = False
        self.asked = 0

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        writer.write(b"421 busy\r\n" if self.busy else b"220 ready\r\n")
        while not self.busy and (line := (await reader.readline()).decode()):
            word = line.upper()
            if word.startswith("DATA"):
                writer.write(b"354 go on\r\n")
                text = (await reader.readuntil(b"\r\n.\r\n")).decode()
                self.messages.append(text)
            elif word.startswith("RCPT TO"):
                self.to.append(line.partition("<")[2].partition(">")[0])
            elif word.startswith("EHLO"):
                writer.write(b"250-relay\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
                continue
            elif word.startswith("QUIT"):
                writer.write(b"221 bye\r\n")
                break
            writer.write(b"250 ok\r\n")
        writer.close()


async def until(condition: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.05)


async def test_a_person_is_told_that_there_is_news_and_not_what(tmp_path: Path) -> None:
    relay = Relay()
    port = await relay.start()
    world = World(tmp_path / "data", mail=f"smtp://127.0.0.1:{port}", mail_from="guichet@egide.example")
    await world.start()
    filed = await asked(world, "services.theft.file", **await drafted(world, THEFT), **await identified(world, 2))
    held = {"number": filed["number"], "code": filed["code"]}
    await world.act("officer", "services.theft.assign", file=filed["file"])
    await world.act("officer", "services.theft.ask", file=filed["file"], text="Avez-vous la facture du vélo ?")
    await until(lambda: len(relay.messages) == 2)
    await asked(world, "services.theft.my_answer", **held, text="Oui")
    await world.act("officer", "services.theft.ask", file=filed["file"], text="Encore une question")
    await until(lambda: len(relay.messages) == 3)
    assert set(relay.to) == {"claire@example.org"}
    for message in relay.messages:
        assert "Il y a du nouveau" in message or "=?utf-8?" in message.lower()
        assert "Auto-Submitted: auto-generated" in message
        for secret in (held["number"], held["code"], "vélo", "facture", "Petit", "Claire", "plainte", "theft"):
            assert secret not in message, secret
    await world.stop()
    await relay.stop()


async def test_a_relay_that_is_away_delays_the_notice_and_nothing_else(tmp_path: Path) -> None:
    relay = Relay()
    port = await relay.start()
    relay.busy = True
    world = World(tmp_path / "data", mail=f"smtp://127.0.0.1:{port}", mail_from="guichet@egide.example")
    await world.start()
    filed = await asked(world, "services.theft.file", **await drafted(world, THEFT), **await identified(world, 2))
    await world.act("officer", "services.theft.assign", file=filed["file"])
    await until(lambda: relay.asked > 0)
    assert (await asked(world, "services.file.follow", number=filed["number"], code=filed["code"]))[
        "state"
    ] == "assigned"
    relay.busy = False
    await until(lambda: len(relay.messages) == 1)
    await world.stop()
    await relay.stop()


@pytest.mark.parametrize("address", ["relay.example", "http://relay.example", "smtp://", "smtp://relay.example/path"])
def test_a_relay_that_cannot_be_stops_the_start(tmp_path: Path, address: str) -> None:
    with pytest.raises(StartupError):
        SmtpMail(address, "guichet@egide.example", tmp_path)


def test_an_address_that_would_add_a_header_is_refused(tmp_path: Path) -> None:
    mail = SmtpMail("smtp://127.0.0.1:1", "guichet@egide.example", tmp_path)
    with pytest.raises(ValueError, match="Header"):
        mail.send("a@example.org\r\nBcc: b@example.org", "x", "y")
    with pytest.raises(Unavailable):
        mail.send("a@example.org", "x", "y")
