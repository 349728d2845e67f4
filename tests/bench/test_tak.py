"""The TAK load is what its rows say: everyone's position to everyone else, over real TLS, without loss."""

from __future__ import annotations

from pathlib import Path

import pytest

from egide.bench import tak
from egide.bench.measure import Bench


def test_a_small_load_reaches_everyone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(True, tmp_path, lambda _words: None)
    monkeypatch.setattr(Bench, "seconds", lambda _self, _long, _quick: 2.0)
    tak.authority(tmp_path / "tak" / "tak")
    seen = tak._measured(bench, 10, lambda: tak._ours(tmp_path / "tak"), repeats=1)
    assert seen.lost == 0
    assert 45 < seen.per_s < 135, "ten clients, each heard by nine, once a second"
    assert 0 <= seen.p50 <= seen.p99
    assert seen.per_cpu_s > 0
