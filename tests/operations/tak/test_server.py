"""The server, over real mutual TLS, as real clients see it: PyTAK as it is published, and a client from the protocol's text."""

from __future__ import annotations

import asyncio
import gc
import ssl
import weakref
from configparser import ConfigParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytak
import pytest

from tests.operations.tak.field import Field, event, fields, framed, message, streaming
from tests.waiting import PATIENCE_S, until

pytestmark = pytest.mark.anyio


async def test_two_clients_see_one_another(tak: Field) -> None:
    async with tak.client("alpha") as alpha, tak.client("bravo") as bravo:
        alpha.report()
        bravo.report()
        await until(lambda: bravo.heard(alpha.uid) and alpha.heard(bravo.uid))
        assert not alpha.heard(alpha.uid), "no echo"
        sent = event("b-m-p-s-m", "marker-1", "<remarks>Porte &#233;troite</remarks>")
        alpha.send(sent)
        await until(lambda: bravo.heard("marker-1"))
        assert bravo.of("b-m-p-s-m") == [sent], "the sender's own bytes"
        contacts = {contact.uid: contact for contact in tak.router.contacts()}
        assert contacts[alpha.uid].callsign == "ALPHA"
        assert (contacts[alpha.uid].team, contacts[alpha.uid].role) == ("Blue", "Team Member")
        assert "ATAK-CIV" in contacts[alpha.uid].takv
        assert contacts[alpha.uid].groups == frozenset({"unit:brigade"})


async def test_who_connects_later_sees_the_picture(tak: Field) -> None:
    async with tak.client("alpha") as alpha:
        alpha.report()
        alpha.send(event("u-d-f", "drawing-1"))
        alpha.send(event("b-t-f", "GeoChat.ANDROID-alpha.All Chat Rooms.1"))
        alpha.send(event("a-h-G", "stale-1", stale="2020-01-01T00:00:00Z"))
        alpha.send(event("t-x-c-t", "ping"))
        await until(lambda: alpha.of("t-x-c-t-r"))
        async with tak.client("bravo") as bravo:
            await until(lambda: bravo.heard(alpha.uid) and bravo.heard("drawing-1"))
            bravo.send(event("t-x-c-t", "ping"))
            await until(lambda: bravo.of("t-x-c-t-r"))
            assert not bravo.of("b-t-f"), "chats are for those who were there"
            assert not bravo.heard("stale-1")
    assert tak.router.last("drawing-1") is not None


async def test_protobuf_is_negotiated_and_speaks_with_xml(tak: Field) -> None:
    async with tak.client("alpha") as alpha, tak.client("bravo") as bravo:
        await until(lambda: alpha.of("t-x-takp-v"))
        offer = ET.fromstring(alpha.of("t-x-takp-v")[0]).find("detail/TakControl/TakProtocolSupport")
        assert offer is not None
        assert offer.get("version") == "1"
        await alpha.negotiate()
        own = (
            (1, "a-f-G-U-C"), (5, alpha.uid), (6, now_ms()), (7, now_ms()), (8, now_ms() + 60_000), (9, "m-g"), (10, 60.1), (11, 24.9),
            (12, 9999999.0), (13, 9999999.0), (14, 9999999.0),
            (15, message((1, "<remarks>vu</remarks>"), (2, message((1, "*:-1:stcp"), (2, "ALPHA"))), (3, message((1, "Cyan"), (2, "Medic"))))),
        )  # fmt: skip
        payload = message((2, message(*own)))
        alpha.send(framed(payload))
        await until(lambda: bravo.heard(alpha.uid))
        [seen] = bravo.of("a-f-G-U-C")
        root = ET.fromstring(seen)
        point, group = root.find("point"), root.find("detail/__group")
        assert point is not None
        assert group is not None
        assert (float(point.get("lat", "0")), group.get("name"), group.get("role")) == (60.1, "Cyan", "Medic")
        assert root.findtext("detail/remarks") == "vu"
        bravo.report(detail='<status battery="42"/>')
        await until(lambda: alpha.heard(bravo.uid))
        inner = fields(fields(alpha.of("a-f-G-U-C")[0])[2][0])
        detail = fields(inner[15][0])
        assert fields(detail[5][0]) == {1: [42]}
        assert fields(detail[3][0])[1] == [b"Blue"]
        async with tak.client("charlie") as charlie:
            await charlie.negotiate()
            bravo.send(event("b-m-p-w", "way-1"))
            alpha.send(framed(payload))
            await until(lambda: alpha.heard("way-1") and len(charlie.of("a-f-G-U-C")) > 2)
            assert charlie.of("a-f-G-U-C")[-1] == payload, "protobuf goes on untouched"
            alpha.send(framed(message((2, message(*own[1:2], (1, "t-x-c-t"), *own[2:])))))
            await until(lambda: alpha.of("t-x-c-t-r"))


