"""The documents' figures: of the agreed form, and the peer does the same work."""

from __future__ import annotations

from pathlib import Path

from egide.bench import services_documents
from egide.bench.measure import Bench


def test_the_rows(tmp_path: Path) -> None:
    bench = Bench(True, tmp_path, lambda _words: None)
    for measure in services_documents.MEASURES:
        measure(bench)
    rows = {each.name: each for each in bench.rows}
    assert set(rows) == {"receipt_ms", "sealed_pdf_p95_s", "seals_bb_per_s_core", "seals_blt_per_s_core"}
    assert all(each.value for each in bench.rows)
    for name in ("seals_bb_per_s_core", "seals_blt_per_s_core"):
        assert rows[name].ratio is not None
        assert rows[name].ratio > 0.1
    assert len(bench.notes) == 3
