"""The soak itself: a hand that kills and lets join, a watchdog that looks whether anybody is stuck, a sampler of the process.

How long a stream may stand still follows from the platform's own limits. A picture that flowed and whose source goes on sending
may not stop for longer than FLOW_S: an ingest says after 3 s that nothing comes, a key picture comes every half second, the rest
is for a busy machine. Whoever comes, or whose source comes back, sees a picture within RETURN_S: 3 s until a silent sender counts
as lost, 10 s until the ingest tries again at the latest, 5 s for that try, and the machine's part.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from egide.bench.measure import cpu_s
from egide.exercise.people import ActRefused, Person, PersonError
from egide.kernel.leases import GRACE_S, TTL_S
from egide.operations.media.ingest import MAX_BACKOFF_S, OPEN_S, STALL_S
from tests.attacks.soak_clients import ANSWER_S, Client, Follower, Speaker, Untold
from tests.attacks.soak_players import Device, Player, Viewer, Watcher
from tests.attacks.soak_sender import RATE
from tests.attacks.soak_sources import Camera, Receiver, Source
from tests.attacks.soak_stage import SECOND, Stage
from tests.attacks.soaked import FILE

Actor = Source | Client
FLOW_S = STALL_S + 5.0
RETURN_S = STALL_S + MAX_BACKOFF_S + OPEN_S + 4.0
ENDED_S = TTL_S + GRACE_S + 2.6  # s in which a picture is gone whose right was taken; the last ones are for the machine
LOOK_S = 0.5  # s between two looks of the watchdog
AT_ONCE = 4  # actors that join at the same time
TROUBLE = (Untold, ActRefused, PersonError, OSError, TimeoutError, asyncio.IncompleteReadError)


@dataclass(frozen=True)
class Sample:
    """The platform's process at one moment: seconds since the begin, MiB, counts."""

    at: float
    rss: float
    uss: float
    descriptors: int
    wires: int  # of the descriptors, those that are no files: sockets, pipes
    tasks: int


