"""The aircraft's own word beside its video is the truth of its flight."""

from __future__ import annotations

import socket

import pytest
from tests.waiting import PATIENCE_S

from egide.exercise.beacons import Beacons, identification, position
from egide.exercise.drone import Drone
from egide.protocols import mavlink, remoteid


def test_the_autopilot_tells_the_pose(drone: Drone) -> None:
    (frame,) = mavlink.frames(position(drone, 3.0, 300))
    said, true = mavlink.decode(frame), drone.pose(3.0)
    assert isinstance(said, mavlink.GlobalPosition)
    assert (said.lat, said.lon) == (pytest.approx(true.lat, abs=1e-6), pytest.approx(true.lon, abs=1e-6))
    assert said.heading == pytest.approx(true.heading % 360, abs=0.01)
    assert (said.north**2 + said.east**2) ** 0.5 == pytest.approx(drone.flight.speed, abs=0.05)


def test_a_receiver_hears_identity_place_pilot_and_operator(drone: Drone) -> None:
    capture = remoteid.read(identification(drone, 3.0))
    assert [type(message) for message in capture.messages] == [
        remoteid.BasicId, remoteid.Location, remoteid.System, remoteid.OperatorId,
    ]  # fmt: skip
    where, true = capture.messages[1], drone.pose(3.0)
    assert isinstance(where, remoteid.Location)
    assert where.lat == pytest.approx(true.lat, abs=1e-6)


def test_both_are_sent_until_it_falls_silent(drone: Drone) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.settimeout(PATIENCE_S)
        beacons = Beacons(drone, ear.getsockname(), ear.getsockname())
        heard = {ear.recv(4096)[0] for _ in range(4)}
        beacons.close()
    assert heard == {0xFD, 0xF2}
    Beacons(drone, None, None).close()
