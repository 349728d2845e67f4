"""The room opens what was sealed for it, says one word, and is gone with everything that it held."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from joserfc.jwk import ECKey

from egide.border.document.alike import Candidate
from egide.border.document.zone import Reading
from egide.border.room import parent
from egide.border.room.messages import (
    Admit,
    Admitted,
    Broken,
    Compare,
    Compared,
    Kind,
    Look,
    Looked,
    ReadZone,
    Receive,
    Received,
    asked,
    packed,
    told,
)
from egide.border.room.parent import Nursery, Room, Rooms
from egide.border.room.reading import PICTURES, read_zone
from egide.border.room.sealed import sealed
from egide.border.token import question
from egide.border.token.answer import seal
from egide.border.token.claims import NAMES
from egide.border.token.profile import read_cwt, trusted
from egide.exercise.travel_document import ERIKA
from egide.kernel.errors import Unavailable
from egide.protocols import mrz
from egide.protocols.sdjwt.signing import public_of
from egide.protocols.wallet.tokens import Jwk
from tests.border.document.drawn import page
from tests.border.face.drawn import portrait
from tests.border.traveller import Authority, Tablet, Token, frame

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
    room: Room,
    authority: Authority,
    token: Token,
    *,
    lists_at: int = NOW,
    nonce: str = "",
    client: str = CLIENT,
    control: str = "security",
) -> Admit:
    ready = room.ready
    return Admit(
        answer=token.answer(ready.key, nonce or ready.nonce, ready.state, client, ASKED, NOW), realm="facilitation",
        client=CLIENT, gate=authority.key, question=b"", response_uri=ANSWERS, control=control, claims=ASKED,
        issuers=(authority.key,), lists=(authority.list_at(lists_at),), grace_s=1800, now=NOW,
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
        (admit(room, authority, token, control="bag-drop"), "control"),
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


async def test_what_is_posted_is_an_answer_to_this_control_or_not_and_nothing_of_it_is_kept(
    room: Room, authority: Authority
) -> None:
    ready, other, token = room.ready, await Room.start("token"), authority.token(NOW)
    right, theirs = (admit(each, authority, token).answer for each in (room, other))
    await other.close()
    wrong_state = token.answer(ready.key, ready.nonce, "another", CLIENT, ASKED, NOW)
    for posted, why in (
        (right, ""),
        (theirs, "encryption"),
        (wrong_state, "state"),
        (right[:-9], "encryption"),
        (b"response=a.b.c.d.e", "encryption"),
        (b"response=" + b"a" * 1_000_000, "too-large"),
        (b"response=%ff%00&response=", "encryption"),
        (bytes(range(256)), "malformed"),
        (b"error=access_denied&state=a", "state"),
    ):
        assert await room.ask(Receive(posted)) == Received(why), posted[:40]
    tablet = Tablet()
    looked = await room.ask(Look(tablet.jwk))
    assert isinstance(looked, Looked)
    assert tablet.open(looked.sealed)["claims"] == {}
    admitted = await room.ask(admit(room, authority, token))
    assert isinstance(admitted, Admitted)
    assert admitted.why == "", "it is none the worse for it"


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


def key_of(authority: Authority) -> EllipticCurvePublicKey:
    return public_of(Jwk("EC", "P-256", authority.key.x, authority.key.y))


def by_picture(room: Room, authority: Authority, token: Token, claims: tuple[str, ...]) -> Admit:
    """The same answer to the gate's picture, which asked for these claims."""
    message = admit(room, authority, token)
    gate, own = key_of(authority), public_of(Jwk("EC", "P-256", room.ready.key["x"], room.ready.key["y"]))
    data = question.ask("security", claims, gate, authority.sign, own, NOW)
    read = question.read(data, lambda _kid: gate, NOW)
    answer = seal(read, token.issued.cwt, token.secret, token.sign)
    return msgspec.structs.replace(message, question=data, answer=answer)


