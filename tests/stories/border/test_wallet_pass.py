"""A traveller's phone, from the agreement to the proof that everything is gone: kiosk, face, six tokens, gates without network.

The phone and the kiosk are two windows whose cameras see one drawn person. Codes are read off their screens as another camera
would read them, and typed where a story has no second camera.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import cbor2
import msgspec
import numpy as np
import pytest
import zxingcpp
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image
from playwright.async_api import Browser, Page, Route, expect

from egide.border.token import base45, qr
from egide.border.token.question import ask
from egide.protocols.sdjwt.signing import local
from egide.protocols.vapid import decoded, encoded
from tests.stories.border.moving_face import camera
from tests.stories.window import PHONE, STATION, Window, opened
from tests.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.story]

PERSON = 14  # the seed of somebody drawn
FLIGHT = "EG 271"
LOAD_MS = 60_000  # ms: 25 MB of models and code, compiled by a busy machine
STORED = """async () => {
  const db = await new Promise((done) => { const r = indexedDB.open('egide-pass'); r.onsuccess = () => done(r.result); });
  const all = (name) => new Promise((done) => { const r = db.transaction(name).objectStore(name).getAll(); r.onsuccess = () => done(r.result); });
  const records = await all('records'), keys = await all('keys');
  db.close();
  const text = records.map((one) => new TextDecoder('latin1').decode(one.data)).join(' ');
  return {text, sealed: records.every((one) => Object.keys(one).sort().join() === 'data,iv'), keys: keys.map((key) => [key.algorithm.name, key.extractable]),
    local: Object.keys(localStorage).sort()};
}"""


async def said(page: Page) -> str:
    """What the code on the screen says to a camera."""
    picture = Image.open(BytesIO(await page.locator("[data-code]").screenshot())).convert("L")
    found = zxingcpp.read_barcodes(np.asarray(picture), formats=zxingcpp.BarcodeFormat.QRCode)
    assert len(found) == 1, "the code on the screen cannot be read"
    return found[0].text


async def typed(page: Page, text: str) -> None:
    """For whoever cannot aim."""
    await page.get_by_text("saisir le code").click()
    await page.get_by_label("Texte du code").fill(text)
    await page.get_by_role("button", name="Lire ce code").click()


@pytest.fixture
async def airport(served: World) -> World:
    """Keys of an issuer and of the gates of both realms; the equal lane open, an officer there."""
    await served.act("administrator", "border.key.make", role="issuer")
    for realm in ("border", "border.police"):
        await served.act("administrator", f"{realm}.key.make", role="verifier")
    await served.act("officer", "border.lane.set", point="security", equal_open=True, staffed=True)
    return served


@pytest.fixture
async def phone(browser: Browser, airport: World) -> AsyncIterator[Window]:
    window = await opened(browser, airport.settings.origin, size=PHONE, touch=True, before=camera(PERSON))
    yield window
    await window.close()
    assert (window.stopped, window.crashed) == ([], [])


@pytest.fixture
async def kiosk(browser: Browser, airport: World) -> AsyncIterator[Window]:
    window = await opened(browser, airport.settings.origin, before=camera(PERSON))
    await window.enter("officer")
    yield window
    await window.close()
    assert (window.stopped, window.crashed) == ([], [])


async def agreed(phone: Window) -> str:
    """The traveller agrees to every control; what the phone then shows to the kiosk."""
    page = phone.page
    await phone.go("/pass")
    await page.get_by_role("link", name="Préparer mon passage").click()
    boxes = page.get_by_role("checkbox")
    await expect(boxes).to_have_count(4)
    assert [await box.is_checked() for box in await boxes.all()] == [False] * 4, "nothing is agreed to beforehand"
    await page.get_by_role("button", name="Tous").click()
    await page.get_by_label("Numéro de vol").fill(FLIGHT)
    leaves = datetime.now(ZoneInfo(STATION)) + timedelta(hours=6)
    await page.get_by_label("Heure de départ").fill(leaves.strftime("%Y-%m-%dT%H:%M"))
    await page.get_by_label("J’ai 15 ans ou plus").check()
    await page.get_by_role("button", name="J’accepte").click()
    await expect(page.locator("[data-enrol=kiosk]")).to_be_visible()
    return await said(page)


async def at_the_kiosk(kiosk: Window, consent: str) -> str:
    """The document is made, laid on the reader and read; what the kiosk then shows to the phone."""
    page = kiosk.page

    await kiosk.go("/kiosk")
    await page.get_by_role("button", name="Commencer").click()
    await typed(page, consent)
    lay = page.get_by_role("button", name="Fabriquer et poser")
    await expect(lay).not_to_have_attribute("aria-busy", "true")  # the camera has a picture
    await lay.click()
    zone = (await page.locator("[data-zone]").inner_text()).split("\n")
    line = page.get_by_label("Deuxième ligne")
    await line.fill(zone[1].replace("L898902C3", "L898902D3"))
    await page.get_by_role("button", name="Lire la puce").click()
    await expect(page.get_by_text("Un chiffre de contrôle ne correspond pas")).to_be_visible()
    await line.fill(zone[1])
    await page.get_by_role("button", name="Lire la puce").click()
    await expect(page.get_by_text("Votre document est authentique")).to_be_visible()
    await page.get_by_text("Ce qui a été vérifié").click()
    await expect(page.locator("li.ok")).to_have_count(17)
    return await said(page)


async def enrolled(phone: Window, offer: str) -> None:
    page = phone.page
    await page.get_by_role("button", name="Lire le code de la borne").click()
    await typed(page, offer)
    begin = page.get_by_role("button", name="Commencer")
    await expect(begin).not_to_have_attribute("aria-busy", "true", timeout=LOAD_MS)  # models and camera are there
    done, again = page.locator("[data-enrol=done]"), page.get_by_role("button", name="Recommencer")
    await begin.click()
    for _ in range(2):  # on a busy machine a camera misses pictures: the page says so, and one does it again
        await expect(done.or_(again).first).to_be_visible(timeout=LOAD_MS)
        if await again.is_visible():
            await again.click()
    await expect(done).to_be_visible(timeout=LOAD_MS)


async def shown_to_a_gate(airport: World, phone: Window) -> None:
    """Without network: the gate's code, who asks for what, the answer, the receipt."""
    page = phone.page
    gate = await gate_of(airport)
    opened_ = await airport.act("officer", "border.control.open", point="security", gate=gate, external=False)
    await page.get_by_role("link", name="Je suis à une porte").click()
    await typed(page, qr.text_of(decoded(opened_["picture"]), "question"))
    await expect(page.locator("[data-gate=asked]")).to_contain_text("que vous avez un vol, et lequel")
    await expect(page.locator("[data-gate=asked]")).to_contain_text(gate)
    await expect(page.locator("[data-gate=asked] .face")).to_have_count(0)
    await page.get_by_role("button", name="Montrer", exact=True).click()
    answer = encoded(qr.bytes_of(await said(page), "answer"))
    told = await airport.act(
        "officer", "border.control.present", control=opened_["control"], answer=answer, offline=True
    )
    assert told["result"] == "pass", told["why"]
    await page.get_by_role("button", name="Lire le reçu de la porte").click()
    await typed(page, "EGIDE1R:" + base45.encode(told["receipt"].encode()))
    await expect(page.get_by_text("Reçu gardé sur ce téléphone")).to_be_visible()
    await page.get_by_role("button", name="Terminer").click()
    await expect(page.locator("[data-tokens]")).to_have_attribute("data-tokens", "3")


