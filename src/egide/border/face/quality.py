"""Is this picture good enough to compare? Measures of ISO/IEC 29794-5 that need no network, and one word of guidance for each.

| measure | ISO/IEC 29794-5:2025 | here |
|---|---|---|
| one face | single face present | another face of at least `SECOND` of the first one's height |
| distance, pose | inter-eye distance, head pose | from five points |
| sharpness | sharpness | energy of the Laplacian |
| luminance mean and variance | moments of the luminance distribution | of the aligned face, 0 to 1 |
| under- and over-exposure | under-, over-exposure prevention | share of dark (≤ 25) and of bright (≥ 247) pixels |
| dynamic range | dynamic range | entropy of the luminance histogram, bits |

The pose is read from where the nose stands between eyes and mouth, in the plane's own (affine) coordinates: a picture of a face
that is turned, tilted, moved or stretched keeps them, a head that turns does not. That is why liveness.py leans on it.
The thresholds are data of a control point (`Demands`); the defaults are ours, for no official ones exist, and no figure here
judges a person: luminance depends on the lamp first, and its defaults are wide so that no skin is asked to be another
(docs/face.md).
"""

from __future__ import annotations

from typing import Literal

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from egide.border.face.aligning import align
from egide.border.face.engine import Face, Image
from egide.border.face.wiping import wipe

Guidance = Literal["closer", "turn", "light", "still", "alone"]
GUIDANCE: tuple[Guidance, ...] = ("alone", "closer", "light", "turn", "still")  # what to say first

SECOND = 0.5  # height of another face, against the first, from which one is no more alone: nearer ones stand in the way
DARK, BRIGHT = 25, 247  # of 255: as BSI's OFIQ counts under- and over-exposed pixels
NOSE_AT = 0.494  # of the way from the eyes to the mouth, on a face seen from the front (ArcFace's template)
# Of the inter-eye distance: how far the tip stands before the plane of eyes and mouth; rough, people differ
NOSE_DEPTH = 0.45
FACE_LENGTH = 1.155  # eyes to mouth, in inter-eye distances, from the front (ArcFace's template)
TRIMMED = 12  # px of each side of the aligned face that show hair and background


class Pose(msgspec.Struct, frozen=True):
    """Where the head points (degrees, rough): yaw > 0 to the person's left, pitch > 0 up, roll > 0 clockwise in the image."""

    yaw: float
    pitch: float
    roll: float


class Measures(msgspec.Struct, frozen=True):
    """What was measured of one picture. It is kept nowhere."""

    faces: int  # that count: the first and those about as large
    eyes_px: float  # between the eyes
    pose: Pose
    sharpness: float  # variance of the Laplacian of the aligned face, luminance 0 to 255
    luminance: float  # mean, 0 to 1
    variance: float  # of luminance, 0 to 1
    under: float  # share of pixels too dark
    over: float  # share of pixels too bright
    range_bits: float  # entropy, 0 to 8


class Demands(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a control point asks of a picture; each field may stand in its TOML file."""

    eyes_px: float = 40.0  # the network sees 35 px: less would be invented
    yaw: float = 25.0  # degrees, either side
    pitch: float = 25.0
    roll: float = 25.0
    sharpness: float = 25.0
    luminance_min: float = 0.12  # wide on purpose: see above
    luminance_max: float = 0.90
    variance: float = 0.002
    under: float = 0.60
    over: float = 0.25
    range_bits: float = 4.0


def measure(image: Image, faces: list[Face]) -> Measures | None:
    """The measures of a picture (RGB) in which a detector found these faces, the largest first; None where it found none."""
    if not faces:
        return None
    face = faces[0]
    aligned = align(image, face)
    grey = cv2.cvtColor(aligned, cv2.COLOR_RGB2GRAY)[TRIMMED:-TRIMMED, TRIMMED:-TRIMMED]
    shares = np.bincount(grey.ravel(), minlength=256) / grey.size
    seen = shares[shares > 0]
    right, left = np.array(face.right_eye), np.array(face.left_eye)
    found = Measures(
        faces=sum(each.box[3] >= SECOND * face.box[3] for each in faces),
        eyes_px=float(np.linalg.norm(left - right)),
        pose=pose(face),
        sharpness=float(cv2.Laplacian(grey, cv2.CV_64F).var()),
        luminance=float(grey.mean() / 255),
        variance=float((grey / 255).var()),
        under=float(shares[: DARK + 1].sum()),
        over=float(shares[BRIGHT:].sum()),
        range_bits=float(-(seen * np.log2(seen)).sum()),
    )
    wipe(aligned, grey, shares)
    return found


def pose(face: Face) -> Pose:
    """Where the head points, from five points."""
    across, down = nose_place(face)
    right, left = face.right_eye, face.left_eye
    return Pose(
        yaw=float(np.degrees(np.arctan(across / NOSE_DEPTH))),
        pitch=float(np.degrees(np.arctan((NOSE_AT - down) * FACE_LENGTH / NOSE_DEPTH))),
        roll=float(np.degrees(np.arctan2(left[1] - right[1], left[0] - right[0]))),
    )


def nose_place(face: Face) -> tuple[float, float]:
    """The nose in the coordinates of eyes and mouth: across (0 between the eyes, +½ under the left one), down (0 eyes, 1 mouth).

    They stay the same under every affine map of the image: whatever is done with a flat picture far enough away.
    """
    points: NDArray[np.float64] = face.landmarks.astype(np.float64)
    right, left, nose = points[:3]
    eyes, mouth = (right + left) / 2, points[3:].mean(axis=0)
    axes = np.column_stack((left - right, mouth - eyes))
    if abs(np.linalg.det(axes)) < 1.0:  # px²: no face has eyes and mouth in one line
        return (1.0, 1.0)  # as far from the front as it goes: refused by any demand
    across, down = np.linalg.solve(axes, nose - eyes)
    return (float(np.clip(across, -1.0, 1.0)), float(np.clip(down, -1.0, 2.0)))


def failing(found: Measures, demands: Demands) -> tuple[Guidance, ...]:
    """What to tell the person, the most useful first; empty where the picture is good enough."""
    dim = found.luminance < demands.luminance_min or found.luminance > demands.luminance_max
    flat = found.variance < demands.variance or found.range_bits < demands.range_bits
    turned = (
        abs(found.pose.yaw) > demands.yaw
        or abs(found.pose.pitch) > demands.pitch
        or abs(found.pose.roll) > demands.roll
    )
    said: dict[Guidance, bool] = {
        "alone": found.faces != 1,
        "closer": found.eyes_px < demands.eyes_px,
        "light": dim or flat or found.under > demands.under or found.over > demands.over,
        "turn": turned,
        "still": found.sharpness < demands.sharpness,
    }
    return tuple(word for word in GUIDANCE if said[word])
