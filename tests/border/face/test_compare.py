"""One reference, a few frames, one word. The score never comes out, and nothing of a face is left in what was computed."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import numpy as np
import pytest

from egide.border.face import compare as module
from egide.border.face.compare import (
    ONE_FRAME,
    THREE_FRAMES,
    Comparison,
    OperatingPoint,
    Reference,
    compare,
    enrol,
    enrol_each,
)
from egide.border.face.engine import Engine, Face
from egide.border.face.quality import Demands
from egide.border.face.template import protect
from egide.border.face.wiping import wipe
from egide.kernel.errors import BadInput
from tests.border.face.drawn import landmarks, portrait

SECRET = bytes(range(16))
FRAME = portrait(0, width=640, height=480)


class Numbers:
    """A matcher that gives what it is told to, one after the other, and remembers the arrays it gave."""

    def __init__(self, *given: np.ndarray) -> None:
        self.waiting = [each.astype(np.float32) for each in given]
        self.gave: list[np.ndarray] = []

    def embed(self, image: np.ndarray, face: Face) -> np.ndarray:
        self.gave.append(self.waiting.pop(0))
        return self.gave[-1]


class Faces:
    """A detector that finds what it is told to, in any picture."""

    def __init__(self, *faces: Face) -> None:
        self.faces = list(faces)

    def detect(self, image: np.ndarray) -> list[Face]:
        return self.faces


def unit(*numbers: float) -> np.ndarray:
    made = np.zeros(128, dtype=np.float32)
    made[: len(numbers)] = numbers
    return made / np.linalg.norm(made)


def towards(cosine: float, axis: int = 1) -> np.ndarray:
    """An embedding with this cosine to `unit(1)`."""
    made = np.zeros(128)
    made[0], made[axis] = cosine, np.sqrt(1 - cosine**2)
    return made


def standing(*numbers: np.ndarray, faces: tuple[Face, ...] = (landmarks(),)) -> Engine:
    return Engine("sface-2021dec", Faces(*faces), Numbers(*numbers))


REFERENCE = Reference(protect(unit(1), SECRET), SECRET)


def test_the_real_engine_tells_two_drawn_people_apart(sface):
    """Drawn people are all alike to a network made for real ones: this shows the parts joined, and is no figure of accuracy."""
    made = enrol([portrait(1)], sface, SECRET, Demands())
    assert isinstance(made, Reference)
    same = compare(made, [portrait(1), portrait(1, scale=0.95), portrait(1, scale=1.1)], sface, THREE_FRAMES)
    assert same == Comparison("match")
    strict = OperatingPoint(match=0.97, unsure=0.96)
    assert compare(made, [portrait(1)] * 3, sface, strict).band == "match"
    assert compare(made, [portrait(4)] * 3, sface, strict).band == "no-match"


@pytest.mark.parametrize(
    ("point", "cosine", "band"),
    [
        (ONE_FRAME, 0.43, "match"), (ONE_FRAME, 0.41, "unsure"), (ONE_FRAME, 0.37, "unsure"), (ONE_FRAME, 0.35, "no-match"),
        (THREE_FRAMES, 0.44, "match"), (THREE_FRAMES, 0.425, "unsure"), (THREE_FRAMES, 0.37, "no-match"), (ONE_FRAME, -0.9, "no-match"),
    ],
)  # fmt: skip
def test_a_band_follows_from_the_operating_point(point, cosine, band):
    given = [towards(cosine)] * point.frames
    assert compare(REFERENCE, [FRAME] * point.frames, standing(*given), point) == Comparison(band)


def test_it_is_the_mean_of_the_frames_that_is_compared():
    """Three frames of which none would do by itself, each off in another direction."""
    frames = [towards(0.65, axis) for axis in (1, 2, 3)]
    strict = OperatingPoint(match=0.8, unsure=0.7)
    assert compare(REFERENCE, [FRAME] * 3, standing(*frames), strict).band == "match"
    assert compare(REFERENCE, [FRAME] * 3, standing(*[frames[0]] * 3), strict).band == "no-match"


def test_frames_of_two_people_are_no_answer():
    frames = [towards(0.99), towards(0.99), towards(0.1, 2)]
    assert compare(REFERENCE, [FRAME] * 3, standing(*frames), THREE_FRAMES).why == "changed"


def test_no_face_two_faces_and_a_poor_picture_are_each_a_word():
    near, far = landmarks(), landmarks(size=0.3, centre=(500, 200))
    assert compare(REFERENCE, [FRAME], standing(faces=()), ONE_FRAME) == Comparison(
        None, "no-face", ("closer", "light")
    )
    two = compare(REFERENCE, [FRAME], standing(faces=(near, landmarks(size=0.9))), ONE_FRAME)
    assert (two.why, two.guidance[0]) == ("two-faces", "alone")
    assert (
        compare(REFERENCE, [FRAME], standing(unit(1), faces=(near, far)), ONE_FRAME).band == "match"
    )  # who waits behind
    poor = compare(REFERENCE, [FRAME // 20], standing(), ONE_FRAME)
    assert (poor.why, "light" in poor.guidance) == ("poor", True)


def test_a_reference_of_another_model_or_torn_is_refused_before_a_face_is_measured():
    engine = standing(unit(1))
    for broken in (
        Reference(REFERENCE.template, SECRET, "another-model"),
        Reference(REFERENCE.template[:-1], SECRET),
        Reference(bytes(128), SECRET),
        Reference(REFERENCE.template, SECRET[:-1]),
    ):
        with pytest.raises(BadInput):
            compare(broken, [FRAME], engine, ONE_FRAME)
    with pytest.raises(BadInput):
        compare(REFERENCE, [FRAME] * 2, engine, THREE_FRAMES)
    assert engine.matcher.gave == []


@pytest.mark.parametrize("faces", [(landmarks(),), (landmarks(), landmarks())])
def test_whatever_was_computed_is_overwritten_also_when_it_ends_early(faces):
    engine = standing(*[towards(0.9)] * 3)
    seen: list[np.ndarray] = []

    class Turning:
        """Finds one face, then what the test says."""

        def detect(self, image: np.ndarray) -> list[Face]:
            return list(faces) if seen or engine.matcher.gave else [landmarks()]

    compare(REFERENCE, [FRAME] * 3, Engine(engine.model, Turning(), engine.matcher), THREE_FRAMES)
    assert engine.matcher.gave
    assert not any(array.any() for array in engine.matcher.gave)


def test_wiping_overwrites_in_place_and_refuses_what_would_stay():
    array, secret = np.ones(4), bytearray(b"secret")
    wipe(array, secret)
    assert not array.any()
    assert secret == bytes(6)
    array.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        wipe(array)


def test_no_score_comes_out_and_no_function_takes_a_second_reference():
    assert not any(float in (hint, *get_args(hint)) for hint in get_type_hints(Comparison).values())
    assert not any("0." in msgspec.json.encode(Comparison(band)).decode() for band in ("match", "unsure", "no-match"))
    for name, function in inspect.getmembers(module, inspect.isfunction):
        references = [hint for hint in get_type_hints(function).values() if Reference in (hint, *get_args(hint))]
        assert Sequence[Reference] not in references, name
        assert len(references) <= 1, name


def test_a_portrait_is_measured_as_it_is_and_mirrored_under_the_callers_secret():
    engine = standing(unit(1, 0.2), unit(1, -0.2))
    made = enrol([FRAME], engine, SECRET, Demands())
    assert isinstance(made, Reference)
    assert made.secret == SECRET
    assert compare(made, [FRAME], standing(unit(1)), OperatingPoint(match=0.99, unsure=0.98, frames=1)).band == "match"
    assert not any(array.any() for array in engine.matcher.gave)
    assert enrol([FRAME], standing(faces=()), SECRET, Demands()) == Comparison(None, "no-face", ("closer", "light"))
    assert enrol([FRAME] * 2, standing(unit(1), unit(1), unit(0, 1), unit(0, 1)), SECRET, Demands()).why == "changed"
    for number in (0, 9):
        with pytest.raises(BadInput):
            enrol([FRAME] * number, engine, SECRET, Demands())


def test_the_mirrored_face_is_found_where_it_is(sface):
    """Its numbers are those of the mirrored picture's own detection."""
    image = portrait(2, at=0.4)
    (face,) = sface.detector.detect(image)
    mirrored = module._mirrored(image, face, sface)
    other = np.ascontiguousarray(image[:, ::-1])
    (found,) = sface.detector.detect(other)
    assert float(mirrored @ sface.matcher.embed(other, found)) > 0.95


