"""The page of help by chat, its whole way without JavaScript: nothing that tells, nothing that stays, nothing typed lost."""

from __future__ import annotations

import html
import re

import pytest

from egide.gateways.chat_page import AWAY, COOKIE, EXIT
from egide.gateways.chat_words import PATH, WORDS
from tests.gateways.test_service_pages import Browser
from tests.world import World

pytestmark = pytest.mark.anyio

WRITTEN, ANSWERED = "Il est rentré ivre <b>hier</b>", "Pouvez-vous parler ?"


def cookie(browser: Browser) -> str:
    return browser._client.cookies.get(COOKIE) or ""


async def taken(world: World) -> str:
    """An officer takes what waits and answers."""
    waits = next(one for one in (await world.act("officer", "services.chat.list"))["chats"] if not one["taken"])
    await world.act("officer", "services.chat.take", chat=waits["id"])
    await world.act("officer", "services.chat.answer", chat=waits["id"], text=ANSWERED)
    return str(waits["id"])


async def begun(world: World) -> tuple[Browser, str]:
    browser = Browser(world)
    await browser.send(PATH, {"text": [WRITTEN]})
    return browser, await taken(world)


async def test_the_page_tells_nothing_to_who_looks_at_the_history(world: World) -> None:
    browser = Browser(world)
    for lang in ("fr", "en"):
        text = await browser.open(f"{PATH}?lang={lang}")
        title = re.search(r"<title>([^<]*)</title>", text)
        assert title is not None
        told = (title[1] + PATH + COOKIE).lower()
        for word in ("viol", "victim", "chat", "aide", "help", "urgence", "police"):
            assert word not in told
        for number in ("tel:17", "tel:112", "sms:114", "tel:3919"):
            assert text.index(number) < text.index("<form")
        assert text.index(
            html.escape(WORDS["trace_private"].fr if lang == "fr" else WORDS["trace_private"].en)
        ) < text.index("<form")
        assert text.index(EXIT) < text.index("<h1")
        headers = browser.answer.headers
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "same-origin"
        assert "set-cookie" not in headers, "nothing is set before one writes"
    assert f'href="{PATH}?lang=fr"' in await browser.open("/services?lang=fr"), "the list leads straight here"
    assert f'href="{PATH}?lang=fr"' in await browser.open("/services/violence-chat?lang=fr")


async def test_there_and_back_without_a_script(world: World) -> None:
    browser = Browser(world)
    text = await browser.send(PATH, {"text": [WRITTEN]})
    set_ = browser.answer.history[0].headers["set-cookie"].lower()
    assert all(part in set_ for part in ("httponly", "secure", "samesite=strict", "path=/"))
    assert "max-age" not in set_
    assert "expires" not in set_
    assert browser.answer.url.query in (b"", b"lang=fr"), "nothing personal in an address"
    assert html.escape(WRITTEN) in text
    assert "<b>hier" not in text
    assert WORDS["keep"].fr not in text, "there is nothing to keep before an answer"
    id_ = await taken(world)
    assert ANSWERED in await browser.open(PATH)
    text = await browser.send(PATH, {"do": ["say"], "text": ["Non, pas maintenant"]})
    assert text.count("<li class=") == 4
    assert "Non, pas maintenant" in text
    other = Browser(world)
    assert ANSWERED not in await other.open(PATH)
    text = await browser.send(PATH, {"do": ["end"]})
    assert WORDS["over"].fr in text
    assert not cookie(browser)
    assert ANSWERED not in text
    assert (await world.act("officer", "services.chat.list"))["chats"] == []
    assert "PNAV-one-voice" in await world.refused("officer", "services.chat.answer", chat=id_, text="?")
    # Ended by the officer, the page says so, and its form begins another one.
    again, other_id = await begun(world)
    await world.act("officer", "services.chat.close", chat=other_id)
    text = await again.open(PATH)
    assert WORDS["over"].fr in text
    assert 'name="do" value="new"' in text
    text = await again.send(PATH, {"do": ["new"], "text": ["Je reviens"]})
    assert "Je reviens" in text
    assert ANSWERED not in text


