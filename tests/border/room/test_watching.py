"""Movements that a room watches as they are made: it asks for the second when it saw the first, and judges every frame."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cache

import pytest

from egide.border.face.liveness import PAUSE_MS, PAUSE_SPREAD_MS
from egide.border.room.messages import Admit, Admitted, Compare, Compared, Watch, Watched
from egide.border.room.parent import Nursery, Room
from egide.kernel.errors import Unavailable
from tests.border.traveller import Authority, frame
from tests.stories.border.moving_face import FOLLOWED, face, jpeg

pytestmark = pytest.mark.anyio
PERSON = 9  # the seed of somebody drawn
NOW, CLIENT = 1_800_000_000, "border:gate-1"
STEP_MS, LATE_MS = 100, 300


@cache
def picture(move: str) -> bytes:
    return jpeg(face(PERSON, move))


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    """One whose movements a drawn face can do."""
    nursery = await Nursery.start("face")
    found = await nursery.room()
    while not {move for move, _ in found.ready.challenge} <= set(FOLLOWED):
        await found.close()
        found = await nursery.room()
    await admitted(found)
    yield found
    await found.close()
    await nursery.close()


async def admitted(room: Room) -> None:
    """A token with the template of nobody: who is live is then compared, and is another."""
    ready, authority, claims = room.ready, Authority(), ("flight", "face_t")
    token = authority.token(NOW, claims)
    answer = await room.ask(
        Admit(
            answer=token.answer(ready.key, ready.nonce, ready.state, CLIENT, claims, NOW), realm="facilitation", client=CLIENT,
            gate=authority.key, question=b"", response_uri="", control="security", claims=claims, issuers=(authority.key,),
            lists=(authority.list_at(NOW),), grace_s=1800, now=NOW,
        )
    )  # fmt: skip
    assert isinstance(answer, Admitted)
    assert answer.why == ""


async def watched(room: Room, at_ms: int, move: str) -> Watched:
    said = await room.ask(Watch((frame(picture(move), room.ready.key, at_ms),)))
    assert isinstance(said, Watched)
    return said


async def compared(room: Room, *frames: str) -> Compared:
    answer = await room.ask(Compare(frames, 0.433, 3, challenge=True))
    assert isinstance(answer, Compared)
    return answer


async def follow(room: Room, *, late: int = LATE_MS) -> list[Watched]:
    """Somebody does what the room asks, so long after it asks."""
    move, at_ms = room.ready.challenge[0]
    said = [Watched(move, at_ms, over=False)]
    for now in range(0, 8000, STEP_MS):
        if said[-1].over:
            break
        does = said[-1].move if now >= said[-1].at_ms + late else "straight"
        found = await watched(room, now, does)
        if found != said[-1]:
            said.append(found)
    return said


async def test_the_second_is_asked_for_when_the_first_was_seen_and_then_it_is_over(room: Room) -> None:
    (first, at_ms), (second, drawn_ms) = room.ready.challenge
    said = await follow(room)
    assert [each.move for each in said] == [first, second, second]
    assert [each.over for each in said] == [False, False, True]
    seen_ms = at_ms + LATE_MS + STEP_MS
    assert said[1].at_ms <= seen_ms + PAUSE_MS + PAUSE_SPREAD_MS
    assert said[1].at_ms < drawn_ms, "sooner than by the clock"
    assert await compared(room) == Compared("no-match"), "they are there, and another than the token’s holder"


async def test_nobody_is_live_who_moves_before_the_room_asks(room: Room) -> None:
    said = await follow(room, late=-200)
    assert said[-1].over
    assert len(said) == 2, "the second is not even asked for"
    assert (await compared(room)).why in {"early", "aside", "few", "still"}


async def test_frames_that_come_too_late_for_a_movement_end_it(room: Room) -> None:
    _, at_ms = room.ready.challenge[0]
    said = [await watched(room, now, "straight") for now in range(0, at_ms + 2800, STEP_MS)]
    assert said[-1].over
    assert not said[0].over
    assert (await compared(room)).why == "still"


async def test_an_attempt_has_no_second_set_of_frames(room: Room) -> None:
    await watched(room, 0, "straight")
    with pytest.raises(Unavailable):
        await compared(room, frame(picture("straight"), room.ready.key))
    assert room.closed


async def test_a_frame_that_is_none_ends_the_attempt_and_the_attempts_are_counted(room: Room) -> None:
    for _ in range(3):
        said = await room.ask(Watch((frame(b"no picture", room.ready.key),)))
        assert said == Watched("", 0, over=True)
        assert (await watched(room, 100, "straight")).over
        assert (await compared(room)).band == "unsure"
    with pytest.raises(Unavailable):
        await watched(room, 0, "straight")


async def test_more_than_an_attempt_has_is_not_looked_at(room: Room) -> None:
    many = tuple(frame(picture("straight"), room.ready.key, at) for at in range(121))
    assert await room.ask(Watch(many)) == Watched("", 0, over=True)
