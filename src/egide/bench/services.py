"""Services' figures: a complaint filed, a page of questions, an officer's outbox; what pages weigh and how much they ask.

Each load is on a real platform over HTTP, through the guard; the peer is the same form in Django, the limit bare rows in SQLite.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Protocol

from egide.bench import platform as platforms
from egide.bench import services_documents, services_outbox, services_pages
from egide.bench.identified import PEOPLE, platform
from egide.bench.measure import (
    ABSENT,
    REPEATS,
    Bench,
    ask,
    child,
    cpu_s,
    free_port,
    peer,
    percentile,
    row,
    wait_for,
)
from egide.bench.residents import Acts, Browser, Peer, theft
from egide.bench.ways import Way, paced, throng
from egide.gateways.service_words import FORMS

BATCH, LEAF, BODY = 64, 400, 700  # of the limit: filings a commit, bytes of a leaf, bytes of a sealed body
DRAFTS = 64  # whose page is asked for
ENDLESS_S = 600.0  # s; a run that ends with its ways
DJANGO = "Django: forms, SQLite"
LIMIT = "limit: same rows, bare SQLite group commit"


class Ways(Protocol):
    """What a resident does, here or in the peer."""

    def save(self, kept: Callable[[str], None]) -> Way:
        """Keeps a draft."""

    def file(self, draft: str, who: dict[str, str]) -> Way:
        """Files it."""

    def whole(self, who: dict[str, str]) -> Way:
        """Both."""

    def page(self, draft: str) -> Way:
        """One page of questions."""


@dataclass(slots=True)
class Figures:
    """Several runs of one load."""

    each: list[float] = field(default_factory=list)  # ways for a CPU second of the server, of each run
    walls: list[float] = field(default_factory=list)  # ways a second by the wall, of each run
    done: int = 0  # ways, of all runs
    used_s: float = 0.0  # CPU seconds of the server

    @property
    def per_cpu_s(self) -> float:
        """The median."""
        return median(self.each)


@dataclass(slots=True)
class Loaded:
    """A server under load."""

    ways: Ways
    port: int
    cpu_s: Callable[[], float]
    people: list[dict[str, str]]

    def measured(self, runs: Iterable[Iterator[Way]], seconds: float) -> Figures:
        """Ways walked from 64 connections, for so long or until they are all walked; the first run warms up."""
        found = Figures()
        for number, ways in enumerate(runs):
            used = self.cpu_s()
            answered = throng(self.port, ways, seconds)
            if number:
                used = self.cpu_s() - used
                found.each.append(answered.count / max(used, 1e-9))
                found.walls.append(answered.count / answered.seconds)
                found.done, found.used_s = found.done + answered.count, found.used_s + used
        return found

    def repeated(self, ways: Callable[[], Iterator[Way]], seconds: float) -> Figures:
        """The same load several times."""
        return self.measured((ways() for _ in range(REPEATS + 1)), seconds)

    def whole(self) -> Iterator[Way]:
        """Complaints from the first answer to the receipt's number, without end."""
        return (self.ways.whole(who) for who in itertools.cycle(self.people))

    def drafts(self, count: int) -> list[str]:
        """So many drafts, saved now."""
        found: list[str] = []
        throng(self.port, (self.ways.save(found.append) for _ in range(count)), ENDLESS_S)
        return found

    def last_step(self, count: int) -> Figures:
        """So many drafts filed in each run, saved before it."""
        parts = [self.drafts(count) for _ in range(REPEATS + 1)]
        who = itertools.cycle(self.people)
        return self.measured(((self.ways.file(draft, next(who)) for draft in part) for part in parts), ENDLESS_S)

    def pages(self, drafts: list[str]) -> Iterator[Way]:
        """A page of each draft in turn, without end."""
        return (self.ways.page(draft) for draft in itertools.cycle(drafts))


@contextmanager
def ours(folder: Path) -> Iterator[tuple[platforms.Platform, Loaded]]:
    """Égide, ready for residents: one complaint is filed already."""
    with platform(folder) as (one, people):
        loaded = Loaded(Acts(one.port, one.origin), one.port, one.cpu_s, people)
        throng(one.port, iter([loaded.ways.whole(people[0])]), ENDLESS_S, connections=1)
        yield one, loaded


