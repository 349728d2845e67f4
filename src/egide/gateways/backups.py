"""`egide backup`, `egide backup verify` and `egide restore`: what the operator sees of them.

The work is the kernel's (backup.py, restore.py, backup_verify.py); here are the folders, the passphrase, the bar and the words.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from getpass import getpass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn

from egide.gateways.composition import composed
from egide.gateways.findings import size
from egide.gateways.telling import tell
from egide.kernel import backup, backup_verify, restore
from egide.kernel.backup import Written
from egide.kernel.backup_sets import KEYS_SUFFIX, sets
from egide.kernel.bundle import Kind
from egide.kernel.errors import NotFound, StartupError, Text
from egide.kernel.keyfile import read_private
from egide.kernel.restore import Restored
from egide.kernel.settings import Settings

Count = Callable[[str, int, int], None]
STAGES = {
    "snapshot": "Instantané / snapshot", "ledger": "Registre / ledger", "data": "Données / data", "keys": "Clés / keys",
    "verify": "Vérification / verification", "restore": "Restauration / restore", "erased": "Effacés / erased",
}  # fmt: skip


def write(
    settings: Settings, to: Path | None, keys_to: Path | None, passphrase_file: Path | None, kept: int, console: Console
) -> int:
    """`egide backup`. Raises `EgideError`."""
    place = to or (Path(settings.backups) if settings.backups else settings.folder / "backups")
    apart = keys_to or place / "keys"
    secret = passphrase(passphrase_file, twice=True)
    with _bar(console) as count:
        done = backup.backup(settings, place, apart, secret, engines=composed().engines, kept=kept, count=count)
    _tell_written(console, Text("Données", "Data"), done.data)
    _tell_written(console, Text("Clés, scellées", "Keys, sealed"), done.keys)
    for file in done.destroyed:
        tell(console, Text(f"Anciennes clés détruites : {file.name}", f"Older keys destroyed: {file.name}"), "note")
    if place.stat().st_dev == apart.stat().st_dev:
        tell(
            console,
            Text("Données et clés sont sur le même disque.", "Data and keys are on the same disk."),
            "note",
            Text("Gardez-les à part : --keys-to AUTRE_DISQUE", "Keep them apart: --keys-to OTHER_DISK"),
        )
    if place.stat().st_dev == settings.folder.stat().st_dev:
        tell(
            console,
            Text("La sauvegarde est sur le disque qu’elle sauve.", "The backup is on the very disk it saves."),
            "note",
            Text("Réglez « backups » ou donnez --to.", "Set “backups” or give --to."),
        )
    return 0


def verify(file: Path, key: Path | None, passphrase_file: Path | None, console: Console) -> int:
    """`egide backup verify`: 0 if every byte is as written, else 1."""
    sealed = file.suffix == KEYS_SUFFIX
    secret = passphrase(passphrase_file, twice=False) if sealed else None
    vkey = _text(key).strip()
    with _bar(console) as count:
        done = 0

        def counted(more: int) -> None:
            nonlocal done
            done += more
            count("verify", done, file.stat().st_size)

        found = backup_verify.verify(file, secret, vkey=vkey, count=counted)
    for damage in found.damages:
        tell(console, damage.what, "wrong")
    for number in found.entries:
        tell(console, Text(f"Entrée {number} du registre touchée", f"Ledger entry {number} damaged"), "wrong")
    if not found.ok or found.manifest is None:
        tell(
            console,
            Text("Cette sauvegarde a été modifiée ou abîmée.", "This backup was changed or damaged."),
            "wrong",
            Text("N’en restaurez rien ; prenez-en une autre copie.", "Restore nothing from it; take another copy."),
        )
        return 1
    about = found.manifest
    tell(
        console,
        Text(
            f"Sauvegarde intacte : {about.kind}, {about.realm}, {about.at}, {about.size} entrées, {size(found.bytes)}",
            f"Backup whole: {about.kind}, {about.realm}, {about.at}, {about.size} entries, {size(found.bytes)}",
        ),
        "good",
    )
    if not found.trusted:
        tell(
            console,
            Text(
                "Vérifiée avec la clé qu’elle porte : elle est d’accord avec elle-même.",
                "Verified with the key it carries: it agrees with itself.",
            ),
            "note",
            Text(
                "Donnez la clé publique connue : --key ledger-….vkey", "Give the known public key: --key ledger-….vkey"
            ),
        )
    return 0


def bring_back(
    folder: Path, data: Path, keys: Path, passphrase_file: Path | None, key: Path | None, head: Path | None, console: Console,
    *, older_keys: bool,
) -> int:  # fmt: skip
    """`egide restore`. Raises `EgideError`."""
    secret = passphrase(passphrase_file, twice=False)
    with _bar(console) as count:
        done = restore.restore(
            folder, newest(data, "data"), newest(keys, "keys"), secret, vkey=_text(key).strip(),
            head=_text(head), older_keys=older_keys, engines=composed().engines,
            capabilities=composed().capabilities, count=count,
        )  # fmt: skip
    _tell_restored(console, folder, done)
    return 0


def newest(place: Path, kind: Kind) -> Path:
    """The file given, or the newest set of a folder."""
    if not place.is_dir():
        return place
    found = sets(place, kind) or sets(place / "keys", kind)
    if not found:
        raise NotFound(
            Text(f"Aucune sauvegarde dans {place}.", f"No backup in {place}."),
            Text("Donnez un fichier egide-….", "Give a file egide-…."),
        )
    return max(found, key=lambda file: file.stem.rpartition("-")[2])


def _text(file: Path | None) -> str:
    """What a small file says; "" for none."""
    try:
        return file.read_text("utf-8") if file is not None else ""
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(
            Text(f"Fichier illisible : {file}", f"Unreadable file: {file}"),
            Text("Donnez le chemin d’un fichier qui existe.", "Give the path of a file that exists."),
        ) from error


def passphrase(file: Path | None, *, twice: bool) -> bytes:
    """The passphrase of the keys: from a private file, or asked for. Raises `StartupError`."""
    if file is not None:
        if not file.is_file():
            raise NotFound(
                Text(f"Ce fichier n’existe pas : {file}", f"This file does not exist: {file}"),
                Text("Donnez le fichier de la phrase de passe.", "Give the passphrase’s file."),
            )
        return read_private(file).strip()
    if not sys.stdin.isatty():
        raise StartupError(
            Text("Il faut la phrase de passe des clés.", "The passphrase of the keys is needed."),
            Text("Donnez --passphrase-file FICHIER (chmod 600).", "Give --passphrase-file FILE (chmod 600)."),
        )
    first = getpass("Phrase de passe des clés / passphrase of the keys: ")
    if twice and getpass("Encore / again: ") != first:
        raise StartupError(
            Text("Les deux phrases diffèrent.", "The two passphrases differ."), Text("Recommencez.", "Start again.")
        )
    return first.encode()


def _tell_written(console: Console, what: Text, done: Written) -> None:
    about = f"{size(done.bytes)}, {done.members}"
    tell(
        console,
        Text(
            f"{what.fr} : {done.file} — {about} membres, {done.size} entrées, {done.mib_per_s:.0f} MiB/s",
            f"{what.en}: {done.file} — {about} members, {done.size} entries, {done.mib_per_s:.0f} MiB/s",
        ),
        "good",
    )


def _tell_restored(console: Console, folder: Path, done: Restored) -> None:
    checked, gone = done.checked, done.forgotten
    tell(
        console,
        Text(
            f"Restauré dans {folder} : l’état du {done.manifest.at}, {size(done.bytes)} en {done.seconds:.1f} s ({done.mib_per_s:.0f} MiB/s)",
            f"Restored into {folder}: the state of {done.manifest.at}, {size(done.bytes)} in {done.seconds:.1f} s ({done.mib_per_s:.0f} MiB/s)",
        ),
        "good",
    )
    tell(
        console,
        Text(
            f"Registre : {checked.size} entrées, toutes recalculées, donnent les {checked.heads} têtes signées ; {checked.bodies} contenus scellés intacts",
            f"Ledger: {checked.size} entries, all computed again, give the {checked.heads} signed heads; {checked.bodies} sealed contents whole",
        ),
        "good",
    )
    if gone.any:
        tell(
            console,
            Text(
                f"Retiré, car effacé depuis : {gone.people} personnes, {gone.bodies} contenus d’entrées, {gone.rows} lignes, {gone.values} valeurs",
                f"Removed, being erased since: {gone.people} people, {gone.bodies} contents of entries, {gone.rows} rows, {gone.values} values",
            ),
            "note",
        )
    if done.missing:
        tell(
            console,
            Text(
                f"Il manque {done.missing} entrées, faites après cette sauvegarde : la tête donnée les compte.",
                f"{done.missing} entries are missing, made after this backup: the given head counts them.",
            ),
            "wrong",
            Text(
                "Cherchez une sauvegarde plus récente ; sinon dites-le à l’inspection avec la tête.",
                "Look for a newer backup; else tell the inspection, with the head.",
            ),
        )
    tell(
        console,
        Text(
            "Chacun se reconnecte. Les droits et autorisations sont ceux de la sauvegarde : refaites ce qui fut retiré depuis.",
            "Everyone signs in anew. Rights and orders are those of the backup: do again what was withdrawn since.",
        ),
        "note",
        Text("Puis : egide doctor, egide serve", "Then: egide doctor, egide serve"),
    )


@contextmanager
def _bar(console: Console) -> Iterator[Count]:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        tasks: dict[str, TaskID] = {}

        def count(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(STAGES.get(stage, stage), total=None)
            bar.update(tasks[stage], completed=done, total=total or None)

        yield count
