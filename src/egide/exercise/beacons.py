"""What an aircraft of the exercise says beside its video: its autopilot, and remote identification as a receiver hands it on.

Source: MAVLink common message set; ASTM F3411-22a (a pack every second, as EN 4709-002 asks). Pilot and operator are made up.
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time

from egide.exercise.drone import Drone
from egide.protocols import mavlink, remoteid

MAVLINK_EVERY = 0.2
"""Seconds between two positions of an autopilot."""
PACK_EVERY = 1.0
SYSTEM = 7
OPERATOR = "FIN87exercise123"


class Beacons:
    """Sends to either address, or neither, from the moment it is made until `close`."""

    def __init__(self, drone: Drone, autopilot: tuple[str, int] | None, receiver: tuple[str, int] | None) -> None:
        self._drone, self._autopilot, self._receiver = drone, autopilot, receiver
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        if autopilot or receiver:
            self._thread.start()

    def close(self) -> None:
        """Falls silent."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2)

    def _run(self) -> None:
        number, told = 0, 0.0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not self._stop.is_set():
                t = self._drone.since(time.time_ns() // 1000)
                with contextlib.suppress(OSError):  # nobody listens: lost, as on the air
                    if self._autopilot:
                        out.sendto(position(self._drone, t, number), self._autopilot)
                    if self._receiver and time.monotonic() - told >= PACK_EVERY:
                        told = time.monotonic()
                        out.sendto(identification(self._drone, t), self._receiver)
                number += 1
                self._stop.wait(MAVLINK_EVERY)


def position(drone: Drone, t: float, number: int) -> bytes:
    """The autopilot's frame at ``t`` seconds of flight."""
    pose, speed = drone.pose(t), drone.flight.speed
    heading = math.radians(pose.heading)
    said = mavlink.GlobalPosition(
        int(max(0.0, t) * 1000), pose.lat, pose.lon, pose.alt, pose.alt - drone.flight.tangent.alt, speed * math.cos(heading),
        speed * math.sin(heading), 0.0, pose.heading,
    )  # fmt: skip
    return mavlink.write(mavlink.GLOBAL_POSITION_INT, mavlink.encode_position(said), system=SYSTEM, sequence=number)


def identification(drone: Drone, t: float) -> bytes:
    """The pack at ``t`` seconds of flight; the pilot stands where the flight began."""
    pose, start = drone.pose(t), drone.pose(0.0)
    hour = (drone.takeoff / 1e6 + t) % remoteid.HOUR_S
    height = pose.alt - drone.flight.tangent.alt
    return remoteid.pack([
        remoteid.BasicId(1, 2, drone.tail.replace("-", "")),
        remoteid.Location(2, pose.lat, pose.lon, pose.alt, None, height, 1, pose.heading, drone.flight.speed, 0.0, hour, 10, 4),
        remoteid.System(start.lat, start.lon, 1, 1, 1, 0, None, None, 1, 3, None, int(drone.takeoff / 1e6 + t)),
        remoteid.OperatorId(0, OPERATOR),
    ])  # fmt: skip
