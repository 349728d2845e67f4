"""What must hold in every context, not only in the cases: nothing forgotten opens a door, and some doors never open."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("EGIDE_FUZZ", "500"))
FUZZ = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NEVER = {
    "AIA-5-1-h": "live_remote_identification",
    "CSI-242-4-b": "audio_track",
    "CSI-242-4-c": "face_recognition",
    "CSI-242-4-d": "interconnection",
}


@st.composite
def contexts(draw, judge, groups=None):
    """An act's groups and a well-formed context, mostly lawful, so that single and many breaches both occur."""
    groups = draw(st.sampled_from(sorted(judge.names))) if groups is None else groups
    facts = judge.facts(groups)
    for name in draw(st.lists(st.sampled_from(sorted(facts)), max_size=8, unique=True)) if facts else ():
        fact = judge.book.facts[name]
        facts[name] = draw(st.sampled_from(fact.values)) if fact.values else draw(st.booleans())
    return groups, facts


@FUZZ
@given(data=st.data())
def test_removing_a_fact_never_allows(data, judge):
    groups, facts = data.draw(contexts(judge))
    for name in facts:
        left = {other: value for other, value in facts.items() if other != name}
        decision = judge.decide(groups, left)
        assert not decision.allowed
        assert [reason.rule for reason in decision.reasons] == ["FACTS-MISSING"]
        assert name in decision.reasons[0].fr
        assert name in decision.reasons[0].en


@FUZZ
@given(data=st.data())
def test_removing_prohibiting_facts_never_turns_a_refusal_into_a_permission(data, judge):
    groups, facts = data.draw(contexts(judge))
    prohibiting = [name for name in facts if judge.book.facts[name].prohibiting]
    gone = data.draw(st.sets(st.sampled_from(prohibiting))) if prohibiting else set()
    if not judge.decide(groups, facts).allowed:
        left = {name: value for name, value in facts.items() if name not in gone}
        assert not judge.decide(groups, left).allowed


@FUZZ
@given(data=st.data())
def test_a_prohibiting_fact_that_becomes_true_never_lifts_a_reason(data, judge):
    groups, facts = data.draw(contexts(judge))
    before = {reason.rule for reason in judge.decide(groups, facts).reasons}
    for name in facts:
        if judge.book.facts[name].prohibiting and facts[name] is False:
            after = {reason.rule for reason in judge.decide(groups, facts | {name: True}).reasons}
            assert before <= after


@pytest.mark.parametrize(("rule", "fact"), NEVER.items())
@settings(FUZZ, max_examples=max(20, EXAMPLES // 4))
@given(data=st.data())
def test_no_context_ever_allows(rule, fact, data, judge):
    scope = judge.book.rules[rule].groups
    where = [groups for groups in sorted(judge.names) if not set(scope).isdisjoint(groups)]
    groups, facts = data.draw(contexts(judge, data.draw(st.sampled_from(where))))
    decision = judge.decide(groups, facts | {fact: True})
    assert not decision.allowed
    assert rule in {reason.rule for reason in decision.reasons}


@FUZZ
@given(data=st.data())
def test_every_refusal_has_its_words(data, judge):
    groups, facts = data.draw(contexts(judge))
    decision = judge.decide(groups, facts)
    assert decision.allowed == (not decision.reasons)
    assert not (decision.reasons and decision.obligations)
    for reason in decision.reasons:
        assert all((reason.article, reason.fr, reason.en, reason.remedy_fr, reason.remedy_en, reason.text_title.fr))


@FUZZ
@given(data=st.data())
def test_a_wrong_type_refuses(data, judge):
    groups, facts = data.draw(
        contexts(judge, data.draw(st.sampled_from([g for g in sorted(judge.names) if len(g) > 1])))
    )
    name = data.draw(st.sampled_from(sorted(facts)))
    wrong = data.draw(st.sampled_from([0, 1, 1.0, None, "", "true", "True", b"", 2**70, ["given"], {"a": 1}]))
    decision = judge.guard.decide(judge.names[groups], facts | {name: wrong})
    assert not decision.allowed
    assert [reason.rule for reason in decision.reasons] == ["FACTS-MISSING"]
