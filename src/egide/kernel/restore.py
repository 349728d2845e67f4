"""Restoring: onto an empty machine, after every hash was verified, and never more than the restored keys can open.

In this order: the hashes of both sets; then the files and databases, beside their place; then the ledger, entry by entry,
against every signed head; then what belongs to erased people is taken out again (forget.py); only then does the data folder
take its place. Whatever fails before leaves the target as it was. Sources: GDPR 17 and 32(1)(c); RFC 9162 §2.1.1.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from time import perf_counter
from typing import BinaryIO

import msgspec
from sqlalchemy import Connection, MetaData, inspect, text

from egide.kernel import bundle, forget
from egide.kernel.backup import FILES, LISTING, OBJECTS, STORE, STORE_FILE, VAULT, VAULT_FILE
from egide.kernel.bundle import BundleError, Manifest, Reader, Source
from egide.kernel.capability import Capability
from egide.kernel.checkpoint import Checkpoint, verify
from egide.kernel.dumps import Database, PostgresDatabase, database
from egide.kernel.engine import Engines
from egide.kernel.erasure import metadata
from egide.kernel.errors import Conflict, StartupError, Text
from egide.kernel.forget import Forgotten
from egide.kernel.ledger_check import Checked, check
from egide.kernel.links import links
from egide.kernel.lock import lock
from egide.kernel.migrate import HEAD
from egide.kernel.sealed_stream import MAGIC, Opening
from egide.kernel.settings import FILE, Settings, load
from egide.kernel.vault import Vault

ASIDE = ".restoring"  # where everything is put together, inside the target folder
PREPARED = frozenset({FILE, "writer.lock", ASIDE})  # what an empty target may hold
Count = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did."""

    manifest: Manifest
    keys_at: str
    checked: Checked
    forgotten: Forgotten
    missing: int  # entries that a head known elsewhere counts and the backup does not hold
    bytes: int
    seconds: float

    @property
    def mib_per_s(self) -> float:
        """Speed, ledger check included."""
        return self.bytes / 2**20 / max(self.seconds, 1e-9)


@contextmanager
def opened(file: Path, passphrase: bytes | None) -> Iterator[Source]:
    """A set's bytes, opened with the passphrase if it is one of keys."""
    try:
        raw: BinaryIO = file.open("rb")
    except OSError as error:
        raise StartupError(
            Text(f"Sauvegarde illisible : {file} ({error.strerror})", f"Unreadable backup: {file} ({error.strerror})"),
            Text("Donnez le fichier d’une sauvegarde.", "Give the file of a backup."),
        ) from error
    with raw:
        sealed = raw.read(len(MAGIC)) == MAGIC
        raw.seek(0)
        yield Opening(raw, passphrase or b"") if sealed else raw


def examine(file: Path, passphrase: bytes | None, count: Callable[[int], None] | None = None) -> Reader:
    """Reads a set whole; what is not as it was written is in `damages`."""
    try:
        with opened(file, passphrase) as source:
            reader = Reader(source, count)
            reader.check()
            return reader
    except BundleError as error:
        reader = Reader(_Nothing())
        reader.damages.append(bundle.Damage(error.member, error.what))
        return reader


