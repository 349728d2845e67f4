"""An officer makes themselves a passkey and signs a report with it: two presses, and the evidence holds for that document."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from egide.services.definition import catalogue
from tests.services.filings import WHO, lawful
from tests.stories.conftest import Opener
from tests.stories.stage import Stage

pytestmark = [pytest.mark.anyio, pytest.mark.story]

ACTIONS = 3  # presses from the desk to the signed report, at most
DEVICE = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True,
    "automaticPresenceSimulation": True,
}  # fmt: skip
WHOSE = "other-officer"  # nobody else of these stories signs as this one


async def kept(page: Page, name: str) -> None:
    """A picture for who asks."""
    folder = os.environ.get("EGIDE_REPORTS")
    if folder:
        await page.screenshot(path=Path(folder) / f"signing {name}.png", full_page=True)


async def test_a_report_signed_with_a_passkey(stage: Stage, window: Opener) -> None:
    opened = await window(WHOSE)
    page, officer = opened.page, await stage.person(WHOSE)
    await opened.cdp.send("WebAuthn.enable")
    added = await opened.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    device = added["authenticatorId"]
    await opened.go("/devices")
    await page.get_by_label("Nom de cet appareil").fill("Poste 12")
    await page.get_by_role("button", name="Ajouter une clé").click()
    await expect(page.locator("[data-keys='1']")).to_contain_text("Poste 12")
    await kept(page, "keys")
    try:
        definition = catalogue().find("field-report")
        assert definition is not None
        given = {"channel": "mobile", "version": definition.version, "answers": lawful(definition), "who": WHO}
        taken = await officer.act("services.field_report.take", **given)
        await opened.go("/files")
        article, actions = page.locator("article"), 0

        async def press(what: str) -> None:
            nonlocal actions
            actions += 1
            await page.locator(what).click()

        await press(f'[data-file="{taken["number"]}"]')
        sign = page.get_by_role("button", name="Signer le procès-verbal")
        await expect(sign).to_be_visible()
        # Somebody else's finger: nothing is signed, and what to do is said.
        await opened.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
        await sign.click()
        await expect(page.get_by_text("La clé d’accès n’a pas été utilisée.")).to_be_visible()
        await expect(article).to_have_attribute("data-state", "draft")
        await kept(page, "refused")
        await opened.cdp.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": True})
        await press("[data-steps] button:has-text('Signer le procès-verbal')")
        await expect(article).to_have_attribute("data-state", "signed")
        await expect(page.get_by_text("signé avec sa clé d’accès").first).to_be_visible()
        assert actions <= ACTIONS
        await page.get_by_role("button", name="Vérifier la signature de Procès-verbal de constatations").click()
        await expect(page.locator("#main").get_by_text("La clé d’accès a signé ce document même.")).to_be_visible()
        await kept(page, "signed")
    finally:
        administrator = await stage.person("administrator")
        people = (await administrator.act("administration.people.list"))["people"]
        for key in next(one for one in people if one["id"] == WHOSE)["passkeys"]:
            await administrator.act("administration.passkey.revoke", passkey=key["id"], reason="Fin de l’essai")
