"""Oversight sees a refusal as it happens and need not believe it: the browser does the proof's sum again."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from egide.exercise.people import ActRefused
from egide.exercise.story import Scene
from tests.stories.conftest import Opener

pytestmark = [pytest.mark.anyio, pytest.mark.story]


async def test_a_refusal_arrives_and_its_proof_holds(scene: Scene, window: Opener) -> None:
    dpo = await window("dpo")
    page = dpo.page
    await dpo.go("/oversight")
    await expect(page.get_by_text("suivi en direct")).to_be_visible()
    refusals = page.get_by_role("listitem").filter(has=page.get_by_text("refusé", exact=True), has_text="Noé Lambert")
    before = await refusals.count()

    live = await (await scene.person("other-officer")).live()
    with pytest.raises(ActRefused):
        await live.act("operations.watch.open", deployment=scene.deployments["Drone 1"])
    await live.close()

    await expect(refusals).to_have_count(before + 1)
    arrived = refusals.first
    await expect(arrived).to_contain_text("L242-2")
    await arrived.get_by_role("button", name="vérifier nº").click()
    proof = page.get_by_role("dialog")
    await expect(proof).to_contain_text("Preuve vérifiée dans ce navigateur")
    await expect(proof.locator(".check.bad, .check.unknown")).to_have_count(0)


async def test_who_watches_now(scene: Scene, window: Opener) -> None:
    dpo = await window("dpo")
    page = dpo.page
    await dpo.go("/oversight#watches")
    live = await (await scene.person("officer")).live()
    await live.act("operations.watch.open", deployment=scene.deployments["Drone 1"])
    watch = page.get_by_role("main").get_by_text("Camille Aubert")
    await expect(watch).to_be_visible()
    await expect(page.get_by_role("main")).to_contain_text("L242-5")
    await live.close()
    await expect(watch).to_be_hidden()
