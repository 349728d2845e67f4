"""Who hears what: events go once to whoever may hear them, never back to their sender, newest position first served.

Events are read once, encoded once for each form, joined once for each audience and tick. A tick follows an event at once when
there is little to do, and comes every 50 ms at the latest when there is much: then the newest position of a thing takes the place
of the one before; chats and other one-shot events are never replaced. All of this happens on the event loop, `publish` included.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from egide.kernel.merkle import Frontier, leaf_hash
from egide.operations.tak.batch import Batch
from egide.operations.tak.places import Places
from egide.operations.tak.subscriber import Routed, Subscriber
from egide.protocols import cot
from egide.protocols.cot import CotEvent
from egide.protocols.cot.stream import trim

log = logging.getLogger("egide.tak")

TICK_S = 0.05  # s between ticks when there is much to do
SHARE = 4.0  # a tick is followed by a pause of so many times what it took: the loop stays free for the rest
EVERYONE = "everyone"  # the platform's own group: heard by every connection, sent to by none
PICTURE = 20_000  # things kept for who connects later; the least recently heard is forgotten
KEPT_MS = 24 * 3_600_000  # ms a thing is kept at most, however late it says it goes stale
# What is shown to who connects later; chats, receipts and file transfers are for those who were there.
REPLAYED = ("a-", "b-m-", "b-a-", "u-")
ALL = "All Streaming"  # a call sign that clients mean everyone by


@dataclass(frozen=True, slots=True)
class Contact:
    """A connected client that has said who it is."""

    uid: str
    callsign: str
    team: str
    role: str
    takv: str
    heard_ms: int
    groups: frozenset[str]
    device: str
    person: str


@dataclass(slots=True)
class _Kept:
    routed: Routed
    until_ms: int


@dataclass(slots=True)
class Passed:
    """What passed since it was last sealed."""

    events: int
    deliveries: int
    connections: int
    refused: int
    root: bytes


class Refusal(Exception):
    """An event is not passed on; `reason` is a key of `words.REFUSALS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Router:
    """The router of this process; lives in `kernel.things["tak"]`.

    `on_event` hooks hear each event that is passed on, with the contact that sent it (None: the platform); `on_gone` hooks hear
    the uid of what went stale or was deleted.
    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.on_event: list[Callable[[CotEvent, Contact | None], None]] = []
        self.on_gone: list[Callable[[str], None]] = []
        # Groups that a mission's name stands for in `<dest mission="…">`; set by who knows missions.
        self.mission_groups: Callable[[str], frozenset[str]] = lambda name: frozenset({f"mission:{name}"})
        # Whether a person's own position may be passed on at this moment; set by who knows shifts.
        self.on_duty: Callable[[str], bool] = lambda _person: True
        self._now_ms = now_ms
        self._loop = asyncio.get_running_loop()
        self._bits: dict[str, int] = {}
        self._subscribers: dict[Subscriber, None] = {}
        self._by_uid: dict[str, Subscriber] = {}
        self._owners: dict[
            str, str
        ] = {}  # uid of a device or of the platform → the person or origin that may speak for it
        self._last: dict[str, _Kept] = {}
        self._places = Places()
        self._pending: dict[object, Routed] = {}
        self._direct: list[tuple[Routed, tuple[Subscriber, ...]]] = []
        self._numbers = count()
        self._due: asyncio.Handle | None = None
        self._free_at = 0.0  # loop time from which the next tick may run
        self._events = self._deliveries = self._refused = 0
        self._frontier = Frontier()

    # -- for colleagues ---------------------------------------------------------------------------------------------

    def contacts(self) -> list[Contact]:
        """Everyone connected who has said who it is."""
        return [_contact(each) for each in self._subscribers if each.uid]

    def last(self, uid: str) -> CotEvent | None:
        """The last event of a thing that is still current."""
        kept = self._last.get(uid)
        return kept.routed.event if kept is not None and kept.until_ms > self._now_ms() else None

    def publish(self, event: bytes | CotEvent, *, groups: frozenset[str], origin: str = "") -> None:
        """Sends an event that the platform made (or brought from `origin`) to these groups; raises `CotError`, `Refusal`.

        A thing that the platform puts on the map is the platform's: no client may speak for it while it is there.
        """
        if isinstance(event, bytes):
            event = cot.read(trim(event))
        owner = f"origin:{origin}"
        if self._owners.get(event.uid, owner) != owner:
            raise Refusal("spoofed")
        if event.type.startswith(REPLAYED):
            self._owners[event.uid] = owner
        self._pass(event, self.mask(groups), None)

    def send(self, uid: str, event: CotEvent) -> bool:
        """Sends an event to one contact alone; False when it is not connected. It is not kept for others."""
        target = self._by_uid.get(uid)
        if target is None:
            return False
        routed = Routed(event, target.receive, None, next(self._numbers))
        self._events += 1
        self._direct.append((routed, (target,)))
        self._schedule()
        return True

    # -- for connections --------------------------------------------------------------------------------------------

    def mask(self, groups: frozenset[str]) -> int:
        """These groups as bits."""
        found = 0
        for group in groups:
            found |= 1 << self._bits.setdefault(group, len(self._bits))
        return found

    def join(self, subscriber: Subscriber, groups: frozenset[str]) -> None:
        """A client is connected; it is shown the picture as it stands."""
        self._subscribers[subscriber] = None
        self.refilter(subscriber, groups)

    def refilter(self, subscriber: Subscriber, groups: frozenset[str]) -> None:
        """Its filter is compiled (again); what it may now see and could not before is shown at once."""
        if subscriber not in self._subscribers:
            return
        before = subscriber.receive
        subscriber.groups = groups
        subscriber.send = self.mask(groups)
        subscriber.receive = subscriber.send | self.mask(frozenset({EVERYONE}))
        self._replay(subscriber, subscriber.receive & ~before)

    def leave(self, subscriber: Subscriber) -> None:
        """A client is gone; the others are told, as clients show it."""
        if self._subscribers.pop(subscriber, self) is self:
            return
        if subscriber.uid and self._by_uid.get(subscriber.uid) is subscriber:
            del self._by_uid[subscriber.uid]
            if subscriber.uid not in self._last:
                self._owners.pop(subscriber.uid, None)
            self._tell_gone(subscriber)

    def quiet(self) -> None:
        """Whoever went off duty is shown to nobody any more."""
        for subscriber in tuple(self._subscribers):
            if subscriber.uid in self._last and not self.on_duty(subscriber.device.person):
                self._forget(subscriber.uid)
                self._tell_gone(subscriber)

    def _tell_gone(self, subscriber: Subscriber) -> None:
        link = cot.element("link", {"uid": subscriber.uid, "type": "a-f-G-U-C", "relation": "p-p"})
        self._pass(cot.control("t-x-d-d", f"{subscriber.uid}-gone", self._now_ms(), link), subscriber.send, None)

    def resume(self, subscriber: Subscriber) -> None:
        """Its socket takes bytes again."""
        self._deliveries += subscriber.catch_up()

    def receive(self, subscriber: Subscriber, event: CotEvent) -> None:
        """A client's event: passed on, or refused with `Refusal`."""
        try:
            self._check(subscriber, event)
        except Refusal:
            self._refused += 1
            raise
        subscriber.received += 1
        subscriber.heard_ms = self._now_ms()
        if event.self_report and (not subscriber.uid or subscriber.uid == event.uid):
            self._introduce(subscriber, event)
        destinations = [each for each in event.destinations if each.get("callsign") != ALL]
        missions = {each["mission"] for each in destinations if each.get("mission")}
        people = [each for each in destinations if each.get("uid") or each.get("callsign")]
        if missions:
            named = frozenset().union(*(self.mission_groups(name) for name in missions))
            self._pass(event, self.mask(named) & subscriber.send, subscriber)
        if people:
            self._address(event, people, subscriber)
        elif not missions:
            self._pass(event, subscriber.send, subscriber)

    def sweep(self) -> None:
        """What is stale goes; what waited for a lease goes on."""
        now = self._now_ms()
        self.quiet()
        for subscriber in tuple(self._subscribers):
            if subscriber.waiting and not subscriber.waits:
                self.resume(subscriber)
        for uid in [uid for uid, kept in self._last.items() if kept.until_ms <= now]:
            self._forget(uid)

    def passed(self) -> Passed:
        """What passed since the last call."""
        found = Passed(self._events, self._deliveries, len(self._subscribers), self._refused, self._frontier.root())
        self._events = self._deliveries = self._refused = 0
        self._frontier = Frontier()
        return found

    # -- inside -----------------------------------------------------------------------------------------------------

    def _check(self, subscriber: Subscriber, event: CotEvent) -> None:
        """Speaks for itself only, of a place that can be."""
        speaks_for = [event.uid]
        if event.uid.startswith("GeoChat."):
            speaks_for.append(event.uid.split(".", 2)[1])
        if event.type.startswith("b-t-f"):
            speaks_for += [
                item.attributes.get("uid", "") for item in event.items
                if item.name == "link" and item.attributes.get("relation") == "p-p"
            ]  # fmt: skip
        person = subscriber.device.person
        if any(self._owners.get(uid, person) != person for uid in speaks_for):
            raise Refusal("spoofed")
        if event.self_report and not self.on_duty(person):
            raise Refusal("off-duty")
        doubt = self._places.doubt(event, self._now_ms())
        if doubt is not None:
            raise Refusal(doubt)

    def _introduce(self, subscriber: Subscriber, event: CotEvent) -> None:
        """It says who it is: while its report stands, only its person may speak for it."""
        if not subscriber.uid:
            self._owners[event.uid] = subscriber.device.person
            self._by_uid[event.uid] = subscriber
        subscriber.uid = event.uid
        subscriber.callsign = event.callsign or subscriber.device.callsign
        subscriber.team, subscriber.role = event.attribute("__group", "name"), event.attribute("__group", "role")
        takv = event.item("takv")
        if takv is not None:
            subscriber.takv = " ".join(
                filter(None, (takv.attributes.get(n) for n in ("platform", "version", "device")))
            )

    def _address(self, event: CotEvent, people: list[dict[str, str]], source: Subscriber) -> None:
        """To those named, and among them to those who share a group with the sender."""
        uids = {each["uid"] for each in people if each.get("uid")}
        callsigns = {each["callsign"] for each in people if each.get("callsign")}
        targets = tuple(
            each
            for each in self._subscribers
            if each is not source and (each.uid in uids or each.callsign in callsigns) and each.receive & source.send
        )
        routed = Routed(event, source.send, source, next(self._numbers))
        self._hear(routed)
        self._direct.append((routed, targets))
        self._schedule()

    def _pass(self, event: CotEvent, mask: int, source: Subscriber | None) -> None:
        key = (event.uid, mask) if event.atom else next(self._numbers)
        routed = Routed(event, mask, source, key)
        self._pending.pop(key, None)
        self._pending[key] = routed
        self._hear(routed)
        if event.type.startswith(REPLAYED):
            self._keep(routed)
        elif event.type == "t-x-d-d":
            self._deleted(event, source)
        self._schedule()

    def _hear(self, routed: Routed) -> None:
        self._events += 1
        contact = _contact(routed.source) if routed.source is not None else None
        for hook in self.on_event:
            try:
                hook(routed.event, contact)
            except Exception:  # a colleague's code: whatever it raises, the event is still passed on
                log.exception("a listener to events failed")

    def _keep(self, routed: Routed) -> None:
        event = routed.event
        until = min(event.stale, self._now_ms() + KEPT_MS)
        self._last.pop(event.uid, None)
        self._last[event.uid] = _Kept(routed, until)
        if len(self._last) > PICTURE:
            self._forget(next(iter(self._last)))

    def _deleted(self, event: CotEvent, source: Subscriber | None) -> None:
        """A thing is taken off the map by who put it there."""
        uid = event.attribute("link", "uid")
        kept = self._last.get(uid)
        placed = kept.routed.source if kept is not None else None
        if placed is not None and source is not None and placed.device.person == source.device.person:
            self._forget(uid)

    def _forget(self, uid: str) -> None:
        if self._last.pop(uid, None) is None:
            return
        self._places.forget(uid)
        if uid not in self._by_uid:
            self._owners.pop(uid, None)
        for hook in self.on_gone:
            hook(uid)

    def _replay(self, subscriber: Subscriber, receive: int) -> None:
        now = self._now_ms()
        shown = [
            kept.routed
            for uid, kept in self._last.items()
            if kept.routed.mask & receive
            and kept.until_ms > now
            and uid != subscriber.uid
            and kept.routed.key not in self._pending
        ]
        if shown:
            subscriber.write(b"".join(routed.data(proto=subscriber.proto) for routed in shown), len(shown))

    def _schedule(self) -> None:
        if self._due is None:
            wait = self._free_at - self._loop.time()
            self._due = self._loop.call_later(wait, self._flush) if wait > 0 else self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        began = self._loop.time()
        self._due = None
        routed, self._pending = list(self._pending.values()), {}
        direct, self._direct = self._direct, []
        if routed or direct:
            joined = b"".join(each.event.raw for each in (*routed, *(each for each, _ in direct)))
            self._frontier.extend([leaf_hash(joined)])
        batches: dict[tuple[int, bool], Batch] = {}
        for subscriber in tuple(self._subscribers) if routed else ():
            audience = (subscriber.receive, subscriber.proto)
            batch = batches.get(audience)
            if batch is None:
                batch = batches[audience] = Batch(routed, subscriber.receive, proto=subscriber.proto)
            self._deliveries += batch.deliver(subscriber)
        for each, targets in direct:
            for target in targets:
                if target.waits:
                    target.keep([each])
                else:
                    target.write(each.data(proto=target.proto), 1)
                    self._deliveries += 1
        took = self._loop.time() - began
        self._free_at = began + min(TICK_S, took * SHARE)


def _contact(subscriber: Subscriber) -> Contact:
    return Contact(
        subscriber.uid, subscriber.callsign, subscriber.team, subscriber.role, subscriber.takv, subscriber.heard_ms,
        subscriber.groups, subscriber.device.id, subscriber.device.person,
    )  # fmt: skip
