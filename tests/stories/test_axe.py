"""axe-core on every page, in both languages, wide and at 320 px, its contrast by day, by night and in red: no violation.

Nothing scrolls sideways at 320 px, which is also a wide page at 400 % (WCAG 2.2, 1.4.10).
axe runs in a world apart, so that each page's own policy stays in force while it is looked at. What axe cannot judge by itself
(“incomplete”: mostly words over the map or the video) is listed: $EGIDE_REPORTS/accessibility.md, else standard output.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from egide.exercise.people import Person
from egide.exercise.story import Scene
from egide.services.definition import catalogue
from tests.conftest import missing, proof_only
from tests.services.filings import lawful
from tests.stories.conftest import Opener
from tests.stories.stage import ROOT, Stage
from tests.stories.window import NARROW, WIDE, Window

pytestmark = [pytest.mark.anyio, pytest.mark.story]

AXE = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
TOLD = "resultTypes: ['violations', 'incomplete']}).then(({violations, incomplete}) => ({violations, incomplete}))"
RUN = f"axe.run(document, {{{TOLD}"
CONTRAST = f"axe.run(document, {{runOnly: ['color-contrast'], {TOLD}"
OVERFLOW = """(() => { const wide = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll('a, button, input, select, textarea, summary, h1, h2, h3, p')].filter((e) => {
    const box = e.getBoundingClientRect();
    return box.width > 1 && box.right > wide + 1 && e.checkVisibility({visibilityProperty: true}) && !e.closest('.visually-hidden, pre');
  });
  return [document.documentElement.scrollWidth > wide ? 'the page scrolls sideways' : '', ...out.map((e) => e.outerHTML.slice(0, 120))]
    .filter(Boolean); })()"""
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
CROSSED = os.environ.get("EGIDE_PROOF") == "1"  # axe in each language at each width
JUDGED = (("fr", WIDE), ("en", NARROW))  # otherwise each language and each width once
TOGGLE = {"fr": "Français", "en": "English"}

HEARINGS: dict[str, str] = {}  # the numbers of the scene's hearings, by their state

Unjudged = Counter[tuple[str, str, str, str]]


async def nothing(_window: Window) -> None:
    """The page as it opens."""


async def with_video(window: Window) -> None:
    await window.page.get_by_role("button", name="Regarder", exact=True).click()
    await expect(window.page.locator("[data-video]")).to_have_attribute("data-state", "live")
    await expect(window.page.locator("[data-map]")).to_have_attribute("data-map", "idle")


async def with_a_refusal(window: Window) -> None:
    await expect(window.page.locator("[data-video]")).to_contain_text("L242-2")


async def with_an_incident(window: Window) -> None:
    page = window.page
    await page.get_by_role("button", name="Ouvrir un incident").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Nature").select_option("crowd")
    await dialog.get_by_label("En une ligne").fill("Foule devant la gare")
    await dialog.get_by_role("button", name="Ouvrir un incident").click()
    panel = page.locator("[data-panel]")
    await panel.get_by_text("Dessins").click()
    await panel.get_by_text("Premiers gestes").click()
    await expect(panel.locator("[data-log] li")).to_have_count(1)


async def with_a_terminal(window: Window) -> None:
    await window.page.get_by_role("button", name="Préparer ce terminal").click()
    await expect(window.page.locator("[data-terminal]")).to_have_attribute("data-terminal", "open")
    await expect(window.page.locator("[data-map]")).to_have_attribute("data-map", "idle")
    await expect(window.page.locator("[data-my-tasks] [data-task]")).to_have_count(1)


async def with_a_file(window: Window) -> None:
    await window.page.locator("[data-file]").first.click()
    await expect(window.page.locator("article[data-state]")).to_be_visible()


async def with_a_hearing_to_come(window: Window) -> None:
    await window.page.locator(f'[data-file="{HEARINGS["asked"]}"]').click()
    await expect(window.page.locator("[data-hearing] form").first).to_be_visible()


async def with_a_hearing(window: Window) -> None:
    page = window.page
    await page.locator(f'[data-file="{HEARINGS["heard"]}"]').click()
    await page.get_by_role("button", name="Rejoindre la personne").click()
    await expect(page.locator("[data-room]")).not_to_have_attribute("data-link", "none")
    await expect(page.get_by_label("Sous-titres")).to_be_visible()
    await expect(page.get_by_label("Déclaration")).to_be_visible()


async def with_mistakes(window: Window) -> None:
    await window.page.get_by_role("button", name="J’accepte", exact=True).click()
    await expect(window.page.get_by_role("alert")).to_be_visible()


async def with_a_camera(window: Window) -> None:
    await window.page.get_by_role("button", name="Commencer").click()
    await expect(window.page.locator("[data-scan] video")).to_be_visible()


async def without_a_promise(window: Window) -> None:
    main = window.page.locator("main")
    await expect(main).to_contain_text("éteint")
    await expect(main).not_to_contain_text("photographier")


async def with_a_proof(window: Window) -> None:
    await window.page.get_by_role("button", name="Vérifier", exact=True).click()
    await expect(window.page.get_by_text("Preuve vérifiée dans ce navigateur").last).to_be_visible()


PAGES: dict[str, tuple[str | None, str, Callable[[Window], Awaitable[None]]]] = {
    "portal, signed out": (None, "/", nothing),
    "sign-in": (None, "/sign-in", nothing),
    "portal, signed in": ("officer", "/", nothing),
    "operations, signed out": (None, "/operations", nothing),
    "operations, live video": ("officer", "/operations", with_video),
    "operations, refused": ("other-officer", "/operations", with_a_refusal),
    "operations, command": ("command", "/operations", nothing),
    "operations, an incident": ("command", "/operations", with_an_incident),
    "terminal, not prepared": ("officer", "/terminal", nothing),
    "terminal, its mission": ("officer", "/terminal", with_a_terminal),
    "files": ("officer", "/files", with_a_file),
    "desk": ("prefect", "/desk", nothing),
    "desk, a draft": ("prefect", "/desk#new", nothing),
    "desk, a paper order": ("prefect", "/desk#paper", nothing),
    "oversight, river": ("dpo", "/oversight#river", nothing),
    "oversight, watches": ("dpo", "/oversight#watches", nothing),
    "oversight, record": ("dpo", "/oversight#record", nothing),
    "oversight, proofs": ("dpo", "/oversight#ledger", with_a_proof),
    "devices, switched off": ("officer", "/devices", without_a_promise),
    "administration": ("administrator", "/administration", nothing),
    "administration, an officer": ("administrator", "/administration#person=officer", nothing),
    "files, a hearing asked for": ("officer", "/files", with_a_hearing_to_come),
    "pass, nothing prepared": (None, "/pass", nothing),
    "pass, agreeing": (None, "/pass/enrol", with_mistakes),
    "kiosk, closed": (None, "/kiosk", nothing),
    "kiosk, a phone’s code": ("officer", "/kiosk", with_a_camera),
    "files, a hearing": ("officer", "/files", with_a_hearing),
    "border, its lanes": ("officer", "/border", nothing),
    "border, a gate to set up": ("officer", "/border/gate", nothing),
    "border, nobody waits": ("officer", "/border/tablet", nothing),
}


def reports() -> Path | None:
    """The folder of reports, where one is asked for."""
    asked = os.environ.get("EGIDE_REPORTS")
    if not asked:
        return None
    Path(asked).mkdir(parents=True, exist_ok=True)
    return Path(asked)


async def kept(seen: Window, name: str) -> None:
    """A picture of the page for who reads the report: figures do not see everything."""
    folder = reports()
    if folder is not None:
        file = re.sub(r"\W+", "-", name)
        await seen.page.screenshot(path=folder / f"{file}.png")


@pytest.fixture(scope="module")
async def scene(stage: Stage) -> Scene:
    """One scene for all pages, its mission at work on an incident with a task: looking changes nothing."""
    set_ = await stage.scene()
    command, (lat, lon) = await set_.person("command"), set_.place
    told = {"kind": "theft", "title": "Vol à l’arraché", "lat": lat, "lon": lon}
    incident = (await command.act("operations.incident.open", **told))["id"]
    await command.act("operations.incident.confirm", incident=incident)
    await command.act("operations.incident.assign", incident=incident, mission=set_.mission)
    task = {"mission": set_.mission, "incident": incident, "title": "Retrouver le sac", "person": "officer"}
    await command.act("operations.task.propose", **task)
    answers = {
        "going_on": "no", "offence": "theft", "author_known": "no", "facts_date": "2026-01-03", "things": "Vélo bleu",
        "facts_place": {"address": "Rautatientori 1"}, "account": "Disparu devant la gare.", "email": "claire@example.org",
    }  # fmt: skip
    who = {"given_name": "Claire", "family_name": "Petit", "document": "CNI"}
    officer = await set_.person("officer")
    await officer.act("services.theft.take", channel="counter", version=1, answers=answers, who=who)
    HEARINGS.update(
        asked=(await heard(stage, officer, ()))["number"], heard=(await heard(stage, officer, STEPS))["number"]
    )
    return set_


# A hearing by video up to where its statement is being written, a correction asked for.
STEPS = (
    "propose",
    "my_choose",
    "my_acknowledge",
    "my_ready",
    "identify",
    "ask_safe",
    "hear",
    "write",
    "my_say",
    "my_correct",
)


async def heard(stage: Stage, officer: Person, steps: tuple[str, ...]) -> dict[str, Any]:
    """What was told of a hearing asked for at the counter, once these steps were taken."""
    service, nobody = catalogue().find("hearing"), Person(stage.base, "")
    assert service is not None
    slot = (datetime.now(UTC) + timedelta(hours=26)).replace(microsecond=0).isoformat()
    done: dict[str, Any] = await officer.act(
        "services.hearing.take", channel="counter", version=service.version, answers=lawful(service), who={}
    )
    mine = {"number": done["number"], "code": done["code"]}
    for step in steps:
        seen = (await nobody.act("services.file.follow", **mine))["hearing"]
        ways: dict[str, dict[str, Any]] = {
            "propose": {"slots": [slot]}, "my_choose": {"slot": (seen["slots"] or [""])[0]}, "my_acknowledge": {"sheet": seen["sheet"]},
            "my_ready": {"alone": True}, "identify": {"seen": "Passeport"}, "write": {"text": "Hier vers 18 h. " * 20, "base": seen["digest"]},
            "my_say": {"text": "Je vous entends. " * 9}, "my_correct": {"text": "C’était vers 19 h."},
        }  # fmt: skip
        who, which = (nobody, mine) if step.startswith("my_") else (officer, {"file": done["file"]})
        await who.act(f"services.hearing.{step}", **which, **ways.get(step, {}))
    return done


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        missing(f"axe-core is not at {AXE.relative_to(ROOT)}: run “make setup”")
    return AXE.read_text("utf-8")


@pytest.fixture(scope="module")
def unjudged() -> Iterator[Unjudged]:
    """What axe could not judge, how often; told at the end."""
    found: Unjudged = Counter()
    yield found
    lines = ["# What axe-core could not judge", "", "| page | rule | element | why |", "|---|---|---|---|"]
    lines += [f"| {page} | {rule} | `{element}` | {why} |" for page, rule, element, why in sorted(found)]
    folder = reports()
    if folder is not None:
        (folder / "accessibility.md").write_text("\n".join(lines) + "\n", "utf-8")
    else:
        sys.stdout.write("\n".join(lines) + "\n")


# Every third page in CI, every page in the proof: axe takes seconds a page.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if at % 3 == 1 else proof_only) for at, name in enumerate(PAGES)]
)
async def test_page(name: str, scene: Scene, window: Opener, axe: str, unjudged: Unjudged) -> None:
    persona, path, prepare = PAGES[name]
    seen = await window(persona)
    page = seen.page
    await seen.go(path)
    await page.wait_for_load_state("networkidle")
    await prepare(seen)
    wrong = await looked_at(seen, name, axe, unjudged)
    assert wrong == [], "\n".join(wrong)


async def test_an_alert_on_the_console(
    stage: Stage, scene: Scene, window: Opener, axe: str, unjudged: Unjudged
) -> None:
    caller, officer = await stage.person("other-officer"), await scene.person("officer")
    given = {"text": "Un homme est tombé à l’eau, quai nord", "lat": 60.1, "lon": 24.9, "reach": "+33 6 00 00 00 00"}
    sent = await caller.act("operations.alert.send", **given)
    await officer.act("operations.alert.answer", alert=sent["id"], text="Nous arrivons")
    seen = await window("officer")
    await seen.go("/operations")
    await seen.page.wait_for_load_state("networkidle")
    await seen.page.locator("[data-alert] button").first.click()
    wrong = await looked_at(seen, "operations, an alert", axe, unjudged)
    await officer.act("operations.alert.close", alert=sent["id"])
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("lang", ["fr", "en"])
async def test_the_page_for_help(window: Opener, axe: str, lang: str) -> None:
    """The form, what a mistake looks like, and the conversation: nothing wrong, and nothing that axe cannot judge."""
    seen = await window(lang=lang)
    page = seen.page
    wrong: list[str] = []

    async def look(where: str) -> None:
        wrong.extend(await without_a_fault(seen, axe, f"{where}, {lang}"))

    await seen.go(f"/alert?lang={lang}")
    await look("form")
    await page.locator("#text").fill(" ")
    await page.locator("form button:not([type])").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await look("mistake")
    await page.locator("#text").fill("Au secours" * 20)
    await page.locator("form button:not([type])").click()
    await expect(page.locator("li.you")).to_be_visible()
    await look("conversation")
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("lang", ["fr", pytest.param("en", marks=proof_only)])
async def test_the_pages_without_network(window: Opener, axe: str, lang: str) -> None:
    """What an officer has outside: the device before and after it takes the pack, a form, and what a mistake looks like."""
    seen = await window("officer", lang=lang)
    page, home = seen.page, seen.page.locator("[data-field=home]")
    wrong: list[str] = []

    async def look(where: str) -> None:
        wrong.extend(await without_a_fault(seen, axe, f"{where}, {lang}"))

    await seen.go(f"/field?lang={lang}")
    await expect(home).to_have_attribute("data-device", "none")
    await look("not prepared")
    await page.locator("[data-pack] button").click()
    await expect(home).to_have_attribute("data-device", "open")
    await look("prepared")
    await seen.go(f"/field/field-report?lang={lang}")
    await expect(page.locator("form[data-field]")).to_be_visible()
    await look("form")
    await page.locator("form[data-field] > button").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await look("mistakes")
    assert wrong == [], "\n".join(wrong)


async def without_a_fault(seen: Window, axe: str, where: str) -> list[str]:
    """What axe finds wrong, or cannot judge: wide and narrow, by day and by night."""
    wrong: list[str] = []
    for size in (WIDE, NARROW):
        await seen.page.set_viewport_size({"width": size[0], "height": size[1]})
        for scheme in ("light", "dark"):
            await seen.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            found = await seen.apart(f"{axe};{RUN}")
            every = found["violations"] + found["incomplete"]
            wrong.extend(f"{where}, {size[0]} px, {scheme}: {told(rule)}" for rule in every)
            await kept(seen, f"{where}, {size[0]} px, {scheme}")
        wrong.extend(f"{where}, {size[0]} px: {what}" for what in await seen.apart(OVERFLOW))
    return wrong


async def looked_at(seen: Window, name: str, axe: str, unjudged: Unjudged) -> list[str]:
    """What is wrong with a page: in both languages, wide and narrow, in all colours."""
    page = seen.page
    wrong: list[str] = []
    for lang in ("fr", "en"):
        for size in (WIDE, NARROW):
            where = f"{lang}, {size[0]} px"
            await page.set_viewport_size({"width": size[0], "height": size[1]})
            if await page.locator("html").get_attribute("lang") != lang:
                await switch(seen, lang)
            await seen.apart(DRAWN)
            if size == NARROW:
                wrong += [f"{where}: {what}" for what in await seen.apart(OVERFLOW)]
            if not (CROSSED or reports() or (lang, size) in JUDGED):
                continue
            found = await seen.apart(f"{axe};{RUN}")
            wrong += [f"{where}: {told(rule)}" for rule in found["violations"]]
            unjudged.update(row for rule in found["incomplete"] for row in rows(name, rule))
            await kept(seen, f"{name}, {where}")
    await page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    for theme in ("night", "red"):
        await page.get_by_role("button", name="Colours:").click()
        await expect(page.locator("html")).to_have_attribute("data-theme", theme)
        found = await seen.apart(f"{axe};{CONTRAST}")
        wrong += [f"{theme}: {told(rule)}" for rule in found["violations"]]
        await kept(seen, f"{name}, {theme}")
    return wrong


def rows(page: str, rule: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """What axe could not judge of a rule: (page, rule, element, why)."""
    for node in rule["nodes"]:
        why = "; ".join(check["message"] for check in (*node["any"], *node["all"], *node["none"]))
        yield page, rule["id"], re.sub(r"\.svelte-\w+", "", " ".join(map(str, node["target"]))), why


async def switch(seen: Window, lang: str) -> None:
    """Changes the language as a person does; on a narrow page the switch is in the menu."""
    button = seen.page.get_by_role("button", name=TOGGLE[lang])
    if not await button.is_visible():
        await seen.page.get_by_role("button", name="Menu").click()
    await button.click()
    await expect(seen.page.locator("html")).to_have_attribute("lang", lang)


def told(rule: dict[str, Any]) -> str:
    """A violation in a line: the rule, what it asks, and where."""
    nodes = "; ".join(
        f"{node['target']} {json.dumps(node['html'][:160], ensure_ascii=False)}" for node in rule["nodes"]
    )
    return f"{rule['id']} ({rule['help']}) {nodes}"
