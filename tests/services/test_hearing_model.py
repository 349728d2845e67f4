"""Where a hearing stands is read from its file’s chain: what counts since it was asked for, and whether it goes on in person."""

from __future__ import annotations

from types import SimpleNamespace

import msgspec
import pytest

from egide.services.hearing_model import (
    LAWFUL,
    HearingBody,
    InPerson,
    due_in_person,
    facts_of,
    since_asked,
    unanswered,
)
from egide.services.model import EventBody
from tests.services.hearings import service


def chain(*steps: tuple[str, str]) -> tuple[list[SimpleNamespace], list[bytes]]:
    """Events (step, the state after it) and their words."""
    events = [SimpleNamespace(step=step, state=state) for step, state in steps]
    return events, [msgspec.json.encode(EventBody(text=step)) for step, _ in steps]


def test_only_what_came_after_the_last_request_counts() -> None:
    events, bodies = chain(
        ("file", "asked"), ("propose", "proposed"), ("choose", "booked"), ("move", "asked"), ("propose", "proposed"), ("choose", "booked"),
    )  # fmt: skip
    found = since_asked(service(), events, bodies)
    assert [(step, body.text) for step, body in found] == [("propose", "propose"), ("choose", "choose")]
    assert since_asked(service(), events[:1], bodies[:1]) == []
    assert since_asked(service(), events, [*bodies[:-1], b""])[-1][1] == EventBody(), (
        "words changed where they lie are none"
    )


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ([], 0),
        (["correct"], 1),
        (["correct", "amend"], 0),
        (["amend", "correct"], 0),
        (["correct", "correct", "amend"], 1),
    ],
)
def test_each_correction_has_its_answer(steps: list[str], left: int) -> None:
    assert unanswered([(step, EventBody()) for step in steps]) == left


def test_a_hearing_in_person_is_due_by_the_answers_or_because_it_was_fixed() -> None:
    hearing, witness = service(), service("appointment")
    assert due_in_person(hearing, {"offence": "sexual"}, HearingBody())
    assert not due_in_person(hearing, {"offence": "theft"}, HearingBody())
    assert not due_in_person(witness, {"capacity": "witness"}, HearingBody())
    assert due_in_person(hearing, {}, HearingBody(in_person=InPerson("2026-12-01T10:00:00+00:00", "Ici")))


def test_of_a_file_that_is_not_ones_business_every_fact_is_lawful() -> None:
    for definition in (service(), service("appointment")):
        for step in definition.transitions:
            found = facts_of(None, None, step)  # type: ignore[arg-type]  # nothing is looked at
            assert found == {name: value for group in step.groups for name, value in LAWFUL[group].items()}
