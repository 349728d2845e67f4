"""An officer works without network: what is done then is kept sealed, outlives every kill, and is done exactly once.

A pack is taken, the network goes, the platform is killed, the browser is killed again and again; then answers are lost, batches
doubled and put in another order, three days pass. Nothing is lost or doubled, and no file of the browser’s profile holds a word.
"""

from __future__ import annotations

import asyncio
import io
import random
import sqlite3
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image
from playwright.async_api import Browser, Page, expect

from egide.exercise.people import Person
from tests.conftest import proof_only
from tests.services.filings import WHO, lawful
from tests.services.offline import REPORT, Chain, point
from tests.services.offline import report as offline_report
from tests.stories.conftest import Opener
from tests.stories.ground import FRONT, Phone, Platform, Relay, answers, told, two_ports_in_one
from tests.stories.homes import watched
from tests.stories.stage import Stage
from tests.stories.test_axe import OVERFLOW, reports
from tests.stories.test_chat import stood
from tests.stories.test_services import judged
from tests.stories.window import NARROW, PHONE, WIDE

pytestmark = [pytest.mark.anyio, pytest.mark.story]

# Unlike anything a browser keeps by itself, and short enough to stand in one piece.
WRITTEN, TYPED, SHOT, LEFT, WIDELEFT = "grizzle4711", "wombat2299", "okapi7733", "pangolin5501", "tapirΩ6406"
FILL = """(given) => { const form = document.querySelector('form[data-field]');
  for (const [name, value] of Object.entries(given)) for (const input of form.querySelectorAll(`[name="${name}"]`)) {
    if (input.type === 'radio' || input.type === 'checkbox') input.checked = input.value === value; else input.value = value; }
  form.dispatchEvent(new Event('input', { bubbles: true })); }"""
assert REPORT is not None
TAKEN = {"channel": "mobile", "version": REPORT.version, "answers": lawful(REPORT), "who": WHO}
STEPS_S = 120.0  # s a busy machine may take to send what waits


def report(words: str) -> dict[str, str]:
    return {
        "occasion": "patrol", "facts_date-day": "3", "facts_date-month": "11", "facts_date-year": "2025", "facts_time": "14:30",
        "facts_place": "12 rue de la Gare", "account": f"{words} près de la porte.", "flagrant": "no",
    }  # fmt: skip


def photo(folder: Path, number: int) -> Path:
    """A small picture that tells its mark."""
    image = Image.new("RGB", (48, 32), (number * 7 % 255, number * 13 % 255, 90))
    exif = image.getexif()
    exif[0x010F] = f"{SHOT} {number}"
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif)
    assert SHOT.encode() in out.getvalue()
    file = folder / f"photo-{number}.jpg"
    file.write_bytes(out.getvalue())
    return file


class Ground:
    """Platform, relay and phone of one story."""

    def __init__(self, browser: Browser, folder: Path) -> None:
        port = two_ports_in_one()
        self.folder = folder
        self.platform, self.relay = Platform(folder, port), Relay(port)
        self.phone = Phone(browser.browser_type, folder / "profile", port)
        self.port = port

    async def start(self) -> None:
        await self.platform.start()
        await self.relay.up()

    async def cut(self) -> None:
        await self.relay.down()
        await self.platform.kill()
        assert not await answers(FRONT, self.port)

    async def stop(self) -> None:
        await self.phone.close()
        await self.relay.down()
        await self.platform.kill()

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self.folder / 'data' / 'egide.db'}?mode=ro", uri=True, timeout=30)) as db:
            return db.execute(query).fetchall()

    async def officer(self) -> Person:
        person = Person(self.phone.base, "officer")
        await person.enter()
        return person


@pytest.fixture
async def ground(browser: Browser, tmp_path: Path) -> AsyncIterator[Ground]:
    made = Ground(browser, tmp_path)
    await made.start()
    yield made
    await made.stop()
    assert made.phone.crashed == []
    assert "CSP report" not in made.platform.said.read_text("utf-8")


async def until(page: Page, expression: str) -> None:
    """Looks until an expression of the page is true."""
    for _ in range(600):
        if await page.evaluate(expression):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(expression)


async def taken(phone: Phone) -> None:
    """The pack, on a phone where nobody was before."""
    page = await phone.open()
    await phone.enter("officer")
    await page.reload()
    await expect(page.locator("[data-field=home]")).to_have_attribute("data-device", "none")
    await page.get_by_role("button", name="Prendre le paquet hors ligne").click()
    await expect(page.locator("[data-field=home]")).to_have_attribute("data-device", "open")
    await until(page, "navigator.serviceWorker.ready.then((one) => one.active?.state === 'activated')")


