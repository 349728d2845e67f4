"""A rule that begins while the platform runs counts from its midnight on, without a restart; one that cannot be read is said."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import pytest

from egide.app import build, health
from egide.kernel import law_clock
from egide.kernel.law import PACKS
from tests.plugins import works
from tests.world import World

pytestmark = pytest.mark.anyio
RULE, FACT = "AIA-5-nudif", "intimate_generation"  # a rule that says from when on it counts
FILE = Path("eu/ai-act/rules.cedar")


class Dated(World):
    """Its law has one rule that begins the day after tomorrow."""

    async def start(self) -> None:
        self.law = self.folder.parent / "law"
        shutil.copytree(PACKS, self.law)
        begins = self.clock.now().date() + timedelta(days=2)
        text = (self.law / FILE).read_text("utf-8")
        assert text.count('@valid_from("2026-12-02")') == 1, "a control"
        (self.law / FILE).write_text(text.replace('@valid_from("2026-12-02")', f'@valid_from("{begins}")'), "utf-8")
        self.kernel, self.application = build(self.settings, clock=self.clock, extra=self.extra, law=self.law)
        self.change = datetime.combine(begins, time.min, self.kernel.book.zone).astimezone(UTC)
        await self.kernel.start()

    def at(self, before: timedelta) -> None:
        """Moves the clock to so long before the change."""
        self.clock.shift(self.change - before - self.clock.now())

    def forbidden(self) -> bool:
        """Whether the law of now forbids what the rule is about."""
        guard = self.kernel.guard
        facts = {name: guard.book.facts[name].lawful for name in guard.required_facts("works.item.add")}
        assert guard.decide("works.item.add", facts).allowed, "a control"
        return not guard.decide("works.item.add", facts | {FACT: True}).allowed


@pytest.fixture
async def dated(tmp_path: Path) -> AsyncIterator[Dated]:
    world = Dated(tmp_path / "data", extra=(works.capability(),))
    await world.start()
    yield world
    await world.stop()


async def test_a_rule_counts_from_its_moment_on(dated: Dated) -> None:
    kernel = dated.kernel
    old = kernel.book
    assert old.next_change() == dated.change
    assert not dated.forbidden()
    dated.at(timedelta(minutes=1))
    await dated.until(lambda: kernel.law_clock._next is not None)
    assert kernel.book is old, "read, and not yet in force"
    assert not dated.forbidden()
    await dated.act("officer", "works.item.add", word="before")
    dated.at(timedelta())
    await dated.until(lambda: kernel.book is not old)
    assert RULE in kernel.book.rules
    assert dated.forbidden()
    assert kernel.book.hash != old.hash, "the ledger's entries tell one law from the other"
    assert kernel.guard.book is kernel.book
    await dated.act("officer", "works.item.add", word="after")
    assert kernel.book.next_change() is None


async def test_a_machine_that_slept_over_it_has_the_law_of_today(dated: Dated) -> None:
    dated.at(timedelta(days=-40))
    await dated.until(lambda: RULE in dated.kernel.book.rules)
    assert dated.kernel.book.at > dated.change + timedelta(days=39)
    assert dated.forbidden()


async def test_a_law_that_cannot_be_read_is_said_until_it_can(dated: Dated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(law_clock, "RETRY_S", 0.05)
    kernel, whole = dated.kernel, (dated.law / FILE).read_text("utf-8")
    (dated.law / FILE).write_text(whole + "\nforbid (", "utf-8")
    dated.at(timedelta(minutes=1))
    await dated.until(lambda: kernel.law_clock.trouble is not None)
    (part,) = [part for part in health(kernel)["parts"] if part["id"] == "law"]
    assert not part["ok"]
    assert "rules.cedar" in part["detail"]
    await dated.act("officer", "works.item.add", word="meanwhile")
    (dated.law / FILE).write_text(whole, "utf-8")
    await dated.until(lambda: kernel.law_clock.trouble is None)
    dated.at(timedelta())
    await dated.until(lambda: RULE in kernel.book.rules)
    assert all(part["ok"] for part in health(kernel)["parts"] if part["id"] == "law")
