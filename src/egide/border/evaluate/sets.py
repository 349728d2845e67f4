"""A set of faces in a folder: one sub-folder for each person, their pictures in it; perhaps pairs.txt, perhaps groups.csv.

- Without `pairs.txt` every picture is compared with every other one.
- `pairs.txt`, a line each: `name i j` (two pictures of one person) or `name i other j` (of two), i and j counting that person's
  pictures in the order of their names from 1. A first line of one or two numbers says how many there are and is passed over.
- `groups.csv`: `subject,group`; what the groups are is the owner's affair, for the rates in each and their ratio.

No message names a person: folders are called after people.
"""

from __future__ import annotations

import csv
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from egide.border.evaluate.attacks import ATTACKS, BONA_FIDE, is_picture
from egide.kernel.errors import BadInput, Text

MOST_PICTURES = 200_000
MOST_LINE = 400  # characters

Pairs = NDArray[np.int64]  # n×2, numbers of pictures


class FaceSet(msgspec.Struct, frozen=True):
    """The pictures, whose each is, and what is to be compared."""

    pictures: tuple[Path, ...]
    subjects: NDArray[np.int64]  # of each picture, 0 …
    pairs: Pairs | None  # None: all
    groups: tuple[str, ...]  # of each subject, "" where nobody said


def has_people(folder: Path) -> bool:
    """Whether a folder holds people to compare, beside attacks or without."""
    return bool(_people(folder))


def _people(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(each for each in folder.iterdir() if each.is_dir() and each.name not in {ATTACKS, BONA_FIDE})


def read_set(folder: Path) -> FaceSet:
    """The set in a folder. Raises `BadInput` where it is none."""
    people = _people(folder)
    pictures: list[Path] = []
    subjects: list[int] = []
    starts: dict[str, tuple[int, int]] = {}  # a person's first picture, and how many
    for number, person in enumerate(people):
        own = sorted(each for each in person.iterdir() if is_picture(each))
        starts[person.name] = (len(pictures), len(own))
        pictures += own
        subjects += [number] * len(own)
    if not 2 <= len(pictures) <= MOST_PICTURES:
        raise BadInput(
            Text("Ce dossier ne contient pas de visages à comparer.", "This folder holds no faces to compare."),
            Text("Un sous-dossier par personne, ses images dedans.", "One sub-folder for each person, with their pictures."),
        )  # fmt: skip
    listed = folder / "pairs.txt"
    return FaceSet(
        pictures=tuple(pictures),
        subjects=np.array(subjects, dtype=np.int64),
        pairs=_pairs(listed, starts) if listed.is_file() else None,
        groups=_groups(folder / "groups.csv", [each.name for each in people]),
    )


def _pairs(path: Path, starts: dict[str, tuple[int, int]]) -> Pairs:
    pairs = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            words = line.split("\t") if "\t" in line else line.split()
            if not line.strip() or (number == 1 and len(words) < 3):
                continue
            pairs.append(_pair([word.strip() for word in words], starts, number))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _pair(words: list[str], starts: dict[str, tuple[int, int]], line: int) -> tuple[int, int]:
    wrong = BadInput(
        Text(
            f"pairs.txt, ligne {line} : pas une paire de ce dossier.",
            f"pairs.txt, line {line}: no pair of this folder.",
        )
    )
    if len(words) not in {3, 4} or sum(map(len, words)) > MOST_LINE:
        raise wrong
    sides = ((words[0], words[1]), (words[-2] if len(words) == 4 else words[0], words[-1]))
    found = []
    for name, which in sides:
        start, count = starts.get(name, (0, 0))
        if not (which.isascii() and which.isdigit() and 1 <= int(which) <= count):
            raise wrong
        found.append(start + int(which) - 1)
    if found[0] == found[1]:  # a picture is always like itself
        raise wrong
    return (found[0], found[1])


def _groups(path: Path, people: list[str]) -> tuple[str, ...]:
    if not path.is_file():
        return ("",) * len(people)
    with path.open(encoding="utf-8", newline="") as rows:
        try:
            given = {row["subject"]: (row["group"] or "").strip()[:80] for row in csv.DictReader(rows)}
        except (KeyError, csv.Error):
            raise BadInput(
                Text("groups.csv n’a pas les colonnes subject,group.", "groups.csv lacks the columns subject,group.")
            ) from None
    return tuple(given.get(person, "") for person in people)