@pytest.mark.parametrize("wrong", [{"match": 1.0}, {"match": 0.3}, {"unsure": 0.0}, {"frames": 0}, {"frames": 9}])
def test_an_operating_point_that_admits_anyone_or_nobody_is_refused(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"match": 0.433, "unsure": 0.377, "frames": 3} | wrong, type=OperatingPoint)


def test_a_child_of_the_process_that_loaded_the_engine_compares_as_its_parent():
    """A gate loads once and forks for each control; what the child knew ends with it."""
    program = """
import os, sys
from egide.border.face.compare import ONE_FRAME, compare, enrol
from egide.border.face.engine import engine
from egide.border.face.quality import Demands
from tests.border.face.drawn import portrait
sface = engine()
made = enrol([portrait(1)], sface, bytes(16), Demands())
child = os.fork()
if child == 0:
    os._exit(0 if compare(made, [portrait(1)], sface, ONE_FRAME).band == "match" else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60, cwd=Path(__file__).parents[3])


def test_a_face_is_measured_once_for_as_many_tokens_as_there_are() -> None:
    secrets, alone = [SECRET, bytes(16)], standing(unit(1), unit(1))
    made = standing(unit(1), unit(1))  # a picture and its mirror; a third would not be there
    found = enrol_each([FRAME], made, secrets, Demands())
    assert not isinstance(found, Comparison)
    assert [each.secret for each in found] == secrets
    assert found[0] == enrol([FRAME], alone, SECRET, Demands())
    assert found[0].template != found[1].template