def restore(
    folder: Path, data: Path, keys: Path, passphrase: bytes, *, vkey: str = "", head: str = "", older_keys: bool = False,
    engines: Callable[[Settings], Engines], capabilities: Callable[[Settings], Iterable[Capability]], count: Count,
) -> Restored:  # fmt: skip
    """Restores both sets into `folder`. Raises `StartupError`, `Conflict`, `BundleError`; then nothing is restored.

    `vkey` is the ledger's public key as known from elsewhere; `head` a signed note seen elsewhere. `older_keys` accepts keys
    older than the data: what they cannot open is then removed, although nobody erased it.
    """
    started = perf_counter()
    _must_be_empty(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    descriptor = lock(folder, alone=True)
    aside = folder / ASIDE
    try:
        shutil.rmtree(aside, ignore_errors=True)
        manifest, keys_manifest = _verified(data, keys, passphrase, vkey, older_keys=older_keys, count=count)
        known = [verify(head, [manifest.vkey])] if head else []
        aside.mkdir(mode=0o700)
        with ExitStack() as undo:
            undo.callback(shutil.rmtree, aside, ignore_errors=True)
            settings = _settings(folder, aside, data, keys, passphrase, manifest)
            store, keys_store = _targets(settings, aside, manifest, undo)
            size = _extract(data, None, settings, aside, store, STORE, count)
            size += _extract(keys, passphrase, settings, aside, keys_store, VAULT, count)
            beside = msgspec.structs.replace(settings, data=str(aside))
            schema = metadata(capabilities(settings))
            checked, forgotten = _checked(lambda: engines(beside), schema, store, manifest, known, count)
            _take_place(folder, aside)
            undo.pop_all()
        shutil.rmtree(aside, ignore_errors=True)
        missing = max((each.size - checked.size for each in known), default=0)
        return Restored(manifest, keys_manifest.at, checked, forgotten, max(missing, 0), size, perf_counter() - started)
    finally:
        os.close(descriptor)


def _must_be_empty(folder: Path) -> None:
    found = sorted(each.name for each in folder.iterdir() if each.name not in PREPARED) if folder.exists() else []
    if found:
        raise Conflict(
            Text(
                f"{folder} n’est pas vide ({', '.join(found[:5])}) : rien n’a été restauré.",
                f"{folder} is not empty ({', '.join(found[:5])}): nothing was restored.",
            ),
            Text("Donnez un dossier vide, ou écartez celui-ci.", "Give an empty folder, or move this one away."),
        )


def _verified(
    data: Path, keys: Path, passphrase: bytes, vkey: str, *, older_keys: bool, count: Count
) -> tuple[Manifest, Manifest]:
    """Both manifests, once every byte of both sets is as it was written and they belong together."""
    found: list[Manifest] = []
    for file, secret in ((data, None), (keys, passphrase)):
        total, done = file.stat().st_size if file.exists() else 0, 0

        def counted(more: int, total: int = total) -> None:
            nonlocal done
            done += more
            count("verify", done, total)

        reader = examine(file, secret, counted)
        if reader.damages or reader.manifest is None:
            said = reader.damages[0].what if reader.damages else Text("manifeste illisible", "unreadable manifest")
            raise BundleError(
                Text(
                    f"{file.name} — {said.fr} Rien n’a été restauré.", f"{file.name} — {said.en} Nothing was restored."
                ),
                Text("Prenez une autre copie de cette sauvegarde.", "Take another copy of this backup."),
                member=reader.damages[0].member if reader.damages else "",
            )
        found.append(reader.manifest)
    first, second = found
    if (first.kind, second.kind) != ("data", "keys") or (first.realm, first.vkey) != (second.realm, second.vkey):
        raise _not_together()
    if vkey and vkey != first.vkey:
        raise StartupError(
            Text("Cette sauvegarde n’est pas signée par la clé donnée.", "This backup is not signed by the given key."),
            Text("Ne la restaurez pas ; cherchez d’où elle vient.", "Do not restore it; find out where it comes from."),
        )
    if second.at < first.at and not older_keys:
        raise Conflict(
            Text(
                f"Les clés ({second.at}) sont plus anciennes que les données ({first.at}) : ce qu’elles n’ouvrent pas serait retiré.",
                f"The keys ({second.at}) are older than the data ({first.at}): what they cannot open would be removed.",
            ),
            Text(
                "Donnez des clés plus récentes, ou acceptez la perte avec --accept-older-keys.",
                "Give newer keys, or accept the loss with --accept-older-keys.",
            ),
        )
    if first.revision > HEAD:
        raise StartupError(
            Text("Cette sauvegarde vient d’un programme plus récent.", "This backup comes from a newer program."),
            Text(
                "Installez cette version d’Égide ou une plus récente.", "Install that version of Égide or a newer one."
            ),
        )
    return first, second


def _settings(folder: Path, aside: Path, data: Path, keys: Path, passphrase: bytes, manifest: Manifest) -> Settings:
    """The settings that will hold: those prepared in the target folder, else those of the backup."""
    if not (folder / FILE).exists():
        for file, secret in ((data, None), (keys, passphrase)):
            with opened(file, secret) as source:
                for name, pieces in Reader(source).members():
                    if name == FILES + FILE:
                        _write(aside / FILE, pieces)
    prepared = load(folder) if (folder / FILE).exists() else load(aside)
    if prepared.realm != manifest.realm:
        raise StartupError(
            Text(
                f"La sauvegarde est celle du domaine « {manifest.realm} », egide.toml dit « {prepared.realm} ».",
                f"The backup is of realm “{manifest.realm}”, egide.toml says “{prepared.realm}”.",
            ),
            Text("Corrigez egide.toml.", "Correct egide.toml."),
            file=FILE,
        )
    return msgspec.structs.replace(prepared, data=str(folder))


def _targets(settings: Settings, aside: Path, manifest: Manifest, undo: ExitStack) -> tuple[Database, Database]:
    """The empty databases to restore into; what is put into a server is taken out again when the restore fails."""
    store, vault = database(settings.store, aside / STORE_FILE), database(settings.vault, aside / VAULT_FILE)
    for target, engine in ((store, manifest.store), (vault, manifest.vault)):
        if target.engine != engine:
            raise StartupError(
                Text(
                    f"La sauvegarde vient de {engine}, les réglages disent {target.engine}.",
                    f"The backup comes from {engine}, the settings say {target.engine}.",
                ),
                Text("Réglez « store » et « vault » comme à l’origine.", "Set “store” and “vault” as they were."),
                file=FILE,
            )
        if not target.empty():
            raise Conflict(
                Text(
                    "La base visée n’est pas vide : rien n’a été restauré.",
                    "The target database is not empty: nothing was restored.",
                ),
                Text(
                    "Créez une base vide, mettez-la dans egide.toml.", "Make an empty database, put it into egide.toml."
                ),
            )
        if isinstance(target, PostgresDatabase):
            undo.callback(target.clear)
    return store, vault


def _extract(
    file: Path, passphrase: bytes | None, settings: Settings, aside: Path, target: Database, prefix: str, count: Count
) -> int:
    """Puts one verified set in place; its bytes."""
    done = 0

    def counted(more: int) -> None:
        nonlocal done
        done += more
        count("restore", done, 0)

    loaded = False
    with opened(file, passphrase) as source:
        reader = Reader(source, counted)
        for name, pieces in reader.members():
            if name == prefix + target.file:
                target.load(pieces)
                loaded = True
            elif name.startswith(FILES) and name != FILES + FILE:
                _write(_inside(aside, name.removeprefix(FILES)), pieces)
            elif name.startswith(OBJECTS) and settings.objects.startswith("file://"):
                _write(_inside(Path(settings.objects.removeprefix("file://")), name.removeprefix(OBJECTS)), pieces)
            elif name == LISTING:
                _write(aside / LISTING, pieces)
        if reader.damages or not loaded:  # verified a moment ago: the disk itself is failing
            raise BundleError(
                Text(f"{file.name} a changé pendant la lecture.", f"{file.name} changed while it was read."),
                Text("Vérifiez le disque, prenez une autre copie.", "Check the disk, take another copy."),
            )
    return done


def _checked(
    open_engines: Callable[[], Engines],
    schema: list[MetaData],
    store: Database,
    manifest: Manifest,
    known: list[Checkpoint],
    count: Count,
) -> tuple[Checked, Forgotten]:
    """The ledger, whole; then what the keys cannot open is taken out."""
    heads = [verify(manifest.head, [manifest.vkey]), *known]
    with store.open() as db:
        checked = check(db, manifest.realm, [manifest.vkey], lambda done, total: count("ledger", done, total), heads)
        if checked.problems or checked.size != manifest.size:
            said = checked.problems[0].what if checked.problems else Text("des entrées manquent", "entries are missing")
            raise BundleError(
                Text(f"Registre : {said.fr} Rien n’a été restauré.", f"Ledger: {said.en} Nothing was restored."),
                Text(
                    "Gardez cette sauvegarde comme preuve ; prenez-en une autre.",
                    "Keep this backup as evidence; take another.",
                ),
                member=checked.problems[0].where if checked.problems else "",
            )
    opened = open_engines()
    vault = Vault.open(opened.rows, opened.keys, manifest.realm, may_create=False)
    try:
        opened.store.create(
            schema
        )  # what is declared today is looked for in every table, whatever version wrote the backup
        opened.store.reader()  # kept open: the last to close a SQLite log gives its blocks back unwritten
        with store.open() as db:
            forgotten = forget.unopenable(
                db, manifest.realm, links(schema), vault.holds, lambda done, total: count("erased", done, total)
            )
            _begin_again(db)
        if forgotten.any:
            opened.store.wipe()
            vault.wipe()
    finally:
        vault.close()
        opened.store.close()
    return checked, forgotten


def _begin_again(db: Connection) -> None:
    """What was true of the old machine only: its processes, and who was signed in there."""
    stored = inspect(db)
    if stored.has_table("process"):
        db.execute(text("DELETE FROM process"))
    if stored.has_table("session"):
        # A session that was ended after the backup would live again: everyone signs in anew.
        db.execute(text("UPDATE session SET ended = started WHERE ended IS NULL"))
    if stored.has_table("rights"):
        db.execute(text("UPDATE rights SET epoch = epoch + 1"))


def _take_place(folder: Path, aside: Path) -> None:
    """Moves what was put together into the folder: renames only, the store last."""
    for each in sorted(aside.iterdir(), key=lambda place: place.name == STORE_FILE):
        target = folder / each.name
        if not target.exists():
            each.rename(target)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _inside(root: Path, name: str) -> Path:
    """A path under `root`, whatever the name says."""
    parts = PurePosixPath(name).parts
    if not parts or any(part in ("..", "/") or part.startswith("/") for part in parts):
        raise BundleError(Text(f"Nom refusé : {name}", f"Name refused: {name}"), member=name)
    return root.joinpath(*parts)


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        for piece in pieces:
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())


def _not_together() -> Conflict:
    return Conflict(
        Text("Ces deux sauvegardes ne vont pas ensemble.", "These two backups do not belong together."),
        Text(
            "Donnez les données puis les clés d’une même installation.",
            "Give the data, then the keys, of one installation.",
        ),
    )


class _Nothing:
    def read(self, _size: int, /) -> bytes:
        """Nothing."""
        return b""
