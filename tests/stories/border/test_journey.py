"""A journey before filmed cameras: agreed to, enrolled, six tokens, four controls, the departure, the proof of erasure.

The phone, the kiosk and the gates are windows of one browser; what they see is written frame by frame into the video file that it
plays as its camera: a document's two lines, a face that does what it is asked, one another's screens. Then the same traveller
goes without biometrics. How an officer settles what the machine was twice unsure of is in test_gate.py.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from io import BytesIO
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from PIL import Image as Pillow
from playwright.async_api import Locator, expect

from egide.border.face.engine import Image
from tests.border.airport import Airport
from tests.border.document.drawn import page as printed
from tests.stories.border.at_a_gate import at, begin, drawn, follows, held_up, looked
from tests.stories.border.filmed import Filmed
from tests.stories.border.moving_face import face
from tests.stories.conftest import Opener
from tests.stories.window import PHONE, STATION, Window

# A whole journey takes a minute of a machine that does nothing else, and two of one that does.
pytestmark = [pytest.mark.anyio, pytest.mark.story, pytest.mark.timeout(300)]

PERSON = 9  # the seed of somebody drawn
LOAD_MS = 60_000  # ms: 25 MB of models and code, compiled by a busy machine
ATTEMPTS = 3  # that an enrolment has
LOWER = 420  # px of the page's height
FACE_MS = 30_000  # ms: six seconds of movements, and what a busy machine makes of them
# Which look at the face, outwards; and where the phone has network.
CONTROLS = (("bag-drop", False, False), ("security", False, True), ("border", True, True), ("boarding", True, False))


async def photographed(screen: Locator) -> Image:
    """Another device's screen, as a camera sees it."""
    return np.asarray(Pillow.open(BytesIO(await screen.screenshot())).convert("RGB"), dtype=np.uint8)


def zone_of(lines: list[str]) -> Image:
    """The lower part of the document's page, laid under the kiosk's camera."""
    page = np.asarray(Pillow.open(BytesIO(printed(tuple(lines)))).convert("RGB"), dtype=np.uint8)
    return page[-LOWER:]


async def agreed(phone: Window) -> None:
    """Consent to every control, one by one named."""
    page = phone.page
    await phone.go("/pass")
    await page.get_by_role("link", name="Préparer mon passage").click()
    await page.get_by_role("button", name="Tous").click()
    await page.get_by_label("Numéro de vol").fill("EG 271")
    leaves = datetime.now(ZoneInfo(STATION)) + timedelta(hours=6)
    await page.get_by_label("Heure de départ").fill(leaves.strftime("%Y-%m-%dT%H:%M"))
    await page.get_by_label("J’ai 15 ans ou plus").check()
    await page.get_by_role("button", name="J’accepte").click()
    await expect(page.locator("[data-enrol=kiosk]")).to_be_visible()


async def at_the_kiosk(kiosk: Window, phone: Window, camera: Filmed) -> None:
    """The phone's agreement is read, the document laid down and photographed, its chip opened and proved."""
    page = kiosk.page
    await kiosk.go("/kiosk")
    camera.sees(await photographed(phone.page.locator("[data-code]")))
    await page.get_by_role("button", name="Commencer").click()
    lay = page.get_by_role("button", name="Fabriquer et poser")
    await expect(lay).to_be_visible()
    camera.sees(face(PERSON))
    await camera.played(page)  # the portrait is taken from it
    await lay.click()
    zone = (await page.locator("[data-zone]").inner_text()).split("\n")
    camera.sees(zone_of(zone))
    await camera.played(page)
    await page.get_by_role("button", name="Photographier les lignes").click()
    await expect(page.get_by_label("Deuxième ligne")).to_have_value(zone[1], timeout=LOAD_MS)
    await page.get_by_role("button", name="Lire la puce").click()
    await expect(page.get_by_text("Votre document est authentique")).to_be_visible()


async def enrolled(phone: Window, kiosk: Window, camera: Filmed) -> None:
    """The kiosk's code, then the live challenge on the phone; six tokens come."""
    page = phone.page
    camera.sees(await photographed(kiosk.page.locator("[data-code]")))
    await page.get_by_role("button", name="Lire le code de la borne").click()
    start = page.get_by_role("button", name="Commencer")
    await expect(start).to_be_visible()
    camera.sees(face(PERSON))
    await expect(start).not_to_have_attribute("aria-busy", "true", timeout=LOAD_MS)
    done, again = page.locator("[data-enrol=done]"), page.get_by_role("button", name="Recommencer")
    press = start
    for _ in range(ATTEMPTS):  # a busy machine may miss frames: once more, as a person would
        camera.sees(face(PERSON))
        await camera.played(page)  # the face is measured from the first frames, straight
        await press.click()
        await follows(page, camera, PERSON, where="data-asked")
        await expect(done.or_(again)).to_be_visible(timeout=LOAD_MS)
        if await done.is_visible():
            break
        press = again
    await expect(done).to_be_visible(timeout=LOAD_MS)
    await kiosk.page.get_by_role("button", name="Terminer et tout oublier").click()
    await page.get_by_role("link", name="Ouvrir mon passage").click()
    await expect(page.locator("[data-tokens]")).to_have_attribute("data-tokens", "6")