async def shown_once_whichever_window(airport: World, phone: Window) -> None:
    """A second window that was open before takes another token; the first one's receipt, of the same gate, is not its own."""
    second = await phone.context.new_page()
    await second.goto(phone.page.url)
    await expect(second.locator("[data-tokens]")).to_have_attribute("data-tokens", "6")
    receipts = []
    for page, left in ((phone.page, "5"), (second, "4")):
        control = await asked(airport, page)
        await page.get_by_role("button", name="Montrer", exact=True).click()
        answer = encoded(qr.bytes_of(await said(page), "answer"))
        told = await airport.act("officer", "border.control.present", control=control, answer=answer, offline=True)
        assert told["result"] == "pass", told["why"]
        receipts.append(told["receipt"])
        await page.get_by_role("button", name="Lire le reçu de la porte").click()
        await typed(page, "EGIDE1R:" + base45.encode(receipts[0].encode()))
        await page.get_by_role("button", name="Terminer").click()
        await expect(page.locator("[data-tokens]")).to_have_attribute("data-tokens", left)
    await second.get_by_role("link", name="Qui a demandé quoi").click()
    own = second.locator("[data-asked] li")
    await expect(own).to_have_count(2)
    await expect(own.first).to_contain_text("reçu qui n’est pas de ce passage")
    await expect(own.last).to_contain_text("reçu signé par la porte")
    await second.close()


