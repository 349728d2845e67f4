"""What the tests of the law share: the book of France on a day when every rule is in force, and a judge for any groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import pytest

from egide.kernel.guard import ActLaw, Decision, Guard
from egide.kernel.law import PACKS, LawBook

ALL_IN_FORCE = datetime(2026, 12, 3, tzinfo=UTC)


class Judge:
    """A guard with one act for each combination of groups, and the lawful baseline of each."""

    def __init__(self, book: LawBook, combinations: Iterable[tuple[str, ...]]) -> None:
        self.book = book
        self.names = {groups: f"case.{number}" for number, groups in enumerate(dict.fromkeys(combinations))}
        self.guard = Guard(book, {name: ActLaw(name, groups) for groups, name in self.names.items()})

    def facts(self, groups: tuple[str, ...], **changed: bool | int | str) -> dict[str, bool | int | str]:
        names = self.guard.required_facts(self.names[groups])
        return {name: self.book.facts[name].lawful for name in names} | changed

    def decide(self, groups: tuple[str, ...], facts: Mapping[str, bool | int | str]) -> Decision:
        return self.guard.decide_cold(self.names[groups], facts)

    def rules(self, groups: tuple[str, ...], **changed: bool | int | str) -> list[str]:
        """The ids of the rules that refuse the baseline with these changes."""
        return [reason.rule for reason in self.decide(groups, self.facts(groups, **changed)).reasons]


@pytest.fixture(scope="session")
def book() -> LawBook:
    return LawBook.load(PACKS, "fr", ALL_IN_FORCE)


@pytest.fixture(scope="session")
def judge_of() -> type[Judge]:
    return Judge


@pytest.fixture(scope="session")
def judge(book: LawBook) -> Judge:
    return Judge(book, (case.groups for case in book.cases))
