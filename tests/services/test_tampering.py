"""What was changed afterwards is found and named: a byte of a sealed document, a character of a code, an event of a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from string import ascii_letters, digits
from typing import Any

import httpx
import msgspec
import pytest

from egide.kernel import merkle, tables
from egide.services.model import EventBody, file_owner, link
from egide.services.receipts import PATH, ReceiptError, verify_receipt
from tests.services.test_documents import documents, fetched
from tests.services.test_documents import filed as filed_theft
from tests.services.test_filing import asked
from tests.world import World

pytestmark = pytest.mark.anyio
PLACES = 200  # of a document, spread over the whole of it
PURPOSE = "service-files"
CODE = ascii_letters + digits + "-_"  # base64url


async def test_a_document_changed_by_one_byte(world: World) -> None:
    """By its seal, wherever that covers; everywhere by the hash in the ledger."""
    done = await filed_theft(world)
    held = {"number": done["number"], "code": done["code"]}
    await asked(world, "services.document.ask", **held, output="receipt")
    (one,) = await documents(world, held, 1)
    pdf = await fetched(world, (await asked(world, "services.document.fetch", **held, document=one["id"]))["download"])
    press, sha = world.kernel.things["press"], bytes.fromhex(one["sha256"])
    assert press.verify(pdf, expected=sha).holds
    leaves = b"".join(bytes(row.leaf) for row in world.kernel.store.reader().execute(tables.entry.select()).all())
    assert merkle.leaf_hash(pdf).hex().encode() in leaves, "a control: the search finds what is there"
    first, second = covered(pdf)
    for place in range(0, len(pdf), max(1, len(pdf) // PLACES)):
        changed = pdf[:place] + bytes([pdf[place] ^ 1]) + pdf[place + 1 :]
        assert merkle.leaf_hash(changed).hex().encode() not in leaves, place
        if place < first or place >= second:
            report = press.verify(changed)
            assert not report.holds, place
            assert report.findings, place
    for place in (first, (first + second) // 2, second - 1):  # the seal itself, which no seal covers
        changed = pdf[:place] + (b"0" if pdf[place : place + 1] != b"0" else b"1") + pdf[place + 1 :]
        assert not press.verify(changed, expected=sha).holds, place
    for changed in (pdf[:-1], pdf + b"\n", pdf[: len(pdf) // 2], b""):
        assert not press.verify(changed).holds


def covered(pdf: bytes) -> tuple[int, int]:
    """Where the seal's own bytes lie, the only ones it does not cover (ISO 32000-2 §12.8.1, ByteRange)."""
    found = re.findall(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)", pdf)
    assert len(found) == 1
    start, length, after, rest = map(int, found[0])
    assert start == 0
    assert after + rest == len(pdf)
    return length, after


async def test_a_receipt_s_code_changed_by_one_character(world: World) -> None:
    """The code that a real file's page shows: every place, and a character that no code has is named with its place."""
    done = await filed_theft(world)
    shown = await asked(world, "services.file.follow", number=done["number"], code=done["code"])
    code, vkeys = shown["proof"].rpartition("#")[2], [world.kernel.key.vkey]
    assert verify_receipt(code, vkeys).number == done["number"]
    for place, was in enumerate(code):
        other = CODE[(CODE.index(was) + 1) % len(CODE)]
        with pytest.raises(ReceiptError) as refused:
            verify_receipt(code[:place] + other + code[place + 1 :], vkeys)
        assert "was changed" in refused.value.what.en
        with pytest.raises(ReceiptError) as refused:
            verify_receipt(code[:place] + "é" + code[place + 1 :], vkeys)
        assert f"character {place + 1}, “é”" in refused.value.what.en


@pytest.mark.parametrize("lang", ["fr", "en"])
async def test_the_page_that_verifies_names_nobody(world: World, lang: str) -> None:
    """Blank it tells nothing at all; of a real code what the receipt says, of a changed one nothing."""
    done = await filed_theft(world)
    shown = await asked(world, "services.file.follow", number=done["number"], code=done["code"])
    code = shown["proof"].rpartition("#")[2]
    changed = code[:-9] + CODE[(CODE.index(code[-9]) + 1) % len(CODE)] + code[-8:]
    person = ("Petit", "Claire", "1988", "claire@example.org", "vélo", "Gare", done["code"], done["file"])
    transport = httpx.ASGITransport(world.application)
    async with httpx.AsyncClient(transport=transport, base_url=world.kernel.settings.origin) as client:
        blank = await client.get(f"{PATH}?lang={lang}")
        real, wrong = [await client.post(f"{PATH}?lang={lang}", data={"code": one}) for one in (code, changed)]
    assert [one.status_code for one in (blank, real, wrong)] == [200, 200, 422]
    for answer in (blank, real, wrong):
        assert not [word for word in person if word in answer.text]
        assert (done["number"] in answer.text) is (answer is real)


# -- a file's chain, changed by somebody who has the store and even the keys ---------------------------------------------------

