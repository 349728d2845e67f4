"""The page of a notice: reached by what is printed on it, and by nothing else; contested there, paid elsewhere."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from egide.gateways.notice_page import payment_service
from egide.kernel.errors import StartupError
from egide.services.receipts import verify_receipt
from tests.attacks.test_service_pages_fuzz import HOSTILE
from tests.gateways.test_service_pages import Browser
from tests.kernel.test_emergency import plug, unplug
from tests.services.desk import photo
from tests.services.filings import WHO
from tests.services.fined import Sent, notice
from tests.services.test_filing import asked
from tests.world import World

pytestmark = pytest.mark.anyio

OPEN, CONTEST = "/services/notice/open", "/services/file/steps/contest"
NEWS = {
    "do": ["send"], "contest_ground": ["facts"], "contest_words": ["Le panneau était caché."], "contester_name": ["Zoé Martin"],
    "contester_home": ["3 rue du Port, Brest"], "email": ["zoe@example.org"],
}  # fmt: skip


async def entered(browser: Browser, sent: Sent) -> str:
    await browser.open("/services/notice")
    return await browser.send(
        "/services/notice", {"number": [sent.number.lower()], "code": [sent.code.replace("-", " ")]}
    )


async def test_what_is_printed_opens_it_and_says_nobody(world: World) -> None:
    sent, browser = await notice(world), Browser(world)
    assert sent.number == sent.done["number"]
    assert "?" not in sent.address, "all that is secret is in the fragment"
    text = await entered(browser, sent)
    assert browser.path == OPEN
    assert re.search(r"data-state=\"sent\"", text)
    assert "12 rue Zébulon" in text, "where it was"
    assert "data-until" in text
    for private in (WHO["family_name"], "Ses nom et prénoms", "Numéro du permis", "Ce que vous avez constaté"):
        assert private not in text, private
    assert "n’est pas relié" in text, "no payment service is named: none is linked"
    wrong = await browser.send("/services/notice", {"number": [sent.number], "code": ["AAAA-AAAA"]})
    assert "data-state" not in wrong
    assert browser.answer.status_code in (403, 404)
    await browser.close()


async def test_a_contest_is_received_at_once_and_a_magistrate_decides(world: World) -> None:
    sent, browser = await notice(world), Browser(world)
    await entered(browser, sent)
    assert "requête" not in await browser.open(CONTEST)
    text = await browser.send(CONTEST, {"do": ["choose"]})
    assert browser.answer.status_code == 422
    text = await browser.send(CONTEST, {"do": ["choose"], "contest_ground": ["facts"]})
    assert 'name="contest_evidence"' in text
    assert 'name="other_driver"' not in text
    files = [("contest_evidence", ("panneau.jpg", photo(), "image/jpeg"))]
    text = await browser.send(CONTEST, NEWS | {"contest_words": [" "]}, files)
    assert browser.answer.status_code == 422
    assert "panneau.jpg" in text, "the file is there, although the reasons are not"
    assert "3 rue du Port" in text, "and what was typed"
    text = await browser.send(CONTEST, NEWS, [("contest_evidence", ("", b"", "application/octet-stream"))])
    assert browser.path == OPEN
    assert "C’est envoyé" in text
    assert 'data-state="contested"' in text
    proof = re.search(r'href="[^"]*/verify-receipt#([^"]+)"', text)
    assert proof is not None
    receipt = verify_receipt(proof[1], [world.kernel.key.vkey])
    assert (receipt.number, receipt.service) == (sent.number, "Contester")
    shown = await asked(world, "services.file.follow", number=sent.number, code=sent.code)
    last = shown["events"][-1]
    assert (last["step"], last["mine"], last["late"]) == ("contest", True, False)
    assert {one["id"]: one["fr"] for one in last["lines"]}["contest_evidence"] == "1 fichier(s)"
    # It is the magistrate's now: nobody contests it twice, no officer decides.
    await browser.open(CONTEST)
    assert browser.answer.status_code == 409
    broken = await world.refused("officer", "services.traffic_notice.drop", file=sent.done["file"], text="Non")
    assert broken
    waits = (await world.act("magistrate", "services.desk.queue"))["files"]
    assert [one["number"] for one in waits] == [sent.number]
    read = await world.act("magistrate", "services.traffic_notice.read", file=sent.done["file"])
    assert {one["act"].rpartition(".")[2] for one in read["steps"]} == {"drop", "refer", "maintain"}
    await world.act("magistrate", "services.traffic_notice.drop", file=sent.done["file"], text="Panneau masqué.")
    assert "Panneau masqué" in await browser.open("/services/file")
    assert (await world.act("magistrate", "services.desk.queue"))["files"] == []
    assert await world.refused("magistrate", "services.traffic_notice.read", file=sent.done["file"])
    await browser.close()


async def test_what_the_law_asks_to_be_joined_is_asked(world: World) -> None:
    sent, browser = await notice(world), Browser(world)
    await entered(browser, sent)
    text = await browser.send(CONTEST, NEWS | {"contest_ground": ["stolen"]})
    assert browser.answer.status_code == 422
    assert "#contest_proof" in text
    text = await browser.send(CONTEST, NEWS | {"contest_ground": ["driver"]})
    assert "#other_driver" in text
    await browser.close()


async def test_whatever_is_typed_stands_on_the_page_again_and_acts_on_nothing(world: World) -> None:
    sent, browser = await notice(world), Browser(world)
    await entered(browser, sent)
    for hostile in HOSTILE:
        form = NEWS | {
            "contest_words": [hostile],
            "other_driver": [hostile],
            "contest_ground": ["driver"],
            "do": ["send"],
        }
        text = await browser.send(CONTEST, form)
        assert browser.answer.status_code == 422, hostile
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        if hostile.isprintable():
            assert hostile in html.unescape(text), "and is not lost"
    text = await browser.send(CONTEST, NEWS | {"contest_ground": ["<script>alert(1)</script>"]})
    assert 'name="do" value="choose"' in text, "back to the question that was not answered"
    shown = await asked(world, "services.file.follow", number=sent.number, code=sent.code)
    assert shown["state"] == "sent"
    await browser.close()


async def test_when_the_time_is_over_the_page_says_what_is_still_possible(world: World) -> None:
    sent, browser = await notice(world), Browser(world)
    world.move(days=46)
    text = await entered(browser, sent)
    assert "data-late" in text
    assert "CPP 530" in text
    # It is still received, and its lateness is seen by whoever decides.
    await browser.send(CONTEST, NEWS)
    shown = await asked(world, "services.file.follow", number=sent.number, code=sent.code)
    assert [one["late"] for one in shown["events"]] == [False, False, True]
    await browser.close()


async def test_a_payment_is_made_elsewhere_and_recorded_by_an_officer(tmp_path: Path) -> None:
    world = World(tmp_path / "data", fine_payment="https://fines.example/pay")
    await world.start()
    sent, browser = await notice(world), Browser(world)
    text = await entered(browser, sent)
    assert 'href="https://fines.example/pay" rel="noreferrer external"' in text
    assert "services.traffic_notice.my_pay" not in world.kernel.acts, "nobody says of themselves that they paid"
    await world.act("officer", "services.traffic_notice.pay", file=sent.done["file"], text="Quittance 4711")
    assert 'data-state="paid"' in await browser.open(OPEN)
    assert "fines.example" not in browser.answer.text
    await browser.close()
    await world.stop()


@pytest.mark.parametrize("address", ["http://fines.example", "fines.example", "https://", "https://me@fines.example"])
def test_a_payment_service_that_cannot_be_stops_the_start(address: str) -> None:
    with pytest.raises(StartupError):
        payment_service(address)


async def test_what_one_contests_while_the_ledger_is_away_is_sent_once_more(world: World) -> None:
    sent, browser = await notice(world), Browser(world)
    await entered(browser, sent)
    for files in (None, [("contest_evidence", ("", b"", "application/octet-stream"))]):
        unplug(world)
        text = await browser.send(f"{CONTEST}?lang=fr", NEWS, files)
        assert browser.answer.status_code == 503
        plug(world)
        assert 'name="contest_words" value="Le panneau était caché."' in text
        assert f'action="{CONTEST}?lang=fr"' in text
    await browser.send(f"{CONTEST}?lang=fr", NEWS)
    assert browser.path == OPEN
    assert browser.answer.status_code == 200
    await browser.close()
