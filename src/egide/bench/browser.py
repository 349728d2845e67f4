"""Glass to glass: how old a picture is when headless Chromium shows it, read from the barcode that the drone burnt in.

What: the time in the barcode is the moment the drone began to make the picture; the time of sight is the animation frame in which
the page's canvas (or the peer's <video>) first shows it. Both are the machine's own clock. Rendering and coding of the
exercise's picture are therefore inside the figure, for us and for the peer alike.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from egide.bench.measure import ABSENT, REPEATS, BenchError, ask, child
from egide.bench.platform import Platform

# No WebGL: drawn in software on two cores, the map would take what is measured; a terminal has a graphics chip for it.
ARGS = ["--no-sandbox", "--headless=new", "--disable-3d-apis", "--autoplay-policy=no-user-gesture-required"]
PATIENCE_MS = 30_000
# Cells of the barcode: 8 of sync, 48 of time, 8 of check (exercise.overlay).
PROBE = """(selector) => {
  const SYNC = 0b10100110, CELLS = 64;
  const seen = window.egideSeen = [];
  document.addEventListener('click', () => { window.egideAsked = Date.now(); }, true);
  const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  let last = 0;
  const read = (data, width) => {
    const level = [];
    for (let i = 0; i < CELLS; i++) level.push(data[4 * Math.floor((i + 0.5) * width / CELLS) + 1]);
    const middle = (Math.max(...level) + Math.min(...level)) / 2;
    const byte = (n) => level.slice(8 * n, 8 * n + 8).reduce((sum, one) => 2 * sum + (one > middle ? 1 : 0), 0);
    let time = 0, check = 0;
    for (let n = 1; n <= 6; n++) { time = time * 256 + byte(n); check += byte(n); }
    return byte(0) === SYNC && byte(7) === ((check * 167 + 90) & 255) ? time : 0;
  };
  const look = () => {
    const shown = document.querySelector(selector);
    const width = shown && (shown.videoWidth || shown.width), height = shown && (shown.videoHeight || shown.height);
    if (width >= 256 && height >= 144) {
      probe.canvas.width = width; probe.canvas.height = 1;
      probe.drawImage(shown, 0, Math.round(height / 90), width, 1, 0, 0, width, 1);
      const time = read(probe.getImageData(0, 0, width, 1).data, width);
      if (time && time !== last) { last = time; seen.push([time, Date.now()]); }
    }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}"""
OFFER = """async () => {
  const connection = window.egidePeer = new RTCPeerConnection();
  const transceiver = connection.addTransceiver('video', { direction: 'recvonly' });
  transceiver.setCodecPreferences(RTCRtpReceiver.getCapabilities('video').codecs.filter((c) => c.mimeType === 'video/H264'));
  if ('jitterBufferTarget' in transceiver.receiver) transceiver.receiver.jitterBufferTarget = 0;
  connection.ontrack = ({ track }) => { document.querySelector('video').srcObject = new MediaStream([track]); };
  await connection.setLocalDescription(await connection.createOffer());
  if (connection.iceGatheringState !== 'complete')
    await new Promise((done) => connection.addEventListener('icegatheringstatechange', () => connection.iceGatheringState === 'complete' && done()));
  return connection.localDescription.sdp;
}"""


@dataclass(frozen=True, slots=True)
class Seen:
    """Ages of the pictures in ms, in the order in which they were seen; ms from the wish to watch to the first of them."""

    ages: tuple[float, ...]
    first_ms: float


def chromium() -> str | None:
    """The browser's program, or None."""
    asked = os.environ.get("EGIDE_CHROMIUM")
    return asked if asked and Path(asked).exists() else shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def window(origin: str | None = None, *more: str, before: str = "", args: Sequence[str] = ARGS) -> Iterator[Any]:
    """A page of a fresh browser; `more` arguments for it, and a script that runs `before` each page's own."""
    program = chromium()
    if program is None:
        raise BenchError("there is no Chromium: install it or set EGIDE_CHROMIUM")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise BenchError("playwright is not installed") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*args, *more])
        try:
            # The page's policy forbids scripts that are not its own; ours only looks.
            context = browser.new_context(
                base_url=origin,
                viewport={"width": 1440, "height": 900},
                locale="fr-FR",
                bypass_csp=True,
                reduced_motion="reduce",
            )
            context.set_default_timeout(PATIENCE_MS)
            if before:
                context.add_init_script(before)
            yield context.new_page()
        finally:
            browser.close()


def watched(one: Platform, seconds: float) -> Seen:
    """The operations page itself: an officer chooses the drone and asks to watch."""
    with window(one.origin) as page:
        button = ready(page)
        firsts = []
        for number in range(REPEATS):
            if number:
                page.get_by_role("button", name="Ne plus regarder", exact=True).click()
                button.wait_for()
                page.wait_for_timeout(500)
            button.click()
            firsts.append(_first(page, page.evaluate("() => window.egideAsked")))
        return Seen(ages_of(page, seconds), median(firsts))


def ready(page: Any) -> Any:
    """The button that an officer on the operations page presses to watch the drone; the probe is in place."""
    page.goto("/sign-in")
    page.evaluate(
        "async () => (await fetch('/api/acts/administration.demo.enter', {method: 'POST', body: JSON.stringify({persona: 'officer'})})).status"
    )
    page.goto("/operations")
    page.locator("[data-source]").first.click()
    button = page.get_by_role("button", name="Regarder", exact=True)
    button.wait_for()
    page.wait_for_timeout(3000)  # the map has drawn
    page.evaluate(PROBE, "[data-video] canvas")
    return button


def passed_on(port: int, seconds: float) -> Seen | None:
    """The peer: the same stream through aiortc into a <video>; None when aiortc is not installed."""
    words = [sys.executable, "-m", "egide.bench.peers.webrtc", str(port)]
    with child(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        if ABSENT in ask(process, "the peer aiortc"):
            return None
        with window() as page:
            page.set_content("<video muted autoplay playsinline></video>")
            page.evaluate(PROBE, "video")
            asked = page.evaluate("() => Date.now()")
            offer = page.evaluate(OFFER)
            answer = ask(process, "the peer aiortc", {"offer": offer})["answer"]
            page.evaluate("(sdp) => window.egidePeer.setRemoteDescription({ type: 'answer', sdp })", answer)
            first = _first(page, asked)
            return Seen(ages_of(page, seconds), first)


def _first(page: Any, asked: float) -> float:
    """Ms from the wish to the first picture seen after it."""
    end = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < end:
        found = page.evaluate("(asked) => window.egideSeen.find((one) => one[1] > asked)?.[1] ?? 0", asked)
        if found:
            return float(found - asked)
        page.wait_for_timeout(50)
    raise BenchError(f"no picture was seen on {page.url}")


def ages_of(page: Any, seconds: float) -> tuple[float, ...]:
    """Looks for some seconds; the second before them is the decoder's warm-up and does not count."""
    page.wait_for_timeout(1000)
    start = page.evaluate("() => window.egideSeen.length")
    page.wait_for_timeout(seconds * 1000)
    seen = page.evaluate("() => window.egideSeen")[start:]
    if len(seen) < 2:
        raise BenchError("the picture stood still")
    return tuple(float(shown - taken) for taken, shown in seen)
