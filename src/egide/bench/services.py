"""Services' figures: a complaint filed, a page of questions, an officer's outbox; what pages weigh and how much they ask.

Each load is on a real platform over HTTP, through the guard; the peer is the same form in Django, the limit bare rows in SQLite.
"""

from __future__ import annotations

import itertools
import json
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from egide.bench import platform as platforms
from egide.bench import services_documents, services_pages
from egide.bench.identified import FILE as IDENTIFIED
from egide.bench.measure import (
    ABSENT,
    REPEATS,
    Bench,
    BenchError,
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

PEOPLE = 16  # who are identified
BATCH, LEAF, BODY = 64, 400, 700  # of the limit: filings a commit, bytes of a leaf, bytes of a sealed body
DRAFTS = 64  # whose page is asked for
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
class Loaded:
    """A server under load."""

    ways: Ways
    port: int
    cpu_s: Callable[[], float]
    people: list[dict[str, str]]
    walls: list[float] = field(default_factory=list)  # done per second by the wall, of the last figure

    def per_cpu_s(self, ways: Callable[[], Iterator[Way]], seconds: float, repeats: int = REPEATS) -> list[float]:
        """Ways done for a CPU second of the server, several times, after a warm-up."""
        throng(self.port, ways(), min(seconds, 1))
        found = []
        self.walls.clear()
        for _ in range(repeats):
            before = self.cpu_s()
            answered = throng(self.port, ways(), seconds)
            found.append(answered.count / max(self.cpu_s() - before, 1e-9))
            self.walls.append(answered.count / answered.seconds)
        return found

    def whole(self) -> Iterator[Way]:
        """Complaints from the first answer to the receipt's number, without end."""
        return (self.ways.whole(self.people[number % PEOPLE]) for number in itertools.count())

    def drafts(self, count: int) -> list[str]:
        """So many drafts, saved now."""
        found: list[str] = []
        throng(self.port, (self.ways.save(found.append) for _ in range(count)), 600)
        return found

    def filing(self, drafts: list[str]) -> Iterator[Way]:
        """These drafts filed; none of them twice."""
        return (self.ways.file(drafts.pop(), self.people[len(drafts) % PEOPLE]) for _ in range(len(drafts)))

    def pages(self, drafts: list[str]) -> Iterator[Way]:
        """A page of each draft in turn, without end."""
        return (self.ways.page(draft) for draft in itertools.cycle(drafts))


@contextmanager
def platform(folder: Path) -> Iterator[tuple[platforms.Platform, list[dict[str, str]]]]:
    """A platform on which people are identified."""
    with platforms.platform(folder, entities=PEOPLE, feeder="egide.bench.identified") as one:
        wait_for((folder / IDENTIFIED).exists, "identified people")
        yield one, json.loads((folder / IDENTIFIED).read_bytes())


@contextmanager
def ours(folder: Path) -> Iterator[tuple[platforms.Platform, Loaded]]:
    """Égide, ready for residents."""
    with platform(folder) as (one, people):
        yield one, Loaded(Acts(one.port, one.origin), one.port, one.cpu_s, people)


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
    seconds, few = bench.seconds(6, 1), bench.seconds(200, 10)
    with ours(bench.folder / "filing") as (one, loaded):
        bench.say("whole")
        whole = loaded.per_cpu_s(loaded.whole, seconds)
        walls = list(loaded.walls)
        bench.say("the last step alone")
        prepared = loaded.drafts(round(few * (REPEATS + 1)))
        alone = _alone(loaded, prepared, round(few))
        half = median(walls) / 2
        bench.say(f"half load, {half:.0f}/s")
        waits = [
            wait * 1000 for _ in range(REPEATS) for wait in paced(one.port, loaded.whole(), half, seconds).latencies
        ]
        bench.say("documents")
        paper = _documents(bench, one)
    bench.say("peer: Django")
    with django(bench.folder / "filing-django") as theirs:
        usual = median(theirs.per_cpu_s(theirs.whole, seconds)) if theirs else None
        step = _alone(theirs, theirs.drafts(round(few * (REPEATS + 1))), round(few)) if theirs else None
    limit = peer("rows", "filing", str(bench.folder), str(seconds), str(BATCH), str(LEAF), str(BODY), str(BODY))
    value, unit = median(whole), "filings/CPU s"
    bench.add(
        row("filing_per_s_core", value, unit, "higher", target=1000, peer=DJANGO, peer_value=usual),
        row("filing_per_s_core", value, unit, "higher", peer=LIMIT, peer_value=limit["per_s"] if limit else None),
        row("filing_last_step_per_s_core", alone, unit, "higher", peer=DJANGO, peer_value=step),
        row("filing_p99_ms", percentile(waits, 0.99), "ms", "lower", target=300),
    )
    if paper.each_s:
        bench.add(row("filing_with_pdf_per_s_core", 1 / (1 / value + paper.each_s), unit, "higher"))
    bench.note(
        f"filing: 2 acts, the draft saved once with every answer and then filed, each durable before its answer; {PEOPLE} people, identified "
        f"before. {median(walls):.0f} filings/s by the wall; per CPU second {min(whole):.0f}–{max(whole):.0f}. The last step alone: drafts saved before."
    )
    bench.note(
        f"filing_p99_ms at {half:.1f} filings/s, open loop, both acts together: {len(waits)} filings, median {median(waits):.0f} ms."
    )
    bench.note(
        f"filing: CPU of the server's process with its jobs running; {paper.before} of {paper.asked} receipts were set and sealed meanwhile. "
        + (
            f"A receipt costs {paper.each_s * 1000:.0f} ms of CPU more, Typst's process included."
            if paper.each_s
            else ""
        )
    )
    bench.note(platforms.LIMIT_NOTE)


def _alone(loaded: Loaded, drafts: list[str], count: int) -> float:
    """The last step for a CPU second: as many drafts each time, a warm-up first."""
    found = []
    while drafts:
        part, drafts = drafts[:count], drafts[count:]
        before = loaded.cpu_s()
        done = throng(loaded.port, loaded.filing(part), 600).count
        found.append(done / max(loaded.cpu_s() - before, 1e-9))
    return median(found[1:])


@dataclass(frozen=True, slots=True)
class Paper:
    """Receipts: made while the load ran, asked for, and the CPU seconds of one (0 where none was made in time)."""

    before: int
    asked: int
    each_s: float


def _documents(bench: Bench, one: platforms.Platform) -> Paper:
    """What a receipt costs: the CPU of the server and of those it has started, with nothing else to do than documents."""
    before, asked = _jobs(one)
    end = time.monotonic() + bench.seconds(60, 20)
    while (
        _jobs(one)[0] == before and before < asked and time.monotonic() < end
    ):  # Typst and pyHanko are loaded with the first
        time.sleep(0.1)
    first, used, until = _jobs(one)[0], _family_s(one.process.pid), time.monotonic() + bench.seconds(10, 3)
    while time.monotonic() < until and _jobs(one)[0] < asked:
        time.sleep(0.1)
    done = _jobs(one)[0] - first
    return Paper(before, asked, (_family_s(one.process.pid) - used) / done if done else 0.0)


def _jobs(one: platforms.Platform) -> tuple[int, int]:
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
        found = loaded.per_cpu_s(lambda: loaded.pages(drafts), seconds)
        walls = list(loaded.walls)
    bench.say("peer: Django")
    with django(bench.folder / "page-django") as theirs:
        usual = None
        if theirs is not None:
            held = theirs.drafts(DRAFTS)
            usual = median(theirs.per_cpu_s(lambda: theirs.pages(held), seconds))
    bench.add(
        row("form_page_per_s_core", median(found), "pages/CPU s", "higher", target=3000, peer="Django: form, template", peer_value=usual)
    )  # fmt: skip
    bench.note(
        f"form_page: GET of the page of the facts; Égide opens the sealed draft and writes that it was read into the ledger before it answers. "
        f"{median(walls):.0f} pages/s by the wall; per CPU second {min(found):.0f}–{max(found):.0f}."
    )


def way(bench: Bench) -> None:
    """The whole way as a person walks it: every page loaded, every form sent, to the file with its number."""
    with platform(bench.folder / "way") as (one, people):
        walks = (Browser(one.port, one.origin, people[number % PEOPLE]).walk() for number in itertools.count())
        loaded = Loaded(Acts(one.port, one.origin), one.port, one.cpu_s, people)
        value = median(loaded.per_cpu_s(lambda: walks, bench.seconds(6, 1)))
    bench.add(row("theft_way_per_s_core", value, "complaints/CPU s", "higher"))
    pages = len(theft().steps) + 2
    bench.note(
        f"theft_way: {pages + 2} pages loaded and {pages} forms sent for each, without JavaScript; identified before."
    )


def sync(bench: Bench) -> None:
    """Officers' terminals send what was done without network: each its outbox, in order, one act at a time."""
    answers = relevant(theft(), read(theft().fields, {name: [said] for name, said in TYPED.items()}))
    who = {"given_name": "Claire", "family_name": "Petit", "document": "CNI"}
    with platforms.platform(bench.folder / "sync") as one:
        officer = Acts(one.port, one.origin, platforms.Caller(one, "officer").cookie)

        def act() -> Way:
            yield officer.asked(
                "services.theft.take", channel="mobile", version=theft().version, answers=answers, who=who,
                client_id=secrets.token_hex(16), made_at="2026-11-01T08:00:00Z",
            )  # fmt: skip

        loaded = Loaded(officer, one.port, one.cpu_s, [])
        value = median(loaded.per_cpu_s(lambda: (act() for _ in itertools.count()), bench.seconds(4, 1)))
        wall = median(loaded.walls)
    bench.add(row("sync_acts_per_s_server", value, "acts/CPU s", "higher", target=5000))
    bench.note(
        f"sync_acts_per_s_server: services.theft.take with a client_id, from 64 terminals at once, {wall:.0f} acts/s by the wall. There is no "
        "act that takes a batch: a terminal sends one act after the other (web/terminal/outbox.svelte.ts), and so it is measured."
    )
    bench.note(
        "sync_acts_per_s_terminal: absent; the outbox sends one act at a time from a browser, which is not measured here."
    )


def counted(bench: Bench) -> None:
    """How much is asked of a resident, and how many acts lead from a file to its signed report."""
    definition = theft()
    with platform(bench.folder / "counted") as (one, people):
        seen: list[str] = []
        browser = Browser(one.port, one.origin, people[0], lambda path, _answer: seen.append(path))
        throng(one.port, iter([browser.walk()]), 60, connections=1)
        actions = _to_signature(platforms.Caller(one, "officer"))
    pages = [path for path in seen if path.startswith(f"/services/{definition.id}")]
    bench.add(
        row("theft_fields", len(definition.fields), "questions", "lower", target=12),
        row("theft_pages", len(pages), "pages", "lower", target=5),
        row("report_actions", actions, "actions", "lower", target=3, peer="today’s national tool, as stated", peer_value=17),
    )  # fmt: skip
    required = sum(one.required for one in definition.fields)
    bench.note(
        f"theft_fields: {required} must be answered, the others may be. theft_pages: walked, from the first questions to the button."
    )
    bench.note(
        "report_actions: the acts of an officer from a file taken up to its signed report, each one press, words counted as one more."
    )


def _to_signature(officer: platforms.Caller) -> int:
    """Reads a file that was taken up and follows what the desk offers until its report is signed."""
    (file,) = officer.act("services.desk.queue")["files"]
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


MEASURES = (filing, form_page, way, sync, *services_documents.MEASURES, services_pages.page_weight, counted)
