"""What a resident’s pages weigh on the wire, with everything they load, beside a page made of GOV.UK’s frontend."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

import egide
from egide.bench import platform as platforms
from egide.bench.identified import platform
from egide.bench.measure import Bench, BenchError, row
from egide.bench.residents import Browser, theft
from egide.bench.ways import Way, asked, throng

STATIC = Path(egide.__file__).parent / "static"
KB = 1000  # bytes
LEVEL = 6  # of gzip: zlib's own default, and what servers in front of a platform usually take
LOADED = re.compile(r'(?:src|href)="(/(?:assets/)?[\w./-]+\.(?:js|css|svg|woff2|png))"')
IMPORTED = re.compile(r"[\"'`]\./([\w-]+\.js)[\"'`]")
PACKAGE = "govuk-frontend"
WALK_S = 60  # s
FETCH_S = 120  # s npm may take
# The smallest page its documentation asks for: style, script, icon; one question of each kind that the page of the facts has.
GOVUK = """<!DOCTYPE html><html lang="en" class="govuk-template govuk-template--rebranded"><head><meta charset="utf-8"><title>What happened</title>
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover"><meta name="theme-color" content="#1d70b8">
<link rel="icon" href="/assets/images/favicon.svg" type="image/svg+xml"><link rel="stylesheet" href="/govuk-frontend.min.css"></head>
<body class="govuk-template__body"><script>document.body.className += ' js-enabled' + ('noModule' in HTMLScriptElement.prototype ? ' govuk-frontend-supported' : '');</script>
<a href="#main-content" class="govuk-skip-link" data-module="govuk-skip-link">Skip to main content</a>
<div class="govuk-width-container"><a href="/theft" class="govuk-back-link">Back</a><main class="govuk-main-wrapper" id="main-content">
<h1 class="govuk-heading-l">What happened</h1><form method="post" novalidate>
<div class="govuk-form-group"><fieldset class="govuk-fieldset" role="group" aria-describedby="day-hint"><legend class="govuk-fieldset__legend">On which day?</legend>
<div id="day-hint" class="govuk-hint">The day it happened, or the day you noticed.</div><div class="govuk-date-input" id="day">{dates}</div></fieldset></div>
<div class="govuk-form-group"><label class="govuk-label" for="time">About what time? (optional)</label><input class="govuk-input govuk-input--width-5" id="time" name="time" type="text"></div>
<div class="govuk-form-group"><label class="govuk-label" for="place">Where?</label><div id="place-hint" class="govuk-hint">An address, a bus line, a shop…</div>
<input class="govuk-input" id="place" name="place" type="text" aria-describedby="place-hint"></div>
<div class="govuk-form-group"><label class="govuk-label" for="account">Say what happened</label><div id="account-hint" class="govuk-hint">In your own words. A witness, a camera, a trace: say so here.</div>
<textarea class="govuk-textarea" id="account" name="account" rows="5" aria-describedby="account-hint"></textarea></div>
<button type="submit" class="govuk-button" data-module="govuk-button">Continue</button></form></main></div>
<script type="module" src="/govuk-frontend.min.js"></script><script type="module">import {{ initAll }} from '/govuk-frontend.min.js'; initAll()</script></body></html>"""
DATE = """<div class="govuk-date-input__item"><div class="govuk-form-group"><label class="govuk-label govuk-date-input__label" for="day-{0}">{0}</label>
<input class="govuk-input govuk-date-input__input govuk-input--width-2" id="day-{0}" name="day-{0}" type="text" inputmode="numeric"></div></div>"""


def theft_way(bench: Bench) -> None:
    """One complaint from the list of services to its signed report: what the pages weigh, and how much is asked of whom."""
    with platform(bench.folder / "pages", 1) as (one, people):
        walked(bench, one, people[0])


def walked(bench: Bench, one: platforms.Platform, who: dict[str, str]) -> None:
    """The same on this platform, by this person."""
    seen: dict[str, bytes] = {}
    browser = Browser(one.port, one.origin, who, lambda path, answer: seen.update({path: answer.body}))
    throng(one.port, iter([browser.walk()]), WALK_S, connections=1)
    encoded = _encoding(one)
    actions = to_signature(platforms.Caller(one, "officer"))
    bench.say(f"peer: {PACKAGE}")
    _weigh(bench, seen, encoded, govuk(bench.folder / "govuk"))
    definition = theft()
    pages = [path for path in seen if path.startswith(f"/services/{definition.id}")]
    bench.add(
        row("theft_fields", len(definition.fields), "questions", "lower", target=12),
        row("theft_pages", len(pages), "pages", "lower", target=5),
        row(
            "report_actions",
            actions,
            "actions",
            "lower",
            target=3,
            peer="today’s national tool, as stated",
            peer_value=17,
        ),
    )
    required = sum(one.required for one in definition.fields)
    bench.note(
        f"theft_fields: {required} must be answered, the others may be. theft_pages: as walked, from the first questions to the button that sends."
    )
    bench.note(
        "report_actions: an officer's presses from a file taken up to its signed report, each an act; words to write count as one more."
    )


def _weigh(bench: Bench, seen: dict[str, bytes], encoded: str, peer: tuple[str, float] | None) -> None:
    weights = {path: packed([body, *loaded(body.decode())]) / KB for path, body in seen.items()}
    whole = [len(body) / KB for body in seen.values()]
    heaviest = max(weights, key=lambda path: weights[path])
    value = peer[1] if peer else None
    bench.add(row("resident_page_kb", weights[heaviest], "kB", "lower", target=60, peer=PACKAGE, peer_value=value))
    bench.note(
        f"resident_page_kb: the heaviest of {len(weights)} pages on the way ({heaviest}), with icon and every script it may load, gzip {LEVEL}; "
        f"median {median(weights.values()):.1f} kB. The platform itself sends its pages {encoded or 'uncompressed'} "
        f"({min(whole):.1f}–{max(whole):.1f} kB of HTML)."
    )
    bench.note(
        f"{PACKAGE} {peer[0]}: the questions of the page of the facts, its style, script, two fonts and icon; gzip {LEVEL}, fonts as they are."
        if peer
        else f"{PACKAGE}: npm or its registry is not there."
    )


def to_signature(officer: platforms.Caller) -> int:
    """Reads a file that was taken up and does what the desk offers until its report is signed."""
    file = next(waiting for waiting in officer.act("services.desk.queue")["files"] if not waiting["taken"])
    name = f"services.{file['service'].replace('-', '_')}"
    officer.act(f"{name}.assign", file=file["id"])
    opened, actions = officer.act(f"{name}.read", file=file["id"]), 1
    signing: list[dict[str, Any]] = [offer for offer in opened["steps"] if offer["signed"]]
    if not signing:
        raise BenchError("the desk offers no signature for a file taken up")
    officer.act(signing[0]["act"], file=file["id"], text="Lu" if signing[0]["reason"] else "")
    actions += 2 if signing[0]["reason"] else 1
    if not officer.act(f"{name}.read", file=file["id"])["file"]["closed"]:
        raise BenchError("signed, and the file is still open")
    return actions


def packed(parts: Iterable[bytes]) -> int:
    """Bytes on the wire; what is compressed already (a font, a picture) is not made larger."""
    return sum(min(len(part), len(gzip.compress(part, LEVEL, mtime=0))) for part in parts)


def loaded(html: str) -> list[bytes]:
    """The files that a page has the browser load, and what their scripts may load in turn."""
    waiting, found = [STATIC / path.lstrip("/") for path in LOADED.findall(html)], dict[Path, bytes]()
    while waiting:
        file = waiting.pop()
        if file in found or not file.is_file():
            continue
        found[file] = file.read_bytes()
        if file.suffix == ".js":
            waiting += [file.with_name(name) for name in IMPORTED.findall(found[file].decode())]
    return list(found.values())


def _encoding(one: platforms.Platform) -> str:
    """How the platform encodes a page for a browser that takes compressed ones; "" where it does not."""
    heads: list[bytes] = []

    def ask() -> Way:
        answer = yield asked(
            "GET", "/services?lang=fr", {"host": f"localhost:{one.port}", "accept-encoding": "br, gzip"}
        )
        heads.append(answer.head)

    throng(one.port, iter([ask()]), 10, connections=1)
    encoding = re.search(rb"content-encoding: *(\w+)", heads[0], re.IGNORECASE)
    return encoding[1].decode() if encoding else ""


def govuk(folder: Path) -> tuple[str, float] | None:
    """(version, kB) of the page by GOV.UK; None where npm or its registry is not there."""
    npm = shutil.which("npm")
    if npm is None:
        return None
    folder.mkdir()
    (folder / "package.json").write_text('{"private": true}', "utf-8")
    words = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", PACKAGE]
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, timeout=FETCH_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    package = folder / "node_modules" / PACKAGE
    if done.returncode or not package.is_dir():
        return None
    version = json.loads((package / "package.json").read_bytes())["version"]
    built = package / "dist" / "govuk"
    names = ("govuk-frontend.min.css", "govuk-frontend.min.js")
    style = (built / names[0]).read_text("utf-8")
    fonts = sorted(set(re.findall(r"assets/(fonts/[\w.-]+\.woff2)", style)))
    files = [built / names[0], built / names[1], *(built / "assets" / name for name in fonts), _icon(built)]
    html = GOVUK.format(dates="".join(map(DATE.format, ("day", "month", "year"))))
    return version, packed(itertools.chain([html.encode()], (file.read_bytes() for file in files))) / KB


def _icon(built: Path) -> Path:
    """The icon: the newest design's, where there are two."""
    return min(built.glob("assets/**/favicon.svg"), key=lambda file: ("rebrand" not in file.parts, str(file)))
