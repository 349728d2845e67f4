"""The law in force, as data: texts, facts, groups, rules, dated parameters and the cases that prove each rule.

`LawBook.load` reads the packs of a jurisdiction at a moment and refuses to start on anything doubtful, because a misspelt fact
in a prohibition is a prohibition that never applies. The book decides nothing: `guard.py` hands the rules to Cedar.

Time: a text or rule is valid for whole legal days of the jurisdiction's time zone, first and last included. A rule whose days
are over and that nothing in force replaces **stays in force**: closed by default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from egide.kernel.duration import add_duration, is_duration
from egide.kernel.errors import NotFound, Text
from egide.kernel.law_check import PARAMETER, Binder
from egide.kernel.law_model import Case, Day, Fact, Group, LawText, Obligation, Reason, Rule, legal_day
from egide.kernel.packs import DatedValueFile

PACKS = Path(__file__).resolve().parent.parent / "law"

__all__ = [
    "PACKS",
    "Case",
    "Day",
    "Fact",
    "Group",
    "LawBook",
    "LawText",
    "Obligation",
    "Reason",
    "Rule",
    "add_duration",
    "legal_day",
]


@dataclass(frozen=True, slots=True)
class LawBook:
    """The law of a jurisdiction at a moment. `rules` are those in force then, `all_rules` every one that was read."""

    jurisdiction: str
    at: datetime
    zone: ZoneInfo
    texts: Mapping[str, LawText]
    facts: Mapping[str, Fact]
    groups: Mapping[str, Group]
    rules: Mapping[str, Rule]
    all_rules: Mapping[str, Rule]
    parameters: Mapping[str, tuple[DatedValueFile, ...]]
    aliases: Mapping[str, tuple[str, date]]
    cases: tuple[Case, ...]
    hash: str

    @staticmethod
    def load(root: Path, jurisdiction: str, at: datetime) -> LawBook:
        """Reads and checks the packs under `root` for `jurisdiction` as they stand at `at` (aware).

        Raises `StartupError` with file, line and suggestion for whatever is misspelt, missing, doubled or unproved.
        """
        bound = Binder(root, jurisdiction, at)
        bound.bind()
        return LawBook(
            jurisdiction=jurisdiction,
            at=at,
            zone=bound.zone,
            texts=bound.texts,
            facts=bound.facts,
            groups=bound.groups,
            rules=bound.in_force,
            all_rules=bound.rules,
            parameters=bound.parameters,
            aliases=bound.aliases,
            cases=tuple(bound.cases),
            hash=bound.hash,
        )

    def parameter(self, name: str, at: datetime | None = None) -> Any:
        """The value of `<text>.<parameter>` ("csi-l242.order_max") at a moment; raises `NotFound`."""
        return self.dated(name, at).value

    def duration(self, name: str, at: datetime | None = None) -> str:
        """A parameter that is an ISO 8601 duration; raises `NotFound` when it is absent or something else."""
        value = self.parameter(name, at)
        if not isinstance(value, str) or not is_duration(value):
            raise NotFound(Text(f"{name} n’est pas une durée", f"{name} is not a duration"))
        return value

    def count(self, name: str, at: datetime | None = None) -> int:
        """A parameter that is a whole number; raises `NotFound` when it is absent or something else."""
        value = self.parameter(name, at)
        if not isinstance(value, int) or isinstance(value, bool):
            raise NotFound(Text(f"{name} n’est pas un nombre", f"{name} is not a number"))
        return value

    def dated(self, name: str, at: datetime | None = None) -> DatedValueFile:
        """Value, source and evidence of a parameter at a moment; raises `NotFound`."""
        day = legal_day(at or self.at, self.zone)
        best: DatedValueFile | None = None
        for value in self.parameters.get(name, ()):
            start = value.valid_from or date.min
            applies = start <= day and (value.valid_to is None or day <= value.valid_to)
            if applies and (best is None or start >= (best.valid_from or date.min)):
                best = value
        if best is None:
            raise NotFound(Text(f"Paramètre légal inconnu : {name}", f"Unknown legal parameter: {name}"))
        return best

    def article(self, alias: str, at: datetime | None = None) -> str:
        """How an article is cited at a moment: ("fr/lil 26") → "31". An article without a new number comes back as it is."""
        text, _, number = alias.partition(" ")
        new, since = self.aliases.get(alias, (number, date.min))
        if text not in self.texts:
            return alias
        return new if legal_day(at or self.at, self.zone) >= since else number

    def in_words(self, text: str, articles: str) -> Text:
        """A legal basis as people read it: ("fr/cpp", "15-3, 40") → “Code de procédure pénale, articles 15-3, 40”.

        Articles as numbered today. A text that the packs do not have is told by its id.
        """
        title = self.texts[text].title if text in self.texts else Text(text, text)
        numbers = [self.article(f"{text} {one}") if text in self.texts else one for one in articles.split(", ")]
        word = "articles" if len(numbers) > 1 else "article"
        return Text(*(f"{one}, {word} {', '.join(numbers)}" for one in (title.fr, title.en)))

    def cite(self, rule_id: str) -> Reason:
        """The words of a rule, with its article as numbered today; raises `NotFound`."""
        rule = self.all_rules.get(rule_id)
        if rule is None:
            raise NotFound(Text(f"Règle inconnue : {rule_id}", f"Unknown rule: {rule_id}"))
        return Reason(
            rule=rule.id,
            text=rule.text,
            text_title=self.texts[rule.text].title,
            article=" ; ".join(self.article(f"{rule.text} {part}") for part in rule.article.split(" ; ")),
            fr=rule.fr,
            en=rule.en,
            remedy_fr=rule.remedy_fr,
            remedy_en=rule.remedy_en,
            ask=rule.ask,
        )

    def obligations(self, rule_id: str) -> tuple[Obligation, ...]:
        """The obligations a carrier permit holds, with `{parameter}` replaced by its value at the book's moment."""
        rule = self.all_rules[rule_id]
        found = []
        for part in filter(None, (piece.strip() for piece in rule.oblige.split(";"))):
            kind, _, detail = part.partition(":")
            found.append(
                Obligation(kind.strip(), PARAMETER.sub(lambda m: str(self.parameter(m[1])), detail.strip()), rule.id)
            )
        return tuple(found)

    def next_change(self) -> datetime | None:
        """When the rules or texts in force may next differ (UTC): the moment to load the book again. None: nothing is dated."""
        days: set[date] = set()
        spans = [(rule.valid_from, rule.valid_to) for rule in self.all_rules.values()]
        spans += [(text.valid_from, text.valid_to) for text in self.texts.values()]
        spans += [
            (value.valid_from or date.min, value.valid_to) for values in self.parameters.values() for value in values
        ]
        for start, end in spans:
            days |= {start} if start > date.min else set()
            days |= {end + timedelta(days=1)} if end is not None else set()
        moments = (datetime.combine(day, time.min, self.zone).astimezone(UTC) for day in sorted(days))
        return next((moment for moment in moments if moment > self.at), None)
