"""A theft reported from a phone, in French, without JavaScript: at most twelve questions on five pages; then followed.

Somebody else's browser, with the number alone, learns nothing. What opens is judged by axe-core, nothing left unjudged.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.stories.conftest import Opener
from tests.stories.stage import Stage
from tests.stories.test_axe import AXE, OVERFLOW, told
from tests.stories.window import NARROW, WIDE

pytestmark = [pytest.mark.anyio, pytest.mark.story]

FIELDS, PAGES = 12, 5  # at most
SCRIPTS = re.compile(r"<script\b.*?</script>", re.DOTALL)
RUN = "axe.run(document, {resultTypes: ['violations', 'incomplete']}).then(({violations, incomplete}) => [...violations, ...incomplete])"


async def judged(browser: Browser, html: str, url: str, where: str) -> list[str]:
    """What axe finds wrong with a page as it was sent, or cannot judge: in a page of its own, for this one has no scripts.

    There the page's own are left out: one that goes on by itself would leave while it is judged.
    """
    axe, html = await asyncio.to_thread(AXE.read_text, "utf-8"), SCRIPTS.sub("", html)
    wrong: list[str] = []
    for size, scheme in ((WIDE, "light"), (NARROW, "dark")):
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, bypass_csp=True
        )
        page = await context.new_page()
        await page.route("**/*", lambda route: route.fulfill(body=html, content_type="text/html; charset=utf-8"))
        await page.goto(url)
        await page.evaluate(axe)
        wrong += [f"{where}, {size[0]} px, {scheme}: {told(rule)}" for rule in await page.evaluate(RUN)]
        wrong += [f"{where}, {size[0]} px: {what}" for what in await page.evaluate(OVERFLOW)]
        await context.close()
    return wrong


async def kept(page: Page, name: str) -> None:
    """A picture for who asks."""
    folder = os.environ.get("EGIDE_REPORTS")
    if folder:
        await page.screenshot(path=Path(folder) / f"services {name}.png", full_page=True)


async def test_a_theft_reported_from_a_phone(stage: Stage, browser: Browser, window: Opener) -> None:
    context = await browser.new_context(
        viewport={"width": NARROW[0], "height": NARROW[1]}, java_script_enabled=False, locale="fr-FR"
    )
    page, wrong, asked, pages = await context.new_page(), [], set(), 0

    async def look(where: str) -> None:
        nonlocal pages
        pages += 1
        names = await page.locator("form [name]").evaluate_all(
            "all => all.map((one) => one.name.replace(/-(day|month|year)$/, ''))"
        )
        asked.update(names)
        wrong.extend(await judged(browser, await page.content(), page.url, where))
        await kept(page, where)

    await page.goto(f"{stage.base}/services")
    wrong += await judged(browser, await page.content(), page.url, "list")
    await page.get_by_role("link", name="Porter plainte pour un vol").click()
    await look("questions")
    await page.get_by_role("group", name="Est-ce que cela se passe").get_by_label("Non").check()
    await page.get_by_role("button", name="Continuer").click()
    await expect(page).to_have_title("Erreur : Porter plainte pour un vol ou une dégradation — Égide")
    wrong += await judged(browser, await page.content(), page.url, "mistakes")
    await page.get_by_label("Un vol", exact=True).check()
    await page.get_by_role("group", name="Savez-vous qui").get_by_label("Non").check()
    await page.get_by_role("button", name="Continuer").click()
    await look("facts")
    for part, value in (("Jour", "3"), ("Mois", "11"), ("Année", "2025")):
        await page.get_by_label(part, exact=True).fill(value)
    await page.get_by_label("Où ?").fill("12 rue de la Gare, Rennes")
    await page.get_by_label("Racontez ce qui").fill("Mon vélo attaché devant la gare a disparu.")
    await page.get_by_role("button", name="Continuer").click()
    await look("things")
    await page.get_by_label("Quoi ?").fill("Vélo bleu, n° 4411")
    await page.get_by_role("button", name="Continuer").click()
    await look("you")
    await page.get_by_label("Adresse de messagerie").fill("claire@example.org")
    await page.get_by_role("button", name="Continuer").click()
    await expect(page.get_by_role("heading", name="Relire avant d’envoyer")).to_be_visible()
    await look("check")
    await page.get_by_role("link", name="S’identifier").click()
    await page.get_by_label("Maëlys").check()
    await page.get_by_label("À quel niveau ?").select_option("eidas1")
    await page.get_by_role("button", name="Se connecter").click()
    await expect(page.get_by_text("Identifié")).to_be_visible()
    await page.get_by_role("button", name="Envoyer").click()
    await expect(page.get_by_role("heading", name="C’est envoyé")).to_be_visible()
    wrong += await judged(browser, await page.content(), page.url, "receipt")
    await kept(page, "receipt")
    number = await page.locator(".code").first.inner_text()
    code = await page.locator("[data-code]").inner_text()
    await context.close()
    assert len(asked) <= FIELDS, sorted(asked)
    assert pages <= PAGES
    assert wrong == [], "\n".join(wrong)

    # An officer takes it up, asks, and the person answers from another browser, with the number and the code.
    desk = (await window("officer")).page
    await desk.goto(f"{stage.base}/files")
    await desk.locator(f'[data-file="{number}"]').click()
    await desk.get_by_role("button", name="Prendre en charge").click()
    await desk.get_by_role("button", name="Poser une question").click()
    dialog = desk.get_by_role("dialog")
    await dialog.get_by_label("Vos mots").fill("Avez-vous la facture ?")
    await dialog.get_by_role("button", name="Poser une question").click()
    await expect(desk.locator("article")).to_have_attribute("data-state", "question")
    elsewhere = await browser.new_context(java_script_enabled=False, locale="fr-FR")
    mine = await elsewhere.new_page()
    await mine.goto(f"{stage.base}/services/file")
    for given, seen in (
        ("AAAA-AAAA", "communiqué qu’à la personne"),
        (code.lower().replace("-", " "), "Avez-vous la facture ?"),
    ):
        await mine.get_by_label("Numéro").fill(number)
        await mine.get_by_label("Code").fill(given)
        await mine.get_by_role("button", name="Ouvrir le dossier").click()
        await expect(mine.get_by_text(seen).first).to_be_visible()
    await mine.get_by_label("Vos mots").fill("Oui, je l’apporte.")
    await mine.get_by_role("button", name="Répondre").click()
    await expect(mine.locator("[data-state]")).to_have_attribute("data-state", "assigned")
    await elsewhere.close()
    await desk.get_by_role("button", name="Actualiser").click()
    await expect(desk.locator("article")).to_have_attribute("data-state", "assigned")
    await desk.get_by_role("button", name="Valider et signer").click()
    await expect(desk.locator("article")).to_have_count(0)
