"""Every time of the station is told and typed on its wall: who looks from another zone reads the hour that the others read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import Page, expect

from egide.exercise.story import Scene
from tests.stories.conftest import Opener
from tests.stories.stage import Stage
from tests.stories.test_axe import kept
from tests.stories.window import PHONE, STATION, Window

pytestmark = [pytest.mark.anyio, pytest.mark.story]

ELSEWHERE = "Asia/Tokyo"  # another day than the station's for seven or eight hours of each
NAMED = "(heure locale : Paris)"


def wall(at: datetime | str) -> datetime:
    """As the station's clock says it."""
    return (datetime.fromisoformat(at) if isinstance(at, str) else at).astimezone(ZoneInfo(STATION))


async def order(scene: Scene) -> dict[str, str]:
    """The running order, as it is now."""
    orders = (await (await scene.person("prefect")).act("orders.list"))["orders"]
    return next(each for each in orders if each["id"] == scene.order)


async def test_an_order_is_read_and_prolonged_on_the_stations_clock(scene: Scene, window: Opener) -> None:
    told_ends = datetime.fromisoformat((await order(scene))["ends"])
    ends, later = wall(told_ends), wall(told_ends + timedelta(hours=2))
    seen: Window = await window("prefect", zone=ELSEWHERE)
    page: Page = seen.page
    await seen.go("/desk")
    line = page.locator(f'a[href="#order={scene.order}"]').first
    await expect(line).to_contain_text(f"{ends:%H:%M} {NAMED}")
    await line.click()
    told = page.get_by_role("article")
    await expect(told.locator("dd time").nth(1)).to_have_text(re.compile(rf" à {ends:%H:%M} \(heure locale : Paris\)$"))
    await expect(told.locator("dd time").nth(1)).to_have_attribute(
        "title", re.compile(rf" {ends.day} .* à {ends:%H:%M:%S} UTC\+[12]$")
    )

    await told.get_by_role("button", name="Prolonger").click()
    box = page.get_by_role("dialog")
    await expect(box).to_contain_text("heure locale : Paris")
    await expect(box.locator("input[type=datetime-local]")).to_have_value(f"{later:%Y-%m-%dT%H:%M}")
    await kept(seen, "order, prolonged from elsewhere")
    await box.get_by_label("Pourquoi les conditions").fill("Le marché ferme plus tard que prévu.")
    await box.get_by_role("button", name="Prolonger l’arrêté").click()
    await expect(box).to_be_hidden()
    orders = (await (await scene.person("prefect")).act("orders.list"))["orders"]
    assert later.replace(second=0) in [wall(each["ends"]) for each in orders], "what was typed is what was signed for"

    same = await window("prefect")
    await same.go("/desk")
    near = same.page.locator(f'a[href="#order={scene.order}"]').first
    await expect(near).to_contain_text(f"{ends:%H:%M}")
    await expect(near).not_to_contain_text("heure locale")


async def test_an_order_is_typed_on_the_stations_clock(scene: Scene, window: Opener) -> None:
    full = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    seen: Window = await window("prefect", zone=ELSEWHERE)
    await seen.go("/desk#new")
    begins = seen.page.get_by_label("Début")
    await expect(begins).to_have_value(f"{wall(full):%Y-%m-%dT%H:%M}")
    await expect(seen.page.get_by_role("main")).to_contain_text("heure locale : Paris")


async def test_what_is_kept_without_network_is_told_on_the_stations_clock(stage: Stage, window: Opener) -> None:
    seen: Window = await window("officer", zone=ELSEWHERE)
    page = seen.page
    await page.goto("/field")
    await page.get_by_role("button", name="Prendre le paquet hors ligne").click()
    told = page.locator("[data-field=home]")
    await expect(told).to_have_attribute("data-device", "open")
    lease = wall(datetime.now(UTC) + timedelta(hours=72))
    await expect(told).to_contain_text(
        re.compile(rf"jusqu’au {lease.day} \S+,? (à )?\d\d:\d\d \(heure locale : Paris\)")
    )
    # The lease's own hour: files that other stories left to this officer have hours too.
    (said,) = re.findall(r"jusqu’au [^(:]*(\d\d):\d\d \(heure", await told.inner_text())
    assert int(said) in {lease.hour, (lease - timedelta(minutes=2)).hour}


async def test_a_departure_is_typed_on_the_airports_clock(stage: Stage, window: Opener) -> None:
    seen: Window = await window(zone=ELSEWHERE, size=PHONE, touch=True)
    page = seen.page
    await seen.go("/pass")
    await page.get_by_role("link", name="Préparer mon passage").click()
    await page.get_by_role("button", name="Tous").click()
    await page.get_by_label("Numéro de vol").fill("EG 271")
    await expect(page.locator("[data-consent]")).to_contain_text("heure locale : Paris")
    leaves = datetime.now(ZoneInfo(STATION)).replace(second=0, microsecond=0) + timedelta(hours=6)
    await page.get_by_label("Heure de départ").fill(f"{leaves:%Y-%m-%dT%H:%M}")
    await page.get_by_label("J’ai 15 ans ou plus").check()
    async with page.expect_request("**/api/acts/border.consent.give") as asked:
        await page.get_by_role("button", name="J’accepte").click()
    given = (await asked.value).post_data_json
    assert given is not None
    assert datetime.fromisoformat(given["departure"]) == leaves