async def test_the_quick_exit(world: World) -> None:
    browser, id_ = await begun(world)
    browser._client.headers["sec-fetch-site"] = "cross-site"
    await browser.open(EXIT)
    assert cookie(browser), "another site's page throws nobody out"
    browser._client.headers["sec-fetch-site"] = "same-origin"
    text = await browser.open(EXIT)
    out = browser.answer.history[0]
    assert out.headers["clear-site-data"] == AWAY == '"cache", "cookies", "storage"'
    assert (browser.path, cookie(browser)) == ("/calendar", "")
    for word in ("Égide", PATH, "<form", "<script"):
        assert word not in text
    text = await browser.open(PATH)
    assert WRITTEN not in html.unescape(text)
    assert ANSWERED not in text
    assert WORDS["heading"].fr in html.unescape(text), "an empty page, as for anybody"
    mine = (await world.act("officer", "services.chat.list"))["chats"]
    assert [one["id"] for one in mine] == [id_], "the officer still has it: help can come"


async def test_what_is_kept_is_chosen(world: World) -> None:
    browser, id_ = await begun(world)
    text = await browser.send(PATH, {"do": ["keep"]})
    number, code = (re.search(rf"data-{name}>([^<]+)<", text) for name in ("number", "code"))
    assert number is not None
    assert code is not None
    text = await browser.open(PATH)
    assert number[1] in text
    assert code[1] not in text, "the code is shown once"
    assert WORDS["keep"].fr in html.unescape(await browser.send(PATH, {"do": ["forget"]}))
    text = await browser.send(PATH, {"do": ["call"], "phone": ["demain"], "whereabouts": ["Rennes, nord"]})
    assert browser.answer.status_code == 422
    for typed in ('value="demain"', 'value="Rennes, nord"', "<details open>", ANSWERED):
        assert typed in html.unescape(text)
    text = await browser.send(
        PATH, {"do": ["call"], "phone": ["0612345678"], "safe_time": ["le matin"], "whereabouts": ["Rennes"]}
    )
    assert WORDS["called"].fr in html.unescape(text)
    await world.act("officer", "services.chat.hand_over", chat=id_, text="À rappeler le matin")
    assert WORDS["over"].fr in await browser.open(PATH)
    text = await browser.send("/services/file", {"number": [number[1]], "code": [code[1]]})
    assert "vous rappelle" in text
    assert WRITTEN not in html.unescape(text)


async def test_nothing_typed_is_lost(world: World) -> None:
    browser = Browser(world)
    long = "x" * 4001
    text = await browser.send(PATH, {"text": [long]})
    assert browser.answer.status_code == 422
    assert long in text
    assert 'role="alert"' in text
    await browser.send(PATH, {"text": ["x" * 100_000]})
    assert browser.answer.status_code == 413
    browser, id_ = await begun(world)
    text = await browser.send(PATH, {"text": [long]})
    assert long in text
    assert ANSWERED in text
    await world.act("officer", "services.chat.close", chat=id_)
    text = await browser.send(PATH, {"text": ["Encore un mot"]})
    assert browser.answer.status_code == 404
    assert "Encore un mot" in text
    assert not cookie(browser)
    browser._client.headers["origin"] = "https://elsewhere.example"
    await browser.send(PATH, {"text": ["x"]})
    assert browser.answer.status_code == 422
    assert not cookie(browser)


async def test_news(world: World) -> None:
    browser, _id = await begun(world)
    stamp = re.search(r'data-stamp="([^"]+)"', await browser.open(PATH))
    assert stamp is not None
    before = world.kernel.log.size
    await browser.open(f"{PATH}/news?seen={stamp[1]}")
    assert browser.answer.status_code == 204
    assert world.kernel.log.size == before, "a look that reads nothing is no act"
    await browser.open(f"{PATH}/news?seen=0")
    assert browser.answer.status_code == 200
    assert browser.answer.content == b""
    await Browser(world).open(f"{PATH}/news?seen={stamp[1]}")


async def test_the_exit_leads_where_the_operator_says(world: World) -> None:
    await world.stop()
    world.settings = type(world.settings)(
        **{name: getattr(world.settings, name) for name in world.settings.__struct_fields__}
        | {"chat_exit": "https://weather.example/"}
    )
    await world.start()
    browser = Browser(world)
    answer = await browser._client.get(EXIT)
    assert (answer.status_code, answer.headers["location"]) == (303, "https://weather.example/")
