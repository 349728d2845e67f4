"""If any rule vanished or turned round, a case would notice. Done in memory for every rule."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from egide.kernel.law import PACKS, LawBook

BOOK = LawBook.load(PACKS, "fr", datetime(2026, 12, 3, tzinfo=UTC))  # every rule is in force that day
# Two texts say it: the statute lists the services, the Conseil constitutionnel excludes this one by name.
SAID_TWICE = {"CC-2021-834-municipal"}
FORBIDS = [rule.id for rule in BOOK.rules.values() if rule.effect == "forbid"]
CARRIERS = [rule.id for rule in BOOK.rules.values() if rule.effect == "permit"]
KEYWORD = re.compile(r"resource\)\s*(when|unless)\b")


def without(*rules: str) -> LawBook:
    return replace(BOOK, rules={name: rule for name, rule in BOOK.rules.items() if name not in rules})


def cases(rule: str, expect: str):
    return [case for case in BOOK.cases if case.rule == rule and case.expect == expect]


@pytest.mark.parametrize("rule", FORBIDS)
def test_without_the_rule_a_refusal_becomes_a_permission(rule, judge_of):
    refusals = cases(rule, "refuse")
    judge = judge_of(without(rule), [case.groups for case in refusals])
    left = [judge.rules(case.groups, **case.facts) for case in refusals]
    assert not any(rule in reasons for reasons in left)
    assert [] in left or rule in SAID_TWICE, f"{rule} is never the only reason: {left}"


@pytest.mark.parametrize("rule", CARRIERS)
def test_without_the_carrier_the_obligation_is_gone(rule, judge_of):
    owing = cases(rule, "oblige")
    judge = judge_of(without(rule), [case.groups for case in owing])
    for case in owing:
        decision = judge.decide(case.groups, judge.facts(case.groups, **case.facts))
        assert decision.allowed
        assert rule not in {duty.rule for duty in decision.obligations}


@pytest.mark.parametrize("rule", FORBIDS)
def test_turned_round_the_rule_refuses_what_is_lawful(rule, judge_of):
    kept = BOOK.rules[rule]
    keyword = KEYWORD.search(kept.cedar)
    assert keyword is not None
    other = {"when": "unless", "unless": "when"}[keyword[1]]
    turned = kept.cedar[: keyword.start(1)] + other + kept.cedar[keyword.end(1) :]
    lawful = cases(rule, "allow")
    judge = judge_of(replace(BOOK, rules={rule: replace(kept, cedar=turned)}), [case.groups for case in lawful])
    assert any(judge.rules(case.groups, **case.facts) == [rule] for case in lawful)
