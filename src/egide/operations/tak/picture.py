"""Between the TAK exchange and the shared picture: officers' devices appear on the map, the platform's aircraft on the devices.

The one place where a CoT event becomes a position and a position a CoT event. Video feeds are told to each device alone, and only
those that its person may watch: who knows that is asked through `feeds`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from sqlalchemy import select

from egide.operations import tables
from egide.operations.relay import relay
from egide.operations.tak.router import EVERYONE, Contact, Refusal, Router
from egide.protocols import cot
from egide.protocols.cot import CotEvent, Point

if TYPE_CHECKING:
    from egide.kernel.door import Kernel

log = logging.getLogger("egide.tak")

EVERY_S = 1.0  # s between looks at the platform's aircraft
AIRCRAFT = "a-f-A-M-H-Q"  # friendly, air, military, rotary wing, drone: what clients draw for one
STALE_MS = 10_000  # ms an aircraft's position stands
FEED_STALE_MS = 3_600_000  # ms a feed stands; it is told again before
FEED = "b-m-p-s-p-loc"
CHANGES = frozenset({"camera.started", "camera.stopped", "order.ended", "right.changed", "roster.changed"})


@dataclass(frozen=True, slots=True)
class Feed:
    """A video feed that a TAK client can play (rtsp, rtmp, srt), and where its camera is."""

    uid: str
    name: str
    url: str
    lat: float
    lon: float


class Bridge:
    """Lives as long as the router. `feeds(person)` says what a person may watch; none until somebody knows."""

    def __init__(self, kernel: Kernel, router: Router) -> None:
        self.feeds: Callable[[str], list[Feed]] = lambda _person: []
        self._kernel = kernel
        self._router = router
        self._numbers: dict[
            str, tuple[int, str]
        ] = {}  # uid → its number on the positions wire, the call sign it has there
        self._names: dict[str, str] = {}
        self._sent_us: dict[str, int] = {}
        self._told: dict[str, frozenset[str]] = {}  # contact → feeds it was told
        self._unwatch: Callable[[], None] = lambda: None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts carrying over, both ways."""
        self._router.on_event.append(self._heard)
        self._router.on_gone.append(self._gone)
        self._unwatch = self._kernel.bus.watch(lambda name, _told: self.tell_feeds() if name in CHANGES else None)
        self._task = asyncio.create_task(self._run(), name="tak-bridge")

    async def stop(self) -> None:
        """Stops."""
        self._unwatch()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    # -- from devices to the map --------------------------------------------------------------------------------------

    def _heard(self, event: CotEvent, contact: Contact | None) -> None:
        if contact is None or event.uid != contact.uid or not event.self_report or not event.point.known:
            return
        positions = relay(self._kernel).positions
        number, shown = self._numbers.get(event.uid, (0, ""))
        if not number or shown != contact.callsign:
            number = positions.number(f"tak:{event.uid}", contact.callsign, "officer")
            if event.uid not in self._numbers:
                self._feed(contact)
            self._numbers[event.uid] = (number, contact.callsign)
        positions.put(number, event.point.lat, event.point.lon, _course(event))

    def _gone(self, uid: str) -> None:
        self._told.pop(uid, None)
        if self._numbers.pop(uid, None) is not None:
            relay(self._kernel).positions.drop(f"tak:{uid}")

    # -- from the platform to devices ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            self.tell_aircraft()

    def tell_aircraft(self) -> None:
        """Every aircraft whose place is newer than what was last told."""
        for source, state in relay(self._kernel).states():
            if state.place is None or state.ingest is None or state.heard_us <= self._sent_us.get(source, 0):
                continue
            self._sent_us[source] = state.heard_us
            event = self._aircraft(source, *state.place)
            with suppress(Refusal):  # a uid of ours that somebody else claims is nothing we can tell
                self._router.publish(event, groups=frozenset({EVERYONE}))

    def tell_feeds(self) -> None:
        """Every device is told the feeds that its person may watch now, and that others are gone."""
        for contact in self._router.contacts():
            self._feed(contact)

    def _feed(self, contact: Contact) -> None:
        now = self._kernel.clock.latest_us() // 1000
        feeds = {feed.uid: feed for feed in self.feeds(contact.person)}
        for feed in feeds.values():
            self._router.send(contact.uid, feed_event(feed, now))
        for uid in self._told.get(contact.uid, frozenset()) - feeds.keys():
            link = cot.element("link", {"uid": uid, "type": FEED, "relation": "none"})
            self._router.send(
                contact.uid, cot.control("t-x-d-d", f"{uid}-gone", now, link + cot.element("__forcedelete", {}))
            )
        self._told[contact.uid] = frozenset(feeds)

    def _aircraft(self, source: str, lat: float, lon: float) -> CotEvent:
        now = self._kernel.clock.latest_us() // 1000
        detail = cot.element("contact", {"callsign": self._name(source)}) + cot.element("link", {"uid": "EGIDE", "type": "a-f-G-I", "relation": "p-p"})  # fmt: skip
        return cot.read(
            cot.write(uid=f"egide-{source}", type=AIRCRAFT, how="m-g", time=now, start=now, stale=now + STALE_MS, point=Point(lat, lon), detail=detail)
        )  # fmt: skip

    def _name(self, source: str) -> str:
        if source not in self._names:
            found = select(tables.source.c.name).where(tables.source.c.id == source)
            self._names[source] = str(self._kernel.store.reader().execute(found).scalar() or source)
        return self._names[source]


def _course(event: CotEvent) -> float:
    try:
        course = float(event.attribute("track", "course") or 0)
    except ValueError:
        return 0.0
    return course % 360 if isfinite(course) else 0.0


def feed_event(feed: Feed, now_ms: int) -> CotEvent:
    """A camera on the map whose picture the client can open."""
    entry = cot.element("ConnectionEntry", {"uid": feed.uid, "address": feed.url, "alias": feed.name, "protocol": "raw", "port": "-1", "path": ""})  # fmt: skip
    detail = cot.element("contact", {"callsign": feed.name}) + cot.element(
        "__video", {"uid": feed.uid, "url": feed.url}, entry
    )
    return cot.read(
        cot.write(uid=feed.uid, type=FEED, how="m-g", time=now_ms, start=now_ms, stale=now_ms + FEED_STALE_MS, point=Point(feed.lat, feed.lon), detail=detail)
    )  # fmt: skip
