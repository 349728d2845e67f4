"""Services' figures: a complaint filed, a page of questions, an officer's outbox; what pages weigh and how much they ask.

Each load is on a real platform over HTTP, through the guard; the peer is the same form in Django, the limit bare rows in SQLite.
"""

from __future__ import annotations

import itertools
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Protocol

from egide.bench import platform as platforms
from egide.bench import services_documents, services_pages
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
from egide.bench.residents import TYPED, Acts, Browser, Peer, theft
from egide.bench.ways import Way, paced, throng
from egide.gateways.service_words import FORMS
from egide.services.answers import read, relevant
from egide.services.documents import MAKE

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
    papers: int = 0  # documents that it made meanwhile

    @property
    def per_cpu_s(self) -> float:
        """The median."""
        return median(self.each)

    def but_for(self, paper: Paper) -> float:
        """Ways for a CPU second, without what the documents took of it."""
        return self.done / max(self.used_s - self.papers * paper.server_s, 1e-9)


@dataclass(slots=True)
class Loaded:
    """A server under load."""

    ways: Ways
    port: int
    cpu_s: Callable[[], float]
    people: list[dict[str, str]]
    papers: Callable[[], int] = lambda: 0  # documents made so far

    def measured(self, runs: Iterable[Iterator[Way]], seconds: float) -> Figures:
        """Ways walked from 64 connections, for so long or until they are all walked; the first run warms up."""
        found = Figures()
        for number, ways in enumerate(runs):
            used, papers = self.cpu_s(), self.papers()
            answered = throng(self.port, ways, seconds)
            if number:
                used = self.cpu_s() - used
                found.each.append(answered.count / max(used, 1e-9))
                found.walls.append(answered.count / answered.seconds)
                found.done, found.used_s = found.done + answered.count, found.used_s + used
                found.papers += self.papers() - papers
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
    """Égide, ready for residents: the first receipt is made, with which Typst and pyHanko were loaded."""
    with platform(folder) as (one, people):
        loaded = Loaded(Acts(one.port, one.origin), one.port, one.cpu_s, people, lambda: documents(one)[0])
        throng(one.port, iter([loaded.ways.whole(people[0])]), ENDLESS_S, connections=1)
        wait_for(lambda: loaded.papers() == 1, "the first receipt")
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
    """A complaint filed and durable: the whole way, the last step alone, the wait at half load, and its document's cost."""
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
        bench.say("documents")
        paper = _paper(bench, one)
    bench.say("peer: Django")
    with django(bench.folder / "filing-django") as theirs:
        usual = theirs.repeated(theirs.whole, seconds).per_cpu_s if theirs else None
        step = theirs.last_step(few).per_cpu_s if theirs else None
    limit = peer("rows", "filing", str(bench.folder), str(seconds), str(BATCH), str(LEAF), str(BODY), str(BODY))
    value, without, unit = whole.per_cpu_s, whole.but_for(paper), "filings/CPU s"
    bench.add(
        row("filing_per_s_core", value, unit, "higher", target=1000, peer=DJANGO, peer_value=usual),
        row("filing_per_s_core", value, unit, "higher", peer=LIMIT, peer_value=limit["per_s"] if limit else None),
        row("filing_without_pdf_per_s_core", without, unit, "higher", peer=DJANGO, peer_value=usual),
        row("filing_with_pdf_per_s_core", 1 / (1 / without + paper.all_s), unit, "higher"),
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
        f"filing: its receipt (PDF, set and sealed) is a job beside it. filing_per_s_core is the server's process with its jobs running, which "
        f"made {whole.papers} of {whole.done} receipts meanwhile; without: what those took is taken off; with: a receipt's whole cost is "
        f"added, {paper.all_s * 1000:.0f} ms of CPU, {paper.server_s * 1000:.0f} of it in the server's process, the rest in Typst's."
    )
    bench.note(platforms.LIMIT_NOTE)


@dataclass(frozen=True, slots=True)
class Paper:
    """The CPU seconds of one receipt."""

    server_s: float  # in the server's process: what is written, the seal
    all_s: float  # with those it has started: Typst


def _paper(bench: Bench, one: platforms.Platform) -> Paper:
    """What a receipt costs where there is nothing else to do; more are asked for than are made in that time."""
    first, server, family = documents(one)[0], one.cpu_s(), _family_s(one.process.pid)
    wait_for(lambda: documents(one)[0] > first, "a receipt")
    until = time.monotonic() + bench.seconds(10, 2)
    while time.monotonic() < until and documents(one)[0] < documents(one)[1]:
        time.sleep(0.1)
    done = documents(one)[0] - first
    return Paper((one.cpu_s() - server) / done, (_family_s(one.process.pid) - family) / done)


def documents(one: platforms.Platform) -> tuple[int, int]:
    """(documents made, documents asked for)."""
    with closing(sqlite3.connect(f"file:{one.folder / 'egide.db'}?mode=ro", uri=True, timeout=30)) as database:
        asked = "SELECT coalesce(sum(state = 'done'), 0), count(*) FROM job WHERE act = ?"
        made, all_ = database.execute(asked, (MAKE,)).fetchone()
    return int(made), int(all_)


def _family_s(pid: int) -> float:
    """CPU seconds of a process and of all that it has started and that still run (proc(5), `/proc/PID/task/TID/children`)."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += map(int, task.read_text("ascii").split())
        except OSError:
            continue  # a thread that ended meanwhile
    return cpu_s(pid) + sum(map(_family_s, children))


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
        f"theft_way: {pages + 2} pages loaded and {pages} forms sent for each, without JavaScript; identified before; jobs running, "
        f"{found.papers} of {found.done} receipts made meanwhile."
    )


def sync(bench: Bench) -> None:
    """Officers' terminals send what was done without network: each its outbox, in order, one act at a time."""
    answers = relevant(theft(), read(theft().fields, {name: [said] for name, said in TYPED.items()}))
    who = {"given_name": "Claire", "family_name": "Petit", "document": "CNI"}
    with ours(bench.folder / "sync") as (one, loaded):
        officer = Acts(one.port, one.origin, platforms.Caller(one, "officer").cookie)

        def act() -> Way:
            yield officer.asked(
                "services.theft.take", channel="mobile", version=theft().version, answers=answers, who=who,
                client_id=secrets.token_hex(16), made_at="2026-11-01T08:00:00Z",
            )  # fmt: skip

        found = loaded.repeated(lambda: (act() for _ in itertools.count()), bench.seconds(4, 1))
        without = found.but_for(_paper(bench, one))
    bench.add(row("sync_acts_per_s_server", found.per_cpu_s, "acts/CPU s", "higher", target=5000))
    bench.note(
        f"sync_acts_per_s_server: services.theft.take with a client_id, from 64 terminals at once, {median(found.walls):.0f} acts/s by the wall; "
        f"{found.papers} receipts were made meanwhile, {without:.0f} acts/CPU s without. No act takes a batch: a terminal sends one act after "
        "the other (web/terminal/outbox.svelte.ts), and so it is measured."
    )
    bench.note("sync_acts_per_s_terminal: absent; what a browser's outbox takes is not measured here.")


MEASURES = (filing, form_page, way, sync, *services_documents.MEASURES, services_pages.theft_way)
