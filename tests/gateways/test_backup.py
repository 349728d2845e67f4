"""`egide backup`: two sets, written whole or not at all, in which every flipped byte is found and named."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from egide.app import engines
from egide.gateways import backups
from egide.kernel import backup, backup_sets, backup_verify, bundle
from egide.kernel.backup import Report
from egide.kernel.errors import EgideError, StartupError
from egide.kernel.settings import Settings
from tests.gateways.conftest import heard
from tests.world import World

PASSPHRASE = b"correct horse battery staple"
FLIPS = min(int(os.environ.get("EGIDE_FUZZ", "150")), 1000)
SEED = 20261124


def taken(settings: Settings, place: Path, kept: int = 1) -> Report:
    return backup.backup(settings, place, place / "keys", PASSPHRASE, kept=kept, engines=engines, count=lambda *_: None)


@pytest.fixture
async def lived(tmp_path: Path) -> World:
    """An installation in which something happened, stopped; with recordings of two sizes."""
    made = World(tmp_path / "data")
    await made.start()
    await made.order()
    for _ in range(300):
        await made.refused("officer", "orders.draft", **made.draft())
    await made.stop()
    place = made.folder / "recordings" / ("a" * 32)
    place.mkdir(parents=True)
    (place / f"000000-{'b' * 64}.seal").write_bytes(os.urandom(70_000))
    (place / f"000001-{'c' * 64}.seal").write_bytes(b"")
    return made


@pytest.mark.anyio
async def test_both_sets_are_whole_private_and_apart(lived: World, tmp_path: Path) -> None:
    report = taken(lived.settings, tmp_path / "out")
    for written in (report.data, report.keys):
        assert written.file.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in (tmp_path / "out").iterdir() if ".half" in each.name or ".copy" in each.name] == []
    found = backup_verify.verify(report.data.file)
    assert found.ok, found.damages
    assert found.manifest is not None
    names = [part.name for part in found.manifest.parts]
    assert "store/sqlite.db" in names
    assert f"files/recordings/{'a' * 32}/000000-{'b' * 64}.seal" in names
    assert not [name for name in names if "vault" in name or "keys/" in name or "token" in name or "tls" in name]
    with tarfile.open(report.data.file) as tar:  # any tar reads it
        assert tar.getnames() == [*names, bundle.MANIFEST]
    keys = backup_verify.verify(report.keys.file, PASSPHRASE)
    assert keys.ok
    assert keys.manifest is not None
    held = [part.name for part in keys.manifest.parts]
    assert {
        "vault-store/sqlite.db",
        "files/vault/kek.key",
        "files/keys/ledger-police.key",
        "files/operator.token",
    } <= set(held)
    raw = report.keys.file.read_bytes()
    assert (lived.folder / "operator.token").read_bytes() not in raw
    assert found.manifest.head.startswith(f"egide/police\n{report.data.size}\n")


@pytest.mark.anyio
async def test_every_flipped_byte_of_the_data_is_found(lived: World, tmp_path: Path) -> None:
    file = taken(lived.settings, tmp_path / "out").data.file
    _flipped(file, None, random.Random(SEED))


@pytest.mark.anyio
async def test_every_flipped_byte_of_the_keys_is_found(
    lived: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egide.kernel.sealed_stream.SCRYPT_N", 1 << 10)  # the cost is not what is tested
    file = taken(lived.settings, tmp_path / "out").keys.file
    _flipped(file, PASSPHRASE, random.Random(SEED))
    wrong = backup_verify.verify(file, b"another")
    assert not wrong.ok
    cut = file.with_name("cut.sealed")
    cut.write_bytes(file.read_bytes()[:-17])
    assert not backup_verify.verify(cut, PASSPHRASE).ok


def _flipped(file: Path, passphrase: bytes | None, chance: random.Random) -> None:
    good = file.read_bytes()
    places = [0, 511, len(good) - 1, len(good) - 600, *(chance.randrange(len(good)) for _ in range(FLIPS))]
    named = 0
    for at in places:
        raw = bytearray(good)
        raw[at] ^= 1 << chance.randrange(8)
        bad = file.with_name(f"bad{file.suffix}")
        bad.write_bytes(raw)
        found = backup_verify.verify(bad, passphrase)
        assert not found.ok, f"byte {at} of {len(good)}"
        named += bool(found.damages[0].member)
    assert named == len(places)
    for cut in (0, 1, 512, len(good) // 2, len(good) - 1):
        bad.write_bytes(good[:cut])
        assert not backup_verify.verify(bad, passphrase).ok, cut
    bad.write_bytes(good + b"\0")
    assert not backup_verify.verify(bad, passphrase).ok


@pytest.mark.anyio
async def test_the_damaged_entry_is_named(lived: World, tmp_path: Path) -> None:
    file = taken(lived.settings, tmp_path / "out").data.file
    raw = bytearray(file.read_bytes())
    raw[raw.index(stored_leaf(lived.folder, 5)) + 30] ^= 4
    file.write_bytes(raw)
    found = backup_verify.verify(file)
    assert [each.member for each in found.damages] == ["store/sqlite.db"]
    assert found.entries == [5]


def stored_leaf(folder: Path, number: int) -> bytes:
    with closing(sqlite3.connect(folder / "egide.db")) as db:
        return bytes(db.execute("SELECT leaf FROM entry WHERE idx=?", (number,)).fetchone()[0])


@pytest.mark.anyio
async def test_while_the_platform_runs(world: World, tmp_path: Path) -> None:
    await world.order()
    report = taken(world.settings, tmp_path / "out")
    await world.order()
    assert backup_verify.verify(report.data.file).ok
    assert report.data.size == world.kernel.log.size - 2


@pytest.mark.anyio
async def test_it_ends_however_much_is_written_meanwhile(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite begins a copy again at each write of another process, unless a reading transaction is held."""
    monkeypatch.setattr("egide.kernel.dumps.PAGES", 1)
    await world.order()
    under_way = asyncio.create_task(asyncio.to_thread(taken, world.settings, tmp_path / "out"))
    done = 0
    while not under_way.done():
        await world.refused("officer", "orders.draft", **world.draft())
        done += 1
    report = await under_way
    assert done > 10
    assert report.data.size < world.kernel.log.size
    assert backup_verify.verify(report.data.file).ok


