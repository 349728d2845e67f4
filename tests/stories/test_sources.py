"""Command adds an ONVIF camera with a form, is told what is wrong with an address, and turns the camera unless another does.

Drones that signal themselves are listed beside, ours among them; a partner is federated. What opens in this story is judged by
axe-core here, so that nobody has to set it up twice.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.async_api import Page, expect
from shapely.geometry import box

from egide.exercise.beacons import Beacons
from egide.exercise.drone import Drone
from egide.exercise.flight import circuit
from egide.exercise.ground import blank_ground
from egide.exercise.onvif import OnvifCamera
from egide.exercise.rtsp import PATH, RtspServer
from egide.exercise.story import Scene
from egide.exercise.town import GROUND_ALT, Town
from egide.operations.hands import HOLD_S
from tests.conftest import proof_only
from tests.operations.test_telemetry import broadcast
from tests.ports import free_port
from tests.stories.conftest import Opener
from tests.stories.stage import Stage
from tests.stories.test_axe import AXE, OVERFLOW, RUN, switch, told
from tests.stories.window import NARROW, WIDE, Window
from tests.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.story]

USER, PASSWORD = "chef", "s3same & co"


@pytest.fixture
async def dome(stage: Stage) -> AsyncIterator[OnvifCamera]:
    """An ONVIF camera under a balloon in the middle of the scene, that answers on the loopback."""
    middle = stage.drone.flight.perimeter.centroid
    area = box(middle.x - 0.002, middle.y - 0.001, middle.x + 0.002, middle.y + 0.001)
    town = Town(area.bounds, (), (), np.array([[middle.x, middle.y]]))
    path = circuit(area, ground_alt=GROUND_ALT)
    drone = Drone("Dome", "F-BALL1", path, blank_ground(town), town, size=(320, 180), fps=10, traffic=False)
    server, stop = RtspServer(drone, bitrate=300_000), asyncio.Event()
    await server.start(port=0)
    flying = asyncio.create_task(server.run(stop))
    camera = OnvifCamera(f"rtsp://127.0.0.1:{server.port}{PATH}", user=USER, password=PASSWORD)
    camera.start()
    yield camera
    stop.set()
    await flying
    await server.close()
    await asyncio.to_thread(camera.close)


async def judged(seen: Window, part: str, where: str) -> list[str]:
    """What axe finds wrong in one part of a page, wide by day and narrow in red; pictures for who asks."""
    page, wrong, folder = seen.page, [], os.environ.get("EGIDE_REPORTS")
    axe = await asyncio.to_thread(AXE.read_text, "utf-8")
    lang = await page.locator("html").get_attribute("lang")
    theme = await page.evaluate("document.documentElement.dataset.theme ?? ''")
    for size, colours in ((WIDE, "day"), (NARROW, "red")):
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        await page.evaluate("theme => { document.documentElement.dataset.theme = theme }", colours)
        found = await seen.apart(f"{axe};{RUN.replace('document', repr(part), 1)}")
        wrong += [f"{where}, {lang}, {size[0]} px, {colours}: {told(rule)}" for rule in found["violations"]]
        if folder:
            await page.locator(part).first.scroll_into_view_if_needed()
            await page.screenshot(path=Path(folder) / f"sources {where} {lang} {size[0]} {colours}.png")
        if size == NARROW:
            wrong += [f"{where}, {lang}: {what}" for what in await seen.apart(OVERFLOW)]
    await page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    await page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
    return wrong


async def test_a_camera_is_found_checked_and_added(scene: Scene, window: Opener, dome: OnvifCamera) -> None:
    seen = await window("command")
    page = seen.page
    await seen.go("/operations")
    await on_narrow(page, "Liste")
    await page.get_by_role("button", name="Ajouter une source").click()
    form = page.get_by_role("dialog")

    # A wrong address is told in a sentence, with what to do.
    await form.get_by_label("Adresse", exact=True).fill(f"rtsp://127.0.0.1:{free_port()}/live")
    await expect(form.get_by_label("Type de source")).to_have_value("rtsp")
    await form.get_by_role("button", name="Vérifier cette adresse").click()
    verdict = form.locator("[data-verdict]")
    await expect(verdict).to_contain_text("La source ne répond pas.")
    await expect(verdict).to_contain_text("Vérifiez que la caméra est allumée")

    # A camera of the network is found, pressed, checked and added.
    await form.get_by_text("Sur un seul réseau").click()
    await form.get_by_label("Adresse de cette machine sur ce réseau").fill("127.0.0.1")
    await form.get_by_role("button", name="Chercher les caméras du réseau").click()
    await form.get_by_role("button", name="Exercise dome").filter(has_text=f":{dome.port}").click()
    await expect(form.get_by_label("Adresse", exact=True)).to_have_value(f"onvif://127.0.0.1:{dome.port}")
    await form.get_by_label("Identifiant de la caméra").fill(USER)
    await form.get_by_label("Mot de passe de la caméra").fill("wrong")
    await form.get_by_role("button", name="Vérifier cette adresse").click()
    await expect(verdict).to_contain_text("La source refuse l'accès")
    await form.get_by_label("Mot de passe de la caméra").fill(PASSWORD)
    await form.get_by_role("button", name="Vérifier cette adresse").click()
    await expect(verdict).to_contain_text("H.264")
    await expect(verdict).not_to_contain_text(PASSWORD)
    wrong = await judged(seen, "dialog[open]", "form")
    lat, lon = scene.place
    await form.get_by_label("Nom", exact=True).fill("Dôme du ballon")
    await form.get_by_label("Cette caméra est portée par un aéronef").check()
    await form.get_by_label("Immatriculation").fill("F-BALL1")
    await form.get_by_label("Télépilote").fill("Équipe du ballon")
    await form.get_by_label("Latitude").fill(f"{lat:.5f}".replace(".", ","))
    await form.get_by_label("Longitude").fill(f"{lon:.5f}")
    await form.get_by_role("button", name="Ajouter une source").click()
    await on_narrow(page, "Caméra")
    pane = page.locator(".pane")
    await expect(pane.get_by_role("heading", name="Dôme du ballon")).to_be_visible()
    assert wrong == [], "\n".join(wrong)


@proof_only
async def test_a_camera_is_turned_by_one_person_at_a_time(scene: Scene, window: Opener, dome: OnvifCamera) -> None:
    command, (lat, lon) = await scene.person("command"), scene.place
    url = f"onvif://{USER}:{quote(PASSWORD)}@127.0.0.1:{dome.port}"
    given = {"name": "Dôme du ballon", "kind": "onvif", "url": url, "aircraft": "F-BALL1", "pilot": "Équipe du ballon"}
    source = (await command.act("operations.source.add", **given, lat=lat, lon=lon))["id"]
    started = await command.act("operations.camera.start", source=source, mission=scene.mission)
    seen = await window("command")
    page = seen.page
    await seen.go("/operations")
    await page.get_by_role("button", name="Dôme du ballon").click()
    await page.locator(".pane").get_by_role("button", name="Regarder", exact=True).click()
    await expect(page.locator("[data-video]")).to_have_attribute("data-state", "live")

    # Held, it turns; let go, it stops: by the pointer and by the keyboard.
    steer = page.locator("[data-steer]")
    right = steer.get_by_role("button", name="Tourner à droite")
    size = await right.bounding_box()
    assert size is not None
    assert min(size["width"], size["height"]) >= 44, "large enough for a gloved finger"
    await right.hover()
    await page.mouse.down()
    await until(lambda: dome.head.moving and dome.head.speeds[0] > 0)
    await page.mouse.up()
    await until(lambda: not any(dome.head.speeds))
    assert dome.head.pan > 0
    await page.keyboard.press("p")
    await page.keyboard.down("ArrowUp")
    await until(lambda: dome.head.speeds[1] > 0)
    await page.keyboard.up("ArrowUp")
    await until(lambda: not any(dome.head.speeds))
    let_go = time.monotonic()
    assert dome.head.tilt > 0

    # One person at a time.
    officer = await scene.person("officer")
    await asyncio.sleep(max(0.0, let_go + HOLD_S + 0.5 - time.monotonic()))  # command's own hold runs out
    await officer.act("operations.camera.move", deployment=started["deployment"], zoom=0.1, seconds=5)
    await right.click(delay=300)
    await expect(steer.get_by_role("alert")).to_contain_text("tourne cette caméra en ce moment")
    await expect(steer.get_by_role("alert")).to_contain_text("attendez 5 s")
    assert dome.head.speeds[2] > 0, "the officer's move goes on"
    await switch(seen, "en")
    await expect(steer.get_by_role("alert")).to_contain_text("is turning this camera now")
    wrong = await judged(seen, "[data-steer]", "steer refused")
    assert wrong == [], "\n".join(wrong)


async def test_drones_heard_and_which_is_ours(stage: Stage, scene: Scene, window: Opener) -> None:
    port = free_port()
    command = await scene.person("command")
    receiver = await command.act(
        "operations.source.add", name="Récepteur", kind="remoteid", url=f"udp://127.0.0.1:{port}"
    )
    beacons, stranger = (
        Beacons(stage.drone, None, ("127.0.0.1", port)),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    )
    try:
        seen = await window("command")
        page = seen.page
        await seen.go("/operations")
        await on_narrow(page, "Liste")
        heard = page.locator("[data-drones]")
        await expect(heard).to_contain_text("Le nôtre : Drone 1")
        await expect(heard).to_contain_text("en vol")
        await expect(heard.get_by_role("button", name="Identifier")).to_have_count(0)

        # A stranger has no name until somebody gives a motive; what it then says of itself is not taken for the truth.
        lat, lon = scene.place
        stranger.sendto(broadcast(lat, lon), ("127.0.0.1", port))
        await heard.get_by_role("button", name="Actualiser").click()
        await expect(heard.locator("[data-drone]")).to_have_count(2)
        await expect(heard).not_to_contain_text("FRA87")
        wrong = await judged(seen, "[data-drones]", "drones")
        stranger.sendto(broadcast(lat, lon), ("127.0.0.1", port))  # still there, however long the look took
        await heard.get_by_role("button", name="Actualiser").click()
        await heard.get_by_role("button", name="Identifier").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Identifier").click()
        await expect(dialog).to_contain_text("Écrivez un motif")
        await dialog.get_by_label("Pourquoi").fill("Survol du marché, danger pour la foule")
        await dialog.get_by_role("button", name="Identifier").click()
        await expect(dialog).to_contain_text("FRA87astrdge12k8")
        await expect(dialog).to_contain_text("n’importe qui peut émettre un tel signal")
        wrong += await judged(seen, "dialog[open]", "identity")
        await page.keyboard.press("Escape")
        assert wrong == [], "\n".join(wrong)
    finally:
        stranger.close()
        await asyncio.to_thread(beacons.close)
        await command.act("operations.source.remove", source=receiver["id"])


async def test_a_partner_is_federated_and_let_go(window: Opener) -> None:
    seen = await window("administrator")
    page = seen.page
    await seen.go("/administration")
    partners = page.locator("[data-partners]")
    await partners.get_by_role("heading", name="Partenaires TAK").click()
    await expect(partners).to_contain_text("Aucun partenaire.")
    await partners.get_by_role("button", name="Ajouter un partenaire").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Nom du service").fill("Douanes du port")
    await form.get_by_label("Son autorité TAK").fill("no certificate")
    await form.get_by_label("Pourquoi").fill("Surveillance commune du port")
    await form.get_by_role("button", name="Ajouter un partenaire").click()
    await expect(form).to_contain_text("Choisissez au moins un groupe.")
    await form.get_by_role("group", name="Ce qui lui est envoyé").get_by_role("checkbox").first.check()
    await form.get_by_role("button", name="Ajouter un partenaire").click()
    await expect(form.get_by_role("alert")).to_contain_text("Ce n’est pas un certificat d’autorité")
    wrong = await judged(seen, "dialog[open]", "partner form")
    await form.get_by_label("Son autorité TAK").fill(authority())
    await form.get_by_role("button", name="Ajouter un partenaire").click()
    await expect(partners).to_contain_text("Douanes du port")
    await expect(partners).to_contain_text("pas relié")
    wrong += await judged(seen, "[data-partners]", "partners")
    await partners.get_by_role("button", name="Mettre fin : Douanes du port").click()
    await page.get_by_role("dialog").get_by_label("Pourquoi").fill("Fin de l’exercice commun")
    await page.get_by_role("dialog").get_by_role("button", name="Mettre fin").click()
    await expect(partners).to_contain_text("Aucun partenaire.")
    assert wrong == [], "\n".join(wrong)


def authority() -> str:
    """Another service's certificate authority, PEM."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Partner")])
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    return made.public_bytes(serialization.Encoding.PEM).decode()


async def on_narrow(page: Page, tab: str) -> None:
    """What the sheet of a narrow screen shows."""
    await page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    await page.get_by_role("group", name="Feuille").get_by_role("button", name=tab).click()
    await page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
