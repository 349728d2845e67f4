"""A person's browser window: opened in their language and on their screen, and watched for what its policy had to stop."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, CDPSession, Page, expect

ARGS = [
    "--no-sandbox", "--headless=new", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",  # a camera and a microphone that anybody has
]  # fmt: skip
WIDE, NARROW, PHONE = (1440, 900), (320, 640), (390, 844)  # CSS pixels
STATION = "Europe/Paris"  # the platform's time zone: that of the law in force
# Until `window.full` is false again, nothing finds room in this page's databases.
NO_ROOM = """() => { window.full = true; const real = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function (...given) { const request = real.apply(this, given), all = this.transaction;
    if (window.full) request.addEventListener('success', () => { all.abort();
      Object.defineProperty(all, 'error', { value: new DOMException('no room', 'QuotaExceededError') }); });
    return request; }; }"""
PATIENCE_MS = 30_000  # ms a page may take to show what is expected, on a busy machine
CSP = "CSP: "
WATCH = f"""document.addEventListener('securitypolicyviolation', (e) =>
  console.error('{CSP}' + [e.effectiveDirective, e.blockedURI, e.sourceFile, e.lineNumber, e.sample].join(' ')));"""

expect.set_options(timeout=PATIENCE_MS)


def chromium() -> str | None:
    """The browser's program, or None where there is none."""
    asked = os.environ.get("EGIDE_CHROMIUM")
    if asked:
        return asked if Path(asked).exists() else None
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Window:
    """One page in a profile of its own. `stopped` and `crashed` hold what its policy stopped and what its code threw."""

    def __init__(self, context: BrowserContext, page: Page, cdp: CDPSession) -> None:
        self.context, self.page, self.cdp = context, page, cdp
        self.stopped: list[str] = []
        self.crashed: list[str] = []
        page.on("console", lambda message: self._heard(message.text))
        page.on("pageerror", lambda error: self.crashed.append(str(error)))

    def _heard(self, text: str) -> None:
        if text.startswith(CSP) or "Content Security Policy" in text or "requires 'Trusted" in text:
            self.stopped.append(text)

    async def enter(self, persona: str) -> None:
        """Signs in as a persona of the demonstration."""
        await self.go("/sign-in")
        await self.page.evaluate(
            """async (persona) => { const answer = await fetch('/api/acts/administration.demo.enter', {
                 method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify({persona}) });
               if (!answer.ok) throw new Error(await answer.text()); }""",
            persona,
        )

    async def go(self, path: str) -> None:
        """Opens a page of the platform and waits for its heading or its room."""
        await self.page.goto(path)
        await expect(self.page.locator("main")).to_be_visible()

    async def apart(self, script: str) -> Any:
        """The value of an expression in a world apart: sees the page's document, is not the page's code nor under its policy."""
        frame = (await self.cdp.send("Page.getFrameTree"))["frameTree"]["frame"]["id"]
        world = await self.cdp.send("Page.createIsolatedWorld", {"frameId": frame, "worldName": "story"})
        told = await self.cdp.send(
            "Runtime.evaluate",
            {"expression": script, "contextId": world["executionContextId"], "awaitPromise": True, "returnByValue": True},
        )  # fmt: skip
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def close(self) -> None:
        await self.context.close()


async def opened(
    browser: Browser,
    base: str,
    *,
    size: tuple[int, int] = WIDE,
    lang: str = "fr",
    touch: bool = False,
    before: str = "",
    zone: str = STATION,
) -> Window:
    """A window on the platform; nobody is signed in. `zone`: of this device’s clock (IANA), the station’s unless told."""
    context = await browser.new_context(
        base_url=base, viewport={"width": size[0], "height": size[1]}, locale=f"{lang}-FR", has_touch=touch,
        is_mobile=touch, reduced_motion="reduce", timezone_id=zone,
    )  # fmt: skip
    context.set_default_timeout(PATIENCE_MS)
    await context.add_init_script(
        WATCH + f"localStorage.getItem('egide.lang') ?? localStorage.setItem('egide.lang', '{lang}');" + before
    )
    page = await context.new_page()
    return Window(context, page, await context.new_cdp_session(page))