@pytest.mark.parametrize("claims", [ASKED, NAMES], ids=["the picture asked as the point does", "it asked for more"])
async def test_a_picture_holds_the_whole_token_and_what_the_point_did_not_ask_for_is_dropped(
    room: Room, authority: Authority, claims: tuple[str, ...]
) -> None:
    """A spare token says who somebody is. Security asks for the flight: the tablet's officer reads that, as by network."""
    token, tablet = authority.token(NOW, NAMES, control="spare"), Tablet()
    whole, _issuer = read_cwt(token.issued.cwt, (trusted(authority.kid, "", key_of(authority)),))
    assert whole.claims.keys() >= {"name", "nationality", "doc_hash"}, "a control: the picture has them"
    for message in (by_picture(room, authority, token, claims), admit(room, authority, token)):
        answer = await room.ask(message)
        assert isinstance(answer, Admitted)
        assert answer.why == ""
        looked = await room.ask(Look(tablet.jwk))
        assert isinstance(looked, Looked)
        assert tablet.open(looked.sealed)["claims"] == {"flight": "EG 271"}


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def limits(pid: int) -> dict[str, list[str]]:
    lines = Path(f"/proc/{pid}/limits").read_text("utf-8").splitlines()[1:]
    return {line[:25].strip(): line[25:].split()[:2] for line in lines}


async def test_when_the_control_ends_the_process_is_gone(room: Room) -> None:
    pid = room.pid
    assert lives(pid)
    await room.close()
    for _ in range(100):
        if not lives(pid):
            return
        await asyncio.sleep(0.01)  # its nursery reaps it
    raise AssertionError("it lives on")


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="reads Linux’s /proc")
async def test_a_warm_room_can_open_nothing_and_write_nothing(room: Room) -> None:
    found = limits(room.pid)
    assert found["Max open files"] == ["3", "3"]
    assert found["Max file size"] == ["0", "0"]
    assert found["Max core file size"] == ["0", "0"]


async def test_rooms_of_one_nursery_have_nothing_in_common() -> None:
    rooms = Rooms()
    first, second = await rooms.take("token"), await rooms.take("token")
    assert first.pid != second.pid
    for name in ("key", "nonce", "state"):
        assert getattr(first.ready, name) != getattr(second.ready, name), name
    await rooms.close()
    assert first.closed
    assert second.closed


async def test_a_gate_is_not_kept_waiting_by_a_machine_that_loads_slowly_and_the_next_one_opens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded, start = asyncio.Event(), Nursery.start

    async def slowly(kind: Kind) -> Nursery:
        await loaded.wait()
        return await start(kind)

    monkeypatch.setattr(Nursery, "start", slowly)
    monkeypatch.setattr(parent, "WAITED_S", 0.05)
    rooms = Rooms()
    with pytest.raises(Unavailable):
        await rooms.take("token")
    warming = rooms._nurseries["token"]
    assert not warming.done(), "it goes on getting warm"
    loaded.set()
    await warming
    assert not (await rooms.take("token")).closed
    assert rooms._nurseries["token"] is warming, "and is not started twice"
    await rooms.close()


async def test_as_many_as_ask_at_the_same_moment_get_no_more_rooms_than_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parent, "MOST", 3)
    rooms = Rooms()
    try:
        found = await asyncio.gather(*(rooms.take("token") for _ in range(8)), return_exceptions=True)
        assert sorted(type(each).__name__ for each in found) == ["Room"] * 3 + ["TooMany"] * 5
        (one, *_others) = [each for each in found if isinstance(each, Room)]
        await one.close()
        assert not (await rooms.take("token")).closed
    finally:
        await rooms.close()


async def test_a_nursery_that_died_is_replaced_and_its_rooms_live_on(authority: Authority) -> None:
    rooms = Rooms()
    first = await rooms.take("token")
    nursery = await rooms._nurseries["token"]
    nursery._process.kill()
    await nursery._process.wait()
    second = await rooms.take("token")
    for each in (first, second):
        answer = await each.ask(admit(each, authority, authority.token(NOW)))
        assert isinstance(answer, Admitted)
        assert answer.why == ""
    await rooms.close()


async def test_a_room_that_dies_at_work_says_so_calmly(room: Room, authority: Authority) -> None:
    message = admit(room, authority, authority.token(NOW))
    os.kill(room.pid, 9)
    with pytest.raises(Unavailable):
        await room.ask(message)


def test_messages_come_back_as_they_went() -> None:
    message = Look({"kty": "EC"})
    assert asked(packed(message)[4:]) == message
    assert told(packed(Broken("order"))[4:]) == Broken("order")
    with pytest.raises(ValueError, match=r".+"):
        asked(packed(Broken("order"))[4:])


