"""An older backup restored after an erasure: nothing of the person in it, and the older keys are nowhere any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from egide.app import capabilities, engines
from egide.kernel import backup, backup_sets, restore
from tests.attacks.needles import bodies, in_folder, keys
from tests.engines.postgres import postgres
from tests.kernel.test_erasure import WHY, busy, cells, finished, person, proofs_hold
from tests.world import World

pytestmark = pytest.mark.anyio
PASSPHRASE = b"correct horse battery staple"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("server", [False, True], ids=["sqlite", "postgres"])
async def test_an_older_backup_brings_nobody_back(tmp_path: Path, server: bool) -> None:
    if not server:
        await brought_back(tmp_path, "", "", None)
        return
    with postgres("-c wal_recycle=off -c min_wal_size=32MB") as cluster:
        await brought_back(tmp_path, cluster.dsn("first"), cluster.dsn("second"), cluster.data)


async def brought_back(place: Path, first: str, second: str, cluster: Path | None) -> None:
    out, new = place / "out", place / "new"
    world = World(place / "data", store=first, backups=str(out))

    def taken() -> backup.Report:
        return backup.backup(world.settings, out, out / "keys", PASSPHRASE, engines=engines, count=lambda *_: None)

    await world.start()
    who = await person(world)
    await busy(world, who)
    needles = [who.encode(), *bodies(world, who), *keys(world.kernel.vault._rows, who, "identity", "field-notes")]
    older = taken()
    old_keys = older.keys.file.read_bytes()[:64]
    assert len(in_folder(cluster or world.folder, needles)) >= 1, "the search finds them before"
    await world.act("dpo", "administration.person.erase", person=who, **WHY)
    await finished(world)
    assert backup_sets.sets(out / "keys", "keys") == [], "whoever had the older keys could open what is erased"
    assert in_folder(out / "keys", [old_keys]) == []
    newer = taken()
    await world.stop()
    new.mkdir()
    if second:
        (new / "egide.toml").write_text(f'store = "{second}"\n')
    done = restore.restore(
        new, older.data.file, newer.keys.file, PASSPHRASE, engines=engines, capabilities=capabilities, count=lambda *_: None
    )  # fmt: skip
    assert done.checked.problems == []
    assert done.forgotten.people == 1
    assert in_folder(new, needles) == []
    again = World(new, store=second)
    await again.start()
    try:
        assert cells(again, who) == []
        await again.order()
        proofs_hold(again)
    finally:
        await again.stop()
    assert in_folder(new, needles) == []
    if cluster:
        left = in_folder(cluster, needles)
        assert left == [], left
