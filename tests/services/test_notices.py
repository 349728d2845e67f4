"""A notice says that there is news, to the address that was left, and nothing that anybody else could read."""

from __future__ import annotations

import asyncio
import json
import string
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egide.engines.mail import SmtpMail
from egide.engines.sms import HttpSms, _filled, _number
from egide.kernel.errors import StartupError, Unavailable
from egide.services.definition import catalogue
from egide.services.notices import SHORT
from tests.services.filings import stepped, taken
from tests.services.fined import notice
from tests.services.test_filing import THEFT, asked, drafted, identified
from tests.waiting import PATIENCE_S
from tests.world import World

pytestmark = pytest.mark.anyio


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


class Gateway:
    """A gateway of SMS: keeps what it is sent, and answers as it is told to."""

    def __init__(self) -> None:
        self.status = 202
        self.sent: list[dict[str, str]] = []
        self.heads: list[str] = []

    async def start(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/messages"

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = next(
            int(line.partition(":")[2]) for line in head.lower().split("\r\n") if line.startswith("content-length")
        )
        self.heads.append(head)
        self.sent.append(json.loads(await reader.readexactly(size)))
        writer.write(f"HTTP/1.1 {self.status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


async def test_an_sms_says_that_there_is_news_and_not_what(tmp_path: Path) -> None:
    gateway = Gateway()
    form = '{"messages": [{"destination": "{to}", "body": "{text}"}], "sender": "EGIDE"}'
    world = World(tmp_path / "data", sms=await gateway.start(), sms_body=form)
    await world.start()
    header = world.settings.folder / "keys" / "sms.header"
    header.write_text("X-Api-Key: s3cret\n")
    header.chmod(0o600)
    sent = await notice(world)
    answers = {
        "contest_ground": "facts", "contest_words": "Le panneau était caché.", "contester_name": "Claire Petit",
        "contester_home": {"address": "3 rue du Port"}, "phone": "06 12 34 56 78",
    }  # fmt: skip
    await asked(world, "services.traffic_notice.my_contest", number=sent.number, code=sent.code, answers=answers)
    gateway.status = 503
    await world.act("magistrate", "services.traffic_notice.drop", file=sent.done["file"], text="Panneau masqué.")
    await until(lambda: gateway.sent)
    gateway.status = 202
    await until(lambda: len(gateway.sent) >= 2)
    assert all(one == gateway.sent[0] for one in gateway.sent), "asked again, the same"
    [message], sender = gateway.sent[0]["messages"], gateway.sent[0]["sender"]
    assert sender == "EGIDE"
    assert message["destination"] == "+33612345678"
    assert len(message["body"]) <= 160
    assert "/services/file" in message["body"]
    for secret in (sent.number, sent.code, "Petit", "Panneau", "contravention"):
        assert secret not in message["body"]
    assert "s3cret" in gateway.heads[0]
    await world.stop()
    await gateway.stop()


async def test_a_number_that_was_given_to_be_called_back_never_rings_for_news(tmp_path: Path) -> None:
    gateway = Gateway()
    world = World(tmp_path / "data", sms=await gateway.start())
    await world.start()
    chat = catalogue().find("violence-chat")
    assert chat is not None
    for service in catalogue().current():
        for step in ("", *(one.id for one in service.transitions)):
            rings = [field.id for field in service.fields_of(step) if field.news]
            assert not rings or service.id == "traffic-notice"
    done = await taken(world, chat, "counter")
    step = next(one for one in chat.transitions if chat.initial in one.origins and "officer" in one.roles)
    await stepped(world, chat, step, done)
    for _ in range(3):
        await world.kernel.things["jobs"].tick()
    assert gateway.sent == []
    await world.stop()
    await gateway.stop()


@pytest.mark.parametrize(("status", "raises"), [(200, False), (422, False), (401, True), (429, True), (500, True)])
async def test_a_gateway_that_is_away_is_asked_again_and_one_that_never_will_is_not(
    tmp_path: Path, status: int, raises: bool
) -> None:
    gateway = Gateway()
    gateway.status = status
    sms = HttpSms(await gateway.start(), '{"to": "{to}", "text": "{text}"}', "+33", tmp_path)
    if raises:
        with pytest.raises(Unavailable):
            await asyncio.to_thread(sms.send, "06 12 34 56 78", "x")
    else:
        await asyncio.to_thread(sms.send, "06 12 34 56 78", "x")
    await gateway.stop()
    with pytest.raises(Unavailable):
        await asyncio.to_thread(sms.send, "06 12 34 56 78", "nobody is there")


@given(text=st.text(max_size=200), to=st.text(string.digits + "+ .()-", max_size=25))
def test_no_message_adds_a_field(text: str, to: str) -> None:
    filled = _filled({"to": ["{to}"], "text": "{text}", "n": 3}, {"{to}": _number(to, "+33"), "{text}": text})
    assert set(filled) == {"to", "text", "n"}
    assert filled["text"] == text
    assert set(filled["to"][0]) <= set("+" + string.digits)


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("06 12 34 56 78", "+33612345678"),
        ("+33 (0)6.12.34.56.78", "+33612345678"),
        ("0044 20 7946 0000", "+442079460000"),
        ("+44 20-7946-0000", "+442079460000"),
    ],
)
def test_numbers_are_given_as_gateways_take_them(typed: str, number: str) -> None:
    assert _number(typed, "+33") == number


@pytest.mark.parametrize(
    ("address", "body", "country"),
    [
        ("http://gateway.example", '["{to}", "{text}"]', "+33"),
        ("https://me@gateway.example", '["{to}", "{text}"]', "+33"),
        ("https://gateway.example", '["{to}"]', "+33"),
        ("https://gateway.example", '{"{to}{text}', "+33"),
        ("https://gateway.example", '["{to}", "{text}"]', "33"),
    ],
)
def test_a_gateway_that_cannot_be_stops_the_start(tmp_path: Path, address: str, body: str, country: str) -> None:
    with pytest.raises(StartupError):
        HttpSms(address, body, country, tmp_path)


def test_the_words_fit_one_message() -> None:
    for words in (SHORT.fr, SHORT.en):
        said = words.format(origin="https://" + "a" * 32)
        assert len(said) <= 160
        assert set(said) <= set(string.ascii_letters + string.digits + " .:/éèàùì-"), "letters of GSM 7-bit"
