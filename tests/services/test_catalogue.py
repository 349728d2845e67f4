"""The fifteen services: on every channel the law allows, in few questions, and with what the law wants in their states."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import pytest

from egide.kernel.identity import ROLES
from egide.services.answers import asked, holds
from egide.services.definition import CHANNELS, MAX_LONG, MAX_TEXT, Definition, Field, Transition, Way, catalogue

SERVICES = {one.id: one for one in catalogue().current()}
each = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)

# What is promised: modes, least identity from afar, without network in the field; None where the law has no such channel.
FORM, VISIT = ("form",), ("visit",)
PARITY: dict[
    str, tuple[tuple[tuple[str, ...], int] | None, tuple[str, ...] | None, tuple[tuple[str, ...], bool] | None]
] = {
    "theft": ((FORM, 2), FORM, (FORM, True)),
    "hearing": ((("video",), 2), FORM, (("form", "video"), False)),
    "online-fraud": ((FORM, 2), FORM, None),
    "card-fraud": ((FORM, 2), FORM, None),
    "illegal-content": ((FORM, 0), None, None),
    "violence-chat": ((("chat",), 0), FORM, (FORM, False)),
    "voting-proxy": ((("wallet",), 4), FORM, (VISIT, True)),
    "holiday-watch": ((FORM, 1), FORM, (VISIT, True)),
    "loss": ((FORM, 1), FORM, (FORM, True)),
    "statement": ((("form", "video"), 2), FORM, (FORM, True)),
    "follow-up": ((FORM, 1), FORM, (FORM, False)),
    "appointment": ((("video",), 3), FORM, (FORM, False)),
    "traffic-notice": ((("link",), 0), None, (FORM, True)),
    "field-report": (None, FORM, (FORM, True)),
    "verification": ((("link",), 0), FORM, (FORM, False)),
}
ACTIVITIES = {"complaints", "statements", "reports", "victim-chat", "resident-services", "field-acts"}
DURATION = re.compile(r"P(?=.)([0-9]+Y)?([0-9]+M)?([0-9]+D)?(T(?=.)([0-9]+H)?([0-9]+M)?)?")


# ---- parity ----------------------------------------------------------------------------------------------------------


def test_the_fifteen_services_are_there() -> None:
    assert set(SERVICES) == set(PARITY)
    assert len({one.code for one in SERVICES.values()}) == len(PARITY)


@each
@pytest.mark.parametrize("name", CHANNELS)
def test_each_channel_is_there_as_promised_or_an_article_says_why_not(service: Definition, name: Any) -> None:
    promised, channel, absence = (
        PARITY[service.id][CHANNELS.index(name)],
        service.channels.get(name),
        service.absence(name),
    )
    if promised is None:
        assert channel is None
        assert absence is not None
        assert re.search(r"[0-9]", absence.article)
        assert absence.say.fr.endswith(".")
        assert absence.say.en.endswith(".")
        return
    assert channel is not None
    assert absence is None
    match name:
        case "remote":
            assert (channel.modes, channel.identity, channel.offline) == (*promised, False)
        case "counter":
            assert (channel.modes, channel.identity, channel.offline) == (promised, 0, False)
        case _:
            assert (channel.modes, channel.offline) == promised


def test_whoever_cannot_use_the_internet_is_told_where_to_go() -> None:
    for service in SERVICES.values():
        if not set(service.channels) - {"remote"}:
            absence = service.absence("counter")
            assert absence is not None
            assert "Au commissariat ou à la brigade" in absence.say.fr


# ---- as few questions as the act needs, in words ---------------------------------------------------------------------


def test_a_theft_is_told_in_twelve_questions_and_five_pages() -> None:
    theft = SERVICES["theft"]
    assert len(theft.fields) <= 12
    assert len(theft.steps) + 1 <= 5


@each
def test_questions_are_few_short_and_bounded(service: Definition) -> None:
    assert len(service.fields) <= 16
    assert len(service.steps) + bool(service.questions) <= 5
    for step in service.steps:
        assert 1 <= len(step.fields) <= 8
    for field in service.fields:
        assert len(field.label.fr) <= 80
        assert len({option.id for option in field.options}) == len(field.options)
        assert (
            field.max is None
            or field.kind in ("number", "amount")
            or 1 <= field.max <= (MAX_LONG if field.kind == "long" else 2000)
        )
    assert MAX_TEXT < 2000  # an address of a page is the one line that is longer


def said(value: Any) -> Iterator[tuple[str, str]]:
    """Every pair of sentences of a definition."""
    if hasattr(value, "fr") and hasattr(value, "en"):
        yield value.fr, value.en
    if hasattr(value, "__struct_fields__"):
        for name in value.__struct_fields__:
            yield from said(getattr(value, name))
    elif isinstance(value, tuple | dict):
        for one in value.values() if isinstance(value, dict) else value:
            yield from said(one)


@each
def test_everything_a_person_reads_is_french_and_english(service: Definition) -> None:
    pairs = list(said(service))
    assert len(pairs) > 10
    for fr, en in pairs:
        assert fr.strip() == fr
        assert en.strip() == en
        assert fr
        assert en
        assert "'" not in fr + en  # ’ is the apostrophe of print
        assert not re.search(r"(?<! )[?!:;»]", fr)  # a space before, as French has it


@each
def test_the_browser_fills_in_only_what_is_the_persons_own(service: Definition) -> None:
    own = {"email": "email", "phone": "tel", "name": "name"}
    for field in service.fields:
        assert field.autocomplete in ("", own.get(field.id))
        if service.activity in ("victim-chat", "field-acts"):
            assert not field.autocomplete  # on that device nothing may remember


def test_the_whole_card_number_and_copies_of_illegal_content_are_never_asked() -> None:
    assert SERVICES["card-fraud"].field("card_end").max == 4
    assert not [field for field in SERVICES["illegal-content"].fields if field.kind == "files"]


# ---- ways ------------------------------------------------------------------------------------------------------------


def first_way(service: Definition, answers: dict[str, str]) -> Way | None:
    return next((way for way in service.ways if holds(way.when, answers)), None)


def choices(field: Field) -> list[str]:
    return ["yes", "no"] if field.kind == "yesno" else [option.id for option in field.options]


def every_first_page(service: Definition) -> Iterator[dict[str, str]]:
    """Every way to answer the questions before sign-in."""
    for given in itertools.product(*(choices(field) for field in service.questions)):
        answers = dict(zip((field.id for field in service.questions), given, strict=True))
        kept = {field.id for field in asked(service.questions, answers)}
        yield {id_: value for id_, value in answers.items() if id_ in kept}


@each
def test_a_way_leads_to_help_the_counter_or_a_service_and_says_so(service: Definition) -> None:
    for way in service.ways:
        kind, _, target = way.to.partition(":")
        assert (kind in ("counter", "emergency") and not target) or (
            kind == "service" and target in SERVICES and target != service.id
        )
        assert way.when
    if any(field.id in ("going_on", "danger") for field in service.questions):
        assert service.ways[0].to == "emergency"
        assert all(
            number in service.ways[0].say.fr and number in service.ways[0].say.en for number in ("17", "112", "114")
        )


@each
def test_whoever_follows_the_ways_with_the_same_answers_arrives(service: Definition) -> None:
    for answers in every_first_page(service):
        here, seen = service, {service.id}
        while (way := first_way(here, answers)) is not None and way.to.startswith("service:"):
            here = SERVICES[way.to.removeprefix("service:")]
            assert here.id not in seen, (service.id, answers)
            seen.add(here.id)


LEADS = [
    ("theft", {"going_on": "yes", "offence": "sexual", "author_known": "yes"}, "emergency"),
    ("theft", {"going_on": "no", "offence": "theft", "author_known": "no"}, None),
    ("theft", {"going_on": "no", "offence": "burglary", "author_known": "yes"}, "service:hearing"),
    ("theft", {"going_on": "no", "offence": "violence", "author_known": "no"}, "service:hearing"),
    ("theft", {"going_on": "no", "offence": "sexual", "author_known": "no"}, "service:hearing"),
    ("theft", {"going_on": "no", "offence": "card", "author_known": "no"}, "service:card-fraud"),
    ("theft", {"going_on": "no", "offence": "fraud", "author_known": "no"}, "service:online-fraud"),
    ("hearing", {"going_on": "no", "offence": "fraud", "author_known": "yes"}, None),
    ("online-fraud", {"wish": "complain", "fraud_kind": "sale", "author_known": "no"}, None),
    ("online-fraud", {"wish": "complain", "fraud_kind": "card", "author_known": "no"}, "service:card-fraud"),
    ("online-fraud", {"wish": "complain", "fraud_kind": "blackmail", "author_known": "yes"}, "service:hearing"),
    ("online-fraud", {"wish": "report", "fraud_kind": "sale", "author_known": "yes"}, "service:illegal-content"),
    ("card-fraud", {"card_held": "yes", "approved": "no", "author_known": "no"}, None),
    ("card-fraud", {"card_held": "no", "approved": "no", "author_known": "no"}, "service:theft"),
    ("card-fraud", {"card_held": "yes", "approved": "yes", "author_known": "no"}, "service:online-fraud"),
    ("card-fraud", {"card_held": "yes", "approved": "no", "author_known": "yes"}, "service:hearing"),
    ("illegal-content", {"danger": "yes", "targeted": "no"}, "emergency"),
    ("illegal-content", {"danger": "no", "targeted": "yes"}, "service:hearing"),
    ("violence-chat", {"danger": "yes"}, "emergency"),
    ("voting-proxy", {"certified_id": "no"}, "counter"),
    ("loss", {"how": "stolen"}, "service:theft"),
    ("statement", {"going_on": "no", "wants_inquiry": "yes", "statement_kind": "neighbours"}, "service:theft"),
    ("statement", {"going_on": "no", "wants_inquiry": "no", "statement_kind": "fear"}, "service:violence-chat"),
    ("follow-up", {"request": "withdraw", "own_choice": "no"}, "service:violence-chat"),
    ("appointment", {"capacity": "suspect"}, "counter"),
    ("appointment", {"capacity": "victim"}, "service:hearing"),
    ("appointment", {"capacity": "witness"}, None),
]


@pytest.mark.parametrize(("id_", "answers", "to"), LEADS)
def test_the_first_answers_lead_where_the_law_and_the_person_need(
    id_: str, answers: dict[str, str], to: str | None
) -> None:
    way = first_way(SERVICES[id_], answers)
    assert (way.to if way else None) == to


def test_what_was_told_about_a_theft_goes_along_to_the_hearing() -> None:
    hearing = {field.id for field in SERVICES["hearing"].fields}
    assert {field.id for field in SERVICES["theft"].fields} <= hearing


# ---- what becomes of it ----------------------------------------------------------------------------------------------


def without(service: Definition, dropped: set[str]) -> set[str]:
    """The states that can still be reached when these transitions are never taken."""
    reached = {service.initial}
    while more := {t.to for t in service.transitions if t.id not in dropped and reached & set(t.origins)} - reached:
        reached |= more
    return reached


def transition(service: Definition, id_: str) -> Transition:
    return next(one for one in service.transitions if one.id == id_)


@each
def test_states_roles_and_deadlines_are_well_formed(service: Definition) -> None:
    assert service.initial in {state.id for state in service.states}
    for several in (service.states, service.transitions, service.outputs, service.steps):
        ids = [one.id for one in several]
        assert len(set(ids)) == len(ids)
    for state in service.states:
        assert state.within is None or (DURATION.fullmatch(state.within) and not state.ends)
    for one in service.transitions:
        assert set(one.roles) <= {*ROLES, "holder"}
        assert one.roles
        assert not one.signed or one.roles == ("officer",)  # an officer's passkey
    assert service.activity in ACTIVITIES
    assert service.text.split("/")[0] in ("fr", "eu")


@each
def test_every_file_can_end(service: Definition) -> None:
    ends = {state.id for state in service.states if state.ends}
    leads = set(ends)
    while more := {o for t in service.transitions if t.to in leads for o in t.origins} - leads:
        leads |= more
    assert {state.id for state in service.states} <= leads


@pytest.mark.parametrize(
    "id_", ["choose", "acknowledge", "ready", "identify", "ask_safe", "hear", "read_back", "confirm"]
)
def test_no_video_complaint_is_signed_without_each_step_of_the_decree(id_: str) -> None:
    hearing = SERVICES["hearing"]
    assert "recorded" in without(hearing, {"come"})
    assert not {"recorded", "follow_up"} & without(hearing, {"come", id_})


def test_a_video_complaint_is_never_imposed() -> None:
    come = transition(SERVICES["hearing"], "come")
    assert come.roles == ("holder",)
    assert not come.reason
    signed = {"follow_up", "recorded"}
    assert set(come.origins) == {state.id for state in SERVICES["hearing"].states} - signed - {"in_person", "cancelled"}
    assert not SERVICES["hearing"].state("in_person").ends


def test_a_hearing_that_must_go_on_in_person_ends_only_after_it() -> None:
    hearing = SERVICES["hearing"]
    assert {t.id for t in hearing.transitions if "follow_up" in t.origins} == {"hear_again"}
    assert hearing.state("follow_up").within
    assert transition(hearing, "hear_again").signed


def test_no_witness_is_heard_by_video_without_the_prosecutor() -> None:
    appointment = SERVICES["appointment"]
    assert "booked" not in without(appointment, {"allow"})
    assert transition(appointment, "allow").roles == ("magistrate",)
    assert "recorded" in without(appointment, {"allow"})


def test_no_proxy_without_an_officer_who_signs() -> None:
    attest = transition(SERVICES["voting-proxy"], "attest")
    assert (attest.roles, attest.signed, attest.output) == (("officer",), True, "proxy")
    assert not {"established", "sent"} & without(SERVICES["voting-proxy"], {"attest"})


def test_the_prosecution_decides_on_a_contest_and_on_a_withdrawal() -> None:
    for id_, service in (
        ("drop", "traffic-notice"),
        ("refer", "traffic-notice"),
        ("increase", "traffic-notice"),
        ("decide", "follow-up"),
    ):
        assert transition(SERVICES[service], id_).roles == ("magistrate",)


@each
def test_only_what_an_article_allows_leaves_and_never_a_way_to_reach_the_person(service: Definition) -> None:
    for export in service.exports:
        assert re.search(r"[0-9]", export.article)
        assert export.fields
        assert "email" not in export.fields
        assert "phone" not in export.fields or export.event == "help.needed"
    if service.id in ("voting-proxy", "loss", "verification", "traffic-notice", "statement"):
        assert not service.exports
