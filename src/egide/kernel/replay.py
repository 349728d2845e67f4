"""Replay: what other law would have said of acts already decided, from the facts that were sealed with each.

Pure: records in, verdicts out, one by one; no store, no clock. A verdict is only given where it is certain. Where the other law
asks for a fact that was not gathered, every value it may have is tried: if all answer alike, that is the answer; else the
verdict is "cannot say: fact not gathered". A fact whose form has changed (a type, a band) counts as not gathered.

Records are decided as if the other law had been in force at the time of each act.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Literal

from egide.kernel.act import Fact
from egide.kernel.guard import Decision, Guard
from egide.kernel.law_model import Obligation, Reason

Kind = Literal[
    "still_allowed",
    "still_refused",
    "now_refused",
    "now_allowed",
    "other_obligations",
    "not_gathered",
    "erased",
    "unreadable",
    "no_such_act",
]
CHANGED: tuple[Kind, ...] = ("now_refused", "now_allowed", "other_obligations")
UNTOLD: tuple[Kind, ...] = ("not_gathered", "erased", "unreadable", "no_such_act")
MAX_TRIED = 64  # values of missing facts that are tried together
MEMO_ENTRIES = 8192  # acts with the same facts are judged once
STEP = 1000  # records between two words of progress


@dataclass(frozen=True, slots=True)
class Record:
    """A decided act as the ledger keeps it. `facts` is None when they cannot be had; `lost` says why."""

    index: int
    at: int  # µs since 1970 UTC
    act: str
    allowed: bool
    actor: str  # the subject id of the leaf, never a person id
    facts: Mapping[str, Fact] | None
    lost: Literal["erased", "unreadable"] = "erased"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What other law says of an act under its facts. `allowed` None: it depends on the facts in `missing`."""

    allowed: bool | None
    reasons: tuple[Reason, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one record. `more` and `less`: obligations that the other law adds or no longer asks for."""

    record: Record
    kind: Kind
    reasons: tuple[Reason, ...] = ()
    more: tuple[Obligation, ...] = ()
    less: tuple[Obligation, ...] = ()
    missing: tuple[str, ...] = ()


_Answer = tuple[Kind, Judgement, tuple[Obligation, ...], tuple[Obligation, ...]]


class Replay:
    """Judges records under `other`; obligations are compared with those of `present`, the law in force."""

    def __init__(self, other: Guard, present: Guard) -> None:
        self._other = other
        self._present = present
        self._memo: dict[tuple[str, bool, bytes], _Answer] = {}

    def run(self, records: Iterable[Record], progress: Callable[[int], None] | None = None) -> Iterator[Verdict]:
        """One verdict a record, in order; `progress` hears how many were judged, now and then. Never raises of facts."""
        count = 0
        for count, record in enumerate(records, 1):
            yield self.judge(record)
            if progress is not None and count % STEP == 0:
                progress(count)
        if progress is not None:
            progress(count)

    def judge(self, record: Record) -> Verdict:
        """The verdict on one record."""
        if record.act not in self._other.acts:
            return Verdict(record, "no_such_act")
        if record.facts is None:
            return Verdict(record, record.lost)
        try:
            # Version 0 writes True and 1 differently, and equal values equally.
            key = (record.act, record.allowed, marshal.dumps(tuple(record.facts.items()), 0))
        except ValueError:  # not facts at all
            return Verdict(record, "unreadable")
        answer = self._memo.get(key)
        if answer is None:
            if len(self._memo) >= MEMO_ENTRIES:
                self._memo.clear()
            answer = self._memo[key] = self._answer(record, record.facts)
        kind, judged, more, less = answer
        return Verdict(record, kind, judged.reasons if kind == "now_refused" else (), more, less, judged.missing)

    def _answer(self, record: Record, facts: Mapping[str, Fact]) -> _Answer:
        judged = judge(self._other, record.act, facts)
        if judged.allowed is None:
            return "not_gathered", judged, (), ()
        if not judged.allowed:
            return ("now_refused" if record.allowed else "still_refused"), judged, (), ()
        if not record.allowed:
            return "now_allowed", judged, (), ()
        before = judge(self._present, record.act, facts) if record.act in self._present.acts else Judgement(None)
        if not before.allowed:
            return "still_allowed", judged, (), ()
        more, less = _unlike(judged.obligations, before.obligations), _unlike(before.obligations, judged.obligations)
        return ("other_obligations" if more or less else "still_allowed"), judged, more, less


def judge(guard: Guard, act: str, facts: Mapping[str, Fact]) -> Judgement:
    """What `guard` says of `act`, from facts gathered for other law: surplus ones are left out, missing ones are tried."""
    known = guard.book.facts
    kept = {
        name: facts[name] for name in guard.required_facts(act) if name in facts and known[name].accepts(facts[name])
    }
    missing = [name for name in guard.required_facts(act) if name not in kept]
    if not missing:
        decision = guard.decide(act, kept)
        return Judgement(decision.allowed, decision.reasons, decision.obligations)
    asked = {fact for rule in guard.rules_of(act) for fact in rule.facts}
    kept |= {name: known[name].lawful for name in missing if name not in asked}  # no rule reads it: any value will do
    tried = [name for name in missing if name in asked]
    ranges: list[tuple[Fact, ...]] = [
        (False, True) if known[name].type == "Bool" else known[name].values for name in tried
    ]
    size = 1
    for values in ranges:
        size *= len(values)  # 0 for a number: not every value can be tried
    if not 0 < size <= MAX_TRIED:
        return Judgement(None, missing=tuple(tried))
    decisions = [guard.decide(act, kept | dict(zip(tried, values, strict=True))) for values in product(*ranges)]
    return _agreed(decisions, tuple(tried))


def _agreed(decisions: list[Decision], tried: tuple[str, ...]) -> Judgement:
    """What all say alike; None where they differ."""
    first = decisions[0]
    if any(decision.allowed != first.allowed for decision in decisions):
        return Judgement(None, missing=tried)
    if first.allowed:
        if any(decision.obligations != first.obligations for decision in decisions):
            return Judgement(None, missing=tried)
        return Judgement(True, obligations=first.obligations)
    everywhere = [reason for reason in first.reasons if all(reason in decision.reasons for decision in decisions)]
    return Judgement(False, tuple(everywhere) or first.reasons)


def _unlike(ones: tuple[Obligation, ...], others: tuple[Obligation, ...]) -> tuple[Obligation, ...]:
    """Those of `ones` that `others` do not ask in the same words; which rule asks does not matter."""
    there = {(other.kind, other.detail) for other in others}
    return tuple(one for one in ones if (one.kind, one.detail) not in there)
