"""`/metrics` for Prometheus: what this process counts and what it sees of the store, in the text format of Prometheus.

No personal data and no ids: acts, rules and outcomes by name, sizes and seconds. Served to this machine, or to whoever has the
operator's token; behind a proxy on the same machine, close the path there (docs/operate.md). Numbers are read when asked for,
so that nothing is paid in between; each kernel has a registry of its own. Source: Prometheus exposition formats.
"""

from __future__ import annotations

import hmac
import shutil
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response

from egide.kernel import tables
from egide.kernel.errors import EgideError
from egide.kernel.measures import Histogram

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

LOOPBACK = ("127.0.0.1", "::1")
US = 1_000_000  # µs a second


class Page:
    """The endpoint."""

    def __init__(self, kernel: Kernel, operator_token: str) -> None:
        self._kernel = kernel
        self._token = operator_token.encode()
        self._registry: Any = None

    async def __call__(self, request: Request) -> Response:
        """Answers this machine and the operator; nobody else learns that the page exists."""
        client = request.client.host if request.client else ""
        given = request.headers.get("authorization", "").encode()
        if client not in LOOPBACK and not (self._token and hmac.compare_digest(given, b"Bearer " + self._token)):
            return Response("Not found", 404)
        try:
            from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest  # noqa: PLC0415 — an extra
        except ImportError:
            return Response(
                "Installez « egide[engines] ».\nInstall “egide[engines]”.\n",
                503,
                media_type="text/plain; charset=utf-8",
            )
        if self._registry is None:
            self._registry = CollectorRegistry()
            self._registry.register(Collector(self._kernel))
        return Response(
            generate_latest(self._registry), headers={"cache-control": "no-store"}, media_type=CONTENT_TYPE_LATEST
        )


class Collector:
    """Reads one kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def describe(self) -> list[Any]:
        """Nothing is read at registration."""
        return []

    def collect(self) -> Iterator[Any]:
        """Every family of metrics."""
        yield from self._acts()
        yield from self._here()
        yield from self._stored()

    def _acts(self) -> Iterator[Any]:
        measures = self._kernel.measures
        acts = [((name, outcome), count) for (name, outcome), count in sorted(measures.acts.items())]
        yield _labelled(
            "counter", "egide_acts", "Acts that were answered, by name and outcome", ("act", "outcome"), acts
        )
        opened = [((name,), count) for name, count in sorted(self._kernel.counted.items())]
        yield _labelled(
            "counter", "egide_open_acts", "Acts of the open class, which are not in the ledger", ("act",), opened
        )
        rules = [((rule,), count) for rule, count in sorted(measures.rules.items())]
        yield _labelled("counter", "egide_refusals", "Refusals, by the rule that was broken", ("rule",), rules)
        yield _histogram("egide_act_seconds", "From the request to the durable answer", measures.seconds)
        yield _histogram("egide_batch_acts", "Acts written in one commit", measures.batch)
        yield _histogram("egide_commit_seconds", "One commit", measures.commit)

    def _here(self) -> Iterator[Any]:
        """What this process holds."""
        kernel = self._kernel
        live, relay = kernel.things.get("live"), kernel.things.get("relay")
        yield _one("gauge", "egide_start_time_seconds", "When this process started", kernel.measures.started)
        yield _one("gauge", "egide_writer_queue", "Acts waiting for the writer", kernel.writer.waiting)
        yield _one(
            "gauge", "egide_writer_failed", "1 while the ledger cannot write", int(kernel.writer.failed is not None)
        )
        yield _one("gauge", "egide_ledger_entries", "Entries of the ledger as this process knows it", kernel.log.size)
        yield _one("gauge", "egide_leases", "Running views held by this process", len(kernel.leases.held()))
        yield _one(
            "gauge", "egide_live_channels", "Open live connections", len(live.channels) if live is not None else 0
        )
        hub = getattr(relay, "hub", None)
        yield _one("counter", "egide_frames", "Frames and telemetry handed to viewers", getattr(hub, "passed", 0))
        yield _one("gauge", "egide_disk_free_bytes", "Free space where the data lie", _free(kernel))
        waiting = getattr(getattr(kernel, "emergency", None), "waiting", None)
        if waiting is not None:
            held = waiting() if callable(waiting) else waiting
            yield _one(
                "gauge", "egide_emergency_waiting", "Alerts in the emergency journal, not in the ledger yet", held
            )

    def _stored(self) -> Iterator[Any]:
        """What the store says; while it is away, that it is."""
        kernel, now = self._kernel, self._kernel.clock.read_us()
        outbox, consumer, job, checkpoint = tables.outbox, tables.consumer, tables.job, tables.checkpoint
        try:
            db = kernel.store.reader()
            newest = db.execute(select(func.max(outbox.c.seq))).scalar() or 0
            cursors = db.execute(select(consumer.c.name, consumer.c.seq).where(consumer.c.name != "writer")).all()
            states = db.execute(select(job.c.state, func.count()).group_by(job.c.state)).all()
            late = db.execute(select(func.min(job.c.due)).where(job.c.state == "due")).scalar()
            processes = len(kernel.processes.alive(db))
            signed = db.execute(
                select(func.max(checkpoint.c.at)).where(checkpoint.c.realm == kernel.settings.realm)
            ).scalar()
        except (SQLAlchemyError, EgideError, OSError):
            yield _one("gauge", "egide_store_up", "1 while the store answers", 0)
            return
        yield _one("gauge", "egide_store_up", "1 while the store answers", 1)
        lags = [((row.name,), max(newest - row.seq, 0)) for row in cursors]
        yield _labelled("gauge", "egide_outbox_lag", "Events a listener has not handled yet", ("consumer",), lags)
        yield _labelled(
            "gauge", "egide_jobs", "Background work, by state", ("state",), [((row[0],), row[1]) for row in states]
        )
        overdue = max((now - late) / US, 0) if late else 0
        yield _one("gauge", "egide_job_late_seconds", "How long the oldest due job has waited", overdue)
        yield _one("gauge", "egide_processes", "Living processes of this installation", processes)
        yield _one("gauge", "egide_signed_head_time_seconds", "When the newest head was signed", (signed or 0) / US)


def _free(kernel: Kernel) -> int:
    try:
        return shutil.disk_usage(kernel.settings.folder).free
    except OSError:
        return 0


def _labelled(
    kind: str, name: str, about: str, labels: tuple[str, ...], rows: Iterable[tuple[tuple[str, ...], float]]
) -> Any:
    from prometheus_client import metrics_core  # noqa: PLC0415 — an extra

    family = metrics_core.CounterMetricFamily if kind == "counter" else metrics_core.GaugeMetricFamily
    made = family(name, about, labels=labels)
    for values, count in rows:
        made.add_metric(values, count)
    return made


def _one(kind: str, name: str, about: str, value: float) -> Any:
    return _labelled(kind, name, about, (), [((), value)])


def _histogram(name: str, about: str, histogram: Histogram) -> Any:
    from prometheus_client.metrics_core import HistogramMetricFamily  # noqa: PLC0415 — an extra

    made = HistogramMetricFamily(name, about)
    made.add_metric((), histogram.buckets(), histogram.total)
    return made
