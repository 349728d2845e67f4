"""Finding cameras on a network, and turning one: each an act; who turns a camera must be allowed to look through it.

The network is spoken to once the act is in the ledger, never before; what comes back fills the answer. A move has an end of its
own (five seconds at most), so that a camera never goes on turning because somebody lost the network. One person turns a camera
at a time (hands.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import select

from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, Receipt, act
from egide.kernel.errors import BadInput, Conflict, Text
from egide.operations import tables
from egide.operations.facts import caps, deployment_row, order_of, source_row
from egide.operations.hands import HOLD_S, TURNED, Hands
from egide.operations.media.errors import SourceError
from egide.operations.media.onvif import Camera, Found, discover, interfaces
from egide.operations.source import spec_of
from egide.operations.watching import Watch, watch_facts

DISCOVERY_S = 3.0  # s cameras may take to answer
MAX_MOVE_S = 5.0  # s of one move
MAX_PRESET = 64  # characters of a stored place's token (ONVIF ReferenceToken)


class Discover(Input):
    """Look for cameras on one network interface of this machine, named by its IPv4 address, or on all of them."""

    interface: str = ""


class Cameras(msgspec.Struct):
    """What answered: `url` is what to add as a source of kind `onvif`, with the camera's user and pass word."""

    cameras: list[dict[str, Any]]


class Move(Watch):
    """Turn a camera: speeds from -1 to 1 for `seconds`, or to a stored place; all zero stops it."""

    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0
    seconds: float = 1.0
    preset: str = ""


@act(
    "operations.source.discover", verb="administer", activity="operations-means", roles=["command", "administrator"], duty=True,
    input=Discover, output=Cameras, fr="Chercher des caméras sur un réseau", en="Look for cameras on a network",
)  # fmt: skip
def discover_sources(ctx: Ctx, given: Discover) -> Effect:
    result = Cameras([])
    kernel = ctx.kernel
    known = {
        spec_of(kernel, row).url.rpartition("@")[2].removeprefix("onvif://").partition("?")[0].rstrip("/")
        for row in ctx.db.execute(select(tables.source).where(tables.source.c.removed.is_(None))).all()
        if row.kind == "onvif"
    }

    async def look(_receipt: Receipt) -> None:
        where = given.interface
        found = await (_spoken(lambda: discover(where, DISCOVERY_S)) if where else _everywhere())
        result.cameras = [
            {
                "url": url, "name": match.name, "hardware": match.hardware, "location": match.location,
                "known": url.removeprefix("onvif://") in known,
            }
            for url, match in found
        ]  # fmt: skip

    return Effect(result, after=look)


async def _everywhere() -> Found:
    """What answers on any interface; one that cannot be asked (no multicast there) is left out."""
    asked = await asyncio.to_thread(interfaces)
    told = await asyncio.gather(
        *(asyncio.to_thread(discover, each, DISCOVERY_S) for each in asked), return_exceptions=True
    )
    found: dict[str, Any] = {}
    for answers in told:
        if isinstance(answers, SourceError):
            continue
        if isinstance(answers, BaseException):
            raise answers
        found |= dict(answers)
    return list(found.items())


def _counters(ctx: Ctx, given: Move) -> Facts:
    return caps(ctx, order_of(ctx, deployment_row(ctx, given.deployment).order_id), starting=False)


@act(
    "operations.camera.move", verb="alter", activity="aerial-surveillance", roles=["officer", "command", "pilot"], duty=True,
    groups=["aerial-camera", "aerial-view"], gather=watch_facts, recheck=_counters, input=Move,
    fr="Tourner une caméra", en="Turn a camera",
)  # fmt: skip
def move_camera(ctx: Ctx, given: Move) -> Effect:
    speeds = (given.pan, given.tilt, given.zoom)
    if (
        not (all(-1 <= speed <= 1 for speed in speeds) and 0.1 <= given.seconds <= MAX_MOVE_S)
        or len(given.preset) > MAX_PRESET
    ):
        raise BadInput(
            Text("Vitesse ou durée hors limites.", "A speed or duration out of bounds."),
            Text("Vitesses de -1 à 1, durée de 0,1 à 5 s.", "Speeds from -1 to 1, 0.1 to 5 s."),
        )
    deployment = deployment_row(ctx, given.deployment)
    source = source_row(ctx, deployment.source)
    if source.kind != "onvif":
        raise Conflict(
            Text("Cette caméra ne se tourne pas d’ici.", "This camera is not turned from here."),
            Text("Déclarez-la comme source ONVIF.", "Declare it as an ONVIF source."),
        )
    url = spec_of(ctx.kernel, source).url
    hands: Hands = ctx.kernel.things["hands"]
    person, moving = ctx.principal.id, any(speeds) and not given.preset
    until = ctx.now_us + int((HOLD_S + (given.seconds if moving else 0)) * 1e6)
    hands.free(deployment.id, person, ctx.now_us)

    def turn() -> None:
        camera = Camera(url)
        if given.preset:
            camera.go_to(given.preset)
        elif any(speeds):
            camera.move(*speeds, given.seconds)
        else:
            camera.stop()

    async def after(_receipt: Receipt) -> None:
        await _spoken(turn)

    return Effect(
        Nothing(),
        apply=lambda _connection: hands.take(deployment.id, person, ctx.now_us, until),
        order=deployment.order_id,
        after=after,
        events=[(TURNED, {"deployment": deployment.id, "person": person, "until": until})],
    )


async def _spoken(what: Callable[[], Any]) -> Any:
    """Speaks to the network in a thread; what is wrong there reaches people in its own words."""
    try:
        return await asyncio.to_thread(what)
    except SourceError as error:
        raise Conflict(Text(*error.text)) from error


ACTS: tuple[Act, ...] = (discover_sources, move_camera)