async def saved(page: Page) -> None:
    """Waits until what stands in the form by now is kept."""
    now = await page.evaluate("Date.now()")
    await until(page, f"Number(document.querySelector('form').dataset.saved ?? 0) > {now}")


async def english(page: Page) -> Page:
    """A form in the other language, with a picture of it."""
    await page.goto("/field/theft?lang=en")
    await expect(page.locator("form[data-field]")).to_be_visible()
    await picture(page, "form in English")
    return page


async def kept(page: Page, words: str, files: list[Path]) -> None:
    """One report, filled in and kept."""
    await page.goto("/field/field-report?lang=fr")
    await expect(page.locator("form[data-field]")).to_be_visible()
    await page.evaluate(FILL, report(words))
    if files:
        await page.locator("input[type=file]").set_input_files(files)
        await expect(page.locator("[data-file]")).to_have_count(len(files))
    await (
        page.get_by_role("button", name="Garder : partira seule")
        .or_(page.get_by_role("button", name="Garder : partira seul"))
        .click()
    )
    await expect(page.locator("[data-field=home]")).to_have_attribute("data-device", "open")


# Everything that the page said of how many wait, since it was opened.
TELLS = """window.told = [];
addEventListener('DOMContentLoaded', () => { for (let at = 0; at < 100; at += 5) setTimeout(() => dispatchEvent(new Event('online')), at); });
new MutationObserver(() => told.push(document.querySelector('[data-field=home]')?.dataset.waiting))
  .observe(document, {subtree: true, childList: true, attributes: true, attributeFilter: ['data-waiting']});"""


async def waiting(page: Page, number: int, seconds: float = STEPS_S) -> None:
    await expect(page.locator("[data-field=home]")).to_have_attribute(
        "data-waiting", str(number), timeout=seconds * 1000
    )


async def shown(page: Page, name: str) -> None:
    """A console's page, wide and small."""
    folder = reports()
    for size in (NARROW, WIDE):
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        if folder is not None:
            await page.screenshot(path=folder / f"field {name} {size[0]}.png")


async def picture(page: Page, name: str) -> None:
    """On a small phone, in the dark, and wide; nothing is cut."""
    folder = reports()
    for size, scheme in ((NARROW, "light"), (PHONE, "dark"), (WIDE, "light")):
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        assert await page.evaluate(OVERFLOW) == []
        if folder is not None:
            await page.screenshot(path=folder / f"field {name} {size[0]} {scheme}.png", full_page=True)
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})


async def test_a_report_with_twenty_photos(ground: Ground, browser: Browser) -> None:
    phone, wrong = ground.phone, []

    async def look(page: Page, where: str) -> None:
        wrong.extend(await judged(browser, await page.content(), page.url, where))

    await taken(phone)
    await picture(phone.page, "ready")
    await look(await english(phone.page), "a form in English")
    await ground.cut()

    page = phone.page
    await page.goto("/field/field-report?lang=fr")
    await page.get_by_label("Une patrouille").check()
    await page.evaluate(FILL, report(WRITTEN))
    files = [photo(ground.folder, number) for number in range(20)]
    await page.locator("input[type=file]").set_input_files(files[:12])
    await expect(page.locator("[data-file]")).to_have_count(12)
    await page.get_by_label("Traces et objets relevés").fill(TYPED)
    await expect(page.locator("[data-state]")).to_contain_text("Gardé au fur et à mesure")
    await saved(page)
    await picture(page, "form")
    await page.get_by_label("Vers quelle heure ?").fill("midi")
    await page.get_by_role("button", name="Garder").click()
    await expect(page.get_by_role("alert")).to_contain_text("Écrivez l’heure ainsi")
    await look(page, "a form with a mistake")
    await page.get_by_label("Vers quelle heure ?").fill("14:30")
    await saved(page)
    await phone.kill()

    page = await phone.open("/field/field-report?lang=fr")
    await expect(page.locator("[data-state]")).to_contain_text("Votre saisie est retrouvée")
    await expect(page.get_by_label("Traces et objets relevés")).to_have_value(TYPED)
    await expect(page.get_by_label("Ce que vous constatez")).to_have_value(f"{WRITTEN} près de la porte.")
    await expect(page.locator("[data-file]")).to_have_count(12)
    await page.locator("input[type=file]").set_input_files(files[12:])
    await expect(page.locator("[data-file]")).to_have_count(20)
    await page.get_by_role("button", name="Garder").click()
    entry = page.locator("[data-entry]")
    await expect(entry).to_contain_text("Pas encore envoyé")
    await expect(entry).to_contain_text("code provisoire P-")
    await picture(page, "queue")
    await look(page, "the queue")
    await phone.kill()

    page = await phone.open()
    await waiting(page, 1)
    await expect(page.locator("[data-entry=waiting]")).to_have_count(1)
    await expect(page.locator("[data-state]")).to_contain_text("Hors réseau")
    await ground.start()
    await phone.enter("officer")  # a browser that was killed may have lost its session: what waits is kept all the same
    await page.evaluate("dispatchEvent(new Event('online'))")
    await waiting(page, 0)
    await expect(page.locator("[data-entry=done]")).to_contain_text("n° PC-")
    await picture(page, "sent")
    officer = await ground.officer()
    (file,) = (await officer.act("services.desk.queue"))["files"]
    opened = await officer.act("services.field_report.read", file=file["id"])
    assert sorted(one["sha256"] for one in opened["uploads"]) == sorted(
        sha256(one.read_bytes()).hexdigest() for one in files
    )
    assert opened["file"]["answers"]["traces"] == TYPED
    assert opened["file"]["channel"] == "mobile"
    await phone.close()
    for word in (WRITTEN, TYPED, SHOT):
        assert await stood(phone.profile, word) == [], word
    assert wrong == [], "\n".join(wrong)


