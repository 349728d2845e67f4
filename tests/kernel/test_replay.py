"""Replay as a pure function: a verdict only where it is certain, never an exception of facts, the same law changes nothing."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.kernel.guard import ActLaw, Guard
from egide.kernel.law import PACKS, LawBook
from egide.kernel.law_overlay import other_law, packs_in
from egide.kernel.replay import Record, Replay, judge

CASES = int(os.environ.get("EGIDE_FUZZ", "100"))
NOW = datetime(2026, 12, 3, tzinfo=UTC)
PACK = "fr/csi-l242"
ACTS = {
    "watch": ActLaw("watch", ("personal-data", "led", "ai", "aerial-camera", "aerial-view", "consult-disclose")),
    "sign": ActLaw("sign", ("personal-data", "led", "ai", "aerial-order")),
}


def guard(**edits: tuple[str, str]) -> Guard:
    """Our law with `old → new` in the named files of one pack."""
    files = packs_in(PACKS / PACK)
    for name, (old, new) in edits.items():
        file = f"{PACK}/{name}.{'cedar' if name == 'rules' else 'toml'}"
        assert old in files[file], old
        files[file] = files[file].replace(old, new, 1)
    return Guard(other_law(files, PACKS, "fr", NOW), ACTS)


@pytest.fixture(scope="module")
def present() -> Guard:
    return Guard(LawBook.load(PACKS, "fr", NOW), ACTS)


def lawful(present: Guard, act: str, **changed: Any) -> dict[str, Any]:
    return {name: present.book.facts[name].lawful for name in present.required_facts(act)} | changed


def record(act: str, facts: dict[str, Any] | None, *, allowed: bool = True, index: int = 0) -> Record:
    return Record(index, 0, act, allowed, "subject", facts)


def test_each_kind(present: Guard) -> None:
    replay = Replay(guard(rules=('when { context.public_information == "none" };', 'when { context.public_information != "given" };'),
                          parameters=('"P7D"', '"P5D"')), present)  # fmt: skip
    urgent = {"public_information": "exempt-urgency", "aerial_purpose": "gathering"}

    def kind(act: str, facts: dict[str, Any] | None, *, allowed: bool = True) -> str:
        return replay.judge(record(act, facts, allowed=allowed)).kind

    assert kind("sign", lawful(present, "sign")) == "still_allowed"
    assert kind("sign", lawful(present, "sign", **urgent)) == "now_refused"
    assert kind("sign", lawful(present, "sign", **urgent), allowed=False) == "still_refused"
    assert kind("sign", lawful(present, "sign"), allowed=False) == "now_allowed"
    assert kind("watch", lawful(present, "watch")) == "other_obligations"
    assert kind("watch", None) == "erased"
    assert kind("gone", lawful(present, "sign")) == "no_such_act"
    facts = lawful(present, "sign")
    del facts["public_information"]
    found = replay.judge(record("sign", facts))
    assert (found.kind, found.missing) == ("not_gathered", ("public_information",))


def test_a_missing_fact_that_no_answer_hangs_on(present: Guard) -> None:
    facts = lawful(present, "watch", on_roster=False)
    del facts["audio_track"]
    found = judge(present, "watch", facts)
    assert found.allowed is False
    assert [reason.rule for reason in found.reasons] == ["CSI-242-2"]


@pytest.mark.parametrize("value", ["yes", 1, "given", 2**70])
def test_a_fact_of_another_form_is_not_gathered(present: Guard, value: Any) -> None:
    found = Replay(present, present).judge(record("watch", lawful(present, "watch", audio_track=value)))
    assert (found.kind, found.missing) == ("not_gathered", ("audio_track",))


def test_surplus_facts_are_left_out(present: Guard) -> None:
    assert judge(present, "sign", lawful(present, "sign", of_old=True)).allowed


def test_true_is_not_one_in_the_memo(present: Guard) -> None:
    replay = Replay(present, present)
    assert replay.judge(record("watch", lawful(present, "watch", on_roster=True))).kind == "still_allowed"
    assert replay.judge(record("watch", lawful(present, "watch", on_roster=1))).kind == "not_gathered"


def test_progress_counts_all(present: Guard) -> None:
    heard: list[int] = []
    facts = lawful(present, "sign")
    verdicts = Replay(present, present).run((record("sign", facts, index=n) for n in range(2500)), heard.append)
    assert [verdict.record.index for verdict in verdicts] == list(range(2500))
    assert heard == [1000, 2000, 2500]


@given(data=st.data())
@settings(max_examples=CASES, deadline=None)
def test_the_same_law_changes_nothing(present: Guard, data: st.DataObject) -> None:
    act = data.draw(st.sampled_from(sorted(ACTS)))
    facts: dict[str, Any] = {}
    for name in present.required_facts(act):
        fact = present.book.facts[name]
        values = [False, True] if fact.type == "Bool" else list(fact.values)
        facts[name] = data.draw(st.sampled_from([fact.lawful, *values])) if values else data.draw(st.integers(0, 99))
    decided = present.decide(act, facts)
    found = Replay(present, present).judge(record(act, facts, allowed=decided.allowed))
    assert found.kind == ("still_allowed" if decided.allowed else "still_refused")


ANY = st.one_of(st.booleans(), st.integers(), st.text(max_size=8))


@given(data=st.data())
@settings(max_examples=CASES, deadline=None)
def test_no_facts_make_it_fail(present: Guard, data: st.DataObject) -> None:
    names = st.one_of(st.sampled_from(present.required_facts("watch")), st.text(max_size=8))
    facts = lawful(present, "watch") | data.draw(st.dictionaries(names, ANY, max_size=8))
    for name in data.draw(st.lists(names, max_size=4)):
        facts.pop(name, None)
    found = Replay(present, present).judge(record("watch", facts, allowed=data.draw(st.booleans())))
    assert (found.kind == "not_gathered") == bool(found.missing)
