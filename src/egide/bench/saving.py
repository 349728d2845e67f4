"""Backup and restore: MiB/s of Égide's own, ledger check included, beside what the bare databases give on the same machine.

The peers do less: `sqlite3.Connection.backup` and `pg_dump` copy, they neither hash, sign nor check. All in one folder that the
caller gives and removes.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from egide.app import capabilities, engines
from egide.kernel.backup import backup
from egide.kernel.dumps import program
from egide.kernel.restore import restore
from egide.kernel.settings import Settings

PASSPHRASE = b"measure"


@dataclass(frozen=True, slots=True)
class Figures:
    """MiB/s of the data set's content."""

    backup_mib_per_s: float
    restore_mib_per_s: float  # hashes verified, ledger checked entry by entry
    peer_backup_mib_per_s: float  # the database alone
    peer: str
    mib: float
    entries: int


def measure(settings: Settings, place: Path, *, target: str = "") -> Figures:
    """Backs an installation up into `place` and restores it beside. `target` is an empty database's DSN on PostgreSQL."""
    report = backup(settings, place / "sets", place / "keys", PASSPHRASE, engines=engines, count=_silent)
    folder = place / "restored"
    folder.mkdir(mode=0o700)
    if target:
        (folder / "egide.toml").write_text(f'store = "{target}"\n', "utf-8")
    done = restore(
        folder,
        report.data.file,
        report.keys.file,
        PASSPHRASE,
        engines=engines,
        capabilities=capabilities,
        count=_silent,
    )
    name, speed = _peer(settings, place)
    return Figures(report.data.mib_per_s, done.mib_per_s, speed, name, report.data.content / 2**20, report.data.size)


def _peer(settings: Settings, place: Path) -> tuple[str, float]:
    started = perf_counter()
    if settings.store:
        out = place / "peer.dump"
        with out.open("wb") as written:
            subprocess.run(
                [str(program("pg_dump")), "--format=custom", f"--dbname={settings.store}"], stdout=written, check=True
            )
        return "pg_dump", out.stat().st_size / 2**20 / (perf_counter() - started)
    out = place / "peer.db"
    with closing(sqlite3.connect(settings.folder / "egide.db")) as source, closing(sqlite3.connect(out)) as written_to:
        source.backup(written_to)
    descriptor = os.open(out, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    return "sqlite3 .backup", out.stat().st_size / 2**20 / (perf_counter() - started)


def _silent(_stage: str, _done: int, _total: int) -> None:
    pass
