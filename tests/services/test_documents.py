"""A file's documents: the receipt at once, the report when it is signed; sealed, the holder's and the desk's, nobody else's."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import httpx
import msgspec
import pikepdf
import pytest

from egide.kernel import merkle, tables
from egide.kernel.errors import NotFound, Refused
from egide.services import tables as service_tables
from egide.services.receipts import verify_receipt
from tests.services.test_filing import THEFT, asked, drafted, identified
from tests.waiting import PATIENCE_S
from tests.world import World

pytestmark = pytest.mark.anyio


async def filed(world: World) -> dict[str, Any]:
    done: dict[str, Any] = await asked(
        world, "services.theft.file", **await drafted(world, THEFT), **await identified(world, 2)
    )
    return done


async def documents(world: World, held: dict[str, str], count: int) -> list[dict[str, Any]]:
    """The holder's documents, once there are as many."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            shown = await asked(world, "services.file.follow", **held)
            if len(shown["documents"]) >= count:
                found: list[dict[str, Any]] = shown["documents"]
                return found
            await asyncio.sleep(0.1)


async def fetched(world: World, address: str) -> bytes:
    transport = httpx.ASGITransport(app=world.application)
    async with httpx.AsyncClient(transport=transport, base_url=world.kernel.settings.origin) as client:
        answer = await client.get(address)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/pdf"
        return answer.content


def about(pdf: bytes) -> tuple[str, str]:
    """(title, language) as a screen reader says them first."""
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        return str(opened.docinfo.get("/Title", "")), str(opened.Root.get("/Lang", ""))


async def test_a_receipt_comes_at_once_and_says_whose_it_is_to_nobody(world: World) -> None:
    done = await filed(world)
    held = {"number": done["number"], "code": done["code"]}
    shown = await asked(world, "services.file.follow", **held)
    receipt = verify_receipt(shown["proof"], [world.kernel.key.vkey])
    assert receipt.number == done["number"]
    assert receipt.root == world.kernel.log.root() or receipt.index < world.kernel.log.size
    for secret in ("Petit", "Claire", done["code"], "example.org"):
        assert secret not in shown["proof"]
    (offered,) = shown["documents"]
    assert (offered["id"], offered["level"]) == ("receipt", "")
    made = await asked(world, "services.document.ask", **held, output="receipt")
    assert await asked(world, "services.document.ask", **held, output="receipt") == made, "made once"
    (one,) = await documents(world, held, 1)
    assert one["id"] == made["document"]
    got = await asked(world, "services.document.fetch", **held, document=one["id"])
    pdf = await fetched(world, got["download"])
    assert pdf.startswith(b"%PDF-")
    report = world.kernel.things["press"].verify(pdf, expected=bytes.fromhex(one["sha256"]))
    assert report.holds
    assert not report.qualified
    changed = bytearray(pdf)
    changed[len(pdf) // 2] ^= 1
    assert not world.kernel.things["press"].verify(bytes(changed)).holds
    title, lang = about(pdf)
    assert title == "Récépissé de dépôt de plainte"
    assert lang.startswith("fr")


async def test_a_document_asked_for_twice_at_the_same_time_is_made_once(world: World) -> None:
    done = await filed(world)
    held = {"number": done["number"], "code": done["code"]}
    one, other = await asyncio.gather(
        *(asked(world, "services.document.ask", **held, output="receipt") for _ in range(2))
    )
    assert one == other
    (kept,) = await documents(world, held, 1)
    assert (kept["id"], kept["sha256"]) == (one["document"], one["sha256"])


@pytest.mark.parametrize("name", ["Direction interdépartementale " * 5, "\u200b", "Brigade\u200b n°\u00a03"])
async def test_whatever_its_unit_is_called_a_file_opens(world: World, name: str) -> None:
    """An administrator may call a unit so; its people's files do not close over that."""
    done = await filed(world)
    unit = (await world.act("administrator", "administration.unit.add", name=name))["id"]
    with world.kernel.store.side() as connection:
        connection.execute(service_tables.file.update().values(unit=unit))
    shown = await asked(world, "services.file.follow", number=done["number"], code=done["code"])
    said = verify_receipt(shown["proof"], [world.kernel.key.vkey]).unit
    assert said in (
        "Direction interdépartementale Direction interdépartementale Direction interdépa…",
        "—",
        "Brigade n° 3",
    )


async def test_the_ledger_holds_the_documents_hash(world: World) -> None:
    done = await filed(world)
    held = {"number": done["number"], "code": done["code"]}
    one = {"id": (await asked(world, "services.document.ask", **held, output="receipt"))["document"]}
    pdf = await fetched(world, (await asked(world, "services.document.fetch", **held, document=one["id"]))["download"])
    db = world.kernel.store.reader()
    leaves = [bytes(row.leaf) for row in db.execute(tables.entry.select().order_by(tables.entry.c.idx)).all()]
    assert any(merkle.leaf_hash(pdf).hex().encode() in leaf for leaf in leaves)


async def test_a_signed_report_is_the_holders_and_the_desks(world: World) -> None:
    done = await filed(world)
    held, file = {"number": done["number"], "code": done["code"]}, done["file"]
    await world.act("command", "services.theft.assign", file=file)
    await world.act("command", "services.theft.sign", file=file)
    found = await documents(world, held, 2)
    assert [one["title"]["en"] for one in found] == ["Receipt of the complaint", "Report of the complaint"]
    report = found[1]["id"]
    opened = await world.act("command", "services.document.read", document=report)
    assert opened["sha256"] == found[1]["sha256"]
    other = await filed(world)
    stranger = {"number": other["number"], "code": other["code"]}
    with pytest.raises(NotFound):
        await asked(world, "services.document.fetch", **stranger, document=report)
    with pytest.raises(Refused):
        await asked(world, "services.document.fetch", number=held["number"], code="AAAA", document=report)
    given = msgspec.json.encode({"document": report})
    with pytest.raises(Refused):
        await world.kernel.perform("services.document.read", given, world.person("other-officer"))
