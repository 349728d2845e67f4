"""`egide doctor`: silent about nothing — each damage is found and told with what to do — and changes nothing itself."""

from __future__ import annotations

import shutil
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete, text, update

from egide.app import engines
from egide.gateways import certificate, checks_data, checks_engines, checks_machine, doctor, standing
from egide.gateways.findings import Findings
from egide.kernel import backup, tables
from egide.kernel.keyfile import _new_kek
from egide.kernel.settings import Settings
from egide.kernel.vault import Vault
from tests.engines.conftest import postgres_server  # noqa: F401 — a fixture
from tests.engines.postgres import Server
from tests.gateways.conftest import content, heard
from tests.ports import free_port

FUTURE_US = 4_000_000_000_000_000  # the year 2096


def looked(settings: Settings, *checks: Callable[..., Findings]) -> tuple[int, str]:
    """(1 if a check found something wrong, what it said)."""
    found = [finding for check in checks for finding in check(settings, lambda *_: None)]
    wrong = [finding for finding in found if finding.mark == "wrong"]
    return int(bool(wrong)), "\n".join(f"{each.what.fr} {each.what.en} {each.do and each.do.fr}" for each in wrong)


def edit(settings: Settings, *statements: object) -> None:
    with standing.store(settings) as store, store.side() as db:
        for statement in statements:
            db.execute(statement)  # type: ignore[call-overload]


def test_all_is_well_and_nothing_changes(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(checks_machine, "files", lambda _package: built(tmp_path))
    before = content(settings.folder)
    result, said = heard(lambda console: doctor.examine(settings, console))
    assert result == 0, said
    assert "Tout va bien" in said
    assert "All is well" in said
    assert "✗" not in said
    assert "3 inscriptions, recalculées" in said
    assert "signature juste" in said
    assert "Ce qu’un effacement laisse des photos et documents : Rien dans les fichiers ;" in said
    assert content(settings.folder) == before


def built(folder: Path) -> Path:
    """A package whose pages are built."""
    for name in checks_machine.PAGES.values():
        (folder / "static").mkdir(exist_ok=True)
        (folder / "static" / name).touch()
    return folder


DAMAGES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "folder open": (lambda f: f.chmod(0o755), "D’autres comptes peuvent ouvrir", "chmod 700"),
    "key open": (lambda f: (f / "operator.token").chmod(0o640), "D’autres comptes peuvent lire", "chmod 600"),
    "kek open": (lambda f: (f / "vault" / "kek.key").chmod(0o604), "D’autres comptes peuvent lire", "chmod 600"),
    "kek of another vault": (
        lambda f: (f / "vault" / "kek.key").write_bytes(_new_kek(None)),
        "kek.key n’est pas la clé de ce coffre",
        "Remettez",
    ),
    "vault gone": (lambda f: (f / "vault" / "vault.db").unlink(), "Il manque vault/vault.db", "sauvegarde"),
    "ledger key gone": (
        lambda f: (f / "keys" / "ledger-police.key").unlink(),
        "Il manque keys/ledger-police.key",
        "sauvegarde",
    ),
    "database scribbled on": (lambda f: scribble(f / "egide.db"), "La base est abîmée", "restaurez"),
    "no database any more": (lambda f: (f / "egide.db").write_bytes(b"hello" * 999), "La base est abîmée", "restaurez"),
    "nothing installed": (shutil.rmtree, "n’existe pas", "egide init"),
}


