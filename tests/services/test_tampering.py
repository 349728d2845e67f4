"""What was changed afterwards is found and named: a byte of a sealed document, a character of a code, an event of a file."""

from __future__ import annotations

import re
from collections.abc import Callable
from string import ascii_letters, digits
from typing import Any

import httpx
import msgspec
import pytest

from egide.gateways import checks_stored
from egide.kernel import merkle, rights_check, tables
from egide.kernel.retention import Keeper
from egide.services import file_check
from egide.services.model import START, EventBody, file_owner, link
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

    def sealed(self, seq: int, text: str) -> bytes:
        words = msgspec.json.encode(EventBody(text=text))
        return self.world.kernel.vault.seal(file_owner(self.file), PURPOSE, words, f"{self.file}.{seq}".encode())

    def text(self, seq: int) -> str:
        """What an event says."""
        plain = self.world.kernel.vault.open_(
            file_owner(self.file), PURPOSE, self.row(seq).body, f"{self.file}.{seq}".encode()
        )
        return msgspec.json.decode(plain, type=EventBody).text

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
    chain.world.tamper(
        "update service_event set body = ? where file = ? and seq = 2", chain.sealed(2, "Avez-vous tout ?"), chain.file
    )
    return "Event 3 of the file was changed."


def words_as_they_lie_sealed(chain: Chain) -> str:
    body = bytearray(chain.row(1).body)
    body[-1] ^= 1
    chain.world.tamper("update service_event set body = ? where file = ? and seq = 1", bytes(body), chain.file)
    return "Event 2 of the file was changed."


def state(chain: Chain) -> str:
    chain.world.tamper("update service_event set state = 'recorded' where file = ? and seq = 1", chain.file)
    return "Event 2 of the file was changed."


def time(chain: Chain) -> str:
    chain.world.tamper("update service_event set at = at - 1 where file = ? and seq = 0", chain.file)
    return "Event 1 of the file was changed."


def step(chain: Chain) -> str:
    chain.world.tamper("update service_event set step = 'sign' where file = ? and seq = 3", chain.file)
    return "Event 4 of the file was changed."


def order(chain: Chain) -> str:
    """Two events in each other's place, their words sealed anew for it."""
    for seq, text in ((101, "Non."), (102, "Avez-vous la facture ?")):
        there = {101: 3, 102: 2}[seq]
        chain.world.tamper(
            "update service_event set seq = ?, body = ? where file = ? and seq = ?",
            seq,
            chain.sealed(5 - there, text),
            chain.file,
            there,
        )
    chain.world.tamper("update service_event set seq = 2 where file = ? and seq = 101", chain.file)
    chain.world.tamper("update service_event set seq = 3 where file = ? and seq = 102", chain.file)
    return "Event 3 of the file was changed."


def one_taken_out_of_the_middle(chain: Chain) -> str:
    chain.world.tamper("delete from service_event where file = ? and seq = 1", chain.file)
    return "Event 2 of the file was changed."


def the_last_taken_out(chain: Chain) -> str:
    chain.world.tamper("delete from service_event where file = ? and seq = 3", chain.file)
    return "An event of the file was taken out."


def all_taken_out(chain: Chain) -> str:
    chain.world.tamper("delete from service_event where file = ?", chain.file)
    return "An event of the file was taken out."


def one_added(chain: Chain) -> str:
    """With the right link, which anybody can compute."""
    last, text = chain.row(3), "Je retire tout."
    made = link(last.link, chain.file, 4, last.at + 1, "answer", "assigned", msgspec.json.encode(EventBody(text=text)))
    chain.world.tamper(
        "insert into service_event (file, seq, at, step, state, officer, link, body) values (?, 4, ?, 'answer', 'assigned', null, ?, ?)",
        chain.file, last.at + 1, made, chain.sealed(4, text),
    )  # fmt: skip
    return "Event 5 of the file was added."


