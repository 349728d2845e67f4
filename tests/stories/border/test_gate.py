"""A gate before its camera: who holds a token goes through; whatever goes wrong is one calm sentence, and an officer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import select

from egide.border import tables
from egide.border.face.engine import Image
from egide.border.holding import holding
from tests.border.airport import Airport, Wallet
from tests.conftest import missing, proof_only
from tests.stories.border.at_a_gate import address, answer, at, begin, code, last_control, shows, two, waiting
from tests.stories.border.at_a_gate import screen as phone
from tests.stories.border.filmed import Filmed
from tests.stories.border.moving_face import face
from tests.stories.conftest import Opener
from tests.stories.test_axe import AXE, OVERFLOW, RUN, told
from tests.stories.window import NARROW, WIDE, Window

pytestmark = [pytest.mark.anyio, pytest.mark.story]

CALM = "Un agent vient vous aider. Vous n’avez rien à faire."
TWO_TRIES_MS = 40_000  # ms: two looks of six seconds, on a busy machine
PERSON, OTHER = 9, 3  # seeds of people who are drawn


async def test_a_token_shown_to_the_camera_opens_the_gate_and_the_receipt_is_a_picture(
    gates: Airport, screen: Opener, camera: Filmed
) -> None:
    wallet, window = await gates.traveller(), await screen("officer")
    page = window.page
    await begin(window, gates, "security")
    await expect(page.locator("main")).to_contain_text(gates.gates["facilitation"])
    await expect(page.locator("main")).to_contain_text("le vol")
    await expect(page.locator("main")).to_contain_text("rien")
    await shows(gates, page, camera, wallet.tokens["security"])
    await at(page, "pass")
    await expect(page.get_by_role("img", name="Votre reçu")).to_be_visible()
    camera.nobody()
    await page.get_by_role("button", name="Voyageur suivant").click()
    await expect(page.get_by_role("heading", name="Choisissez votre langue")).to_be_visible()
    assert await page.evaluate("Object.keys(localStorage)") == ["egide.lang"]


@pytest.mark.parametrize(
    ("language", "law"),
    [
        ("Français", "Un transporteur vérifie qui tient le document de voyage (Convention d’application"),
        ("Deutsch", "A carrier checks who holds the travel document (Convention implementing the Schengen Agreement"),
    ],
)
async def test_the_law_is_told_in_words_with_its_article(
    gates: Airport, screen: Opener, language: str, law: str
) -> None:
    window = await screen("officer", size=NARROW)
    await begin(window, gates, "boarding", external=True, language=language)
    await at(window.page, "code")
    main = window.page.locator("main")
    await expect(main).to_contain_text(law)
    await expect(main).to_contain_text("article 26(1)(b)")
    await expect(main).not_to_contain_text("eu/carriers")
    assert await window.apart(OVERFLOW) == []


async def test_each_language_speaks_in_its_own_direction(gates: Airport, screen: Opener) -> None:
    window = await screen("officer", size=NARROW)
    page, html = window.page, window.page.locator("html")
    for name, lang, direction in (("العربية", "ar", "rtl"), ("Deutsch", "de", "ltr"), ("中文", "zh", "ltr")):
        await begin(window, gates, "security", language=name)
        await at(page, "code")
        await expect(html).to_have_attribute("lang", lang)
        await expect(html).to_have_attribute("dir", direction)
        # Names of the platform are told in its own languages, whole, whichever way the page goes.
        asks = page.locator("[data-asks][dir=ltr]")
        await expect(asks).to_contain_text(f"{gates.kernel.settings.controller}, ")
        assert await window.apart(OVERFLOW) == []
        await page.locator(".ways button").last.click()
        await at(page, "languages")
        await expect(html).to_have_attribute("lang", "fr")


Prepare = Callable[[Airport, Wallet, Page, Filmed], Awaitable[None]]


async def withdrawn(gates: Airport, wallet: Wallet, page: Page, camera: Filmed) -> None:
    await gates.ask("border.consent.withdraw", consent=wallet.consent, secret=wallet.secret)
    await shows(gates, page, camera, wallet.tokens["security"])


async def replayed(gates: Airport, wallet: Wallet, page: Page, camera: Filmed) -> None:
    await gates.passes("security", wallet)
    await shows(gates, page, camera, wallet.tokens["security"])


async def of_another_control(gates: Airport, wallet: Wallet, page: Page, camera: Filmed) -> None:
    """An answer that was made for the control before this one."""
    old = await code(page)
    await page.get_by_role("button", name="Quitter").click()
    await page.get_by_role("button", name="Français").click()
    await code(page)
    camera.sees(phone(await answer(gates, old, wallet.tokens["security"])))


async def unplugged(gates: Airport, wallet: Wallet, page: Page, camera: Filmed) -> None:
    await at(page, "code")
    await expect(page.locator("video")).to_be_visible()
    await expect(page.locator("video")).to_have_js_property("readyState", 4)  # HAVE_ENOUGH_DATA
    await page.evaluate(
        "document.querySelector('video').srcObject.getVideoTracks()[0].dispatchEvent(new Event('ended'))"
    )


async def preferring_a_person(_gates: Airport, _wallet: Wallet, page: Page, _camera: Filmed) -> None:
    await at(page, "code")
    await page.get_by_role("button", name="Je préfère un agent").click()


@pytest.mark.parametrize(
    ("prepare", "why"),
    [
        (withdrawn, "revoked"),
        pytest.param(replayed, "replayed", marks=proof_only),
        (of_another_control, "encryption"),
        (unplugged, "camera"),
        pytest.param(preferring_a_person, "asked", marks=proof_only),
    ],
)
async def test_what_does_not_count_is_one_calm_sentence_and_the_officer_knows_why(
    prepare: Prepare, why: str, gates: Airport, screen: Opener, camera: Filmed
) -> None:
    wallet, window = await gates.traveller(), await screen("officer")
    await begin(window, gates, "security")
    await prepare(gates, wallet, window.page, camera)
    await at(window.page, "officer")
    await expect(window.page.get_by_role("heading", level=1)).to_have_text(CALM)
    await expect(window.page.locator("main")).not_to_contain_text(why)
    assert await waiting(gates, "security") == why


@pytest.mark.parametrize(
    ("before", "why"),
    [
        (face(PERSON), "still"),  # a photograph held up, or somebody who does not move
        pytest.param(two(PERSON, OTHER), "two-faces", marks=proof_only),
        pytest.param(None, "few", marks=proof_only),
    ],
    ids=["a photograph", "two faces", "nobody"],
)
async def test_two_looks_without_a_person_there_end_with_the_officer(
    before: Image | None, why: str, gates: Airport, screen: Opener, camera: Filmed
) -> None:
    wallet, window = await gates.traveller(), await screen("officer")
    page = window.page
    await begin(window, gates, "boarding", external=True)
    await shows(gates, page, camera, wallet.tokens["boarding"])
    await at(page, "face")
    if before is None:
        camera.nobody()
    else:
        camera.sees(before)
    control = last_control(gates)
    asked = [control.room.ready.challenge]
    await gates.until(lambda: control.attempts == 1, TWO_TRIES_MS / 1000)
    await at(page, "again")
    asked.append(control.challenge)
    await expect(page.locator(f"[data-step=face][data-move={asked[1][0][0]}]")).to_be_visible(timeout=TWO_TRIES_MS)
    await at(page, "officer", TWO_TRIES_MS)
    await expect(page.get_by_role("heading", level=1)).to_have_text(CALM)
    assert await waiting(gates, "boarding") == why
    assert asked[0] != asked[1], "other movements, at other times"


async def test_the_officer_sees_both_and_decides_and_the_gate_says_so(
    gates: Airport, screen: Opener, camera: Filmed
) -> None:
    wallet, gate, tablet = await gates.traveller(), await screen("officer"), await screen("officer")
    await tablet.go("/border/tablet")
    await expect(tablet.page.get_by_text("Personne n’attend")).to_be_visible()
    await begin(gate, gates, "boarding", external=True)
    await shows(gates, gate.page, camera, wallet.tokens["boarding"])
    await at(gate.page, "face")
    camera.sees(face(PERSON))
    await at(gate.page, "officer", 2 * TWO_TRIES_MS)
    page = tablet.page
    await page.get_by_role("button", name="Embarquement").click()
    await page.get_by_role("button", name="Voir les images").click()
    await expect(page.get_by_role("alert")).to_contain_text("Demandez le document au voyageur")
    await page.get_by_label("J’ai le document du voyageur en main").check()
    await expect(page.get_by_role("alert")).to_have_count(0)
    await page.get_by_role("button", name="Voir les images").click()
    await expect(page.get_by_role("img", name="Devant la porte")).to_be_visible()
    assert await page.get_by_role("img", name="Devant la porte").evaluate("(one) => one.naturalWidth") == 640
    await page.get_by_role("button", name="Décider").click()
    await expect(page.get_by_role("alert")).to_contain_text("Choisissez une décision et un motif")
    await page.get_by_label("Laisser passer").check()
    await page.get_by_label("Motif").select_option("same-person")
    await expect(page.get_by_role("alert")).to_have_count(0)
    await page.get_by_role("button", name="Décider").click()
    await expect(page.get_by_role("img", name="Reçu pour le portefeuille du voyageur")).to_be_visible()
    await expect(page.get_by_role("img", name="Devant la porte")).to_have_count(0)
    await at(gate.page, "pass")
    counted = gates.kernel.store.reader().execute(select(tables.facilitation.count)).all()
    assert {(row.point, row.outcome): row.n for row in counted}["boarding", "admitted"] == 1
    await page.get_by_role("button", name="Passage suivant").click()
    await expect(page.get_by_text("Personne n’attend")).to_be_visible()


async def test_a_gate_that_may_not_open_says_where_to_go(gates: Airport, screen: Opener) -> None:
    window = await screen("officer")
    await gates.lanes("security", staffed=False)
    await begin(window, gates, "security")
    await at(window.page, "closed")
    await expect(window.page.get_by_role("heading", level=1)).to_have_text(
        "Cette porte est fermée. Passez par l’autre voie."
    )


async def test_a_lane_without_biometrics_that_is_slower_raises_an_alarm(gates: Airport, screen: Opener) -> None:
    window = await screen("officer")
    tickets = {}
    for lane in ("token", "equal"):
        asked = [gates.act("officer", "border.lane.enter", point="security", lane=lane) for _ in range(11)]
        tickets[lane] = [(await each)["ticket"] for each in asked]
    for lane, seconds in (("token", 40), ("equal", 400)):
        gates.move(seconds=seconds)
        for ticket in tickets[lane]:
            await gates.act("officer", "border.lane.leave", ticket=ticket)
    await window.go("/border")
    point = window.page.locator("[data-point=security]")
    await expect(point.get_by_role("alert")).to_contain_text("plus lente que celle du jeton")
    await expect(window.page.get_by_role("alert")).to_have_count(1)
    await point.get_by_role("button", name="Quelqu’un entre : Sans biométrie").click()
    await expect(point.locator("[data-lane=equal]")).to_contain_text("1 dans la voie")
    await point.get_by_role("button", name="Quelqu’un sort : Sans biométrie").click()
    await expect(point.locator("[data-lane=equal]")).to_contain_text("0 dans la voie")


async def test_another_makers_wallet_answers_by_network(gates: Airport, screen: Opener) -> None:
    wallet, window = await gates.traveller(), await screen("officer")
    page = window.page
    going = holding(gates.kernel)
    await begin(window, gates, "security")
    await at(page, "code")
    await page.get_by_role("button", name="Un autre portefeuille").click()
    (control,) = going._held
    request = await page.request.get(f"/border/requests/{control}")
    assert request.headers["content-type"] == "application/oauth-authz-req+jwt"
    key = going._held[control].room.ready.key
    body = gates.answer(wallet.tokens["security"], {"request": await request.text(), "key": key, "claims": ["flight"]})
    there, form = f"/border/answers/{control}", {"content-type": "application/x-www-form-urlencoded"}
    rubbish = await page.request.post(there, data="response=a.b.c.d.e", headers=form)
    assert rubbish.status == 400, "somebody else’s: the gate waits on"
    await at(page, "code")
    posted = await page.request.post(there, data=body, headers=form)
    assert posted.status == 200
    await at(page, "pass")
    assert (await page.request.get(f"/border/requests/{control}")).status == 404


SLOW = """const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (what) => {
  window.filmed = await ask(what);
  await new Promise((done) => (window.given = done));
  return window.filmed; };"""


ASKED = "new Promise((done) => { const look = () => (window.given ? done() : setTimeout(look, 20)); look(); })"
ENDED = """new Promise((done) => { window.given();
  setTimeout(() => done(window.filmed.getTracks().every((one) => one.readyState === 'ended')), 1000); })"""


async def test_who_leaves_while_the_camera_starts_is_not_filmed_afterwards(gates: Airport, screen: Opener) -> None:
    window = await screen("officer")
    page = window.page
    await page.add_init_script(SLOW)
    await begin(window, gates, "security")
    await page.evaluate(ASKED)
    await page.get_by_role("button", name="Quitter").click()
    await at(page, "languages")
    assert await page.evaluate(ENDED)


async def faults(seen: Window, where: str) -> list[str]:
    if not AXE.exists():
        missing("axe-core is not there: run “make setup”")
    wrong: list[str] = []
    for size in (WIDE, NARROW):
        await seen.page.set_viewport_size({"width": size[0], "height": size[1]})
        found = await seen.apart(f"{AXE.read_text('utf-8')};{RUN}")
        wrong += [f"{where}, {size[0]} px: {told(rule)}" for rule in found["violations"]]
        wrong += [f"{where}, {size[0]} px: {what}" for what in await seen.apart(OVERFLOW)]
    return wrong


async def test_nothing_is_wrong_with_the_screens_for_axe(gates: Airport, screen: Opener, camera: Filmed) -> None:
    wallet, window = await gates.traveller(), await screen("officer")
    page, wrong = window.page, []
    await window.go("/border/gate")
    wrong += await faults(window, "setup")
    await window.go(address(gates, "boarding", external=True))
    wrong += await faults(window, "languages")
    await page.get_by_role("button", name="العربية").click()
    asked = await code(page)
    wrong += await faults(window, "code")
    camera.sees(phone(await answer(gates, asked, wallet.tokens["boarding"])))
    await at(page, "face")
    camera.sees(face(PERSON))
    wrong += await faults(window, "face")
    await page.locator(".ways button").first.click()
    await at(page, "officer")
    wrong += await faults(window, "officer")
    await page.get_by_role("button").click()
    await begin(window, gates, "security")
    await shows(gates, page, camera, wallet.tokens["security"])
    await at(page, "pass")
    wrong += await faults(window, "pass")
    assert wrong == [], "\n".join(wrong)
