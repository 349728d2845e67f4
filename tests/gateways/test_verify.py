"""`egide ledger verify` and `export`: what holds is said to hold, a changed entry is named, no archive does harm."""

from __future__ import annotations

import contextlib
import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import delete

from egide.gateways import standing, verify
from egide.kernel import tables
from egide.kernel.errors import BadInput, Conflict, EgideError, NotFound, StartupError, Unavailable
from egide.kernel.settings import Settings
from egide.oversight import ledger
from tests.gateways.conftest import Installed, heard


@pytest.fixture(scope="module")
def export(pristine: Installed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An inspector's archive as the export act gives it."""
    file = tmp_path_factory.mktemp("export") / "egide-police-inspector.tar"
    with standing.reading(Settings(data=str(pristine.folder))) as kernel:
        file.write_bytes(b"".join(ledger._tar(kernel, "inspector")))
    return file


@pytest.fixture
def folder(export: Path, tmp_path: Path) -> Path:
    """The same, unpacked."""
    place = tmp_path / "inspector"
    place.mkdir()
    verify.unpack(export, place)
    return place


def verified(path: Path, *keys: Path) -> tuple[object, str]:
    return heard(lambda console: verify.verify(path, list(keys), console))


def test_archive_and_folder_hold(export: Path, folder: Path, pristine: Installed) -> None:
    key = pristine.folder / "ledger-police.vkey"
    for path in (export, folder):
        result, said = verified(path, key)
        assert result == 0, said
        assert "3 inscriptions" in said
        assert "3 entries" in said
        assert "l’export lui-même" not in said


def test_own_keys_prove_no_origin(export: Path) -> None:
    result, said = verified(export)
    assert result == 0
    assert "rien ne prouve de qui il vient" in said
    assert "nothing proves whom it comes from" in said
    assert "--key" in said


def test_changed_entry_is_named(folder: Path, pristine: Installed) -> None:
    file = folder / "leaves.jsonl"
    lines = file.read_bytes().split(b"\n")
    at = lines[1].index(b'"leaf":"') + 20
    lines[1] = lines[1][:at] + (b"A" if lines[1][at : at + 1] != b"A" else b"B") + lines[1][at + 1 :]
    file.write_bytes(b"\n".join(lines))
    result, said = verified(folder, pristine.folder / "ledger-police.vkey")
    assert result == 1
    assert "inscription 1 — " in said
    assert "entry 1 — " in said
    assert "Le registre ne tient pas" in said


def test_another_ledgers_key(export: Path, tmp_path: Path) -> None:
    from egide.kernel.vault import SigningKey

    other = SigningKey.load_or_create(tmp_path / "k", "egide/police")
    key = tmp_path / "other.vkey"
    key.write_text(f"# a comment\n\n{other.vkey}\n")
    result, said = verified(export, key)
    assert result == 1
    assert "aucune signature ne vient d’une clé connue" in said


@pytest.mark.parametrize("text", ["", "# nothing\n", "not a key\n", "a+b+c\n", "\xff" * 10, "#" * 70_000])
def test_bad_key_files_never_fall_back_on_the_exports_own(export: Path, tmp_path: Path, text: str) -> None:
    key = tmp_path / "bad.vkey"
    key.write_text(text, "latin-1")
    with pytest.raises(BadInput):
        verified(export, key)


def test_what_is_not_there(tmp_path: Path, export: Path) -> None:
    with pytest.raises(NotFound):
        verified(tmp_path / "absent")
    with pytest.raises(NotFound):
        verified(export, tmp_path / "absent.vkey")


# ── Archives from outside ─────────────────────────────────────────────────────────────────────────────────────────────


def member(name: str, content: bytes = b"{}", **changed: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for attribute, value in changed.items():
        setattr(info, attribute, value)
    return info, content


HOSTILE: dict[str, Callable[[], list[tuple[tarfile.TarInfo, bytes]]]] = {
    "climbs": lambda: [member("x/../../manifest.json")],
    "absolute": lambda: [member("/tmp/x/manifest.json")],
    "symbolic link": lambda: [member("x/keys.txt", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")],
    "hard link": lambda: [member("x/keys.txt", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd")],
    "device": lambda: [member("x/keys.txt", b"", type=tarfile.CHRTYPE)],
    "pipe": lambda: [member("x/keys.txt", b"", type=tarfile.FIFOTYPE)],
    "stranger": lambda: [member("x/run.sh")],
    "twice": lambda: [member("x/keys.txt"), member("x/keys.txt", b"other")],
    "many": lambda: [member(f"{n}", b"", type=tarfile.DIRTYPE) for n in range(verify.MAX_MEMBERS + 1)],
    "huge header": lambda: [member("x/" + "a" * (2 * verify.MAX_READ))],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "hostile.tar"
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in HOSTILE[name]():
            tar.addfile(info, io.BytesIO(content))
    place = tmp_path / "place"
    place.mkdir()
    with pytest.raises(BadInput):
        verify.unpack(file, place)
    assert set(tmp_path.rglob("*")) <= {file, place, place / "keys.txt"}


def test_sparse_member_is_refused(tmp_path: Path) -> None:
    """A hole of 8 GiB in an archive of 2 KiB."""
    info, _ = member("x/keys.txt", b"")
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "8589934592,0",
        "GNU.sparse.size": "8589934592",
    }
    file = tmp_path / "sparse.tar"
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    with pytest.raises(BadInput):
        verify.unpack(file, tmp_path)


def test_compressed_archive_is_refused(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "x.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        tar.add(folder, "inspector")
    with pytest.raises(BadInput):
        verify.unpack(file, tmp_path)


@hypothesis_settings(
    max_examples=int(os.environ.get("EGIDE_FUZZ", "500")), deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(data=st.data())
def test_fuzzed_archives(export: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Bytes of the headers changed, or anything at all: files of an export come out, or `BadInput`."""
    raw = bytearray(export.read_bytes()[:8192])
    if data.draw(st.booleans()):
        for _ in range(data.draw(st.integers(1, 4))):
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
        start = data.draw(st.sampled_from((0, 512, 1024, 1536)))
        raw[start + 148 : start + 156] = b"%06o\0 " % (
            sum(raw[start : start + 148]) + 256 + sum(raw[start + 156 : start + 512])
        )
    else:
        raw = bytearray(data.draw(st.binary(max_size=2048)))
    place = tmp_path / os.urandom(8).hex()
    place.mkdir()
    file = place / "x.tar"
    file.write_bytes(raw)
    out = place / "out"
    out.mkdir()
    with contextlib.suppress(BadInput):
        verify.unpack(file, out)
    found = list(out.rglob("*"))
    assert {each.name for each in found} <= verify.NAMES
    assert sum(each.stat().st_size for each in found) <= len(raw)


@hypothesis_settings(
    max_examples=int(os.environ.get("EGIDE_FUZZ", "500")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(content=st.binary(max_size=400))
def test_fuzzed_key_files(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "keys"
    file.write_bytes(content)
    with pytest.raises(BadInput):
        verify.read_keys(file)


# ── Export ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def exported(settings: Settings, path: Path, kind: str = "public") -> tuple[object, str]:
    return heard(lambda console: verify.export_public(settings, path, kind, console))


def test_public_export_holds_nobody(settings: Settings, tmp_path: Path) -> None:
    result, said = exported(settings, tmp_path / "public")
    assert result == 0
    assert "aucune montrée" in said
    assert not (tmp_path / "public" / "leaves.jsonl").exists()
    result, said = verified(tmp_path / "public", settings.folder / "ledger-police.vkey")
    assert result == 0
    assert "jusqu’à 3 inscriptions" in said


def test_a_cut_ledger_is_not_exported(settings: Settings, tmp_path: Path) -> None:
    with standing.store(settings) as store, store.side() as db:
        db.execute(delete(tables.entry).where(tables.entry.c.idx == 2))
    with pytest.raises(EgideError, match="ledger is damaged"):
        exported(settings, tmp_path / "public")


def test_inspectors_export_is_an_act(settings: Settings, tmp_path: Path) -> None:
    result, said = exported(settings, tmp_path / "x", "inspector")
    assert result == 1
    assert "/oversight" in said
    assert not (tmp_path / "x").exists()


def test_export_refuses(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        exported(settings, tmp_path / "x", "everything")
    (tmp_path / "there").mkdir()
    with pytest.raises(Conflict):
        exported(settings, tmp_path / "there")
    with pytest.raises(StartupError):
        exported(Settings(data=str(tmp_path / "empty")), tmp_path / "x")
    assert not (tmp_path / "empty").exists()
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        exported(settings, tmp_path / "file" / "x")
