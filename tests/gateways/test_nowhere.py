"""An address that leads nowhere: a page for people, a line for programs."""

from __future__ import annotations

import pytest

from egide.gateways.nowhere import TITLE, USED
from tests.gateways.test_service_pages import Browser
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("path", "title"),
    [("/no-such-page", TITLE), ("/services/theft/facts/more", TITLE), ("/api/downloads/used", USED)],
)
async def test_people_are_told_where_to_go(world: World, path: str, title: object) -> None:
    browser = Browser(world)
    browser._client.headers["accept"] = "text/html,*/*;q=0.8"
    for lang, other in (("fr", "en"), ("en", "fr")):
        answer = await browser._client.get(path, headers={"accept-language": lang})
        assert answer.status_code == 404
        assert f'<html lang="{lang}">' in answer.text
        assert getattr(title, lang) in answer.text
        assert getattr(title, other) not in answer.text
        assert all(number in answer.text for number in ("tel:17", "tel:112", "sms:114"))
        assert "script-src" not in answer.headers["content-security-policy"]
    await browser.close()


async def test_programs_get_a_line(world: World) -> None:
    browser = Browser(world)
    answer = await browser._client.get("/no-such-page")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    answer = await browser._client.post("/services")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    browser._client.headers["accept"] = "text/html"
    answer = await browser._client.post("/services")
    assert answer.status_code == 405
    assert "<h1>" in answer.text
    assert "GET" in answer.headers["allow"]
    await browser.close()
