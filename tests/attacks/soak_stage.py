"""What the soak is played on: a real platform, order and mission, who takes part and with what, all made by acts over HTTP."""

from __future__ import annotations

import asyncio
import base64
import itertools
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509

from egide.bench.platform import INSIDE, SQUARE, Platform, platform
from egide.exercise.people import Person, PersonError
from egide.exercise.story import draft
from tests.attacks.soak_clients import Client, Follower, Patrol, Terminal, Writer
from tests.attacks.soak_links import CallingCamera, FfmpegCamera, RtspCamera, TcpCamera
from tests.attacks.soak_players import Device, Player, Viewer, Watcher
from tests.attacks.soak_sources import Beacon, Camera, PilotedCamera, ProcessCamera, Receiver, Source, UdpCamera, clip
from tests.operations.tak.marti.client import Client as Enrolling
from tests.operations.tak.marti.client import request
from tests.ports import free_port

TRIES = 3  # of putting a camera into service: its sender may just be calling again
SECOND = "other-officer"  # whose right to look is taken and given again; the others are the officer's or command's


@dataclass(frozen=True)
class Crowd:
    """How many of each take part."""

    cameras: tuple[str, ...]
    receivers: int
    telling: int
    viewers: int
    fmp4: int
    players: int
    hearing: int
    followers: int
    writers: int
    patrols: int = 1


