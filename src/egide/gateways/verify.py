"""`egide ledger verify` and `egide ledger export`: the ledger checked by anyone, and given to anyone.

Verifying needs the export and the ledger's public keys, nothing of the installation. The archive comes from outside: its
members are copied one by one under the few names that an export has; links, devices, holes and surprises are refused, and
neither memory nor disk grows beyond the archive's own size.
"""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from rich.console import Console
from rich.progress import Progress

from egide.gateways import standing
from egide.gateways.telling import raw, tell
from egide.kernel import checkpoint, cosignature, cosigned, ledger_export, stamping, tables, tile_export
from egide.kernel.checkpoint import CheckpointError
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, NotFound, Text, Unavailable
from egide.kernel.ledger_export import write_public
from egide.kernel.ledger_verify import Report, verify_export
from egide.kernel.settings import Settings
from egide.kernel.store import has_table

NAMES: Final = frozenset(
    (
        ledger_export.MANIFEST,
        ledger_export.CHECKPOINTS,
        ledger_export.KEYS,
        ledger_export.LEAVES,
        ledger_export.CONSISTENCY,
        ledger_export.STAMPS,
    )
)
MAX_MEMBERS = 16  # an export has one folder and five files
MAX_READ = 1024 * 1024  # bytes asked for at once; a tar header that wants more is no header of ours
MAX_KEYS = 64 * 1024  # bytes of a file of public keys


def verify(path: Path, keys: list[Path], console: Console, authority: Path | None = None) -> int:
    """Verifies the export at `path` (folder or .tar) with the keys in `keys`, or else its own; 0 when it holds, 1 otherwise.

    Keys may be the log's and witnesses'; `authority` is a PEM file, the time-stamping authority's certificate. Raises
    `BadInput` when the archive or a key file is not one, `NotFound` when it is not there.
    """
    vkeys = [vkey for file in keys for vkey in read_keys(file)]
    witnesses = [vkey for vkey in vkeys if is_witness(vkey)]
    logs = [vkey for vkey in vkeys if vkey not in witnesses]
    judge = _judge(authority) if authority is not None else None
    with opened(path) as folder, Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Vérification / verifying", total=None)
        report = verify_export(
            folder, logs or None, lambda done, total: bar.update(task, completed=done, total=total), witnesses=witnesses, stamped=judge,
        )  # fmt: skip
    _report(report, console)
    return 0 if report.ok else 1


def is_witness(vkey: str) -> bool:
    """Whether this is the key of a witness, not of a log."""
    try:
        cosignature.parse_vkey(vkey)
    except CheckpointError:
        return False
    return True


def _judge(authority: Path) -> Callable[[bytes, bytes], int]:
    trusted = stamping.read_certificates(authority)
    return lambda token, body: stamping.verify(token, body, trusted)


def read_keys(file: Path) -> list[str]:
    """The verifier keys of a file, one a line, `#` begins a comment. Raises `BadInput` when there is none or a bad one."""
    try:
        with file.open("rb") as handle:
            content = handle.read(MAX_KEYS + 1)
    except OSError as error:
        raise NotFound(Text(f"Fichier de clés illisible : {file}", f"Unreadable file of keys: {file}")) from error
    found: list[str] = []
    lines = content[: MAX_KEYS + 1].decode("utf-8", "replace").splitlines()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        try:
            if not is_witness(text):
                checkpoint.parse_vkey(text)
        except CheckpointError as error:
            raise BadInput(Text(f"{file}:{number} : {error.what.fr}", f"{file}:{number}: {error.what.en}")) from error
        found.append(text)
    if not found or len(content) > MAX_KEYS:
        # Never fall back on the export's own keys when others were named: that would prove nothing, unnoticed.
        raise BadInput(
            Text(f"{file} n’est pas un fichier de clés publiques.", f"{file} is not a file of public keys."),
            Text(
                "Donnez le fichier .vkey remis par le service, une clé par ligne.",
                "Give the .vkey file the service handed over, one key a line.",
            ),
        )
    return found


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The export's folder: `path` itself, or where its archive was unpacked for the while."""
    if path.is_dir():
        yield path
        return
    if not path.is_file():
        raise NotFound(Text(f"Rien à vérifier ici : {path}", f"Nothing to verify here: {path}"))
    with tempfile.TemporaryDirectory(prefix="egide-verify-") as place:
        folder = Path(place)
        if shutil.disk_usage(folder).free < path.stat().st_size:
            raise Unavailable(
                Text(
                    f"Pas assez de place dans {folder.parent} pour ouvrir l’archive.",
                    f"Not enough room in {folder.parent} to open the archive.",
                ),
                Text("Libérez de la place, ou réglez TMPDIR.", "Free some space, or set TMPDIR."),
            )
        unpack(path, folder)
        yield folder


