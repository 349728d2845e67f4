"""Whoever sends rubbish is told so and bounded; another client feels nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

import pytest

from egide.protocols import cot
from tests.operations.tak.field import Client, Field, event, framed, message
from tests.waiting import until

pytestmark = pytest.mark.anyio

QUIET_S = 2.0  # s within which a ping is answered whatever others do: p99 of all, on a machine that others use too


@asynccontextmanager
async def beside(tak: Field) -> AsyncIterator[Client]:
    """Another client, pinging all the while; its pongs were quick, and nothing bad reached it."""
    async with tak.client("quiet") as quiet:
        quiet.report()
        took: list[float] = []

        async def pings() -> None:
            while True:
                before, began = len(quiet.of("t-x-c-t-r")), monotonic()
                quiet.send(event("t-x-c-t", f"{quiet.uid}-ping"))
                while len(quiet.of("t-x-c-t-r")) == before:
                    await asyncio.sleep(0.002)
                took.append(monotonic() - began)
                await asyncio.sleep(0.03)  # no flood itself

        pinging = asyncio.create_task(pings())
        try:
            yield quiet
            enough = len(took) + 10
            await until(lambda: len(took) >= enough)
        finally:
            pinging.cancel()
            await asyncio.gather(pinging, return_exceptions=True)
        assert sorted(took)[int(len(took) * 0.99)] < QUIET_S
        assert not quiet.ended


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (b'<?xml version="1.0"?><!DOCTYPE e [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>' + event("a-h-G", "bomb", "&b;")[39:], "document type"),
        (event("a-h-G", "bad").replace(b"<detail>", b"<detail><a>"), "Unreadable"),
        (event("a-h-G", "bad").replace(b'lat="60.17"', b'lat="91"'), "Wrong position"),
        (event("a-h-G", "bad", time="tomorrow"), "Wrong date"),
        (event("a-h-G", "bad", time="2099-01-01T00:00:00Z"), "in the future"),
        (event("a-h-G", "bad", "x" * cot.MAX_EVENT), "1 MiB"),
    ],
)  # fmt: skip
async def test_a_bad_event_is_told_to_its_sender_alone(tak: Field, bad: bytes, words: str) -> None:
    async with beside(tak) as quiet, tak.client("wild") as wild:
        wild.send(bad)
        await until(lambda: words in wild.words())
        wild.send(event("a-h-G", "good"))
        await until(lambda: quiet.heard("good"))
        assert not quiet.heard("bad")
        assert not quiet.heard("bomb")
        assert not quiet.words()


async def test_a_hundred_megabytes(tak: Field) -> None:
    async with beside(tak) as quiet, tak.client("wild") as wild:
        wild.send(event("a-h-G", "huge")[:200])
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                for _ in range(1600):
                    wild.send(b"x" * 65536)
                    await wild.sent()
        await until(lambda: "1 MiB" in wild.words())
        assert not quiet.heard("huge")


async def test_a_flood_is_slowed_down_and_told(tak: Field) -> None:
    async with beside(tak) as quiet, tak.client("wild") as wild:
        for number in range(2000):
            wild.send(event("b-t-f", f"flood-{number}"))
        await until(lambda: "slowed down" in wild.words())
        await until(lambda: len(quiet.of("b-t-f")) >= 500)
        assert len(quiet.of("b-t-f")) < 700, "about what the allowance holds, not all of it"


@pytest.mark.parametrize("frames", [b"\xbf\xff\xff\xff\xff\xff\xff\x0f", b"\xbf\x80\x80\x80\x10", b"<event/>"])
async def test_wrong_frames_end_the_connection_with_a_word(tak: Field, frames: bytes) -> None:
    async with beside(tak), tak.client("wild") as wild:
        await wild.negotiate()
        wild.send(frames)
        await until(lambda: wild.ended)
        assert "TAK protocol" in wild.words()


async def test_wrong_protobuf_is_told_and_the_stream_goes_on(tak: Field) -> None:
    async with beside(tak) as quiet, tak.client("wild") as wild:
        await wild.negotiate()
        for payload in (b"\x12\x7fabc", message((2, message((1, "a-h-G"), (5, "bad"), (15, message((1, "<a>"))))))):
            wild.send(framed(payload))
        await until(lambda: "protobuf" in wild.words() and "Unreadable" in wild.words())
        wild.send(framed(message((2, message((1, "a-h-G"), (5, "good"), (6, 1), (7, 1), (8, 4_000_000_000_000))))))
        await until(lambda: quiet.heard("good"))
        assert not quiet.heard("bad")


async def test_rubbish_without_end_is_no_client(tak: Field) -> None:
    async with tak.client("wild") as wild:
        wild.send(b"GET / HTTP/1.1\r\n\r\n</event>" * 30)
        await until(lambda: wild.ended)


async def test_another_devices_uid_is_refused(tak: Field) -> None:
    async with beside(tak) as quiet, tak.client("wild", "other-officer") as wild:
        await until(tak.router.contacts)
        wild.send(event("a-f-G-U-C", quiet.uid, at=(10.0, 10.0)))
        wild.send(event("b-t-f", f"GeoChat.{quiet.uid}.All.1", "<remarks>faux</remarks>"))
        link = f'<link uid="{quiet.uid}" type="a-f-G-U-C" relation="p-p"/>'
        wild.send(event("b-t-f", "GeoChat.x.All.1", link))
        wild.report()
        await until(lambda: "another device" in wild.words() and quiet.heard(wild.uid))
        assert not quiet.of("b-t-f")
        assert tak.router.last(quiet.uid).point.lat == 60.17


async def test_the_platforms_uids_are_its_own(tak: Field) -> None:
    tak.router.publish(event("a-f-A-M-H-Q", "egide-1")[39:], groups=frozenset({"everyone"}))
    async with tak.client("wild") as wild:
        await until(lambda: wild.heard("egide-1"))
        wild.send(event("a-f-A-M-H-Q", "egide-1"))
        await until(lambda: "another device" in wild.words())


async def test_a_jump_of_a_thousand_kilometres_waits_for_confirmation(tak: Field) -> None:
    async with beside(tak) as quiet, tak.client("wild") as wild:
        wild.report((60.17, 24.94))
        await until(lambda: quiet.heard(wild.uid))
        wild.report((48.85, 2.35))
        await until(lambda: "Impossible jump" in wild.words())
        assert tak.router.last(wild.uid).point.lat == 60.17
        wild.report((60.18, 24.94))
        await until(lambda: tak.router.last(wild.uid).point.lat == 60.18)
        for _ in range(3):
            wild.report((48.85, 2.35))
        await until(lambda: tak.router.last(wild.uid).point.lat == 48.85)


async def test_a_client_that_does_not_read_is_let_go(tak: Field, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "egide.tak")
    big = "x" * 60_000
    async with beside(tak) as quiet, tak.client("deaf", speaks=False):
        with suppress(AssertionError):
            await until(lambda: _let_go(caplog), 0.01)
        for number in range(1000):
            tak.router.publish(event("b-m-p-s-m", f"m-{number}", big)[39:], groups=frozenset({"unit:brigade"}))
            await asyncio.sleep(0)
            if _let_go(caplog):
                break
        await until(lambda: _let_go(caplog))
        await until(lambda: quiet.heard("m-0"))


def _let_go(caplog: pytest.LogCaptureFixture) -> bool:
    return any("too slow" in record.getMessage() and "waiting" in record.getMessage() for record in caplog.records)
