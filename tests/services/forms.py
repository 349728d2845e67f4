"""Answers as people give them: right ones for any question, and the form a browser makes of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from hypothesis import strategies as st

from egide.services.answers import asked, clean
from egide.services.definition import Definition, Field
from egide.services.schema import MAX_AMOUNT, MAX_NUMBER

TODAY = date(2026, 11, 26)
# Letters of several scripts, emoji, right-to-left marks, an override that turns a line round, combining marks, line breaks.
ALPHABET = st.one_of(
    st.characters(exclude_categories=("Cs", "Cc")),
    st.sampled_from("éÉœß\u0301\u200f\u200e\u202e\u2066\u2069😀👩‍🚒שלוםمرحبا٠١٢\n<>&\"'"),
)


def text(limit: int) -> st.SearchStrategy[str]:
    """A text as it is kept: composed, without blanks around it."""
    return (
        st.text(ALPHABET, min_size=1, max_size=min(limit, 60)).map(clean).filter(lambda value: 0 < len(value) <= limit)
    )


def value(field: Field) -> st.SearchStrategy[Any]:
    """A right answer to a question."""
    match field.kind:
        case "choice":
            return st.sampled_from([option.id for option in field.options])
        case "yesno":
            return st.sampled_from(["yes", "no"])
        case "choices":
            return st.lists(st.sampled_from([option.id for option in field.options]), min_size=1, unique=True)
        case "date":
            return st.dates(date(1900, 1, 1), TODAY if field.past else date(2100, 1, 1)).map(date.isoformat)
        case "time":
            return st.times().map(lambda moment: f"{moment:%H:%M}")
        case "place":
            points = st.none() | st.tuples(st.floats(-90, 90), st.floats(-180, 180))
            return st.builds(
                lambda address, at: {"address": address} | ({"lat": at[0], "lon": at[1]} if at else {}),
                text(200),
                points,
            )
        case "phone":
            return st.sampled_from(["06 12 34 56 78", "+33612345678", "01.02.03.04.05", "+44 (0)20 7946 0000"])
        case "email":
            return st.sampled_from(["nom@exemple.fr", "a.b+c@example.co.uk", "x@localhost.test"])
        case "amount":
            return st.integers(0, field.max or MAX_AMOUNT)
        case "number":
            return st.integers(0, field.max or MAX_NUMBER)
        case "files":
            return st.lists(st.text("0123456789abcdef", min_size=16, max_size=40), min_size=1, max_size=20, unique=True)
        case _:
            return text(field.max or 200)


@st.composite
def answered(draw: st.DrawFn, definition: Definition) -> dict[str, Any]:
    """Right answers to a whole service, asked as these answers make one ask; what need not be answered sometimes is not."""
    found: dict[str, Any] = {}
    for field in definition.fields:
        if field in asked(definition.fields, found) and (field.required or draw(st.booleans())):
            found[field.id] = draw(value(field))
    return found


def typed(definition: Definition, answers: Mapping[str, Any]) -> dict[str, list[str]]:
    """The form of these answers, as a browser sends it: a date in three boxes, an amount with its comma."""
    form: dict[str, list[str]] = {}
    for id_, given in answers.items():
        match definition.field(id_).kind:
            case "date":
                year, month, day = given.split("-")
                form |= {f"{id_}-year": [year], f"{id_}-month": [month.lstrip("0")], f"{id_}-day": [day.lstrip("0")]}
            case "place":
                form[id_] = [given["address"]]
                form |= {f"{id_}-{part}": [repr(given[part])] for part in ("lat", "lon") if part in given}
            case "amount":
                form[id_] = [f"{given // 100},{given % 100:02} €"]
            case "choices" | "files":
                form[id_] = list(given)
            case _:
                form[id_] = [str(given)]
    return form


def kept(form: Mapping[str, list[str]], field: Field) -> bool:
    """Whether a person has typed something into a question that is not only blanks and control characters."""
    boxes = [f"{field.id}-{part}" for part in ("day", "month", "year")] if field.kind == "date" else [field.id]
    several = field.kind in ("choices", "files")
    return any(clean(word) for box in boxes for word in form.get(box, [])[: None if several else 1])
