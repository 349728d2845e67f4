"""What people do before a gate's screen: choose a language, read its code, hold up a phone, turn their head."""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode
from io import BytesIO
from urllib.parse import urlencode

import numpy as np
from PIL import Image as Pillow
from playwright.async_api import Locator, Page, expect

from egide.border.face.engine import Image
from egide.border.holding import Held, holding
from egide.border.token import qr, question
from egide.border.token.answer import seal
from egide.protocols.sdjwt.signing import public_of
from egide.protocols.wallet.tokens import Jwk
from tests.border.airport import Airport, of_point
from tests.border.traveller import Token
from tests.stories.border.filmed import Filmed
from tests.stories.border.moving_face import FOLLOWED, face
from tests.stories.window import Window
from tests.waiting import PATIENCE_S

LOOK_S = 0.05  # s between two looks of somebody at the screen
FOLLOWS_S = 0.35  # s from what is asked to what the person does
AFTER_A_LOOK = re.compile("^(pass|again|face|officer)$")  # steps

DRAWN = """async (img) => { await img.decode();
  const canvas = Object.assign(document.createElement('canvas'), {width: 660, height: 660});
  const context = Object.assign(canvas.getContext('2d'), {fillStyle: '#fff'});  // the page gives the code its white
  context.fillRect(0, 0, 660, 660);
  context.drawImage(img, 0, 0, 660, 660);
  return canvas.toDataURL().split(',')[1]; }"""


def address(airport: Airport, point: str, *, external: bool = False) -> str:
    realm = of_point(point).realm
    place = {"realm": realm, "point": point, "gate": airport.gates[realm], "external": str(external).lower()}
    return f"/border/gate#{urlencode(place)}"


async def at(page: Page, step: str, within_ms: float = 15_000) -> None:
    await expect(page.locator(f"[data-step={step}]")).to_be_visible(timeout=within_ms)


async def begin(
    window: Window, airport: Airport, point: str, *, external: bool = False, language: str = "Français"
) -> None:
    """The gate is opened where it is, and the traveller chooses a language."""
    await window.go(address(airport, point, external=external))
    await window.page.get_by_role("button", name=language).click()


def last_control(airport: Airport) -> Held:
    """The control that was opened last: its room knows both movements, the gate hears the second when it is asked for."""
    return list(holding(airport.kernel)._held.values())[-1]


async def code(page: Page) -> bytes:
    """The gate's question, read off its screen."""
    await at(page, "code")
    shot = Pillow.open(BytesIO(await page.locator("img.code").screenshot())).convert("RGB")
    found = qr.read(np.ascontiguousarray(np.asarray(shot)[..., ::-1]), "question")
    assert found is not None, "the gate’s code cannot be read"
    return found


async def drawn(code: Locator) -> Image:
    """A gate's code as it is drawn: a receipt is there for ten seconds, and a busy machine's screenshot may take longer."""
    picture = Pillow.open(BytesIO(b64decode(await code.evaluate(DRAWN)))).convert("RGB")
    return np.asarray(picture, dtype=np.uint8)


async def held_up(phone: Window) -> Image:
    """The phone's code, module by module."""
    side, path = await phone.page.locator("[data-code]").evaluate(
        "(svg) => [svg.viewBox.baseVal.width, svg.querySelector('path').getAttribute('d')]"
    )
    modules = np.full((side, side), 255, dtype=np.uint8)
    for step in path.split("M")[1:]:
        x, y = step.split("h")[0].split(" ")
        modules[int(y), int(x)] = 0
    return np.repeat(np.kron(modules, np.ones((4, 4), dtype=np.uint8))[..., None], 3, axis=2)


def screen(answer: bytes) -> Image:
    """A phone's screen that shows an answer."""
    return np.repeat(qr.pixels(answer, "answer", scale=4)[..., None], 3, axis=2)


async def answer(airport: Airport, asked: bytes, token: Token) -> bytes:
    """What the wallet shows to a gate on the trust list."""
    listed = [
        key for realm in ("border", "border.police") for key in (await airport.ask(f"{realm}.trust.list"))["keys"]
    ]
    trusted = {key["kid"]: public_of(Jwk("EC", "P-256", key["x"], key["y"])) for key in listed}
    read = question.read(asked, trusted.get, airport.now())
    secret = token.secret if {"face_t", "doc_hash"} & set(read.claims) else b""
    return seal(read, token.issued.cwt, secret, token.sign)


async def shows(airport: Airport, page: Page, camera: Filmed, token: Token) -> None:
    """The traveller reads the gate's code, and holds up the phone."""
    camera.sees(screen(await answer(airport, await code(page), token)))


def two(seed: int, other: int) -> Image:
    """Two people side by side."""
    return np.hstack([face(seed), face(other)])


async def follows(page: Page, camera: Filmed, seed: int, *, where: str = "data-move") -> None:
    """Somebody does what the screen asks while it asks, a human moment later; `where` it says so."""
    camera.sees(face(seed))
    pictures = {move: face(seed, move) for move in ("straight", *FOLLOWED)}
    asks = f"document.querySelector('[{where}]')?.getAttribute('{where}') || null"
    await expect(page.locator(f"[{where}]:not([{where}=''])")).to_be_visible()
    shown = "straight"
    while (asked := await page.evaluate(asks)) is not None:
        if asked != shown and asked in pictures:
            await asyncio.sleep(FOLLOWS_S)
            camera.sees(pictures[asked])
            shown = asked
        await asyncio.sleep(LOOK_S)


async def looked(page: Page, within_ms: float) -> str:
    """The step after a look. `again` is there for two seconds, which a busy machine may miss: then the next look has begun."""
    gate = page.locator("[data-step]")
    await expect(gate).to_have_attribute("data-step", AFTER_A_LOOK, timeout=within_ms)
    return await gate.get_attribute("data-step") or ""


async def waiting(airport: Airport, point: str) -> str:
    """Why the officer is told that somebody waits at this point: the gate's screen says so before its word has arrived."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = await airport.act("officer", of_point(point).name("officer.list"))
            if cases := [each for each in found["cases"] if each["point"] == point]:
                (case,) = cases
                return str(case["why"])
            await asyncio.sleep(LOOK_S)
