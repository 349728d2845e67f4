"""`egide serve` with people whom an identity provider has vouched for already: what filing is measured on.

Who may file is known by `services.identity.open`, an act of the platform's own that no door gives to others; in life the sign-in
performs it (gateways/resident_identity.py), here the bench's process does, through the same guard.

    python -m egide.bench.identified DATA PORT PEOPLE      leaves DATA/identified.json: [{"identity": …, "identity_secret": …}, …]
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from egide.bench import platform as platforms
from egide.bench.feeding import serve
from egide.bench.measure import wait_for
from egide.services.identities import ACTIVITY, Vouched

FILE = "identified.json"
PEOPLE = 16
LEVEL = 2  # eIDAS low: what the complaint asks for (services/catalogue/theft.toml)


async def identify(kernel: Any, people: int) -> None:
    """Opens an identity for each of so many people."""
    found = []
    for number in range(people):
        vouched = Vouched(level=LEVEL, given_name="Claire", family_name=f"Petit {number}", birthdate="1988-02-29")
        done = await kernel.perform("services.identity.open", vouched, kernel.system(ACTIVITY))
        found.append({"identity": done.result.id, "identity_secret": done.result.secret})
    file = Path(kernel.settings.folder) / FILE
    part = file.with_suffix(".part")
    part.write_bytes(msgspec.json.encode(found))
    part.rename(file)  # whole or not at all: the bench waits for it


@contextmanager
def platform(folder: Path, people: int = PEOPLE) -> Iterator[tuple[platforms.Platform, list[dict[str, str]]]]:
    """A platform on which so many people are identified."""
    with platforms.platform(folder, entities=people, feeder=__name__) as one:
        wait_for((folder / FILE).exists, "identified people")
        yield one, msgspec.json.decode((folder / FILE).read_bytes())


if __name__ == "__main__":
    serve(identify)
