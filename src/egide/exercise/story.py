"""The story of the exercise: set the scene, then play it without a browser and say step by step what was seen.

A call for help becomes an incident with a mission and a task. An order is signed, a drone flies, an officer watches, others are
refused and told why, the order ends and the picture with it, it is renewed, and oversight proves it afterwards. Everything goes
through the public address.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from egide.exercise import alarm
from egide.exercise.people import ActRefused, Live, Person, PersonError

PICTURE_GONE_S = 2.5  # s between a revocation and the last frame


@dataclass
class Aircraft:
    """An aircraft as its process announced itself."""

    name: str
    tail: str
    url: str
    takeoff: tuple[float, float]
    perimeter: dict[str, Any]


@dataclass
class Scene:
    """Who plays, and what was set up."""

    base: str
    people: dict[str, Person] = field(default_factory=dict)
    order: str = ""
    mission: str = ""
    deployments: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    place: tuple[float, float] = (0.0, 0.0)  # latitude, longitude of the middle of it

    async def person(self, persona: str) -> Person:
        """A persona, signed in when first needed."""
        if persona not in self.people:
            self.people[persona] = Person(self.base, persona)
            await self.people[persona].enter()
        return self.people[persona]


def draft(perimeter: dict[str, Any], *, hours: float = 8, cap: int = 2) -> dict[str, Any]:
    """The exercise's order: the Senate Square market, from a minute ago for some hours."""
    now = datetime.now(UTC)
    return {
        "title": "Marché de la place du Sénat (exercice)", "purpose": "places", "place": "Helsinki, centre-ville", "perimeter": perimeter, "cap": cap,
        "starts": (now - timedelta(minutes=1)).isoformat(timespec="seconds"), "ends": (now + timedelta(hours=hours)).isoformat(timespec="seconds"),
        "service": "police", "necessity": "Affluence forte dans des rues étroites ; menace d’agressions répétées signalée cette semaine.",
        "less_intrusive": "Rondes à pied et caméras fixes : angles morts constatés les deux soirs précédents.", "public_information": "given",
        "equipment": "Deux aéronefs de moins de 900 g, caméra stabilisée 720p sans micro",
        "information_exemption": "",
    }  # fmt: skip


async def set_scene(base: str, aircraft: list[Aircraft]) -> Scene:
    """Signs the order, opens the mission, puts both aircraft into service."""
    scene = Scene(base, place=aircraft[0].takeoff)
    prefect, command = await scene.person("prefect"), await scene.person("command")
    await _clear(prefect, command)
    drafted = await prefect.act("orders.draft", **draft(aircraft[0].perimeter))
    await prefect.act("orders.sign", order=drafted["id"])
    scene.order = drafted["id"]
    opened = await command.act(
        "operations.mission.open",
        title="Place du Sénat — sécurisation",
        order=scene.order,
        roster=["officer", "command"],
    )
    scene.mission = opened["id"]
    for one in aircraft:
        scene.sources[one.name] = await add(command, one)
        started = await command.act("operations.camera.start", source=scene.sources[one.name], mission=scene.mission)
        scene.deployments[one.name] = started["deployment"]
    return scene


async def clear(base: str) -> None:
    """Ends what an earlier exercise left: its cameras let go of their ports."""
    scene = Scene(base)
    await _clear(await scene.person("prefect"), await scene.person("command"))


async def _clear(prefect: Person, command: Person) -> None:
    """What an earlier exercise left: its missions are closed, its sources removed, its orders ended."""
    await alarm.clear(command)
    picture = await command.act("operations.picture")
    for mission in picture["missions"]:
        await command.act("operations.mission.close", mission=mission["id"])
    for source in picture["sources"]:
        await command.act("operations.source.remove", source=source["id"])
    for order in (await prefect.act("orders.list"))["orders"]:
        if order["state"] in ("in_force", "signed"):
            await prefect.act("orders.revoke", order=order["id"], reason="Fin de l’exercice précédent")


async def add(command: Person, one: Aircraft, **changed: Any) -> str:
    """Declares an aircraft as a source."""
    given: dict[str, Any] = {
        "name": one.name, "kind": one.url.partition(":")[0], "url": one.url, "aircraft": one.tail, "pilot": "Télépilote de l’exercice",
        "lat": one.takeoff[0], "lon": one.takeoff[1],
    }  # fmt: skip
    return str((await command.act("operations.source.add", **(given | changed)))["id"])