@contextmanager
def django(folder: Path) -> Iterator[Loaded | None]:
    """The peer; None when it is not installed."""
    folder.mkdir()
    style, port = folder / "style.css", free_port()
    style.write_text(FORMS, "utf-8")
    words = [sys.executable, "-m", "egide.bench.peers.django_forms", str(port), str(folder), str(style)]
    with child(words, stdout=subprocess.PIPE) as process:
        told = ask(process, "the peer Django")
        if ABSENT in told:
            yield None
            return
        wait_for(lambda: platforms.listening(port), "the peer")
        yield Loaded(Peer(port), port, lambda: cpu_s(told["pid"]), told["identities"])


def filing(bench: Bench) -> None:
    """A complaint filed and durable: the whole way, the last step alone, the wait at half load."""
    seconds, few = bench.seconds(6, 1), round(bench.seconds(60, 10))
    with ours(bench.folder / "filing") as (one, loaded):
        bench.say("draft and file")
        whole = loaded.repeated(loaded.whole, seconds)
        bench.say("the last step alone")
        alone = loaded.last_step(few).per_cpu_s
        half = median(whole.walls) / 2
        bench.say(f"half load, {half:.0f}/s")
        waits = [
            wait * 1000 for _ in range(REPEATS) for wait in paced(one.port, loaded.whole(), half, seconds).latencies
        ]
    bench.say("peer: Django")
    with django(bench.folder / "filing-django") as theirs:
        usual = theirs.repeated(theirs.whole, seconds).per_cpu_s if theirs else None
        step = theirs.last_step(few).per_cpu_s if theirs else None
    limit = peer("rows", "filing", str(bench.folder), str(seconds), str(BATCH), str(LEAF), str(BODY), str(BODY))
    value, unit = whole.per_cpu_s, "filings/CPU s"
    bench.add(
        row("filing_per_s_core", value, unit, "higher", target=1000, peer=DJANGO, peer_value=usual),
        row("filing_per_s_core", value, unit, "higher", peer=LIMIT, peer_value=limit["per_s"] if limit else None),
        row("filing_last_step_per_s_core", alone, unit, "higher", peer=DJANGO, peer_value=step),
        row("filing_p99_ms", percentile(waits, 0.99), "ms", "lower", target=300),
    )
    bench.note(
        f"filing: 2 acts, the draft saved once with every answer and then filed, each durable before its answer; {PEOPLE} people, identified "
        f"before. {median(whole.walls):.0f} filings/s by the wall; per CPU second {min(whole.each):.0f}–{max(whole.each):.0f}. "
        "The last step alone: the drafts were saved before."
    )
    bench.note(
        f"filing_p99_ms at {half:.1f} filings/s, open loop, both acts together: {len(waits)} filings, median {median(waits):.0f} ms."
    )
    bench.note(
        "filing: the receipt's proof is at hand at once; its PDF is made when it is asked for (receipt_ms) and is not in the figure."
    )
    bench.note(platforms.LIMIT_NOTE)


def form_page(bench: Bench) -> None:
    """A page of questions with a draft behind it, made by the server for one person."""
    seconds = bench.seconds(4, 1)
    with ours(bench.folder / "page") as (_, loaded):
        drafts = loaded.drafts(DRAFTS)
        found = loaded.repeated(lambda: loaded.pages(drafts), seconds)
    bench.say("peer: Django")
    with django(bench.folder / "page-django") as theirs:
        held = theirs.drafts(DRAFTS) if theirs else []
        usual = theirs.repeated(lambda: theirs.pages(held), seconds).per_cpu_s if theirs else None
    bench.add(
        row(
            "form_page_per_s_core",
            found.per_cpu_s,
            "pages/CPU s",
            "higher",
            target=3000,
            peer="Django: form, template",
            peer_value=usual,
        )
    )
    bench.note(
        f"form_page: GET of the page of the facts; Égide opens the sealed draft, and that it was read is in the ledger before it answers. "
        f"{median(found.walls):.0f} pages/s by the wall; per CPU second {min(found.each):.0f}–{max(found.each):.0f}."
    )


def way(bench: Bench) -> None:
    """The whole way as a person walks it: every page loaded, every form sent, to the file with its number."""
    with ours(bench.folder / "way") as (one, loaded):
        who = itertools.cycle(loaded.people)
        found = loaded.repeated(
            lambda: (Browser(one.port, one.origin, next(who)).walk() for _ in itertools.count()), bench.seconds(6, 1)
        )
    bench.add(row("theft_way_per_s_core", found.per_cpu_s, "complaints/CPU s", "higher"))
    pages = len(theft().steps) + 2
    bench.note(
        f"theft_way: {pages + 2} pages loaded and {pages} forms sent for each, without JavaScript; identified before."
    )


MEASURES = (filing, form_page, way, *services_outbox.MEASURES, *services_documents.MEASURES, services_pages.theft_way)