def the_head(chain: Chain) -> str:
    chain.world.tamper("update service_file set head = ? where id = ?", "0" * 64, chain.file)
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


# -- a chain written anew, whole, by somebody who has the store and the keys: the ledger tells -----------------------------------


def told(world: World) -> list[str]:
    """What `egide doctor` finds wrong of files."""
    looked = checks_stored.examine(world.kernel, lambda _done, _of: None)
    return [problem.what.en for problem in looked.problems]


def rewritten(chain: Chain, *, changed: int, text: str, upto: int = 4) -> None:
    """Every event from `changed` on sealed and linked anew, up to `upto` of them, and the file's row with it."""
    before = chain.row(changed - 1).link if changed else START
    state = ""
    for seq in range(changed, upto):
        row, body = chain.row(seq), chain.sealed(seq, text if seq == changed else chain.text(seq))
        plain = chain.world.kernel.vault.open_(file_owner(chain.file), PURPOSE, body, f"{chain.file}.{seq}".encode())
        before = link(before, chain.file, seq, row.at, row.step, row.state, plain)
        chain.world.tamper(
            "update service_event set body = ?, link = ? where file = ? and seq = ?", body, before, chain.file, seq
        )
        state = row.state
    for seq in range(upto, 4):
        chain.world.tamper("delete from service_event where file = ? and seq = ?", chain.file, seq)
    chain.world.tamper(
        "update service_file set head = ?, events = ?, state = ? where id = ?",
        before, upto, state or chain.row(upto - 1).state, chain.file,
    )  # fmt: skip


async def test_a_chain_rewritten_whole_is_found_and_named(chain: Chain) -> None:
    """Its own links are right again and nobody reading it sees anything: the leaves speak."""
    assert told(chain.world) == [], "a control: what the acts wrote is what the leaves hold"
    rewritten(chain, changed=2, text="Avez-vous tout ?")
    assert await chain.wrong() is None, "a control: the chain itself holds"
    assert told(chain.world) == [f"File {chain.held['number']}: event 3 is not the one that the ledger holds."]


async def test_the_last_events_taken_out_and_the_file_with_them(chain: Chain) -> None:
    rewritten(chain, changed=3, text="", upto=3)
    assert await chain.wrong() is None
    found = told(chain.world)
    assert len(found) == 1
    assert found[0].startswith(f"File {chain.held['number']}: the event that entry ")


async def test_a_whole_file_taken_out(chain: Chain) -> None:
    for statement in ("delete from service_event where file = ?", "delete from service_file where id = ?"):
        chain.world.tamper(statement, chain.file)
    assert len([one for one in told(chain.world) if "is no longer there" in one]) == 4


async def test_an_event_given_to_another_officer(chain: Chain) -> None:
    """Which no link covers: an officer who is erased is taken out of it."""
    chain.world.tamper("update service_event set officer = 'command' where file = ? and seq = 1", chain.file)
    assert told(chain.world) == [f"File {chain.held['number']}: event 2 is not this officer’s."]


async def test_a_state_that_no_event_gave(chain: Chain) -> None:
    chain.world.tamper("update service_file set state = 'recorded' where id = ?", chain.file)
    assert told(chain.world) == [f"File {chain.held['number']}: its state is not that of its last event."]


async def test_what_was_erased_is_not_missed_and_what_is_older_is_not_judged(chain: Chain) -> None:
    world = chain.world
    acts = rights_check.Acts(world.kernel)
    assert list(file_check.check(acts)) == []
    assert acts.checked == 4
    # As an earlier version left it: leaves that hold nothing.
    assert list(file_check.compared(acts, {})) == []
    world.move(days=400)
    chain.world.tamper("update service_file set closed = ? where id = ?", world.clock.now_us() - 1, chain.file)
    chain.world.tamper("update retained set trigger = 1, erase_at = 2, state = 'sealed' where object = ?", chain.file)
    await Keeper(world.kernel, "retention.erase").tick()
    assert list(file_check.check(rights_check.Acts(world.kernel))) == []