async def asked(airport: World, page: Page) -> str:
    """A gate asks, and the phone has read what."""
    gate = await gate_of(airport)
    found = await airport.act("officer", "border.control.open", point="security", gate=gate, external=False)
    await page.get_by_role("link", name="Je suis à une porte").click()
    await typed(page, qr.text_of(decoded(found["picture"]), "question"))
    await expect(page.locator("[data-gate=asked]")).to_be_visible()
    control: str = found["control"]
    return control


async def gate_of(airport: World) -> str:
    keys = (await airport.act("officer", "border.trust.list"))["keys"]
    found: str = next(key["kid"] for key in keys if key["role"] == "verifier")
    return found


async def a_stranger_asks(phone: Window) -> None:
    """A gate that is on nobody's list is told nothing."""
    key, now = ec.generate_private_key(ec.SECP256R1()), int(datetime.now(UTC).timestamp())
    question = ask("border", ("name",), key.public_key(), local(key), key.public_key(), now)
    await phone.page.get_by_role("link", name="Je suis à une porte").click()
    await typed(phone.page, qr.text_of(question, "question"))
    await expect(phone.page.get_by_role("alert")).to_contain_text("Cette porte n’est pas connue")
    await phone.page.get_by_role("button", name="Retour").click()


async def test_from_the_agreement_to_the_proof_of_erasure(airport: World, phone: Window, kiosk: Window) -> None:
    page = phone.page
    await enrolled(phone, await at_the_kiosk(kiosk, await agreed(phone)))
    await kiosk.page.get_by_role("button", name="Terminer et tout oublier").click()
    await expect(kiosk.page.get_by_text("La borne a tout oublié")).to_be_visible()

    await page.get_by_role("link", name="Ouvrir mon passage").click()
    await expect(page.locator("[data-tokens]")).to_have_attribute("data-tokens", "6")
    await page.evaluate("navigator.serviceWorker.ready")
    await nothing_is_open(page)
    await shown_once_whichever_window(airport, phone)

    await phone.context.set_offline(True)
    await page.reload()
    await expect(page.get_by_text("Sans réseau : vous pouvez passer une porte.")).to_be_visible()
    await shown_to_a_gate(airport, phone)
    await a_stranger_asks(phone)
    await page.get_by_role("link", name="Qui a demandé quoi").click()
    await expect(page.locator("[data-asked] li")).to_have_count(3)
    await expect(page.locator("[data-asked] li").first).to_contain_text("reçu signé par la porte")
    await page.get_by_role("button", name="Retour").click()
    await phone.context.set_offline(False)

    await page.get_by_role("link", name="Arrêter et tout effacer").click()
    await page.get_by_role("button", name="Retirer mon accord").click()
    await page.get_by_role("button", name="Vérifier la preuve").click()
    await expect(page.get_by_text("La preuve est ancrée dans l’heure")).to_be_visible()
    await airport.kernel.things["border-clerk"].hour()
    await page.get_by_role("button", name="Vérifier la preuve").click()
    await expect(page.locator("[data-proof=holds]")).to_contain_text("6 jetons sont révoqués")
    kept = await page.evaluate(STORED)
    assert [name for name, _ in kept["keys"]] == ["AES-GCM"], "the tokens’ keys are gone"

    await phone.context.set_offline(True)
    await expect(page.get_by_text("Sans réseau : pour préparer un passage, attendez qu’il revienne.")).to_be_visible()


