"""Documents' figures: a receipt, a sealed report, seals that a core makes, beside pyHanko alone in the same run.

Each is a measure (`bench.table`): `egide bench services` lists `MEASURES`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from subprocess import PIPE
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates

import egide
from egide.bench.measure import REPEATS, Bench, ask, child, peer, per_cpu_s, percentile, row
from egide.engines.pades import Pades
from egide.engines.seal_keys import SealAuthority
from egide.engines.typst_documents import TypstRenderer
from egide.kernel.documents import Level, sealed_document
from egide.kernel.vault import SigningKey
from egide.services.receipts import Receipt, address, file_number, issue, verify_receipt

TEMPLATES = Path(egide.__file__).parent / "services" / "templates"
NAME = "bench.example/police"
REPORT: dict[str, Any] = {
    "title": "Procès-verbal d’audition", "number": "7K3M-9QXT-2VWH-4DCE", "unit": "Commissariat", "officer": "Agent 4711",
    "sections": [
        {"title": f"Partie {part}", "items": [{"question": f"Question {n} ?", "answer": "Une réponse de deux lignes. " * 5} for n in range(8)]}
        for part in range(3)
    ],
    "statement": "Ce qui a été dit, en clair. " * 120,
    "signatures": [{"name": "Agent 4711", "role": "OPJ", "at": "19:31", "how": "Clé de sécurité"}],
}  # fmt: skip


def receipt_ms(bench: Bench) -> None:
    """A receipt: number, signature, the document with its QR code, verified as an outsider does."""
    key = SigningKey(NAME, Ed25519PrivateKey.generate())
    renderer = TypstRenderer(TEMPLATES)
    at = datetime.now(UTC)

    def once() -> float:
        start = time.perf_counter()
        receipt = Receipt(
            number=file_number(os.urandom(10)), service="Plainte pour vol", day=at.date(), unit="Commissariat", index=7, root=bytes(32)
        )  # fmt: skip
        url = address("https://egide.example", issue(receipt, key))
        data = {"title": "Récépissé de dépôt", "number": receipt.number, "service": receipt.service, "url": url}
        renderer.render("receipt", data, "fr", at=at)
        verify_receipt(url, [key.vkey])
        return (time.perf_counter() - start) * 1000

    try:
        once()
        times = [once() for _ in range(10 if bench.quick else 200)]
    finally:
        renderer.close()
    bench.add(row("receipt_ms", percentile(times, 0.95), "ms", "lower", target=2000))
    bench.note(
        f"receipt_ms: 95th percentile of number, signature, PDF with QR code and verification; median {median(times):.0f} ms."
    )


def sealed_pdf_p95_s(bench: Bench) -> None:
    """A report of several pages, set and sealed at B-B, one after the other."""
    renderer = TypstRenderer(TEMPLATES)
    sealer = Pades(bench.folder / "seal", NAME, now=lambda: datetime.now(UTC))
    times, sizes = [], []
    try:
        for number in range(11 if bench.quick else 201):
            start = time.perf_counter()
            data = REPORT | {"number": f"{number}"}
            made = sealed_document(renderer, sealer, "report", data, "fr", at=datetime.now(UTC), reason="Bench")
            times.append(time.perf_counter() - start)
            sizes.append(len(made.pdf))
    finally:
        renderer.close()
    bench.add(row("sealed_pdf_p95_s", percentile(times[1:], 0.95), "s", "lower", target=10))
    bench.note(
        f"sealed_pdf: {sizes[-1] // 1024} KiB, median {median(times[1:]):.3f} s; the first, which starts Typst, {times[0]:.3f} s."
    )


def seals_per_s_core(bench: Bench) -> None:
    """Seals of one report by a key in a file, B-B and B-LT; the authority's work is in a process of its own."""
    folder = bench.folder / "seals"
    folder.mkdir()
    renderer = TypstRenderer(TEMPLATES)
    pdf = renderer.render("report", REPORT, "fr", at=datetime.now(UTC))
    renderer.close()
    file = folder / "report.pdf"
    file.write_bytes(pdf)
    count = 3 if bench.quick else 60
    with _stamps(folder) as stamps:
        sealer = Pades(
            folder, NAME, now=lambda: datetime.now(UTC), stamps=stamps,
            stampers=load_pem_x509_certificates((folder / "tsa.pem").read_bytes()),
        )  # fmt: skip
        listed = SealAuthority(folder, NAME, lambda: datetime.now(UTC)).revocations()
        (folder / "seal.crl").write_bytes(listed.public_bytes(Encoding.DER))
        for level, name in ((Level.B, "seals_bb_per_s_core"), (Level.LT, "seals_blt_per_s_core")):
            value = per_cpu_s(_seals(sealer, pdf, level, count), repeats=1 if bench.quick else REPEATS)
            bench.say("peer: pyHanko alone")
            told = peer("pyhanko_alone", str(file), str(folder), str(count), *([stamps] if level is Level.LT else []))
            bench.add(
                row(name, value, "seals/CPU s", "higher", peer="pyHanko", peer_value=told["per_s"] if told else None)
            )
    bench.note("seals: Égide’s B-LT verifies each seal before it gives it out; pyHanko alone does not.")


def _seals(sealer: Pades, pdf: bytes, level: Level, count: int) -> Callable[[], int]:
    def work() -> int:
        for _ in range(count):
            sealer.seal(pdf, reason="Bench", at=datetime.now(UTC), level=level)
        return count

    return work


@contextmanager
def _stamps(folder: Path) -> Iterator[str]:
    with child([sys.executable, "-m", "egide.bench.peers.stamps", str(folder)], stdout=PIPE) as authority:
        yield f"http://127.0.0.1:{ask(authority, 'the time-stamping authority')['port']}"


MEASURES = (receipt_ms, sealed_pdf_p95_s, seals_per_s_core)
