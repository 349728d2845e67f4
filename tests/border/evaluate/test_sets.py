"""A folder of faces is read as it is meant, or refused without naming anyone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.border.evaluate.sets import has_people, read_set
from egide.kernel.errors import BadInput
from tests.border.evaluate.people import people

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)


def test_each_sub_folder_is_a_person_and_attacks_are_none(tmp_path):
    folder = people(tmp_path, 3, pictures=2)
    (folder / "person 001" / "notes.txt").write_text("not a picture")
    people(folder / "attacks", 1)
    people(folder / "bona-fide", 1)
    found = read_set(folder)
    assert found.subjects.tolist() == [0, 0, 1, 1, 2, 2]
    assert (found.pairs, found.groups) == (None, ("", "", ""))
    assert has_people(folder)


def test_pairs_are_read_in_both_forms_with_spaces_in_names(tmp_path):
    folder = people(tmp_path, 3, pictures=3)
    folder.joinpath("pairs.txt").write_text("10\t300\nperson 000\t1\t3\nperson 001\t2\tperson 002\t1\n\n")
    assert read_set(folder).pairs.tolist() == [[0, 2], [4, 6]]


def test_groups_are_the_owners_words(tmp_path):
    folder = people(tmp_path, 3, pictures=1)
    folder.joinpath("groups.csv").write_text("subject,group\nperson 001,b\nperson 000,a\nsomebody else,c\n")
    assert read_set(folder).groups == ("a", "b", "")
    folder.joinpath("groups.csv").write_text("name;what\nperson 001;b\n")
    with pytest.raises(BadInput, match="subject,group"):
        read_set(folder)


@pytest.mark.parametrize(
    "line",
    [
        "person 000\t1",
        "person 000\t0\t1",
        "person 000\t1\t4",
        "Nobody\t1\t2",
        "person 000\t1\t²",
        "person 000\t2\t2",
        "x\t" * 9,
    ],
)
def test_a_line_that_is_no_pair_is_named_by_its_number_and_nobody_by_name(tmp_path, line):
    folder = people(tmp_path, 2, pictures=3)
    folder.joinpath("pairs.txt").write_text(f"person 000\t1\t2\n{line}\n")
    with pytest.raises(BadInput, match="line 2") as caught:
        read_set(folder)
    assert "person" not in str(caught.value)


def test_what_is_no_set_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "absent", people(tmp_path / "one", 1, pictures=1)):
        with pytest.raises(BadInput):
            read_set(folder)


@CASES
@given(st.text(max_size=200), st.text(max_size=200))
def test_any_list_is_read_or_refused(listed, groups):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name in ("a", "b"):
            folder.joinpath(name).mkdir()
            folder.joinpath(name, "1.png").touch()
        folder.joinpath("pairs.txt").write_text("a 1 b 1\n" + listed, encoding="utf-8")
        folder.joinpath("groups.csv").write_text("subject,group\n" + groups, encoding="utf-8")
        try:
            read_set(folder)
        except BadInput:
            return
