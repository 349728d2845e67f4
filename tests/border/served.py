"""A platform in a process of its own, for whoever looks into its memory: one line of JSON asks, one line answers.

python -m tests.border.served FOLDER
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import msgspec

from egide.kernel.errors import EgideError
from tests.border.airport import Airport
from tests.border.kiosk import still


async def main(folder: Path) -> None:
    """Serves until its input ends."""
    still()
    airport = Airport(folder)
    await airport.start()
    tell({"gates": airport.gates, "now": airport.now()})
    while line := await asyncio.to_thread(sys.stdin.readline):
        asked = msgspec.json.decode(line)
        del line
        if "countries" in asked:
            airport.countries(*(bytes.fromhex(each) for each in asked["countries"]))
            tell({})
            continue
        try:
            who, name, given = asked["who"], asked["name"], asked["given"]
            tell({"result": await (airport.act(who, name, **given) if who else airport.ask(name, **given))})
        except EgideError as error:
            tell({"error": f"{error.code}: {error.what.en}"})
    await airport.stop()


def tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
