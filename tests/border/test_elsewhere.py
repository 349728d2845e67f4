"""Officers see who waits whichever process their tablet speaks to; what only another machine has is refused in plain words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from egide.border import elsewhere, holding, realm
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
    await second.until(lambda: bool(tablet.pushed), 5)
    assert tablet.pushed == [{"push": "border.cases", "realm": "facilitation"}], "a nudge, and nothing of the case"
    assert await waiting(second) == await waiting(first) == [(control, "camera")]
    assert (await second.act("officer", "border.police.officer.list"))["cases"] == [], "the realms do not meet"
    decision = {"case": control, "word": "to-the-desk", "reason": "asked-for-a-person"}
    await first.act("officer", "border.officer.decide", **decision)
    await second.until(lambda: len(tablet.pushed) == 2, 5)
    assert await waiting(second) == []


async def test_a_process_that_is_heard_no_more_has_no_cases(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = two
    control = (await first.opened("security"))["control"]
    await first.act("officer", "border.control.reject", control=control, officer=True)
    going = holding.holding(second.kernel)
    await second.until(lambda: bool(going.waiting(realm.FACILITATION)), 5)
    monkeypatch.setattr(elsewhere, "LOST_S", 0.0)
    assert going.waiting(realm.FACILITATION) == []


async def test_what_only_another_machine_has_is_refused_at_once_in_plain_words(two: Two) -> None:
    """Where nothing can be passed on: these two have no way to one another but what they tell all."""
    first, second = two
    control = (await first.opened("security"))["control"]
    assert control.startswith(f"{first.kernel.process}-")
    with pytest.raises(NotFound, match="another machine has it"):
        await second.act("officer", "border.control.reject", control=control, officer=False)
    await first.act("officer", "border.control.reject", control=control, officer=False)
