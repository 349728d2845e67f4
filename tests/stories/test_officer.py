"""An officer's whole way: a passkey, a mission, a live drone, a point on the ground; then the order ends, and is renewed."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from egide.exercise.story import PICTURE_GONE_S, Scene
from tests.stories.conftest import Opener
from tests.stories.stage import Stage
from tests.stories.window import PHONE, Window

pytestmark = [pytest.mark.anyio, pytest.mark.story]

CLICKS = ((0.5, 0.5), (0.12, 0.2), (0.88, 0.25), (0.2, 0.85), (0.85, 0.9))  # shares of the picture, from its upper left
NEAR_M = 10.0  # m between a click and the truth
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip
GONE = """() => { const gone = () => !document.querySelector('[data-video] canvas');
  window.storyGone = null;
  new MutationObserver((_, self) => { if (gone()) { window.storyGone = Date.now(); self.disconnect(); } })
    .observe(document.body, { subtree: true, childList: true }); }"""


async def invited(stage: Stage) -> tuple[str, str]:
    """An officer the administrator has just added: (id, invitation)."""
    administrator = await stage.person("administrator")
    unit = (await administrator.act("administration.unit.add", name="Brigade du récit"))["id"]
    added = await administrator.act("administration.person.add", name="Lou Verdier", unit=unit, roles=["officer"])
    return added["id"], added["invitation"]


async def registers(officer: Window, invitation: str) -> None:
    """The officer makes a passkey, signs out, and comes back with it."""
    page = officer.page
    await officer.cdp.send("WebAuthn.enable")
    await officer.cdp.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    await officer.go(f"/sign-in#invitation={invitation}")
    assert "invitation" not in page.url, "a code is not left in the address bar"
    await page.get_by_role("button", name="Créer ma clé d’accès").click()
    await page.wait_for_url("**/")
    who = page.get_by_role("banner").get_by_text("Lou Verdier")
    await expect(who).to_be_visible()
    async with page.expect_navigation(
        url="**/"
    ):  # the page goes home by itself: going elsewhere meanwhile would be a race
        await page.get_by_role("button", name="Se déconnecter").click()
    await expect(who).to_be_hidden()
    await officer.go("/sign-in?next=/operations")
    await page.get_by_role("button", name="Utiliser ma clé d’accès").click()
    await page.wait_for_url("**/operations")
    await expect(page.get_by_text("Lou Verdier")).to_be_visible()


async def admitted(stage: Stage, scene: Scene, officer: str) -> None:
    """Habilitated by the administrator, put on the mission's roster by the duty commander."""
    administrator, command = await stage.person("administrator"), await scene.person("command")
    until = (datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="seconds")
    await administrator.act("administration.habilitation.grant", person=officer, scope="*", until=until)
    await command.act("operations.roster.change", mission=scene.mission, add=[officer])


async def live(page: Page) -> Locator:
    """The picture, once it is live and goes on."""
    picture = page.locator("[data-video][data-state=live]")
    await expect(picture).to_be_visible()
    seen = int(await picture.get_attribute("data-frames") or 0)
    await expect(picture).not_to_have_attribute("data-frames", re.compile(f"^({seen}|{seen + 1})$"))
    assert int(await picture.get_attribute("data-frames") or 0) > seen
    return picture


async def aims(page: Page, picture: Locator, u: float, v: float) -> dict[str, Any]:
    """Presses a place in the picture; what the list of points then says of it."""
    box = await picture.bounding_box()
    assert box is not None
    marks = page.locator("[data-marks] [data-lat]")
    before = await marks.count()
    await page.mouse.click(box["x"] + u * box["width"], box["y"] + v * box["height"])
    await expect(marks).to_have_count(before + 1)
    found: dict[str, Any] = await marks.first.evaluate("mark => ({...mark.dataset})")
    return found


async def test_an_officer_watches_because_an_order_allows_it(stage: Stage, scene: Scene, window: Opener) -> None:
    id_, invitation = await invited(stage)
    officer = await window()
    page = officer.page
    await registers(officer, invitation)
    await admitted(stage, scene, id_)

    await officer.go("/operations")
    await expect(page.get_by_role("heading", name="Place du Sénat — sécurisation")).to_be_visible()
    await page.locator("[data-source]").filter(has_text="Drone 1").click()
    await page.get_by_role("button", name="Regarder", exact=True).click()
    picture = await live(page)
    assert await picture.get_attribute("data-telemetry") == "corners"
    await expect(page.locator("[data-map]")).to_have_attribute("data-map", "idle")
    await expect(page.get_by_text("OpenStreetMap")).to_be_visible()

    for u, v in CLICKS:
        mark = await aims(page, picture, u, v)
        off = stage.off_by(u, v, mark["moment"], float(mark["lat"]), float(mark["lon"]))
        assert off < NEAR_M, f"{off:.1f} m at {u}, {v}: {mark}"

    await page.evaluate(GONE)
    prefect = await scene.person("prefect")
    asked = time.time()
    await prefect.act("orders.revoke", order=scene.order, reason="Le rassemblement s’est dispersé")
    await expect(page.locator("[data-video] canvas")).to_have_count(0)
    gone = await page.evaluate("window.storyGone") / 1000 - asked
    assert 0 < gone < PICTURE_GONE_S, f"{gone:.2f} s"
    card = page.locator("[data-video][data-state=ended]").get_by_role("region", name="Refus")
    await expect(card).to_contain_text("L242-5, IV")

    until = (datetime.now(UTC) + timedelta(hours=8)).isoformat(timespec="seconds")
    await prefect.act("orders.extend", order=scene.order, ends=until, reason="La menace persiste")
    await page.get_by_role("button", name="Reprendre la vue").click()
    await live(page)


async def test_on_a_phone(scene: Scene, window: Opener) -> None:
    officer = await window("officer", size=PHONE, touch=True)
    page = officer.page
    await officer.go("/operations")
    await page.get_by_role("button", name="Regarder", exact=True).tap()
    picture = await live(page)
    box = await picture.bounding_box()
    assert box is not None
    assert box["x"] >= 0 and box["x"] + box["width"] <= PHONE[0]  # noqa: PT018 — one fact
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    big = page.get_by_role("button", name="Ne plus regarder")
    await expect(big).to_be_in_viewport(ratio=1)
    await big.tap()
    await expect(page.locator("[data-video] canvas")).to_have_count(0)
