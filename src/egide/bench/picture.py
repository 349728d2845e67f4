"""The live picture's figures: a tick of ten thousand entities to a thousand viewports, its bytes, a geofence's alert, the map."""

from __future__ import annotations

import asyncio
import json
import random
import time
from statistics import median
from typing import Any

from egide.bench.measure import Bench, BenchError, peer, percentile, row
from egide.bench.platform import Caller, mission, platform
from egide.operations.positions import Positions
from egide.protocols.geodesics import offset
from egide.protocols.positions import Fix, view_of, write_fixes

ENTITIES, VIEWS = 10_000, 1_000
TICKS = 15
ENVELOPE = 4  # bytes of a WebSocket header of this size (RFC 6455 §5.2)
UNITS = 30  # units of officers; each viewport's owner may see half of them, every other one is command's and sees all
TOWN = (48.80, 2.20, 0.30, 0.40)  # south, west, height, width in degrees: a large city
CROSSINGS = 40
CENTRE = (60.17, 24.945)


class _Terminal:
    """A terminal that takes everything at once: what is measured is the making of it."""

    def __init__(self) -> None:
        self.bytes = self.frames = 0

    def send(self, data: bytes) -> None:
        self.bytes += len(data)
        self.frames += 1

    def push(self, _message: dict[str, Any]) -> None:
        """Names are told on demand."""

    def pending(self) -> int:
        return 0


class _Clock:
    def read_us(self) -> int:
        return time.time_ns() // 1000


class _Kernel:
    """All that a tick asks of a kernel."""

    clock = _Clock()


