"""One bit flipped anywhere — a row, the store's file, the ledger's tiles, an export, a backup — is found, and the entry named.

What nothing can speak for is listed here, column by column, with the reason; a miss outside that list fails. `EGIDE_PROOF=1`
makes 10,000 flips and more, and writes the counts to $EGIDE_REPORTS/flips.jsonl.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from egide.app import build, capabilities, engines
from egide.gateways import checks_stored, composition
from egide.gateways.composition import Composition, compose
from egide.gateways.verify import unpack
from egide.kernel import backup, backup_verify, tile_export
from egide.kernel.errors import EgideError
from egide.kernel.kernel import Kernel
from egide.kernel.ledger import Log
from egide.kernel.ledger_leaves import Problem
from egide.kernel.ledger_verify import verify_export
from egide.kernel.tile_verify import verify_tiles
from egide.kernel.tiles import SqlTiles
from egide.oversight import ledger
from tests.attacks.busy import lived
from tests.attacks.flipping import Cells, differing, dump, flip_file, flipped, whole

PROOF = os.environ.get("EGIDE_PROOF") == "1"
SEED = 20261124
CELLS, RAW, TILES, EXPORT, BACKUP = (4000, 1600, 1200, 2600, 1200) if PROOF else (110, 50, 80, 120, 60)
PASSPHRASE = b"correct horse battery staple"
PLUMBING = "how the processes work together; nothing is decided by it"
MOMENT = "a time within an act's: the act's leaf has the signed one"
DRAWN = "an id that the platform drew: no act names it"
# Columns for which neither a leaf nor a seal, a signature or an act speaks; said in docs/threat-model.md.
UNSIGNED: dict[str, str] = {
    **dict.fromkeys(("alembic_version", "handled", "outbox", "turn", "rights", "process", "consumer", "job", "job_claim"), PLUMBING),
    "deployment.process": PLUMBING, "watch.process": PLUMBING,
    "concern": "which entries erasing a person empties: the leaf must not say so (EDPB 02/2025)",
    "unit": "names of services, of no effect on a right",
    "source.name": "a label",
    "alert.lang": "the language of the answer", "alert.secret": "locks the resident out, opens nothing: only a hash",
    "alert.taken": "who is on it; the act’s leaf has it",
    "alert.at": MOMENT, "alert.closed": MOMENT, "alert_word.at": MOMENT, "alert_word.officer": "who speaks; the act's leaf has it",
    "checkpoint.at": MOMENT, "authorisation.signed": MOMENT, "deployment.started": MOMENT, "deployment.ended": MOMENT,
    "habilitation.withdrawn": MOMENT, "hold.since": MOMENT, "mission.opened": MOMENT, "mission.closed": MOMENT, "note.at": MOMENT,
    "person.added": MOMENT, "roster.since": MOMENT, "roster.gone": MOMENT, "watch.opened": MOMENT, "watch.closed": MOMENT,
    "session.started": MOMENT,
    "roster.mission": "of somebody who has left; a present one is found", "roster.person": "of somebody who has left; a present one is found",
    "deployment.id": DRAWN, "habilitation.id": DRAWN, "watch.id": DRAWN,
    "session.hash": "the secret fits no more, and no other fits", "invitation": "another code fits no more; a week at most",
    "recording": "the index of sealed files, each bound to the one before; opening them shows it",
}  # fmt: skip
SHOWN = re.compile(r"from (\d+) to (\d+)")

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120 + 3600 * PROOF)]


def report(name: str, **counts: object) -> None:
    """Counts for docs/proofs.md."""
    sys.stdout.write(f"{name} {counts} seed {SEED}\n")
    place = os.environ.get("EGIDE_REPORTS")
    if place:
        file = Path(place) / "flips.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as out:
            out.write(json.dumps({"name": name, "seed": SEED, **counts}) + "\n")


@dataclass
class Stopped:
    """A platform at rest, looked at by a kernel that is not started."""

    kernel: Kernel
    file: Path

    def again(self) -> None:
        """Reads the store anew, as a start does: what was remembered of it is forgotten."""
        self.kernel.store.close()
        self.kernel.store = engines(self.kernel.settings).store
        self._forget()

    def _forget(self) -> None:
        self.kernel.forget()
        self.kernel.orders._cache.clear()

    def problems(self) -> list[Problem] | None:
        """What `egide doctor` finds in the contents; None where a start already fails."""
        self._forget()
        try:
            size, _ = self.kernel.store.last_entry("police")
            self.kernel.log = Log.recover(SqlTiles(self.kernel.store.reader, "police"), size)
            self.kernel._check_head(self.kernel.latest_checkpoint())
            starts = True
        except Exception:  # noqa: BLE001 — whatever a start raises, the platform does not start
            starts = False
        found = checks_stored.examine(self.kernel, lambda *_: None).problems
        return found if starts or found else None


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def stopped(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    world = await lived(tmp_path_factory.mktemp("flips") / "data", 40)
    before = list(composition._held)
    compose(Composition(build, engines, capabilities, lambda *_: 0))
    made = Stopped(
        Kernel(world.settings, capabilities(world.settings), engines(world.settings)), world.folder / "egide.db"
    )
    composition._held[:] = before
    return made


def unsigned(table: str, column: str) -> bool:
    return table in UNSIGNED or f"{table}.{column}" in UNSIGNED


def names(entry: int, problems: list[Problem]) -> bool:
    """Whether a problem names this entry, or the few between two signed heads among which it is."""
    for each in problems:
        span = SHOWN.search(each.what.en)
        if each.entry == entry or (span and int(span[1]) <= entry <= int(span[2])):
            return True
    return False


async def test_nothing_is_wrong_with_what_is_whole(stopped: Stopped) -> None:
    assert stopped.problems() == []


async def test_cells(stopped: Stopped) -> None:
    """Through SQL: a bit of any value of any column that something speaks for."""
    chance, cells, counts = random.Random(SEED), Cells(stopped.file), Counter[str]()
    asked = [each for each in cells.columns if not unsigned(*each)]
    started = time.monotonic()
    while counts["flips"] < CELLS:
        table, column = asked[counts["drawn"] % len(asked)]
        counts["drawn"] += 1
        cell = cells.draw(table, column, chance)
        value = flipped(cell.row[column], chance)
        if value is None:
            continue
        with cells.changed(cell, value) as possible:
            if not possible:
                continue
            problems = stopped.problems()
        counts["flips"] += 1
        what = f"{table}.{column}: {cell.row[column]!r} → {value!r}"
        assert problems is None or problems, f"not found: {what}"
        if table == "entry" and column != "realm":
            assert problems is not None, what
            assert names(cell.row["idx"], problems), f"{what}: {[each.what.en for each in problems]}"
            counts["entries named"] += 1
    assert stopped.problems() == []
    report("cells", columns=len(asked), flips=counts["flips"], missed=0, entries_named=counts["entries named"],
           ms_each=round((time.monotonic() - started) / counts["flips"] * 1000))  # fmt: skip


async def test_keys(stopped: Stopped) -> None:
    """Of the vault: a changed key would let what it sealed pass for erased."""
    chance, cells, flips = random.Random(SEED), Cells(stopped.file.parent / "vault" / "vault.db"), 0
    vault, keys = stopped.kernel.vault, [each for each in cells.columns if each[0] == "data_key"]
    for turn in range(CELLS // 10):
        cell = cells.draw(*keys[turn % len(keys)], chance)
        value = flipped(cell.row[cell.column], chance)
        if value is None:
            continue
        with cells.changed(cell, value) as possible:
            if not possible:
                continue
            vault.forget()
            assert list(vault.damaged_keys()), cell
        flips += 1
    vault.forget()
    assert not list(vault.damaged_keys())
    report("vault", flips=flips, missed=0)


async def test_the_columns_that_nothing_speaks_for_are_these(stopped: Stopped) -> None:
    """Nobody adds a table without saying what speaks for it."""
    with_values = Cells(stopped.file).columns
    known = {name.split(".")[0] for name in UNSIGNED}
    assert known >= {"concern", "unit"}
    assert {table for table, _ in with_values} - known <= {
        "entry", "ledger_tile", "authorisation", "person", "retained", "hold", "source", "note", "session", "alert_word",
    } | {"cosignature", "stamp"}  # fmt: skip


async def test_the_file(stopped: Stopped, tmp_path: Path) -> None:
    """A bit anywhere in the file: what changes any content is found; what changes none, in free space, is no damage."""
    chance, counts = random.Random(SEED), Counter[str]()
    stopped.kernel.store.close()
    good = consolidated(stopped.file)
    before = dump(stopped.file)
    assert before is not None
    try:
        while counts["flips"] < RAW:
            at, bad = flip_file(good, chance, held=counts["flips"] % 5 > 0)
            put(stopped.file, bad)
            counts["flips"] += 1
            after = dump(stopped.file)
            if after is None or not whole(stopped.file):
                counts["damaged"] += 1
                continue
            changed = differing(before, after)
            if not changed:
                counts["nothing"] += 1
                continue
            stopped.again()
            problems = stopped.problems()
            stopped.kernel.store.close()
            if problems == []:
                assert all(unsigned(*each) for each in changed), f"byte {at}: {changed}"
                counts["unsigned"] += 1
                continue
            counts["found"] += 1
    finally:
        put(stopped.file, good)
        stopped.again()
    assert stopped.problems() == []
    report("file", **counts, missed=0)


def consolidated(file: Path) -> bytes:
    """The whole file, its write-ahead log folded back."""
    db = sqlite3.connect(file)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return file.read_bytes()


def put(file: Path, content: bytes) -> None:
    for beside in ("-wal", "-shm"):
        file.with_name(file.name + beside).unlink(missing_ok=True)
    file.write_bytes(content)


def each_flip(folder: Path, number: int, chance: random.Random) -> Iterator[tuple[Path, int, bytes, bytes]]:
    """(file, place, before, after) in turn over all files of a folder; each is put right again afterwards."""
    files = sorted(each for each in folder.rglob("*") if each.is_file())
    for turn in range(number):
        file = files[turn % len(files)]
        good = file.read_bytes()
        at, bad = flip_file(good, chance)
        file.write_bytes(bad)
        yield file, at, good, bad
        file.write_bytes(good)


async def test_tiles(stopped: Stopped, tmp_path: Path) -> None:
    """The public tree in a folder: hashes, checkpoint."""
    tile_export.write(stopped.kernel, tmp_path / "tree")
    key = [stopped.kernel.key.vkey]
    size, problems = verify_tiles(tmp_path / "tree", key)
    assert (size, problems) == (stopped.kernel.log.size, [])
    named = 0
    for file, at, _good, _bad in each_flip(tmp_path / "tree", TILES, random.Random(SEED)):
        problems = verify_tiles(tmp_path / "tree", key)[1]
        assert problems, f"{file.name} byte {at}"
        named += any(each.where == str(file.relative_to(tmp_path / "tree")) for each in problems)
    report("tiles", flips=TILES, missed=0, files_named=named)


@pytest.mark.parametrize("kind", ["inspector", "public"])
async def test_exports(stopped: Stopped, tmp_path: Path, kind: str) -> None:
    """In the files and in the archive that carries them; the entry is named where its line is."""
    folder, counts = tmp_path / kind, Counter[str]()
    ledger.write(stopped.kernel, kind, folder)
    key, chance = [stopped.kernel.key.vkey], random.Random(SEED)
    assert verify_export(folder, key).ok
    for file, at, good, bad in each_flip(folder, EXPORT // 4, chance):
        if b"".join(good.split()) == b"".join(bad.split()):
            counts["white space"] += 1
            continue
        told = verify_export(folder, key)
        assert not told.ok, f"{file.name} byte {at}"
        counts["flips"] += 1
        if file.name == "leaves.jsonl":
            assert names(good.count(b"\n", 0, at), told.problems), f"byte {at}: {told.problems}"
            counts["entries named"] += 1
    archive = b"".join(ledger._tar(stopped.kernel, kind))
    plain = unpacked(archive, tmp_path / "plain")
    assert plain is not None
    for turn in range(EXPORT // 4):
        at, bad = flip_file(archive, chance)
        out = tmp_path / f"out{turn}"
        content = unpacked(bad, out)
        if content == plain:
            counts["nothing"] += 1  # padding, a date, an owner
        else:
            counts["flips"] += 1
            assert content is None or not verify_export(out, key).ok or squeezed(content) == squeezed(plain), at
        shutil.rmtree(out, ignore_errors=True)
    report(f"export, {kind}", **counts, missed=0)


def squeezed(content: dict[str, bytes]) -> dict[str, bytes]:
    """Without white space, which is no change."""
    return {name: b"".join(each.split()) for name, each in content.items()}


def unpacked(archive: bytes, place: Path) -> dict[str, bytes] | None:
    """What an archive holds; None where it is refused."""
    place.mkdir()
    file = place.with_suffix(".tar")
    file.write_bytes(archive)
    try:
        unpack(file, place)
    except EgideError:
        return None
    finally:
        file.unlink()
    return {each.name: each.read_bytes() for each in place.iterdir()}


async def test_backups(stopped: Stopped, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anywhere in both sets: the member is named, and the entry where the flip changed one."""
    monkeypatch.setattr("egide.kernel.sealed_stream.SCRYPT_N", 1 << 10)  # its cost is not what is tested
    taken = backup.backup(
        stopped.kernel.settings, tmp_path / "out", tmp_path / "out" / "keys", PASSPHRASE, engines=engines, count=lambda *_: None
    )  # fmt: skip
    chance, counts = random.Random(SEED), Counter[str]()
    for file, secret in ((taken.data.file, None), (taken.keys.file, PASSPHRASE)):
        good = file.read_bytes()
        for _ in range(BACKUP // 2):
            at, bad = flip_file(good, chance)
            file.write_bytes(bad)
            told = backup_verify.verify(file, secret)
            assert not told.ok, f"{file.name} byte {at}"
            assert told.damages[0].member, f"{file.name} byte {at}"
            counts["flips"] += 1
            counts["entries named"] += bool(told.entries)
        file.write_bytes(good)
    leaf = at_a_leaf(stopped, taken.data.file.read_bytes())
    for index, place in leaf(chance):
        broken = bytearray(taken.data.file.read_bytes())
        broken[place] ^= 1 << chance.randrange(8)
        other = taken.data.file.with_name("bad.tar")
        other.write_bytes(broken)
        told = backup_verify.verify(other)
        counts["flips"] += 1
        counts["in a leaf"] += 1
        assert index in told.entries or told.entries, f"entry {index}: {told.entries}"
        counts["entries named"] += 1
    report("backup", **counts, missed=0)


def at_a_leaf(stopped: Stopped, raw: bytes) -> Callable[[random.Random], Iterator[tuple[int, int]]]:
    """Gives (entry, a place in a backup's bytes that lies in its leaf)."""
    rows = dump(stopped.file)
    assert rows is not None
    found = [(row["idx"], raw.find(row["leaf"]), len(row["leaf"])) for row in rows["entry"]]
    within = [each for each in found if each[1] >= 0]  # a leaf that is cut by a page's end lies in two places

    def places(chance: random.Random) -> Iterator[tuple[int, int]]:
        for _ in range(BACKUP // 10):
            index, start, length = chance.choice(within)
            yield index, start + chance.randrange(length)

    return places
