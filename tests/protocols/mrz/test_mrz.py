"""The machine-readable zone: the specimens of Doc 9303, what its rules say of odd documents, and what no document prints."""

from __future__ import annotations

import os
from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.protocols.mrz import Mrz, MrzError, check_digit, fitted, inspect, names, parse, render, typed
from egide.protocols.mrz.dates import Partial, birth, expiry

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)
TODAY = date(2026, 11, 27)
# Specimens: Doc 9303 part 4 appendix B, part 5 appendices A and B, part 6 appendix A, part 7 appendices.
TD3 = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
TD1 = ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<")
TD1_LONG = ("I<UTOD23145890<7349<<<<<<<<<<<", "3407127M9507122UTO<<<<<<<<<<<2", "STEVENSON<<PETER<JOHN<<<<<<<<<")
TD2 = ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6")
MRV_A = ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L8988901C4XXX4009078F96121096ZE184226B<<<<<<")
MRV_B = ("V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "L8988901C4XXX4009078F9612109<<<<<<<<")
SPECIMENS = (TD3, TD1, TD1_LONG, TD2, MRV_A, MRV_B)
UTOPIAN = Mrz(
    format="TD3", code="P", state="UTO", number="L898902C3", surname="ERIKSSON", given="ANNA MARIA", nationality="UTO",
    birth="740812", sex="F", expiry="120415", optional="ZE184226B",
)  # fmt: skip


def changed(lines: tuple[str, ...], line: int, column: int, to: str) -> tuple[str, ...]:
    return tuple(each[:column] + to + each[column + 1 :] if at == line else each for at, each in enumerate(lines))


def test_the_specimen_passport_says_what_is_printed_beside_it() -> None:
    assert parse(TD3) == UTOPIAN


@pytest.mark.parametrize(
    ("lines", "format_"),
    [(TD3, "TD3"), (TD1, "TD1"), (TD1_LONG, "TD1"), (TD2, "TD2"), (MRV_A, "MRV-A"), (MRV_B, "MRV-B")],
)
def test_every_specimen_is_read_and_written_again_character_by_character(lines: tuple[str, ...], format_: str) -> None:
    mrz = parse(lines)
    assert mrz.format == format_
    assert render(mrz) == lines


def test_a_document_number_goes_on_in_the_optional_field() -> None:
    assert parse(TD1_LONG).number == "D23145890734"


@pytest.mark.parametrize("format_", ["TD1", "TD2"])
def test_a_long_number_keeps_what_else_is_optional(format_: Any) -> None:
    long = msgspec.structs.replace(UTOPIAN, format=format_, code="I", number="D23145890734", optional="AB")
    assert parse(render(long)) == long


def test_the_check_digit_of_a_long_number_is_its_last_character() -> None:
    wrong = changed(TD1_LONG, 0, 18, "8")
    assert "number" in inspect(wrong)[1]


def test_a_passport_admits_no_long_number() -> None:
    with pytest.raises(MrzError) as caught:
        render(msgspec.structs.replace(UTOPIAN, number="D23145890734"))
    assert caught.value.why == "value"


@pytest.mark.parametrize(
    ("line", "column", "names_"),
    [(1, 9, {"number", "composite"}), (1, 13, {"birth", "composite"}), (1, 21, {"expiry", "composite"}),
     (1, 30, {"optional", "composite"}), (1, 43, {"composite"})],
)  # fmt: skip
def test_each_check_digit_sees_a_changed_character(line: int, column: int, names_: set[str]) -> None:
    wrong = changed(TD3, line, column, "3")
    assert set(inspect(wrong)[1]) == names_
    with pytest.raises(MrzError) as caught:
        parse(wrong)
    assert caught.value.why == "check"


def test_a_filler_is_the_check_digit_of_nothing_but_of_nothing_only() -> None:
    plain = msgspec.structs.replace(UTOPIAN, optional="")
    lines = render(plain)
    assert lines[1][42] == "<"
    assert parse(changed(lines, 1, 42, "0")) == plain
    assert "optional" in inspect(changed(TD3, 1, 42, "<"))[1]


@pytest.mark.parametrize(
    "lines", [(), TD3[:1], (TD3[0], TD3[1][:-1]), (*TD3, TD3[0]), tuple(TD3) * 50, ("", ""), (TD1[0], TD1[1])]
)
def test_a_zone_of_another_size_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(MrzError) as caught:
        parse(lines)
    assert caught.value.why == "format"


@pytest.mark.parametrize(("line", "column", "to"), [(0, 10, "7"), (1, 15, "O"), (1, 0, "é"), (1, 20, "Q"), (0, 5, "a")])
def test_a_character_that_may_not_stand_there_is_refused(line: int, column: int, to: str) -> None:
    with pytest.raises(MrzError) as caught:
        parse(changed(TD3, line, column, to))
    assert caught.value.why == "character"
    assert "ERIKSSON" not in str(caught.value)


def test_names_are_written_in_the_letters_of_the_zone() -> None:
    assert names.transliterated("Müller-Lüdenscheidt") == "MUELLER<LUEDENSCHEIDT"
    assert names.transliterated("D’Artagnan") == "DARTAGNAN"
    assert names.transliterated("Þórðar  Strauß") == "THORDAR<STRAUSS"
    assert names.transliterated("Éloïse Çelik") == "ELOISE<CELIK"
    with pytest.raises(MrzError):
        names.transliterated("Νίκος")


def test_a_truncated_name_ends_with_a_letter_and_keeps_a_given_name() -> None:
    long = msgspec.structs.replace(
        UTOPIAN, surname="Bennelong Wooloomooloo Warrandyte Warnambool", given="Dingo Potoroo"
    )
    line = render(long)[0]
    assert len(line) == 44
    assert line[-1] != "<"
    mrz = parse(render(long))
    assert mrz.truncated
    assert mrz.given.startswith("D")
    assert mrz.surname.startswith("BENNELON")
    assert not parse(TD3).truncated


@pytest.mark.parametrize("width", [30, 31, 39])
def test_a_name_of_single_letters_is_cut_too(width: int) -> None:
    for second in ("", "B<" * 30, "CDE"):
        field = names.joined("A<" * 40, second, width)
        assert len(field) == width
        assert field.startswith("A<A")


@CASES
@given(
    st.lists(st.text("ABCXYZ", min_size=1, max_size=20), min_size=1, max_size=8),
    st.lists(st.text("ABCXYZ", min_size=1, max_size=20), max_size=8),
    st.sampled_from([30, 31, 39]),
)
def test_every_name_fills_the_field_and_what_is_cut_shows(first: list[str], second: list[str], width: int) -> None:
    field = names.joined("<".join(first), "<".join(second), width)
    assert len(field) == width
    whole = len("<".join(first)) + (2 + len("<".join(second)) if second else 0) <= width
    primary, secondary, _ = names.split(field)
    if whole:
        assert (primary, secondary) == (" ".join(first), " ".join(second))
    else:
        assert field[-1] != "<"
        assert bool(secondary) == bool(second)


# ── Dates ──


def test_a_birth_is_never_in_the_future() -> None:
    assert birth("261127", TODAY) == Partial(2026, 11, 27)
    assert birth("261128", TODAY) == Partial(1926, 11, 28)
    assert birth("740812", TODAY).whole() == date(1974, 8, 12)


def test_parts_of_a_birth_may_be_unknown() -> None:
    assert birth("74<<<<", TODAY) == Partial(1974, None, None)
    assert birth("<<<<<<", TODAY) == Partial(None, None, None)
    assert birth("<<0229", TODAY) == Partial(None, 2, 29)
    assert birth("7408<<", TODAY).whole() is None
    unknown = msgspec.structs.replace(UTOPIAN, birth="74<<<<")
    assert parse(render(unknown)) == unknown


def test_an_expiry_is_the_nearest_century() -> None:
    assert expiry("120415", TODAY) == date(2012, 4, 15)
    assert expiry("360101", TODAY) == date(2036, 1, 1)
    assert expiry("991231", TODAY) == date(1999, 12, 31)
    assert expiry("010101", date(1999, 1, 1)) == date(2001, 1, 1)
    assert expiry("<<<<<<", TODAY) is None


@pytest.mark.parametrize("text", ["741301", "740832", "230229", "74081", "7408AB", "7<0812", "\u0660" * 6])
def test_a_date_that_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(MrzError) as caught:
        birth(text, TODAY)
    assert caught.value.why == "date"
    with pytest.raises(MrzError):
        expiry("7408<<", TODAY)


# ── After a camera ──


def test_letters_and_digits_are_told_apart_by_their_field() -> None:
    seen = (TD3[0].replace("O", "0").replace("S", "5"), TD3[1].replace("740812", "74O8I2").replace("120415", "I2O4IS"))
    meant = typed(seen)
    assert meant.lines == TD3
    assert {(each.read, each.meant) for each in meant.corrections} == {
        ("0", "O"),
        ("5", "S"),
        ("O", "0"),
        ("I", "1"),
        ("S", "5"),
    }


def test_where_both_may_stand_the_check_digit_decides() -> None:
    seen = (TD3[0], TD3[1].replace("L898902C3", "L8989O2C3").replace("ZE184226B", "ZE1B4226B"))
    meant = typed(seen)
    assert meant.lines == TD3
    assert [(each.column, each.read, each.meant) for each in meant.corrections] == [(5, "O", "0"), (31, "B", "8")]


def test_what_cannot_be_put_right_is_left_and_still_fails() -> None:
    seen = changed(TD3, 1, 0, "X")
    assert typed(seen).lines == seen
    with pytest.raises(MrzError):
        parse(typed(seen).lines)


def test_a_line_that_lost_fillers_gets_them_where_the_most_are() -> None:
    assert fitted(TD3[0][:-5], 44) == TD3[0]
    assert fitted(TD3[1].replace("<<<<<", "<<<"), 44) == TD3[1]
    assert fitted(TD3[0] + "<<", 44) == TD3[0]
    assert fitted("ABC", 44) is None
    assert fitted("A" * 43, 44) is None


@CASES
@given(st.lists(st.text("ABDO0158I<é", max_size=46), max_size=4))
def test_anything_is_read_or_refused_with_its_own_error(lines: list[str]) -> None:
    for function in (parse, inspect, typed):
        try:
            function(lines)  # type: ignore[operator]
        except MrzError:
            continue


@CASES
@given(st.sampled_from(SPECIMENS), st.data())
def test_one_changed_character_of_what_is_checked_is_seen(lines: tuple[str, ...], data: st.DataObject) -> None:
    """But for what the weights cannot see: values that differ by ten."""
    line = 0 if lines[0] == TD1[0] else 1
    column = data.draw(st.integers(5, 13) if line == 0 else st.integers(0, 8))
    to = data.draw(st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    if line == 1 and len(lines) == 3:
        return
    if (int(to, 36) - (0 if lines[line][column] == "<" else int(lines[line][column], 36))) % 10:
        assert inspect(changed(lines, line, column, to))[1]


def test_the_check_digit_of_the_standards_example() -> None:
    assert check_digit("520727") == "3"
    assert check_digit("AB2134<<<") == "5"
    with pytest.raises(MrzError):
        check_digit("é")
