"""The pages of work without network: the same for everybody, named by their bytes; the browser is told to remember nothing."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

import pytest

from egide.services.definition import catalogue
from tests.gateways.browser import Browser
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_the_pack_is_what_the_pages_are(world: World) -> None:
    browser = Browser(world)
    pack = (await browser.get("/field/pack.json")).json()
    named = dict(pack["pages"])
    offline = [one for one in catalogue().current() if one.channels.get("mobile") and one.channels["mobile"].offline]
    assert set(named) == {
        f"/field{at}?lang={lang}"
        for at in ("", "/add", "/pass", *(f"/{one.id}" for one in offline))
        for lang in ("fr", "en")
    }
    for address, digest in named.items():
        answer = await browser.get(address)
        assert answer.status_code == 200
        assert b64encode(sha256(answer.content).digest()).decode() == digest
        assert "script-src 'self'" in answer.headers["content-security-policy"] or "script" not in answer.text
        assert '<meta name="egide-zone" content="Europe/Paris">' in answer.text, "times are told on the station’s clock"
        assert "geolocation=(self)" in answer.headers["permissions-policy"]
    assert (await browser.get("/field/illegal-content")).status_code == 404
    await browser.close()


async def test_a_form_asks_every_question_and_the_browser_is_told_to_remember_none(world: World) -> None:
    browser = Browser(world)
    for definition in catalogue().current():
        way = definition.channels.get("mobile")
        if way is None or not way.offline:
            continue
        page = (await browser.get(f"/field/{definition.id}?lang=en")).text
        assert re.findall(r'data-q="([a-z_0-9]+)"', page) == [field.id for field in definition.fields]
        assert f'data-digest="{definition.digest}"' in page
        assert '<form autocomplete="off"' in page
        assert set(re.findall(r'autocomplete="([^"]*)"', page)) == {"off"}
    await browser.close()
