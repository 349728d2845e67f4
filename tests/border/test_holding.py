"""A room belongs to an act that is recorded and told: one that nobody could reach is never there, or ends at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from egide.border.holding import holding
from egide.border.room import parent
from egide.border.room.parent import Room
from egide.border.token import question
from egide.kernel import tables
from egide.kernel.errors import Conflict, EgideError, Refused, Text, TooMany, Unavailable
from egide.kernel.work import Work
from tests.border.airport import Airport

pytestmark = pytest.mark.anyio


@pytest.fixture
def taken(airport: Airport, monkeypatch: pytest.MonkeyPatch) -> list[Room]:
    """Every room that was taken."""
    found: list[Room] = []
    rooms = holding(airport.kernel).rooms
    take = rooms.take

    async def noted(kind: Any) -> Room:
        room = await take(kind)
        found.append(room)
        return room

    monkeypatch.setattr(rooms, "take", noted)
    return found


async def none_stays(airport: Airport, taken: list[Room]) -> None:
    await airport.until(lambda: all(room.closed for room in taken))
    assert not holding(airport.kernel)._held


def outcomes(airport: Airport, act: str) -> list[str]:
    entry = tables.entry
    found = airport.kernel.store.reader().execute(select(entry.c.outcome).where(entry.c.act == act)).scalars()
    return list(found)


def before_writing(
    airport: Airport, monkeypatch: pytest.MonkeyPatch, act: str, do: Callable[[], Awaitable[Any]]
) -> None:
    """Something else happens after this act was decided, before it is written: by then the law asks again."""
    submit, waiting = airport.kernel.writer.submit, set[asyncio.Task[None]]()

    def later(*works: Work) -> None:
        async def written() -> None:
            await do()
            works[0].epoch -= 1  # as where a right changed too
            submit(*works)

        if works[0].act.name == act:
            waiting.add(asyncio.create_task(written()))
        else:
            submit(*works)

    monkeypatch.setattr(airport.kernel.writer, "submit", later)


async def test_an_enrolment_that_the_law_refuses_as_it_is_written_has_no_room(
    airport: Airport, taken: list[Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    consent = await airport.ask("border.consent.give", **airport.agreement())
    held = {"consent": consent["id"], "secret": consent["secret"]}
    before_writing(airport, monkeypatch, "border.enrol.open", lambda: airport.ask("border.consent.withdraw", **held))
    with pytest.raises(Refused):
        await airport.act("officer", "border.enrol.open", **held)
    await none_stays(airport, taken)


async def test_a_control_that_the_law_refuses_as_it_is_written_has_no_room(
    airport: Airport, taken: list[Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    shut = partial(airport.lanes, "security", equal_open=False)
    before_writing(airport, monkeypatch, "border.control.open", shut)
    with pytest.raises(Refused):
        await airport.opened("security")
    await none_stays(airport, taken)


async def test_a_control_that_cannot_be_written_has_no_room(
    airport: Airport, taken: list[Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OSError("the disk is full")

    monkeypatch.setattr(airport.kernel.writer, "_transaction", away)
    with pytest.raises(Unavailable):
        await airport.opened("security")
    await none_stays(airport, taken)


async def test_a_control_whose_request_cannot_be_made_ends_at_once_and_the_ledger_says_that_it_failed(
    airport: Airport, taken: list[Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsigned(*_: Any) -> bytes:
        raise Unavailable(Text("La clé ne répond pas.", "The key does not answer."))

    monkeypatch.setattr(question, "ask", unsigned)
    with pytest.raises(Unavailable, match="does not answer"):
        await airport.opened("security")
    assert len(taken) == 1
    await none_stays(airport, taken)
    assert outcomes(airport, "border.control.open") == ["allowed", "failed"]


async def test_a_consent_that_ends_while_the_room_comes_leaves_none(
    airport: Airport, taken: list[Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event was told before there was an enrolment that it could have ended."""
    consent = await airport.ask("border.consent.give", **airport.agreement())
    held = {"consent": consent["id"], "secret": consent["secret"]}
    rooms = holding(airport.kernel).rooms
    take = rooms.take

    async def slow(kind: Any) -> Room:
        room = await take(kind)
        await airport.ask("border.consent.withdraw", **held)
        await asyncio.sleep(0.1)
        return room

    monkeypatch.setattr(rooms, "take", slow)
    with pytest.raises(EgideError) as told:
        await airport.act("officer", "border.enrol.open", **held)
    assert isinstance(told.value, Conflict | Refused), told.value
    assert len(taken) == 1
    await none_stays(airport, taken)


async def test_what_there_is_no_room_for_is_not_recorded(
    airport: Airport, taken: list[Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    consent = await airport.ask("border.consent.give", **airport.agreement())
    monkeypatch.setattr(parent, "MOST", 0)
    with pytest.raises(TooMany):
        await airport.opened("security")
    with pytest.raises(TooMany):
        await airport.act("officer", "border.enrol.open", consent=consent["id"], secret=consent["secret"])
    assert taken == []
    assert outcomes(airport, "border.control.open") + outcomes(airport, "border.enrol.open") == []
