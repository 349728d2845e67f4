"""A platform to test against: a real kernel with all capabilities, personas, an order, a mission, terminals that are lists."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import msgspec
import pytest
from sqlalchemy import create_engine

from egide.app import build
from egide.kernel import kernel as kernel_of_a_process
from egide.kernel import law_check
from egide.kernel.capability import Activity, Capability, activities
from egide.kernel.clock import Clock, iso
from egide.kernel.door import Outcome
from egide.kernel.errors import Refused
from egide.kernel.guard import Guard
from egide.kernel.identity import Principal
from egide.kernel.kernel import Kernel
from egide.kernel.law import PACKS, LawBook
from egide.kernel.migrate import upgrade
from egide.kernel.packs import PackFiles, read_pack
from egide.kernel.settings import Settings
from tests.footage import footage
from tests.waiting import PATIENCE_S, until

SQUARE = {
    "type": "Polygon",
    "coordinates": [[[24.92, 60.15], [24.98, 60.15], [24.98, 60.19], [24.92, 60.19], [24.92, 60.15]]],
}
INSIDE = (60.17, 24.945)  # lat, lon
OUTSIDE = (60.30, 25.20)
DAY_US = 86_400_000_000


@cache
def _pack(folder: Path, root: Path) -> PackFiles:
    return read_pack(folder, root)


@cache
def _book(jurisdiction: str, hour: datetime) -> LawBook:
    return LawBook.load(PACKS, jurisdiction, hour)


class _Books:
    """The law changes from one day to the next, and days begin with an hour."""

    @staticmethod
    def load(root: Path, jurisdiction: str, at: datetime) -> LawBook:
        if root != PACKS:
            return LawBook.load(root, jurisdiction, at)
        return replace(_book(jurisdiction, at.replace(minute=0, second=0, microsecond=0)), at=at)


class _Guard(Guard):
    """The same rules for the same acts are compiled, and checked by Cedar, once."""

    known: ClassVar[dict[Any, Any]] = {}

    def _validate(self) -> None:
        """Before they are compiled."""

    def _compile(self) -> Any:
        key = self.book.hash, frozenset(self.acts.values())
        if key not in self.known:
            super()._validate()
            self.known[key] = super()._compile()
        return self.known[key]


@cache
def _activities(package: str) -> tuple[Activity, ...]:
    return activities(Capability(name="", package=package, acts=()))


# Most of a start is reading packs and registers and laying tables, the same for a thousand platforms: done once in a process.
kernel_of_a_process.LawBook, kernel_of_a_process.Guard = _Books, _Guard  # type: ignore[assignment, misc]
law_check.read_pack = lambda folder, root: _pack(folder, root) if root == PACKS else read_pack(folder, root)  # type: ignore[attr-defined]
kernel_of_a_process.activities = lambda each: (  # type: ignore[attr-defined]
    _activities(each.package) if each.package.startswith("egide.") else activities(each)
)


@cache
def _empty() -> bytes:
    """A store whose tables are there and empty."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "egide.db"
        engine = create_engine(f"sqlite:///{file}")
        upgrade(engine, ())
        engine.dispose()
        return file.read_bytes()


