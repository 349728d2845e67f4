"""Whatever a person types is kept, and what is wrong with it is said in their words, beside the question it concerns."""

from __future__ import annotations

import os
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from egide.kernel.capability import Words
from egide.services.answers import asked, check, clean, holds, read, relevant
from egide.services.definition import Condition, Definition, Field, catalogue
from egide.services.schema import validator
from tests.services.forms import ALPHABET, TODAY, answered, kept, typed

FUZZ = int(os.environ.get("EGIDE_FUZZ", "60"))
SERVICES = catalogue().current()
RIGHT: dict[str, Any] = {
    "going_on": "no",
    "offence": "theft",
    "author_known": "no",
    "facts_date": "2026-03-27",
    "facts_place": {"address": "12 rue des Lilas, Laon"},
    "account": "Mon vélo n’était plus là.",
    "things": "Vélo bleu",
    "email": "nom@exemple.fr",
}


@pytest.fixture
def theft() -> Definition:
    found = catalogue().find("theft")
    assert found is not None
    return found


def wrong(theft: Definition, **typed_instead: str | list[str]) -> dict[str, str]:
    """What is said in French about a right form in which these boxes are typed otherwise."""
    form = typed(theft, RIGHT) | {
        box: [words] if isinstance(words, str) else words for box, words in typed_instead.items()
    }
    found = check(theft, relevant(theft, read(theft.fields, form)), TODAY)
    assert all(text.fr and text.en and text.fr != text.en for text in found.values())
    return {id_: text.fr for id_, text in found.items()}


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_a_right_form_has_nothing_wrong(theft: Definition) -> None:
    assert wrong(theft) == {}
    assert read(theft.fields, typed(theft, RIGHT)) == RIGHT


def test_an_empty_form_asks_each_required_question_once_and_nothing_else(theft: Definition) -> None:
    found = check(theft, read(theft.fields, {}), TODAY)
    assert set(found) == {field.id for field in theft.fields if field.required}
    assert found["facts_date"].fr == "Donnez le jour, le mois et l’année."
    assert found["going_on"].fr == "Répondez par oui ou par non."
    assert found["offence"].fr == "Choisissez une réponse."


def test_blanks_and_control_characters_are_no_answer(theft: Definition) -> None:
    assert wrong(theft, account=" \t\u00a0\x00\x1b\r\n ") == {"account": "Répondez à cette question."}


TIMES = {
    "14:30": "14:30",
    "9h": "09:00",
    "9 H 05": "09:05",
    "00:00": "00:00",
    "7h5": None,
    "25:00": None,
    "midi": None,
    "١٤:٣٠": None,
}


@pytest.mark.parametrize(("words", "hour"), TIMES.items())
def test_an_hour_is_read_as_people_write_it(theft: Definition, words: str, hour: str | None) -> None:
    kept_as = read(theft.fields, {"facts_time": [words]})["facts_time"]
    assert kept_as == (hour or clean(words)) or hour is None
    assert ("facts_time" in wrong(theft, facts_time=words)) == (hour is None)


AMOUNTS = {
    "120": 12_000,
    "120,5": 12_050,
    "1 234,50 €": 123_450,
    "1\u202f234.50": 123_450,
    "0": 0,
    "-3": None,
    "1.234,50": None,
    "beaucoup": None,
    "١٢": None,
    "9" * 13: None,
    "12,345": None,
}


@pytest.mark.parametrize(("words", "cents"), AMOUNTS.items())
def test_an_amount_is_read_as_people_write_it(theft: Definition, words: str, cents: int | None) -> None:
    assert read(theft.fields, {"loss": [words]})["loss"] == (words if cents is None else cents)
    assert ("loss" in wrong(theft, loss=words)) == (cents is None)


@pytest.mark.parametrize("words", ["17", "112", "06 12", "zéro six", "٠٦١٢٣٤٥٦٧٨", "0" * 40, "06;12;34;56;78"])
def test_what_is_no_telephone_number_is_said(theft: Definition, words: str) -> None:
    assert wrong(theft, phone=words) == {"phone": "Écrivez un numéro de téléphone, par exemple 06 12 34 56 78."}


