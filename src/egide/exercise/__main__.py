"""``python -m egide.exercise``: parts of the exercise as processes of their own.

    drone    flies the first aircraft and sends H.264 and KLV in MPEG-TS over UDP, or by TCP, SRT or RTMP
    rtsp     flies the second and serves it by RTSP
    prepare  paints the ground into the cache, so that the others start within a second
    idp      an identity provider for residents' sign-in, on loopback, with invented people
    wallet   an identity wallet with the data of the same people, on loopback, and its issuer

Each prints one line of JSON on standard output when it is ready. SIGTERM or Ctrl-C ends it cleanly; SIGUSR1 makes the
aircraft leave its perimeter at once. Exit status 2 and one sentence on standard error when it cannot start.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from shapely.geometry import mapping

from egide.exercise.beacons import Beacons
from egide.exercise.broadcast import broadcast
from egide.exercise.drone import FPS, SIZE, Drone, make_drone
from egide.exercise.encoder import BITRATE
from egide.exercise.flight import FlightError
from egide.exercise.idp_people import CLIENT, LOCAL, PORT, WALLET_PORT
from egide.exercise.links import sink_of
from egide.exercise.painting import cached_ground
from egide.exercise.rtsp import PATH, RtspServer
from egide.exercise.town import ATTRIBUTION, TownError

MAX_KEYS = 64 * 1024  # bytes of a client's key set


def default_cache() -> Path:
    """``$XDG_CACHE_HOME/egide``, or ``~/.cache/egide``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "egide"


def size_of(text: str) -> tuple[int, int]:
    """``1280x720`` as two numbers."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise argparse.ArgumentTypeError(f"a size is written 1280x720, not {text!r}")
    return int(width), int(height)


def address_of(text: str) -> tuple[str, int]:
    """``host:port``."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"an address is written 127.0.0.1:5600, not {text!r}")
    return host.strip("[]"), int(port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m egide.exercise", description="Aircraft of the exercise.")
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--cache", type=Path, default=default_cache(), help="folder of the painted ground")
    flying = argparse.ArgumentParser(add_help=False, parents=[common])
    flying.add_argument("--name", help="what the telemetry calls the aircraft")
    flying.add_argument("--tail", help="its tail number")
    flying.add_argument("--fps", type=int, default=FPS)
    flying.add_argument("--size", type=size_of, default=SIZE, help="1280x720, 960x540 …")
    flying.add_argument("--bitrate", type=int, default=BITRATE, help="bits per second")
    flying.add_argument("--perimeter", type=Path, help="GeoJSON polygon to stay inside; default: the whole town")
    flying.add_argument("--phase", type=float, help="where on the circuit to begin, 0 to 1")
    flying.add_argument("--for", dest="seconds", type=float, help="seconds, then stop")
    flying.add_argument("--depart-at", type=float, help="leave the perimeter after so many seconds")
    flying.add_argument("--barcode", action="store_true", help="burn the time in as a barcode, for measuring latency")
    drone = commands.add_parser("drone", parents=[flying], help="H.264 and KLV by UDP")
    drone.add_argument("--udp", type=address_of, default=("127.0.0.1", 5600), help="where to send, host:port")
    drone.add_argument(
        "--to", help="another link: tcp://host:port, tcp://host:port?listen, srt://…, rtmp://… (no telemetry)"
    )
    drone.add_argument("--mavlink", type=address_of, help="also send the autopilot's position, host:port")
    drone.add_argument(
        "--remote-id", type=address_of, help="also be heard by a receiver of remote identification, host:port"
    )
    drone.add_argument("--audio", action="store_true", help="add a silent sound track, to be refused")
    rtsp = commands.add_parser("rtsp", parents=[flying], help="H.264 and KLV by RTSP")
    rtsp.add_argument("--host", default="127.0.0.1")
    rtsp.add_argument("--port", type=int, default=8554, help="0 takes a free one")
    rtsp.add_argument("--path", default=PATH)
    commands.add_parser("prepare", parents=[common], help="paint the ground into the cache")
    idp = commands.add_parser("idp", help="identity provider for residents’ sign-in: invented people, chosen failures")
    idp.add_argument("--port", type=int, default=PORT, help="on loopback; 0 takes a free one")
    idp.add_argument("--keys", help="where the platform shows its encryption keys, http://localhost:8620/identity/keys")
    wallet = commands.add_parser("wallet", help="identity wallet: invented people, chosen failures")
    wallet.add_argument("--port", type=int, default=WALLET_PORT, help="on loopback; 0 takes a free one")
    wallet.add_argument(
        "--folder",
        type=Path,
        default=default_cache() / "wallet",
        help="of its issuer: exercise/wallet in the data folder",
    )
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    given = _parser().parse_args(arguments)
    try:
        if given.command == "prepare":
            cached_ground(given.cache)
            return 0
        if given.command == "idp":
            _identify(given)
            return 0
        if given.command == "wallet":
            _carry(given)
            return 0
        second = given.command == "rtsp"
        phase = given.phase if given.phase is not None else (0.5 if second else 0.0)
        drone = make_drone(
            given.cache, given.name or f"Exercise {1 + second}", given.tail or f"F-ZEG{1 + second}",
            perimeter=given.perimeter, phase=phase, size=given.size, fps=given.fps, with_barcode=given.barcode,
        )  # fmt: skip
        if given.depart_at is not None:
            drone.depart(given.depart_at)
        if second:
            asyncio.run(_serve(drone, given))
        else:
            _send(drone, given)
    except (TownError, FlightError, ValueError, OSError) as error:
        sys.stderr.write(f"egide.exercise: {error}\n")
        return 2
    return 0


def _send(drone: Drone, given: argparse.Namespace) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, lambda *_: _leave(drone))
    to = sink_of(given.to) if given.to else given.udp
    beacons = Beacons(drone, given.mavlink, given.remote_id)
    _ready(drone, given.to or "udp://{}:{}".format(*given.udp))
    try:
        broadcast(drone, to, stop, seconds=given.seconds, bitrate=given.bitrate, audio=given.audio)
    finally:
        beacons.close()


