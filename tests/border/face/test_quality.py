"""What makes a picture too poor, measure by measure, and the word that helps."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from egide.border.face.engine import Face
from egide.border.face.quality import Demands, failing, measure, nose_place, pose
from tests.border.face.drawn import at, landmarks, portrait

IMAGE = portrait(1)


def words(sface, image: np.ndarray, **demands: float) -> tuple[str, ...]:
    found = measure(image, sface.detector.detect(image))
    assert found is not None
    return failing(found, Demands(**demands))


def test_a_good_picture_needs_no_word(sface):
    assert words(sface, IMAGE) == ()
    assert measure(np.zeros((40, 40, 3), dtype=np.uint8), []) is None


@pytest.mark.parametrize(
    ("spoilt", "word"),
    [
        (lambda image: (image * 0.08).astype(np.uint8), "light"),
        (lambda image: np.minimum(image.astype(int) * 2 + 90, 255).astype(np.uint8), "light"),
        (lambda image: (image * 0.06 + 120).astype(np.uint8), "light"),  # flat, as through a dirty glass
        (lambda image: cv2.GaussianBlur(image, (0, 0), 5), "still"),
        (lambda image: cv2.resize(image, (180, 180), interpolation=cv2.INTER_AREA), "closer"),
    ],
)
def test_each_fault_has_its_word(sface, spoilt, word):
    faces = sface.detector.detect(IMAGE)
    image = spoilt(IMAGE)
    if image.shape != IMAGE.shape:
        faces = sface.detector.detect(image)
    found = measure(image, faces)
    assert word in failing(found, Demands())


def test_another_face_beside_matters_and_one_far_behind_does_not():
    near, far, beside = landmarks(), landmarks(size=0.3, centre=(520, 200)), landmarks(size=0.8, centre=(520, 200))
    frame = portrait(1, width=640, height=480)
    assert "alone" in failing(measure(frame, [near, beside]), Demands())
    assert "alone" not in failing(measure(frame, [near, far]), Demands())


@pytest.mark.parametrize("angle", [-40, -20, 0, 20, 40])
def test_the_head_is_seen_to_turn_nod_and_lean(angle):
    assert pose(landmarks(yaw=angle)).yaw == pytest.approx(angle, abs=4)
    assert pose(landmarks(pitch=angle)).pitch == pytest.approx(angle, abs=5)
    assert pose(landmarks(roll=angle)).roll == pytest.approx(angle, abs=2)


def test_the_persons_left_is_the_images_right_and_up_is_up():
    straight = landmarks()
    assert landmarks(yaw=20).nose[0] > straight.nose[0]
    assert landmarks(pitch=20).nose[1] < straight.nose[1]


def test_a_flat_picture_of_a_face_does_not_turn_however_it_is_held():
    """Every affine map leaves the nose where it is between eyes and mouth."""
    flat = landmarks(yaw=6, pitch=-3)
    expected = nose_place(flat)
    draw = np.random.default_rng(5)
    for _ in range(50):
        map_ = draw.normal(size=(2, 2)) * 0.6 + np.eye(2)
        if abs(np.linalg.det(map_)) < 0.2:
            continue
        held = at(flat.landmarks.astype(float) @ map_.T + draw.uniform(-50, 50, 2))
        assert nose_place(held) == pytest.approx(expected, abs=1e-3)


def test_five_points_in_a_line_are_turned_away_as_far_as_it_goes():
    points = [(float(x), float(x)) for x in range(5)]
    assert abs(pose(Face((0, 0, 9, 9), *points, score=0.9)).yaw) > 60


def test_a_control_point_may_ask_for_more_or_less(sface):
    assert words(sface, IMAGE, eyes_px=90) == ("closer",)
    assert words(sface, IMAGE, sharpness=1e6) == ("still",)
    assert words(sface, IMAGE, yaw=0.01) == ("turn",)
    assert words(sface, IMAGE, range_bits=8) == ("light",)


def test_the_default_light_asks_no_skin_to_be_another(sface):
    """From the palest to the darkest of the drawn skins, in the same light, nothing is asked for."""
    for seed in range(12):
        assert "light" not in words(sface, portrait(seed))
