"""Somebody lets another person vote for them, from a phone, in French, without JavaScript: refused with an account that proves
too little, nothing typed lost, and done with a wallet. Then from a desk, with the wallet on another device.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import segno
from playwright.async_api import Browser, Page, expect

from tests.stories.stage import Stage
from tests.stories.test_services import judged
from tests.stories.window import NARROW, PATIENCE_MS, WIDE

pytestmark = [pytest.mark.anyio, pytest.mark.story]


async def kept(page: Page, name: str) -> None:
    """A picture for who asks."""
    folder = os.environ.get("EGIDE_REPORTS")
    if folder:
        await page.screenshot(path=Path(folder) / f"wallet {name}.png", full_page=True)


async def on(page: Page) -> None:
    await page.get_by_role("button", name="Continuer").click()


async def day(page: Page, group: str, at: tuple[str, str, str]) -> None:
    for part, value in zip(("Jour", "Mois", "Année"), at, strict=True):
        await page.get_by_role("group", name=group).get_by_label(part, exact=True).fill(value)


async def answered(page: Page, base: str) -> None:
    """Everything that the service asks."""
    await page.goto(f"{base}/services")
    await page.get_by_role("link", name="Donner procuration pour voter").click()
    await page.get_by_role("group", name="Avez-vous une identité numérique").get_by_label("Oui").check()
    await on(page)
    await page.get_by_label("Municipales").check()
    await on(page)  # the questions that this answer makes one ask are there now
    await day(page, "Quel jour a lieu le vote", ("15", "3", "2027"))
    await page.get_by_label("Le premier", exact=True).check()
    await page.get_by_label("Dans quelle commune").fill("Rennes")
    await page.get_by_label("Votre numéro d’électeur").fill("123456789")
    await on(page)
    await page.get_by_label("Ses nom et prénoms").fill("Morel Camille")
    await day(page, "Sa date de naissance", ("2", "5", "1980"))
    await page.get_by_label("Féminin").check()
    await page.get_by_label("Son numéro d’électeur").fill("987654321")
    await on(page)
    await page.get_by_label("Téléphone").fill("06 12 34 56 78")
    await page.get_by_label("Adresse de messagerie").fill("alix@example.org")
    await on(page)
    await expect(page.get_by_role("heading", name="Relire avant d’envoyer")).to_be_visible()


async def test_a_proxy_refused_with_too_little_and_done_with_the_wallet(stage: Stage, browser: Browser) -> None:
    context = await browser.new_context(
        viewport={"width": NARROW[0], "height": NARROW[1]}, java_script_enabled=False, locale="fr-FR"
    )
    context.set_default_timeout(PATIENCE_MS)
    page, wrong = await context.new_page(), []
    await answered(page, stage.base)
    check = page.url
    wrong += await judged(browser, await page.content(), page.url, "check")
    await kept(page, "check")

    # An account of a low level: a plain sentence, and nothing that was typed is lost.
    await page.get_by_role("link", name="S’identifier").click()
    await page.get_by_label("Alix").check()
    await page.get_by_label("À quel niveau ?").select_option("eidas1")
    await page.get_by_role("button", name="Se connecter").click()
    await expect(page.get_by_role("heading", name="Cette connexion ne suffit pas")).to_be_visible()
    await expect(page.get_by_text("une identité vérifiée, niveau élevé").first).to_be_visible()
    await kept(page, "too low")
    await page.get_by_role("link", name="Revenir à ma démarche").click()
    await expect(page).to_have_url(check.partition("?")[0])
    await expect(page.get_by_text("Morel Camille")).to_be_visible()
    await expect(page.get_by_role("button", name="Envoyer")).to_have_count(0)

    # The wallet is on this phone: the code is the same on both pages; then back, identified.
    await page.get_by_role("link", name="Montrer mon portefeuille").click()
    await expect(page.get_by_role("heading", name="Présentez votre identité")).to_be_visible()
    code = await page.locator("[data-code]").inner_text()
    wrong += await judged(browser, await page.content(), page.url, "request")
    await kept(page, "request")
    await page.get_by_role("button", name="J’ai présenté mon identité").click()
    await expect(page.get_by_text("Rien n’est encore arrivé")).to_be_visible()
    assert await page.locator("[data-code]").inner_text() == code
    await page.get_by_role("link", name="Ouvrir mon portefeuille").click()
    await expect(page.locator("[data-client]")).to_contain_text(code)
    await expect(page.get_by_text("nom, prénoms, date de naissance")).to_be_visible()
    wrong += await judged(browser, await page.content(), page.url, "wallet")
    await kept(page, "wallet")
    await page.get_by_label("Alix").check()
    await page.get_by_label("Qu’est-ce qui ne va pas ?").select_option("more")
    await page.get_by_role("button", name="Présenter mon identité").click()
    await expect(page).to_have_url(check.partition("?")[0])
    await expect(page.get_by_text("par portefeuille d’identité")).to_be_visible()
    await expect(page.get_by_text("Morel Camille")).to_be_visible()
    await kept(page, "identified")
    await page.get_by_role("button", name="Envoyer").click()
    await expect(page.get_by_role("heading", name="C’est envoyé")).to_be_visible()
    assert (await page.locator(".code").first.inner_text()).startswith("VP-")
    await kept(page, "sent")
    await context.close()
    assert wrong == [], "\n".join(wrong)


async def test_with_the_wallet_on_another_device(stage: Stage, browser: Browser) -> None:
    """At a desk, where scripts run, the page goes on by itself; what goes wrong in the wallet is said there and here."""
    desk = await browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]}, locale="fr-FR")
    pocket = await browser.new_context(
        viewport={"width": NARROW[0], "height": NARROW[1]}, java_script_enabled=False, locale="fr-FR"
    )
    for context in (desk, pocket):
        context.set_default_timeout(PATIENCE_MS)
    page, phone = await desk.new_page(), await pocket.new_page()
    start = f"{stage.base}/identity/wallet/start?level=4&return=/services/voting-proxy"
    for failure, there, here in (
        ("altered", "Ce n’est pas accepté", "L’identité n’a pas pu être vérifiée"), ("", "C’est présenté", "Donner procuration pour voter"),
    ):  # fmt: skip
        await page.goto(start)
        code = await page.locator("[data-code]").inner_text()
        link = str(await page.locator("[data-here]").get_attribute("href")).replace("%2Fhere", "%2Fthere")
        # The picture is that link, and nothing else.
        drawn = segno.make(link, error="l", micro=False).svg_inline(border=4, light="#fff", omitsize=True)
        assert drawn.split(' d="')[-1].split('"')[0] in await page.locator(".qr").inner_html()
        await kept(page, f"desk {failure}")
        await phone.goto(link)
        await expect(phone.locator("[data-client]")).to_contain_text(code)
        await phone.get_by_label("Qu’est-ce qui ne va pas ?").select_option(failure)
        await phone.get_by_role("button", name="Présenter mon identité").click()
        await expect(phone.get_by_role("heading", name=there)).to_be_visible()
        await kept(phone, f"other device {failure}")
        await expect(page.get_by_role("heading", name=here).first).to_be_visible(timeout=PATIENCE_MS)
        await kept(page, f"desk after {failure}")
    await desk.close()
    await pocket.close()
