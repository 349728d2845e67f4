"""Officers see who waits whichever process their tablet speaks to; what only another machine has is refused in plain words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from egide.border import elsewhere, holding, realm, statuses
from egide.kernel import tables
from egide.kernel.errors import NotFound
from tests.border.airport import Airport
from tests.world import Terminal

pytestmark = pytest.mark.anyio
Two = tuple[Airport, Airport]


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    """Two processes' worth of platform on one store and one data folder."""
    first, second = Airport(tmp_path / "data"), Airport(tmp_path / "data")
    await first.start()
    await second.start()
    yield first, second
    await second.stop()
    await first.stop()


async def waiting(airport: Airport) -> list[tuple[str, str]]:
    found = (await airport.act("officer", "border.officer.list"))["cases"]
    return [(each["case"], each["why"]) for each in found]


async def test_a_case_is_on_the_list_of_every_process_until_it_is_decided(two: Two) -> None:
    first, second = two
    tablet = Terminal(second.person("officer"))
    await second.act("officer", "border.officer.list", tablet)
    control = (await first.opened("security"))["control"]
    await first.act("officer", "border.control.reject", control=control, officer=True, why="camera")
    await second.until(lambda: bool(tablet.pushed))
    assert tablet.pushed == [{"push": "border.cases", "realm": "facilitation"}], "a nudge, and nothing of the case"
    assert await waiting(second) == await waiting(first) == [(control, "camera")]
    assert (await second.act("officer", "border.police.officer.list"))["cases"] == [], "the realms do not meet"
    decision = {"case": control, "word": "to-the-desk", "reason": "asked-for-a-person"}
    await first.act("officer", "border.officer.decide", **decision)
    await second.until(lambda: len(tablet.pushed) == 2)
    assert await waiting(second) == []


async def test_a_process_that_is_heard_no_more_has_no_cases(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = two
    control = (await first.opened("security"))["control"]
    await first.act("officer", "border.control.reject", control=control, officer=True)
    going = holding.holding(second.kernel)
    await second.until(lambda: bool(going.waiting(realm.FACILITATION)))
    monkeypatch.setattr(elsewhere, "LOST_S", 0.0)
    assert going.waiting(realm.FACILITATION) == []


@pytest.mark.parametrize("ends", ["border.consent.withdraw", "border.journey.close"])
async def test_a_consent_that_ends_at_one_process_ends_the_enrolments_of_every_other(two: Two, ends: str) -> None:
    """The room with the chip’s data in it is at the kiosk’s process; the wallet speaks to any."""
    first, second = two
    (ended, theirs), (_stays, others) = [await opened(first) for _ in range(2)]
    assert not theirs.room.closed
    await second.ask(ends, consent=ended["id"], secret=ended["secret"])
    await first.until(lambda: theirs.room.closed)
    with pytest.raises(NotFound):
        await first.ask("border.enrol.join", enrolment=theirs.id)
    await first.ask("border.enrol.join", enrolment=others.id)
    assert not others.room.closed, "another’s consent is another’s"
    out = tables.outbox
    told = first.kernel.store.reader().execute(select(out.c.payload).where(out.c.name == statuses.REVOKED)).scalars()
    assert [bytes(each) for each in told] == [b"{}"], "who withdrew is told to nobody"


async def test_a_consent_that_its_time_ends_at_one_process_ends_its_enrolments_at_every_other(two: Two) -> None:
    """The retention clock is at one of them; the room is at the other, and so is a list that was signed before."""
    first, second = two
    for each in two:
        await each.kernel.things["keeper"].stop()
    ended = [(await opened(first))[1].room for _ in range(2)]
    for each in two:
        each.move(hours=29, seconds=1)  # five to the departure, a day after it
    _stays, others = await opened(first)
    before = (await first.ask("border.status.list"))["token"]
    assert await second.kernel.things["keeper"].tick() == 2
    await first.until(lambda: all(room.closed for room in ended))
    assert (await first.ask("border.status.list"))["token"] != before, "signed anew at once"
    await first.ask("border.enrol.join", enrolment=others.id)
    assert not others.room.closed, "another’s consent is another’s"


async def opened(airport: Airport) -> tuple[dict[str, str], holding.Held]:
    """A consent, and the enrolment that was opened with it."""
    consent = await airport.ask("border.consent.give", **airport.agreement())
    made = await airport.act("officer", "border.enrol.open", consent=consent["id"], secret=consent["secret"])
    return consent, holding.holding(airport.kernel).find(realm.FACILITATION, made["enrolment"])


async def test_what_only_another_machine_has_is_refused_at_once_in_plain_words(two: Two) -> None:
    """Where nothing can be passed on: these two have no way to one another but what they tell all."""
    first, second = two
    control = (await first.opened("security"))["control"]
    assert control.startswith(f"{first.kernel.process}-")
    with pytest.raises(NotFound, match="another machine has it"):
        await second.act("officer", "border.control.reject", control=control, officer=False)
    await first.act("officer", "border.control.reject", control=control, officer=False)
