"""A folder in, rates out: in the words of the standards, with intervals, for any engine."""

from __future__ import annotations

import ast
import xml.etree.ElementTree as ET
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image as Pillow

import egide.border
from egide.border.evaluate.attacks import evaluate_attacks
from egide.border.evaluate.plots import Mark, det, roc
from egide.border.evaluate.report import Report, evaluate, run
from egide.kernel.errors import BadInput
from tests.border.evaluate.people import NOBODY, people, picture, reading
from tests.border.face.drawn import portrait


def quiet(done: int, of: int) -> None:
    """Progress that nobody watches."""


def test_an_evaluation_gives_every_rate_of_the_standard(tmp_path):
    folder, out, seen = people(tmp_path / "set", 40, pictures=4), tmp_path / "out", []
    picture(folder / "person 003" / "x.png", NOBODY, 1)
    folder.joinpath("person 004", "torn.jpg").write_bytes(b"no picture")
    folder.joinpath("person 004", "._0.png").write_bytes(b"what a Mac leaves on a stick beside each file")
    picture(folder / "person 005" / "y.png", 5, 9, several=True)
    made = evaluate(folder, reading(), out, lambda done, of: seen.append((done, of)))
    faces = made.faces
    assert (faces.subjects, faces.pictures, faces.several) == (40, 163, 1)
    assert (faces.fta.errors, faces.fta.of) == (2, 163)
    assert faces.genuine == 39 * 6 + 10
    assert faces.impostor == 161 * 160 // 2 - faces.genuine
    assert [each.target for each in faces.operating] == [
        1e-2,
        1e-3,
        1e-4,
        None,
    ]  # 12,000 comparisons say nothing of 1e-5
    assert [each.enough for each in faces.operating][:3] == [True, False, False]
    for each in faces.operating:
        assert each.fnmr.low <= each.fnmr.value <= each.fnmr.high
    assert faces.frr == pytest.approx(2 / 163 + 161 / 163 * faces.operating[-1].fnmr.value)
    assert seen[-1] == (163, 163)
    assert len(seen) == 163
    assert msgspec.json.decode(out.joinpath("report.json").read_bytes(), type=Report) == made
    assert "person" not in out.joinpath("report.json").read_text()


def test_three_frames_do_better_than_one(tmp_path):
    folder = people(tmp_path / "set", 60, pictures=4)
    one = evaluate(folder, reading(0.11), tmp_path / "1", quiet)
    three = evaluate(folder, reading(0.11), tmp_path / "3", quiet, frames=3)
    assert three.faces.genuine == 240
    assert three.faces.operating[1].fnmr.value < one.faces.operating[1].fnmr.value
    assert (one.faces.operating[-1].threshold, three.faces.operating[-1].threshold) == (0.42, 0.433)


def test_groups_are_compared_at_one_threshold(tmp_path):
    folder = people(tmp_path / "set", 40, pictures=4)
    rows = [f"person {number:03},{'even' if number % 2 == 0 else 'odd'}" for number in range(36)]
    folder.joinpath("groups.csv").write_text("subject,group\n" + "\n".join(rows))
    made = evaluate(folder, reading(0.13), tmp_path / "out", quiet).faces
    assert [(group.name, group.subjects) for group in made.groups] == [("even", 18), ("odd", 18)]
    for group in made.groups:
        assert group.fnmr.of == 18 * 6
        assert group.fmr.of == 18 * 17 // 2 * 16
    rates = sorted(group.fnmr.value for group in made.groups)
    assert made.fnmr_ratio == pytest.approx(rates[1] / rates[0])


def test_a_list_of_pairs_is_all_that_is_compared(tmp_path):
    folder = people(tmp_path / "set", 4, pictures=3)
    picture(folder / "person 000" / "3.png", NOBODY, 1)
    lines = (
        "person 000\t1\t2",
        "person 001\t1\tperson 002\t2",
        "person 000\t4\t1",
    )  # the last: a picture without a face
    folder.joinpath("pairs.txt").write_text("\n".join(lines))
    made = evaluate(folder, reading(), tmp_path / "out", quiet).faces
    assert (made.genuine, made.impostor) == (1, 1)


def test_attacks_are_counted_by_species_and_the_worst_one_counts(tmp_path):
    """30107-3, by a detector that calls bright pictures attacks and does not answer for nobody."""
    for number, bright in enumerate([200, 200, 200, 0]):
        picture(tmp_path / "attacks" / "print" / f"{number}.png", bright, 0)
    for number, bright in enumerate([0, 0, 200, NOBODY]):
        picture(tmp_path / "attacks" / "screen" / f"{number}.png", bright, 0)
    for number, bright in enumerate([0, 0, 0, 0, 200]):
        picture(tmp_path / "bona-fide" / f"{number}.png", bright, 0)
    tmp_path.joinpath("bona-fide", "torn.png").write_bytes(b"torn")
    for name in (".DS_Store", "._0.png", "Thumbs.db", "notes.txt"):  # what computers and people leave in a folder
        tmp_path.joinpath("bona-fide", name).write_bytes(b"no presentation")

    def judge(image: np.ndarray) -> bool | None:
        return None if image[0, 0, 0] == NOBODY else bool(image[0, 0, 0] > 100)

    made = evaluate_attacks(tmp_path, judge)
    assert [(each.name, each.apcer.errors, each.apcer.of) for each in made.species] == [
        ("print", 1, 4),
        ("screen", 2, 3),
    ]
    assert made.apcer_worst == pytest.approx(2 / 3)
    assert (made.bpcer.errors, made.bpcer.of, made.bpnrr.errors, made.bpnrr.of) == (1, 5, 1, 6)
    assert made.species[1].apnrr.errors == 1


