"""Positions beside the video: an autopilot's and receivers'; impossible ones refused; nobody identified without a motive."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.kernel.errors import BadInput, Conflict, NotFound
from egide.operations import signals
from egide.operations.media.source import SourceSpec
from egide.operations.relay import relay
from egide.operations.signals import Signals
from egide.operations.telemetry import Autopilot, mavlink_of
from egide.protocols import remoteid
from egide.protocols.mavlink.frame import checksum
from egide.protocols.mavlink.messages import LAYOUTS
from tests.footage import footage
from tests.ports import free_port
from tests.world import INSIDE, OUTSIDE, World

pytestmark = pytest.mark.anyio
FUZZ = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "300")), deadline=None)
NOW = 1_790_000_000_000_000
PILOT = (60.168, 24.94)


def mavlink(lat: float, lon: float, *, system: int = 7, heading: int = 9000) -> bytes:
    """A GLOBAL_POSITION_INT in MAVLink 2."""
    payload = LAYOUTS[33].unpack.pack(1, round(lat * 1e7), round(lon * 1e7), 85_000, 60_000, 0, 0, 0, heading)
    head = bytes((len(payload), 0, 0, 1, system, 1)) + (33).to_bytes(3, "little")
    return b"\xfd" + head + payload + checksum(b"\x68", checksum(head + payload)).to_bytes(2, "little")


def broadcast(lat: float, lon: float, *, serial: str = "1581F4BND2231001", hour_s: float | None = None) -> bytes:
    """A pack as a receiver hands it on."""
    hour = time.time() % 3600 if hour_s is None else hour_s
    return remoteid.pack(
        [
            remoteid.BasicId(1, 2, serial),
            remoteid.Location(2, lat, lon, 85.0, 80.0, 60.0, 0, 270.0, 5.0, 0.0, hour, 10, 4),
            remoteid.System(*PILOT, 1, 1, 1, 0, None, None, 1, 3, 12.0, 1_790_000_000),
            remoteid.OperatorId(0, "FRA87astrdge12k8"),
            remoteid.SelfId(0, "Mariage"),
        ]
    )


class Board:
    """Stands for the positions' wire."""

    def __init__(self) -> None:
        self.places: dict[int, tuple[float, float, float]] = {}
        self.names: dict[str, str] = {}
        self.dropped: list[str] = []

    def number(self, id_: str, name: str, kind: str) -> int:
        self.names[id_] = name
        return int(id_.rpartition("-")[2])

    def put(self, number: int, lat: float, lon: float, heading: float) -> None:
        self.places[number] = (round(lat, 5), round(lon, 5), heading)

    def drop(self, id_: str) -> None:
        self.dropped.append(id_)


def send(port: int, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for datagram in datagrams:
            sock.sendto(datagram, ("127.0.0.1", port))


# ── The autopilot ──


@pytest.mark.parametrize(
    ("tags", "found"),
    [([], None), (["loop"], None), (["mavlink:14550"], (14550, 0)), (["loop", "mavlink:14550:7"], (14550, 7))],
)
def test_one_tag_is_the_configuration(tags: list[str], found: tuple[int, int] | None) -> None:
    assert mavlink_of(tags) == found


@pytest.mark.parametrize("tag", ["mavlink", "mavlink:", "mavlink:0", "mavlink:70000", "mavlink:14550:300", "mavlink:x"])
def test_a_tag_that_is_none(tag: str) -> None:
    with pytest.raises(ValueError, match="mavlink"):
        mavlink_of([tag])


def test_one_autopilot_is_listened_to_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[float, float, float]] = []
    pilot = Autopilot(0, lambda *place: said.append(place))
    pilot.take(mavlink(60.17, 24.94, system=7), None)
    pilot.take(mavlink(60.18, 24.95, system=9), None)
    assert [place[:2] for place in said] == [(60.17, 24.94)], "the second system is not this aircraft"
    pilot.heard -= 10
    pilot.take(mavlink(60.171, 24.94, system=9), None)
    assert said[-1] == (60.171, 24.94, 90.0)
    own = Autopilot(7, lambda *place: said.append(place))
    own.take(mavlink(60.2, 24.9, system=9), None)
    assert len(said) == 2