@pytest.mark.anyio
async def test_older_keys_are_destroyed(lived: World, tmp_path: Path) -> None:
    place = tmp_path / "out"
    first = taken(lived.settings, place)
    kept = place / "copy"
    os.link(first.keys.file, kept)  # the same blocks: what is overwritten shows here
    before = kept.read_bytes()
    second = taken(lived.settings, place)
    assert second.destroyed == (first.keys.file,)
    assert backup_sets.sets(place / "keys", "keys") == [second.keys.file]
    assert len(backup_sets.sets(place, "data")) == 2
    after = kept.read_bytes()
    assert len(after) == len(before)
    assert sum(a == b for a, b in zip(before, after, strict=True)) < len(before) / 50
    third = taken(lived.settings, place, kept=2)
    assert third.destroyed == ()


@pytest.mark.anyio
async def test_nothing_is_left_when_it_cannot_be_written(
    lived: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle.Writer, "finish", full)
    with pytest.raises(EgideError) as caught:
        taken(lived.settings, tmp_path / "out")
    assert "No space" in caught.value.what.en
    assert [each for each in (tmp_path / "out").iterdir() if each.name != ".lock"] == []


@pytest.mark.anyio
async def test_settings_with_a_password_go_with_the_keys(lived: World, tmp_path: Path) -> None:
    (lived.folder / "egide.toml").write_text('bus = "nats://me:pa55phrase@127.0.0.1:4222"\n')
    report = taken(lived.settings, tmp_path / "out")
    assert b"pa55phrase" not in report.data.file.read_bytes()
    keys = backup_verify.verify(report.keys.file, PASSPHRASE).manifest
    assert keys is not None
    assert "files/egide.toml" in [part.name for part in keys.parts]


def test_long_members_come_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "PART", 1000)
    from egide.kernel.vault import SigningKey

    key = SigningKey.load_or_create(tmp_path / "k", "egide/police")
    content = {"a": os.urandom(2500), "b": b"", "c": os.urandom(1000), "d": os.urandom(1001)}
    with (tmp_path / "set").open("wb") as out:
        writer = bundle.Writer(out, lambda _n: None)
        for name, raw in content.items():
            writer.add(name, iter([raw[:7], raw[7:]]))
        manifest = bundle.Manifest(
            version=1, kind="data", program="", realm="police", at="", store="", vault="", revision="", law="", size=0, head="",
            vkey=key.vkey, parts=writer.parts,
        )  # fmt: skip
        writer.finish(manifest, key)
    assert [part.size for part in writer.parts] == [1000, 1000, 500, 0, 1000, 1000, 1]
    with (tmp_path / "set").open("rb") as source:
        reader = bundle.Reader(source)
        assert {name: b"".join(pieces) for name, pieces in reader.members()} == content
        assert reader.damages == []
        assert msgspec.json.encode(reader.manifest) == msgspec.json.encode(manifest)


@pytest.mark.anyio
async def test_the_command_says_what_it_did(lived: World, tmp_path: Path, composed: None) -> None:
    secret = tmp_path / "passphrase"
    secret.write_bytes(PASSPHRASE + b"\n")
    secret.chmod(0o644)
    with pytest.raises(StartupError):  # readable by others
        backups.passphrase(secret, twice=False)
    secret.chmod(0o600)
    result, said = heard(lambda console: backups.write(lived.settings, tmp_path / "out", None, secret, 1, console))
    assert result == 0
    assert "MiB/s" in said
    assert "même disque" in said
    data = backups.newest(tmp_path / "out", "data")
    result, said = heard(lambda console: backups.verify(data, None, None, console))
    assert result == 0
    assert "Backup whole" in said
    keys = backups.newest(tmp_path / "out", "keys")
    result, said = heard(lambda console: backups.verify(keys, None, secret, console))
    assert result == 0, said
    shutil.copy(data, tmp_path / "bad.tar")
    with (tmp_path / "bad.tar").open("r+b") as out:
        out.seek(5000)
        out.write(b"\xff\xfe")
    result, said = heard(lambda console: backups.verify(tmp_path / "bad.tar", None, None, console))
    assert result == 1
    assert "store/sqlite.db" in said
