"""What officers did without network, as it comes in: batches of a signed chain at the server, a browser's whole outbox.

Server: each terminal enrols a device and sends full batches of its chain, each entry an act of its own in the ledger. Terminal:
headless Chromium keeps acts without network, then has one again; from that moment until nothing waits.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from base64 import b64encode
from contextlib import closing
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from egide.bench import platform as platforms
from egide.bench.measure import REPEATS, Bench, BenchError, row
from egide.bench.residents import TYPED, Acts, theft
from egide.bench.ways import Way, throng
from egide.protocols.outbox_chain import START, link, message

BATCH = 100  # entries of a full batch (services/outbox.py MOST)
BATCHES = 4  # of one terminal
TERMINALS = 16  # at once
KEPT_S = 120.0  # s a browser may take to send what it kept
REPORT = {
    "occasion": "patrol", "facts_date-day": "3", "facts_date-month": "11", "facts_date-year": "2025", "facts_time": "14:30",
    "facts_place": "12 rue de la Gare", "account": "Une vitre brisée côté cour, des éclats à l’intérieur.", "flagrant": "no",
}  # fmt: skip
FILL = """(given) => { const form = document.querySelector('form[data-field]');
  for (const [name, value] of Object.entries(given)) for (const input of form.querySelectorAll(`[name="${name}"]`)) {
    if (input.type === 'radio' || input.type === 'checkbox') input.checked = input.value === value; else input.value = value; }
  form.dispatchEvent(new Event('input', { bubbles: true })); }"""
ENTER = """async (persona) => { const answer = await fetch('/api/acts/administration.demo.enter', {
    method: 'POST', headers: {'content-type': 'application/json'}, body: JSON.stringify({persona}) });
  if (!answer.ok) throw new Error(await answer.text()); }"""
WAITING = "() => Number(document.querySelector('[data-field=home]')?.dataset.waiting ?? NaN)"


class Chain:
    """A terminal's key and its chain."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.device, self._seq, self._head = "", 0, START

    @property
    def public(self) -> str:
        """The point, base64."""
        return b64encode(self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)).decode()

    def add(self, content: dict[str, Any]) -> dict[str, Any]:
        """The next entry, signed."""
        id_, body = str(uuid4()), json.dumps(content)
        self._seq += 1
        entry = {"id": id_, "seq": self._seq, "prev": self._head, "body": body}
        signed = message(self.device, id_, self._seq, self._head, body.encode())
        self._head = link(signed)
        r, s = decode_dss_signature(self._key.sign(signed, ec.ECDSA(SHA256())))
        return entry | {"sig": b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode()}


def taken() -> dict[str, Any]:
    """A complaint about a theft, taken down now."""
    who = {"given_name": "Claire", "family_name": "Petit", "birthdate": "29/02/1988", "document": "CNI"}
    return {
        "act": "take", "service": "theft", "version": theft().version, "digest": theft().digest,
        "form": {name: [said] for name, said in TYPED.items()}, "who": who, "lang": "fr", "made": datetime.now(UTC).isoformat(), "files": [],
    }  # fmt: skip


def brought(officer: Acts) -> Way:
    """A terminal: enrolled, then its batches, each when the one before was taken in."""
    chain = Chain()
    enrolled = yield officer.asked("services.device.enrol", label="Mesure", public=chain.public)
    chain.device = json.loads(enrolled.body)["result"]["device"]
    for _ in range(BATCHES):
        batch = [chain.add(taken()) for _ in range(BATCH)]
        answer = yield officer.asked("services.outbox.sync", device=chain.device, entries=batch)
        became = [one["state"] for one in json.loads(answer.body)["result"]["entries"]]
        if became != ["recorded"] * BATCH:
            raise BenchError(f"not recorded: {sorted(set(became))}")


def server(bench: Bench) -> None:
    """Batches from several terminals at once, by what the server's processor takes."""
    found = []
    with platforms.platform(bench.folder / "outbox") as one:
        officer = Acts(one.port, one.origin, platforms.Caller(one, "officer").cookie)
        for number in range(REPEATS + 1):
            used = one.cpu_s()
            done = throng(
                one.port, (brought(officer) for _ in itertools.count()), bench.seconds(4, 1), connections=TERMINALS
            )
            used = one.cpu_s() - used
            if number:
                found.append(
                    (done.count * BATCHES * BATCH / max(used, 1e-9), done.count * BATCHES * BATCH / done.seconds)
                )
    found.sort()
    each, wall = found[len(found) // 2]
    bench.add(row("sync_acts_per_s_server", each, "acts/CPU s", "higher", target=5000))
    bench.note(
        f"sync_acts_per_s_server: {TERMINALS} terminals, each {BATCHES} batches of {BATCH} complaints taken down without network, signed, "
        f"each an act of its own; {wall:.0f} acts/s by the wall."
    )


def followed(bench: Bench) -> None:
    """Until every complaint that came at once has its case in the investigation: what nobody waits for, and all rely on."""
    with platforms.platform(bench.folder / "followed") as one:
        officer = Acts(one.port, one.origin, platforms.Caller(one, "officer").cookie)
        lots = round(bench.seconds(4, 1))
        started = time.perf_counter()
        filed = (
            throng(one.port, (brought(officer) for _ in range(lots)), KEPT_S, connections=lots).count * BATCHES * BATCH
        )
        took = time.perf_counter() - started
        with closing(sqlite3.connect(f"file:{one.folder / 'egide.db'}?mode=ro", uri=True)) as db:
            while db.execute("SELECT count(*) FROM case_file").fetchone()[0] < filed:
                if time.perf_counter() - started > KEPT_S:
                    raise BenchError("not every complaint became a case")
                time.sleep(0.02)
        each = time.perf_counter() - started
    bench.add(row("cases_per_s", filed / each, "cases/s", "higher"))
    bench.note(
        f"cases_per_s: {filed} complaints that terminals bring at once, taken in after {took:.1f} s; each has its case after {each:.1f} s, by two more acts "
        "(what the service hands over, the case), heard many at once (decision 0077)."
    )


def terminal(bench: Bench) -> None:
    """A browser's outbox from the moment there is a network again."""
    from egide.bench.browser import window

    count = round(bench.seconds(200, 20))
    with platforms.platform(bench.folder / "terminal") as one, window(one.origin) as page:
        page.goto("/field?lang=fr")
        page.evaluate(ENTER, "officer")
        page.reload()
        page.get_by_role("button", name="Prendre le paquet hors ligne").click()
        page.locator("[data-field=home][data-device=open]").wait_for()
        page.evaluate("async () => { await navigator.serviceWorker.ready; }")
        page.context.set_offline(True)
        for _ in range(count):
            page.goto("/field/field-report?lang=fr")
            page.locator("form[data-field]").wait_for()
            page.evaluate(FILL, REPORT)
            page.get_by_role("button", name="Garder").click()
            page.locator("[data-field=home][data-device=open]").wait_for()
        page.context.set_offline(False)
        started = time.perf_counter()
        page.evaluate("dispatchEvent(new Event('online'))")
        while page.evaluate(WAITING) != 0:
            if time.perf_counter() - started > KEPT_S:
                raise BenchError("the browser did not send all of it")
            time.sleep(0.02)
        took = time.perf_counter() - started
    bench.add(row("sync_acts_per_s_terminal", count / took, "acts/s", "higher", target=300))
    bench.note(
        f"sync_acts_per_s_terminal: {count} reports kept by Chromium without network, opened, sent in batches and settled one by one; "
        "browser and platform on the same machine, by the wall."
    )


MEASURES = (server, followed, terminal)
