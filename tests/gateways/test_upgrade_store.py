"""One program after another on the same data: the previous release's, and a newer one beside this one, with live leases."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from egide.exercise.people import Person
from egide.kernel.migrate import HEAD
from tests.attacks.test_kill import Books
from tests.conftest import proof_only
from tests.footage import footage
from tests.gateways.supervised import ROOT, START_S, Client, Load, Supervised, egide
from tests.gateways.test_supervisor import noting
from tests.passkeys import Passkey
from tests.world import INSIDE

pytestmark = [pytest.mark.alone, pytest.mark.anyio, pytest.mark.timeout(400)]

PREVIOUS = "136234634ec1c09d904579aedec2d0375d6e7235"  # the last whose store is at revision 0001
OPEN_AGAIN_S = 1.0
NEXT = f"{int(HEAD) + 1:04}"  # the revision of a program to come
NEWER = f'''"""A column and a table more."""
import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "{NEXT}", "{HEAD}", None, None
def upgrade() -> None:
    op.create_table("later", sa.Column("id", sa.Integer(), primary_key=True))
    op.add_column("note", sa.Column("later", sa.String(8), nullable=False, server_default=""))
'''


def asked(folder: Path, question: str) -> list[Any]:
    with closing(sqlite3.connect(folder / "egide.db", timeout=30)) as db:
        return db.execute(question).fetchall()


def verified(folder: Path) -> None:
    """Every entry, its body and the signed heads; a note for each act that says so."""
    books = Books(folder)
    with closing(sqlite3.connect(folder / "egide.db", timeout=30)) as db:
        books._entries(db)
    noted = "SELECT count(*) FROM entry WHERE act = 'operations.note.add' AND outcome = 'allowed'"
    assert asked(folder, "SELECT count(*) FROM note") == asked(folder, noted)
    assert asked(folder, "SELECT count(*) FROM entry") == [(books.size,)]


async def filming(running: Supervised, mission: str) -> str:
    """A camera in the air on that mission."""
    command = Person(f"http://localhost:{running.port}", "command")
    await command.enter()
    file = footage(running.folder.parent, at=INSIDE)
    source = await command.act(
        "operations.source.add", name="Drone 1", kind="file", url=str(file), aircraft="UAS-FR-1", pilot="Télépilote 7", tags=["loop"],
        lat=INSIDE[0], lon=INSIDE[1],
    )  # fmt: skip
    started = await command.act("operations.camera.start", source=source["id"], mission=mission)
    return str(started["deployment"])


class Watcher:
    """An officer's console: opens the picture, goes over when told, and counts how long that took."""

    def __init__(self, running: Supervised, deployment: str) -> None:
        self._base = f"http://localhost:{running.port}"
        self._deployment = deployment
        self.opened: list[float] = []  # s from the word to move to the picture's lease
        self.shown: list[float] = []  # s from the word to move to its first frame
        self.frames = 0
        self._task = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        person = Person(self._base, "officer")
        await person.enter()
        left = 0.0
        while True:
            live = await person.live()
            try:
                await live.act("operations.watch.open", deployment=self._deployment)
                if left:
                    self.opened.append(time.monotonic() - left)
                while not live.frames:
                    await asyncio.sleep(0.01)
                if left:
                    self.shown.append(time.monotonic() - left)
                await live.until(lambda live=live: any(told["push"] == "moving" for told in live.pushed), 600)
                left = time.monotonic()
            finally:
                self.frames += live.frames
                await live.close()

    async def end(self) -> None:
        self._task.cancel()
        done = await asyncio.gather(self._task, return_exceptions=True)
        assert isinstance(done[0], asyncio.CancelledError), done