def test_a_folder_of_attacks_alone_is_enough_and_an_empty_one_is_not(tmp_path):
    picture(tmp_path / "a" / "attacks" / "print" / "1.png", 1, 1)
    picture(tmp_path / "a" / "bona-fide" / "1.png", 1, 1)
    made = evaluate(tmp_path / "a", reading(), tmp_path / "out", quiet)
    assert made.faces is None
    assert made.attacks.species[0].apcer.of == 1
    assert not tmp_path.joinpath("out", "det.svg").exists()
    for folder, frames in ((tmp_path / "empty", 1), (people(tmp_path / "set", 2), 0), (people(tmp_path / "set", 2), 9)):
        with pytest.raises(BadInput):
            evaluate(folder, reading(), tmp_path / "out", quiet, frames=frames)
    picture(tmp_path / "none" / "a" / "1.png", NOBODY, 1)
    picture(tmp_path / "none" / "a" / "2.png", NOBODY, 2)
    with pytest.raises(BadInput, match="No face"):
        evaluate(tmp_path / "none", reading(), tmp_path / "out", quiet)


def test_the_plots_are_drawings_in_two_languages(tmp_path):
    evaluate(people(tmp_path / "set", 30, pictures=3), reading(0.11), tmp_path / "out", quiet)
    for name in ("det", "roc"):
        drawing = ET.parse(tmp_path / "out" / f"{name}.svg").getroot()
        text = " ".join(drawing.itertext())
        assert "une image" in text or "one picture" in text
        assert "à tort" in text
        assert "wrongly accepted" in text
        (line,) = drawing.iter("{http://www.w3.org/2000/svg}polyline")
        points = np.array([[float(number) for number in point.split(",")] for point in line.get("points").split()])
        assert points.shape[0] > 20
        assert (points >= 0).all()
        assert (points <= (640, 480)).all()
    curve = [(0.0, 1.0, 0.0), (0.5, 0.01, 0.2), (0.9, 1e-6, 1.0)]
    assert "&lt;b&gt;" in det(("<b>", "<b>"), curve)
    assert "<b>" not in roc(("<b>", "<b>"), curve)


def drawn(drawing: str) -> np.ndarray:
    """The curve's points, in px."""
    (line,) = ET.fromstring(drawing).iter("{http://www.w3.org/2000/svg}polyline")
    return np.array([[float(number) for number in point.split(",")] for point in line.get("points").split()])


def test_a_rate_of_nothing_is_not_drawn_where_the_scale_ends():
    seen = [(0.2, 1e-1, 1e-3), (0.4, 1e-2, 1e-2), (0.6, 1e-3, 1e-1)]
    whole = [(0.0, 1.0, 0.0), *seen, (0.8, 0.0, 0.5)]
    assert det(("x", "y"), whole) == det(("x", "y"), seen)  # neither the floor nor the left edge is a measured place
    assert len(drawn(det(("x", "y"), whole))) == 3
    points = drawn(roc(("x", "y"), whole))
    assert len(points) == 4
    assert points[0][1] == 66  # on a linear scale all of them is a place: the top
    assert points[:, 0].min() == drawn(roc(("x", "y"), seen))[:, 0].min()
    (least, *_) = drawn(det(("x", "y"), [*seen, (0.1, 0.5, 2e-6)]))[::-1]
    assert 66 < least[1] < 480 - 62  # an error that was seen stands inside the frame, however rare
    for draw in (det, roc):
        assert drawn(draw(("x", "y"), [(0.8, 0.0, 0.0)])).size == 0


def test_a_curve_is_broken_where_it_rests_on_too_few_errors_and_bears_its_points():
    curve = [(0.2, 1e-1, 1e-3), (0.4, 1e-2, 1e-2), (0.6, 1e-3, 1e-1), (0.8, 1e-4, 5e-1)]
    marks = [
        Mark(1e-2, 1e-2, 0.0, 3e-2, own=False),
        Mark(1e-3, 1e-1, 6e-2, 2e-1, own=True),
        Mark(1e-4, 0.0, 0.0, 0.1, own=False),
    ]
    drawing = ET.fromstring(det(("x", "y"), curve, marks, (5e-4, 5e-3)))
    names = [each.tag.rpartition("}")[2] for each in drawing]
    (line,) = drawing.iter("{http://www.w3.org/2000/svg}polyline")
    assert line.get("stroke-dasharray")
    (solid,) = [each for each in drawing.iter("{http://www.w3.org/2000/svg}path") if each.get("stroke-width") == "3"]
    assert len(solid.get("d", "").split()) == 2  # of four points
    text = " ".join(drawing.itertext())
    assert "seuil d’Égide" in text
    assert names.count("circle") == 2 + 2  # what has a rate, and the legend
    assert "seuil d’Égide" not in det(("x", "y"), curve, marks[:1])


def test_the_products_engine_is_the_one_that_is_run(tmp_path):
    for person, which in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)):
        path = tmp_path / "set" / str(person) / f"{which}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Pillow.fromarray(portrait(person, scale=1 - which / 10)).save(path)
    made = run(tmp_path / "set", tmp_path / "out", frames=1, report=quiet)
    assert (made.model, made.faces.genuine, made.faces.impostor) == ("sface-2021dec", 3, 12)


def test_nothing_but_the_command_line_knows_of_evaluation():
    """No act and no other part of the border imports it: it compares sets, which an act must never do."""
    root = Path(egide.border.__file__).parent
    for path in root.rglob("*.py"):
        if path.is_relative_to(root / "evaluate"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [each.name for each in node.names] if isinstance(node, (ast.Import, ast.ImportFrom)) else []
            assert not any("evaluate" in name for name in names), path