@pytest.mark.parametrize(
    "words",
    ["nom", "nom@", "@exemple.fr", "a b@exemple.fr", "nom@exemple.fr, autre@exemple.fr", "nom@exemple.fr\nBcc: x@y.fr"],
)
def test_what_is_no_address_is_said(theft: Definition, words: str) -> None:
    assert wrong(theft, email=words) == {"email": "Écrivez une adresse de messagerie, par exemple nom@exemple.fr."}


def test_a_place_that_cannot_be_is_left_out_and_its_address_kept(theft: Definition) -> None:
    for lat, lon in [("91", "0"), ("nan", "0"), ("inf", "0"), ("x", "0"), ("", ""), ("48.8", "181"), ("٤٨", "x")]:
        form = {"facts_place": ["Laon"], "facts_place-lat": [lat], "facts_place-lon": [lon]}
        assert read(theft.fields, form)["facts_place"] == {"address": "Laon"}
    form = {"facts_place": ["Laon"], "facts_place-lat": ["49.56"], "facts_place-lon": ["3.62"]}
    assert read(theft.fields, form)["facts_place"] == {"address": "Laon", "lat": 49.56, "lon": 3.62}


def test_a_choice_ticked_twice_counts_once() -> None:
    hearing = catalogue().find("hearing")
    assert hearing is not None
    assert read(hearing.fields, {"help": ["sign", "sign", "", "captions"]})["help"] == ["sign", "captions"]


# ---- hostile text ----------------------------------------------------------------------------------------------------

DATES = {
    ("2026", "2", "31"): "2026-02-31",
    ("2025", "2", "29"): "2025-02-29",
    ("2026", "13", "1"): "2026-13-01",
    ("2026", "0", "0"): "2026-00-00",
    ("-1", "1", "1"): "-1-1-1",
    ("12026", "1", "1"): "12026-01-01",
    ("2026", "mars", "27"): "2026-mars-27",
    ("٢٠٢٦", "٣", "٢٧"): "٢٠٢٦-٣-٢٧",
    ("2026", "", "27"): "2026--27",
    ("\u202e2026", "3", "27"): "\u202e2026-3-27",
}


@pytest.mark.parametrize(("parts", "kept_as"), DATES.items())
def test_a_day_that_does_not_exist_is_said_and_kept_as_typed(
    theft: Definition, parts: tuple[str, str, str], kept_as: str
) -> None:
    boxes = dict(zip(("facts_date-year", "facts_date-month", "facts_date-day"), parts, strict=True))
    assert read(theft.fields, {box: [words] for box, words in boxes.items()})["facts_date"] == kept_as
    assert wrong(theft, **boxes) == {"facts_date": "Ce jour n’existe pas. Par exemple : 27 3 2026."}


def test_the_year_0_does_not_exist(theft: Definition) -> None:
    assert set(wrong(theft, **{"facts_date-year": "0"})) == {"facts_date"}


def test_a_day_to_come_is_no_day_of_what_happened(theft: Definition) -> None:
    assert wrong(theft, **{"facts_date-year": "2026", "facts_date-month": "11", "facts_date-day": "27"}) == {
        "facts_date": "Cette date n’est pas encore passée."
    }
    assert wrong(theft, **{"facts_date-year": "2026", "facts_date-month": "11", "facts_date-day": "26"}) == {}


def test_ten_megabytes_are_answered_with_a_sentence(theft: Definition) -> None:
    flood = "a\u0301😀\u202e" * 1_000_000
    assert wrong(theft, account=flood, loss=flood) == {
        "account": "4000 signes au plus.",
        "loss": "Écrivez un montant, par exemple 120,50.",
    }


MARKS = [
    "\u200fשלום\u200e",  # noqa: RUF001 — Hebrew between marks of direction is the matter of the test
    "abc\u202egnp.exe",
    "\u2066a\u2069",
    "👩‍🚒👍🏽🇫🇷",
    "نعم ٣",
    "e\u0301" * 5,
    "<script>alert(1)</script>",
    "'; DROP TABLE files; --",
    "{{7*7}}",
    "=1+1",
]


