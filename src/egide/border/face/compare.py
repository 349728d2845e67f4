"""The comparison: one reference that its holder brought, a few frames of who stands there, one word for an answer.

The score stays in this function. What comes out is a band, for a score tells an attacker how near they came, and two of them
tell an observer that it was the same person. Whatever was computed of the face is overwritten before it returns; the frames are
the caller's, who overwrites them (`wipe`), or shows them to the officer of this control first.

Operating points, measured on 10,147 public press photographs, all pairs (docs/face.md; impostor comparisons that were accepted):

| | match | accepted | refused though genuine | unsure from | accepted there |
|---|---|---|---|---|---|
| mean of three frames | 0.433 | 0.9 in 10,000 | 0.4 % | 0.377 | 0.8 in 1,000 |
| one frame | 0.42 | 0.8 in 10,000 | 2.4 % | 0.363 | 0.8 in 1,000 |

`unsure` opens nothing: it means “once more”, and then the officer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
import numpy as np

from egide.border.face.engine import SFACE, Embedding, Engine, Face, Image
from egide.border.face.quality import Demands, Guidance, failing, measure
from egide.border.face.template import SECRET_BYTES, protect, read, similarity
from egide.border.face.wiping import wipe
from egide.kernel.errors import BadInput, Text

Band = Literal["match", "unsure", "no-match"]
Why = Literal[
    "no-face",
    "two-faces",
    "poor",  # not good enough to compare: `guidance` says what would help
    "changed",  # the frames are not all of one person
]
SAME = 0.363  # cosine of two frames of one person, moments apart; unlike people pass it once in 1,000 (docs/face.md)
MOST_FRAMES = 8


class Reference(msgspec.Struct, frozen=True):
    """The one face that the comparison is with: the template and the secret of one token, or of a chip's portrait (`enrol`)."""

    template: bytes | bytearray
    secret: bytes | bytearray
    model: str = SFACE  # that made the template


class OperatingPoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How sure a control must be, with how many frames, of what quality. From a control point's file."""

    match: float = 0.433  # cosine from which it is the same person
    unsure: float = 0.377  # cosine from which one tries again
    frames: int = 3  # whose mean is compared; the two figures above hold for this number only
    demands: Demands = Demands()

    def __post_init__(self) -> None:
        if not (0.0 < self.unsure <= self.match < 1.0 and 1 <= self.frames <= MOST_FRAMES):
            raise ValueError("an operating point needs 0 < unsure ≤ match < 1 and 1 to 8 frames")


THREE_FRAMES = OperatingPoint()
ONE_FRAME = OperatingPoint(match=0.42, unsure=0.363, frames=1)


class Comparison(msgspec.Struct, frozen=True):
    """What came of it: a band, or in one word why there is none, and what the person can do about it."""

    band: Band | None
    why: Why | None = None
    guidance: tuple[Guidance, ...] = ()


def compare(
    reference: Reference,
    probes: Sequence[Image],
    engine: Engine,
    point: OperatingPoint,
    moved: Sequence[Embedding] = (),
) -> Comparison:
    """Whether these frames (RGB, as many as the point says) show the person of the reference.

    `moved`: what was measured of whoever moved before the camera. The frames must be of the same person, else somebody held a
    picture between. Raises `BadInput` where the reference holds no face that this engine can compare, or there are more or fewer
    frames.
    """
    if reference.model != engine.model or len(reference.secret) != SECRET_BYTES or len(probes) != point.frames:
        raise BadInput(Text("Ce jeton ne peut pas être comparé ici.", "This token cannot be compared here."))
    wipe(read(reference.template))  # before anyone's face is measured for nothing
    made: list[Embedding] = []
    try:
        for probe in probes:
            face = _only(probe, engine, point.demands)
            if isinstance(face, Comparison):
                return face
            made.append(engine.matcher.embed(probe, face))
        if not alike(made):
            return Comparison(None, "changed", ("alone", "still"))
        made.append(mean_of(made))
        if moved and not _same(made[-1], moved):
            return Comparison(None, "changed", ("alone", "still"))
        score = similarity(reference.template, made[-1], reference.secret)
        return Comparison("match" if score >= point.match else "unsure" if score >= point.unsure else "no-match")
    finally:
        wipe(*made)


def enrol(
    pictures: Sequence[Image], engine: Engine, secret: bytes | bytearray, demands: Demands
) -> Reference | Comparison:
    """The reference that pictures (1 to 8) of one person give under a secret, or in one word why they give none.

    Raises `BadInput`.
    """
    found = enrol_each(pictures, engine, [secret], demands)
    return found if isinstance(found, Comparison) else found[0]


def enrol_each(
    pictures: Sequence[Image], engine: Engine, secrets: Sequence[bytes | bytearray], demands: Demands
) -> tuple[Reference, ...] | Comparison:
    """One reference of the same person under each secret; the pictures are measured once.

    Each is measured as it is and mirrored: a tenth fewer refusals, and here the time is there. Raises `BadInput`.
    """
    if not 1 <= len(pictures) <= MOST_FRAMES:
        raise BadInput(Text("Il faut d’une à huit images.", "One to eight pictures are needed."))
    made: list[Embedding] = []
    try:
        for picture in pictures:
            face = _only(picture, engine, demands)
            if isinstance(face, Comparison):
                return face
            made += [engine.matcher.embed(picture, face), _mirrored(picture, face, engine)]
        if not alike(made):
            return Comparison(None, "changed", ("alone", "still"))
        made.append(mean_of(made))
        return tuple(Reference(protect(made[-1], secret), secret, engine.model) for secret in secrets)
    finally:
        wipe(*made)


def _only(image: Image, engine: Engine, demands: Demands) -> Face | Comparison:
    """The one face that stands there, if it is good enough."""
    faces = engine.detector.detect(image)
    found = measure(image, faces)
    if found is None:
        return Comparison(None, "no-face", ("closer", "light"))
    words = failing(found, demands)
    if words:
        return Comparison(None, "two-faces" if words[0] == "alone" else "poor", words)
    return faces[0]


def _mirrored(image: Image, face: Face, engine: Engine) -> Embedding:
    """Of the same picture seen in a mirror: left and right change places."""
    width = image.shape[1]

    def across(point: tuple[float, float]) -> tuple[float, float]:
        return (width - 1 - point[0], point[1])

    x, y, wide, high = face.box
    turned = Face(
        box=(width - x - wide, y, wide, high),
        right_eye=across(face.left_eye),
        left_eye=across(face.right_eye),
        nose=across(face.nose),
        right_mouth=across(face.left_mouth),
        left_mouth=across(face.right_mouth),
        score=face.score,
    )
    mirror = np.ascontiguousarray(image[:, ::-1])
    embedding = engine.matcher.embed(mirror, turned)
    wipe(mirror)
    return embedding


def alike(embeddings: Sequence[Embedding]) -> bool:
    """Whether all are of one person, each against each."""
    stacked = np.stack(embeddings)
    least = float((stacked @ stacked.T).min())
    wipe(stacked)
    return least >= SAME


def _same(mean: Embedding, others: Sequence[Embedding]) -> bool:
    """Whether others are, taken together, of the person of this mean."""
    other = mean_of(others)
    same = alike([mean, other])
    wipe(other)
    return same


def mean_of(embeddings: Sequence[Embedding]) -> Embedding:
    """Their mean, of length 1."""
    mean: Embedding = np.mean(embeddings, axis=0, dtype=np.float32)
    mean /= max(float(np.linalg.norm(mean)), 1e-9)
    return mean
