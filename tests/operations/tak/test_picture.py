"""Officers' devices on the shared map, the platform's aircraft and feeds on the devices."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from egide.operations.relay import relay
from egide.operations.shifts import on_duty, shifts
from egide.operations.tak.picture import Bridge, Feed
from tests.operations.tak.field import Field, event
from tests.waiting import until
from tests.world import Terminal

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bridge(tak: Field) -> Any:
    kernel = tak.world.kernel
    made = Bridge(kernel, tak.router)
    tak.router.on_duty = lambda person: on_duty(kernel, person)
    kernel.bus.watch(lambda name, _told: tak.router.quiet() if name == "duty.ended" else None)
    made.start()
    yield made
    await made.stop()


def places(terminal: Terminal, name: str) -> list[dict[str, Any]]:
    return [e for m in terminal.pushed if m.get("push") == "entities" for e in m["entities"] if e["name"] == name]


@pytest.fixture(autouse=True)
async def off_duty(tak: Field) -> Any:
    """The platform is shared by the module: nobody stays on duty."""
    yield
    for shift in shifts(tak.world.kernel).running():
        await tak.world.act(shift.person, "operations.duty.end")


async def test_an_officer_is_on_the_map_while_on_duty(tak: Field, bridge: Bridge) -> None:
    """The same officer, the same place, whichever device says it; off duty it stops everywhere at once."""
    terminal, world = Terminal(tak.world.person("command")), tak.world
    await world.act("command", "operations.track.subscribe", terminal)
    name = world.person("officer").name
    async with tak.client("alpha") as alpha, tak.client("beta", "other-officer") as beta:
        alpha.report()
        await until(lambda: "en service" in alpha.words())
        assert not places(terminal, name)
        assert not beta.of("a-f-G-U-C")
        await world.act("officer", "operations.duty.begin", hours=8, informed=True)
        alpha.report(detail='<track speed="1" course="450"/>')
        await until(lambda: places(terminal, name) and beta.of("a-f-G-U-C"))
        assert places(terminal, name)[0]["kind"] == "officer"
        alpha.send(event("a-h-G", "enemy"))
        alpha.send(event("t-x-c-t", "ping"))
        await until(lambda: alpha.of("t-x-c-t-r"))
        assert not any("enemy" in str(m) for m in terminal.pushed), "a marker is no officer's position"
        await world.act("officer", "operations.duty.end")
        await until(lambda: beta.of("t-x-d-d"), 2.0)
        assert tak.router.last(alpha.uid) is None
        assert relay(world.kernel).positions.place("officer") is None
        heard = len(beta.of("a-f-G-U-C"))
        alpha.report()
        alpha.send(event("t-x-c-t", "ping-2"))
        await until(lambda: len(alpha.of("t-x-c-t-r")) > 1)
        assert len(beta.of("a-f-G-U-C")) == heard
    terminal.leave()


async def test_an_officer_with_another_terminal_is_on_every_device(tak: Field, bridge: Bridge) -> None:
    world = tak.world
    await world.act("officer", "operations.duty.begin", hours=8, informed=True)
    now = world.clock.now_us() // 1000
    async with tak.client("beta", "other-officer") as beta:
        await world.act("officer", "operations.position.report", fixes=[{"lat": 60.17, "lon": 24.945, "at": now}])
        bridge.tell_officers()
        await until(lambda: beta.of("a-f-G-U-C"))
        point = ET.fromstring(beta.of("a-f-G-U-C")[0]).find("point")
        assert point is not None
        assert float(point.get("lat", "0")) == pytest.approx(60.17)
        await world.act("officer", "operations.duty.end")
        bridge.tell_officers()
        await until(lambda: beta.of("t-x-d-d"))


async def test_an_aircraft_is_on_every_device(tak: Field, bridge: Bridge) -> None:
    _order, _mission, _deployment = await tak.world.flying()
    async with tak.client("alpha") as alpha, tak.client("other", "other-officer") as other:
        await until(lambda: alpha.of("a-f-A-M-H-Q") and other.of("a-f-A-M-H-Q"))
        root = ET.fromstring(alpha.of("a-f-A-M-H-Q")[0])
        contact, point = root.find("detail/contact"), root.find("point")
        assert contact is not None
        assert point is not None
        assert contact.get("callsign") == "Drone 1"
        assert float(point.get("lat", "0")) == pytest.approx(60.17, abs=0.05)


async def test_feeds_are_told_to_those_who_may_watch_and_taken_back(tak: Field, bridge: Bridge) -> None:
    feed = Feed("feed-1", "Place", "rtsp://192.0.2.1:8554/1", 60.1, 24.9)
    bridge.feeds = lambda person: [feed] if person == "officer" else []
    for who in ("officer", "other-officer"):
        await tak.world.act(who, "operations.duty.begin", hours=8, informed=True)
    async with tak.client("alpha") as alpha, tak.client("other", "other-officer") as other:
        alpha.report()
        other.report()
        await until(lambda: alpha.of("b-m-p-s-p-loc") and other.heard(alpha.uid))
        video = ET.fromstring(alpha.of("b-m-p-s-p-loc")[0]).find("detail/__video")
        assert video is not None
        assert video.get("url") == feed.url
        assert not other.of("b-m-p-s-p-loc")
        bridge.feeds = lambda _person: []
        bridge.tell_feeds()
        await until(lambda: alpha.heard("feed-1-gone"))
        assert not other.heard("feed-1-gone")
