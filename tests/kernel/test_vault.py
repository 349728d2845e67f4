"""The vault: sealed is opened by the right person and purpose only, and shredded is gone from the disk."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.engines import sqlite_keys
from egide.engines.sqlite_keys import SqliteKeys
from egide.kernel import keyfile
from egide.kernel import vault as module
from egide.kernel.checkpoint import parse_vkey
from egide.kernel.errors import StartupError, Unavailable
from egide.kernel.filekeys import FileKeys
from egide.kernel.vault import OVERHEAD, Erased, SigningKey, Tampered, Vault

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))


def opened(folder: Path, realm: str, passphrase: bytes | None = None) -> Vault:
    """The embedded vault in `folder`: its file and its key file side by side."""
    place = folder / "vault"
    return Vault.open(SqliteKeys(place), FileKeys(folder, realm, passphrase), realm)


def database(vault: Vault) -> sqlite3.Connection:
    assert isinstance(vault._rows, SqliteKeys)
    return vault._rows._database


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    found = opened(tmp_path, "police")
    yield found
    found.close()


def files(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("vault.db*")))


def test_sealed_then_opened(vault: Vault) -> None:
    sealed = vault.seal("p1", "orders", b"the motive", b"act 1")
    assert vault.open_("p1", "orders", sealed, b"act 1") == b"the motive"
    assert len(sealed) == len(b"the motive") + OVERHEAD
    assert b"motive" not in sealed
    assert vault.seal("p1", "orders", b"the motive", b"act 1") != sealed
    assert vault.open_("p1", "orders", vault.seal("p1", "orders", b"", b""), b"") == b""


def test_another_person_purpose_or_place_does_not_open_it(vault: Vault) -> None:
    sealed = vault.seal("p1", "orders", b"the motive", b"act 1")
    vault.seal("p2", "orders", b"", b"")
    vault.seal("p1", "watch", b"", b"")
    for person, purpose, aad in (("p2", "orders", b"act 1"), ("p1", "watch", b"act 1"), ("p1", "orders", b"act 2")):
        with pytest.raises(Tampered):
            vault.open_(person, purpose, sealed, aad)


def test_every_changed_bit_is_tampering_never_erasure(vault: Vault) -> None:
    sealed = vault.seal("p1", "orders", b"the motive", b"act 1")
    for position in range(len(sealed)):
        for bit in range(8):
            changed = sealed[:position] + bytes([sealed[position] ^ (1 << bit)]) + sealed[position + 1 :]
            with pytest.raises(Tampered):
                vault.open_("p1", "orders", changed, b"act 1")
    for length in range(len(sealed)):
        with pytest.raises(Tampered):
            vault.open_("p1", "orders", sealed[:length], b"act 1")


@settings(max_examples=FUZZ)
@given(raw=st.binary(max_size=100))
def test_any_bytes_are_tampering(raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    shared = _shared(tmp_path_factory)
    with pytest.raises(Tampered):
        shared.open_("p1", "orders", raw, b"")


_opened: list[Vault] = []


def _shared(factory: pytest.TempPathFactory) -> Vault:
    if not _opened:
        _opened.append(opened(factory.mktemp("shared"), "police"))
    return _opened[0]


@pytest.fixture(scope="module", autouse=True)
def _close_shared() -> Iterator[None]:
    yield
    for each in _opened:
        each.close()


def test_a_restart_opens_what_was_sealed(tmp_path: Path) -> None:
    first = opened(tmp_path, "police")
    sealed, subject = first.seal("p1", "orders", b"x", b""), first.subject_id("p1", "orders")
    first.close()
    second = opened(tmp_path, "police")
    assert second.open_("p1", "orders", sealed, b"") == b"x"
    assert second.subject_id("p1", "orders") == subject
    second.close()
    second.close()  # once more does no harm


def test_a_new_key_is_on_the_disk_before_seal_returns(vault: Vault, tmp_path: Path) -> None:
    sealed = vault.seal("p1", "orders", b"x", b"")
    copy = tmp_path / "copy"  # what a power cut would leave: nothing was closed or checkpointed
    (copy / "vault").mkdir(parents=True)
    for path in (tmp_path / "vault").iterdir():
        if not path.name.endswith("-shm"):
            (copy / "vault" / path.name).write_bytes(path.read_bytes())
            (copy / "vault" / path.name).chmod(0o600)
    after = opened(copy, "police")
    assert after.open_("p1", "orders", sealed, b"") == b"x"
    after.close()


def test_subject_ids_are_random_stable_and_apart(vault: Vault) -> None:
    one = vault.subject_id("p1", "orders")
    assert one == vault.subject_id("p1", "orders")
    assert len({one, vault.subject_id("p1", "watch"), vault.subject_id("p2", "orders")}) == 3
    assert len(bytes.fromhex(one)) == 16
    vault.shred("p1", "orders")
    assert vault.subject_id("p1", "orders") != one


def test_shredded_is_erased_and_only_that(vault: Vault) -> None:
    orders, watch = vault.seal("p1", "orders", b"x", b""), vault.seal("p1", "watch", b"y", b"")
    other = vault.seal("p2", "orders", b"z", b"")
    assert vault.shred("p1", "orders") == 1
    with pytest.raises(Erased) as caught:
        vault.open_("p1", "orders", orders, b"")
    assert "effacé" in caught.value.what.fr
    assert vault.open_("p1", "watch", watch, b"") == b"y"
    vault.seal("p1", "orders", b"later", b"")  # a new key opens nothing old
    with pytest.raises(Erased):
        vault.open_("p1", "orders", orders, b"")
    assert vault.shred("p1") == 2
    assert vault.shred("p1") == 0
    with pytest.raises(Erased):
        vault.open_("p1", "watch", watch, b"")
    assert vault.open_("p2", "orders", other, b"") == b"z"


@pytest.mark.parametrize("checkpointed", [False, True])
def test_nothing_of_a_shredded_key_is_left_in_the_files(vault: Vault, tmp_path: Path, checkpointed: bool) -> None:
    folder = tmp_path / "vault"
    people = [f"person-{number:05}" for number in range(3000)]  # enough for pages to split
    vault.ensure((person, purpose) for person in people for purpose in ("orders", "watch"))
    if checkpointed:
        vault.shred("nobody")
    reader = sqlite3.connect(folder / "vault.db")
    rows = {row[0]: row[1:] for row in reader.execute("SELECT person || purpose, wrapped, id, subject FROM data_key")}
    reader.close()
    for person in people[::300]:
        parts = [rows[person + "orders"], rows[person + "watch"]]
        before = files(folder)
        assert all(part in before for raw in parts for part in raw)  # the search does find them
        assert vault.shred(person) == 2
        after = files(folder)
        assert not any(part in after for raw in parts for part in raw)
    assert (folder / "vault.db-wal").stat().st_size == 0
    assert vault.open_(people[1], "watch", vault.seal(people[1], "watch", b"x", b""), b"") == b"x"


def test_keys_of_a_commit_are_destroyed_together_and_looked_for_later(vault: Vault, tmp_path: Path) -> None:
    vault.ensure((f"p{number}", "orders") for number in range(50))
    sealed = vault.seal("p7", "orders", b"x", b"")
    reader = sqlite3.connect(tmp_path / "vault" / "vault.db")
    (wrapped,) = reader.execute("SELECT wrapped FROM data_key WHERE person='p7'").fetchone()
    reader.close()
    assert not vault.unwiped
    with vault.commit():
        for number in range(5, 9):
            assert vault.shred(f"p{number}", "orders") == 0, "not yet"
        assert vault.open_("p7", "orders", sealed, b"") == b"x"
        vault.carry_out()
        with pytest.raises(Erased):
            vault.open_("p7", "orders", sealed, b"")
    assert vault.unwiped
    assert wrapped in files(tmp_path / "vault")  # in the log, as it was written
    vault.wipe()
    assert not vault.unwiped
    assert wrapped not in files(tmp_path / "vault")


def test_after_a_kill_the_next_start_looks(tmp_path: Path) -> None:
    vault = opened(tmp_path, "police")
    assert not vault.unwiped, "a new vault has nothing to look for"
    with vault.commit():
        vault.seal("p1", "orders", b"x", b"")
        vault.shred("p1")
        vault.carry_out()
    later = opened(tmp_path, "police")
    assert later.unwiped
    later.close()
    vault.close()


def test_a_commit_that_fails_destroys_no_key(vault: Vault) -> None:
    sealed = vault.seal("p1", "orders", b"x", b"")
    with suppress(RuntimeError), vault.commit():
        vault.shred("p1")
        raise RuntimeError
    assert vault.open_("p1", "orders", sealed, b"") == b"x"
    with vault.commit():
        vault.carry_out()
    assert vault.open_("p1", "orders", sealed, b"") == b"x", "nothing was left of it"


def test_an_act_that_is_undone_spares_its_keys_and_no_others(vault: Vault) -> None:
    first, second = vault.seal("p1", "orders", b"x", b""), vault.seal("p2", "orders", b"x", b"")
    with vault.commit():
        vault.shred("p1")
        before = vault.condemned
        vault.shred("p2")
        vault.spare(before)
        vault.carry_out()
    with pytest.raises(Erased):
        vault.open_("p1", "orders", first, b"")
    assert vault.open_("p2", "orders", second, b"") == b"x"


def test_what_is_sealed_after_a_key_was_condemned_has_the_next_key(vault: Vault) -> None:
    before, subject = vault.seal("p1", "orders", b"x", b""), vault.subject_id("p1", "orders")
    with vault.commit():
        vault.shred("p1")
        after = vault.seal("p1", "orders", b"y", b"")
        vault.carry_out()
    with pytest.raises(Erased):
        vault.open_("p1", "orders", before, b"")
    assert vault.open_("p1", "orders", after, b"") == b"y"
    assert vault.subject_id("p1", "orders") != subject


def test_a_trace_left_by_the_engine_is_found_and_removed(vault: Vault, tmp_path: Path) -> None:
    database(vault).execute("PRAGMA secure_delete=OFF")  # stands for a gap that secure_delete does not reach
    vault.ensure((f"p{number}", "orders") for number in range(50))
    reader = sqlite3.connect(tmp_path / "vault" / "vault.db")
    (wrapped,) = reader.execute("SELECT wrapped FROM data_key WHERE person='p7'").fetchone()
    reader.close()
    assert vault.shred("p7") == 1
    assert wrapped not in files(tmp_path / "vault")


def test_a_reader_in_the_way_is_said_and_a_repeat_finishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_keys, "BUSY", 0.05)
    vault = opened(tmp_path, "police")
    sealed = vault.seal("p1", "orders", b"x", b"")
    reader = sqlite3.connect(tmp_path / "vault" / "vault.db", isolation_level=None)
    reader.execute("BEGIN")
    (wrapped,) = reader.execute("SELECT wrapped FROM data_key").fetchone()
    with pytest.raises(Unavailable):
        vault.shred("p1")
    with pytest.raises(Erased):  # gone all the same
        vault.open_("p1", "orders", sealed, b"")
    assert wrapped in files(tmp_path / "vault")
    reader.execute("COMMIT")
    reader.close()
    assert vault.shred("p1") == 0
    assert wrapped not in files(tmp_path / "vault")
    vault.close()


def test_two_threads_make_one_key_and_shredding_is_final(vault: Vault) -> None:
    sealed: list[tuple[str, bytes]] = []
    wrong: list[Exception] = []
    start = threading.Barrier(3)

    def work() -> None:
        start.wait()
        try:
            for number in range(60):
                person = f"p{number}"
                value = vault.seal(person, "orders", person.encode(), b"")
                sealed.append((person, value))
                try:
                    assert vault.open_(person, "orders", value, b"") == person.encode()
                except Erased:
                    assert number % 3 == 0
        except Exception as problem:  # noqa: BLE001  handed to the test's own thread
            wrong.append(problem)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    start.wait()
    for number in range(0, 60, 3):
        vault.shred(f"p{number}")
    for thread in threads:
        thread.join()
    for number in range(0, 60, 3):
        vault.shred(f"p{number}")
    assert not wrong
    for person, value in sealed:
        if int(person[1:]) % 3 == 0:
            with pytest.raises(Erased):
                vault.open_(person, "orders", value, b"")
        else:
            assert vault.open_(person, "orders", value, b"") == person.encode()


def test_the_memory_of_keys_is_bounded(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHED_KEYS", 5)
    values = [vault.seal(f"p{number}", "orders", b"x", b"") for number in range(20)]
    assert len(vault._by_owner) == len(vault._by_head) == 5
    assert all(vault.open_(f"p{number}", "orders", value, b"") == b"x" for number, value in enumerate(values))


def test_a_wrapped_key_put_in_another_row_is_found(vault: Vault, tmp_path: Path) -> None:
    sealed = vault.seal("p1", "orders", b"x", b"")
    vault.seal("p2", "orders", b"x", b"")
    vault.close()
    with sqlite3.connect(tmp_path / "vault" / "vault.db") as raw:
        raw.execute("UPDATE data_key SET wrapped=(SELECT wrapped FROM data_key WHERE person='p2') WHERE person='p1'")
    raw.close()
    again = opened(tmp_path, "police")
    with pytest.raises(Tampered):
        again.open_("p1", "orders", sealed, b"")
    again.close()


def test_key_files_are_private(tmp_path: Path) -> None:
    opened(tmp_path, "police").close()
    for name in ("kek.key", "vault.db"):
        assert stat.S_IMODE((tmp_path / "vault" / name).stat().st_mode) == 0o600
    (tmp_path / "vault" / "kek.key").chmod(0o640)
    with pytest.raises(StartupError, match="Other accounts"):
        opened(tmp_path, "police")


def test_a_lost_or_foreign_key_stops_the_start(tmp_path: Path) -> None:
    opened(tmp_path / "a", "police").close()
    opened(tmp_path / "b", "police").close()
    with pytest.raises(StartupError, match="realm"):
        opened(tmp_path / "a", "judicial")
    (tmp_path / "b" / "vault" / "kek.key").replace(tmp_path / "a" / "vault" / "kek.key")
    with pytest.raises(StartupError, match="not the key"):
        opened(tmp_path / "a", "police")
    (tmp_path / "a" / "vault" / "kek.key").unlink()
    with pytest.raises(StartupError, match="missing"):
        opened(tmp_path / "a", "police")
    (tmp_path / "a" / "vault" / "kek.key").write_bytes(b"{}")
    (tmp_path / "a" / "vault" / "kek.key").chmod(0o600)
    with pytest.raises(StartupError, match="Unusable"):
        opened(tmp_path / "a", "police")


def test_a_passphrase_seals_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyfile, "SCRYPT_N", 1 << 10)  # quick
    first = opened(tmp_path, "police", b"correct horse")
    sealed = first.seal("p1", "orders", b"x", b"")
    first.close()
    for wrong in (b"battery staple", None):
        with pytest.raises(StartupError, match="passphrase"):
            opened(tmp_path, "police", wrong)
    again = opened(tmp_path, "police", b"correct horse")
    assert again.open_("p1", "orders", sealed, b"") == b"x"
    again.close()


def test_a_signing_key_stays_the_same(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ledger.key"
    key = SigningKey.load_or_create(path, "egide.example/police")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SigningKey.load_or_create(path, "egide.example/police").vkey == key.vkey
    Ed25519PublicKey.from_public_bytes(parse_vkey(key.vkey).public_key).verify(key.sign(b"text"), b"text")
    path.write_bytes(b"rubbish")
    with pytest.raises(StartupError):
        SigningKey.load_or_create(path, "egide.example/police")


def test_a_signing_key_under_a_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    key = SigningKey.load_or_create(path, "k", b"correct horse")
    assert SigningKey.load_or_create(path, "k", b"correct horse").vkey == key.vkey
    for wrong in (None, b"battery staple"):
        with pytest.raises(StartupError):
            SigningKey.load_or_create(path, "k", wrong)