def _identify(given: argparse.Namespace) -> None:
    from egide.exercise.idp import IdentityProvider  # noqa: PLC0415 — a web server, which no aircraft needs

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if given.keys and urlsplit(given.keys).hostname not in LOCAL:
        raise ValueError("--keys: an address on this machine")

    def fetched() -> bytes:
        with urllib.request.urlopen(given.keys, timeout=5) as answer:  # noqa: S310 — loopback, looked at above
            return bytes(answer.read(MAX_KEYS))

    with IdentityProvider(port=given.port, client_keys=fetched if given.keys else None) as provider:
        _invented({"ready": provider.issuer, "client": CLIENT})
        stop.wait()


def _carry(given: argparse.Namespace) -> None:
    from egide.exercise.wallet import Wallet  # noqa: PLC0415 — a web server, which no aircraft needs

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Wallet(given.folder, port=given.port) as wallet:
        _invented({"ready": wallet.address})
        stop.wait()


def _invented(told: dict[str, str]) -> None:
    sys.stderr.write(
        "EXERCICE : identités inventées, n’y donnez rien de vrai. EXERCISE: invented identities, give nothing real.\n"
    )
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


async def _serve(drone: Drone, given: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if hasattr(signal, "SIGUSR1"):
        loop.add_signal_handler(signal.SIGUSR1, _leave, drone)
    server = RtspServer(drone, path=given.path, bitrate=given.bitrate)
    await server.start(given.host, given.port)
    try:
        _ready(drone, f"rtsp://{given.host}:{server.port}{given.path}")
        await server.run(stop, given.seconds)
    finally:
        await server.close()


def _leave(drone: Drone) -> None:
    """Leave the perimeter now."""
    drone.depart(drone.since(time.time_ns() // 1000))


def _ready(drone: Drone, url: str) -> None:
    perimeter = mapping(drone.flight.perimeter)
    line = {"ready": url, "name": drone.name, "tail": drone.tail, "takeoff": drone.takeoff, "lap": drone.flight.lap}
    sys.stdout.write(json.dumps({**line, "perimeter": perimeter, "attribution": ATTRIBUTION}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
