"""Houses that share a consortium's chain: their folders and keys, and the authorities beside a platform."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO
from pathlib import Path

from rich.console import Console

from egide.app import chain
from egide.border.keys import CONSORTIUM
from egide.gateways import authority_cli
from egide.gateways.consortium import Connected
from egide.gateways.consortium_files import OfChain, draw_key, given, line_of
from egide.gateways.consortium_machines import OwnChain
from egide.kernel.settings import Settings
from tests.border.airport import Airport
from tests.ports import free_port

NAMES = ("PAF", "airport", "airline", "CNIL")
MINUTE = 61  # s: a member lists one key a minute


def founded(place: Path, count: int) -> list[Settings]:
    """So many members' folders with their keys, the same genesis, and one another's addresses; the first is `data`."""
    folders = [place / "data", *(place / name for name in NAMES[1:count])]
    lines = [line_of(name, draw_key(folder)) for name, folder in zip(NAMES, folders, strict=False)]
    authority_cli.genesis(lines, place / "genesis.json", Console(file=StringIO()))
    listens = {name: f"127.0.0.1:{free_port()}" for name in NAMES[:count]}
    made = []
    for name, folder in zip(NAMES, folders, strict=False):
        (folder / "genesis.json").write_bytes((place / "genesis.json").read_bytes())
        peers = {other: where for other, where in listens.items() if other != name}
        more = {"consortium_listen": listens[name], "consortium_peers": peers}
        made.append(Settings(data=str(folder), consortium="genesis.json", **more))
    return made


def airport_of(settings: Settings) -> Airport:
    names = ("consortium", "consortium_listen", "consortium_peers")
    return Airport(settings.folder, **{name: getattr(settings, name) for name in names})


def ledger_of(airport: Airport) -> Connected:
    found: Connected = airport.kernel.things[CONSORTIUM]
    return found


async def listed(airport: Airport) -> None:
    """All keys of the airport, one a minute."""
    for _ in range(3):
        await asyncio.to_thread(ledger_of(airport).list_keys)
        airport.move(seconds=MINUTE)


@asynccontextmanager
async def beside(settings: list[Settings]) -> AsyncIterator[tuple[Airport, list[OwnChain]]]:
    """The platform of the first and the authorities of the others, by TCP on this machine; all have the platform's time."""
    platform = airport_of(settings[0])
    machines = []
    for each in settings[1:]:
        place = given(each)
        assert isinstance(place, OfChain)
        machines.append(OwnChain(place, chain(place.folder), lambda: platform.clock.now_us() / 1_000_000))
    for machine in machines:
        machine.step()
        assert machine.authority is not None, machine.trouble()
    await platform.start()
    ready = [machine.authority for machine in (*machines, ledger_of(platform).machine) if isinstance(machine, OwnChain)]
    await platform.until(lambda: all(each is not None and each.joined for each in ready))
    yield platform, machines
    await platform.stop()
    for machine in machines:
        machine.close()