async def test_an_autopilot_feeds_the_map_and_the_perimeter_of_a_silent_video(world: World) -> None:
    port = free_port()
    clip = footage(world.folder.parent, at=INSIDE, audio=False)
    stripped = world.folder.parent / "stripped.ts"
    stripped.write_bytes(
        clip.read_bytes().replace(b"\x06\x0e\x2b\x34\x02\x0b\x01\x01", b"\x06\x0e\x2b\x34\x00\x00\x00\x00")
    )
    source = await world.source(url=str(stripped), tags=(f"mavlink:{port}:7",))
    mission = await world.mission(await world.order())
    started = await world.act("command", "operations.camera.start", source=source, mission=mission)
    state = relay(world.kernel).state(source)
    await world.until(lambda: relay(world.kernel).telemetry.listening(source))
    send(port, mavlink(*INSIDE))
    await world.until(lambda: state.place == INSIDE)
    assert state.heard_us == 0, "the video says nothing of its place"
    for step in range(40):  # it flies off, at a pace an aircraft can
        here = (INSIDE[0] + (OUTSIDE[0] - INSIDE[0]) * step / 39, INSIDE[1] + (OUTSIDE[1] - INSIDE[1]) * step / 39)
        send(port, mavlink(*here))
    await world.until(lambda: state.place is not None and abs(state.place[0] - OUTSIDE[0]) < 0.01)
    assert "CSI-242-5-IV-perimeter" in await world.refused(
        "officer", "operations.watch.open", _terminal(world), deployment=started["deployment"]
    )
    send(port, mavlink(0.0, 0.0), mavlink(0.0, 0.0, system=8))
    await world.until(lambda: relay(world.kernel).telemetry.refused(source).get("off-earth") == 1)
    checked = await world.act("command", "operations.source.check", source=source)
    assert checked["refused"]["off-earth"] == 1


def _terminal(world: World) -> Any:
    from tests.world import Terminal

    return Terminal(world.person("officer"))


async def test_the_video_own_telemetry_comes_first(world: World) -> None:
    port = free_port()
    source = await world.source(tags=(f"mavlink:{port}",))
    mission = await world.mission(await world.order())
    await world.act("command", "operations.camera.start", source=source, mission=mission)
    state = relay(world.kernel).state(source)
    await world.until(lambda: state.heard_us > 0 and relay(world.kernel).telemetry.listening(source))
    send(port, mavlink(INSIDE[0] + 0.001, INSIDE[1]))
    await world.until(lambda: relay(world.kernel).telemetry.autopilots[source].counts.frames > 0)
    assert state.place is not None
    assert abs(state.place[0] - INSIDE[0]) < 0.0005


# ── Remote identification ──


@pytest.fixture
async def heard(world: World) -> tuple[World, int, str]:
    """A receiver that hears one aircraft: (world, port, the aircraft's id)."""
    port = free_port()
    added = await world.act(
        "command", "operations.source.add", name="Récepteur", kind="remoteid", url=f"udp://127.0.0.1:{port}"
    )
    await world.until(lambda: relay(world.kernel).telemetry.listening(added["id"]))
    send(port, broadcast(*INSIDE))
    found = relay(world.kernel).telemetry.signals
    await world.until(lambda: len(found.drones()) == 1)
    return world, port, found.drones()[0].id


async def test_a_stranger_is_on_the_map_without_a_name_and_identified_for_a_motive(
    heard: tuple[World, int, str], caplog: pytest.LogCaptureFixture
) -> None:
    world, _port, drone = heard
    listed = await world.act("officer", "operations.drone.list")
    assert [each["name"] for each in listed["drones"]] == ["Signal 1"]
    assert listed["drones"][0]["current"]
    assert "FRA87" not in repr(listed)
    assert "1581F" not in repr(listed)
    assert "60.168" not in repr(listed)
    found = await world.act(
        "officer", "operations.drone.identify", drone=drone, motive="Survol du marché, danger pour la foule"
    )
    assert (found["serial"], found["operator"], found["words"]) == ("1581F4BND2231001", "FRA87astrdge12k8", "Mariage")
    assert found["pilot"] == {"lat": PILOT[0], "lon": PILOT[1]}
    assert found["takeoff"] is None
    assert "FRA87" not in caplog.text


