"""Detecting and embedding: as OpenCV itself does it, colours the right way round, replaceable by a name."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import cv2
import numpy as np
import pytest

from egide.border.face import engine as engines
from egide.border.face import models
from egide.border.face.aligning import align
from egide.border.face.engine import Face, engine
from egide.border.face.yunet import _inside
from egide.kernel.errors import BadInput, StartupError
from tests.border.face.drawn import portrait


@pytest.fixture(scope="module")
def theirs():
    """OpenCV's own SFace: aligns and embeds, from BGR."""
    weights = np.frombuffer(models._checked(models.MATCHER), dtype=np.uint8)
    return cv2.FaceRecognizerSF.create("onnx", weights, np.zeros(0, dtype=np.uint8))


def test_the_numbers_are_those_of_opencv_and_swapped_colours_are_not(sface, theirs):
    """BGR given for RGB is answered without complaint, only worse: nothing but this comparison would tell."""
    for seed in range(3):
        image = portrait(seed)
        (face,) = sface.detector.detect(image)
        row = np.array([[*face.box, *face.landmarks.ravel(), face.score]], dtype=np.float32)
        expected = theirs.feature(theirs.alignCrop(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), row))[0]
        expected = expected / np.linalg.norm(expected)
        assert float(sface.matcher.embed(image, face) @ expected) > 0.999
        swapped = np.ascontiguousarray(image[..., ::-1])
        assert float(sface.matcher.embed(swapped, face) @ expected) < 0.97


def test_the_detector_is_fed_the_right_colours(sface):
    """Its score for the same picture, asked of OpenCV directly."""
    image = portrait(0)
    net = cv2.FaceDetectorYN.create(
        "onnx", np.frombuffer(models.detector_model(), dtype=np.uint8), np.zeros(0, np.uint8), (320, 320)
    )
    _, rows = net.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    (face,) = sface.detector.detect(image)
    assert face.score == pytest.approx(float(rows[0][14]))
    assert face.landmarks.ravel() == pytest.approx(rows[0][4:14], abs=0.01)


def test_places_are_given_in_the_picture_that_came_and_the_largest_face_first(sface):
    large = (
        np.concatenate((portrait(1, scale=1.0), portrait(2, scale=1.6, height=320)), axis=1).repeat(2, 0).repeat(2, 1)
    )
    first, second = sface.detector.detect(large)
    assert first.nose[0] > large.shape[1] / 2 > second.nose[0]
    assert first.right_eye[0] < first.left_eye[0]
    assert first.box[2] > second.box[2]


@pytest.mark.parametrize("shape", [(1, 1), (400, 3), (3, 400), (15, 15), (16, 4000), (240, 320)])
def test_a_picture_without_a_face_gives_none(sface, shape):
    assert sface.detector.detect(np.full((*shape, 3), 90, dtype=np.uint8)) == []


def test_no_face_is_found_in_memory_that_nobody_filled(sface):
    """OpenCV did, now and then, when the size changed: boxes of 10^29 px with a score of 1."""
    for height, width in ((16, 4000), (240, 320), (16, 300), (320, 20)) * 4:
        assert sface.detector.detect(np.full((height, width, 3), 90, dtype=np.uint8)) == []


def test_what_lies_outside_the_picture_is_no_face():
    row = np.array([10, 10, 40, 50, *[20] * 10, 1.0], dtype=np.float32)
    assert _inside(row, 320, 200)
    for at, value in ((0, -1e29), (1, 300.0), (2, 0.0), (3, -5.0), (6, np.nan), (14, np.inf)):
        wrong = row.copy()
        wrong[at] = value
        assert not _inside(wrong, 320, 200)


def test_a_face_keeps_its_numbers_when_it_is_moved_and_turned_in_the_picture(sface):
    image = portrait(3)
    turn = cv2.getRotationMatrix2D((160, 160), 14, 0.8)
    moved = cv2.warpAffine(image, turn, (360, 340), borderMode=cv2.BORDER_REPLICATE)
    (here,), (there,) = sface.detector.detect(image), sface.detector.detect(moved)
    assert float(sface.matcher.embed(image, here) @ sface.matcher.embed(moved, there)) > 0.8


def test_an_aligned_face_has_its_eyes_level_and_where_the_network_wants_them(sface):
    image = np.zeros((200, 200, 3), dtype=np.uint8)
    points = [(60.0, 80.0), (110.0, 100.0), (80.0, 115.0), (52.0, 135.0), (90.0, 150.0)]
    for x, y in points[:2]:
        cv2.circle(image, (int(x), int(y)), 3, (255, 0, 0), -1)
    aligned = align(image, Face((40, 60, 90, 110), *points, score=0.9))
    ys, xs = np.nonzero(aligned[..., 0] > 100)
    assert aligned.shape == (112, 112, 3)
    assert np.ptp(ys) < 14
    assert (xs.min(), xs.max()) == (pytest.approx(35, abs=8), pytest.approx(77, abs=8))


@pytest.mark.parametrize("point", [(50.0, 50.0), (float("nan"), 1.0)])
def test_five_points_that_are_no_face_are_refused(sface, point):
    face = Face((0, 0, 9, 9), point, point, point, point, point, score=0.9)
    with pytest.raises(BadInput):
        sface.matcher.embed(portrait(0), face)


def test_another_engine_takes_its_place_by_name_but_not_ours(monkeypatch):
    theirs = EntryPoint("other", "tests.border.face.test_engine:other", engines.GROUP)
    false = EntryPoint("sface", "tests.border.face.test_engine:other", engines.GROUP)
    monkeypatch.setattr(engines, "entry_points", lambda group: (theirs, false) if group == engines.GROUP else ())
    assert engine("other", threads=2) == "another maker's, 2 threads"
    assert engine("sface") != "another maker's, 1 threads"


def other(threads: int) -> str:
    return f"another maker's, {threads} threads"


def test_an_engine_that_nobody_installed_is_named():
    with pytest.raises(StartupError, match="“leader”") as caught:
        engine("leader")
    assert "sface" in caught.value.do.en