def tick(bench: Bench) -> None:
    """CPU time of one tick in which everything moved, and what an entity costs on the wire."""
    dice = random.Random(7)  # noqa: S311 — made-up places
    south, west, height, width = TOWN
    places = [[south + dice.random() * height, west + dice.random() * width] for _ in range(ENTITIES)]
    views = []
    for _ in range(VIEWS):
        size = dice.choice((0.03, 0.06, 0.12))
        at = south + dice.random() * (height - size / 2), west + dice.random() * (width - size / 2)
        views.append((at[0], at[1], at[0] + size, at[1] + size * 1.3))
    positions = Positions(_Kernel())  # type: ignore[arg-type]  # a tick asks it for the time alone
    numbers = [positions.number(str(n), str(n), "officer", [f"unit:{n % UNITS}"]) for n in range(ENTITIES)]
    terminals = []
    for place, view in enumerate(views):
        terminal = _Terminal()
        terminals.append(terminal)
        half = frozenset(f"unit:{(place + n) % UNITS}" for n in range(UNITS // 2)) if place % 2 else None
        positions.join(terminal, view_of(*view), lambda half=half: half)  # type: ignore[misc]  # mypy does not see the default
    figures, first = [], True
    for _ in range(TICKS + 1):
        for one in places:
            one[0] += dice.uniform(-1e-4, 1e-4)
            one[1] += dice.uniform(-1e-4, 1e-4)
        positions.put_many([(n, lat, lon, 10.0) for n, (lat, lon) in zip(numbers, places, strict=True)])
        before = time.process_time()
        positions.tick()
        if first:  # the first one tells what it knows already
            first = False
            for terminal in terminals:
                terminal.bytes = terminal.frames = 0
            continue
        figures.append((time.process_time() - before) * 1000)
    sent, frames = sum(each.bytes for each in terminals), sum(each.frames for each in terminals)
    entities = (sent - 20 * frames) / 16
    file = bench.folder / "picture.json"
    file.write_text(json.dumps({"places": places, "views": views, "ticks": 3}), "utf-8")
    bench.say("peer: GeoJSON by orjson")
    told, name = peer("geojson", str(file)), "GeoJSON by orjson"
    bench.add(
        row("picture_tick_ms", median(figures), "CPU ms", "lower", target=15, peer=name, peer_value=told["ms"] if told else None),
        row(
            "bytes_per_entity", (sent + ENVELOPE * frames) / entities, "bytes", "lower", target=20, peer=name,
            peer_value=told["bytes_per_entity"] if told else None,
        ),
    )  # fmt: skip
    bench.note(
        f"picture_tick_ms: {ENTITIES} entities all moved, {VIEWS} viewports, {entities / TICKS:,.0f} positions delivered a tick, one in two "
        f"viewports through one of {UNITS} filters; bytes_per_entity counts frame and WebSocket headers. The peer filters nothing."
    )


def geofence(bench: Bench) -> None:
    """From the fix that crosses, sent over a device's real socket, to the alert on the commander's."""
    count = 12 if bench.quick else CROSSINGS
    with platform(bench.folder / "geofence") as one:
        officer, command, of = mission(one)
        fence = {"circle": {"lat": CENTRE[0], "lon": CENTRE[1], "radius": 100}}
        command.act("operations.geofence.draw", mission=of, name="Bench", kind="enter", shape=fence)
        officer.act("operations.duty.begin", hours=1, informed=True)
        bench.say(f"{count} crossings")
        took = asyncio.run(_crossings(one.origin, one.port, officer, command, count))
    bench.add(row("geofence_alert_p95_ms", percentile(took, 0.95), "ms", "lower", target=300))
    bench.note(
        f"geofence_alert_p95_ms: {count} crossings, median {median(took):.0f} ms; the alert is an act, durable before it is told."
    )


def drawing(bench: Bench) -> None:
    """The page's own time for ten thousand updates, on the real operations page with the map drawn."""
    from egide.bench.browser import window
    from egide.bench.swarm import GL, NAME, ours, theirs

    args = ["--no-sandbox", "--headless=new", *GL]
    bench.say("the operations page")
    with (
        platform(bench.folder / "drawing", entities=ENTITIES, feeder="egide.bench.swarm") as one,
        window(one.origin, args=args) as page,
    ):
        mission(one)
        took = ours(page, ENTITIES, bench.seconds(20, 8))
    bench.say(f"peer: {NAME}")
    with window(args=args) as page:
        beside = theirs(page, ENTITIES, 12 if bench.quick else 25)
    bench.add(
        row("map_js_ms", median(took), "ms", "lower", target=2, peer=NAME, peer_value=median(beside) if beside else None)
    )  # fmt: skip
    bench.note(
        f"map_js_ms: {ENTITIES} updates in one frame, {len(took)} frames, p95 {percentile(took, 0.95):.1f} ms, on the page's main thread; names, list and "
        "counts follow four times a second and are not in it, nor is what the peer's worker does."
    )


async def _crossings(origin: str, port: int, officer: Caller, command: Caller, count: int) -> list[float]:
    from websockets.asyncio.client import ClientConnection, connect
    from websockets.typing import Origin

    async def ask(socket: ClientConnection, act: str) -> None:
        await socket.send(json.dumps({"id": 1, "act": act, "input": {}}))
        while True:
            message = await socket.recv()
            told = json.loads(message) if isinstance(message, str) else {}
            if told.get("id") == 1:
                if "error" in told:
                    raise BenchError(f"{act}: {message!r}")
                return

    async def crossed(socket: ClientConnection) -> None:
        while True:
            message = await socket.recv()
            if isinstance(message, str) and json.loads(message).get("push") == "crossing":
                return

    def opened(who: Caller) -> connect:
        return connect(
            f"ws://127.0.0.1:{port}/live", additional_headers={"cookie": who.cookie}, origin=Origin(origin), compression=None, proxy=None
        )  # fmt: skip

    out, took = tuple(offset(CENTRE, 90, 250)), []
    async with opened(officer) as device, opened(command) as console:
        await ask(device, "operations.position.stream")
        await ask(console, "operations.geofence.list")
        for _ in range(count):
            await device.send(_fix(*out))
            await asyncio.sleep(random.uniform(0.15, 0.25))  # noqa: S311 — anywhere between two ticks
            await device.send(_fix(*CENTRE))
            before = time.perf_counter()
            await asyncio.wait_for(crossed(console), 5)
            took.append((time.perf_counter() - before) * 1000)
    return took


def _fix(lat: float, lon: float) -> bytes:
    return write_fixes([Fix(lat, lon, 0.0, 5.0, time.time_ns() // 1_000_000)])


MEASURES = (tick, geofence, drawing)