Change = Callable[["Chain"], str]


class Chain:
    """A file with four events, and what somebody with the store in their hands does to them."""

    def __init__(self, world: World, done: dict[str, Any]) -> None:
        self.world = world
        self.file = done["file"]
        self.held = {"number": done["number"], "code": done["code"]}

    async def wrong(self) -> str | None:
        shown = await asked(self.world, "services.file.follow", **self.held)
        return shown["wrong"]["en"] if shown["wrong"] else None

    def run(self, statement: str, *values: Any) -> None:
        writer = self.world.kernel.store.writer
        assert writer.exec_driver_sql(statement, values).rowcount > 0, "a control: something was changed"
        writer.commit()

    def sealed(self, seq: int, text: str) -> bytes:
        words = msgspec.json.encode(EventBody(text=text))
        return self.world.kernel.vault.seal(file_owner(self.file), PURPOSE, words, f"{self.file}.{seq}".encode())

    def row(self, seq: int) -> Any:
        query = "select * from service_event where file = ? and seq = ?"
        return self.world.kernel.store.reader().exec_driver_sql(query, (self.file, seq)).one()


@pytest.fixture
async def chain(world: World) -> Chain:
    done = await filed_theft(world)
    made = Chain(world, done)
    await world.act("officer", "services.theft.assign", file=made.file)
    await world.act("officer", "services.theft.ask", file=made.file, text="Avez-vous la facture ?")
    await asked(world, "services.theft.my_answer", **made.held, text="Non.")
    assert await made.wrong() is None
    return made


def words(chain: Chain) -> str:
    chain.run(
        "update service_event set body = ? where file = ? and seq = 2", chain.sealed(2, "Avez-vous tout ?"), chain.file
    )
    return "Event 3 of the file was changed."


def words_as_they_lie_sealed(chain: Chain) -> str:
    body = bytearray(chain.row(1).body)
    body[-1] ^= 1
    chain.run("update service_event set body = ? where file = ? and seq = 1", bytes(body), chain.file)
    return "Event 2 of the file was changed."


def state(chain: Chain) -> str:
    chain.run("update service_event set state = 'recorded' where file = ? and seq = 1", chain.file)
    return "Event 2 of the file was changed."


def time(chain: Chain) -> str:
    chain.run("update service_event set at = at - 1 where file = ? and seq = 0", chain.file)
    return "Event 1 of the file was changed."


def step(chain: Chain) -> str:
    chain.run("update service_event set step = 'sign' where file = ? and seq = 3", chain.file)
    return "Event 4 of the file was changed."


def order(chain: Chain) -> str:
    """Two events in each other's place, their words sealed anew for it."""
    for seq, text in ((101, "Non."), (102, "Avez-vous la facture ?")):
        there = {101: 3, 102: 2}[seq]
        chain.run(
            "update service_event set seq = ?, body = ? where file = ? and seq = ?",
            seq,
            chain.sealed(5 - there, text),
            chain.file,
            there,
        )
    chain.run("update service_event set seq = 2 where file = ? and seq = 101", chain.file)
    chain.run("update service_event set seq = 3 where file = ? and seq = 102", chain.file)
    return "Event 3 of the file was changed."


def one_taken_out_of_the_middle(chain: Chain) -> str:
    chain.run("delete from service_event where file = ? and seq = 1", chain.file)
    return "Event 2 of the file was changed."


def the_last_taken_out(chain: Chain) -> str:
    chain.run("delete from service_event where file = ? and seq = 3", chain.file)
    return "An event of the file was taken out."


def all_taken_out(chain: Chain) -> str:
    chain.run("delete from service_event where file = ?", chain.file)
    return "An event of the file was taken out."


def one_added(chain: Chain) -> str:
    """With the right link, which anybody can compute."""
    last, text = chain.row(3), "Je retire tout."
    made = link(last.link, chain.file, 4, last.at + 1, "answer", "assigned", msgspec.json.encode(EventBody(text=text)))
    chain.run(
        "insert into service_event (file, seq, at, step, state, officer, link, body) values (?, 4, ?, 'answer', 'assigned', null, ?, ?)",
        chain.file, last.at + 1, made, chain.sealed(4, text),
    )  # fmt: skip
    return "Event 5 of the file was added."


def the_head(chain: Chain) -> str:
    chain.run("update service_file set head = ? where id = ?", "0" * 64, chain.file)
    return "An event of the file was taken out."


CHANGES: list[Change] = [
    words, words_as_they_lie_sealed, state, time, step, order, one_taken_out_of_the_middle, the_last_taken_out, all_taken_out, one_added, the_head,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: one.__name__)
async def test_an_event_changed_in_the_store(chain: Chain, change: Change) -> None:
    expected = change(chain)
    assert await chain.wrong() == expected
    opened = await chain.world.act("officer", "services.theft.read", file=chain.file)
    assert opened["file"]["wrong"]["en"] == expected, "and the officer is told the same"
