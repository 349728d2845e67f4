"""A history rewritten by whoever holds the signing key: the platform starts on it, but the witness, another process, refuses.

Leaves, columns, tiles and heads are made anew, everything signed by the real key: nothing in the house contradicts it any more.
What contradicts it is what was given away before: to the witness, and to anyone who kept a head.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import httpx
import msgspec
import pytest

from egide.app import build, capabilities, engines, health
from egide.gateways import checks_data, composition, standing
from egide.gateways.composition import Composition, compose
from egide.kernel import backup, checkpoint, cosigned, restore
from egide.kernel.bundle import BundleError
from egide.kernel.checkpoint import Checkpoint
from egide.kernel.ledger import Log, MemoryTiles
from egide.kernel.vault import SigningKey
from egide.kernel.witness import trust
from tests.gateways.test_witness import Child
from tests.world import World

pytestmark = pytest.mark.anyio
PASSPHRASE = b"correct horse battery staple"
OLD = 20  # the entry that is altered


@pytest.fixture
async def seen(tmp_path: Path) -> AsyncIterator[tuple[World, Child, cosigned.Head]]:
    """A platform of some 300 acts, whose newest head a witness has cosigned; stopped."""
    trust(tmp_path / "witness", _some_key(tmp_path))
    child = Child(tmp_path / "witness")
    child.start()
    world = World(tmp_path / "data", witnesses={f"http://127.0.0.1:{child.port}": child.vkey}, witness_every_s=0.2)
    await world.start()
    trust(child.folder, world.kernel.key.vkey)
    await world.order()
    for _ in range(280):
        await world.refused("officer", "orders.draft", **world.draft())
    size = world.kernel.log.size
    await world.until(
        lambda: (found := cosigned.best(world.kernel.store.reader(), "police")) and found.size >= size, 20
    )
    head = cosigned.best(world.kernel.store.reader(), "police")
    assert head is not None
    assert [name for name, _ in head.witnesses] == ["w"]
    await world.stop()
    before = list(composition._held)
    compose(Composition(build, engines, capabilities, lambda *_: 0))
    yield world, child, head
    composition._held[:] = before
    child.end()


def _some_key(folder: Path) -> str:
    return SigningKey.load_or_create(folder / "other.key", "other.example/log").vkey


def rewrite(world: World, *, forget_witness: bool) -> None:
    """Alters one old entry and makes everything after it anew, as the operator could."""
    key = SigningKey.load_or_create(world.folder / "keys" / "ledger-police.key", "egide/police")
    with closing(sqlite3.connect(world.folder / "egide.db")) as db:
        leaves = [row[0] for row in db.execute("SELECT leaf FROM entry ORDER BY idx")]
        altered = msgspec.json.decode(leaves[OLD])
        altered["actor"] = hashlib.sha256(b"somebody else").hexdigest()[:32]
        leaves[OLD] = msgspec.json.encode(altered)
        db.execute("UPDATE entry SET leaf=? WHERE idx=?", (leaves[OLD], OLD))
        store = MemoryTiles()
        log = Log(store)
        prepared = log.prepare(leaves)
        store.write(prepared)
        log.adopt(prepared)
        for (level, number), tile in store.tiles.items():
            db.execute(
                "UPDATE ledger_tile SET hashes=?, root=? WHERE level=? AND number=?", (tile.hashes, tile.root, level, number)
            )  # fmt: skip
        for (size,) in db.execute("SELECT size FROM checkpoint").fetchall():
            note = checkpoint.sign(Checkpoint("egide/police", size, log.root(size)), [key])
            db.execute("UPDATE checkpoint SET note=? WHERE size=?", (note, size))
        if forget_witness:
            db.execute("DELETE FROM cosignature")
        db.commit()


async def refused(world: World) -> None:
    """Waits until the witness has refused, and health says so."""
    told = world.kernel.witnessing.told
    await world.until(lambda: any(refuses for _, refuses, _ in told()), 20)
    assert "the history differs" in str([what.en for _, refuses, what in told() if refuses])
    assert not health(world.kernel)["ok"]
    assert "the history differs" in str(health(world.kernel))


@pytest.mark.parametrize("forget_witness", [True, False])
async def test_the_witness_refuses_and_everybody_says_so(
    seen: tuple[World, Child, cosigned.Head], forget_witness: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("egide.kernel.sealed_stream.SCRYPT_N", 1 << 10)  # its cost is not what is tested
    world, child, kept = seen
    rewrite(world, forget_witness=forget_witness)
    before = health_of_witness(child)
    await world.start()  # the key is right, every head is signed: in the house, nothing is amiss
    if not forget_witness:
        await world.act(
            "prefect", "orders.draft", **world.draft()
        )  # the rewritten log grows beyond what the witness saw
    await refused(world)
    for _ in range(3):
        await world.act("prefect", "orders.draft", **world.draft())  # and goes on growing
    await asyncio.sleep(0.5)
    await refused(world)
    assert world.kernel.log.size > kept.size
    assert not any(
        head.witnesses for head in cosigned.heads(world.kernel.store.reader(), "police") if head.size > kept.size
    ), "the witness cosigned a second history"
    said = health(world.kernel)
    monkeypatch.setattr(standing, "health", lambda _settings: said)  # what the running server answers at /healthz
    wrong = [found.what.en for found in checks_data.witnesses(world.settings, lambda *_: None) if found.mark == "wrong"]
    assert any("the history differs" in each for each in wrong), wrong
    if not forget_witness:
        assert any("it was rewritten" in each for each in wrong), wrong
    await the_fork_shows(world, kept)
    await world.stop()
    assert health_of_witness(child) == before
    restored_with_the_kept_head(world, kept)


def health_of_witness(child: Child) -> str:
    return child.ask("GET", "/")[1]


async def the_fork_shows(world: World, kept: cosigned.Head) -> None:
    """Whoever kept a head of the page of roots holds two notes of one size, both signed by the log: the proof."""
    transport = httpx.ASGITransport(app=world.application)
    async with httpx.AsyncClient(transport=transport, base_url=world.settings.origin) as http:
        now = (await http.get(f"/roots/{kept.size}.txt")).text
    key = [world.kernel.key.vkey]
    first, second = checkpoint.verify(kept.note, key), checkpoint.verify(now, key)
    assert (first.size, second.size) == (kept.size, kept.size)
    assert first.root != second.root


def restored_with_the_kept_head(world: World, kept: cosigned.Head) -> None:
    """A backup of the rewritten store is whole in itself; with the kept head it is not restored."""
    place = world.folder.parent / "out"
    taken = backup.backup(world.settings, place, place / "keys", PASSPHRASE, engines=engines, count=lambda *_: None)
    for head in (kept.note, ""):
        target = world.folder.parent / f"new{bool(head)}"
        if head:
            with pytest.raises(BundleError, match="Ledger"):
                restore.restore(
                    target, taken.data.file, taken.keys.file, PASSPHRASE, head=head, engines=engines, capabilities=capabilities, count=lambda *_: None
                )  # fmt: skip
            assert [each.name for each in target.iterdir()] == ["writer.lock"]
        else:
            restore.restore(
                target,
                taken.data.file,
                taken.keys.file,
                PASSPHRASE,
                engines=engines,
                capabilities=capabilities,
                count=lambda *_: None,
            )
            assert (target / "egide.db").exists()
