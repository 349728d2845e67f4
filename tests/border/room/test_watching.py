"""Movements that a room watches as they are made: it asks for the second when it saw the first, and judges every frame."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cache

import pytest

from egide.border.face.liveness import PAUSE_MS, PAUSE_SPREAD_MS
from egide.border.room import parent
from egide.border.room.messages import Admit, Admitted, Compare, Compared, Watch, Watched
from egide.border.room.parent import Room
from egide.border.room.watching import MEASURED_MS
from egide.kernel.errors import Unavailable
from tests.border.traveller import Authority, frame
from tests.stories.border.moving_face import NURSERY, face, jpeg

pytestmark = pytest.mark.anyio
PERSON = 9  # the seed of somebody drawn
NOW, CLIENT = 1_800_000_000, "border:gate-1"
STEP_MS, LATE_MS = 100, 300
# A room that asks as soon as any may, for movements that are seen at once.
_STARTED = """
import sys
from egide.border.face import liveness
from egide.border.room import nursery
liveness.PAIRS = (("left", "closer"), ("right", "closer"))
liveness.FIRST_SPREAD_MS = liveness.PAUSE_SPREAD_MS = 1
nursery.main(sys.argv[1])
"""
HURRIED = ("-I", "-c", _STARTED)


@cache
def picture(move: str) -> bytes:
    return jpeg(face(PERSON, move))


@pytest.fixture
async def room(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    """One whose movements a drawn face can do."""
    monkeypatch.setattr(parent, "NURSERY", NURSERY)
    found = await Room.start("face")
    await admitted(found)
    yield found
    await found.close()


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
    return await shown(room, frame(picture(move), room.ready.key, at_ms))


async def shown(room: Room, sealed: str) -> Watched:
    said = await room.ask(Watch((sealed,)))
    assert isinstance(said, Watched)
    return said


async def compared(room: Room, *frames: str) -> Compared:
    answer = await room.ask(Compare(frames, 0.433, 3, challenge=True))
    assert isinstance(answer, Compared)
    return answer


async def follow(room: Room, *, late: int = LATE_MS, filmed: list[str] | None = None) -> list[Watched]:
    """Somebody does what the room asks, so long after it asks; `filmed`: gets the frames."""
    move, at_ms = room.ready.challenge[0]
    said = [Watched(move, at_ms, over=False)]
    for now in range(0, 8000, STEP_MS):
        if said[-1].over:
            break
        does = said[-1].move if now >= said[-1].at_ms + late else "straight"
        sealed = frame(picture(does), room.ready.key, now)
        if filmed is not None:
            filmed.append(sealed)
        found = await shown(room, sealed)
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
    found = await compared(room)
    assert (found.band, found.why) == ("no-match", ""), "they are there, and another than the token’s holder"


async def test_who_is_asked_early_and_is_quick_is_believed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The soonest that anybody is asked, both times: the attempt is over before the third face would have been measured."""
    monkeypatch.setattr(parent, "NURSERY", HURRIED)
    room = await Room.start("face")
    await admitted(room)
    said = await follow(room)
    assert said[-1].at_ms + LATE_MS < 2 * MEASURED_MS, "a control: it was that quick"
    found = await compared(room)
    assert (found.band, found.why) == ("no-match", "")
    await room.close()


async def test_a_recording_of_an_attempt_is_worth_nothing_in_the_next(room: Room) -> None:
    """Frame by frame what was live a moment ago: then two other movements are asked for."""
    filmed: list[str] = []
    await follow(room, filmed=filmed)
    once = await compared(room)
    assert once.band == "no-match", "a control: they were there"
    asked = [tuple(move for move, _ in each.challenge) for each in (room.ready, once)]
    assert asked[0] != asked[1]
    for each in filmed:
        if (await shown(room, each)).over:
            break
    again = await compared(room)
    assert again.band == "unsure", "nobody is there"
    assert again.why in {"early", "other", "still", "time", "few"}
    third = tuple(move for move, _ in again.challenge)
    assert third not in asked, "nor is the third what was asked for before"


async def test_so_it_is_where_all_frames_come_at_once(room: Room) -> None:
    """As a phone sends them, at the times that were drawn."""
    (first, one_ms), (second, two_ms) = room.ready.challenge
    frames = [
        frame(
            picture(
                "straight" if at < one_ms + LATE_MS else first if at < two_ms else second if at > two_ms + LATE_MS else "straight"
            ),
            room.ready.key, at,
        )
        for at in range(0, two_ms + 2400, STEP_MS)
    ]  # fmt: skip
    once = await compared(room, *frames)
    assert once.band == "no-match", "a control: they were there"
    assert (await compared(room, *frames)).band == "unsure"
    last = await compared(room, *frames)
    assert (last.band, last.challenge) == ("unsure", ()), "no attempt is left"


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
