"""How a presentation-attack detector fares (ISO/IEC 30107-3): `attacks/<species>/` and `bona-fide/`, one picture a presentation.

APCER is given for each species of attack and the worst one counts, for an attacker chooses; an average would hide it.
Presentations that got no answer are counted apart (APNRR, BPNRR). The detector is any function of a picture; ours is the advisory
figure of `face/moire.py`, so that everyone can see what it is worth.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from egide.border.evaluate.rates import Rate, wilson
from egide.border.face.engine import Detector, Image
from egide.border.face.moire import moire
from egide.border.face.pictures import read_picture
from egide.kernel.errors import EgideError

ATTACKS, BONA_FIDE = "attacks", "bona-fide"
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".jp2"})
FLAT = 0.5  # of the advisory figure: from here on our stand-in detector says attack

Judge = Callable[[Image], bool | None]  # whether it is an attack; None: no answer


class Species(msgspec.Struct, frozen=True):
    """One kind of attack: the share taken for real (APCER), and that got no answer (APNRR)."""

    name: str
    apcer: Rate | None
    apnrr: Rate | None


class AttackReport(msgspec.Struct, frozen=True):
    """All kinds, the worst of them, and the share of real people taken for an attack (BPCER) or not answered (BPNRR)."""

    species: tuple[Species, ...]
    apcer_worst: float | None
    bpcer: Rate | None
    bpnrr: Rate | None


def has_attacks(folder: Path) -> bool:
    """Whether a folder holds presentations."""
    return (folder / ATTACKS).is_dir() and (folder / BONA_FIDE).is_dir()


def is_picture(path: Path) -> bool:
    """Whether a file is to be a picture, torn or not. What a system hides in a folder (`._1.png`) is no failure of an engine."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def by_moire(detector: Detector) -> Judge:
    """Our stand-in: an attack where the advisory figure is high, no answer where there is not one face."""

    def judge(image: Image) -> bool | None:
        faces = detector.detect(image)
        return moire(image, faces[0]) >= FLAT if len(faces) == 1 else None

    return judge


def evaluate_attacks(folder: Path, judge: Judge) -> AttackReport:
    """The rates of a detector on a folder."""
    kinds = sorted(each for each in (folder / ATTACKS).iterdir() if each.is_dir())
    species = []
    for kind in kinds:
        attack, real, none = _answers(kind, judge)
        species.append(Species(kind.name, wilson(real, attack + real), wilson(none, attack + real + none)))
    attack, real, none = _answers(folder / BONA_FIDE, judge)
    worst = [each.apcer.value for each in species if each.apcer is not None]
    return AttackReport(
        species=tuple(species),
        apcer_worst=max(worst) if worst else None,
        bpcer=wilson(attack, attack + real),
        bpnrr=wilson(none, attack + real + none),
    )


def _answers(folder: Path, judge: Judge) -> tuple[int, int, int]:
    """How many were called attack, real, nothing."""
    said: list[bool | None] = []
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and is_picture(each)):
        try:
            said.append(judge(read_picture(path.read_bytes())))
        except EgideError:  # not a picture, or no face in it: no answer
            said.append(None)
    return said.count(True), said.count(False), said.count(None)
