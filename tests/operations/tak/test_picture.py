"""Officers' devices on the shared map, the platform's aircraft and feeds on the devices."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest

from egide.operations.relay import relay
from egide.operations.tak.picture import Bridge, Feed
from tests.operations.tak.field import Field, event, until
from tests.world import Terminal

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bridge(tak: Field) -> Any:
    made = Bridge(tak.world.kernel, tak.router)
    made.start()
    yield made
    await made.stop()


def places(terminal: Terminal, name: str) -> list[dict[str, Any]]:
    return [e for m in terminal.pushed if m.get("push") == "entities" for e in m["entities"] if e["name"] == name]


async def test_a_device_is_on_the_map_until_it_is_stale(tak: Field, bridge: Bridge) -> None:
    terminal = Terminal(tak.world.person("command"))
    await tak.world.act("command", "operations.track.subscribe", terminal)
    async with tak.client("alpha") as alpha:
        alpha.report(detail='<track speed="1" course="450"/>')
        await until(lambda: places(terminal, "ALPHA"))
        assert places(terminal, "ALPHA")[0]["kind"] == "officer"
        positions = relay(tak.world.kernel).positions
        await until(lambda: any(frame[0] == 4 for frame in terminal.frames))
        number = places(terminal, "ALPHA")[0]["number"]
        await until(lambda: number in positions._latest)
        alpha.send(event("a-h-G", "enemy"))
        alpha.send(event("t-x-c-t", "ping"))
        await until(lambda: alpha.of("t-x-c-t-r"))
        assert not any("enemy" in str(m) for m in terminal.pushed), "a marker is no officer's position"
        tak.router._now_ms = lambda: tak.server.now_ms() + 3_600_000
        tak.router.sweep()
        assert number not in positions._latest
    terminal.leave()


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