def sample(pid: int, folder: Path, began: float) -> Sample:
    """As the kernel tells it (proc(5)); tasks as the process does."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    kib = {name: int(size) for name, size in re.findall(r"^(\w+): +(\d+) kB", rollup, re.MULTILINE)}
    inside = folder / FILE
    lines = inside.read_text("utf-8").splitlines() if inside.exists() else []
    tasks = json.loads(lines[-1])["tasks"] if lines else 0
    uss = (kib["Private_Clean"] + kib["Private_Dirty"]) / 1024
    held = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            held.append(str(each.readlink()))
    wires = sum(not name.startswith("/") for name in held)
    return Sample(time.monotonic() - began, kib["Rss"] / 1024, uss, len(held), wires, tasks)


class Soak:
    """Plays on a stage that is set; `faults` says what went wrong, `counts` what happened."""

    def __init__(self, stage: Stage, seed: int, pause_s: tuple[float, float]) -> None:
        self.stage = stage
        self.faults: list[str] = []
        self.counts: Counter[str] = Counter()
        self.samples: list[Sample] = []
        self._draw = random.Random(seed)
        self._pause_s = pause_s  # between two deeds of the hand: from, to
        self._began = time.monotonic()
        self._busy: set[Actor] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stalls: list[tuple[float, float]] = []  # when, for how long this process itself got no turn
        self._revoked = False

    @property
    def actors(self) -> list[Actor]:
        """Everybody, each once."""
        return list(dict.fromkeys([*self.stage.sources, *self.stage.clients]))

    async def run(self, seconds: float, every_s: float) -> tuple[Sample, Sample]:
        """The whole of it; samples of the calm before and of the calm after, when the same were there."""
        stage = self.stage
        for each in stage.beacons:
            if isinstance(each, Receiver):
                await stage.declare(each)
        await self._calm()
        before = self._sample()
        watchdog = asyncio.create_task(self._watch())
        hand = asyncio.create_task(self._hand())
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.faults and not hand.done() and not watchdog.done():
            await asyncio.sleep(min(every_s, max(0.0, end - time.monotonic())))
            self.samples.append(self._sample())
        hand.cancel()
        await asyncio.gather(hand, *self._tasks, return_exceptions=True)
        if not self.faults:
            await self._calm()
            await self._every_source_can_be_watched()
        await self._until(lambda: self._sample().wires <= before.wires, ENDED_S)  # the last looks hang up
        after = self._sample()
        watchdog.cancel()
        ended = await asyncio.gather(hand, watchdog, return_exceptions=True)
        self.faults += [repr(each) for each in ended if not isinstance(each, asyncio.CancelledError)]
        await asyncio.gather(*(self._leave(each) for each in self.actors))
        return before, after

    def _sample(self) -> Sample:
        return sample(self.stage.one.process.pid, self.stage.one.folder, self._began)

    async def _leave(self, actor: Actor) -> None:
        await actor.kill(random.Random(0))
        if isinstance(actor, Client):
            await actor.drop()
        elif isinstance(actor, Camera):
            actor.cut()

    # -- the hand -------------------------------------------------------------------------------------------------------------

    async def _hand(self) -> None:
        draw = self._draw
        while True:
            await asyncio.sleep(draw.uniform(*self._pause_s))
            idle = [each for each in self.actors if each not in self._busy]
            dead = [each for each in idle if each.alive is None and not self._barred(each)]
            living = [each for each in idle if each.alive is not None]
            chance = draw.random()
            if len(dead) > len(self.actors) // 10 or (dead and chance < 0.4):
                for each in draw.sample(dead, min(len(dead), 2)):
                    self._do(each, self._join(each))
            elif chance < 0.46:
                await self._roster(second=self._revoked)
            elif chance < 0.56:
                movable = [each for each in idle if isinstance(each, Camera | Receiver)]
                if movable:
                    self._do(each := draw.choice(movable), self._replace(each))
            elif living:
                each = draw.choice(living)
                self.counts[f"killed: {await each.kill(draw)}"] += 1

    def _do(self, actor: Actor, work: Coroutine[Any, Any, None]) -> None:
        """In the background; nobody else touches that actor meanwhile."""
        self._busy.add(actor)
        task = asyncio.create_task(work)
        self._tasks.add(task)

        def over(done: asyncio.Task[None]) -> None:
            self._busy.discard(actor)
            self._tasks.discard(done)
            if not done.cancelled() and done.exception() is not None:
                self.faults.append(f"{actor.name}: {done.exception()!r}")

        task.add_done_callback(over)

    def _barred(self, actor: Actor) -> bool:
        """Whether it may not join now."""
        return self._revoked and isinstance(actor, Watcher) and actor.revoked

    async def _join(self, actor: Actor) -> None:
        if isinstance(actor, Watcher):
            await self._look(actor)
            return
        await actor.join()
        if isinstance(actor, Camera) and not actor.deployment:
            await self.stage.start(actor)
        self.counts["joined"] += 1

    async def _look(self, watcher: Watcher) -> None:
        """Looks through one of the cameras that send; not seeing it is a fault once it had the time to come back."""
        ready = [each for each in self.stage.cameras if each.alive and each.deployment and each not in self._busy]
        if not ready:
            return
        camera = watcher.camera = self._draw.choice(ready)
        deployment, life = camera.deployment, camera.life
        begun = time.monotonic()
        try:
            await watcher.join()
        except TROUBLE as error:
            await watcher.drop()
            ready_since = max(camera.alive or begun, camera.since)
            same = (camera.deployment, camera.life) == (deployment, life) and not watcher.barred()
            if same and (not isinstance(watcher, Player) or begun - ready_since > RETURN_S):
                self.faults.append(f"{watcher.name} cannot watch {camera.name}: {error!r}")
            self.counts["joined too early"] += 1
        else:
            self.counts["joined"] += 1

    async def _replace(self, actor: Camera | Receiver) -> None:
        """A source is taken away, and another comes in its stead."""
        if isinstance(actor, Receiver):
            await self.stage.command.act("operations.source.remove", source=actor.source)
            await self.stage.declare(actor)
        else:
            if actor.deployment:
                await self.stage.stop(actor)
            if actor.alive is None:
                await actor.join()
            await self.stage.start(actor)
        self.counts["replaced"] += 1

    async def _roster(self, *, second: bool) -> None:
        """Takes the second officer's right to look, or gives it back; all their pictures end at once."""
        self._revoked = not second
        theirs = [each for each in self.stage.watchers if each.person.persona == SECOND]
        if second:
            await self.stage.roster(second=True)
            for each in theirs:
                each.revoked, each.regained = False, time.monotonic()
            return
        for each in theirs:
            each.revoked = True
        looking = [(each, each.alive) for each in theirs if each.alive is not None]
        await self.stage.roster(second=False)
        self.counts["rights taken"] += 1
        ended = [each for each, _ in looking if each not in self._busy]
        since = dict(looking)
        if not await self._until(
            lambda: all(each.alive != since[each] or each.alive is None for each in ended), ENDED_S
        ):
            self.faults += [f"{each.name} looks on without a right" for each in ended if each.alive == since[each]]

    # -- the calm -----------------------------------------------------------------------------------------------------------

    async def _calm(self) -> None:
        """Everybody is there and gets what it waits for."""
        if self._revoked:
            await self._roster(second=True)
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(actor: Actor) -> None:
            async with gate:
                until = time.monotonic() + 2 * RETURN_S
                while actor.alive is None and not self.faults:
                    if time.monotonic() > until:
                        self.faults.append(f"{actor.name} cannot join")
                        return
                    try:
                        await self._join(actor)
                    except TROUBLE as error:
                        self.faults.append(f"{actor.name}: {error!r}")
                    await asyncio.sleep(0.05)

        for group in (self.stage.sources, self.stage.clients):
            await asyncio.gather(*(one(each) for each in group if each.alive is None))
        got = {each: each.got for each in self.stage.clients}

        def waiting() -> list[Client]:
            return [each for each, before in got.items() if each.got == before]

        if not self.faults and not await self._until(lambda: not waiting(), RETURN_S):
            self.faults += [f"{each.name} gets nothing in the calm" for each in waiting()]

    async def _every_source_can_be_watched(self) -> None:
        """Somebody new looks through each camera."""
        for camera in self.stage.cameras:
            viewer = Viewer(f"last look at {camera.name}", Person(self.stage.one.origin, "officer"), "units")
            viewer.camera = camera
            try:
                await viewer.join()
                seen = await self._until(lambda viewer=viewer: viewer.got > 0, RETURN_S)  # type: ignore[misc]  # mypy does not see the default
            except TROUBLE as error:
                seen = False
                self.faults.append(repr(error))
            await viewer.drop()
            if not seen:
                self.faults.append(f"{camera.name} cannot be watched after the last kill")

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            await asyncio.sleep(0.05)
        return condition()

    # -- the watchdog ---------------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        for turn in itertools.count():
            begun = time.monotonic()
            await asyncio.sleep(LOOK_S)
            now = time.monotonic()
            late = now - begun - LOOK_S
            if late > LOOK_S:  # it is this process that got no turn: what came meanwhile is not read yet
                self._stalls = [(at, took) for at, took in self._stalls if now - at < 2 * RETURN_S] + [(now, late)]
                continue
            for client in self.stage.clients:
                self.faults += client.faults
                client.faults.clear()
                stuck = None if client in self._busy else self._stuck(client, now)
                if stuck is not None:
                    self.faults.append(stuck)
            if turn % 20 == 0 and self.stage.one.process.poll() is not None:
                self.faults.append("the platform ended")

    def _stuck(self, client: Client, now: float) -> str | None:
        if client.alive is None:
            return None
        since, limit = self._awaited(client, now)
        if since is None:
            return None
        age = now - max(since, client.last)
        age -= sum(took for at, took in self._stalls if at > now - age)
        return f"{client.name} has got nothing for {age:.1f} s: {self._about(client, now)}" if age > limit else None

    def _awaited(self, client: Client, now: float) -> tuple[float | None, float]:
        """(since when what it waits for is being sent, if it is; how long that may take)."""
        joined = client.alive or now
        if isinstance(client, Watcher):
            camera = client.camera
            if camera.alive is None or not camera.deployment:
                return None, 0.0
            flows = client.lives[0] == camera.life and client.seen > RATE and client.last > camera.since
            return max(joined, camera.alive, camera.since), FLOW_S if flows else RETURN_S
        if isinstance(client, Device):
            others = [
                each for each in self.stage.clients if isinstance(each, Device) and each.tells and each is not client
            ]
            return self._first(others, joined), FLOW_S
        if isinstance(client, Follower):
            return self._first([each for each in self.stage.beacons if isinstance(each, Receiver)], joined), FLOW_S
        return (joined, ANSWER_S + FLOW_S) if isinstance(client, Speaker) else (None, 0.0)

    def _first(self, senders: list[Any], joined: float) -> float | None:
        """Since when there was a sender and somebody to hear it; nothing while a sender is being replaced."""
        sending = [each.alive for each in senders if each.alive is not None and each not in self._busy]
        return max(joined, min(sending)) if sending else None

    @staticmethod
    def _about(client: Client, now: float) -> str:
        if not isinstance(client, Watcher):
            return f"connected for {now - (client.alive or now):.1f} s"
        camera = client.camera
        return (
            f"connected for {now - (client.alive or now):.1f} s, {camera.name} sends for {now - (camera.alive or now):.1f} s "
            f"and is in service for {now - camera.since:.1f} s; {client.seen} pictures in these lives"
        )

    # -- what it comes to -----------------------------------------------------------------------------------------------------

    def report(self) -> dict[str, Any]:
        """Counts for docs/proofs.md."""

        def got(kind: type[Client]) -> int:
            return sum(each.got for each in self.stage.clients if isinstance(each, kind))

        process = self.stage.one.process.pid
        return {
            "sources": len(self.stage.sources), "clients": len(self.actors) - len(self.stage.sources), "cameras": len(self.stage.cameras),
            **self.counts, "pictures": got(Watcher), "events": got(Device), "positions": got(Follower), "acts of terminals": got(Speaker),
            "core_share": round(cpu_s(process) / max(1.0, time.monotonic() - self._began), 3),
        }  # fmt: skip


def grown(samples: list[Sample], warm_up_s: float, of: str) -> dict[str, float]:
    """Medians of the first and of the last fifth of what was measured after the warm-up, and by how much the last is more."""
    values = [float(getattr(each, of)) for each in samples if each.at - samples[0].at >= warm_up_s]
    if not values:
        return {}
    part = max(1, len(values) // 5)
    first, last = median(values[:part]), median(values[-part:])
    return {"first": round(first, 1), "last": round(last, 1), "growth": round(last / first - 1, 4)}
