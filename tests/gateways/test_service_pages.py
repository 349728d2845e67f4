"""A resident's whole way over the pages, without JavaScript: nothing typed is lost, nothing hostile gets through."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from egide.services.definition import catalogue
from tests.kernel.test_emergency import plug, unplug
from tests.services.test_filing import THEFT
from tests.world import World

pytestmark = pytest.mark.anyio


class Browser:
    """What a browser without scripts does: keeps cookies, follows, sends forms as they stand."""

    def __init__(self, world: World) -> None:
        self.origin = world.kernel.settings.origin
        transport = httpx.ASGITransport(world.application)
        self._client = httpx.AsyncClient(transport=transport, base_url=self.origin.replace("http:", "https:"))
        self._client.headers.update({"origin": self.origin, "accept-language": "fr"})
        self.answer: httpx.Response

    async def open(self, path: str) -> str:
        self.answer = await self._client.get(path, follow_redirects=True)
        return self.answer.text

    async def send(
        self, path: str, form: dict[str, list[str]] | None = None, files: list[tuple[str, tuple[str, bytes, str]]] | None = None
    ) -> str:  # fmt: skip
        self.answer = await self._client.post(path, data=form or {}, files=files, follow_redirects=True)
        return self.answer.text

    async def call(self, path: str, body: bytes) -> httpx.Response:
        """An act, as a page's script asks for it."""
        return await self._client.post(path, content=body, headers={"content-type": "application/json"})

    @property
    def path(self) -> str:
        return self.answer.url.path

    def cookie(self, name: str, value: str) -> None:
        self._client.cookies.set(name, value)

    async def close(self) -> None:
        await self._client.aclose()


@pytest.fixture
async def browser(world: World) -> AsyncIterator[Browser]:
    made = Browser(world)
    yield made
    await made.close()


def of(names: tuple[str, ...]) -> dict[str, list[str]]:
    return {name: values for name, values in THEFT.items() if name.startswith(names)}


async def identified(world: World, level: int) -> str:
    given = msgspec.json.encode({"level": level, "given_name": "Zoé", "family_name": "<b>Petit</b>"})
    done = await world.kernel.perform("services.identity.open", given, world.kernel.system("resident-identity"))
    return f"{done.result.id}.{done.result.secret}"


async def test_a_complaint_in_five_pages(world: World, browser: Browser) -> None:
    assert "Porter plainte" in await browser.open("/services")
    await browser.open("/services/theft")
    await browser.send("/services/theft", of(("going_on", "offence", "author_known")))
    assert browser.path == "/services/theft/facts"
    await browser.send(browser.path, of(("facts_", "account")))
    await browser.send(browser.path, of(("things", "loss")))
    await browser.send(browser.path, of(("email",)))
    assert browser.path == "/services/theft/check"
    # What is changed from the last look leads back to it, through a mistake too.
    for bad, good, path in (({"loss": ["beaucoup"]}, of(("things", "loss")), "things"), ({}, of(("going_on", "offence", "author_known")), "")):  # fmt: skip
        link = re.search(rf'href="(/services/theft/?{path}\?[^"#]+check=1)#', browser.answer.text)
        assert link is not None
        text = await browser.open(html.unescape(link[1]))
        assert 'class="back" href="/services/theft/check?' in text
        for sent in (bad, good):
            action = re.search(r'<form method="post" action="([^"]+)"', text)
            assert action is not None
            text = await browser.send(html.unescape(action[1]), sent)
        assert browser.path == "/services/theft/check"
    text = await browser.open(browser.path)
    assert "350,00" in text
    assert ">Envoyer<" not in text
    browser.cookie("__Host-egide-who", await identified(world, 2))
    text = await browser.open("/services/theft/check")
    assert "&lt;b&gt;Petit" in text
    text = await browser.send("/services/theft/check")
    assert browser.path == "/services/file"
    assert "PL-2026-000001" in text
    code = re.search(r"data-code>([^<]+)<", text)
    assert code is not None
    assert code[1] not in await browser.open("/services/file"), "the code is shown once"

    # Another browser opens it by number and code, as they are read from paper.
    other = Browser(world)
    assert "Aucun dossier" in await other.send("/services/file", {"number": ["PL-2026-000001"], "code": ["0"]}) or (
        other.answer.status_code == 403
    )
    text = await other.send(
        "/services/file", {"number": [" pl-2026-000001"], "code": [code[1].lower().replace("-", "")]}
    )
    assert "Déposée" in text
    text = await other.send("/services/file/withdraw", {"service": ["theft"]})
    assert "Retirée" in text
    await other.send("/services/file", {"do": ["leave"]})
    assert "PL-2026-000001" not in await other.open("/services/file")
    await other.close()