class _Bounded(io.FileIO):
    """A file that hands out `MAX_READ` bytes at once at most: tarfile reads a whole extended header in one go."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or not 0 <= size <= MAX_READ:
            raise tarfile.ReadError("a header asks for too much")
        return super().read(size) or b""


def unpack(archive: Path, folder: Path) -> None:
    """Copies the files of an export out of an uncompressed tar into `folder`. Raises `BadInput` for anything else."""
    try:
        with _Bounded(archive) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for number, member in enumerate(tar):
                if number >= MAX_MEMBERS:
                    raise tarfile.ReadError("too many members")
                if not member.isdir():
                    _copy(tar, member, folder)
    except (tarfile.TarError, ValueError, OverflowError, RecursionError, FileExistsError) as error:
        raise BadInput(
            Text(
                f"Ce fichier n’est pas l’archive d’un export du registre : {archive}",
                f"This file is not the archive of a ledger export: {archive}",
            ),
            Text(
                "Donnez le .tar tel que l’acte d’export l’a remis, ou son dossier.",
                "Give the .tar as the export act gave it, or its folder.",
            ),
        ) from error


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    name = PurePosixPath(member.name)
    if not member.isreg() or member.issparse() or name.name not in NAMES or len(name.parts) > 2:
        raise tarfile.ReadError("not a file of an export")
    content = tar.extractfile(member)
    if content is None:
        raise tarfile.ReadError("no content")
    with content, (folder / name.name).open("xb") as out:  # x: a name that comes twice is ambiguous
        shutil.copyfileobj(content, out, MAX_READ)


def _report(report: Report, console: Console) -> None:
    if report.ok:
        what = (
            Text(
                f"Le registre tient : {report.size} inscriptions, {report.checkpoints} têtes signées, rien n’a été changé, ôté ni inséré.",
                f"The ledger holds: {report.size} entries, {report.checkpoints} signed heads, nothing was changed, removed or inserted.",
            )
            if report.kind == "inspector"
            else Text(
                f"Le registre tient : {report.checkpoints} têtes signées, chacune prolonge la précédente, jusqu’à {report.size} inscriptions.",
                f"The ledger holds: {report.checkpoints} signed heads, each continues the one before, up to {report.size} entries.",
            )
        )
        tell(console, what, "good")
    else:
        tell(
            console,
            Text("Le registre ne tient pas : il a été changé.", "The ledger does not hold: it was changed."),
            "wrong",
        )
    if report.origin:
        tell(
            console,
            Text(
                f"Registre : {report.origin}, domaine {report.realm}", f"Ledger: {report.origin}, realm {report.realm}"
            ),
        )
    for problem in report.problems:
        entry = (
            Text(f"inscription {problem.entry} — ", f"entry {problem.entry} — ")
            if problem.entry is not None
            else Text("", "")
        )
        tell(
            console,
            Text(f"{problem.where} : {entry.fr}{problem.what.fr}", f"{problem.where}: {entry.en}{problem.what.en}"),
            "wrong",
        )
    if report.ok:
        _outsiders(report, console)
    if not report.trusted_keys:
        tell(
            console,
            Text(
                "Les clés étaient celles de l’export lui-même : il s’accorde avec lui-même, rien ne prouve de qui il vient."
                if report.ok
                else "Les clés étaient celles de l’export lui-même : rien ne prouve de qui il vient.",
                "The keys were the export’s own: it agrees with itself, nothing proves whom it comes from."
                if report.ok
                else "The keys were the export’s own: nothing proves whom it comes from.",
            ),
            "note",
            Text(
                "Demandez la clé publique au service par une autre voie, puis ajoutez --key FICHIER.",
                "Ask the service for the public key by another way, then add --key FILE.",
            ),
        )


def _outsiders(report: Report, console: Console) -> None:
    """What witnesses and the time-stamping authority say of it."""
    for name, seen in report.witnesses.items():
        if seen.heads:
            at = iso(seen.time * 1_000_000)
            what = Text(
                f"Témoin {name} : {seen.heads} têtes cosignées, la plus grande de {seen.size} inscriptions, le {at}.",
                f"Witness {name}: {seen.heads} heads cosigned, the largest of {seen.size} entries, on {at}.",
            )
        else:
            what = Text(f"Témoin {name} : aucune tête cosignée ici.", f"Witness {name}: no head cosigned here.")
        tell(console, what, "good" if seen.heads else "note")
    stamps = report.stamps
    if stamps.verified:
        tell(
            console,
            Text(
                f"Horodatage : {stamps.verified} têtes, la plus grande de {stamps.size} inscriptions, le {iso(stamps.at)}.",
                f"Time stamps: {stamps.verified} heads, the largest of {stamps.size} entries, on {iso(stamps.at)}.",
            ),
            "good",
        )
    elif stamps.found:
        tell(
            console,
            Text(f"Horodatages non vérifiés : {stamps.found}.", f"Time stamps not verified: {stamps.found}."),
            "note",
            Text(
                "Ajoutez --stamp-authority CERTIFICAT.pem, le certificat de l’autorité.",
                "Add --stamp-authority CERTIFICATE.pem, the authority’s certificate.",
            ),
        )


def export_public(settings: Settings, path: Path, kind: str, console: Console) -> int:
    """Writes the public export (signed heads and their proofs, nothing about anyone) into a new folder `path`; 0 when done.

    The inspector's holds leaves, which stay personal data: it is an act, and this command only says where to do it (1).
    """
    if kind == "inspector":
        tell(
            console,
            Text(
                "L’export avec les inscriptions est l’acte d’un inspecteur, motivé et inscrit au registre : cette commande ne le fait pas.",
                "The export with entries is an inspector’s act, with a motive, written in the ledger: this command does not do it.",
            ),
            "note",
            Text(
                f"Un inspecteur le demande sur {settings.origin}/oversight, puis vérifie le fichier par « egide ledger verify ».",
                f"An inspector asks for it at {settings.origin}/oversight, then verifies the file with “egide ledger verify”.",
            ),
        )
        return 1
    if kind != "public":
        raise BadInput(Text("L’export est « public » ou « inspector ».", "The export is “public” or “inspector”."))
    if path.exists():
        raise Conflict(
            Text(f"{path} existe déjà.", f"{path} exists already."), Text("Donnez un nouveau nom.", "Give a new name.")
        )
    notes = _notes(settings)  # before the log is read: a running server only adds entries, so all of these are covered
    if not notes:
        raise Unavailable(
            Text("Le registre est vide : aucune tête signée encore.", "The ledger is empty: no signed head yet.")
        )
    with (
        standing.reading(settings) as kernel,
        _writable(path),
        Progress(console=console, transient=True, disable=not console.is_terminal) as bar,
    ):
        task = bar.add_task("Export", total=len(notes))
        manifest = write_public(
            path, notes, kernel.log.consistency, [kernel.key.vkey], realm=settings.realm, created=iso(kernel.clock.now_us()),
            stamps=cosigned.stamps(kernel.store.reader(), settings.realm),
            progress=lambda done, _total: bar.update(task, completed=done),
        )  # fmt: skip
    tell(
        console,
        Text(
            f"Export public écrit : {path} — {len(notes)} têtes signées, {manifest.size} inscriptions prouvées, aucune montrée.",
            f"Public export written: {path} — {len(notes)} signed heads, {manifest.size} entries proved, none shown.",
        ),
        "good",
    )
    tell(console, Text("Quiconque le vérifie ainsi :", "Anyone verifies it so:"))
    raw(console, f"egide ledger verify {path} --key ledger-{settings.realm}.vkey")
    return 0


def _notes(settings: Settings) -> list[str]:
    """The signed heads so far with their cosignatures, oldest first."""
    with standing.store(settings) as opened:
        db = opened.reader()
        there = has_table(db, tables.checkpoint.name)
        return [head.note for head in cosigned.heads(db, settings.realm)] if there else []


def export_tiles(settings: Settings, path: Path, console: Console) -> int:
    """Writes, or brings up to date, the public tree in `path`; 0 when done. Raises `Unavailable`, `Conflict`."""
    with standing.reading(settings) as kernel, _writable(path):
        written = tile_export.write(kernel, path)
    tell(
        console,
        Text(
            f"Arbre public : {path} — {written.size} inscriptions, {written.files} fichiers écrits, aucune inscription montrée.",
            f"Public tree: {path} — {written.size} entries, {written.files} files written, no entry shown.",
        ),
        "good",
    )
    return 0


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            Text(f"Impossible d’écrire dans {path} : {error.strerror}", f"Cannot write in {path}: {error.strerror}"),
            Text("Donnez un dossier où vous pouvez écrire.", "Give a folder you can write in."),
        ) from error
