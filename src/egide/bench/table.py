"""Which measures a capability has; the run, its progress, the table and the file."""

from __future__ import annotations

import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from egide.bench.measure import Bench, BenchError, Row

Measure = Callable[[Bench], None]
NAMES = ("kernel", "operations", "engines", "services", "border")
WIDTH = 160  # columns where there is no terminal to ask


def measures(capability: str) -> tuple[Measure, ...]:
    """The capability's measures, in the order in which they run."""
    if capability == "kernel":
        from egide.bench.kernel import MEASURES as KERNEL

        return KERNEL
    if capability == "engines":
        from egide.bench.engines import MEASURES as ENGINES

        return ENGINES
    if capability == "services":
        from egide.bench.services import MEASURES as SERVICES

        return SERVICES
    if capability == "border":
        from egide.bench.border import MEASURES as BORDER

        return BORDER
    from egide.bench.operations import MEASURES as OPERATIONS

    return OPERATIONS


def play(capability: str, *, quick: bool, json_file: Path | None) -> int:
    """See `egide.bench.run`."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    if capability not in NAMES:
        console.print(f"Capacité inconnue / unknown capability: {capability}. → {', '.join(NAMES)}")
        return 2
    failed = False
    with tempfile.TemporaryDirectory(prefix="egide-bench-") as folder, console.status("") as status:
        bench = Bench(quick, Path(folder), status.update)
        every = measures(capability)
        for number, measure in enumerate(every, 1):
            label = f"{capability} {number}/{len(every)} · {measure.__name__}"
            status.update(label)
            bench.say = lambda words, label=label: status.update(f"{label} · {words}")  # type: ignore[misc]  # mypy does not see the default
            before = len(bench.rows)
            try:
                measure(bench)
            except BenchError as error:
                failed = True
                console.print(f"✗ {measure.__name__}: {error}")
            except Exception:  # noqa: BLE001 — one measure that breaks must not cost the others
                failed = True
                console.print(f"✗ {measure.__name__}:\n{traceback.format_exc()}", markup=False)
            for made in bench.rows[before:]:
                console.print(_line(made))
    console.print(table(capability, bench.rows))
    for sentence in bench.notes:
        console.print(f"• {sentence}", markup=False)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode(bench.rows), indent=1) + b"\n")
    return 1 if failed else 0


def table(title: str, rows: list[Row]) -> Table:
    """The rows for people."""
    shown = Table(title=title, title_justify="left")
    for name in ("name", "value", "unit", "target", "peer", "peer value", "ratio"):
        shown.add_column(name, justify="left" if name in ("name", "unit", "peer") else "right", overflow="fold")
    for each in rows:
        mark = {True: "✓ ", False: "✗ ", None: ""}[each.met]
        bound = "" if each.target is None else ("≥ " if each.better == "higher" else "≤ ") + _figure(each.target)
        ratio = "" if each.ratio is None else f"{_figure(each.ratio)}×"
        shown.add_row(
            each.name, mark + _figure(each.value), each.unit, bound, each.peer or "", _figure(each.peer_value), ratio
        )
    return shown


def _line(made: Row) -> str:
    beside = f" — {made.peer} {_figure(made.peer_value)}, {_figure(made.ratio)}×" if made.ratio is not None else ""
    return f"{made.name} {_figure(made.value)} {made.unit}{beside}"


def _figure(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}".replace(",", "\u202f") if abs(value) >= 1000 else f"{value:.4g}"