class Play:
    """Plays the story on a set scene; `steps` is the report."""

    def __init__(self, scene: Scene, seconds: float, verify: Callable[[bytes], bool]) -> None:
        self._scene = scene
        self._seconds = seconds
        self._verify = verify
        self.steps: list[dict[str, Any]] = []

    async def run(self) -> list[dict[str, Any]]:
        """All steps in order; one that fails does not hide the next."""
        called = alarm.Alarm(self._scene)
        for name, step in (
            ("a call for help becomes an incident that the officer sees", called.call),
            ("the incident has its mission; the officer has a task at once, the resident is told", called.respond),
            ("an officer on the roster watches", self._watch),
            ("the telemetry lies inside the order's perimeter", self._telemetry),
            ("an officer not on the roster is refused, with the article", self._stranger),
            ("a purpose that is not listed is refused, with every article", self._purpose),
            ("the camera above the order's cap is refused", self._cap),
            ("the prefect ends the order: the picture is gone in time, with the article", self._revoke),
            ("the order is renewed: the picture is back", self._renew),
            ("the task is done, the incident closed, the call for help over", called.finish),
            ("oversight sees who watched and who was refused", self._oversight),
            ("the public export of the ledger verifies", self._export),
        ):
            await self._step(name, step)
        return self.steps

    async def _step(self, name: str, step: Callable[[], Awaitable[str]]) -> None:
        try:
            detail, passed = await step(), True
        except (NotAsTold, alarm.AlarmError, ActRefused, PersonError, TimeoutError, OSError) as error:
            detail, passed = f"{type(error).__name__}: {error}", False
        self.steps.append({"name": name, "passed": passed, "detail": detail})

    @property
    def _deployment(self) -> str:
        return next(iter(self._scene.deployments.values()))

    async def _watch(self) -> str:
        officer = await self._scene.person("officer")
        self.live: Live = await officer.live()
        began = time.monotonic()
        self.opened = await self.live.act("operations.watch.open", deployment=self._deployment)
        _check(await self.live.until(lambda: self.live.frames > 0, 5), "no frame came")
        first = (time.monotonic() - began) * 1000
        before = self.live.frames
        lasting = max(1.0, min(self._seconds / 4, 10))
        await asyncio.sleep(lasting)
        rate = (self.live.frames - before) / lasting
        _check(rate > 10, f"only {rate:.1f} frames a second")
        return f"first frame after {first:.0f} ms, then {rate:.0f} frames a second"

    async def _telemetry(self) -> str:
        _check(await self.live.until(lambda: self.live.telemetry, 5), "no telemetry came")
        sensor = self.live.telemetry[-1]["sensor"]
        rings = self.opened["order"]["perimeter"]["coordinates"][0]
        _check(_inside(sensor["lon"], sensor["lat"], rings), f"{sensor} is outside")
        return f"aircraft at {sensor['lat']:.5f}, {sensor['lon']:.5f}"

    async def _stranger(self) -> str:
        return await self._expect("other-officer", {"CSI-242-2"})

    async def _purpose(self) -> str:
        return await self._expect("other-officer", {"CSI-242-2", "CSI-242-5-I"}, purpose="littering")

    async def _expect(self, persona: str, rules: set[str], **given: Any) -> str:
        live = await (await self._scene.person(persona)).live()
        try:
            await live.act("operations.watch.open", deployment=self._deployment, **given)
        except ActRefused as refusal:
            _check(rules <= set(refusal.rules), f"expected {rules}, got {refusal.rules}")
            return "; ".join(refusal.articles)
        finally:
            await live.close()
        raise NotAsTold("it was allowed")

    async def _cap(self) -> str:
        command = await self._scene.person("command")
        third = Aircraft("Drone 3", "F-ZEG3", "udp://127.0.0.1:9", (0.0, 0.0), {})
        source = await add(command, third, lat=None, lon=None)
        try:
            await command.act("operations.camera.start", source=source, mission=self._scene.mission)
        except ActRefused as refusal:
            _check("CSI-242-5-IV-cap" in refusal.rules, refusal.rules)
            return "; ".join(refusal.articles)
        finally:
            await command.act("operations.source.remove", source=source)
        raise NotAsTold("it was allowed")

    async def _revoke(self) -> str:
        prefect = await self._scene.person("prefect")
        began = time.monotonic()
        await prefect.act("orders.revoke", order=self._scene.order, reason="Fin anticipée du rassemblement (exercice)")
        gone = await self.live.until(lambda: any(m["push"] == "watch.ended" for m in self.live.pushed), PICTURE_GONE_S)
        took = time.monotonic() - began
        _check(gone, "the picture went on")
        reasons = next(m for m in self.live.pushed if m["push"] == "watch.ended")["refusal"]["reasons"]
        frames = self.live.frames
        await asyncio.sleep(0.5)
        _check(self.live.frames == frames, "frames came after the end")
        return f"{took * 1000:.0f} ms; " + "; ".join(f"{r['text']} {r['article']}" for r in reasons)

    async def _renew(self) -> str:
        prefect = await self._scene.person("prefect")
        until = (datetime.now(UTC) + timedelta(hours=8)).isoformat(timespec="seconds")
        renewed = await prefect.act(
            "orders.extend", order=self._scene.order, ends=until, reason="La menace persiste (exercice)"
        )
        self._scene.order = renewed["id"]
        frames = self.live.frames
        await self.live.act("operations.watch.open", deployment=self._deployment)
        _check(await self.live.until(lambda: self.live.frames > frames + 5, 5), "no picture")
        return "the picture is back"

    async def _oversight(self) -> str:
        dpo = await self._scene.person("dpo")
        refused = await dpo.act("oversight.river", outcome="refused")
        watches = (await dpo.act("oversight.watches"))["watches"]
        _check(len(refused["entries"]) >= 3, "refusals are missing")
        _check(any(w["actor"]["id"] == "officer" for w in watches), watches)
        return f"{len(refused['entries'])} refusals, {len(watches)} watching now, {refused['size']} entries"

    async def _export(self) -> str:
        dpo = await self._scene.person("dpo")
        await self.live.close()
        url = (await dpo.act("oversight.ledger.export", kind="public", motive="Exercice"))["url"]
        export = await asyncio.to_thread(dpo.fetch, url)
        _check(self._verify(export), "the export does not verify")
        return f"{len(export)} bytes, verified"


class NotAsTold(Exception):
    """The platform did something else than the story says."""


def _check(condition: object, otherwise: object) -> None:
    if not condition:
        raise NotAsTold(str(otherwise))


def _inside(x: float, y: float, ring: list[list[float]]) -> bool:
    """Even-odd rule; the exercise brings its own so that it checks the platform with other code than the platform's."""
    inside = False
    for (x1, y1), (x2, y2) in pairwise(ring):
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            inside = not inside
    return inside
