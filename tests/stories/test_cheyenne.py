"""A real flight's telemetry with a real video (../shared/data): every checksum right, its track on the map, and no sound."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import pytest
from playwright.async_api import expect

from egide.exercise.people import Person
from egide.exercise.story import Aircraft, Scene, add, draft
from egide.operations.media.assemble import Assembler
from egide.operations.media.pairing import mux_ts
from egide.operations.media.readers import open_reader
from egide.operations.media.units import KlvUnit, Unit
from egide.protocols import klv
from tests.stories.conftest import Opener
from tests.stories.stage import Stage, metres
from tests.world import INSIDE, Terminal, World

pytestmark = [pytest.mark.anyio, pytest.mark.story]

PACKETS, PICTURES = 407, 377  # what the two files hold (MANIFEST.md)
AROUND_DEG = 0.05  # degrees of room around the flight: the order's perimeter holds all of it
NEAR_M = 60.0  # m from the aircraft on the map to the closest packet of the flight: twice the way between two of them


@dataclass(frozen=True)
class Film:
    """The flight and the video in one file, and where the aircraft was: [(lat, lon)]."""

    file: Path
    places: list[tuple[float, float]]

    def order(self) -> dict[str, Any]:
        """A draft whose perimeter holds the flight."""
        south, north = (pick(lat for lat, _ in self.places) for pick in (min, max))
        west, east = (pick(lon for _, lon in self.places) for pick in (min, max))
        west, south, east, north = west - AROUND_DEG, south - AROUND_DEG, east + AROUND_DEG, north + AROUND_DEG
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        return draft({"type": "Polygon", "coordinates": [ring]})


@pytest.fixture(scope="module")
def film(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Film:
    file = tmp_path_factory.mktemp("film") / "cheyenne.ts"
    written = mux_ts(shared_data / "video" / "car-detection.mp4", shared_data / "klv" / "cheyenne.klv", file)
    assert (written.pictures, written.packets) == (PICTURES, PACKETS)
    frames = [klv.decode(packet) for packet in klv.split((shared_data / "klv" / "cheyenne.klv").read_bytes())]
    places = [(f.sensor_lat, f.sensor_lon) for f in frames if f.sensor_lat is not None and f.sensor_lon is not None]
    return Film(file, places)


def test_every_checksum_is_right(film: Film) -> None:
    reader, assembler = open_reader("file", str(film.file), 5.0), Assembler()
    pictures, packets = 0, []
    while (samples := reader.read()) is not None:
        for sample in samples:
            for unit in assembler.push(sample):
                pictures += isinstance(unit, Unit)
                if isinstance(unit, KlvUnit):
                    packets.append(unit)
    reader.close()
    assert pictures == PICTURES
    assert [p.error for p in packets if p.frame is None] == []
    assert len(packets) == PACKETS
    assert all(klv.decode(p.raw, verify=True).timestamp == p.frame.timestamp for p in packets if p.frame)


async def test_its_track_is_on_the_map(stage: Stage, film: Film, window: Opener) -> None:
    scene = await stage.scene()
    prefect, command = await scene.person("prefect"), await scene.person("command")
    deployment = await put_into_service(film, scene, prefect, command)
    assert deployment
    officer = await window("officer")
    page = officer.page
    await officer.go("/operations")
    await page.locator("[data-source]").filter(has_text="Cheyenne").click()
    await page.get_by_role("button", name="Regarder", exact=True).click()
    await expect(page.locator("[data-video]")).to_have_attribute("data-state", "live")
    room = page.locator("[data-map]")
    track: list[float] = []
    async with asyncio.timeout(20):
        while not track or track[-1] < 8:  # points of the track, each 2 m or more from the last
            track.append(float(await room.get_attribute("data-track") or 0))
            await asyncio.sleep(0.2)
    lat, lon = (float(part) for part in (await room.get_attribute("data-aircraft") or "nan,nan").split(","))
    assert not math.isnan(lat)
    assert min(metres(lat, lon, *place) for place in film.places) < NEAR_M


async def put_into_service(film: Film, scene: Scene, prefect: Person, command: Person) -> str:
    """An order over the flight, a mission, the file as a camera that plays again and again."""
    order = (await prefect.act("orders.draft", **film.order()))["id"]
    await prefect.act("orders.sign", order=order)
    mission = await command.act("operations.mission.open", title="Cheyenne", order=order, roster=["officer"])
    aircraft = Aircraft("Cheyenne", "N-CHEYENNE", str(film.file), film.places[0], {})
    scene.sources["Cheyenne"] = await add(command, aircraft, kind="file", tags=["loop"])
    started = await command.act("operations.camera.start", source=scene.sources["Cheyenne"], mission=mission["id"])
    return str(started["deployment"])


async def test_the_video_as_it_comes_has_sound_and_is_refused(world: World, shared_data: Path) -> None:
    mission = await world.mission(await world.order())
    source = await world.source(url=str(shared_data / "video" / "car-detection.mp4"))
    broken = await world.refused("command", "operations.camera.start", source=source, mission=mission)
    assert broken == ["CSI-242-4-b"]


async def test_without_its_sound_it_plays(world: World, shared_data: Path, tmp_path: Path) -> None:
    quiet = tmp_path / "quiet.mp4"
    without_sound(shared_data / "video" / "car-detection.mp4", quiet)
    mission = await world.mission(await world.order())
    source = await world.source(url=str(quiet), lat=INSIDE[0], lon=INSIDE[1])
    started = await world.act("command", "operations.camera.start", source=source, mission=mission)
    terminal = Terminal(world.person("officer"))
    await world.act("officer", "operations.watch.open", terminal, deployment=started["deployment"])
    await world.until(lambda: sum(frame[0] == 2 for frame in terminal.frames) > 10)


def without_sound(original: Path, copy: Path) -> None:
    """The same pictures, not coded again, in a file without a sound track."""
    with av.open(str(original)) as read, av.open(str(copy), "w") as write:
        video = read.streams.video[0]
        written = write.add_stream_from_template(video)
        for packet in read.demux(video):
            if packet.dts is not None:
                packet.stream = written
                write.mux(packet)
