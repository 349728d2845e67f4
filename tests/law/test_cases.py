"""Every case of every pack, each a test of its own: what the law allows is allowed, what it forbids is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from egide.kernel.law import PACKS, Case, LawBook

BOOK = LawBook.load(PACKS, "fr", datetime(2026, 12, 3, tzinfo=UTC))  # every rule is in force that day
WORDS = 25  # a sentence an officer reads at a glance


@pytest.mark.parametrize("case", BOOK.cases, ids=lambda case: f"{case.rule}: {case.name}")
def test_case(case: Case, judge):
    decision = judge.decide(case.groups, judge.facts(case.groups, **case.facts))
    named = [reason.rule for reason in decision.reasons]
    if case.expect == "allow":
        assert decision.allowed, named
    elif case.expect == "oblige":
        assert decision.allowed, named
        assert case.rule in {duty.rule for duty in decision.obligations}
    else:
        assert not decision.allowed
        assert case.rule in named


def test_baseline_of_every_combination_is_lawful_or_says_why(judge):
    """A refused baseline would make the deny cases of its groups prove nothing."""
    for groups in judge.names:
        named = judge.rules(groups)
        # Without a regime, with two, or with police under the civil-security text, the baseline itself is the deny case.
        assert set(named) <= {"GDPR-2", "CSI-242-6-service"}, groups


def test_every_rule_is_in_force_that_day_and_every_fact_is_asked():
    assert BOOK.rules.keys() == BOOK.all_rules.keys()
    asked = {fact for rule in BOOK.rules.values() for fact in rule.facts}
    assert asked == set(BOOK.facts), "a fact that no rule asks must not be gathered"
    brought = {fact for group in BOOK.groups.values() for fact in group.facts}
    assert brought == set(BOOK.facts)


@pytest.mark.parametrize("rule", BOOK.rules.values(), ids=lambda rule: rule.id)
def test_words_are_for_people(rule):
    for sentence in filter(None, (rule.fr, rule.en, rule.remedy_fr, rule.remedy_en)):
        assert len(sentence.split()) <= WORDS, sentence
        assert sentence.endswith("."), sentence
        assert sentence[0].isupper(), sentence
        assert "'" not in sentence, f"typographic apostrophe: {sentence}"
    assert rule.fr != rule.en


@pytest.mark.parametrize("fact", BOOK.facts.values(), ids=lambda fact: fact.name)
def test_facts_say_what_they_mean_in_both_languages(fact):
    assert fact.doc.fr.endswith(".")
    assert fact.doc.en.endswith(".")
    assert fact.doc.fr != fact.doc.en


def test_a_source_refused_for_three_articles_names_all_three(judge):
    groups = ("personal-data", "led", "ai", "aerial-camera", "aerial-view", "consult-disclose")
    refused = judge.decide(groups, judge.facts(groups, audio_track=True, on_roster=False, order_in_force=False))
    assert [reason.rule for reason in refused.reasons] == ["CSI-242-2", "CSI-242-4-b", "CSI-242-5-IV"]
    assert [reason.article for reason in refused.reasons] == ["L242-2", "L242-4, al. 2", "L242-5, IV"]
    assert [reason.ask for reason in refused.reasons] == ["administrator", "nobody", "prefect"]
    assert {reason.text for reason in refused.reasons} == {"fr/csi-l242"}


def test_a_live_camera_owes_its_seal_and_its_register(judge):
    groups = ("personal-data", "led", "ai", "aerial-camera")
    owed = {(duty.kind, duty.detail) for duty in judge.decide(groups, judge.facts(groups)).obligations}
    assert owed == {
        ("seal", "deploy_end P7D"),
        ("erase", "deploy_end P7D"),
        ("erase-homes", "deploy_end PT48H"),
        ("register", "prefect P1W"),
        ("keep-log", "act P3Y"),
    }
