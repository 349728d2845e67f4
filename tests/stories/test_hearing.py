"""A hearing by video between a phone and a desk, on two fake cameras: recorded, cut, resumed, corrected, signed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Locator, Page, expect

from egide.gateways.hearing_words import PATH
from tests.stories.conftest import Opener
from tests.stories.stage import Stage
from tests.stories.test_axe import AXE, CROSSED, OVERFLOW, RUN, reports, told
from tests.stories.window import NARROW, PHONE, WIDE, Window
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.anyio, pytest.mark.story]

# Of a live conversation there is no caption track: its captions are the line below the picture.
LIVE = {"video-caption"}
JOIN_S, THROUGH_S, CUT_S = 30.0, 30.0, 60.0
SECONDS = 3  # of recording
TURNS = 6  # of a page, by itself, in the way of one that is asked for
SETTLED_MS = 500  # in which a page that is under way has come
MOVED = "(one, began) => one.videoWidth > 0 && (one.currentTime > began || one.ended)"
# What a dead cell tower does: the connection there is ends, and no new one comes about until it is over.
TOWER = """(() => { const Real = RTCPeerConnection, peers = []; let cut = false;
  window.RTCPeerConnection = class extends Real { constructor(...how) { super(...how); peers.push(this); if (cut) setTimeout(() => this.close()); } };
  window.tower = (on) => { cut = !on; if (cut) peers.forEach((one) => one.close()); }; })();"""


async def went(page: Page, address: str) -> None:
    """To another page; what is new of a file turns the page over by itself, perhaps at this very moment: then again.

    An attempt that was interrupted may come through all the same, and would interrupt the next one: it is waited for.
    """
    for left in reversed(range(TURNS)):
        try:
            await page.goto(address)
        except PlaywrightError as why:
            if not left or not any(said in str(why) for said in ("interrupted by another navigation", "ERR_ABORTED")):
                raise
            await page.wait_for_timeout(SETTLED_MS)
            await page.wait_for_load_state()
        else:
            return


async def reached(page: Page, state: str) -> None:
    """What was pressed is done, and its page is there: nobody leads it elsewhere before."""
    await expect(page.locator("#state")).to_have_attribute("data-state", state, timeout=THROUGH_S * 1000)


async def kept(page: Page, name: str) -> None:
    """A picture for who reads the report."""
    folder = reports()
    if folder is not None:
        await page.screenshot(path=folder / f"hearing {name}.png", full_page=True)


async def judged(seen: Window, name: str, langs: tuple[str, ...] = ()) -> None:
    """What axe finds wrong or cannot judge, and what does not fit, on the smallest phone and on a desk."""
    axe = await asyncio.to_thread(AXE.read_text, "utf-8")
    wrong: list[str] = []
    for lang in (langs if CROSSED else langs[-1:]) or (
        "",
    ):  # in the language of the story; where the proof is asked for, in both
        if lang:
            await went(seen.page, f"{PATH}?lang={lang}")
        for size in (NARROW, WIDE):
            await seen.page.set_viewport_size({"width": size[0], "height": size[1]})
            await seen.apart("scrollTo(0, 0)")
            found = await seen.apart(f"{axe};{RUN}")
            wrong += [told(rule) for rule in found["violations"] + found["incomplete"] if rule["id"] not in LIVE]
            wrong += await seen.apart(OVERFLOW)
            await kept(seen.page, f"{name} {lang} {size[0]}")
    await seen.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    assert wrong == [], f"{name}: {wrong}"


async def asked_for(page: Page, base: str) -> tuple[str, str]:
    """(number, code) of a complaint asked to be told by video."""
    await page.goto(f"{base}/services/hearing?lang=fr")
    await page.get_by_role("group", name="Est-ce que cela se passe").get_by_label("Non").check()
    await page.get_by_label("On m’a imposé un acte").check()
    await page.get_by_role("group", name="Savez-vous qui").get_by_label("Oui").check()
    await page.get_by_role("button", name="Continuer").click()
    day = datetime.now(UTC) + timedelta(days=2)
    for part, value in (("Jour", day.day), ("Mois", day.month), ("Année", day.year)):
        await page.get_by_label(part, exact=True).fill(str(value))
    await page.get_by_label("Le matin").check()
    await page.get_by_role("button", name="Continuer").click()
    await page.get_by_role("button", name="Continuer").click()
    await page.get_by_label("Adresse de messagerie").fill("claire@example.org")
    await page.get_by_role("button", name="Continuer").click()
    await page.get_by_role("link", name="S’identifier").click()
    await page.get_by_label("Maëlys").check()
    await page.get_by_label("À quel niveau ?").select_option("eidas1")
    await page.get_by_role("button", name="Se connecter").click()
    await page.get_by_role("button", name="Envoyer").click()
    await expect(page.get_by_role("heading", name="C’est envoyé")).to_be_visible()
    return await page.locator(".code").first.inner_text(), await page.locator("[data-code]").inner_text()


async def took(desk: Page, step: str, words: str = "") -> None:
    """A step of the file, with words where they are due."""
    await desk.locator("[data-steps]").get_by_role("button", name=step, exact=True).click()
    if words:
        dialog = desk.get_by_role("dialog")
        await dialog.get_by_label("Vos mots").fill(words)
        await dialog.get_by_role("button", name=step).click()


async def seen_by(video: Locator) -> None:
    """A picture that moves: it has a size and its clock goes, or went to its end."""
    await expect(video).to_be_visible()
    began = await video.evaluate("(one) => one.currentTime")
    async with asyncio.timeout(PATIENCE_S):
        while not await video.evaluate(MOVED, began):
            await asyncio.sleep(0.1)


async def recorded(seen: Window, desk: Page) -> None:
    """Not a byte leaves before both have agreed; the person stops it with one press, and nothing follows."""
    phone, panel, taken = seen.page, desk.locator("[data-recording]"), list[int]()
    desk.on("response", lambda one: taken.append(one.status) if "/api/recordings/" in one.url else None)
    await expect(phone.locator("#recorded")).to_contain_text("Ni l’image ni le son")
    await desk.get_by_role("button", name="Proposer d’enregistrer").click()
    await expect(phone.locator("#recording")).to_contain_text("Vous choisissez", timeout=THROUGH_S * 1000)
    await judged(seen, "asked to record")
    await phone.get_by_label("gardé").check()
    await phone.get_by_role("button", name="J’accepte l’enregistrement").click()
    begin = desk.get_by_role("button", name="J’accepte aussi : enregistrer")
    await expect(begin).to_be_visible(timeout=THROUGH_S * 1000)
    assert taken == []
    await begin.click()
    await expect(panel).to_have_attribute("data-recording", "on")
    await expect(phone.locator("#recorded[data-on]")).to_contain_text(
        "Enregistrement en cours", timeout=THROUGH_S * 1000
    )
    async with asyncio.timeout(CUT_S):
        while len(taken) < SECONDS:
            await desk.wait_for_timeout(100)
    await judged(seen, "recording")
    await kept(desk, "desk recording")
    await phone.get_by_role("button", name="Arrêter l’enregistrement").click()
    await expect(panel).not_to_have_attribute("data-recording", "on")
    stopped = len(taken)
    await expect(phone.locator("#recorded")).to_contain_text("Ni l’image ni le son", timeout=THROUGH_S * 1000)
    # What was recorded shows both, and is a film that a player takes.
    await desk.locator("[data-piece]").get_by_role("button", name="Revoir").press("Enter")
    dialog = desk.get_by_role("dialog")
    await dialog.get_by_label("Pourquoi vous le faut-il").fill("Relire une date.")
    await dialog.get_by_role("button", name="Revoir").click()
    film = dialog.locator("video")
    await film.evaluate("(one) => { one.muted = true; void one.play(); }")
    await seen_by(film)
    await kept(desk, "desk watching")
    await dialog.get_by_label("Fermer").click()
    assert set(taken[:stopped]) <= {204, 404}, "no part was refused but by the stop"
    assert taken[stopped:].count(204) <= 1, "and none was taken after it but one that was under way"


async def test_heard_by_video(stage: Stage, window: Opener) -> None:
    seen: Window = await window(size=PHONE, touch=True, before=TOWER)
    phone = seen.page
    number, _code = await asked_for(phone, stage.base)
    desk = (await window("officer", before=TOWER)).page
    await desk.goto(f"{stage.base}/files")
    await desk.locator(f'[data-file="{number}"]').click()
    article = desk.locator("article")
    when = (datetime.now() + timedelta(days=1)).strftime("%Y-%m-%dT10:00")  # noqa: DTZ005 — as the box says it: the wall's clock
    await desk.get_by_label("Créneau 1").fill(when)
    await desk.get_by_role("button", name="Proposer des créneaux").click()
    await expect(article).to_have_attribute("data-state", "proposed")

    await phone.get_by_role("link", name="Votre rendez-vous").click()
    await reached(phone, "proposed")
    await judged(seen, "slots", ("en", "fr"))
    await phone.locator("input[name=slot]").first.check()
    await phone.get_by_role("button", name="Choisir ce créneau").click()
    await reached(phone, "booked")
    await judged(seen, "rights", ("en", "fr"))
    await phone.get_by_role("button", name="J’ai lu mes droits").click()
    await reached(phone, "informed")
    await judged(seen, "alone", ("en", "fr"))
    await phone.get_by_role("button", name="Oui, je suis seul").click()
    await reached(phone, "ready")

    await desk.get_by_role("button", name="Actualiser").click()
    await desk.get_by_role("button", name="Rejoindre la personne").click()
    await phone.get_by_role("button", name="Ouvrir ma caméra").click()
    room = desk.locator("[data-room]")
    await expect(phone.locator("#link")).to_have_attribute("data-link", "up", timeout=JOIN_S * 1000)
    await expect(room).to_have_attribute("data-link", "up", timeout=JOIN_S * 1000)
    await seen_by(phone.locator("#officer"))
    await seen_by(room.locator("video.person"))

    await desk.get_by_label("Pièce d’identité").select_option("Passeport")
    await desk.get_by_role("button", name="Identité vérifiée").click()
    await expect(article).to_have_attribute("data-state", "identified")
    await took(desk, "La personne me dit être seule et en sécurité")
    await took(desk, "Commencer l’audition")
    statement = desk.get_by_label("Déclaration")
    await statement.fill("Hier vers 18 h, rue de la Gare, un homme m’a imposé un geste.")
    await desk.get_by_label("Sous-titres").fill("Prenez votre temps.")
    await expect(phone.locator("#captions")).to_have_text("Prenez votre temps.")
    await expect(phone.locator("#statement")).to_contain_text("Hier vers 18 h", timeout=THROUGH_S * 1000)
    await judged(seen, "call")
    await kept(desk, "desk call")

    await recorded(seen, desk)

    # The link is lost: words go on, and it is written by itself; then it comes back, and it is the same hearing.
    await phone.evaluate("tower(false)")
    await expect(phone.locator("#link")).to_have_attribute("data-link", "lost", timeout=CUT_S * 1000)
    await expect(room).to_have_attribute("data-link", "lost", timeout=CUT_S * 1000)
    await phone.get_by_label("Écrire à l’agent").fill("Je ne vous vois plus.")
    await phone.locator("form", has_text="Écrire à l’agent").get_by_role("button", name="Envoyer").click()
    await expect(room).to_contain_text("Je ne vous vois plus.", timeout=THROUGH_S * 1000)
    cut = article.get_by_role("listitem").filter(has_text="Image et son coupés")  # what is written, not the room's word
    await expect(cut.first).to_be_visible(timeout=CUT_S * 1000)
    await phone.evaluate("tower(true)")
    await expect(phone.locator("#link")).to_have_attribute("data-link", "up", timeout=CUT_S * 1000)
    await expect(room).to_have_attribute("data-link", "up", timeout=CUT_S * 1000)
    await expect(article).to_contain_text("Image et son rétablis", timeout=THROUGH_S * 1000)
    await expect(article).to_have_attribute("data-state", "heard")

    await phone.get_by_label("Demander une correction").fill("C’était vers 19 h.")
    await phone.locator("#correcting").get_by_role("button", name="Envoyer").click()
    await expect(desk.get_by_text("Une correction attend votre réponse")).to_be_visible(timeout=THROUGH_S * 1000)
    await statement.fill("Hier vers 19 h, rue de la Gare, un homme m’a imposé un geste.")
    await expect(phone.locator("#statement")).to_contain_text("Hier vers 19 h", timeout=THROUGH_S * 1000)
    await took(desk, "Répondre à la demande de correction", "C’est corrigé : 19 h.")
    await expect(phone.locator("#statement")).to_contain_text("C’est corrigé : 19 h.", timeout=THROUGH_S * 1000)
    await took(desk, "Relire")
    await phone.get_by_role("button", name="C’est bien ce que j’ai dit").click()
    await expect(article).to_have_attribute("data-state", "confirmed", timeout=THROUGH_S * 1000)

    # A sexual offence: not closed without the hearing in person.
    await took(desk, "Signer le procès-verbal")
    await expect(desk.get_by_text("audition en présence de la personne est obligatoire").first).to_be_visible()
    await kept(desk, "desk refused")
    await desk.get_by_label("Quand").fill(when)
    await desk.get_by_label("Où", exact=True).fill("Commissariat central")
    await desk.get_by_role("button", name="Fixer", exact=True).click()
    await expect(article).to_contain_text("Commissariat central")
    await desk.get_by_role("button", name="Couper l’appel").click()
    await expect(phone.locator("#link")).to_have_attribute("data-link", "over")
    await expect(article).to_contain_text("Liaison vidéo terminée", timeout=THROUGH_S * 1000)
    await judged(seen, "confirmed", ("en", "fr"))
    await took(desk, "Signer ; l’audition sur place suit")
    await expect(article).to_have_attribute("data-state", "follow_up")
    await reached(phone, "follow_up")
    await went(phone, f"{stage.base}/services/file?lang=fr")
    for words in (
        "Image et son coupés",
        "Image et son rétablis",
        "C’était vers 19 h.",
        "Signée ; une audition sur place suit",
    ):
        await expect(phone.get_by_text(words).first).to_be_visible()
    await went(phone, f"{stage.base}{PATH}?lang=fr")
    await expect(phone.get_by_role("link", name="En recevoir copie")).to_be_visible()
    await went(phone, f"{stage.base}/services/file?lang=fr")
    report = phone.get_by_role("link", name="Procès-verbal de plainte")
    for _ in range(30):  # it is set and sealed by a job
        if await report.count():
            break
        await phone.wait_for_timeout(500)
        await went(phone, f"{stage.base}/services/file?lang=fr")
    await expect(report).to_be_visible()