@dataclass
class Stage:
    """The platform and everybody on it."""

    one: Platform
    crowd: Crowd
    ports: dict[str, int]
    cameras: list[Camera] = field(default_factory=list)
    beacons: list[Beacon] = field(default_factory=list)
    clients: list[Client] = field(default_factory=list)
    mission: str = ""

    @property
    def sources(self) -> list[Source | Client]:
        """Whoever sends."""
        telling = [
            each for each in self.clients if isinstance(each, Patrol) or (isinstance(each, Device) and each.tells)
        ]
        return [*self.cameras, *self.beacons, *telling]

    @property
    def watchers(self) -> list[Watcher]:
        """Whoever looks through a camera."""
        return [each for each in self.clients if isinstance(each, Watcher)]

    async def person(self, persona: str) -> Person:
        """Somebody with a session."""
        person = Person(self.one.origin, persona)
        await person.enter()
        return person

    async def set(self, folder: Path) -> None:
        """The order is signed, the mission open, everybody on duty and enrolled; no camera is in service yet."""
        prefect, self.command = await self.person("prefect"), await self.person("command")
        order = await prefect.act("orders.draft", **draft(SQUARE, cap=len(self.crowd.cameras)))
        await prefect.act("orders.sign", order=order["id"])
        personas = ("officer", SECOND, "command")
        opened = await self.command.act(
            "operations.mission.open", title="Endurance", order=order["id"], roster=list(personas)
        )
        self.mission = opened["id"]
        people = [await self.person(persona) for persona in personas]
        for person in people:
            await person.act("operations.duty.begin", hours=4, informed=True)
        self._aircraft(folder)
        await self._devices(folder, people)
        self._terminals()

    def _aircraft(self, folder: Path) -> None:
        pictures, number = clip(), itertools.count()
        kinds = {
            "udp": UdpCamera,
            "piloted": PilotedCamera,
            "tcp": TcpCamera,
            "calling": CallingCamera,
            "rtsp": RtspCamera,
        }
        for kind in self.crowd.cameras:
            at = next(number)
            given = (f"{kind} {at}", at, pictures)
            if kind in ("srt", "rtmp"):
                if shutil.which("ffmpeg") is not None:
                    self.cameras.append(FfmpegCamera(*given, kind=kind))
            elif kind == "process":
                self.cameras.append(ProcessCamera(*given, folder=folder))
            else:
                self.cameras.append(kinds[kind](*given))
        self.beacons += [camera.pilot for camera in self.cameras if isinstance(camera, PilotedCamera)]
        self.beacons += [Receiver(f"receiver {at}", at) for at in range(self.crowd.receivers)]

    async def _devices(self, folder: Path, people: list[Person]) -> None:
        """Enrolled as ATAK enrols: a token by an act, with it a certificate."""
        for number in range(self.crowd.telling + self.crowd.hearing):
            person = people[number % len(people)]
            told = await person.act("operations.tak.enrol", callsign=f"Soak {number}")
            client = Enrolling(
                folder / f"device-{number}", f"BENCH-{number * 10:06d}", self.ports["tak_enrol_port"], self.ports["tak_marti_port"]
            )  # fmt: skip
            client.read_package(await asyncio.to_thread(person.fetch, told["package"]))
            await certify(client)
            tells = number < self.crowd.telling
            name = f"device {number} of {person.persona}"
            self.clients.append(Device(name, number, self.ports["tak_port"], client.trust, tells=tells))

    def _terminals(self) -> None:
        crowd, origin = self.crowd, self.one.origin
        turn = itertools.cycle(("officer", SECOND, "command"))

        def who() -> Person:
            return Person(origin, next(turn))

        made: list[Terminal | Player] = [Viewer(f"console {n}", who(), "units") for n in range(crowd.viewers)]
        made += [Viewer(f"fMP4 console {n}", who(), "fmp4") for n in range(crowd.fmp4)]
        made += [Player(f"player {n}", who()) for n in range(crowd.players)]
        made += [Follower(f"map {n}", who()) for n in range(crowd.followers)]
        made += [Patrol(f"patrol {n}", Person(origin, "officer")) for n in range(crowd.patrols)]
        for n in range(crowd.writers):
            writer = Writer(f"terminal {n}", Person(origin, "officer"))
            writer.mission = self.mission
            made.append(writer)
        self.clients += made

    # -- acts while it runs -----------------------------------------------------------------------------------------------

    async def declare(self, receiver: Receiver) -> None:
        """The platform listens to a receiver from now on."""
        given = {"name": receiver.name, "kind": "remoteid", "url": f"udp://127.0.0.1:{receiver.port}"}
        receiver.source = (await self.command.act("operations.source.add", **given))["id"]

    async def start(self, camera: Camera) -> None:
        """A camera is declared and put into service; it must be sending. Raises PersonError."""
        added = await self.command.act(
            "operations.source.add", name=camera.name, kind=camera.kind, url=camera.url, aircraft=f"F-S{camera.number:03d}",
            pilot="Télépilote", lat=INSIDE[0], lon=INSIDE[1], tags=list(camera.tags),
        )  # fmt: skip
        camera.source = added["id"]
        for left in reversed(range(TRIES)):
            try:
                started = await self.command.act("operations.camera.start", source=camera.source, mission=self.mission)
            except PersonError:
                if not left:
                    raise
            else:
                break
        camera.in_service(started["deployment"])

    async def stop(self, camera: Camera) -> None:
        """A camera is taken out of service and forgotten."""
        deployment = camera.out_of_service()
        await self.command.act("operations.camera.stop", deployment=deployment, reason="Relève")
        await self.command.act("operations.source.remove", source=camera.source)

    async def roster(self, *, second: bool) -> None:
        """The second officer may look, or may not."""
        change = {"add" if second else "remove": [SECOND]}
        await self.command.act("operations.roster.change", mission=self.mission, **change)


async def certify(client: Enrolling) -> None:
    """The certificate alone: the enrolment port answers so many requests of one address a minute, and all of ours are of one."""
    async with client.enrolling() as https:
        signed = await https.post(
            "/Marti/api/tls/signClient/v2", content=request(client.key), params={"clientUid": client.uid},
            headers={"accept": "application/json"},
        )  # fmt: skip
        assert signed.status_code == 200, signed.text
        client.certificate = x509.load_der_x509_certificate(base64.b64decode(signed.json()["signedCert"]))
    client.connect()
    await client.https.aclose()


@contextmanager
def stage(folder: Path, crowd: Crowd) -> Iterator[Stage]:
    """A platform with room for all of them."""
    ports = {name: free_port() for name in ("tak_port", "tak_enrol_port", "tak_marti_port", "rtsp_port")}
    settings = {name: str(port) for name, port in ports.items()} | {"department_cap": "100"}
    with platform(folder / "data", settings=settings, entities=1, feeder="tests.attacks.soaked") as one:
        yield Stage(one, crowd, ports)
