"""A notice contested from a telephone, in French, without JavaScript; read and decided by a magistrate; and one’s rights on it.

The way in is read from the sealed PDF, as a telephone reads its code. Each page is judged by axe-core, nothing left unjudged.
"""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from tests.services.desk import photo
from tests.services.fined import notice
from tests.stories.test_services import judged, kept
from tests.stories.window import NARROW, opened
from tests.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.story]


async def test_a_notice_contested_from_a_telephone(served: World, browser: Browser) -> None:
    sent, origin = await notice(served), served.kernel.settings.origin
    context = await browser.new_context(
        viewport={"width": NARROW[0], "height": NARROW[1]}, java_script_enabled=False, locale="fr-FR"
    )
    page, wrong = await context.new_page(), []

    async def look(where: str) -> None:
        wrong.extend(await judged(browser, await page.content(), page.url, where))
        await kept(page, f"notice, {where}")

    await page.goto(f"{origin}/services/traffic-notice")
    await page.get_by_role("link", name="Payer ou contester un avis").click()
    await look("boxes")
    await page.get_by_label("Numéro de l’avis").fill(sent.number)
    await page.get_by_label("Code de l’avis").fill(sent.code.lower().replace("-", " "))
    await page.get_by_role("button", name="Ouvrir l’avis").click()
    await expect(page.locator("[data-state]")).to_have_attribute("data-state", "sent")
    await expect(page.locator("[data-until]")).to_contain_text("Vous avez jusqu’au")
    await look("open")
    await page.get_by_role("link", name="Contester").click()
    await page.get_by_role("button", name="Continuer").click()
    await expect(page).to_have_title("Erreur : Contester — Égide")
    await look("mistake")
    await page.get_by_label("L’infraction n’a pas eu lieu").check()
    await page.get_by_role("button", name="Continuer").click()
    await page.get_by_label("Vos raisons").fill("Le panneau était caché par un arbre.")
    await page.locator("input[type=file]").set_input_files(
        {"name": "arbre.jpg", "mimeType": "image/jpeg", "buffer": photo()}
    )
    await look("form")
    await page.get_by_role("button", name="Envoyer").click()  # without name and address: the file is not lost
    await expect(page.get_by_role("alert")).to_contain_text("Vos nom et prénoms")
    await expect(page.locator(".files")).to_contain_text("arbre.jpg")
    await page.get_by_label("Vos nom et prénoms").fill("Claire Petit")
    await page.get_by_label("Votre adresse", exact=True).fill("3 rue du Port, Brest")
    await page.get_by_role("button", name="Envoyer").click()
    await expect(page.get_by_role("heading", name="C’est envoyé")).to_be_visible()
    await expect(page.locator("[data-proof] svg")).to_be_visible()
    await look("receipt")
    await page.get_by_role("link", name="Voir tout le dossier").click()
    await page.get_by_role("link", name="Vos droits sur ce dossier").click()
    await page.get_by_role("link", name="English").click()
    await look("rights")
    await page.get_by_role("button", name="Read the copy").click()
    await expect(page.get_by_role("alert")).to_contain_text("CNIL")
    await look("rights refused")
    await context.close()

    # What is scanned opens it, and is gone from the address.
    scanned = await opened(browser, origin)
    await scanned.page.goto(f"{sent.address}?lang=en#{sent.number}.{sent.code}")
    await expect(scanned.page.locator("[data-state]")).to_have_attribute("data-state", "contested")
    assert sent.code not in scanned.page.url
    await scanned.close()

    # The magistrate reads the reasons and the photograph where they wait, and decides.
    desk = await opened(browser, origin)
    await desk.enter("magistrate")
    await desk.page.goto(f"{origin}/files")
    await desk.page.locator(f'[data-file="{sent.number}"]').click()
    await expect(desk.page.locator("article")).to_contain_text("caché par un arbre")
    await expect(desk.page.locator("article")).to_contain_text("arbre.jpg")
    await kept(desk.page, "notice, the magistrate")
    await desk.page.get_by_role("button", name="Renoncer à poursuivre").click()
    dialog = desk.page.get_by_role("dialog")
    await dialog.get_by_label("Vos mots").fill("Panneau masqué.")
    await dialog.get_by_role("button", name="Renoncer à poursuivre").click()
    await expect(desk.page.locator("article")).to_have_count(0)
    assert (desk.stopped, desk.crashed) == ([], [])
    await desk.close()
    assert wrong == [], "\n".join(wrong)
