"""An ONVIF camera of the exercise: found, added, watched, turned — and only by who may look through it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import numpy as np
import pytest
from shapely.geometry import box

from egide.exercise.drone import Drone
from egide.exercise.flight import circuit
from egide.exercise.ground import blank_ground
from egide.exercise.onvif import PROFILE, OnvifCamera
from egide.exercise.rtsp import RtspServer
from egide.exercise.town import GROUND_ALT, Town
from egide.kernel.errors import BadInput, Conflict
from egide.operations import steering
from egide.operations.hands import HOLD_S, TURNED, Hands
from egide.operations.media.errors import SourceError, source_error
from egide.operations.media.onvif import Camera, discover, interfaces
from egide.protocols.onvif import Match
from egide.protocols.safexml import MAX_BYTES
from tests.world import INSIDE, Terminal, World

pytestmark = pytest.mark.anyio
PASSWORD = "s3same & co"


@pytest.fixture
async def stream() -> AsyncIterator[str]:
    """The exercise's second aircraft, served by RTSP."""
    area = box(24.940, 60.168, 24.949, 60.1725)
    town = Town(area.bounds, (), (), np.array([[24.9425, 60.1712]]))
    drone = Drone(
        "Dome",
        "F-ZEG2",
        circuit(area, ground_alt=GROUND_ALT),
        blank_ground(town),
        town,
        size=(320, 180),
        fps=15,
        traffic=False,
    )
    server, stop = RtspServer(drone, bitrate=300_000), asyncio.Event()
    await server.start(port=0)
    flying = asyncio.create_task(server.run(stop))
    yield f"rtsp://192.0.2.9:{server.port}/second"  # a camera often names itself by an address that is not how one reaches it
    stop.set()
    await flying
    await server.close()


@pytest.fixture
async def dome(stream: str) -> AsyncIterator[OnvifCamera]:
    camera = OnvifCamera(stream, user="chef", password=PASSWORD, clock_off=timedelta(hours=-5))
    camera.start()
    yield camera
    await asyncio.to_thread(camera.close)


@pytest.fixture
def plain() -> Iterator[OnvifCamera]:
    """A camera without pictures, for what needs none."""
    camera = OnvifCamera("rtsp://127.0.0.1:9/x", user="chef", password=PASSWORD)
    camera.start(discoverable=False)
    yield camera
    camera.close()


def url(camera: OnvifCamera, user: str = "chef:s3same%20%26%20co@") -> str:
    return f"onvif://{user}127.0.0.1:{camera.port}"


async def test_found_added_watched_and_turned(world: World, dome: OnvifCamera) -> None:
    found = await world.act("command", "operations.source.discover", interface="127.0.0.1")
    mine = [each for each in found["cameras"] if each["url"] == f"onvif://127.0.0.1:{dome.port}"]
    assert [(each["name"], each["hardware"], each["known"]) for each in mine] == [("Exercise dome", "EX-1", False)]

    source = await world.source(name="Dôme", kind="onvif", url=url(dome), tags=(), lat=INSIDE[0], lon=INSIDE[1])
    mission = await world.mission(await world.order())
    deployment = (await world.act("command", "operations.camera.start", source=source, mission=mission))["deployment"]
    terminal = Terminal(world.person("officer"))
    await world.act("officer", "operations.watch.open", terminal, deployment=deployment)
    await world.until(lambda: sum(frame[0] == 2 for frame in terminal.frames) > 5)

    await world.act("officer", "operations.camera.move", deployment=deployment, pan=0.5, tilt=-0.2, seconds=2.0)
    assert dome.head.moving
    await asyncio.sleep(0.2)
    await world.act("officer", "operations.camera.move", deployment=deployment)
    assert not dome.head.moving
    assert dome.head.pan > 0
    assert dome.head.tilt < 0
    await world.act("officer", "operations.camera.move", deployment=deployment, preset="gate")
    assert (dome.head.pan, dome.head.tilt) == (0.5, -0.25)

    with pytest.raises(Conflict, match="is turning this camera"):
        await world.act("command", "operations.camera.move", deployment=deployment, pan=-1.0)
    world.move(seconds=HOLD_S + 0.1)
    await world.act("command", "operations.camera.move", deployment=deployment)
    with pytest.raises(Conflict, match="is turning this camera"):
        await world.act("officer", "operations.camera.move", deployment=deployment, pan=0.1)
    world.move(seconds=HOLD_S + 0.1)

    assert "CSI-242-2" in await world.refused("other-officer", "operations.camera.move", deployment=deployment, pan=1.0)
    assert dome.head.pan == 0.5, "who may not look may not turn"
    with pytest.raises(BadInput):
        await world.act("officer", "operations.camera.move", deployment=deployment, pan=3.0)
    with pytest.raises(Conflict):
        await world.act("officer", "operations.camera.move", deployment=deployment, preset="nowhere")
    assert not any(PASSWORD.encode() in request for request in dome.requests)
    again = await world.act("command", "operations.source.discover", interface="127.0.0.1")
    assert next(each for each in again["cameras"] if each["url"].endswith(f":{dome.port}"))["known"]