async def nothing_is_open(page: Page) -> None:
    """What lies on the phone is sealed, its keys cannot be read out, and nothing of it is anywhere else."""
    kept: dict[str, Any] = await page.evaluate(STORED)
    assert kept["sealed"]
    assert sorted(kept["keys"]) == [["AES-GCM", False], *[["ECDSA", False]] * 6]
    assert kept["local"] == ["egide.lang"]
    for known in ("EG 271", "Eriksson", "ERIKSSON", "egide-border-token", "urn:egide"):
        assert known not in kept["text"]
    assert "#" not in page.url
    assert "?" not in page.url


async def test_who_leaves_the_kiosk_while_it_prepares_is_not_there_for_the_next(kiosk: Window) -> None:
    page, asked, answers = kiosk.page, asyncio.Event(), asyncio.Event()

    async def slowly(route: Route) -> None:
        asked.set()
        await answers.wait()
        opened_ = {"enrolment": "e" * 22, "offer": "openid-credential-offer://?", "key": {}, "life_s": 900}
        await route.fulfill(json={"result": opened_, "receipt": {}})

    await page.route("**/api/acts/border.enrol.open", slowly)
    await kiosk.go("/kiosk")
    await page.get_by_role("button", name="Commencer").click()
    await typed(page, "EGIDE1C:" + base45.encode(cbor2.dumps(["c" * 22, "s" * 22])))
    await asked.wait()
    await page.get_by_role("button", name="Terminer et tout oublier").click()
    async with page.expect_response("**/api/acts/border.enrol.open"):
        answers.set()
    await asyncio.sleep(0.5)
    await expect(page.locator("[data-kiosk=welcome]")).to_contain_text("La borne a tout oublié")


FULL = """() => { const {put} = IDBObjectStore.prototype;
  IDBObjectStore.prototype.put = function (value, key) {
    if (key !== 'erasures') return put.call(this, value, key);
    IDBObjectStore.prototype.put = put;
    throw new DOMException('no room', 'QuotaExceededError'); }; }"""


async def test_a_full_phone_forgets_all_the_same_and_keeps_the_proof(phone: Window) -> None:
    await agreed(phone)
    page = phone.page
    await phone.go("/pass")
    await page.get_by_role("link", name="Arrêter et tout effacer").click()
    await page.evaluate(FULL)
    await page.get_by_role("button", name="Retirer mon accord").click()
    await expect(page.locator("[data-proof=open]")).to_be_visible()
    await page.get_by_role("button", name="Retour").click()
    await expect(page.get_by_text("Aucun voyage n’est préparé")).to_be_visible()


async def test_refusing_is_as_easy_and_leads_to_the_same_place(phone: Window) -> None:
    page = phone.page
    await phone.go("/pass/enrol")
    yes, no = page.get_by_role("button", name="J’accepte"), page.get_by_role("button", name="Je refuse")
    await expect(no).to_be_visible()
    sizes = [await one.bounding_box() for one in (yes, no)]
    assert sizes[0] is not None
    assert sizes[1] is not None
    assert (sizes[0]["width"], sizes[0]["height"], sizes[0]["y"]) == (
        sizes[1]["width"],
        sizes[1]["height"],
        sizes[1]["y"],
    )
    looks = [
        await one.evaluate("(e) => [getComputedStyle(e).backgroundColor, getComputedStyle(e).fontWeight].join()")
        for one in (yes, no)
    ]
    assert looks[0] == looks[1]
    await no.click()
    await expect(page.get_by_text("prenez la voie sans biométrie")).to_be_visible()
    assert msgspec.json.encode(await page.evaluate(STORED)).count(b"consent") == 0
