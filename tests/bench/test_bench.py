"""The bench runs: rows of the agreed form, ratios the right way round, absent peers told. No browser, no long load."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

import pytest

from egide.bench import kernel, operations, picture, run
from egide.bench import platform as platforms
from egide.bench.flying import viewers
from egide.bench.load import Request, flood, steady
from egide.bench.measure import Bench, BenchError, Row, child, cpu_s, peer, percentile, row, rss_mib, wait_for

FIELDS = {"name", "value", "unit", "better", "target", "peer", "peer_value", "ratio"}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(True, tmp_path, lambda _words: None)


def named(bench: Bench) -> dict[str, Row]:
    return {each.name: each for each in bench.rows}


def test_a_ratio_above_one_is_better_whichever_way_is_better():
    assert row("a", 10, "x/s", "higher", peer="p", peer_value=5).ratio == 2
    assert row("a", 10, "ms", "lower", peer="p", peer_value=5).ratio == 0.5
    assert row("a", 10, "ms", "lower").ratio is None


def test_an_absent_peer_is_told_and_the_value_stands():
    made = row("a", 10, "x/s", "higher", target=5, peer="p", peer_value=None)
    assert (made.value, made.peer, made.ratio, made.met) == (10, "p: absent", None, True)


def test_targets():
    assert row("a", 10, "x/s", "higher", target=11).met is False
    assert row("a", 10, "ms", "lower", target=11).met is True
    assert row("a", 10, "ms", "lower").met is None


def test_percentiles():
    assert percentile([3, 1, 2], 0.5) == 2
    assert percentile([1], 0.99) == 1


def test_an_unknown_capability_is_refused_with_the_names(capsys: pytest.CaptureFixture[str]):
    assert run("nope", quick=True, json_file=None) == 2
    told = capsys.readouterr().out
    assert "kernel" in told
    assert "operations" in told


def test_the_file_holds_the_rows_and_one_broken_measure_does_not_cost_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def works(bench: Bench) -> None:
        bench.add(row("works", 1.23456, "s", "lower"))

    def breaks(_bench: Bench) -> None:
        raise BenchError("the machine is on fire")

    def crashes(_bench: Bench) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(kernel, "MEASURES", (breaks, crashes, works))
    file = tmp_path / "rows.json"
    assert run("kernel", quick=True, json_file=file) == 1
    rows = json.loads(file.read_text())
    assert [set(each) for each in rows] == [FIELDS]
    assert rows[0]["value"] == 1.235


def test_a_child_ends_with_its_block_and_its_cpu_is_counted():
    with child([sys.executable, "-c", "while True: pass"]) as process:
        while cpu_s(process.pid) == 0:
            time.sleep(0.01)
        assert rss_mib(process.pid) > 1
    assert process.returncode is not None
    assert cpu_s(process.pid) == 0


def test_a_peer_that_fails_is_told():
    with pytest.raises(BenchError, match="failed"):
        peer("rows", "acts", "/nowhere", "1", "1", "1", "1", "1")


def test_the_limit_is_measured(tmp_path: Path):
    found = peer("rows", "acts", str(tmp_path), "0.2", "16", "350", "500", "160")
    assert found is not None
    assert found["per_s"] > 100


def test_the_decision(bench: Bench):
    kernel.decision(bench)
    assert 0 < named(bench)["decision_memo_us"].value < named(bench)["decision_cold_us"].value  # type: ignore[operator]


def test_telemetry(bench: Bench):
    operations.telemetry(bench)
    assert named(bench)["klv_packets_per_s_core"].value


def test_the_picture(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    for name, few in (("ENTITIES", 500), ("VIEWS", 40), ("TICKS", 2), ("CROSSINGS", 12)):
        monkeypatch.setattr(picture, name, few)
    for measure in (picture.tick, picture.geofence):
        measure(bench)
    found = named(bench)
    assert 16 <= (found["bytes_per_entity"].value or 0) < 20
    assert found["picture_tick_ms"].value
    assert 0 < (found["geofence_alert_p95_ms"].value or 0) < 5000


@pytest.mark.parametrize("tool", ["own", "wrk"])
def test_acts_over_http(tmp_path: Path, tool: str, monkeypatch: pytest.MonkeyPatch):
    if tool == "wrk" and shutil.which("wrk") is None:
        pytest.skip("wrk is not installed")
    if tool == "own":
        monkeypatch.setattr(shutil, "which", lambda _name: None)
    with platforms.platform(tmp_path / "data") as one:
        officer, _, mission = platforms.mission(one)
        request = Request(
            one.port, "/api/acts/operations.note.add", platforms.note(mission), one.origin, (officer.cookie,)
        )
        assert flood(request, 1, tmp_path).count > 10
        answered = steady(request, 50, 0.5)
        assert answered.count == len(answered.latencies) == 25
        with pytest.raises(BenchError):
            steady(Request(one.port, "/api/acts/operations.note.add", b"{}", one.origin, (officer.cookie,)), 10, 0.2)


def test_terminals_over_tls_get_positions(tmp_path: Path):
    with (
        platforms.platform(tmp_path / "data", tls=True) as one,
        viewers(one, 2, "operations.track.subscribe", {}) as crowd,
    ):
        wait_for(lambda: '"result"' in crowd.told()["first"], "the answer", 10)
