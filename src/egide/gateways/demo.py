"""`egide demo`: the platform in demo mode, the exercise's aircraft as processes of their own, the story on the public address.

Interactive, it sets the scene and leaves the rest to whoever opens the portal; with `--for` it plays the story without a
browser and writes what was seen, step by step.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from egide.exercise.airport import open_airport
from egide.exercise.pid import Issuer
from egide.exercise.story import Aircraft, Play, Scene, set_scene
from egide.exercise.town import town_file
from egide.gateways.serve import serving
from egide.gateways.verify import opened
from egide.gateways.wallet_setup import DEVELOPMENT, EXERCISE
from egide.kernel.errors import EgideError
from egide.kernel.ledger_verify import verify_export
from egide.kernel.settings import Settings, load
from egide.operations.map import build_pmtiles

DEFAULT_PORT = 8620
IDENTITY_PORT, WALLET_PORT = 8640, 8641
AIRCRAFT_S = 60.0  # s an aircraft may take to be ready (the first time it paints the town)


def play(data: Path, port: int | None, seconds: float, report: Path | None, *, browser: bool) -> int:
    """Runs the demonstration; 0 when every step passed (or none was asked for)."""
    import uvloop  # noqa: PLC0415

    logging.basicConfig(level=logging.ERROR)
    settings = load(data, demo=True, port=_free(port or DEFAULT_PORT, asked=port is not None))
    if not settings.identity:  # residents sign in with the exercise's own provider
        settings = msgspec.structs.replace(
            settings, identity="development", identity_issuer=f"http://127.0.0.1:{_free(IDENTITY_PORT)}"
        )
    if not settings.wallet:  # and show the exercise's own wallet
        address = f"http://127.0.0.1:{_free(WALLET_PORT)}/"
        settings = msgspec.structs.replace(settings, wallet=DEVELOPMENT, wallet_address=address)
        Issuer.kept(settings.folder / EXERCISE)  # what it signs is believed from the start
    _say("Égide — exercice d’Helsinki / the Helsinki exercise")
    _town(settings)
    return uvloop.run(_play(settings, seconds, report, browser=browser))


async def _play(settings: Settings, seconds: float, report: Path | None, *, browser: bool) -> int:
    stop = asyncio.Event()
    result = 0

    async def ready(_kernel: Any) -> None:
        nonlocal result
        try:
            scene = await _set(settings, processes)
        except (EgideError, OSError, RuntimeError, TimeoutError) as error:
            _say(f"L’exercice n’a pas pu commencer : {error}\nThe exercise could not start: {error}")
            result = 1
            stop.set()
            return
        _say(f"\n  Portail / portal:  {settings.origin}\n")
        if seconds > 0:
            result = await _report(scene, seconds, report)
            stop.set()
        else:
            _say("Ctrl-C pour terminer / to end.")
            if browser and _has_screen():
                await asyncio.to_thread(webbrowser.open, settings.origin)

    processes: list[asyncio.subprocess.Process] = []
    try:
        await serving(settings, ready, stop=stop)
    finally:
        for process in processes:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
        await asyncio.gather(*(process.wait() for process in processes))
    return result


async def _set(settings: Settings, processes: list[asyncio.subprocess.Process]) -> Scene:
    cache = settings.folder / "exercise"
    udp, rtsp = _free_udp(), _free(8554)
    if settings.identity == "development":
        await _started(processes, "idp", "--port", str(urlsplit(settings.identity_issuer).port))
    if settings.wallet == DEVELOPMENT:
        port, folder = str(urlsplit(settings.wallet_address).port), str(settings.folder / EXERCISE)
        await _started(processes, "wallet", "--port", port, "--folder", folder)
    first = await _aircraft(processes, "drone", "--udp", f"127.0.0.1:{udp}", "--cache", str(cache), name="Drone 1")
    second = await _aircraft(
        processes,
        "rtsp",
        "--port",
        str(rtsp),
        "--cache",
        str(cache),
        "--size",
        "960x540",
        "--fps",
        "15",
        name="Drone 2",
    )
    scene = await set_scene(settings.origin, [first, second])
    await open_airport(scene, settings.realm)
    return scene


async def _aircraft(processes: list[asyncio.subprocess.Process], *words: str, name: str) -> Aircraft:
    told = await _started(processes, *words, "--name", name)
    ring = told["perimeter"]["coordinates"][0]
    middle = (sum(point[1] for point in ring) / len(ring), sum(point[0] for point in ring) / len(ring))
    return Aircraft(name, told["tail"], told["ready"], middle, told["perimeter"])


async def _started(processes: list[asyncio.subprocess.Process], *words: str) -> dict[str, Any]:
    """Starts a part of the outside world as a process of its own; what it says when it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "egide.exercise",
        *words,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    processes.append(process)
    if process.stdout is None:  # never, with PIPE: for the type checker
        raise RuntimeError(words[0])
    line = await asyncio.wait_for(process.stdout.readline(), AIRCRAFT_S)
    if not line:
        raise RuntimeError(" ".join(words))
    told: dict[str, Any] = json.loads(line)
    return told


async def _report(scene: Scene, seconds: float, report: Path | None) -> int:
    steps = await Play(scene, seconds, _verifies).run()
    for step in steps:
        _say(f"  {'✓' if step['passed'] else '✗'} {step['name']} — {step['detail']}")
    if report is not None:
        told = json.dumps({"steps": steps}, ensure_ascii=False, indent=1) + "\n"
        report.write_text(told, "utf-8")  # noqa: ASYNC240 — the last thing this program does
    return 0 if all(step["passed"] for step in steps) else 1


def _verifies(export: bytes) -> bool:
    """The offline verifier, on the export as it came."""
    with tempfile.TemporaryDirectory() as place:
        archive = Path(place) / "export.tar"
        archive.write_bytes(export)
        with opened(archive) as folder:
            return verify_export(folder).ok


def _town(settings: Settings) -> None:
    """The offline map of the exercise's town, built the first time."""
    archive = settings.folder / "map" / "town.pmtiles"
    if not archive.exists():
        archive.parent.mkdir(parents=True, exist_ok=True)
        _say("Carte hors ligne / offline map …")
        build_pmtiles(town_file(), archive)


def _free(port: int, *, asked: bool = False) -> int:
    """The port, or the next free one when it was not asked for by name."""
    for candidate in range(port, port + (1 if asked else 50)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", candidate))
                return candidate
    return port


def _free_udp() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _has_screen() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) or sys.platform == "darwin"


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 — the operator's terminal is this command's output