async def at_night(page: Page, name: str) -> None:
    """On a small phone by day and in red; nothing is cut."""
    folder = reports()
    await page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    for theme in ("day", "red"):
        await page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        assert await page.evaluate(OVERFLOW) == []
        if folder is not None:
            await page.screenshot(path=folder / f"field {name} {NARROW[0]} {theme}.png", full_page=True)
    await page.evaluate("() => { document.documentElement.dataset.theme = 'day' }")


async def stroke(page: Page, *points: tuple[float, float]) -> None:
    """A line over the sketch, from corner (0, 0) to corner (1, 1)."""
    canvas = page.locator("[data-sketch] canvas")
    await canvas.scroll_into_view_if_needed()
    box = await canvas.bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    await page.mouse.move(*places[0])
    await page.mouse.down()
    for place in places[1:]:
        await page.mouse.move(*place, steps=4)
    await page.mouse.up()


async def test_a_file_completed_and_a_round_noted_without_network(ground: Ground, browser: Browser) -> None:
    phone, wrong, officer = ground.phone, [], await ground.officer()
    report_file = await officer.act("services.field_report.take", **TAKEN)
    await officer.act("services.field_report.sign", file=report_file["file"])
    home = await watched(officer, "4 rue des Lilas", 60.17, 24.945)
    await taken(phone)
    page = phone.page
    assert phone.context is not None
    await phone.context.grant_permissions(["geolocation"])
    await phone.context.set_geolocation({"latitude": 60.1699, "longitude": 24.9525, "accuracy": 12})
    stop, carried = (
        page.locator(f"[data-stop='{home['file']}']"),
        page.locator(f"[data-carried='{report_file['file']}']"),
    )
    await expect(stop).to_contain_text("Jamais vu")
    await expect(stop).to_contain_text("lampe du hall")
    await expect(carried).to_contain_text(report_file["number"])
    await at_night(page, "pack")
    wrong += await judged(browser, await page.content(), page.url, "the pack")
    await ground.relay.down()

    await stop.get_by_role("button", name="Passé devant").click()
    await expect(page.get_by_role("radio", name="4 rue des Lilas")).to_be_checked()
    await page.get_by_label("Un mot pour l’unité").fill(TYPED)
    await page.get_by_role("button", name="Ma position").click()
    await expect(page.get_by_text("Position jointe, à 12 m près.")).to_be_visible()
    await at_night(page, "round")
    wrong += await judged(browser, await page.content(), page.url, "a round")
    await page.get_by_role("button", name="Garder le passage").click()
    await waiting(page, 1)
    await expect(stop).to_contain_text("Vu le")
    await expect(stop).to_contain_text("Pas encore envoyé")

    await carried.get_by_role("button", name="Compléter ce dossier").click()
    await expect(page.get_by_role("radio", name="Constatations sur place")).to_be_checked()
    await page.get_by_label("Ce que vous ajoutez").fill(WRITTEN)
    await page.get_by_role("button", name="Faire un croquis").click()
    canvas = page.locator("[data-sketch] canvas")
    await stroke(page, (0.1, 0.1), (0.9, 0.1), (0.9, 0.8), (0.1, 0.8), (0.1, 0.1))
    await stroke(page, (0.4, 0.8), (0.5, 0.5))
    await stroke(page, (0.2, 0.2), (0.8, 0.7))
    await expect(canvas).to_have_attribute("data-strokes", "3")
    await page.get_by_role("button", name="Annuler le trait").click()
    await expect(canvas).to_have_attribute("aria-label", "Croquis : 2 traits")
    await page.get_by_label("Ou décrivez les lieux").fill("La porte est au sud.")
    await at_night(page, "complement")
    wrong += await judged(browser, await page.content(), page.url, "a complement")
    await page.get_by_role("button", name="Garder : partira seul").click()  # what was drawn goes along by itself
    await waiting(page, 2)
    await at_night(page, "two entries")

    await ground.relay.up()
    await page.evaluate("dispatchEvent(new Event('online'))")
    await waiting(page, 0)
    await expect(page.locator("[data-entry=done]").first).to_contain_text(f"n° {report_file['number']}, événement 3")
    await expect(page.locator("[data-entry=done]").last).to_contain_text(f"n° {home['number']}, événement 3")
    opened = await officer.act("services.field_report.read", file=report_file["file"])
    assert [one["text"] for one in opened["file"]["events"]] == ["", "", WRITTEN]
    assert sorted((one["name"], one["kind"]) for one in opened["uploads"]) == [
        ("croquis.png", "png"),
        ("croquis.txt", "text"),
    ]
    watch = await officer.act("services.holiday_watch.read", file=home["file"])
    assert watch["file"]["events"][-1]["text"] == TYPED
    assert watch["file"]["events"][-1]["where"] == "60.16990, 24.95250 (± 12 m)"
    held = await officer.act("services.file.follow", number=home["number"], code=home["code"])
    assert held["events"][-1]["said"]["fr"] == "Une patrouille est passée devant chez vous"
    assert TYPED not in str(held)
    await phone.close()
    for word in (WRITTEN, TYPED, "lampe du hall", "La porte est au sud"):
        assert await stood(phone.profile, word) == [], word
    assert wrong == [], "\n".join(wrong)


