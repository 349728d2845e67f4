"""`egide restore`: what was backed up lives again on an empty machine, and what was erased since does not."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from egide.app import capabilities, engines
from egide.gateways import backups
from egide.kernel import backup, backup_sets, restore
from egide.kernel.backup import Report
from egide.kernel.bundle import BundleError
from egide.kernel.checkpoint import Checkpoint, sign
from egide.kernel.errors import Conflict, EgideError, StartupError
from egide.kernel.lock import lock
from egide.kernel.restore import Restored
from egide.kernel.settings import Settings
from tests.engines.conftest import postgres_server  # noqa: F401 — a fixture
from tests.engines.postgres import Server
from tests.gateways.conftest import heard
from tests.world import World

pytestmark = pytest.mark.anyio
PASSPHRASE = b"correct horse battery staple"


def taken(settings: Settings, place: Path) -> Report:
    return backup.backup(settings, place, place / "keys", PASSPHRASE, engines=engines, count=lambda *_: None)


def brought(folder: Path, report: Report, **more: Any) -> Restored:
    return restore.restore(
        folder,
        report.data.file,
        report.keys.file,
        PASSPHRASE,
        engines=engines,
        capabilities=capabilities,
        count=lambda *_: None,
        **more,
    )


async def lived(folder: Path, **settings: Any) -> tuple[World, dict[str, Any]]:
    """An installation with an order and a person added, stopped."""
    made = World(folder, **settings)
    await made.start()
    await made.order()
    unit = await made.act("administrator", "administration.unit.add", name="Brigade")
    person = await made.act(
        "administrator", "administration.person.add", name="Zélie Effacée", unit=unit["id"], roles=["officer"]
    )
    await made.stop()
    return made, person


def stored(folder: Path, query: str, *values: object) -> list[Any]:
    db = sqlite3.connect(folder / "egide.db")
    try:
        return db.execute(query, values).fetchall()
    finally:
        db.close()


async def test_a_whole_installation_lives_again(tmp_path: Path) -> None:
    world, _person = await lived(tmp_path / "data")
    (world.folder / "map").mkdir()
    (world.folder / "map" / "other.bin").write_bytes(b"map")
    report = taken(world.settings, tmp_path / "out")
    done = brought(tmp_path / "new", report)
    assert done.checked.problems == []
    assert done.checked.size == report.data.size
    assert done.checked.bodies == report.data.size
    assert not done.forgotten.any
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / "map" / "other.bin").read_bytes() == b"map"
    assert not (tmp_path / "new" / restore.ASIDE).exists()
    again = World(tmp_path / "new")
    await again.start()
    try:
        assert again.kernel.log.size >= report.data.size
        await again.order()
        assert again.kernel.log.size > report.data.size
        assert again.kernel.log.root(report.data.size) == done.checked.root
        listed = await again.act("administrator", "administration.people.list")
        assert "Zélie Effacée" in str(listed)
    finally:
        await again.stop()


async def test_who_was_erased_since_stays_erased(tmp_path: Path) -> None:
    world, person = await lived(tmp_path / "data")
    older = taken(world.settings, tmp_path / "out")
    await world.start()
    world.kernel.vault.shred(person["id"])  # what the act of erasure does to the keys
    world.kernel.vault.shred("prefect", "orders")
    await world.stop()
    newer = taken(world.settings, tmp_path / "later")
    assert not restore.examine(older.data.file, None).damages
    done = restore.restore(
        tmp_path / "new",
        older.data.file,
        newer.keys.file,
        PASSPHRASE,
        engines=engines,
        capabilities=capabilities,
        count=lambda *_: None,
    )
    assert done.forgotten.people == 1
    assert done.forgotten.rows >= 1  # the invitation
    folder = tmp_path / "new"
    for table, column in (("person", "id"), ("invitation", "person"), ("passkey", "person"), ("concern", "person")):
        assert stored(folder, f"SELECT * FROM {table} WHERE {column}=?", person["id"]) == [], table
    assert stored(folder, "SELECT count(*) FROM entry WHERE actor=?", person["id"]) == [(0,)]
    again = World(folder)
    await again.start()
    try:
        assert again.kernel.log.size >= older.data.size  # the leaves stay
        await again.order()
        listed = await again.act("administrator", "administration.people.list")
        assert "Zélie" not in str(listed)
    finally:
        await again.stop()


async def test_the_bodies_of_an_erased_purpose_go(tmp_path: Path) -> None:
    world, _person = await lived(tmp_path / "data")
    older = taken(world.settings, tmp_path / "out")
    await world.start()
    count = world.kernel.vault.shred("prefect")
    await world.stop()
    assert count
    written = stored(world.folder, "SELECT count(*) FROM entry WHERE actor='prefect'")[0][0]
    assert written
    newer = taken(world.settings, tmp_path / "later")
    body = stored(world.folder, "SELECT body FROM entry WHERE actor='prefect' LIMIT 1")[0][0][41:101]
    done = restore.restore(
        tmp_path / "new",
        older.data.file,
        newer.keys.file,
        PASSPHRASE,
        engines=engines,
        capabilities=capabilities,
        count=lambda *_: None,
    )
    assert done.forgotten.bodies >= written
    assert stored(tmp_path / "new", "SELECT count(*) FROM entry WHERE actor='prefect'") == [(0,)]
    assert body in (world.folder / "egide.db").read_bytes()  # the search finds what is there
    assert body not in (tmp_path / "new" / "egide.db").read_bytes()


async def test_a_target_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    world, _person = await lived(tmp_path / "data")
    report = taken(world.settings, tmp_path / "out")
    before = sorted(each.name for each in world.folder.iterdir())
    with pytest.raises(Conflict, match="not empty"):
        brought(world.folder, report)
    assert sorted(each.name for each in world.folder.iterdir()) == before
    (tmp_path / "used").mkdir()
    held = lock(tmp_path / "used")
    with pytest.raises(StartupError, match="already runs"):
        brought(tmp_path / "used", report)
    os.close(held)


async def test_damage_restores_nothing(tmp_path: Path) -> None:
    world, _person = await lived(tmp_path / "data")
    report = taken(world.settings, tmp_path / "out")
    raw = bytearray(report.data.file.read_bytes())
    raw[len(raw) // 2] ^= 1
    report.data.file.write_bytes(raw)
    with pytest.raises(BundleError, match=r"store/sqlite\.db"):
        brought(tmp_path / "new", report)
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["writer.lock"]
    with pytest.raises(BundleError, match="passphrase"):
        restore.restore(
            tmp_path / "new",
            report.keys.file,
            report.keys.file,
            b"wrong",
            engines=engines,
            capabilities=capabilities,
            count=lambda *_: None,
        )


async def test_older_keys_and_strangers_are_refused(tmp_path: Path) -> None:
    world, _person = await lived(tmp_path / "data")
    first = taken(world.settings, tmp_path / "first")
    second = taken(world.settings, tmp_path / "second")
    with pytest.raises(Conflict, match="older than the data"):
        restore.restore(
            tmp_path / "new",
            second.data.file,
            first.keys.file,
            PASSPHRASE,
            engines=engines,
            capabilities=capabilities,
            count=lambda *_: None,
        )
    accepted = restore.restore(
        tmp_path / "new",
        second.data.file,
        first.keys.file,
        PASSPHRASE,
        older_keys=True,
        engines=engines,
        capabilities=capabilities,
        count=lambda *_: None,
    )
    assert not accepted.forgotten.any
    other, _person = await lived(tmp_path / "other")
    strange = taken(other.settings, tmp_path / "third")
    with pytest.raises(Conflict, match="do not belong together"):
        restore.restore(
            tmp_path / "new2",
            second.data.file,
            strange.keys.file,
            PASSPHRASE,
            engines=engines,
            capabilities=capabilities,
            count=lambda *_: None,
        )
    with pytest.raises(StartupError, match="not signed by"):
        brought(tmp_path / "new2", second, vkey=other.kernel.key.vkey)


async def test_a_newer_head_says_what_is_missing(tmp_path: Path) -> None:
    world, _person = await lived(tmp_path / "data")
    report = taken(world.settings, tmp_path / "out")
    await world.start()
    await world.order()
    await world.stop()
    size, root = world.kernel.log.size, world.kernel.log.root()
    head = sign(Checkpoint("egide/police", size, root), [world.kernel.key])
    assert brought(tmp_path / "new", report, head=head).missing == size - report.data.size
    forked = sign(Checkpoint("egide/police", 2, bytes(32)), [world.kernel.key])
    with pytest.raises(BundleError, match="Ledger"):
        brought(tmp_path / "new2", report, head=forked)
    assert [each.name for each in (tmp_path / "new2").iterdir()] == ["writer.lock"]


async def test_a_ledger_changed_before_the_backup_is_not_restored(tmp_path: Path) -> None:
    world, _person = await lived(tmp_path / "data")
    for number, change in enumerate(("body=zeroblob(80)", "act='nothing'", "outcome='refused'")):
        taken_before = taken(world.settings, tmp_path / f"good{number}")
        db = sqlite3.connect(world.folder / "egide.db")
        db.execute(f"UPDATE entry SET {change} WHERE idx=3")
        db.commit()
        db.close()
        report = taken(world.settings, tmp_path / f"out{number}")
        with pytest.raises(BundleError, match=r"[Ee]ntry 3"):
            brought(tmp_path / f"new{number}", report)
        world = World(tmp_path / f"again{number}")
        brought(world.folder, taken_before)


async def test_a_changed_leaf_is_never_signed_over(tmp_path: Path) -> None:
    world, _person = await lived(tmp_path / "data")
    good = taken(world.settings, tmp_path / "out")
    db = sqlite3.connect(world.folder / "egide.db")
    db.execute("UPDATE entry SET leaf=X'7b7d' WHERE idx=3")
    db.commit()
    db.close()
    with pytest.raises(EgideError, match="not those signed at size"):
        taken(world.settings, tmp_path / "out")
    assert backup_sets.sets(tmp_path / "out", "data") == [good.data.file]
    assert backup_sets.sets(tmp_path / "out" / "keys", "keys") == [good.keys.file]


async def test_round_trip_on_postgresql(tmp_path: Path, postgres_server: Server) -> None:  # noqa: F811
    dsn, other = postgres_server.dsn("backup_from"), postgres_server.dsn("backup_to")
    world, person = await lived(tmp_path / "data", store=dsn)
    older = taken(world.settings, tmp_path / "out")
    assert restore.examine(older.data.file, None).manifest.store == "PostgreSQL"  # type: ignore[union-attr]
    await world.start()
    world.kernel.vault.shred(person["id"])
    await world.stop()
    newer = taken(world.settings, tmp_path / "later")
    new = tmp_path / "new"
    new.mkdir()
    (new / "egide.toml").write_text(f'store = "{other}"\n')
    done = restore.restore(
        new,
        older.data.file,
        newer.keys.file,
        PASSPHRASE,
        engines=engines,
        capabilities=capabilities,
        count=lambda *_: None,
    )
    assert done.checked.size == older.data.size
    assert done.forgotten.people == 1
    again = World(new, store=other)
    await again.start()
    try:
        await again.order()
        assert again.kernel.log.root(older.data.size) == done.checked.root
        assert "Zélie" not in str(await again.act("administrator", "administration.people.list"))
    finally:
        await again.stop()
    (tmp_path / "new2").mkdir()
    (tmp_path / "new2" / "egide.toml").write_text(f'store = "{other}"\n')
    with pytest.raises(Conflict, match="not empty"):
        brought(tmp_path / "new2", newer)
    third = postgres_server.dsn("backup_third")
    (tmp_path / "new2" / "egide.toml").write_text(f'store = "{third}"\n')
    forked = sign(Checkpoint("egide/police", 2, bytes(32)), [world.kernel.key])
    with pytest.raises(EgideError):
        brought(tmp_path / "new2", newer, head=forked)
    assert postgres_server.psql("SELECT count(*) FROM pg_tables WHERE schemaname='public'", "backup_third") == "0"


async def test_the_command_says_what_to_do_next(tmp_path: Path, composed: None) -> None:
    world, _person = await lived(tmp_path / "data")
    taken(world.settings, tmp_path / "out")
    secret = tmp_path / "passphrase"
    secret.write_bytes(PASSPHRASE)
    secret.chmod(0o600)
    result, said = heard(
        lambda console: backups.bring_back(
            tmp_path / "new", tmp_path / "out", tmp_path / "out" / "keys", secret, None, None, console, older_keys=False
        )
    )
    assert result == 0
    assert "toutes recalculées" in said
    assert "egide doctor" in said