@pytest.mark.parametrize("words", MARKS)
def test_any_script_any_mark_any_code_is_text_and_stays_as_it_is(theft: Definition, words: str) -> None:
    assert wrong(theft, account=words) == {}
    assert read(theft.fields, {"account": [words]})["account"] == clean(words)
    assert clean(clean(words)) == clean(words)


def test_control_characters_and_lone_surrogates_never_reach_what_is_kept(theft: Definition) -> None:
    given_ = "a\x00b\x07c\x1b[31md\x7fe\x9bf\ud800g\r\nh\ri\tj"
    assert read(theft.fields, {"account": [given_]})["account"] == "abc[31mdefg\nh\ni\tj"


BOX = st.lists(
    st.text(ALPHABET | st.characters(), max_size=12)
    | st.sampled_from(["yes", "no", "0", "31", "2026", "12:30", "theft", "1e9", "a@b.fr"]),
    max_size=3,
)


@settings(max_examples=FUZZ, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(service=st.sampled_from(SERVICES), data=st.data())
def test_whatever_is_typed_is_kept_and_either_valid_or_told(service: Definition, data: st.DataObject) -> None:
    form = typed(service, data.draw(answered(service)))
    for field in data.draw(st.lists(st.sampled_from(service.fields), max_size=4)):
        for box in [f"{field.id}-{part}" for part in ("day", "month")] if field.kind == "date" else [field.id]:
            form[box] = data.draw(BOX)
    answers = read(service.fields, form)
    assert set(answers) == {field.id for field in service.fields if kept(form, field)}
    found = check(service, relevant(service, answers), TODAY)
    assert set(found) <= {field.id for field in asked(service.fields, answers)}
    assert all(text.fr and text.en for text in found.values())
    assert validator(service).is_valid(relevant(service, answers)) or found


# ---- what is asked ---------------------------------------------------------------------------------------------------


def test_a_condition_holds_on_one_answer_and_on_one_of_several() -> None:
    one = (Condition("offence", ("theft", "burglary")),)
    assert holds((), {})
    assert holds(one, {"offence": "burglary"})
    assert not holds(one, {"offence": "damage"})
    assert not holds(one, {})
    several = (Condition("help", ("sign",)), *one)
    assert holds(several, {"help": ["captions", "sign"], "offence": "theft"})
    assert not holds(several, {"help": ["captions"], "offence": "theft"})
    assert not holds(several, {"help": ["sign"]})


def test_choices_that_are_no_words_hold_nothing() -> None:
    assert not holds((Condition("help", ("sign",)),), {"help": [{"sign": 1}]})


def test_a_question_that_hangs_on_an_unasked_one_is_not_asked() -> None:
    words = Words("?", "?")
    first = Field("a", "yesno", words)
    second = Field("b", "yesno", words, when=(Condition("a", ("yes",)),))
    third = Field("c", "text", words, when=(Condition("b", ("yes",)),))
    assert asked((first, second, third), {"a": "no", "b": "yes", "c": "x"}) == [first]
    assert asked((first, second, third), {"a": "yes", "b": "yes"}) == [first, second, third]


def test_what_was_answered_to_another_request_is_left_behind() -> None:
    follow = catalogue().find("follow-up")
    assert follow is not None
    leftover = {"request": "evidence", "own_choice": "yes", "message": "Bonjour", "file_number": "PL-1"}
    assert [field.id for field in asked(follow.fields, leftover)] == ["request", "file_number", "evidence"]
    assert relevant(follow, leftover) == {"request": "evidence", "file_number": "PL-1"}


@settings(max_examples=FUZZ, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(service=st.sampled_from(SERVICES), data=st.data())
def test_what_is_no_longer_asked_is_not_kept(service: Definition, data: st.DataObject) -> None:
    before, after = data.draw(answered(service)), data.draw(answered(service))
    changed = relevant(service, before | after)
    ids = {field.id for field in asked(service.fields, changed)}
    assert set(changed) <= ids
    assert not {
        id_ for id_, text in check(service, changed, TODAY).items() if text.fr == "Cette question ne se pose pas ici."
    }


def test_the_legal_day_is_the_callers(theft: Definition) -> None:
    assert check(theft, RIGHT, date(2026, 3, 26)) != {}
    assert check(theft, RIGHT, date(2026, 3, 27)) == {}
