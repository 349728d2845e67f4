"""A control point is one file: what may not be is refused at start, by its name."""

from __future__ import annotations

from importlib.resources import files

import pytest

from egide.border import control_points
from egide.border.control_points import check_texts, point_of, points, read
from egide.kernel.errors import NotFound, StartupError

FACE = "[face]\nthreshold = 0.433\nframes = 3\nchallenge = true\n"


def text(point: str) -> str:
    return (files("egide.border") / "points" / f"{point}.toml").read_text("utf-8")


def test_the_four_points_are_there_and_two_look_at_the_face_by_their_basis() -> None:
    assert set(points()) == {"bag-drop", "security", "border", "boarding"}
    assert {id_ for id_, point in points().items() if point.looks(external=True)} == {"border", "boarding"}
    assert {id_ for id_, point in points().items() if point.looks(external=False)} == {"border"}


def test_without_an_identity_check_nothing_says_who_somebody_is() -> None:
    assert points()["security"].asked(external=True) == ("flight",)
    assert points()["boarding"].asked(external=False) == ("flight", "doc_ok")
    assert "face_t" in points()["boarding"].asked(external=True)


def test_nobody_asks_for_what_would_tie_controls_together() -> None:
    for point in points().values():
        assert "journey_id" not in point.claims


@pytest.mark.parametrize(
    ("point", "old", "new", "said"),
    [
        ("security", 'id = "security"', 'id = "door"', "not the file’s name"),
        ("security", 'id = "security"', 'id = "spare"', "no token can bear"),
        ("security", 'id = "security"', 'id = "Gate 12"', "no token can bear"),
        ("security", "retention_s = 0", "retention_s = 86400", "nothing is kept"),
        ("security", 'claims = ["flight"]', "claims = []", "no claim"),
        ("security", 'claims = ["flight"]', 'claims = ["flight", "flight"]', "twice"),
        ("security", 'claims = ["flight"]', 'claims = ["name"]', "without a text"),
        ("security", 'claims = ["flight"]', 'claims = ["face_t"]', "only there"),
        ("security", "[lanes]", FACE + "[lanes]", "EDPB opinion 11/2024"),
        ("security", 'claims = ["flight"]', 'claims = ["journey_id"]', "unknown claim"),
        ("security", 'claims = ["flight"]', "claims = 1", "cannot be read"),
        ("security", "[lanes]", "[lanes", "cannot be read"),
        ("security", "[lanes]", 'gallery = "all"\n[lanes]', "cannot be read"),
        ("security", 'realm = "facilitation"', 'realm = "border-police"', "the document itself"),
        ("border", "document = true", "document = false", "the document itself"),
        ("border", "threshold = 0.433", "threshold = 0.2", "a threshold outside"),
        ("border", "threshold = 0.433", "threshold = nan", "a threshold outside"),
        ("border", "frames = 3", "frames = 500", "frames"),
    ],
)  # fmt: skip
def test_what_may_not_be_is_refused_by_its_name(point: str, old: str, new: str, said: str) -> None:
    original = text(point)
    assert read(f"{point}.toml", original).id == point
    assert old in original
    with pytest.raises(StartupError, match=said) as caught:
        read(f"{point}.toml", original.replace(old, new, 1))
    assert f"{point}.toml" in str(caught.value.what.en)


def test_a_legal_basis_must_be_a_text_of_the_law_that_applies() -> None:
    check_texts({"eu/sbc", "eu/carriers"})
    with pytest.raises(StartupError, match="unknown text: eu/sbc"):
        check_texts({"eu/sbb", "eu/carriers"})


def test_the_other_realm_does_not_exist_for_who_asks_here() -> None:
    assert point_of("border", "border-police").id == "border"
    for id_, realm in (("border", "facilitation"), ("security", "border-police"), ("lounge", "facilitation")):
        with pytest.raises(NotFound):
            point_of(id_, realm)  # type: ignore[arg-type]


def test_there_is_no_word_for_a_gallery() -> None:
    assert not [name for name in vars(control_points) if "gallery" in name.lower()]