async def test_mistakes_are_said_and_what_was_typed_stays(browser: Browser) -> None:
    text = await browser.send("/services/theft", {"going_on": ["no"]})
    assert browser.answer.status_code == 422
    assert "<title>Erreur" in text
    assert text.count('class="mistake"') == 2
    await browser.send("/services/theft", of(("going_on", "offence", "author_known")))
    hostile = '"><script>alert(1)</script>\u202e אבג 🚲'
    text = await browser.send(
        "/services/theft/facts",
        {"facts_date-day": ["31"], "facts_date-month": ["2"], "facts_date-year": ["2026"], "account": [hostile]},
    )
    assert browser.answer.status_code == 422
    assert "Ce jour n’existe pas" in html.unescape(text)
    assert "<script>alert" not in text
    again = html.unescape(await browser.open("/services/theft/facts"))
    assert 'value="31"' in again
    assert hostile in again


async def test_each_service_opens_in_both_languages(browser: Browser) -> None:
    for definition in catalogue().current():
        for lang, words in (("fr", definition.title.fr), ("en", definition.title.en)):
            text = await browser.open(f"/services/{definition.id}?lang={lang}")
            assert browser.answer.status_code == 200
            assert html.escape(words) in text
            assert f'<html lang="{lang}">' in text
            assert text.count("<form") == int(definition.on_pages)


async def test_what_is_not_there(browser: Browser) -> None:
    for path in ("/services/nothing", "/services/theft/nothing", "/services/theft/facts", "/services/theft/check"):
        text = await browser.open(path)
        assert browser.answer.status_code == 404, path
    assert re.search(r'<a href="[^"]+/services/theft">', text), "where one begins again is one press away"
    browser.cookie("__Host-egide-draft", "00.11")
    await browser.open("/services/theft/facts")
    assert browser.answer.status_code == 404


async def test_a_form_from_elsewhere_does_nothing(world: World, browser: Browser) -> None:
    browser._client.headers["origin"] = "https://elsewhere.example"
    await browser.send("/services/theft", of(("going_on", "offence", "author_known")))
    assert browser.answer.status_code == 422
    assert "__Host-egide-draft" not in browser.answer.headers.get("set-cookie", "")


async def test_what_was_typed_while_nothing_can_be_kept_is_sent_once_more(world: World, browser: Browser) -> None:
    await browser.send("/services/theft", of(("going_on", "offence", "author_known")))
    typed = of(("facts_", "account")) | {"account": ['Un récit "long" <b> de vingt minutes.\nEt sa suite.']}
    for path, form in (("/services/theft/facts", typed), ("/services/theft", of(("going_on", "offence")))):
        unplug(world)
        text = await browser.send(f"{path}?lang=fr", form)
        assert browser.answer.status_code == 503
        plug(world)
        boxes = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', text)
        again = {html.unescape(name): [html.unescape(value)] for name, value in boxes}
        assert again == form
        action = re.search(r'<form method="post" action="([^"]+)"', text)
        assert action is not None
        assert html.unescape(action[1]) == f"{path}?lang=fr"
        await browser.send(html.unescape(action[1]), again)
        assert browser.answer.status_code in (200, 422)
    assert html.escape(typed["account"][0]) in await browser.open("/services/theft/facts")
    # What goes through at no time is not offered again.
    assert "Renvoyer" not in await browser.send("/services/theft/nowhere", form)


async def test_who_begins_another_request_in_a_second_window_loses_neither(browser: Browser) -> None:
    await browser.send("/services/theft", of(("going_on", "offence", "author_known")))
    await browser.send("/services/theft/facts", of(("facts_", "account")))
    await browser.send("/services/follow-up", {"about": ["AB-2026-000001"]})
    text = await browser.send("/services/theft/things", of(("things", "loss")))
    assert browser.path == "/services/theft/you", text
    assert html.escape(THEFT["account"][0]) in await browser.open("/services/theft/facts")