def scribble(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    for at in range(4096, len(raw), 4096):  # the head of each page but the first
        raw[at : at + 8] = b"\xff" * 8
    file.write_bytes(raw)


@pytest.mark.parametrize("name", DAMAGES)
def test_damages_of_files(settings: Settings, name: str) -> None:
    damage, told, remedy = DAMAGES[name]
    damage(settings.folder)
    result, said = looked(settings, checks_data.folder, checks_data.store, checks_data.ledger, checks_data.whole)
    assert result == 1
    assert told in said
    assert remedy in said, said


def test_changed_entry_is_found(settings: Settings) -> None:
    entry = tables.entry
    edit(settings, update(entry).where(entry.c.idx == 1).values(leaf=b'{"v":1,"id":"forged"}'))
    result, said = looked(settings, checks_data.ledger)
    assert result == 1
    assert "Le registre a été changé" in said
    assert "preuve" in said


def test_missing_entry_is_found(settings: Settings) -> None:
    edit(settings, delete(tables.entry).where(tables.entry.c.idx == 2))
    result, said = looked(settings, checks_data.ledger)
    assert result == 1
    assert "ses 2 inscriptions ne donnent pas la racine signée pour 3" in said


def test_foreign_signature_is_found(settings: Settings) -> None:
    file = settings.folder / "keys" / "ledger-police.key"
    file.unlink()
    from egide.kernel.vault import SigningKey

    SigningKey.load_or_create(file, "egide/police")
    result, said = looked(settings, checks_data.whole)
    assert result == 1
    assert "aucune signature ne vient d’une clé connue" in said


def test_changed_head_is_found(settings: Settings) -> None:
    edit(
        settings,
        update(tables.checkpoint).where(tables.checkpoint.c.size == 3).values(note="egide/police\n3\nzzz\n\n— x y\n"),
    )
    result, said = looked(settings, checks_data.ledger)
    assert result == 1
    assert "Point de contrôle refusé" in said


def test_clock_that_went_back(settings: Settings) -> None:
    edit(settings, update(tables.entry).where(tables.entry.c.idx == 2).values(at=FUTURE_US))
    result, said = looked(settings, checks_data.store)
    assert result == 1
    assert "elle a reculé" in said
    assert "NTP" in said


def test_older_database_is_not_upgraded(settings: Settings) -> None:
    edit(settings, text("UPDATE alembic_version SET version_num='0000'"))
    before = content(settings.folder)
    result, said = looked(settings, checks_data.store, checks_data.ledger, checks_data.whole)
    assert result == 1
    assert "n’est pas à la version" in said
    result, said = looked(settings, checks_engines.version)
    assert result == 1
    assert "plus ancienne que ce programme" in said
    assert content(settings.folder) == before


def test_newer_database_is_told(settings: Settings) -> None:
    edit(settings, text("UPDATE alembic_version SET version_num='9999'"))
    result, said = looked(settings, checks_engines.version)
    assert result == 1
    assert "plus récente que ce programme" in said
    assert "Réinstallez" in said


def test_missing_table_is_not_made(settings: Settings) -> None:
    edit(settings, text("DROP TABLE hold"))
    before = content(settings.folder)
    result, said = looked(settings, checks_data.whole)
    assert result == 1
    assert "n’est pas à la version" in said
    assert content(settings.folder) == before


def test_misspelt_law(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    law = tmp_path / "law"
    shutil.copytree(checks_data.PACKS, law)
    rules = law / "fr" / "csi-l242" / "rules.cedar"
    first = rules.read_text().replace("context.habilitated", "context.habilitatd", 1)
    if first == rules.read_text():
        rules = law / "eu" / "led" / "rules.cedar"
        first = rules.read_text().replace("context.", "context.x", 1)
    rules.write_text(first)
    monkeypatch.setattr(checks_data, "PACKS", law)
    result, said = looked(settings, checks_data.law)
    assert result == 1
    assert f"{rules.name}:" in said
    assert "Vouliez-vous dire" in said, said


def test_port_held_by_something_else(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.port))
        result, said = looked(settings, checks_machine.port)
    assert result == 1
    assert f"Le port {settings.port} n’est pas libre" in said


def test_expired_certificate(settings: Settings) -> None:
    place = settings.folder / "tls"
    shutil.rmtree(place)
    long_ago = datetime.now(UTC) - timedelta(days=500)
    certificate.ensure(place, certificate.own_names("localhost"), long_ago)
    found = {finding.mark for finding in checks_machine.transport(settings, lambda *_: None)}
    assert found == {"note"}, "without TLS it is a remark"
    strict = Settings(data=settings.data, port=settings.port, tls=True)
    assert [f.what.en for f in checks_machine.transport(strict, lambda *_: None) if f.mark == "wrong"] == [
        "The HTTPS certificate has expired."
    ]
    (place / "server.key").unlink()
    assert [f.mark for f in checks_machine.transport(strict, lambda *_: None)] == ["wrong"]


def test_anything_wrong_is_counted(tmp_path: Path, composed: None) -> None:
    result, said = heard(
        lambda console: doctor.examine(Settings(data=str(tmp_path / "none"), port=free_port()), console)
    )
    assert result == 1
    assert "À corriger" in said
    assert not (tmp_path / "none").exists()


def test_network_without_tls(settings: Settings) -> None:
    bare = Settings(data=settings.data, port=free_port(), host="0.0.0.0")
    assert any(
        "sans HTTPS" in finding.what.fr
        for finding in checks_machine.transport(bare, lambda *_: None)
        if finding.mark == "wrong"
    )


def test_scarce_disk_and_old_python(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks_machine, "SCARCE", 1 << 62)
    monkeypatch.setattr(checks_machine, "PYTHON", (sys.version_info[0], sys.version_info[1] + 1))
    assert [finding.mark for finding in checks_machine.machine(settings, lambda *_: None)] == ["wrong", "wrong"]


def test_no_video_and_no_pages(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setattr(checks_machine, "files", lambda _package: tmp_path)
    assert [finding.mark for finding in checks_machine.video(settings, lambda *_: None)] == ["wrong"]
    assert [finding.mark for finding in checks_machine.pages(settings, lambda *_: None)] == ["wrong", "note"]


# -- what stands behind ---------------------------------------------------------------------------------------------------


def test_vault_of_another_realm(settings: Settings, tmp_path: Path) -> None:
    other = engines(msgspec.structs.replace(settings, data=str(tmp_path / "other"), realm="judicial"))
    Vault.open(other.rows, other.keys, "judicial").close()
    shutil.rmtree(settings.folder / "vault")
    (tmp_path / "other" / "vault").rename(settings.folder / "vault")
    result, said = looked(settings, checks_data.whole)
    assert result == 1
    assert "Ce coffre est celui du domaine « judicial »" in said


def test_certificate_that_ends_soon(settings: Settings) -> None:
    place = settings.folder / "tls"
    shutil.rmtree(place)
    certificate.ensure(place, certificate.own_names("localhost"), datetime.now(UTC) - timedelta(days=390))
    strict = msgspec.structs.replace(settings, tls=True)
    found = list(checks_machine.transport(strict, lambda *_: None))
    assert [each.mark for each in found] == ["note"]
    assert "jours restants" in found[0].what.fr
    assert found[0].do is not None


def test_disk_nearly_full(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: shutil._ntuple_diskusage(100, 99, 1))
    result, said = looked(settings, checks_machine.machine)
    assert result == 1
    assert "plus aucun acte n’est possible" in said


def test_old_backup_and_none(settings: Settings, tmp_path: Path) -> None:
    kept = msgspec.structs.replace(settings, backups=str(tmp_path / "kept"))
    result, said = looked(kept, checks_engines.saved)
    assert (result, "Aucune sauvegarde dans" in said) == (1, True)
    report = backup.backup(
        kept, tmp_path / "kept", tmp_path / "keys", b"passphrase", engines=engines, count=lambda *_: None
    )
    assert looked(kept, checks_engines.saved) == (0, "")
    report.data.file.rename(tmp_path / "kept" / "egide-data-police-20200101T000000.000000Z.tar")
    result, said = looked(kept, checks_engines.saved)
    assert result == 1
    assert "Dernière sauvegarde : il y a" in said
    assert "egide backup" in said


def test_witness_and_nats_away(settings: Settings) -> None:
    port = free_port()
    away = msgspec.structs.replace(
        settings, bus=f"nats://127.0.0.1:{port}", witnesses={f"http://127.0.0.1:{port}": "key"}
    )
    result, said = looked(away, checks_engines.bus)
    assert (result, "NATS ne répond pas" in said) == (1, True)
    result, said = looked(away, checks_engines.witnesses)
    assert (result, "Le témoin ne répond pas" in said) == (1, True)


def test_emergency_journal_waiting(settings: Settings) -> None:
    assert looked(settings, checks_engines.journal) == (0, "")
    (settings.folder / checks_engines.JOURNAL).mkdir(exist_ok=True)
    (settings.folder / checks_engines.JOURNAL / "journal.key").write_bytes(b"key")
    (settings.folder / checks_engines.JOURNAL / "a.journal").write_bytes(bytes(8192))
    assert looked(settings, checks_engines.journal) == (0, "")
    (settings.folder / checks_engines.JOURNAL / "b.journal").write_bytes(b"sealed")
    result, said = looked(settings, checks_engines.journal)
    assert result == 1
    assert "journal d’urgence" in said


def test_postgresql_that_recycles_or_is_away(settings: Settings, postgres_server: Server) -> None:  # noqa: F811
    there = msgspec.structs.replace(settings, store=postgres_server.dsn("doctor"))
    result, said = looked(there, checks_engines.postgres)
    assert result == 1
    assert "wal_recycle" in said
    postgres_server.psql("ALTER SYSTEM SET wal_recycle = off")
    postgres_server.psql("SELECT pg_reload_conf()")
    assert looked(there, checks_engines.postgres) == (0, "")
    away = msgspec.structs.replace(settings, store="postgresql://egide@/none?host=/nonexistent")
    result, said = looked(away, checks_engines.postgres, checks_data.store)
    assert result == 1
    assert "PostgreSQL (store) ne répond pas" in said
