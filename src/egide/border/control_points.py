"""Control points: one TOML file each in `points/`. Adding a file is enough; what may not be is refused at start, by its name.

A point says what it is for, which claims it asks, and the legal basis of the identity check. Without one there is no face there,
only possession of the token (EDPB Opinion 11/2024): such a file cannot even ask for the template. Nothing is kept at any point
(`retention_s = 0`), and every point has an equal lane without biometrics.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Collection, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Literal, get_args

import msgspec

from egide.border.token.claims import CONTROL, SPARE
from egide.kernel.capability import Words
from egide.kernel.errors import NotFound, StartupError, Text

Realm = Literal["facilitation", "border-police"]
REALMS: tuple[Realm, ...] = get_args(Realm)
TEMPLATE = "face_t"
# What a token discloses (profile EGIDE-BT-1). Not `journey_id`: no gate needs it, and it would tie controls together.
CLAIMS = ("flight", "doc_ok", "nationality", "name", "doc_hash", TEMPLATE)
OF_THE_DOCUMENT = ("nationality", "name", "doc_hash")  # who somebody is: asked only where a text asks who they are
# Cosine of the mean of three frames. Below the first, more than one stranger in a thousand passes (Frontex, guidance on automated
# border control: FMR 0.1 % at most); above the second, more than one traveller in a hundred is turned to the officer.
LOOSEST, STRICTEST = 0.377, 0.482
MOST_FRAMES = 5


class Basis(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The text that asks for an identity check at this point; `external_only`: on journeys that leave the area, and no others."""

    text: str
    article: str
    external_only: bool = False


class FaceCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the face is compared: cosine threshold, frames averaged, whether random movements are asked for, which device is asked
    whether somebody is there (presence.py; "" none).
    """  # fmt: skip

    threshold: float
    frames: int
    challenge: bool
    device: str = ""


class Lanes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The two ways through, in words for travellers: with the token, and without any biometrics, with the same result."""

    token: Words
    equal: Words


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One control point. `document`: the chip of the travel document is read there; the token only pre-fills."""

    id: str
    title: Words
    purpose: Words
    realm: Realm
    claims: tuple[str, ...]
    retention_s: int
    lanes: Lanes
    legal_basis: Basis | None = None
    face: FaceCheck | None = None
    document: bool = False

    def looks(self, *, external: bool) -> bool:
        """Whether the face is looked at, on a journey that leaves the area or not."""
        return self.face is not None and self.checks_identity(external=external)

    def checks_identity(self, *, external: bool) -> bool:
        """Whether a text asks who the traveller is."""
        return self.legal_basis is not None and (external or not self.legal_basis.external_only)

    def asked(self, *, external: bool) -> tuple[str, ...]:
        """The claims asked for: without an identity check, nothing that says who somebody is."""
        if self.checks_identity(external=external):
            return self.claims
        return tuple(name for name in self.claims if name != TEMPLATE and name not in OF_THE_DOCUMENT)


def read(name: str, text: str) -> Point:
    """A point from its TOML. Raises `StartupError` with the file and what may not be."""
    try:
        point = msgspec.convert(tomllib.loads(text), Point)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _wrong(name, f"illisible ({error})", f"cannot be read ({error})") from error
    for impossible, fr, en in _impossible(name, point):
        if impossible:
            raise _wrong(name, fr, en)
    for claim in point.claims:
        if claim not in CLAIMS:
            near = difflib.get_close_matches(claim, CLAIMS, 1)
            raise _wrong(name, f"donnée inconnue : {claim}", f"unknown claim: {claim}", near[0] if near else None)
    return point


def _impossible(name: str, point: Point) -> tuple[tuple[bool, str, str], ...]:
    """What may not be: whether it is so here, and the words for it."""
    identity = bool(set(point.claims) & set(OF_THE_DOCUMENT))
    return (
        (
            CONTROL.fullmatch(point.id) is None or point.id == SPARE,
            f"un nom qu’aucun jeton ne peut porter (minuscules, chiffres, tirets ; pas « {SPARE} »)",
            f"a name that no token can bear (lower case, figures, hyphens; not “{SPARE}”)",
        ),
        (f"{point.id}.toml" != name, "son « id » n’est pas le nom du fichier", "its id is not the file’s name"),
        (point.retention_s != 0, "rien n’est gardé à un point de contrôle", "nothing is kept at a control point"),
        (not point.claims, "aucune donnée demandée", "no claim is asked for"),
        (
            len(set(point.claims)) != len(point.claims),
            "une donnée est demandée deux fois",
            "a claim is asked for twice",
        ),
        (
            point.face is not None and point.legal_basis is None,
            "le visage est comparé sans texte qui demande l’identité (avis CEPD 11/2024)",
            "the face is compared without a text that asks for identity (EDPB opinion 11/2024)",
        ),
        (
            (point.face is not None) != (TEMPLATE in point.claims),
            f"« {TEMPLATE} » se demande où le visage est comparé, et là seulement",
            f"“{TEMPLATE}” is asked for where the face is compared, and only there",
        ),
        (
            point.legal_basis is None and identity,
            "l’identité est demandée sans texte qui la demande",
            "identity is asked for without a text that asks for it",
        ),
        (
            point.realm == "border-police" and (point.legal_basis is None or not point.document),
            "à la frontière, un texte et le document lui-même",
            "at the border, a text and the document itself",
        ),
        (
            point.face is not None and not LOOSEST <= point.face.threshold <= STRICTEST,
            f"un seuil hors de {LOOSEST} à {STRICTEST}",
            f"a threshold outside {LOOSEST} to {STRICTEST}",
        ),
        (
            point.face is not None and not 1 <= point.face.frames <= MOST_FRAMES,
            f"1 à {MOST_FRAMES} images",
            f"1 to {MOST_FRAMES} frames",
        ),
    )


@lru_cache(maxsize=1)
def points() -> Mapping[str, Point]:
    """Every control point by id, in the order of the files' names."""
    folder = files("egide.border") / "points"
    found = sorted((each for each in folder.iterdir() if each.name.endswith(".toml")), key=lambda each: each.name)
    read_ = [read(each.name, each.read_text("utf-8")) for each in found]
    return {each.id: each for each in read_}


def point_of(id_: str, realm: Realm) -> Point:
    """A point of this realm. Raises `NotFound`: the other realm's points do not exist for who asks here."""
    found = points().get(id_)
    if found is None or found.realm != realm:
        raise NotFound(
            Text("Ce point de contrôle n’existe pas ici.", "There is no such control point here."),
            Text("Choisissez-le dans la liste.", "Choose it from the list."),
        )
    return found


def check_texts(known: Collection[str]) -> None:
    """Every legal basis must be a text of the law that applies. Raises `StartupError` with the file that names another."""
    for point in points().values():
        if point.legal_basis is not None and point.legal_basis.text not in known:
            near = difflib.get_close_matches(point.legal_basis.text, known, 1)
            raise _wrong(
                f"{point.id}.toml",
                f"texte inconnu : {point.legal_basis.text}",
                f"unknown text: {point.legal_basis.text}",
                near[0] if near else None,
            )


def _wrong(name: str, fr: str, en: str, suggestion: str | None = None) -> StartupError:
    return StartupError(
        Text(f"Point de contrôle {name} : {fr}.", f"Control point {name}: {en}."),
        file=f"egide/border/points/{name}",
        suggestion=suggestion,
    )
