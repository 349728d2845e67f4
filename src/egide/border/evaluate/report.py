"""`egide border evaluate`: a folder in, report.json, det.svg and roc.svg out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from egide.border.evaluate.attacks import AttackReport, by_moire, evaluate_attacks, has_attacks
from egide.border.evaluate.comparisons import Comparisons, Counts, FalseMatches, Numbers, compared
from egide.border.evaluate.plots import Mark, det, roc
from egide.border.evaluate.rates import ENOUGH, Rate, curve, fmr, fnmr, threshold_at, wilson
from egide.border.evaluate.sets import FaceSet, has_people, read_set
from egide.border.face.compare import MOST_FRAMES, ONE_FRAME, THREE_FRAMES
from egide.border.face.engine import SIZE, Engine, Face, Image, engine
from egide.border.face.pictures import read_picture
from egide.border.face.quality import SECOND
from egide.kernel.errors import BadInput, EgideError, Text

TARGETS = (1e-2, 1e-3, 1e-4, 1e-5)  # FMR at which FNMR is given
GROUPS_AT = 1e-3  # FMR of the whole set at which groups are compared
METHOD = (
    "All comparisons of the set (ISO/IEC 19795-1, technology evaluation). FMR, FNMR: 95 % intervals by resampling subjects, 400 "
    "times; failure to acquire, APCER, BPCER: Wilson's intervals. FNMR is of acquired pictures; FRR adds the failures. `enough` is "
    "false where fewer than 30 errors were seen."
)

Progress = Callable[[int, int], None]  # pictures done, pictures in all


class Operating(msgspec.Struct, frozen=True):
    """The rates at one threshold. `target`: the FMR it was set for, None for the threshold that Égide uses."""

    target: float | None
    threshold: float
    fmr: Rate | None
    fnmr: Rate | None
    enough: bool  # false matches to believe this FMR


class Group(msgspec.Struct, frozen=True):
    """The rates inside one group at the whole set's threshold (ISO/IEC 19795-10)."""

    name: str
    subjects: int
    fmr: Rate | None
    fnmr: Rate | None


class Faces(msgspec.Struct, frozen=True):
    """How the comparisons went. The ratios are worst group to best one, None where one of them made no error."""

    subjects: int
    pictures: int
    several: int  # pictures with more than one face, of which the one nearest the middle was taken
    fta: Rate | None  # failure to acquire: no face found, or not a picture
    frames: int
    genuine: int
    impostor: int
    operating: tuple[Operating, ...]
    frr: float | None  # at Égide's threshold, failures to acquire counted as refusals
    groups: tuple[Group, ...]
    fmr_ratio: float | None
    fnmr_ratio: float | None
    curve: tuple[tuple[float, float, float], ...]  # threshold, FMR, FNMR


class Report(msgspec.Struct, frozen=True):
    """What was measured, of which engine, how."""

    model: str
    method: str
    faces: Faces | None
    attacks: AttackReport | None


def run(folder: Path, out: Path, *, frames: int, report: Progress) -> Report:
    """Measures Égide's own engine. Raises `BadInput` where the folder holds nothing to measure."""
    return evaluate(folder, engine(), out, report, frames=frames)


def evaluate(folder: Path, matcher: Engine, out: Path, progress: Progress, *, frames: int = 1) -> Report:
    """Measures any engine on a folder (sets.py, attacks.py); writes report.json and the plots into `out`. Raises `BadInput`."""
    if not 1 <= frames <= MOST_FRAMES:
        raise BadInput(Text("Il faut d’une à huit images par essai.", "A probe has one to eight frames."))
    attacks = evaluate_attacks(folder, by_moire(matcher.detector)) if has_attacks(folder) else None
    alone = attacks is not None and not has_people(folder)
    faces = None if alone else _faces(read_set(folder), matcher, progress, frames)
    made = Report(matcher.model, METHOD, faces, attacks)
    out.mkdir(parents=True, exist_ok=True)
    out.joinpath("report.json").write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=1))
    if faces is not None and faces.curve:
        title = _title(matcher.model, frames)
        out.joinpath("det.svg").write_text(drawn(title, faces), encoding="utf-8")
        out.joinpath("roc.svg").write_text(roc(title, faces.curve), encoding="utf-8")
    return made


def drawn(title: tuple[str, str], faces: Faces) -> str:
    """The curve with its points, and where it rests on too few errors."""
    marks = [
        Mark(each.fmr.value, each.fnmr.value, each.fnmr.low, each.fnmr.high, own=each.target is None)
        for each in faces.operating
        if each.fmr is not None and each.fnmr is not None
    ]
    return det(title, faces.curve, marks, (ENOUGH / max(1, faces.impostor), ENOUGH / max(1, faces.genuine)))


