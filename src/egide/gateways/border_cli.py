"""`egide border`: how well faces are compared, on a set of one's own; whose passports are believed, from a master list.

Both work on files of the operator's and start nothing. Measuring opens no act and touches no traveller; what a master list brings
is what the next start of the platform reads (`countries`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from egide.gateways.telling import tell
from egide.kernel.errors import BadInput, Text
from egide.kernel.settings import Settings
from egide.protocols.emrtd import masterlist, pki
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.trust import Trust

if TYPE_CHECKING:  # models and their runtime are loaded by who measures, not by `egide --help`
    from egide.border.evaluate.rates import Rate
    from egide.border.evaluate.report import Report
    from egide.border.face.engine import Detector, Embedding, Engine, Face, Image, Matcher

PLACE = Path("border", "countries")  # in the data folder
AUTHORITY, REVOCATIONS = ".cer", ".crl"  # DER; the names of the files are their digests
PEM = b"-----BEGIN CERTIFICATE-----"


class Remembered:
    """A detector and a matcher that look at each picture once, however often it is asked for: a set is measured in several ways.

    What is kept of a picture is its digest, its faces and 128 numbers: 2 kB. The pictures are the operator's own set.
    """

    def __init__(self, detector: Detector, matcher: Matcher) -> None:
        self._detector, self._matcher = detector, matcher
        self._faces: dict[bytes, list[Face]] = {}
        self._numbers: dict[tuple[bytes, Face], Embedding] = {}

    def detect(self, image: Image) -> list[Face]:
        """As `Detector`."""
        name = _digest(image)
        if name not in self._faces:
            self._faces[name] = self._detector.detect(image)
        return self._faces[name]

    def embed(self, image: Image, face: Face) -> Embedding:
        """As `Matcher`."""
        name = (_digest(image), face)
        if name not in self._numbers:
            self._numbers[name] = self._matcher.embed(image, face)
        return self._numbers[name]


def _digest(image: Image) -> bytes:
    return sha256(str(image.shape).encode() + image.tobytes()).digest()


def evaluate(pairs: Path, out: Path, frames: Sequence[int], name: str, console: Console) -> int:
    """Measures an engine on a folder (border/evaluate/sets.py) once for each number of frames; 0. Raises `EgideError`.

    Writes report.json, det.svg and roc.svg into `out`, in a folder of their own where there are several numbers.
    """
    from egide.border.evaluate.report import evaluate as measured  # noqa: PLC0415 — see above
    from egide.border.face.engine import engine  # noqa: PLC0415

    engine_ = _remembering(engine(name))
    for each in dict.fromkeys(frames):
        place = out if len(set(frames)) == 1 else out / f"{each}-frames"
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            told = partial(_told, bar, bar.add_task("Visages / faces", total=None))
            found = measured(pairs, engine_, place, told, frames=each)
        _show(found, console)
        tell(console, Text(f"Écrit dans {place}.", f"Written to {place}."), "good")
    return 0


def _told(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


def _remembering(given: Engine) -> Engine:
    both = Remembered(given.detector, given.matcher)
    return msgspec.structs.replace(given, detector=both, matcher=both)


def _show(found: Report, console: Console) -> None:
    if found.faces is not None:
        faces = found.faces
        tell(
            console,
            Text(
                f"{found.model} : {faces.pictures} images de {faces.subjects} personnes ; {faces.genuine} comparaisons d’une même "
                f"personne, {faces.impostor} de deux ; échec d’acquisition {_rate(faces.fta)}.",
                f"{found.model}: {faces.pictures} pictures of {faces.subjects} people; {faces.genuine} comparisons of one person, "
                f"{faces.impostor} of two; failure to acquire {_rate(faces.fta)}.",
            ),
        )  # fmt: skip
        table = Table("FMR visé / wanted", "seuil / threshold", "FMR [95 %]", "FNMR [95 %]", title_justify="left")
        table.title = f"images par essai / frames a probe: {faces.frames}"
        for each in faces.operating:
            wanted = "Égide" if each.target is None else f"{each.target:.0e}"
            few = "" if each.enough else " *"
            table.add_row(wanted, f"{each.threshold:.4f}", _rate(each.fmr) + few, _rate(each.fnmr))
        console.print(table)
        if not all(each.enough for each in faces.operating):
            tell(
                console,
                Text("* moins de 30 erreurs vues : à croire avec prudence.", "* fewer than 30 errors seen: weak."),
            )
        for group in faces.groups:
            name = f"{group.name} ({group.subjects}) : FMR {_rate(group.fmr)}, FNMR {_rate(group.fnmr)}"
            tell(console, Text(name, name))
    if found.attacks is not None:
        for species in found.attacks.species:
            line = f"APCER {species.name} : {_rate(species.apcer)}"
            tell(console, Text(line, line))
        line = f"BPCER : {_rate(found.attacks.bpcer)}"
        tell(console, Text(line, line))


def _rate(rate: Rate | None) -> str:
    return "–" if rate is None else f"{rate.value:.2e} [{rate.low:.1e}, {rate.high:.1e}]"


def master_list(file: Path, anchors: Sequence[Path], settings: Settings, console: Console) -> int:
    """Takes in the authorities of a master list, or of the master lists and revocation lists of a directory's LDIF file.

    A list counts only if one of the anchors (certificates, DER or PEM, had by another way) stands for its signer. 0 where at
    least one authority is kept, 1 where none is. Raises `BadInput`.
    """
    given, refused = _listed(_read(file)), 0
    known = [_anchor(each) for each in anchors]
    found: list[bytes] = []
    for entry in given:
        if entry.kind == "master-list":
            try:
                found += masterlist.authorities(entry.data, known, int(time()))
            except EmrtdError as error:
                refused += 1
                tell(console, Text(f"Liste refusée : {error.why}.", f"A list was refused: {error.why}."), "wrong")
    trust = Trust()
    left = set(trust.add_all(found))
    kept = [der for der in dict.fromkeys(found) if der not in left]
    crls = [entry.data for entry in given if entry.kind == "revocations" and _takes(trust.add_revocations, entry.data)]
    folder = settings.folder / PLACE
    _write(folder, kept, crls)
    states = len({pki.certificate(der).country for der in kept})
    tell(
        console,
        Text(
            f"{len(kept)} autorités de {states} États et {len(crls)} listes de révocation gardées dans {folder} ; "
            f"{len(left)} certificats écartés, {refused} listes refusées.",
            f"{len(kept)} authorities of {states} states and {len(crls)} revocation lists kept in {folder}; "
            f"{len(left)} certificates left out, {refused} lists refused.",
        ),
        "good" if kept and not refused else "note" if kept else "wrong",
        Text("Elles servent dès le prochain démarrage.", "They serve from the next start on.") if kept else None,
    )
    return 0 if kept else 1


def countries(settings: Settings) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """(certificates of passport authorities, their revocation lists), DER, as `master_list` left them; empty at first."""
    folder = settings.folder / PLACE

    def all_of(suffix: str) -> tuple[bytes, ...]:
        return tuple(each.read_bytes() for each in sorted(folder.glob(f"*{suffix}")))

    return all_of(AUTHORITY), all_of(REVOCATIONS)


def _listed(data: bytes) -> list[masterlist.Entry]:
    """The one list, which is DER, or the entries of an LDIF file, which is text."""
    if data[:1] == b"\x30":
        return [masterlist.Entry("master-list", data)]
    try:
        found = list(masterlist.entries(data))
    except EmrtdError:
        found = []
    if not found:
        raise BadInput(
            Text("Ce fichier n’est pas une liste maîtresse.", "This file is no master list."),
            Text("Donnez une liste (.ml) ou l’annuaire (LDIF).", "Give a list (.ml) or the directory (LDIF)."),
        )
    return found


def _takes(add: Callable[[bytes], object], der: bytes) -> bool:
    try:
        add(der)
    except EmrtdError:
        return False
    return True


def _write(folder: Path, authorities: Sequence[bytes], revocations: Sequence[bytes]) -> None:
    for suffix, ders in ((AUTHORITY, authorities), (REVOCATIONS, revocations)):
        for der in ders:
            folder.mkdir(parents=True, exist_ok=True)
            folder.joinpath(sha256(der).hexdigest()[:32] + suffix).write_bytes(der)


def _anchor(path: Path) -> pki.Certificate:
    from cryptography import x509  # noqa: PLC0415 — for files in PEM alone
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    data = _read(path)
    try:
        if data.lstrip().startswith(PEM):
            data = x509.load_pem_x509_certificate(data).public_bytes(Encoding.DER)
        return pki.certificate(data)
    except (ValueError, EmrtdError) as error:
        raise BadInput(
            Text(f"{path} n’est pas un certificat (DER ou PEM).", f"{path} is no certificate (DER or PEM).")
        ) from error


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(masterlist.MAX_LDIF + 1)  # one more: what is longer is told as too long
    except OSError as error:
        raise BadInput(Text(f"{path} ne peut pas être lu.", f"{path} cannot be read.")) from error