async def test_another_kind_of_camera_is_not_turned_and_no_interface_is_said(world: World) -> None:
    _order, _mission, deployment = await world.flying()
    with pytest.raises(Conflict, match="not turned"):
        await world.act("officer", "operations.camera.move", deployment=deployment, pan=0.1)
    with pytest.raises(Conflict, match="interface"):
        await world.act("command", "operations.source.discover", interface="192.0.2.1")


async def test_every_interface_is_asked_where_none_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(interface: str, _seconds: float) -> list[tuple[str, Match]]:
        asked.append(interface)
        if interface == "192.0.2.1":
            raise source_error("interface")
        return [("onvif://127.0.0.1:8000", Match("http://127.0.0.1:8000/", "Dome", "EX-1", ""))]

    assert "127.0.0.1" in interfaces()
    monkeypatch.setattr(steering, "interfaces", lambda: ["192.0.2.1", "127.0.0.1", "127.0.0.2"])
    monkeypatch.setattr(steering, "discover", answer)
    found = await world.act("command", "operations.source.discover")
    assert sorted(asked) == ["127.0.0.1", "127.0.0.2", "192.0.2.1"]
    assert [each["name"] for each in found["cameras"]] == ["Dome"], "one camera on two networks is one"


async def test_another_process_says_who_turns_a_camera(world: World) -> None:
    hands: Hands = world.kernel.things["hands"]
    hands.heard("camera.started", {"deployment": "d"})
    hands.heard(TURNED, {"deployment": "d", "person": "officer", "until": 10})
    hands.free("d", "officer", 5)
    hands.free("d", "command", 10)
    with pytest.raises(Conflict):
        hands.take("d", "command", 5, 20)
    hands.take("d", "command", 10, 20)
    with pytest.raises(Conflict):
        hands.free("d", "officer", 19)


def test_a_key_frame_is_asked_for_and_a_wrong_pass_word_told(plain: OnvifCamera) -> None:
    Camera(url(plain)).key_frame()
    assert plain.head.key_frames == 1
    assert [profile.token for profile in Camera(url(plain)).profiles()] == ["jpeg", PROFILE]
    with pytest.raises(SourceError) as caught:
        Camera(url(plain, "chef:wrong@")).profiles()
    assert caught.value.code == "refused"
    with pytest.raises(SourceError) as caught:
        Camera(url(plain) + "/?profile=jpeg").move(1, 0, 0, 1)
    assert caught.value.code == "no_move"
    assert Camera(url(plain)).stream() == "rtsp://chef:s3same%20%26%20co@127.0.0.1:9/x"


def test_a_move_ends_by_itself(plain: OnvifCamera) -> None:
    Camera(url(plain)).move(1, 0, 0, 0.2)
    assert plain.head.moving
    time.sleep(0.25)
    assert not plain.head.moving


@pytest.mark.parametrize(
    "address", ["onvif://", "http://h", "onvif://h/x", "onvif://h?x=1", "onvif://h:99999", "onvif://[x"]
)
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(SourceError) as caught:
        Camera(address)
    assert caught.value.code == "address"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno", "onvif"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "refused"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<a/>\n", "onvif"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (MAX_BYTES + 1), "hostile"),
        (b"SSH-2.0-OpenSSH_9\r\n", "unreachable"),
        (b"", "unreachable"),
    ],
)
def test_what_is_no_camera(answer: bytes, code: str) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                asked = b""
                while b"</s:Envelope>" not in asked:
                    asked += connection.recv(65_536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(SourceError) as caught:
            Camera(f"onvif://127.0.0.1:{server.getsockname()[1]}", 2).profiles()
        thread.join()
    assert caught.value.code == code


def test_discovery_takes_the_host_that_answered_and_survives_noise(plain: OnvifCamera) -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar:
        liar.bind(("127.0.0.1", 0))

        def answer() -> None:
            data, asker = liar.recvfrom(65_536)
            question = data.split(b"uuid:", 1)[1].split(b"<", 1)[0]
            liar.sendto(b"noise", asker)
            told = plain._match(f"uuid:{question.decode()}", "203.0.113.7")
            liar.sendto(told, asker)

        thread = threading.Thread(target=answer)
        thread.start()
        found = discover("127.0.0.1", 0.5, liar.getsockname())
        thread.join()
    assert [address for address, _match in found] == [f"onvif://127.0.0.1:{plain.port}"]
