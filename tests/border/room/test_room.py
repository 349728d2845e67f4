"""The room opens what was sealed for it, says one word, and is gone with everything that it held."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from egide.border.room.messages import Admit, Admitted, Broken, Compare, Look, Looked, asked, packed, told
from egide.border.room.parent import Room, Rooms
from egide.kernel.errors import Unavailable
from tests.border.traveller import Authority, Tablet, Token

pytestmark = pytest.mark.anyio
NOW = 1_800_000_000
CLIENT, ANSWERS = "border:gate-1", "https://gate.example/answer"
ASKED = ("flight",)


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    found = await Room.start("token")
    yield found
    await found.close()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


def admit(
    room: Room, authority: Authority, token: Token, *, lists_at: int = NOW, nonce: str = "", client: str = CLIENT
) -> Admit:
    ready = room.ready
    return Admit(
        answer=token.answer(ready.key, nonce or ready.nonce, ready.state, client, ASKED, NOW), realm="facilitation",
        client=CLIENT, gate=authority.key, question=b"", response_uri=ANSWERS, claims=ASKED, issuers=(authority.key,),
        lists=(authority.list_at(lists_at),), grace_s=1800, now=NOW,
    )  # fmt: skip


async def test_a_token_that_counts_is_admitted_and_only_a_mark_comes_out(room: Room, authority: Authority) -> None:
    answer = await room.ask(admit(room, authority, authority.token(NOW)))
    assert isinstance(answer, Admitted)
    assert (answer.why, len(answer.mark), answer.until) == ("", 64, NOW + 86_400)


async def test_what_does_not_count_is_told_in_one_word(room: Room, authority: Authority) -> None:
    token = authority.token(NOW, place=9)
    stranger = Authority()
    for message, why in (
        (admit(room, authority, token, nonce="another"), "nonce"),
        (admit(room, authority, token, client="another gate"), "audience"),
        (admit(room, authority, stranger.token(NOW)), "issuer"),
        (admit(room, authority, authority.token(NOW - 90_000)), "expired"),
        (admit(room, authority, token, lists_at=NOW - 7_000), "stale"),
    ):
        answer = await room.ask(message)
        assert isinstance(answer, Admitted)
        assert answer.why == why
        assert answer.mark == ""
    authority.statuses.set(9)
    answer = await room.ask(admit(room, authority, token))
    assert isinstance(answer, Admitted)
    assert answer.why == "revoked"


async def test_an_answer_to_another_room_is_not_opened(room: Room, authority: Authority) -> None:
    other = await Room.start("token")
    answer = await room.ask(admit(other, authority, authority.token(NOW)))
    await other.close()
    assert isinstance(answer, Admitted)
    assert answer.why == "encryption"


async def test_the_officers_tablet_alone_opens_what_the_officer_sees(room: Room, authority: Authority) -> None:
    await room.ask(admit(room, authority, authority.token(NOW)))
    tablet = Tablet()
    answer = await room.ask(Look(tablet.jwk))
    assert isinstance(answer, Looked)
    assert tablet.open(answer.sealed) == {"live": "", "portrait": "", "claims": {"flight": "EG 271"}, "why": ""}


async def test_a_room_without_models_compares_nothing_and_ends(room: Room) -> None:
    with pytest.raises(Unavailable):
        await room.ask(Compare((), 0.433, 3, challenge=False))
    assert room.closed


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def limits(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/limits").read_text("utf-8").splitlines()[1:]
    return {line[:25].strip(): line[25:].split()[:2] for line in lines}


async def test_when_the_control_ends_the_process_is_gone(room: Room) -> None:
    pid = room._process.pid
    assert lives(pid)
    await room.close()
    assert not lives(pid)


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="reads Linux’s /proc")
async def test_a_warm_room_can_open_nothing_and_write_nothing(room: Room) -> None:
    found = limits(room._process.pid)
    assert found["Max open files"] == ["3", "3"]
    assert found["Max file size"] == ["0", "0"]
    assert found["Max core file size"] == ["0", "0"]


async def test_one_warm_room_waits_for_the_next_control() -> None:
    rooms = Rooms()
    first = await rooms.take("token")
    waiting = rooms._waiting["token"]
    second = await rooms.take("token")
    assert second is await waiting
    assert first is not second
    assert first.ready.nonce != second.ready.nonce
    await rooms.close()
    assert first.closed
    assert second.closed


async def test_a_room_that_died_while_it_waited_is_replaced() -> None:
    rooms = Rooms()
    await rooms.take("token")
    waiting = await rooms._waiting["token"]
    os.kill(waiting._process.pid, 9)
    await waiting._process.wait()
    found = await rooms.take("token")
    assert found is not waiting
    assert found._process.returncode is None
    await rooms.close()


async def test_a_room_that_dies_at_work_says_so_calmly(room: Room, authority: Authority) -> None:
    message = admit(room, authority, authority.token(NOW))
    os.kill(room._process.pid, 9)
    with pytest.raises(Unavailable):
        await room.ask(message)


def test_messages_come_back_as_they_went() -> None:
    message = Look({"kty": "EC"})
    assert asked(packed(message)[4:]) == message
    assert told(packed(Broken("order"))[4:]) == Broken("order")
    with pytest.raises(ValueError, match=r".+"):
        asked(packed(Broken("order"))[4:])


async def test_the_room_ends_with_its_pipe() -> None:
    room = await Room.start("token")
    assert room._process.stdin is not None
    room._process.stdin.close()
    assert await asyncio.wait_for(room._process.wait(), 10) == 0
