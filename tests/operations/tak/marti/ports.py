"""A platform with TAK's ports open on this machine, a plain router, and people who enrol their devices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egide.app import build
from egide.gateways.tak import TakPorts
from egide.kernel.identity import Principal
from egide.operations.tak.ports import Contact, OnEvent
from tests.operations.tak.marti.client import Client
from tests.ports import free_port
from tests.world import World


@dataclass(frozen=True, slots=True)
class Streaming:
    """A client that streams."""

    uid: str
    callsign: str
    groups: frozenset[str]
    team: str = "Cyan"
    role: str = "Team Member"
    takv: str = "ATAK-CIV 5.1"
    heard_ms: int = 0
    device: str = ""


@dataclass(frozen=True, slots=True)
class Raw:
    """An event as it came."""

    raw: bytes


class PlainRouter:
    """A streaming router without sockets: what is published is heard by whoever listens, as from a client."""

    def __init__(self) -> None:
        self.on_event: list[OnEvent] = []
        self.published: list[tuple[bytes, frozenset[str], str]] = []
        self.clients: list[Contact] = []
        self.mission_groups: Callable[[str], frozenset[str]] = lambda _name: frozenset()

    def contacts(self) -> list[Contact]:
        return self.clients

    def publish(self, event: bytes, *, groups: frozenset[str], origin: str = "") -> None:
        self.published.append((event, groups, origin))
        for each in self.on_event:
            each(Raw(event), None)

    def sent_by_client(self, event: bytes, device: str, groups: frozenset[str]) -> None:
        for each in self.on_event:
            each(Raw(event), Streaming(f"uid of {device}", device, groups, device=device))


class TakWorld(World):
    """Start it, enrol devices, stop it."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        ports = {name: free_port() for name in ("tak_marti_port", "tak_enrol_port", "tak_federation_port")}
        super().__init__(folder, **(ports | settings))
        self.clients: list[Client] = []

    async def start(self) -> None:
        self.kernel, self.application = build(self.settings, clock=self.clock, extra=self.extra)
        await self.kernel.start()
        self.router = PlainRouter()
        self.kernel.things["tak"] = self.router  # in the stream's stead
        notices, links = self.kernel.things["tak-data"]
        self.router.on_event += [notices.heard, links.heard]
        self.router.mission_groups = notices.groups
        self.ports = TakPorts(self.kernel)
        await self.ports.start()

    async def stop(self) -> None:
        for client in self.clients:
            if hasattr(client, "https"):
                await client.https.aclose()
        await self.ports.stop()
        await self.kernel.stop()

    async def invited(self, who: str, uid: str, callsign: str = "") -> Client:
        """A device whose person is signed in and holds the package."""
        told = await self.act(who, "operations.tak.enrol", callsign=callsign or f"{who.title()} 1")
        client = Client(
            self.folder.parent / f"client-{len(self.clients)}",
            uid,
            self.settings.tak_enrol_port,
            self.settings.tak_marti_port,
        )
        client.read_package(self.download(self.person(who), told["package"]))
        code = Client(self.folder.parent / f"code-{len(self.clients)}", uid, 0, 0)
        code.read_code(told["url"])
        assert (code.host, code.name, code.token) == (client.host, client.name, client.token)
        self.clients.append(client)
        return client

    async def device(self, who: str, uid: str) -> Client:
        """An enrolled device."""
        client = await self.invited(who, uid)
        await client.enrol()
        return client

    def download(self, who: Principal, url: str) -> bytes:
        """What an address hands out, once."""
        offer = self.kernel.downloads.take(url.rpartition("/")[2], who.id, self.clock.now_us())
        assert offer is not None
        return b"".join(offer.content())
