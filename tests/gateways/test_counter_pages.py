"""At the counter an officer takes down what a person says, on the resident's pages; without an officer's session nobody can."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import msgspec
import pytest

from tests.gateways.test_service_pages import Browser, of
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def browser(world: World) -> AsyncIterator[Browser]:
    made = Browser(world)
    yield made
    await made.close()


async def signed_in(world: World, browser: Browser, persona: str) -> None:
    answer = await browser.call("/api/acts/administration.demo.enter", msgspec.json.encode({"persona": persona}))
    assert answer.status_code == 200


async def told(browser: Browser) -> None:
    await browser.send("/services/theft", of(("going_on", "offence", "author_known")))
    await browser.send(browser.path, of(("facts_", "account")))
    await browser.send(browser.path, of(("things", "loss")))
    await browser.send(browser.path, of(("email",)))
    assert browser.path == "/services/theft/check"


async def test_an_officer_takes_down_a_complaint(world: World, browser: Browser) -> None:
    await signed_in(world, browser, "officer")
    assert "Camille Aubert" in await browser.open("/services/theft")
    await told(browser)
    assert "La personne devant vous" in browser.answer.text
    assert ">Envoyer<" not in browser.answer.text
    person = {"given_name": ["Zoé"], "family_name": ["<b>Petit</b>"], "birthdate": ["29/02/1988"], "document": ["Passeport"], "channel": ["counter"]}  # fmt: skip
    text = await browser.send("/services/theft/take", person)
    number, code = (re.search(rf"data-{word}>([^<]+)<", text) for word in ("number", "code"))
    assert number is not None
    assert code is not None
    assert "<svg" in text
    queue = (await world.act("officer", "services.desk.queue"))["files"]
    opened = await world.act("officer", "services.theft.read", file=queue[0]["id"])
    assert opened["file"]["channel"] == "counter"
    assert opened["file"]["who"] == {
        "given_name": "Zoé",
        "family_name": "<b>Petit</b>",
        "birthdate": "1988-02-29",
        "document": "Passeport",
    }
    again = await browser.send("/services/theft/take", person)
    assert browser.answer.status_code == 404, "the draft is gone"
    assert code[1] not in again


async def test_a_service_for_officers_alone_opens_to_them_alone(world: World, browser: Browser) -> None:
    assert (await browser.send("/services/field-report", {})) is not None
    assert browser.answer.status_code == 404
    await signed_in(world, browser, "officer")
    text = await browser.open("/services/field-report")
    assert "<form" in text
    await browser.send("/services/field-report", {})
    assert browser.answer.status_code in (200, 422)


@pytest.mark.parametrize("persona", [None, "dpo"])
async def test_nobody_else_records(world: World, browser: Browser, persona: str | None) -> None:
    if persona is not None:
        await signed_in(world, browser, persona)
    await told(browser)
    await browser.send("/services/theft/take", {"channel": ["counter"]})
    assert browser.answer.status_code in (401, 403)
    assert (await world.act("command", "services.desk.queue"))["files"] == []
