"""A notice as an officer sends it, and the way in that is printed on it: read from the PDF, as a telephone reads its code."""

from __future__ import annotations

import asyncio
import io
from typing import Any, NamedTuple

import pikepdf

from egide.services.definition import Definition, catalogue
from tests.services.filings import taken
from tests.services.test_documents import fetched
from tests.services.test_filing import asked
from tests.waiting import PATIENCE_S
from tests.world import World


class Sent(NamedTuple):
    """What the officer has in hand, the notice as it was made, and what its code says."""

    done: dict[str, Any]
    pdf: bytes
    address: str
    number: str
    code: str


def definition() -> Definition:
    found = catalogue().find("traffic-notice")
    assert found is not None
    return found


async def notice(world: World) -> Sent:
    """An offence found, signed and sent."""
    done = await taken(world, definition(), "mobile")
    return await signed(world, done)


async def signed(world: World, done: dict[str, Any]) -> Sent:
    """The notice of what was found, once it is made."""
    await world.act("officer", "services.traffic_notice.sign", file=done["file"])
    held = {"number": done["number"], "code": done["code"]}
    async with asyncio.timeout(PATIENCE_S):
        while not (there := (await asked(world, "services.file.follow", **held))["documents"]):
            if not await world.kernel.things["jobs"].tick():
                await asyncio.sleep(0.02)
    got = await asked(world, "services.document.fetch", **held, document=there[0]["id"])
    pdf = await fetched(world, got["download"])
    way = next(one for one in _links(pdf) if "/services/notice" in one)
    address, _, fragment = way.partition("#")
    number, _, code = fragment.partition(".")
    return Sent(done, pdf, address, number, code)


def _links(pdf: bytes) -> list[str]:
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        notes = [note for page in opened.pages for note in page.get("/Annots", [])]
        return [str(note.A.URI) for note in notes if "/A" in note and "/URI" in note.A]
