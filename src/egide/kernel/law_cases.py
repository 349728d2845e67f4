"""Runs the cases of a law book: what each rule says it allows, refuses or obliges must be what the guard answers.

The packs' own tests do this for our law at every commit; here it is for a pack that somebody is writing (`egide law check`).
"""

from __future__ import annotations

from egide.kernel.guard import ActLaw, Guard
from egide.kernel.law import Case, LawBook


def wrong_cases(book: LawBook) -> list[tuple[Case, tuple[str, ...]]]:
    """Cases that do not answer as written, each with the rules that refused (or obliged) it. Raises `StartupError`.

    Cases of rules not yet in force are left out: nothing applies them today.
    """
    names = {
        groups: f"case.{number}" for number, groups in enumerate(dict.fromkeys(case.groups for case in book.cases))
    }
    guard = Guard(book, {name: ActLaw(name, groups) for groups, name in names.items()})
    found = []
    for case in book.cases:
        if case.rule not in book.rules:
            continue
        name = names[case.groups]
        facts = {fact: book.facts[fact].lawful for fact in guard.required_facts(name)}
        decision = guard.decide(name, facts | dict(case.facts))
        refused = tuple(reason.rule for reason in decision.reasons)
        obliged = tuple(duty.rule for duty in decision.obligations)
        right = {
            "allow": decision.allowed,
            "refuse": case.rule in refused,
            "oblige": decision.allowed and case.rule in obliged,
        }[case.expect]
        if not right:
            found.append((case, refused or obliged))
    return found