async def through(gate: Window, phone: Window, camera: Filmed, point: str, *, looks: bool, network: bool) -> None:
    """One control: the phone reads the gate, the gate its answer; where a text asks for it, the face; then the receipt."""
    await at(gate.page, "code")
    await phone.context.set_offline(not network)
    camera.sees(await drawn(gate.page.locator("img.code")))
    await phone.page.get_by_role("link", name="Je suis à une porte").click()
    asked = phone.page.locator("[data-gate=asked]")
    await expect(asked).to_be_visible()
    await expect(asked.locator(".face")).to_have_count(1 if looks else 0)
    await phone.page.get_by_role("button", name="Montrer", exact=True).click()
    if network:
        await expect(phone.page.locator("[data-gate=sent]")).to_be_visible()
    else:
        camera.sees(await held_up(phone))
    if looks:
        await at(gate.page, "face")  # the phone is held up until its code was read, on a busy machine too
        await follows(gate.page, camera, PERSON)
        if await looked(gate.page, FACE_MS) in ("again", "face"):  # as above
            await follows(gate.page, camera, PERSON)
    await at(gate.page, "pass", FACE_MS)
    camera.sees(await drawn(gate.page.locator(".receipt img")))
    await phone.page.get_by_role("button", name="Lire le reçu de la porte").click()
    await expect(phone.page.get_by_text("Reçu gardé sur ce téléphone"), point).to_be_visible()
    await phone.page.get_by_role("button", name="Terminer").click()


async def gone(gates: Airport, phone: Window) -> None:
    """At the departure everything ends; within the hour the phone itself verifies that it did."""
    page = phone.page
    await page.get_by_role("link", name="Arrêter et tout effacer").click()
    await page.get_by_role("button", name="Mon voyage est fait").click()
    verify = page.get_by_role("button", name="Vérifier la preuve")
    await expect(verify).to_be_visible()
    await gates.kernel.things["border-clerk"].hour()
    await verify.click()
    await expect(page.locator("[data-proof=holds]")).to_contain_text("6 jetons sont révoqués")


async def without_biometrics(gates: Airport, gate: Window, tablet: Window) -> None:
    """The same person at the same gate, without the phone: an officer, the document in hand, the same result."""
    await begin(gate, gates, "boarding", external=True)
    await at(gate.page, "code")
    await gate.page.get_by_role("button", name="Je préfère un agent").click()
    await tablet.go("/border/tablet")
    await decided(tablet, "asked-for-a-person")
    await at(gate.page, "pass")


async def decided(tablet: Window, reason: str) -> None:
    page = tablet.page
    await page.get_by_role("button", name="Embarquement").click()
    await page.get_by_label("J’ai le document du voyageur en main").check()
    await page.get_by_role("button", name="Voir les images").click()
    await page.get_by_label("Laisser passer").check()
    await page.get_by_label("Motif").select_option(reason)
    await page.get_by_role("button", name="Décider").click()
    await page.get_by_role("button", name="Passage suivant").click()


async def test_a_journey_from_the_agreement_to_the_proof_that_nothing_is_left(
    gates: Airport, screen: Opener, camera: Filmed
) -> None:
    phone, kiosk = await screen(size=PHONE, touch=True), await screen("officer")
    await agreed(phone)
    await at_the_kiosk(kiosk, phone, camera)
    await enrolled(phone, kiosk, camera)
    gate = await screen("officer")
    for left, (point, looks, network) in zip((5, 4, 3, 2), CONTROLS, strict=True):
        await begin(gate, gates, point, external=True)
        await through(gate, phone, camera, point, looks=looks, network=network)
        await expect(phone.page.locator("[data-tokens]")).to_have_attribute("data-tokens", str(left))
    await phone.page.get_by_role("link", name="Qui a demandé quoi").click()
    await expect(phone.page.get_by_text("reçu signé par la porte")).to_have_count(len(CONTROLS))
    await phone.page.get_by_role("button", name="Retour").click()
    await phone.context.set_offline(False)
    await gone(gates, phone)
    await without_biometrics(gates, gate, await screen("officer"))
