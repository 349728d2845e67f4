"""Who hears what, without sockets: clients are lists, time is given."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.operations.tak.identity import TakDevice
from egide.operations.tak.limits import BYTES_BURST, EVENTS_BURST, EVENTS_PER_S, LONGEST_S, Allowance
from egide.operations.tak.places import Places
from egide.operations.tak.router import EVERYONE, KEPT_MS, TICK_S, Refusal, Router
from egide.operations.tak.subscriber import Subscriber
from egide.protocols import cot
from egide.protocols.cot import CotEvent, Point

pytestmark = pytest.mark.anyio
FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "50")), deadline=None)
NOW = 1_800_000_000_000  # ms
UNIT = frozenset({"unit:a"})
OWN = '<takv platform="T" version="1" device="d" os="1"/><contact callsign="{}" endpoint="*:-1:stcp"/>'


def event(
    uid: str, kind: str = "a-f-G-U-C", detail: str = "", at: tuple[float, float] = (60.0, 25.0), **times: int
) -> CotEvent:
    when = {"time": NOW, "start": NOW, "stale": NOW + 60_000} | times
    return cot.read(cot.write(uid=uid, type=kind, how="m-g", point=Point(*at), detail=detail, **when))


class Client:
    """An outlet that keeps what it is sent."""

    def __init__(self, router: Router, name: str, groups: frozenset[str] = UNIT, person: str = "") -> None:
        self.sent: list[bytes] = []
        self.cuts: list[str] = []
        self.leased = True
        self.router = router
        self.subscriber = Subscriber(TakDevice(name, person or name, name, name), self)
        router.join(self.subscriber, groups)

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def may_write(self) -> bool:
        return self.leased

    def cut(self, why: str) -> None:
        self.cuts.append(why)

    def send(self, given: CotEvent) -> None:
        self.router.receive(self.subscriber, given)

    def uids(self) -> list[str]:
        splitter = cot.Splitter()
        splitter.proto = self.subscriber.proto
        read: Callable[[bytes], CotEvent | None] = cot.from_payload if splitter.proto else cot.read
        found = [read(piece) for piece in splitter.feed(b"".join(self.sent)) if isinstance(piece, bytes)]
        return [each.uid for each in found if each is not None]


@pytest.fixture
async def router() -> Router:
    return Router(lambda: NOW)


async def settle(router: Router) -> None:
    """Until the tick that is due has run."""
    while router._due is not None:
        await asyncio.sleep(0.001)


async def test_the_newest_position_wins_and_no_chat_is_lost(router: Router) -> None:
    alpha, bravo = Client(router, "alpha"), Client(router, "bravo")
    for number in range(3):
        alpha.send(event("A", at=(60.0 + number / 1000, 25.0)))
        alpha.send(event(f"chat-{number}", "b-t-f"))
    await settle(router)
    assert bravo.uids() == ["chat-0", "chat-1", "A", "chat-2"]
    assert len(bravo.sent) == 1, "one write a tick"
    assert b'lat="60.002"' in bravo.sent[0]
    assert alpha.sent == []


async def test_an_event_is_encoded_once_for_each_form(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    frame = cot.frame
    monkeypatch.setattr("egide.protocols.cot.frame", lambda payload: made.append("proto") or frame(payload))
    alpha = Client(router, "alpha")
    crowd = [Client(router, f"c{number}") for number in range(20)]
    for each in crowd[::2]:
        each.subscriber.proto = True
    alpha.send(event("A"))
    await settle(router)
    assert made == ["proto"]
    assert all(each.uids() == ["A"] for each in crowd)
    assert len({id(each.sent[0]) for each in crowd}) == 2, "the same bytes object for everyone of a form"


async def test_a_busy_router_waits_a_little_and_never_longer_than_a_tick(router: Router) -> None:
    loop = asyncio.get_running_loop()
    alpha, bravo = Client(router, "alpha"), Client(router, "bravo")
    alpha.send(event("c1", "b-t-f"))
    await settle(router)
    router._free_at = loop.time() + TICK_S  # as after a tick that took long
    began = loop.time()
    alpha.send(event("c2", "b-t-f"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert bravo.uids() == ["c1"], "it coalesces"
    await settle(router)
    assert bravo.uids() == ["c1", "c2"]
    assert loop.time() - began < 20 * TICK_S


async def test_a_slow_client_gets_the_newest_and_every_chat_when_it_reads_again(router: Router) -> None:
    alpha, bravo = Client(router, "alpha"), Client(router, "bravo")
    bravo.subscriber.slow = True
    for number in range(5):
        alpha.send(event("A", at=(60.0 + number / 1000, 25.0)))
        alpha.send(event(f"chat-{number}", "b-t-f"))
        await settle(router)
    assert bravo.sent == []
    assert bravo.subscriber.waiting == 6
    bravo.subscriber.slow = False
    router.resume(bravo.subscriber)
    assert bravo.uids() == ["chat-0", "chat-1", "chat-2", "chat-3", "A", "chat-4"]
    assert bravo.subscriber.replaced == 4
    assert router.passed().deliveries == 6


async def test_what_comes_while_a_lease_is_in_doubt_waits_for_it(router: Router) -> None:
    alpha, bravo = Client(router, "alpha"), Client(router, "bravo")
    bravo.leased = False
    alpha.send(event("chat", "b-t-f"))
    await settle(router)
    router.sweep()
    assert bravo.sent == [], "nothing passes without a lease"
    bravo.leased = True
    router.sweep()
    assert bravo.uids() == ["chat"]


async def test_a_client_too_far_behind_is_let_go(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egide.operations.tak.subscriber.MAX_WAITING", 100)
    bravo = Client(router, "bravo")
    bravo.subscriber.slow = True
    for number in range(101):
        router.publish(event(f"chat-{number}", "b-t-f"), groups=UNIT)
    await settle(router)
    assert bravo.cuts == ["slow"]


async def test_groups_filter_both_ways(router: Router) -> None:
    alpha, bravo = Client(router, "alpha"), Client(router, "bravo", frozenset({"unit:b"}))
    both = Client(router, "both", frozenset({"unit:a", "unit:b"}))
    nobody = Client(router, "nobody", frozenset())
    alpha.send(event("A"))
    bravo.send(event("B"))
    nobody.send(event("N"))
    router.publish(event("P"), groups=frozenset({EVERYONE}))
    await settle(router)
    assert (alpha.uids(), bravo.uids(), nobody.uids()) == (["P"], ["P"], ["P"])
    assert both.uids() == ["A", "B", "P"]


async def test_a_refused_event_reaches_nobody_and_is_counted(router: Router) -> None:
    alpha, bravo = Client(router, "alpha"), Client(router, "bravo")
    alpha.send(event("A", detail=OWN.format("ALPHA")))
    with pytest.raises(Refusal, match="spoofed"):
        bravo.send(event("A"))
    with pytest.raises(Refusal, match="future"):
        bravo.send(event("B", time=NOW + 3_600_000))
    await settle(router)
    assert bravo.uids() == ["A"]
    assert alpha.uids() == []
    assert router.passed().refused == 2


async def test_whose_uid_it_is_ends_with_what_is_known_of_it(router: Router) -> None:
    alpha, bravo = Client(router, "alpha"), Client(router, "bravo")
    alpha.send(event("A", detail=OWN.format("ALPHA")))
    router.leave(alpha.subscriber)
    await settle(router)
    assert bravo.uids() == ["A", "A-gone"], "the others see that it left"
    with pytest.raises(Refusal, match="spoofed"):
        bravo.send(event("A"))
    router._now_ms = lambda: NOW + 61_000
    gone: list[str] = []
    router.on_gone.append(gone.append)
    router.sweep()
    assert gone == ["A"]
    assert router.last("A") is None
    bravo.send(event("A", time=NOW + 61_000, start=NOW, stale=NOW + 99_000))


async def test_a_thing_is_taken_off_by_who_put_it_there(router: Router) -> None:
    alpha, bravo = Client(router, "alpha"), Client(router, "bravo")
    alpha.send(event("mark", "b-m-p-s-m"))
    delete = event("d", "t-x-d-d", '<link uid="mark" relation="none" type="none"/>')
    bravo.send(delete)
    assert router.last("mark") is not None
    alpha.send(delete)
    assert router.last("mark") is None


async def test_the_picture_is_bounded(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("egide.operations.tak.router.PICTURE", 100)
    for number in range(110):
        router.publish(event(f"m{number}", stale=NOW + 10 * KEPT_MS), groups=UNIT)
    assert router.last("m9") is None
    assert router.last("m10") is not None
    router._now_ms = lambda: NOW + KEPT_MS + 1
    assert router.last("m10") is None, "a day at most, whatever it says"


async def test_listeners_hear_once_and_their_faults_stay_theirs(router: Router) -> None:
    heard: list[tuple[str, str]] = []

    def broken(_event: CotEvent, _contact: object) -> None:
        raise RuntimeError("a listener's own fault")

    router.on_event += [broken, lambda each, contact: heard.append((each.uid, contact.uid if contact else ""))]
    alpha, bravo = Client(router, "alpha"), Client(router, "bravo")
    alpha.send(event("A", detail=OWN.format("ALPHA")))
    router.publish(event("P"), groups=UNIT)
    await settle(router)
    assert heard[:2] == [("A", "A"), ("P", "")]
    assert bravo.uids() == ["A", "P"]
    router.publish(b'<?xml version="1.0"?>' + event("Q").raw, groups=UNIT)
    assert router.send("A", event("only", "b-t-f"))
    assert not router.send("unknown", event("only", "b-t-f"))
    await settle(router)
    assert alpha.uids() == ["P", "Q", "only"]
    assert "only" not in bravo.uids()


@FUZZ
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["sa", "chat", "tick", "slow", "read"])), max_size=40))
def test_whatever_the_order_nobody_misses_a_chat_or_ends_with_an_old_position(steps: list[tuple[int, str]]) -> None:
    async def play() -> None:
        router = Router(lambda: NOW)
        clients = [Client(router, f"c{number}") for number in range(3)]
        clients[2].subscriber.proto = True
        chats: list[tuple[int, str]] = []
        last: dict[int, float] = {}
        for number, (who, what) in enumerate(steps):
            client = clients[who]
            if what == "sa":
                last[who] = 60 + number / 10_000
                client.send(event(f"SA{who}", at=(last[who], 25.0)))
            elif what == "chat":
                chats.append((who, f"chat-{number}"))
                client.send(event(f"chat-{number}", "b-t-f"))
            elif what == "tick":
                await settle(router)
            else:
                client.subscriber.slow = what == "slow"
                if what == "read":
                    router.resume(client.subscriber)
        await settle(router)
        for client in clients:
            client.subscriber.slow = False
            router.resume(client.subscriber)
        for number, client in enumerate(clients):
            uids = client.uids()
            assert [uid for uid in uids if uid.startswith("chat")] == [uid for who, uid in chats if who != number]
            assert f"SA{number}" not in uids
            for who, lat in last.items():
                if who != number:
                    assert f"SA{who}" in uids
                    assert router.last(f"SA{who}").point.lat == lat  # type: ignore[union-attr]

    asyncio.run(play())


# ── Limits and plausibility, as functions of time ──


def test_an_allowance_bounds_and_recovers() -> None:
    one = Allowance(0.0)
    one.take(0.0, events=int(EVENTS_BURST))
    assert one.wait(0.0) == 0
    one.take(0.0, events=int(EVENTS_PER_S))
    assert one.wait(0.0) == pytest.approx(1.0)
    assert one.wait(1.0) == 0
    one.take(1.0, size=int(BYTES_BURST * 100))
    assert one.wait(1.0) == LONGEST_S


@FUZZ
@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 2000), st.integers(0, 1 << 24)), max_size=30))
def test_an_allowance_never_waits_without_end(steps: list[tuple[float, int, int]]) -> None:
    one, now = Allowance(0.0), 0.0
    for passed, events, size in steps:
        now += passed
        one.take(now, events=events, size=size)
        assert 0 <= one.wait(now) <= LONGEST_S
    assert one.wait(now + 1e9) == 0


def test_places_that_cannot_be() -> None:
    places = Places()
    assert places.doubt(event("A"), NOW) is None
    assert places.doubt(event("A", at=(60.01, 25.0)), NOW + 1000) is None
    far = event("A", at=(48.8, 2.3))
    assert places.doubt(far, NOW + 2000) == "jump"
    assert places.doubt(event("A", at=(0.0, 0.0)), NOW + 2500) is None, "no fix is no place"
    assert places.doubt(far, NOW + 3000) == "jump"
    assert places.doubt(far, NOW + 4000) is None, "three that agree are believed"
    assert places.doubt(event("A", at=(60.0, 25.0)), NOW + 4_000_000) is None, "an hour suffices to fly there"
    assert places.doubt(event("B", "b-m-p-s-m", at=(1.0, 1.0)), NOW) is None
    assert places.doubt(event("B", "b-m-p-s-m", at=(50.0, 1.0)), NOW) is None, "a marker may be put anywhere"
    assert places.doubt(event("C", start=NOW + 600_000), NOW) == "future"
    assert places.doubt(event("C", "b-m-p-s-m", start=NOW + 600_000), NOW) == "future", "a marker has a date too"
    places.forget("A")
    assert places.doubt(far, NOW + 4_000_000) is None, "what is gone may come again anywhere"