async def test_a_question_that_nobody_waits_for_any_more_leaves_no_answer_for_the_next(
    room: Room, authority: Authority
) -> None:
    os.kill(room.pid, signal.SIGSTOP)
    asking = asyncio.create_task(room.ask(admit(room, authority, authority.token(NOW))))
    await asyncio.sleep(0.1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    if not room.closed:
        os.kill(room.pid, signal.SIGCONT)
    with pytest.raises(Unavailable):
        await room.ask(admit(room, authority, authority.token(NOW - 90_000)))
    assert room.closed


async def test_who_gives_up_waiting_for_its_turn_ends_nothing(room: Room, authority: Authority) -> None:
    os.kill(room.pid, signal.SIGSTOP)
    first, second = (asyncio.create_task(room.ask(admit(room, authority, authority.token(NOW)))) for _ in range(2))
    await asyncio.sleep(0.1)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    os.kill(room.pid, signal.SIGCONT)
    assert isinstance(await first, Admitted)


async def test_a_room_that_is_not_waited_for_any_more_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    nursery, handles, read = await Nursery.start("token"), [], parent._read

    async def never(reader: asyncio.StreamReader) -> Any:
        handles.append(os.pidfd_open((await read(reader)).pid))  # type: ignore[union-attr]
        await asyncio.sleep(60)

    monkeypatch.setattr(parent, "_read", never)
    coming = asyncio.create_task(nursery.room())
    while not handles:
        await asyncio.sleep(0.01)
    coming.cancel()
    with pytest.raises(asyncio.CancelledError) as error:
        await coming
    (handle,) = handles  # of one that lived still: it may be gone by now
    await parent._gone(handle)
    ended = select.select([handle], [], [], 0)[0]
    os.close(handle)
    await nursery.close()
    assert ended, error  # who asked has it still, as a task has: nothing is left to the collector


async def test_the_room_ends_with_its_socket(room: Room) -> None:
    room._writer.close()
    for _ in range(200):
        if not lives(room.pid):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it outlives the platform")


async def test_frames_of_a_challenge_are_looked_at_behind_the_closed_door() -> None:
    """A drawn face does not move: `still`, or another word of liveness; never a fault for what a library loads late."""
    room = await Room.start("face")
    key = room.ready.key
    done, picture = cv2.imencode(".jpg", portrait(3)[..., ::-1])
    assert done
    frames = tuple(frame(bytes(picture), key, at * 200) for at in range(14))
    answer = await room.ask(Compare(frames, 0.433, 3, challenge=True))
    await room.close()
    assert isinstance(answer, Compared)
    assert answer.band == "unsure"


@pytest.mark.parametrize("glare", [0, 60])
async def test_a_kiosks_room_reads_a_page_though_it_can_load_nothing_more(glare: float) -> None:
    room = await Room.start("kiosk")
    kiosk, lines = Tablet(), mrz.render(ERIKA)
    answer = await room.ask(ReadZone(sealed(page(lines, glare=glare), room.ready.key), kiosk.jwk, NOW))
    await room.close()
    assert isinstance(answer, Looked)
    seen = kiosk.open(answer.sealed)
    assert seen["why"] in {"", "unclear", "glare"}
    if not glare:
        assert tuple(seen["lines"]) == lines


class Guessing:
    """A reader of zones that is of two minds, in turn."""

    def __init__(self, *readings: Reading) -> None:
        self.readings = list(readings)

    def read(self, _image: bytes, _today: date) -> Reading:
        return self.readings.pop(0)


async def test_pictures_of_one_page_are_put_together_in_the_room_and_at_most_three_numbers_leave_it() -> None:
    numbers = ("ACEFGJ347", "ACEF6J347", "GCEFGJ347", "6CEFGJ347")
    zones = [mrz.render(msgspec.structs.replace(ERIKA, number=each)) for each in numbers]
    found = tuple(Candidate(each, (0.0,) * 9) for each in zones)
    open_ = Reading(mrz=ERIKA, lines=zones[0], candidates=found, why="unclear")
    none = Reading(mrz=None, why="glare")
    sure = Reading(mrz=ERIKA, lines=zones[1], candidates=(found[1],))
    key, kiosk, earlier = ECKey.generate_key("P-256"), Tablet(), list[Reading]()
    reader: Any = Guessing(open_, none, sure, open_, open_, open_)
    message = ReadZone(sealed(b"a picture", key.as_dict(private=False)), kiosk.jwk, NOW)
    seen = [kiosk.open(read_zone(message, key, reader, earlier)) for _ in range(3)]
    assert seen[0] == {"lines": list(zones[0]), "why": "unclear", "others": [list(each) for each in zones[1:3]]}
    assert seen[1] == {"lines": [], "why": "glare", "others": []}
    assert seen[2] == {"lines": list(zones[1]), "why": "", "others": []}
    for _ in range(3):
        read_zone(message, key, reader, earlier)
    assert len(earlier) == PICTURES