async def test_a_queue_brought_as_a_file(ground: Ground, browser: Browser) -> None:
    """A device that cannot send any more: its queue goes as an encrypted file, and all of it is still done once."""
    phone, other = ground.phone, Phone(browser.browser_type, ground.folder / "other", ground.port)
    await taken(phone)
    await ground.cut()
    page = phone.page
    await kept(page, WRITTEN, [photo(ground.folder, 1)])
    await waiting(page, 1)
    async with page.expect_download() as download:
        await page.get_by_role("button", name="Exporter ce qui attend, chiffré").click()
    file = ground.folder / "queue.json"
    await (await download.value).save_as(file)
    content = await asyncio.to_thread(file.read_text, "utf-8")
    assert not any(word in content for word in (WRITTEN, SHOT))
    await ground.start()
    elsewhere = await other.open()
    await other.enter("officer")
    await elsewhere.reload()
    await elsewhere.get_by_text("Apporter la file d’un autre appareil").click()
    await elsewhere.locator("#bring").set_input_files(file)
    await expect(elsewhere.locator("[data-brought]")).to_contain_text("1 envoi(s) enregistré(s)", timeout=60_000)
    await other.close()
    await phone.enter("officer")
    await page.evaluate("dispatchEvent(new Event('online'))")
    await waiting(page, 0)
    await expect(page.locator("[data-entry=done]")).to_contain_text("n° PC-")
    assert ground.rows("select count(*) from service_file") == [(1,)]
    assert ground.rows("select count(*) from service_upload where owner like 'file:%'") == [(1,)]


