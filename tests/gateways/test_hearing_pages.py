"""The pages of a hearing by video, their whole way without JavaScript: a station at all times, nothing that tells."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest

from egide.gateways.chat_page import EXIT
from egide.gateways.file_pages import HERE
from egide.gateways.hearing_words import PATH, WORDS
from egide.services import recording_sheet
from egide.services.hearing_sheet import sheets
from tests.gateways.test_service_pages import Browser
from tests.kernel.test_emergency import plug, unplug
from tests.services.hearings import STATEMENT, Case, begun
from tests.world import World

pytestmark = pytest.mark.anyio


async def opened(world: World, case: Case) -> Browser:
    """A browser that has opened the file by its number and code."""
    browser = Browser(world)
    await browser.send(HERE, {name: [value] for name, value in case.held.items()})
    return browser


def state(text: str) -> str:
    found = re.search(r'data-state="([a-z_]+)"', text)
    assert found is not None, text[:2000]
    return found[1]


async def press(browser: Browser, do: str, **given: str) -> str:
    return await browser.send(PATH, {"do": [do], **{name: [value] for name, value in given.items()}})


async def test_the_whole_way_without_a_script(world: World) -> None:
    case = await begun(world)
    browser = await opened(world, case)
    assert f'href="{PATH}?lang=fr"' in await browser.open(HERE), "the file leads here"
    seen = [await browser.open(PATH)]
    await case.step("propose")
    seen.append(await browser.open(PATH))
    slots = re.findall(r'name="slot" value="([^"]+)"', seen[-1])
    assert len(slots) == 2
    seen.append(await press(browser, "choose", slot=slots[1]))
    assert state(seen[-1]) == "booked"
    assert all(html.escape(line.fr) in seen[-1] for line in sheets()["victim"].lines)
    sheet = re.findall(r'name="sheet" value="([0-9a-f]{64})"', seen[-1])
    seen.append(await press(browser, "acknowledge", sheet=sheet[0]))
    assert WORDS["alone"].fr in seen[-1]
    seen.append(await press(browser, "ready"))
    assert "data-number" in seen[-1]
    assert WORDS["not_recorded"].fr in seen[-1]
    seen.append(await press(browser, "say", text="On m’entend <b>?</b>"))
    assert "On m’entend &lt;b&gt;?" in seen[-1]
    for step in ("identify", "ask_safe", "hear"):
        await case.step(step)
    await case.write()
    seen.append(await browser.open(PATH))
    assert html.escape(STATEMENT) in seen[-1]
    seen.append(await press(browser, "correct", text="C’était à 19 h."))
    assert html.escape("C’était à 19 h.") in seen[-1]
    await case.step("amend")
    await case.step("read_back")
    seen.append(await browser.open(PATH))
    digest = re.findall(r'name="statement" value="([0-9a-f]{64})"', seen[-1])
    seen.append(await press(browser, "confirm", statement=digest[0]))
    assert state(seen[-1]) == "confirmed"
    for text in seen:
        assert WORDS["instead_how"].fr in text, "a station instead, on every page"
        assert 'value="come"' in text
        assert EXIT in text
        title = re.search(r"<title>([^<]*)</title>", text)
        assert title is not None
        assert title[1] == "Votre rendez-vous — Égide"
    assert state(await press(browser, "come")) == "in_person"


async def test_a_no_leads_away_and_is_found_again_nowhere(world: World) -> None:
    case = await (await begun(world)).until("informed")
    browser = await opened(world, case)
    before = await browser.open(PATH)
    shown = await press(browser, "alone")
    for number in ("tel:17", "tel:112", "sms:114", EXIT):
        assert number in shown
    assert "seul" not in shown
    told = await press(browser, "call", call="06 00 11 22 33")
    assert WORDS["told"].fr in told
    assert (await case.room())["call"] == "06 00 11 22 33"
    assert await browser.open(PATH) == before
    text = await browser.open(HERE)
    assert "06 00 11 22 33" not in text


async def test_a_step_that_cannot_be_taken_says_so_on_the_page(world: World) -> None:
    case = await (await begun(world)).until("proposed")
    browser = await opened(world, case)
    for do, given in (
        ("choose", {"slot": "2027-01-01T10:00:00+00:00"}),
        ("confirm", {}),
        ("acknowledge", {}),
        ("nothing", {}),
        ("join", {}),
    ):
        text = await press(browser, do, **given)
        assert 'role="alert"' in text, do
        assert browser.answer.status_code >= 400
    assert (await case.look())["state"] == "proposed"


async def test_only_these_two_pages_may_ask_for_the_camera(world: World) -> None:
    case = await (await begun(world)).until("ready")
    browser = await opened(world, case)
    for path, may in ((PATH, True), ("/files", True), ("/services", False), (HERE, False), ("/infos", False)):
        await browser.open(path)
        policy = browser.answer.headers["permissions-policy"]
        assert ("camera=(self), microphone=(self)" in policy) is may, path
        assert browser.answer.headers["cache-control"] in ("no-store", "no-cache")


async def test_without_a_file_there_is_nothing_to_see(world: World) -> None:
    browser = Browser(world)
    assert 'role="alert"' in await browser.open(PATH)
    assert browser.answer.status_code == 401
    assert 'role="alert"' in await press(browser, "come")


async def test_whoever_is_asked_to_be_recorded_reads_answers_and_stops_it_without_a_script(tmp_path: Path) -> None:
    world = World(tmp_path / "data", record_hearings="hearing")
    await world.start()
    try:
        case = await (await begun(world)).until("heard")
        browser = await opened(world, case)
        text = await browser.open(PATH)
        assert WORDS["not_recorded"].fr in text
        assert 'name="words"' not in text, "nobody asked"
        await case.desk("record_ask")
        text = await browser.open(PATH)
        assert all(
            html.escape(line.label.fr) in text for line in recording_sheet.sheet(world.kernel, case.definition).lines
        )
        assert "1 mois" in text
        words = re.findall(r'name="words" value="([0-9a-f]{64})"', text)
        assert words == [recording_sheet.digest(world.kernel, case.definition)] * 2
        assert 'role="alert"' in await press(browser, "record_answer", agree="yes", words="0" * 64)
        text = await press(browser, "record_answer", agree="yes", words=words[0])
        assert WORDS["record_yes"].fr in text
        await case.desk("record_begin", words=words[0])
        text = await browser.open(PATH)
        sign = re.search(r'<p id="recorded"[^>]*role="status" data-on data-since="([^"]+)">([^<]*)', text)
        assert sign is not None
        assert "Enregistrement en cours depuis" in sign[2]
        assert WORDS["not_recorded"].fr not in text
        assert WORDS["if_erased"].fr in text
        text = await press(browser, "record_stop")
        assert WORDS["not_recorded"].fr in text
        assert WORDS["record_stop"].fr not in text
        await case.desk("record_ask")
        assert WORDS["record_no"].fr in await press(browser, "record_answer", words=words[0])
        for do in ("recording", "record_ask"):
            assert 'role="alert"' in await press(browser, do), do
        await browser.open(f"{PATH}/recordings/{'0' * 16}")
        assert browser.answer.status_code == 403
    finally:
        await world.stop()


async def test_what_was_written_and_not_taken_is_in_its_box_still(world: World) -> None:
    case = await begun(world)
    browser = await opened(world, case)
    await case.step("propose")
    text = await press(browser, "decline", text="Le mardi <b>seulement</b> " * 300)
    assert browser.answer.status_code == 422
    assert "Le mardi &lt;b&gt;seulement" in text
    for step in ("choose", "acknowledge", "ready", "identify", "ask_safe", "hear"):
        await case.step(step)
    written = "C’était le soir, pas le matin."
    for do in ("say", "correct"):
        text = await press(browser, do, text=written * 200)
        assert browser.answer.status_code == 422
        assert html.escape(written * 200) in text
    unplug(world)
    text = await press(browser, "correct", text=written)
    assert browser.answer.status_code == 503
    plug(world)
    assert f'name="text" value="{html.escape(written)}"' in text
    text = await press(browser, "correct", text=written)
    assert state(text)
    await browser.close()