class Program:
    """A program installed at one place, where another is then put in its stead."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "program"
        self.place.mkdir()
        self.this, self.newer = ROOT / "src" / "egide", folder / "newer"
        shutil.copytree(self.this, self.newer, ignore=shutil.ignore_patterns("__pycache__", "static"))
        migrate = self.newer / "kernel" / "migrate.py"
        migrate.write_text(migrate.read_text("utf-8").replace(f'HEAD = "{HEAD}"', f'HEAD = "{NEXT}"'), "utf-8")
        (self.newer / "kernel" / "migrations" / "versions" / f"{NEXT}_later.py").write_text(NEWER, "utf-8")
        self.install(self.this)

    def install(self, package: Path) -> None:
        fresh = self.place / "fresh"
        fresh.symlink_to(package)
        fresh.replace(self.place / "egide")


@pytest.fixture
def program(tmp_path: Path) -> Program:
    return Program(tmp_path)


async def upgraded(running: Supervised) -> None:
    before = set(running.serving())
    done = await asyncio.to_thread(egide, "upgrade", "--data", str(running.folder))
    assert done.returncode == 0, done.stdout + done.stderr + running.log()
    for _ in range(600):
        if not before & set(running.serving()):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("the old generation did not leave")


@proof_only
async def test_a_newer_program_revises_the_store_beside_the_old_one(program: Program, tmp_path: Path) -> None:
    running = Supervised(tmp_path / "data", 2, program=program.place)
    try:
        await asyncio.to_thread(running.up, 2)
        cookie, name, given = await asyncio.to_thread(noting, running)
        deployment = await filming(running, str(given["mission"]))
        watchers = [Watcher(running, deployment) for _ in range(4)]
        await asyncio.sleep(1)
        load = Load(running.port, cookie, name, given, clients=2)
        try:
            program.install(program.newer)
            old, upgrade = set(running.serving()), asyncio.create_task(upgraded(running))
            while asked(running.folder, "SELECT version_num FROM alembic_version") != [(NEXT,)]:
                await asyncio.sleep(0.05)
                assert not upgrade.done(), running.log()
            (at,) = asked(running.folder, "SELECT count(*) FROM note")[0]
            assert old <= set(running.serving())
            await asyncio.sleep(0.5)
            assert asked(running.folder, "SELECT count(*) FROM note")[0][0] > at, "the old program goes on writing"
            await upgrade
            program.install(program.this)
            await upgraded(running)  # and back again: this program on the newer one's store
        finally:
            await asyncio.sleep(1)
            load.stop()
        assert load.failures == []
        for watcher in watchers:
            await watcher.end()
            assert len(watcher.opened) == 2, "each generation moved it once"
            assert max(watcher.opened) < OPEN_AGAIN_S, watcher.opened
            assert watcher.frames > 30
        shown = sorted(second for watcher in watchers for second in watcher.shown)
        sys.stdout.write(f"shown again after {shown[0]:.2f} … {shown[-1]:.2f} s, {load.answered} acts meanwhile\n")
        assert asked(running.folder, "SELECT count(*) FROM recording") == [(1,)], "one recording all along"
        assert asked(running.folder, "SELECT count(*) FROM deployment WHERE ended IS NOT NULL") == [(0,)]
    finally:
        running.end()
    verified(running.folder)


@pytest.fixture(scope="module")
def previous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The previous release's program."""
    got = subprocess.run(["git", "archive", PREVIOUS, "src"], cwd=ROOT, capture_output=True, check=False)
    if got.returncode:
        pytest.skip("the previous release is not in this clone: git fetch --unshallow")
    place = tmp_path_factory.mktemp("previous")
    subprocess.run(["tar", "-x", "-C", place], input=got.stdout, check=True)
    return place / "src"


@pytest.fixture
def old(previous: Path, tmp_path: Path) -> Iterator[Supervised]:
    running = Supervised(tmp_path / "data", None, program=previous)
    try:
        running.until(lambda: "Égide" in running.log(), START_S)
        yield running
    finally:
        running.end()


async def test_the_previous_releases_data(old: Supervised, tmp_path: Path) -> None:
    """It wants its folder alone: a short stop, after which all it knew is there."""
    cookie, name, given = await asyncio.to_thread(noting, old)
    officer = Client(old.port, cookie)
    for _ in range(20):
        officer.act(name, **given)
    officer.close()
    key = Passkey(f"http://localhost:{old.port}")
    registered = register(old, key)
    deployment = await filming(old, str(given["mission"]))
    watcher = Watcher(old, deployment)
    await asyncio.sleep(2)
    refused = await asyncio.to_thread(egide, "serve", "--data", str(old.folder), "--port", "1")
    assert refused.returncode == 1
    assert "already" in refused.stderr, refused.stderr
    assert asked(old.folder, "SELECT version_num FROM alembic_version") == [("0001",)], "nothing is revised under it"
    await watcher.end()
    old.process.terminate()
    await asyncio.to_thread(old.process.wait, 20)

    running = Supervised(old.folder, 2)
    try:
        await asyncio.to_thread(running.up, 2)
        assert asked(old.folder, "SELECT version_num FROM alembic_version") == [(HEAD,)]
        again = Client(running.port, officer.cookie)
        again.act(name, **given)
        again.cookie = registered
        assert again.act("administration.session.show")["result"]["signed_in"]
        again.close()
        key.origin = f"http://localhost:{running.port}"
        signs_in(running, key)
        assert asked(old.folder, "SELECT count(*) FROM note") == [(21,)]
        assert asked(old.folder, "SELECT count(*) FROM deployment WHERE ended IS NULL") == [(0,)]
        assert asked(old.folder, "SELECT count(*) FROM watch WHERE closed IS NULL") == [(0,)]
        assert await filming(running, str(given["mission"])) != deployment
    finally:
        running.end()
    verified(old.folder)


def register(running: Supervised, key: Passkey) -> str:
    """A new officer with a passkey; the cookie of the session this opens."""
    administrator, anonymous = Client(running.port).enter("administrator"), Client(running.port)
    unit = administrator.act("administration.unit.add", name="Brigade")["result"]["id"]
    person = administrator.act("administration.person.add", name="Zoé Test", unit=unit, roles=["officer"])["result"]
    begun = anonymous.act("administration.passkey.begin", invitation=person["invitation"])["result"]
    anonymous.act(
        "administration.passkey.finish",
        ceremony=begun["ceremony"],
        credential=key.register(begun["options"]),
        label="Clé",
    )
    for each in (administrator, anonymous):
        each.close()
    return anonymous.cookie


def signs_in(running: Supervised, key: Passkey) -> None:
    anonymous = Client(running.port)
    begun = anonymous.act("administration.sign_in.begin")["result"]
    done = anonymous.act(
        "administration.sign_in.finish", ceremony=begun["ceremony"], credential=key.sign_in(begun["options"])
    )
    assert done["result"]["person"]["name"] == "Zoé Test"
    anonymous.close()