async def test_the_desk_looks_at_what_did_not_fit(stage: Stage, window: Opener) -> None:
    """A form that is no more: an officer reads what was typed, and records it with the newest one."""
    officer, chain = await stage.person("officer"), Chain()
    public = b64encode(point(chain.key)).decode()
    chain.device = (await officer.act("services.device.enrol", label="Téléphone", public=public))["device"]
    made = datetime.now(UTC).isoformat()
    entry = chain.add(offline_report(made, version=99))
    (told_,) = (await officer.act("services.outbox.sync", device=chain.device, entries=[entry]))["entries"]
    assert told_["state"] == "review"
    seen = await window("officer")
    await seen.go("/files")
    page, line = seen.page, seen.page.locator("[data-review]")
    await expect(line).to_contain_text("La version du formulaire n’existe plus ici.")
    await line.get_by_role("button", name="Lire").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("12 rue Zébulon")
    await shown(page, "desk")
    await dialog.get_by_role("button", name="Enregistrer maintenant").click()
    await expect(line).to_have_count(0)
    (told_,) = (await officer.act("services.outbox.sync", device=chain.device, entries=[entry]))["entries"]
    assert told_["state"] == "recorded"
    assert told_["number"].startswith("PC-")


@pytest.mark.parametrize(
    ("acts", "photos"),
    [(8, 4), pytest.param(1000, 200, marks=[proof_only])],
)
async def test_nothing_lost_nothing_doubled_nothing_in_clear(ground: Ground, acts: int, photos: int) -> None:
    phone, chance = ground.phone, random.Random(acts)
    await taken(phone)
    await ground.cut()
    files = [photo(ground.folder, number) for number in range(photos)]
    share = max(1, photos // 10) if photos > 20 else 2  # photos of one act
    with_photos = [files[at : at + min(share, 20)] for at in range(0, photos, min(share, 20))]
    page = phone.page
    for number in range(acts):
        await kept(page, f"{WRITTEN} {number}.", with_photos[number] if number < len(with_photos) else [])
        if number == acts // 2:
            await page.evaluate("localStorage.clear()")  # what it was told may not be on the disk yet
            await phone.kill()  # the first time: between two acts
            page = await phone.open()
            await waiting(page, number + 1)
    await waiting(page, acts)
    await phone.kill()  # the second time: everything waits

    page = await phone.open()
    await page.add_init_script(TELLS)
    await page.reload()
    await waiting(page, acts)
    assert "0" not in await page.evaluate("told"), "while it looks, it does not say that nothing waits"
    await phone.kill()
    # Three days later by the device's clock: what waits is there and opens no more, until there is contact.
    page = await phone.open(hours=73)
    await expect(page.locator("[data-field=home]")).to_have_attribute("data-device", "locked")
    await waiting(page, acts)
    assert WRITTEN not in await page.content()
    await phone.close()

    ground.relay.lose = 2
    await ground.start()
    page = await phone.open()
    await phone.enter("officer")
    await page.evaluate("dispatchEvent(new Event('online'))")
    for _ in range(round(10 * STEPS_S * (1 + acts / 100))):  # photos go before the acts they belong to
        if ground.relay.lost:
            break
        await asyncio.sleep(0.1)
    assert ground.relay.lost, "a batch was done and nobody was told"
    await phone.kill()  # the third time: in the middle of sending
    await ground.platform.kill()
    await ground.platform.start()
    page = await phone.open()
    await phone.enter("officer")
    await page.evaluate("dispatchEvent(new Event('online'))")
    await waiting(page, 0, STEPS_S * (1 + acts / 100))
    for answer in await ground.relay.again(chance):
        assert {one["state"] for one in told(answer)["result"]["entries"]} == {"recorded"}, answer[:500]

    ((files_there, numbers),) = ground.rows("select count(*), count(distinct number) from service_file")
    assert (files_there, numbers) == (acts, acts)
    hashes = [
        row[0]
        for row in ground.rows("select sha256 from service_upload where sealed is not null and owner like 'file:%'")
    ]
    assert sorted(hashes) == sorted(sha256(one.read_bytes()).hexdigest() for one in files)
    officer = await ground.officer()
    said = set()
    for row in ground.rows("select id from service_file order by number limit 40"):
        opened = await officer.act("services.field_report.read", file=row[0])
        said.add(opened["file"]["answers"]["account"])
    expected = {f"{WRITTEN} {number}. près de la porte." for number in range(acts)}
    assert said == expected if acts <= 40 else said <= expected

    await page.goto(f"/calendar?{LEFT}")
    await page.evaluate("word => localStorage.setItem('control', word)", WIDELEFT)
    await phone.close()
    for word in (WRITTEN, TYPED, SHOT):
        assert await stood(phone.profile, word) == [], word
    for word in (LEFT, WIDELEFT):
        assert await stood(phone.profile, word), "the search bites in this very profile, in UTF-8 and in UTF-16"