async def test_one_of_ours_is_told_and_one_elsewhere_is_not_taken_for_it(heard: tuple[World, int, str]) -> None:
    world, _port, _drone = heard
    assert (await world.act("officer", "operations.drone.list"))["drones"][0]["own"] is None
    for registration in ("", "15", "1581f-4BND 2231001"):
        source = await world.source(name="Le nôtre", aircraft=registration)
    told = (await world.act("officer", "operations.drone.list"))["drones"][0]["own"]
    assert told == {"source": source, "name": "Le nôtre", "near": None}
    state = relay(world.kernel).state(source)
    for place, near in ((INSIDE, True), ((INSIDE[0] + 0.01, INSIDE[1]), False)):
        state.place = place
        assert (await world.act("officer", "operations.drone.list"))["drones"][0]["own"]["near"] is near


async def test_nobody_is_identified_out_of_curiosity_or_for_an_unlisted_purpose(heard: tuple[World, int, str]) -> None:
    world, _port, drone = heard
    assert await world.refused("officer", "operations.drone.identify", drone=drone, motive="bof") == ["RID-motive"]
    assert "LED-4-1-b" in await world.refused(
        "officer", "operations.drone.identify", drone=drone, motive="Savoir qui habite là-bas", purpose="curiosity"
    )


async def test_what_fell_silent_is_not_identified_and_then_forgotten(
    heard: tuple[World, int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, _port, drone = heard
    known = relay(world.kernel).telemetry.signals.find(drone)
    assert known is not None
    known.heard -= signals.CURRENT_S + 1
    motive = "Survol du marché, danger pour la foule"
    assert await world.refused("officer", "operations.drone.identify", drone=drone, motive=motive) == ["RID-current"]
    known.heard -= signals.FORGET_S
    assert await world.refused("officer", "operations.drone.identify", drone=drone, motive=motive) == ["RID-current"]
    assert (await world.act("officer", "operations.drone.list"))["drones"] == []


async def test_a_receiver_is_no_camera_and_ends_with_its_declaration(heard: tuple[World, int, str]) -> None:
    world, port, _drone = heard
    source = next(
        s["id"] for s in (await world.act("command", "operations.picture"))["sources"] if s["kind"] == "remoteid"
    )
    mission = await world.mission(await world.order())
    with pytest.raises(Conflict):
        await world.act("command", "operations.camera.start", source=source, mission=mission)
    checked = await world.act("command", "operations.source.check", source=source)
    assert checked["state"] == "receiving"
    await world.act("command", "operations.source.remove", source=source)
    await world.until(lambda: not relay(world.kernel).telemetry.listening(source))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", port))
    with pytest.raises(BadInput):
        await world.act("command", "operations.source.add", name="R", kind="remoteid", url="http://x")
    with pytest.raises(NotFound):
        await world.act("command", "operations.source.check", source="none")


async def test_a_receiver_listens_again_after_a_restart(heard: tuple[World, int, str]) -> None:
    world, port, _drone = heard
    await world.stop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rival:
        rival.bind(("127.0.0.1", port))
        await world.start()
        source = next(
            s["id"] for s in (await world.act("command", "operations.picture"))["sources"] if s["kind"] == "remoteid"
        )
        await world.until(lambda: relay(world.kernel).telemetry.problem(source) is not None)
        checked = await world.act("command", "operations.source.check", source=source)
        assert checked["state"] == "failed"
        assert str(port) in checked["detail"]["en"]
    await world.until(lambda: relay(world.kernel).telemetry.listening(source))
    send(port, broadcast(*INSIDE))
    await world.until(lambda: len(relay(world.kernel).telemetry.signals.drones()) == 1)


def test_impossible_places_of_strangers_are_counted_and_not_shown() -> None:
    board = Board()
    heard = Signals(board)  # type: ignore[arg-type]
    heard.take(broadcast(*INSIDE), "r")
    heard.take(broadcast(40.0, 24.9), "r")
    heard.take(broadcast(60.171, 24.945, hour_s=(time.time() + 600) % 3600), "r")
    heard.take(broadcast(-120.0, 24.9), "r")
    heard.take(b"noise", "r")
    assert board.places == {1: (60.17, 24.945, 270.0)}
    assert dict(heard.refused) == {"jump": 1, "future": 1, "off-earth": 1, "unreadable": 1}


def test_single_messages_belong_to_whoever_named_itself_last_or_to_the_radio_address() -> None:
    board = Board()
    heard = Signals(board)  # type: ignore[arg-type]
    where = remoteid.Location(2, *INSIDE, 85.0, 80.0, 60.0, 0, 0.0, 5.0, 0.0, None, 10, 4)
    heard.take(remoteid.encode(remoteid.BasicId(1, 2, "AAA1")), ("r", 1))
    heard.take(remoteid.encode(where), ("r", 1))
    for address in (b"\x01" * 6, b"\x02" * 6):
        heard.take(address + remoteid.encode(where), ("r", 2))
        heard.take(address + remoteid.encode(remoteid.OperatorId(0, f"OP{address[0]}")), ("r", 2))
    found = heard.drones()
    assert [drone.basic.get(1) is not None for drone in found] == [True, False, False]
    assert [drone.operator.operator_id if drone.operator else "" for drone in found] == ["", "OP1", "OP2"]
    assert len(board.places) == 3


def test_the_french_signal_and_mavlink_of_a_receiver_are_heard_too() -> None:
    board = Board()
    heard = Signals(board)  # type: ignore[arg-type]
    french = remoteid.FrenchSignal(
        "ILLDEMO00000000000000000000001", "", 48.8566, 2.3522, 95.0, 60.0, 48.855, 2.351, 7.0, 90.0
    )
    heard.take(remoteid.encode_signal(french), "r")
    payload = LAYOUTS[12905].unpack.pack(0, 0, b"\x0a" * 6, 0, b"FRA1")
    head = bytes((len(payload), 0, 0, 1, 1, 1)) + (12905).to_bytes(3, "little")
    heard.take(b"\xfd" + head + payload + checksum(b"\x31", checksum(head + payload)).to_bytes(2, "little"), "r")
    first, second = heard.drones()
    assert first.french == french
    assert board.places[1] == (48.8566, 2.3522, 90.0)
    assert second.operator is not None
    assert second.operator.operator_id == "FRA1"


def test_a_flood_of_strangers_is_bounded() -> None:
    board = Board()
    heard = Signals(board)  # type: ignore[arg-type]
    for number in range(signals.MAX_DRONES + 50):
        heard.take(broadcast(*INSIDE, serial=f"S{number}"), "r")
    assert len(heard.drones()) == signals.MAX_DRONES
    assert heard.refused["too-many"] == 50
    for drone in heard.drones():
        drone.heard -= signals.FORGET_S + 1
    assert heard.drones() == []
    assert len(board.dropped) == signals.MAX_DRONES
    heard.take(broadcast(*INSIDE), "r")
    assert heard.drones()[0].name == f"Signal {signals.MAX_DRONES + 1}", "names are not used twice"


@FUZZ
@given(st.lists(st.binary(max_size=280), max_size=8))
def test_any_datagrams_are_survived(datagrams: list[bytes]) -> None:
    heard = Signals(Board())  # type: ignore[arg-type]
    pilot = Autopilot(0, lambda *_place: None)
    for datagram in datagrams:
        heard.take(datagram, "r")
        pilot.take(datagram, "r")


def test_a_source_carries_its_autopilot() -> None:
    assert SourceSpec("s", "udp", "udp://:5600").mavlink is None