def now_ms() -> int:
    from time import time

    return int(time() * 1000)


async def test_a_version_that_is_not_spoken_is_denied(tak: Field) -> None:
    async with tak.client("alpha") as alpha:
        alpha.send(event("t-x-takp-q", "protouid", '<TakControl><TakRequest version="9"/></TakControl>'))
        await until(lambda: alpha.of("t-x-takp-r"))
        assert b'status="false"' in alpha.of("t-x-takp-r")[0]
        alpha.send(event("t-x-c-t", "ping"))
        await until(lambda: alpha.of("t-x-c-t-r"))


async def test_direct_messages_reach_those_named_alone(tak: Field) -> None:
    async with tak.client("alpha") as alpha, tak.client("bravo") as bravo, tak.client("charlie") as charlie:
        for each in (alpha, bravo, charlie):
            each.report()
        await until(lambda: len(tak.router.contacts()) == 3)
        for number, dest in enumerate(('callsign="BRAVO"', 'uid="ANDROID-bravo"', 'callsign="All Streaming"')):
            alpha.send(event("b-t-f", f"chat-{number}", f"<marti><dest {dest}/></marti>"))
        await until(lambda: len(bravo.of("b-t-f")) == 3 and charlie.heard("chat-2"))
        assert len(charlie.of("b-t-f")) == 1


async def test_without_a_certificate_or_with_a_foreign_one_nothing_opens(tak: Field) -> None:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.load_verify_locations(tak.authority.folder / "clients.pem")
    tak.authority.issue("stranger")
    for context in (bare, tak.authority.client("stranger")):
        with pytest.raises((ConnectionError, ssl.SSLError, asyncio.IncompleteReadError)):
            await _first_word(tak.server.port, context)
    assert not tak.router.contacts()


async def _first_word(port: int, context: ssl.SSLContext) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    try:
        await reader.readuntil(b"</event>")
    finally:
        writer.transport.abort()


# ── PyTAK, unmodified ──


def settings_of(tak: Field, name: str) -> ConfigParser:
    folder: Path = tak.authority.folder
    config = ConfigParser()
    config["pytak"] = {
        "COT_URL": f"tls://127.0.0.1:{tak.server.port}",
        "PYTAK_TLS_CLIENT_CERT": str(folder / f"{name}.pem"),
        "PYTAK_TLS_CLIENT_KEY": str(folder / f"{name}.key"),
        "PYTAK_TLS_CLIENT_CAFILE": str(folder / "clients.pem"),
        "PYTAK_TLS_SERVER_EXPECTED_HOSTNAME": "localhost",
        "PYTAK_NO_HELLO": "1",
    }
    return config


@pytest.mark.filterwarnings("ignore:ssl.OP_NO_:DeprecationWarning")  # PyTAK's own
async def test_pytak_sends_receives_and_is_answered(tak: Field) -> None:
    tak.enrol("py")
    async with streaming(settings_of(tak, "py")["pytak"]) as tool, tak.client("alpha") as alpha:
        own = pytak.gen_cot(lat=60.17, lon=24.94, uid="PYTAK-1", cot_type="a-f-G-U-C", callsign="PY", stale=60)
        assert own is not None
        await tool.tx_queue.put(own)
        alpha.report()
        await until(lambda: alpha.heard("PYTAK-1"))
        assert await received(tool, alpha.uid)
        await tool.tx_queue.put(event("t-x-c-t", "PYTAK-1-ping"))
        assert await received(tool, "takPong")


async def received(tool: pytak.CLITool, uid: str) -> bool:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            data = await tool.rx_queue.get()
            if ET.fromstring(data).get("uid") == uid:
                return True


async def test_of_a_connection_that_ended_no_tls_is_kept(tak: Field) -> None:
    """It has 300 kB of buffers, and what its client drew stays on the map; the collector of cycles seldom runs here."""
    gc.disable()
    try:
        async with tak.client("alpha") as alpha:
            alpha.send(event("u-d-f", "drawing-of-alpha"))
            await until(lambda: tak.router.last("drawing-of-alpha"))
            held = [weakref.ref(each._transport.get_extra_info("ssl_object")) for each in tak.server._connections]
            assert held[0]() is not None
        await until(lambda: all(each() is None for each in held))
    finally:
        gc.enable()
    assert tak.router.last("drawing-of-alpha") is not None
