"""A platform in a process of its own, and three authorities beside it: for whoever looks into its memory.

python -m tests.border.served FOLDER

A line of JSON asks, a line answers, each with its number; several may be under way. All that is logged goes to stderr.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import Any

import msgspec

from egide.border import clerk
from egide.border.room import parent
from egide.gateways.consortium_machines import OwnChain
from egide.kernel.errors import EgideError
from tests.border.airport import Airport
from tests.border.houses import beside, founded, ledger_of, listed
from tests.border.kiosk import still

AUTHORITIES = 4
PATIENCE_S = 300.0  # s for what a room does: on a busy machine models load slowly, and here nobody waits at a gate


async def main(folder: Path) -> None:
    """Serves until its input ends."""
    logging.basicConfig(level=logging.DEBUG)
    still()
    parent.START_S = parent.WAITED_S = parent.ROOM_S = parent.ANSWER_S = PATIENCE_S
    going: set[asyncio.Task[None]] = set()
    async with beside(founded(folder, AUTHORITIES)) as (airport, others):
        await listed(airport)
        tell({"gates": airport.gates, "now": airport.now()})
        while line := await asyncio.to_thread(sys.stdin.readline):
            task = asyncio.create_task(answer(airport, others, msgspec.json.decode(line)))
            del line
            going.add(task)
            task.add_done_callback(going.discard)
        await asyncio.gather(*going)


async def answer(airport: Airport, others: list[OwnChain], asked: dict[str, Any]) -> None:
    said: dict[str, Any] = {"number": asked["number"]}
    try:
        said["result"] = await done(airport, others, asked)
    except EgideError as error:
        said["error"] = f"{error.code}: {error.what.en}"
    tell(said | {"now": airport.now()})


async def done(airport: Airport, others: list[OwnChain], asked: dict[str, Any]) -> Any:
    match asked:
        case {"countries": [csca, crl]}:
            airport.countries(bytes.fromhex(csca), bytes.fromhex(crl))
        case {"hours": hours}:
            airport.move(hours=hours)
            await clerk.Clerk(airport.kernel).hour()
            await clerk.Clerk(airport.kernel).minute()
        case {"root_of": size}:
            return root(airport, others, size)
        case {"log": text}:
            logging.getLogger("egide.border").debug("%s", text)
        case {"who": who, "name": name, "given": given}:
            return await (airport.act(who, name, **given) if who else airport.ask(name, **given))
    return None


def root(airport: Airport, others: list[OwnChain], size: int) -> str:
    """The root of so many erasures as another authority has it, in hex."""
    me = ledger_of(airport).machine.me
    return (others[0].writer().erasure_at(me, size) or b"").hex()


def tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
