"""A definition's schema is plain JSON Schema 2020-12, and says the same as the check that speaks to people."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator, meta

from egide.services.answers import check, read, relevant
from egide.services.definition import Definition, catalogue
from egide.services.schema import DIALECT, compiled, validator
from tests.services.forms import TODAY, answered, typed, value

FUZZ = int(os.environ.get("EGIDE_FUZZ", "60"))
SERVICES = catalogue().current()
each = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.id)


@each
def test_the_schema_is_valid_and_can_be_sent(service: Definition) -> None:
    schema = json.loads(json.dumps(compiled(service)))
    assert schema["$schema"] == DIALECT
    assert schema["$id"] == f"urn:egide:service:{service.id}:{service.version}"
    assert meta.is_valid(schema)
    assert set(schema["properties"]) == {field.id for field in service.fields}
    assert schema["additionalProperties"] is False


@settings(max_examples=FUZZ, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(service=st.sampled_from(SERVICES), data=st.data())
def test_right_answers_are_accepted_read_back_as_they_were_and_valid_as_json(
    service: Definition, data: st.DataObject
) -> None:
    answers = data.draw(answered(service))
    assert check(service, answers, TODAY) == {}
    assert validator(service).is_valid(json.loads(json.dumps(answers)))
    assert relevant(service, answers) == answers
    assert read(service.fields, typed(service, answers)) == answers


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@settings(max_examples=FUZZ, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(service=st.sampled_from(SERVICES), data=st.data())
def test_the_check_finds_something_exactly_where_the_schema_does(service: Definition, data: st.DataObject) -> None:
    answers: dict[str, Any] = data.draw(answered(service))
    field = data.draw(st.sampled_from(service.fields))
    if field.past:
        return  # that a day has come is not the schema's to know
    answers[field.id] = data.draw(JUNK | value(field))
    assert (check(service, answers, TODAY) == {}) == validator(service).is_valid(answers)


@each
def test_an_answer_more_than_is_asked_is_refused(service: Definition) -> None:
    assert "extra" in check(service, {"extra": "x"}, TODAY)
    assert not validator(service).is_valid({"extra": "x"})


def test_a_question_whose_condition_does_not_hold_may_not_be_answered() -> None:
    hearing = catalogue().find("hearing")
    assert hearing is not None
    right = {
        "going_on": "no",
        "offence": "violence",
        "author_known": "yes",
        "slot_date": "2026-12-01",
        "slot_part": "morning",
        "email": "a@b.fr",
    }
    assert validator(hearing).is_valid(right)
    assert not validator(hearing).is_valid(right | {"things": "Un vélo"})
    assert validator(hearing).is_valid(right | {"offence": "theft", "things": "Un vélo"})
    assert not validator(hearing).is_valid(right | {"help": ["captions", "interpreter"]})
    assert validator(hearing).is_valid(right | {"help": ["captions", "interpreter"], "language": "Dari"})


def test_each_version_has_one_validator() -> None:
    assert all(isinstance(validator(one), Draft202012Validator) for one in SERVICES)
    assert validator(SERVICES[0]) is validator(SERVICES[0])


def test_half_a_point_is_no_place() -> None:
    loss = catalogue().find("loss")
    assert loss is not None
    for half in ({"lat": 48.8}, {"lon": 2.3}):
        assert set(check(loss, {"facts_place": {"address": "Paris"} | half}, TODAY)) >= {"facts_place"}
    assert "facts_place" not in check(loss, {"facts_place": {"address": "Paris", "lat": 48.8, "lon": 2.3}}, TODAY)
