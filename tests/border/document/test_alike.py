"""What a number may be instead: what look-alike letters and the recogniser leave open, weighed; several pictures put together."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from egide.border.document.alike import MOST, START, START_OF_O, SURE, Candidate, candidates, margin, together
from egide.border.document.letters import ALPHABET, Line, _collapsed
from egide.protocols import mrz

TD3 = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
FAR = -15.0  # how likely a letter is where another stands


def of_number(number: str) -> tuple[str, ...]:
    """The specimen's zone with this number, every check digit as it must be."""
    return mrz.render(msgspec.structs.replace(mrz.parse(TD3), number=number, optional=""))


def seen(line: str, doubts: dict[str, float] | None = None) -> Line:
    """A line as the recogniser saw it; `doubts`: how likely the second of two letters was where the first stands."""
    likely = np.full((len(line), len(ALPHABET)), FAR, dtype=np.float32)
    for at, letter in enumerate(line):
        likely[at, ALPHABET.index(letter)] = 0.0
        for (one, other), value in (doubts or {}).items():
            if letter == one:
                likely[at, ALPHABET.index(other)] = value
    return Line(line, likely)


def numbers(found: tuple[Candidate, ...]) -> list[str]:
    return [mrz.parse(each.lines).number for each in found]


def test_a_number_without_look_alikes_is_alone() -> None:
    zone = of_number("ACEFHK347")
    found = candidates(zone, [])
    assert (numbers(found), margin(found)) == (["ACEFHK347"], math.inf)


@pytest.mark.parametrize(
    ("number", "other"),
    [
        ("ACEFG3347", "ACEF63347"),  # G is 16: no weight tells it from 6
        ("ACEF63347", "ACEFG3347"),
        ("ACEFL3347", "ACEF13347"),  # and L is 21
        ("TI93J5TQZ", "TI93JSTQ2"),  # 5 for S and Z for 2 make up for one another
        ("0MPZ0M75W", "OMPZOM75W"),  # and so do two O taken for 0
    ],
)
def test_what_the_check_digits_do_not_see_is_offered(number: str, other: str) -> None:
    found = candidates(of_number(number), [])
    assert numbers(found)[0] == number  # what was read comes first where nothing is known of its letters
    assert other in numbers(found)
    assert margin(found) <= 0
    assert len(found) <= MOST


@pytest.mark.parametrize("number", ["ACEFG3347", "ACEF63347"])
def test_the_recognisers_word_settles_what_no_digit_does(number: str) -> None:
    zone = of_number(number)
    found = candidates(zone, [[], [seen(zone[1], {"6G": FAR, "G6": -1.0})]])
    assert numbers(found)[0] == number
    assert margin(found) >= SURE


def test_a_digit_that_may_be_a_letter_is_the_letter() -> None:
    """The recogniser leans to digits: a 6 in whose place it holds G possible is a G; nothing tells where it is between."""
    zone, meant = of_number("ACEF63347"), "ACEFG3347"
    near = candidates(zone, [[seen(zone[1], {"6G": -0.5})]])
    assert (numbers(near)[0], margin(near) >= SURE) == (meant, True)
    between = candidates(zone, [[seen(zone[1], {"6G": -START})]])
    assert margin(between) < SURE


@pytest.mark.parametrize(("number", "other"), [("0MPZ0M75W", "OMPZOM75W"), ("OK50ZJ3R7", "0K5OZJ3R7")])
def test_o_and_nought_alone_are_never_told_apart(number: str, other: str) -> None:
    """Two that make up for one another: the digits see nothing, and the recogniser was sure of the wrong ones too."""
    zone = of_number(number)
    found = candidates(zone, [[seen(zone[1], {"0O": FAR - START_OF_O})]])
    assert {number, other} <= set(numbers(found))
    assert margin(found) == 0


def test_what_the_recogniser_holds_possible_is_tried_though_nobody_calls_it_alike() -> None:
    zone = of_number("ACEFP3347")
    found = candidates(zone, [[seen(zone[1], {"PF": -1.0})]])
    assert "ACEFF3347" in numbers(found)  # P is 25 and F 15
    assert margin(found) < SURE


def test_a_number_that_does_not_hold_is_nobodys_unless_another_does() -> None:
    zone = of_number("ACEFHK347")
    assert candidates((zone[0], "B" + zone[1][1:]), []) == ()
    meant = of_number("OCEFHK347")
    found = candidates((meant[0], "0" + meant[1][1:]), [[seen("0" + meant[1][1:], {"0O": -3.0})]])
    assert (numbers(found), found[0].weight) == (["OCEFHK347"], 0.0)


def test_a_reading_of_another_line_says_nothing_and_one_that_lost_fillers_does() -> None:
    zone = of_number("ACEFG3347")
    assert margin(candidates(zone, [[seen(zone[0])]])) == 0
    shorter = zone[1].replace("<<<<", "<<", 1)
    assert len(shorter) == len(zone[1]) - 2
    assert margin(candidates(zone, [[seen(shorter)]])) >= SURE


# -- several pictures ------------------------------------------------------------------------------------------------------


def picture(**weights: float) -> tuple[Candidate, ...]:
    """Candidates whose fifth letter is so likely."""
    made = [
        Candidate(of_number(each), (0.0, 0.0, 0.0, 0.0, value, 0.0, 0.0, 0.0, 0.0)) for each, value in weights.items()
    ]
    return tuple(sorted(made, key=lambda each: -each.weight))


def test_only_what_fits_every_picture_stays_by_the_mean_of_them() -> None:
    found = together([picture(ACEFG3347=0, ACEF63347=-3), picture(ACEFG3347=-1, ACEF63347=-9, ACEFL3347=0)])
    assert numbers(found) == ["ACEFG3347", "ACEF63347"]
    assert margin(found) == 5.5


def test_pictures_that_are_wrong_together_are_no_surer_for_being_many() -> None:
    one = picture(ACEFG3347=0, ACEF63347=-3)
    assert margin(together([one, one, one])) == margin(one)


def test_names_are_what_most_pictures_say() -> None:
    right, other = of_number("ACEFHK347"), of_number("ACEFHK347")
    other = (other[0].replace("ERIK", "ERIX"), other[1])
    at = [[Candidate(each, (0.0,) * 9)] for each in (right, other, right)]
    assert together(at)[0].lines == right


def test_two_documents_are_not_put_together() -> None:
    assert together([picture(ACEFG3347=0), picture(ACEF63347=0)]) == ()
    assert together([]) == ()


def test_what_is_unlikely_in_every_picture_is_not_believed_for_being_in_all() -> None:
    assert together([picture(ACEFG3347=0, ACEFL3347=-9), picture(ACEF63347=0, ACEFL3347=-9)]) == ()


def test_two_letters_alike_are_one_where_nothing_is_between() -> None:
    """The model's places: nothing, A, A (surer), nothing, A, B."""
    letters = np.zeros((6, len(ALPHABET) + 1), dtype=np.float32)
    for at, (letter, value) in enumerate((("", 1.0), ("A", 0.5), ("A", 0.9), ("", 1.0), ("A", 0.8), ("B", 0.7))):
        letters[at, ALPHABET.index(letter) + 1 if letter else 0] = value
    line = _collapsed(letters)
    likely: NDArray[np.float32] = np.exp(line.likely)
    assert line.text == "AAB"
    assert likely.max(axis=1).round(2).tolist() == pytest.approx([0.9, 0.8, 0.7])
    assert _collapsed(np.zeros((0, len(ALPHABET) + 1), dtype=np.float32)).text == ""