class Terminal:
    """What a socket would be: remembers what was sent to it."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal
        self.frames: list[bytes] = []
        self.pushed: list[dict[str, Any]] = []
        self.closed = False
        self._closing: list[Callable[[], None]] = []
        self.inlets: dict[int, Callable[[bytes], None]] = {}

    def send(self, data: bytes) -> None:
        self.frames.append(data)

    def push(self, message: dict[str, Any]) -> None:
        self.pushed.append(message)

    def pending(self) -> int:
        return 0

    def inlet(self, kind: int, take: Callable[[bytes], None] | None) -> None:
        if take is None:
            self.inlets.pop(kind, None)
        else:
            self.inlets[kind] = take

    def say(self, data: bytes) -> bool:
        """Sends bytes as the terminal would; False where nothing takes them."""
        take = self.inlets.get(data[0])
        if take is not None:
            take(data)
        return take is not None

    def on_close(self, callback: Callable[[], None]) -> None:
        self._closing.append(callback)

    def leave(self) -> None:
        self.closed = True
        for callback in self._closing:
            callback()


class World:
    """Start it, act as people, move its clock, stop it, start it again on the same data."""

    dsn: ClassVar[Callable[[Path], str]] = staticmethod(lambda _folder: "")  # which store a folder's platform has

    def __init__(self, folder: Path, extra: tuple[Capability, ...] = (), **settings: Any) -> None:
        self.folder = folder
        self.clock = Clock()
        self.settings = Settings(
            **{"data": str(folder), "demo": True, "acts_per_s": 100_000, "store": World.dsn(folder)} | settings
        )
        self.extra = extra
        self.kernel: Kernel
        self.application: Any

    async def start(self) -> None:
        file = self.settings.folder / "egide.db"
        if not self.settings.store and not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            file.write_bytes(_empty())
        self.kernel, self.application = build(self.settings, clock=self.clock, extra=self.extra)
        await self.kernel.start()

    async def stop(self) -> None:
        await self.kernel.stop()

    def tamper(self, statement: str, *values: Any) -> None:
        """What somebody with the file in their hands does to it, on a connection of their own: the writer has its own."""
        with closing(sqlite3.connect(self.settings.folder / "egide.db", timeout=30)) as file, file:
            assert file.execute(statement, values).rowcount > 0, "a control: something was changed"

    def full_at(self, pages: int) -> None:
        """Lets SQLite believe that the disk ends after so many pages; begins no transaction: the writer may be in one."""
        self.kernel.store.writer.connection.driver_connection.execute(f"PRAGMA max_page_count = {pages}")

    def person(self, persona: str) -> Principal:
        found = self.kernel.identity.person(persona, self.kernel.store.reader(), strong=True)
        assert found is not None, persona
        return found

    async def act(self, who: str, name: str, channel: Terminal | None = None, /, **given: Any) -> Any:
        """The act's result as plain data; raises what the door raises."""
        outcome = await self.perform(who, name, channel, **given)
        return msgspec.to_builtins(outcome.result)

    async def perform(self, who: str, name: str, channel: Terminal | None = None, /, **given: Any) -> Outcome:
        outcome = await self.kernel.perform(name, msgspec.json.encode(given), self.person(who), channel=channel)
        if channel is not None and outcome.effect.started is not None:
            outcome.effect.started()
        return outcome

    async def refused(self, who: str, name: str, channel: Terminal | None = None, /, **given: Any) -> list[str]:
        """The ids of the broken rules; fails when the act was allowed."""
        with pytest.raises(Refused) as caught:
            await self.perform(who, name, channel, **given)
        refusal = caught.value
        assert refusal.receipt is not None
        for reason in refusal.decision.reasons:
            assert all((reason.fr, reason.en, reason.article, reason.remedy_fr, reason.remedy_en)), reason
        return [reason.rule for reason in refusal.decision.reasons]

    def draft(self, **changed: Any) -> dict[str, Any]:
        """A lawful draft from an hour ago to tomorrow."""
        now = self.clock.now_us()
        given: dict[str, Any] = {
            "title": "Marché de Noël", "purpose": "places", "place": "Helsinki, centre", "perimeter": SQUARE, "cap": 2,
            "starts": iso(now - 3600_000_000), "ends": iso(now + DAY_US), "service": "police", "necessity": "Foule dense, rues étroites",
            "less_intrusive": "Rondes à pied insuffisantes : pas de vue d’ensemble", "public_information": "given",
            "equipment": "Aéronef de 900 g, caméra 720p sans micro",
        }  # fmt: skip
        return given | changed

    async def order(self, **changed: Any) -> str:
        """A signed order."""
        drafted = await self.act("prefect", "orders.draft", **self.draft(**changed))
        await self.act("prefect", "orders.sign", order=drafted["id"])
        return str(drafted["id"])

    async def mission(self, order: str, *roster: str) -> str:
        found = await self.act(
            "command",
            "operations.mission.open",
            title="Sécurisation",
            order=order,
            roster=list(roster or ("officer", "command")),
        )
        return str(found["id"])

    async def source(
        self, *, audio: bool = False, at: tuple[float, float] = INSIDE, tags: tuple[str, ...] = (), **changed: Any
    ) -> str:
        """A looped file source with telemetry at a place."""
        file = footage(self.folder.parent, at=at, audio=audio)
        given: dict[str, Any] = {
            "name": "Drone 1", "kind": "file", "url": str(file), "aircraft": "UAS-FR-1", "pilot": "Télépilote 7", "tags": ["loop", *tags],
            "lat": at[0], "lon": at[1],
        }  # fmt: skip
        return str((await self.act("command", "operations.source.add", **(given | changed)))["id"])

    async def flying(self, **order: Any) -> tuple[str, str, str]:
        """(order, mission, deployment) of a drone in the air."""
        signed = await self.order(**order)
        mission = await self.mission(signed)
        started = await self.act("command", "operations.camera.start", source=await self.source(), mission=mission)
        return signed, mission, str(started["deployment"])

    def move(self, **by: float) -> None:
        """Moves the clock."""
        self.clock.shift(timedelta(**by))

    async def until(self, condition: Callable[[], Any], seconds: float = PATIENCE_S) -> None:
        """Waits for a condition; fails when it does not come."""
        await until(condition, seconds)
