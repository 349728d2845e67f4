"""Backups: the data and the keys, in two sets that never lie together, each written whole or not at all.

Why two: what is erased is erased by destroying its key (vault.py), so a copy of the wrapped keys must not outlive their own,
shorter retention; the sealed data may be kept for years. The keys are copied after the data: whatever the data name is there,
unless it was erased in between. Every member is hashed, the manifest is signed by the ledger's key over the head of this very
snapshot (bundle.py). Sources: GDPR 17 and 32(1)(c), directive 2016/680 art. 16 and 29; EDPB 02/2025.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import BinaryIO

import msgspec
from sqlalchemy import Connection, inspect, text

from egide import __version__
from egide.kernel import bundle
from egide.kernel.backup_sets import DATA_SUFFIX, KEYS_SUFFIX, alone, destroy, destroy_older, sync
from egide.kernel.bundle import Manifest, Writer
from egide.kernel.checkpoint import Checkpoint, Signer
from egide.kernel.checkpoint import sign as sign_note
from egide.kernel.dumps import Database, database
from egide.kernel.engine import Engines
from egide.kernel.errors import NotFound, StartupError, Text, Unavailable
from egide.kernel.law import PACKS, LawBook
from egide.kernel.ledger_check import grown
from egide.kernel.objects import KINDS, Objects
from egide.kernel.sealed_stream import Sealing
from egide.kernel.settings import FILE, Settings

STORE_FILE = "egide.db"
VAULT_FILE = "vault/vault.db"
STORE, VAULT, FILES, OBJECTS = "store/", "vault-store/", "files/", "objects/"
LISTING = "objects.jsonl"
KEPT = 1  # sets of keys; the older are destroyed when a newer one is written
# Never copied: SQLite's own files (the databases are copied as such), locks, drafts.
PASSING = re.compile(r"(^|/)\.|\.db(-wal|-shm|-journal)?$|\.lock$|\.half$|\.sock$")
SECRET = re.compile(r"^(vault|keys|tls)/|\.(key|token|p12|pin)$")
PASSWORD = re.compile(r"://[^/\s\"']*:[^@/\s\"']+@")  # an address with a password in it

Count = Callable[[str, int, int], None]  # (stage, done, total; 0: not known)


@dataclass(frozen=True, slots=True)
class Written:
    """A set that stands on the disk."""

    file: Path
    bytes: int  # of the file
    content: int  # bytes, of what is in it
    seconds: float
    members: int
    size: int  # ledger entries
    at: str

    @property
    def mib_per_s(self) -> float:
        """Speed, content over time."""
        return self.content / 2**20 / max(self.seconds, 1e-9)


@dataclass(frozen=True, slots=True)
class Report:
    """Both sets, and the older sets of keys that were destroyed."""

    data: Written
    keys: Written
    destroyed: tuple[Path, ...]


def backup(
    settings: Settings, place: Path, keys_place: Path, passphrase: bytes, *, engines: Callable[[Settings], Engines], kept: int = KEPT,
    count: Count,
) -> Report:  # fmt: skip
    """Writes both sets. Raises `StartupError`, `Unavailable`; a set that did not end well is not there."""
    if not passphrase:
        raise StartupError(
            Text("La phrase de passe des clés est vide.", "The passphrase of the keys is empty."),
            Text("Donnez-la avec --passphrase-file.", "Give it with --passphrase-file."),
        )
    opened = engines(settings)
    try:
        signer = opened.keys.signer(f"egide/{settings.realm}", may_create=False)
        return _both(settings, place, keys_place, passphrase, signer, opened.objects, kept, count)
    finally:
        opened.rows.close()
        opened.store.close()


def _both(
    settings: Settings, place: Path, keys_place: Path, passphrase: bytes, signer: Signer, objects: Objects, kept: int, count: Count
) -> Report:  # fmt: skip
    bucket = objects if settings.objects.startswith("s3:") else None
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    store, vault = databases(settings)
    with alone(place):
        name = f"egide-data-{settings.realm}-{stamp}{DATA_SUFFIX}"
        data = _data(settings, place / name, store, vault, signer, bucket, count)
    with alone(keys_place):
        name = f"egide-keys-{settings.realm}-{stamp}{KEYS_SUFFIX}"
        keys = _keys(settings, keys_place / name, (store, vault), signer, passphrase, data, count)
        destroyed = destroy_older(keys_place, settings.realm, max(kept, 1))
    return Report(data, keys, destroyed)


def databases(settings: Settings) -> tuple[Database, Database]:
    """(store, vault) as the settings say."""
    folder = settings.folder
    return database(settings.store, folder / STORE_FILE), database(settings.vault, folder / VAULT_FILE)


def _data(
    settings: Settings,
    file: Path,
    store: Database,
    vault: Database,
    signer: Signer,
    bucket: Objects | None,
    count: Count,
) -> Written:
    started = perf_counter()
    with store.snapshot(file.parent, lambda done, total: count("snapshot", done, total)) as snapshot:
        size, root = _head(snapshot.db, settings, signer, count)
        head = sign_note(Checkpoint(f"egide/{settings.realm}", size, root), [signer])
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        with _whole(file) as out:
            done = 0

            def copied(more: int) -> None:
                nonlocal done
                done += more
                count("data", done, 0)

            writer = Writer(out, copied)
            writer.add(STORE + store.file, snapshot.stream)
            for path, name in _files(settings, secret=False):
                _add_file(writer, FILES + name, path)
            _objects(settings, bucket, writer)
            revision = _revision(snapshot.db)
            writer.finish(_manifest("data", settings, revision, (store, vault), at, size, head, signer, writer), signer)
    return _written(file, writer, started, size, at)


def _keys(
    settings: Settings, file: Path, both: tuple[Database, Database], signer: Signer, passphrase: bytes, data: Written, count: Count
) -> Written:  # fmt: skip
    started = perf_counter()
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    with _whole(file) as out:
        sealing = Sealing(out, passphrase)
        writer = Writer(sealing, lambda more: count("keys", more, 0))
        writer.add(VAULT + both[1].file, both[1].content())
        for path, name in _files(settings, secret=True):
            _add_file(writer, FILES + name, path)
        writer.finish(_manifest("keys", settings, "", both, at, data.size, "", signer, writer), signer)
        sealing.close()
    return _written(file, writer, started, data.size, at)


def _manifest(
    kind: bundle.Kind, settings: Settings, revision: str, both: tuple[Database, Database], at: str, size: int, head: str,
    signer: Signer, writer: Writer,
) -> Manifest:  # fmt: skip
    return Manifest(
        version=bundle.VERSION, kind=kind, program=__version__, realm=settings.realm, at=at, store=both[0].engine,
        vault=both[1].engine, revision=revision, law=_law(settings), size=size, head=head, vkey=signer.vkey, parts=writer.parts,
    )  # fmt: skip


def _revision(db: Connection) -> str:
    if not inspect(db).has_table("alembic_version"):
        return ""
    return str(db.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def _law(settings: Settings) -> str:
    """The hash of the law in force; "" when the packs do not load, which the doctor says and no backup waits for."""
    with suppress(StartupError):
        return LawBook.load(PACKS, settings.jurisdiction, datetime.now(UTC)).hash
    return ""


def _head(db: Connection, settings: Settings, signer: Signer, count: Count) -> tuple[int, bytes]:
    if not inspect(db).has_table("entry"):
        raise StartupError(
            Text("Rien n’est encore installé ici.", "Nothing is installed here yet."),
            Text("Lancez « egide init ».", "Run “egide init”."),
            file=str(settings.folder),
        )
    return grown(db, settings.realm, signer.vkey, lambda done, total: count("ledger", done, total))


def _files(settings: Settings, *, secret: bool) -> Iterator[tuple[Path, str]]:
    """The files of the data folder: those of the keys, or all the others."""
    folder = settings.folder
    own = [Path(settings.backups)] if settings.backups else []
    apart = [place.resolve() for place in (*own, folder / "backups")]
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if not path.is_file() or path.is_symlink() or PASSING.search(name):
            continue
        if any(path.resolve().is_relative_to(place) for place in apart):
            continue
        is_secret = bool(SECRET.search(name)) or (name == FILE and bool(PASSWORD.search(path.read_text("utf-8"))))
        if is_secret == secret:
            yield path, name


def _add_file(writer: Writer, name: str, path: Path) -> None:
    """Adds a file; one that retention erased meanwhile is passed over."""
    with suppress(FileNotFoundError), path.open("rb") as content:
        writer.add(name, bundle.copy(content))


def _objects(settings: Settings, bucket: Objects | None, writer: Writer) -> None:
    """Objects in a folder elsewhere are copied; those in a bucket are listed, name and size (docs/objects.md)."""
    if settings.objects.startswith("file://"):
        place = Path(settings.objects.removeprefix("file://"))
        for path in sorted(place.rglob("*")):
            name = path.relative_to(place).as_posix()
            if path.is_file() and not PASSING.search(name) and not place.is_relative_to(settings.folder.absolute()):
                _add_file(writer, OBJECTS + name, path)
    elif bucket is not None:
        writer.add(LISTING, _listed(bucket))


def _listed(bucket: Objects) -> Iterator[bytes]:
    for kind in sorted(KINDS):
        for name in bucket.names(kind):
            with suppress(NotFound):  # retention erased it meanwhile
                yield msgspec.json.encode({"name": name, "size": bucket.size(name)}) + b"\n"


def _written(file: Path, writer: Writer, started: float, size: int, at: str) -> Written:
    return Written(file, file.stat().st_size, writer.bytes, perf_counter() - started, len(writer.parts), size, at)


@contextmanager
def _whole(file: Path) -> Iterator[BinaryIO]:
    """A 0600 file that takes its name once everything is on the disk."""
    half = file.with_name(f".{file.name}.half")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        half.rename(file)
        sync(file.parent)
    except OSError as error:
        raise Unavailable(
            Text(f"La sauvegarde ne peut pas s’écrire : {error}", f"The backup cannot be written: {error}"),
            Text("Libérez de la place ou donnez un autre dossier.", "Free some space or give another folder."),
        ) from error
    finally:
        if half.exists():
            destroy(half)
