"""What the law is made of, once read: texts, facts, groups, rules, cases — and the words of a refusal.

Plain frozen values without behaviour beyond their own meaning; `law_check.py` makes them, `law.py` and `guard.py` use them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from egide.kernel.errors import Text
from egide.kernel.packs import Value

Day = date | datetime | str


def legal_day(when: Day, zone: ZoneInfo) -> date:
    """The day in the jurisdiction's time zone; an ISO string or a date is taken as that day."""
    if isinstance(when, datetime):
        return when.astimezone(zone).date()
    return date.fromisoformat(when[:10]) if isinstance(when, str) else when


@dataclass(frozen=True, slots=True)
class LawText:
    """A legal text as read on a given date."""

    id: str
    title: Text
    reference: str
    authority: Text
    valid_from: date
    valid_to: date | None
    version: str
    zone: ZoneInfo

    def in_force(self, when: Day) -> bool:
        """Whether the text applies on that day (an ISO date, a date, or an aware datetime)."""
        day = legal_day(when, self.zone)
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


@dataclass(frozen=True, slots=True)
class Fact:
    """A typed fact that rules ask about. `lawful` is its value in the lawful baseline of the cases."""

    name: str
    type: str
    provider: str
    doc: Text
    lawful: Value
    values: tuple[str, ...]
    prohibiting: bool
    text: str

    def accepts(self, value: object) -> bool:
        """Whether `value` has exactly the declared type (True is not 1) and, for a band, is one of its values."""
        if self.type == "Bool":
            return type(value) is bool
        if self.type == "Long":
            return type(value) is int and -(2**63) <= value < 2**63
        return type(value) is str and value in self.values


@dataclass(frozen=True, slots=True)
class Group:
    """A kind of act, and the facts its acts must bring."""

    name: str
    doc: Text
    facts: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Obligation:
    """What an allowed act must still do, such as `seal` with detail `deploy_end P7D`; `rule` says who asks for it."""

    kind: str
    detail: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Reason:
    """One broken article, in words for the person refused."""

    rule: str
    text: str
    text_title: Text
    article: str
    fr: str
    en: str
    remedy_fr: str
    remedy_en: str
    ask: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One stanza of `rules.cedar`: a prohibition, or a permit that only carries obligations."""

    id: str
    text: str
    effect: str
    groups: tuple[str, ...]
    facts: tuple[str, ...]
    article: str
    fr: str
    en: str
    remedy_fr: str
    remedy_en: str
    ask: str
    evidence: str
    oblige: str
    cedar: str
    file: str
    line: int
    valid_from: date
    valid_to: date | None
    replaced_by: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """One allow, refuse or oblige case of a rule."""

    rule: str
    name: str
    groups: tuple[str, ...]
    facts: Mapping[str, Value]
    expect: str
    file: str
