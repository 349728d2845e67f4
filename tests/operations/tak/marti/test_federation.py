"""Two platforms trust each other for named groups: what passes, what does not, no loop, cut off at once, sealed."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import select

from egide.kernel import tables as kernel_tables
from egide.kernel.errors import BadInput, Conflict, NotFound
from egide.operations.tak import federation_links
from egide.operations.tak.events import EventError, read_head
from egide.operations.tak.federation_links import MAGIC, MAX_EVENT, framed, read_frame
from tests.operations.tak.marti.ports import TakWorld

BRIGADE, COMMAND = "unit:brigade", "unit:command"


def event(uid: str, kind: str = "a-f-G-U-C", detail: str = "") -> bytes:
    return (
        f'<event version="2.0" uid="{uid}" type="{kind}" how="m-g" time="2026-11-26T10:00:00Z" start="2026-11-26T10:00:00Z" '
        f'stale="2026-11-26T10:05:00Z"><point lat="60.1" lon="24.9" hae="0" ce="5" le="5"/><detail>{detail}</detail></event>'
    ).encode()


@pytest.fixture
async def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[TakWorld, TakWorld]]:
    monkeypatch.setattr(federation_links, "FIRST_S", 0.1)
    first, second = TakWorld(tmp_path / "one" / "data"), TakWorld(tmp_path / "two" / "data")
    for each in (first, second):
        await each.start()
    yield first, second
    for each in (first, second):
        await each.stop()


async def trust(here: TakWorld, there: TakWorld, *, calls: bool, sends: list[str], receives: list[str]) -> str:
    """What two administrators do: one hands over the authority, the other enters it."""
    told = await there.act("administrator", "operations.tak.peers")
    peer = await here.act(
        "administrator", "operations.tak.federate", name="Gendarmerie voisine", authority=told["authority"], motive="Convention 2026-4",
        host="localhost" if calls else "", port=there.settings.tak_federation_port, sends=sends, receives=receives,
    )  # fmt: skip
    assert peer["fingerprint"] == told["fingerprint"]
    await here.until(lambda: here.kernel.things["tak-data"][1].listening)
    return str(peer["id"])


def linked(world: TakWorld) -> set[str]:
    found: set[str] = world.kernel.things["tak-linked"]
    return found


def came(world: TakWorld) -> list[str]:
    return [read_head(each).uid for each, _groups, origin in world.router.published if origin.startswith("federation:")]


@pytest.mark.anyio
async def test_two_platforms_share_what_was_agreed(both: tuple[TakWorld, TakWorld]) -> None:
    first, second = both
    to_second = await trust(first, second, calls=True, sends=[BRIGADE], receives=[COMMAND])
    to_first = await trust(second, first, calls=True, sends=[BRIGADE], receives=[BRIGADE])
    await first.until(lambda: linked(first) == {to_second} and linked(second) == {to_first}, 20)
    first.router.sent_by_client(event("shared"), "device", frozenset({BRIGADE, "mission:x"}))
    first.router.sent_by_client(event("kept"), "device", frozenset({COMMAND}))
    first.router.sent_by_client(event("control", "t-x-m-c"), "device", frozenset({BRIGADE}))
    first.router.sent_by_client(
        event("to one", "b-t-f", '<marti><dest callsign="Ada"/></marti>'), "device", frozenset({BRIGADE})
    )
    first.router.sent_by_client(event("last"), "device", frozenset({BRIGADE}))
    await second.until(lambda: "last" in came(second))
    assert came(second) == ["shared", "last"]
    assert {groups for _event, groups, _origin in second.router.published} == {frozenset({BRIGADE})}
    # What came is shown in a group that goes back there: it does not.
    second.router.sent_by_client(event("answer"), "device", frozenset({BRIGADE}))
    await first.until(lambda: "answer" in came(first))
    assert came(first) == ["answer"]
    assert {groups for _event, groups, _origin in first.router.published} == {frozenset({COMMAND})}
    # The same again, as over another way, is dropped.
    first.router.sent_by_client(event("shared"), "device", frozenset({BRIGADE}))
    first.router.sent_by_client(event("new"), "device", frozenset({BRIGADE}))
    await second.until(lambda: "new" in came(second))
    assert came(second).count("shared") == 1

    (_, links) = first.kernel.things["tak-data"]
    await links.seal()
    entries = kernel_tables.entry.c
    query = select(entries.leaf).where(entries.act == "operations.tak.federation.seal").order_by(entries.idx)
    leaves = [msgspec.json.decode(each) for each in first.kernel.store.reader().execute(query).scalars()]
    assert sum(each["rows"] for each in leaves) == 5  # shared twice, last, new; answer
    assert all(len(each["sub"]) == 64 for each in leaves)

    # Revoked by one side: cut off at once, and not taken back.
    await second.act("administrator", "operations.tak.unfederate", peer=to_first, reason="Fin de la convention")
    await second.until(lambda: linked(second) == set())
    await first.until(lambda: linked(first) == set())
    before = came(second)
    first.router.sent_by_client(event("late"), "device", frozenset({BRIGADE}))
    await asyncio.sleep(0.5)  # long enough for a link that would come back: it is called again after 0.1 s
    assert came(second) == before
    assert linked(second) == set()
    # And called again as soon as it is trusted again.
    again = await trust(second, first, calls=False, sends=[], receives=[BRIGADE])
    await second.until(lambda: linked(second) == {again}, 20)


@pytest.mark.anyio
async def test_a_partners_device_is_not_the_partner(both: tuple[TakWorld, TakWorld]) -> None:
    """A device of the partner has a certificate of the trusted authority; it gets no link. Nor does anybody without one."""
    first, second = both
    await trust(first, second, calls=False, sends=[BRIGADE], receives=[BRIGADE])
    device = await second.device("officer", "A")
    port = first.settings.tak_federation_port
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for with_certificate in (True, False):
        if with_certificate:
            context.load_cert_chain(device.folder / "client.pem", device.folder / "client.key")
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
        writer.write(framed(event("spoofed")))
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.close()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert linked(first) == set()
    assert came(first) == []


@pytest.mark.anyio
async def test_a_link_without_sense_ends(both: tuple[TakWorld, TakWorld]) -> None:
    first, second = both
    await trust(first, second, calls=False, sends=[], receives=[BRIGADE])
    folder = second.kernel.settings.folder / "tak"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    for nonsense in (
        b"GET / HTTP/1.1\r\n\r\n",
        bytes([MAGIC, 0xFF, 0xFF, 0xFF, 0x7F]),
        bytes([MAGIC, 0xFF, 0xFF, 0xFF, 0xFF, 1]),
    ):
        reader, writer = await asyncio.open_connection("localhost", first.settings.tak_federation_port, ssl=context)
        writer.write(framed(b"") + framed(b"<no-event/>") + framed(event("good" + nonsense.hex()[:6])) + nonsense)
        with pytest.raises((OSError, asyncio.IncompleteReadError)):
            await reader.readexactly(1 << 20)
        writer.close()
        await first.until(lambda: linked(first) == set())
    assert len(came(first)) == 2  # whole events before the nonsense count; the same one twice does not


@pytest.mark.anyio
async def test_who_may_federate_what(tak: TakWorld) -> None:
    own = await tak.act("administrator", "operations.tak.peers")
    assert {"id": BRIGADE, "name": "Brigade de voie publique (exercice)"} in own["groups"]
    given = {"name": "Voisins", "motive": "Convention", "sends": [BRIGADE]}
    device = await tak.device("officer", "A")
    leaf = device.certificate.public_bytes(serialization.Encoding.PEM).decode()
    for authority in ("", "x", own["authority"], leaf, own["authority"][:200]):
        with pytest.raises(BadInput):
            await tak.act("administrator", "operations.tak.federate", **given, authority=authority)
    assert await tak.refused("officer", "operations.tak.federate", **given, authority=own["authority"])
    with pytest.raises(NotFound):
        await tak.act("administrator", "operations.tak.unfederate", peer="x", reason="x")


@pytest.mark.anyio
async def test_a_partner_is_entered_once_for_groups_there_are(both: tuple[TakWorld, TakWorld]) -> None:
    first, second = both
    told = await second.act("administrator", "operations.tak.peers")
    given = {"name": "Voisins", "motive": "Convention", "authority": told["authority"]}
    with pytest.raises(NotFound):
        await first.act("administrator", "operations.tak.federate", **given, sends=["unit:nobody"])
    with pytest.raises(BadInput):
        await first.act("administrator", "operations.tak.federate", **given)
    unsaid = given | {"motive": " ", "sends": [BRIGADE]}
    assert await first.refused("administrator", "operations.tak.federate", **unsaid) == ["LED-25-1"]
    await first.act("administrator", "operations.tak.federate", **given, sends=[BRIGADE])
    with pytest.raises(Conflict):
        await first.act("administrator", "operations.tak.federate", **given, sends=[BRIGADE])


async def _read(raw: bytes) -> list[bytes]:
    reader = asyncio.StreamReader()
    reader.feed_data(raw)
    reader.feed_eof()
    found = []
    try:
        while True:
            found.append(await read_frame(reader))
    except (asyncio.IncompleteReadError, EventError):
        return found


@given(some.lists(some.binary(max_size=300), max_size=5), some.binary(max_size=50))
def test_frames_come_back_and_anything_else_ends(frames: list[bytes], noise: bytes) -> None:
    raw = b"".join(framed(each) for each in frames)
    assert asyncio.run(_read(raw)) == frames
    assert asyncio.run(_read(raw + noise))[: len(frames)] == frames


@given(some.binary(max_size=500))
def test_anything_may_come_as_an_event(raw: bytes) -> None:
    for each in (raw, b"<event uid='a' type='b'>" + raw + b"</event>"):
        try:
            head = read_head(each)
        except EventError:
            continue
        assert head.uid == "a"


def test_what_is_no_event() -> None:
    deep = b"<event uid='a' type='b'>" + b"<d>" * 100 + b"</d>" * 100 + b"</event>"
    bomb = b'<!DOCTYPE e [<!ENTITY a "aaaa">]><event uid="a" type="b">&a;</event>'
    for each in (
        b"",
        b"<event/>",
        b"<e uid='a' type='b'/>",
        deep,
        bomb,
        b"<event uid='a' type='b'>" + b" " * MAX_EVENT + b"</event>",
    ):
        with pytest.raises(EventError):
            read_head(each)