def _title(model: str, frames: int) -> tuple[str, str]:
    if frames == 1:
        return f"{model}, une image", f"{model}, one picture"
    return f"{model}, {frames} images", f"{model}, mean of {frames} pictures"


def _faces(given: FaceSet, matcher: Engine, progress: Progress, frames: int) -> Faces:
    numbers, acquired, several = _measured(given, matcher, progress)
    people = len(given.groups)
    pairs = None if given.pairs is None else _renumbered(given.pairs, acquired)
    made = compared(numbers, given.subjects[acquired], people, pairs, frames if pairs is None else 1)
    counts = made.counted()
    usual = (ONE_FRAME if frames == 1 else THREE_FRAMES).match
    wanted = [(target, threshold_at(counts, target)) for target in TARGETS]
    at = [(target, value) for target, value in wanted if value is not None]
    found = made.false_matches(min([value for _, value in at] + [usual]))
    operating = tuple(_operating(made, found, target, value) for target, value in [*at, (None, usual)])
    failed = len(given.pictures) - len(acquired)
    fta = wilson(failed, len(given.pictures))
    refused = operating[-1].fnmr
    groups = _groups(given, made, found, dict(at).get(GROUPS_AT, usual))
    return Faces(
        subjects=people,
        pictures=len(given.pictures),
        several=several,
        fta=fta,
        frames=frames,
        genuine=int(made.genuine.size),
        impostor=int(counts.sum()),
        operating=operating,
        frr=fta.value + (1 - fta.value) * refused.value if fta and refused else None,
        groups=groups,
        fmr_ratio=_ratio([group.fmr for group in groups]),
        fnmr_ratio=_ratio([group.fnmr for group in groups]),
        curve=tuple(curve(made, counts)),
    )


def _operating(made: Comparisons, found: FalseMatches, target: float | None, threshold: float) -> Operating:
    false = fmr(made, found, threshold)
    return Operating(target, threshold, false, fnmr(made, threshold), enough=false is not None and false.enough)


def _groups(given: FaceSet, made: Comparisons, found: FalseMatches, threshold: float) -> tuple[Group, ...]:
    groups = np.array(given.groups)
    rows = []
    for name in sorted(set(given.groups) - {""}):
        members = groups == name
        rows.append(
            Group(name, int(members.sum()), fmr(made, found, threshold, members), fnmr(made, threshold, members))
        )
    return tuple(rows)


def _ratio(rates: list[Rate | None]) -> float | None:
    values = [rate.value for rate in rates if rate is not None]
    return max(values) / min(values) if len(values) > 1 and min(values) > 0 else None


def _measured(given: FaceSet, matcher: Engine, progress: Progress) -> tuple[Numbers, Counts, int]:
    """The embeddings of what was acquired (n×128), the numbers of those pictures, and how many showed several faces."""
    numbers, acquired, several = [], [], 0
    for number, path in enumerate(given.pictures):
        try:
            image = read_picture(path.read_bytes())
            faces = matcher.detector.detect(image)
            if faces:
                numbers.append(matcher.matcher.embed(image, _middle(image, faces)))
                acquired.append(number)
                several += len(faces) > 1
        except EgideError:
            pass  # not acquired: counted by its absence
        progress(number + 1, len(given.pictures))
    if not acquired:
        raise BadInput(Text("Aucun visage n’a été trouvé dans ce dossier.", "No face was found in this folder."))
    return np.array(numbers, dtype=np.float32).reshape(-1, SIZE), np.array(acquired, dtype=np.int64), several


def _middle(image: Image, faces: list[Face]) -> Face:
    """The face that the picture is of: nearest the middle among the large ones."""
    middle = np.array(image.shape[1::-1]) / 2
    large = [face for face in faces if face.box[3] >= SECOND * faces[0].box[3]]
    return min(large, key=lambda face: float(np.linalg.norm(np.array(face.nose) - middle)))


def _renumbered(pairs: Counts, acquired: Counts) -> Counts:
    """The pairs whose both pictures were acquired, in the rows of what was."""
    rows = np.full(int(max(pairs.max(initial=0), acquired.max())) + 1, -1, dtype=np.int64)
    rows[acquired] = np.arange(len(acquired))
    found = rows[pairs]
    return found[(found >= 0).all(axis=1)]
