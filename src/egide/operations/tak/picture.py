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
from egide.operations.audience import groups
from egide.operations.relay import relay
from egide.operations.shifts import shifts
from egide.operations.tak.router import EVERYONE, Contact, Refusal, Router
from egide.protocols import cot
from egide.protocols.cot import CotEvent, Point
from egide.protocols.cot.event import UNKNOWN
from egide.protocols.positions import Fix

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.tak")

EVERY_S = 1.0  # s between looks at the platform's aircraft
AIRCRAFT = "a-f-A-M-H-Q"  # friendly, air, military, rotary wing, drone: what clients draw for one
STALE_MS = 10_000  # ms an aircraft's position stands
OFFICER = "a-f-G-U-C"  # friendly, ground, unit: what clients draw for an officer
CLOCKS_MS = 5_000  # ms by which a device's clock, or its rounding to seconds, may differ from ours
OFFICER_STALE_MS = 60_000  # ms an officer's position stands
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
        self._officers: dict[str, tuple[Fix, frozenset[str]]] = {}  # shift → what was told of it, to whom
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
        """A device says where its officer is: as if a terminal of theirs said it, on the map and in their own track."""
        if contact is None or event.uid != contact.uid or not event.self_report or not event.point.known:
            return
        if event.uid not in self._told:
            self._feed(contact)
        point = event.point
        accuracy = point.ce if 0 <= point.ce < UNKNOWN else 0.0
        now = (
            self._now_ms()
        )  # what a device sends now is of now, whatever its clock says, unless it says that it is older
        at = now if abs(now - event.time) < CLOCKS_MS else event.time
        shifts(self._kernel).take(contact.person, [Fix(point.lat, point.lon, _course(event), accuracy, at)])

    def _gone(self, uid: str) -> None:
        self._told.pop(uid, None)

    # -- from the platform to devices ---------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            self.tell_aircraft()
            self.tell_officers()

    def tell_aircraft(self) -> None:
        """Every aircraft whose place is newer than what was last told."""
        for source, state in relay(self._kernel).states():
            if state.place is None or state.ingest is None or state.heard_us <= self._sent_us.get(source, 0):
                continue
            self._sent_us[source] = state.heard_us
            event = self._aircraft(source, *state.place)
            with suppress(Refusal):  # a uid of ours that somebody else claims is nothing we can tell
                self._router.publish(event, groups=frozenset({EVERYONE}))

    def tell_officers(self) -> None:
        """Officers on duty whose place comes from another terminal than a TAK device; who went off duty is taken off the map."""
        board, connected = shifts(self._kernel), {contact.person for contact in self._router.contacts()}
        shown = {
            shift.id: shift for shift in board.running() if shift.vehicle is None and shift.person not in connected
        }
        for id_ in [id_ for id_ in self._officers if id_ not in shown]:
            self._take_off(f"egide-{id_}", self._officers.pop(id_)[1])
        for id_, shift in shown.items():
            fix, of = shift.newest, groups(board.rosters, shift.person, shift.unit)
            if fix is None or self._officers.get(id_) == (fix, of):
                continue
            self._officers[id_] = (fix, of)
            with suppress(Refusal):
                self._router.publish(self._officer(id_, shift.name, fix), groups=of)

    def _take_off(self, uid: str, of: frozenset[str]) -> None:
        link = cot.element("link", {"uid": uid, "type": OFFICER, "relation": "p-p"})
        with suppress(Refusal):
            self._router.publish(cot.control("t-x-d-d", f"{uid}-gone", self._now_ms(), link), groups=of)

    def _officer(self, shift: str, name: str, fix: Fix) -> CotEvent:
        detail = cot.element("contact", {"callsign": name}) + cot.element(
            "track", {"course": f"{fix.heading:.1f}", "speed": "0"}
        )
        point = Point(fix.lat, fix.lon, ce=fix.accuracy or UNKNOWN)
        return cot.read(
            cot.write(uid=f"egide-{shift}", type=OFFICER, how="m-g", time=fix.at_ms, start=fix.at_ms, stale=fix.at_ms + OFFICER_STALE_MS, point=point, detail=detail)
        )  # fmt: skip

    def _now_ms(self) -> int:
        return self._kernel.clock.latest_us() // 1000

    def tell_feeds(self) -> None:
        """Every device is told the feeds that its person may watch now, and that others are gone."""
        for contact in self._router.contacts():
            self._feed(contact)

    def _feed(self, contact: Contact) -> None:
        now = self._now_ms()
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
        now = self._now_ms()
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
