"""`/metrics`: what was done is counted, nothing personal is said, and being counted costs an act next to nothing."""

from __future__ import annotations

import re
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from egide.gateways import http
from egide.gateways.metrics import Collector
from egide.kernel.guard import Decision
from egide.kernel.measures import Histogram, Measures
from tests.conftest import missing
from tests.world import World

pytestmark = pytest.mark.anyio
TOKEN = "operator-token-of-this-test"


async def asked(world: World, *, client: str = "127.0.0.1", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(http.build(world.kernel, TOKEN), client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as browser:
        return await browser.get("/metrics", headers=headers)


@pytest.fixture(autouse=True)
def _library() -> None:
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        missing("prometheus-client is not installed: pip install egide[engines]")


async def test_acts_are_counted_and_nobody_is_named(world: World) -> None:
    order = await world.order()
    await world.refused("officer", "orders.draft", **world.draft())
    said = (await asked(world)).text
    assert 'egide_acts_total{act="orders.sign",outcome="allowed"} 1.0' in said
    assert 'egide_acts_total{act="orders.draft",outcome="refused"} 1.0' in said
    assert re.search(r'egide_refusals_total{rule="[^"]+"} 1\.0', said), said
    assert re.search(r"egide_act_seconds_count [3-9]", said)
    assert f"egide_ledger_entries {float(world.kernel.log.size)}" in said
    assert "egide_store_up 1.0" in said
    assert "egide_processes 1.0" in said
    for name in ("writer_queue", "leases", "live_channels", "frames_total", "commit_seconds_bucket", "batch_acts_sum"):
        assert f"egide_{name}" in said, name
    for persona in world.kernel.things["personas"]:
        assert persona["name"] not in said
    assert order not in said


async def test_who_may_read_it(world: World) -> None:
    assert (await asked(world)).status_code == 200
    assert (await asked(world, client="::1")).status_code == 200
    away = await asked(world, client="203.0.113.5")
    assert away.status_code == 404
    assert "egide" not in away.text
    assert (await asked(world, client="203.0.113.5", authorization="Bearer wrong")).status_code == 404
    assert (await asked(world, client="203.0.113.5", authorization=f"Bearer {TOKEN}")).status_code == 200


async def test_each_kernel_counts_for_itself(world: World, tmp_path: Any) -> None:
    other = World(tmp_path / "other")
    await other.start()
    try:
        await other.order()
        assert 'act="orders.sign"' in (await asked(other)).text
        assert 'act="orders.sign"' not in (await asked(world)).text
    finally:
        await other.stop()


async def test_a_store_that_is_away_is_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise OSError("away")

    monkeypatch.setattr(world.kernel.store, "reader", gone)
    families = {each.name: each for each in Collector(world.kernel).collect()}
    assert families["egide_store_up"].samples[0].value == 0
    assert "egide_outbox_lag" not in families


async def test_counting_costs_less_than_two_percent_of_an_act() -> None:
    measures = Measures()
    decision = Decision("orders.sign", True, (), (), "", {})
    work: Any = SimpleNamespace(
        act=SimpleNamespace(name="orders.sign"),
        outcome="allowed",
        receipt=1,
        ctx=SimpleNamespace(now_us=0, principal=SimpleNamespace(kind="person")),
        decision=decision,
    )
    batch = [work] * 16
    best = float("inf")
    for _ in range(20):
        started = perf_counter()
        for _ in range(500):
            measures.answered(batch, 4_000)
            measures.committed(16, 0.004)
        best = min(best, (perf_counter() - started) / (500 * 16))
    assert measures.asked == 20 * 500 * 16
    assert best < 0.02 * 300e-6, f"{best * 1e6:.2f} µs an act, of 300"


def test_a_histogram_counts_up_to_its_bounds() -> None:
    histogram = Histogram((1, 2))
    for value in (0.5, 1, 1.5, 9):
        histogram.note(value)
    assert histogram.buckets() == [("1.0", 2.0), ("2.0", 3.0), ("+Inf", 4.0)]
    assert histogram.total == 12
