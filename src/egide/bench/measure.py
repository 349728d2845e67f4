"""How things are measured: CPU seconds of a process, medians after a warm-up, children that always end.

Why CPU seconds: on a machine shared with others the wall says how busy the others were. Source: proc(5), fields utime and
stime of /proc/PID/stat; both count all threads of the process.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Literal

import msgspec

TICK_S = 1 / os.sysconf("SC_CLK_TCK")  # s, unit of utime and stime in /proc
REPEATS = 3  # of which the median counts
ABSENT = "absent"
PATIENCE_S = 60.0  # s a child may take to answer


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure. `ratio`: how many times better than the peer, above 1 is better; None without a peer."""

    name: str
    value: float | None
    unit: str
    better: Literal["higher", "lower"]
    target: float | None = None
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is reached; None where there is none, or no figure."""
        if self.target is None or self.value is None:
            return None
        return self.value >= self.target if self.better == "higher" else self.value <= self.target


class BenchError(Exception):
    """A measure could not be taken; the sentence says why."""


def row(
    name: str, value: float | None, unit: str, better: Literal["higher", "lower"], *,
    target: float | None = None, peer: str | None = None, peer_value: float | None = None,
) -> Row:  # fmt: skip
    """A row with its ratio; a peer without a value is told as absent."""
    if peer is not None and peer_value is None:
        return Row(name=name, value=_short(value), unit=unit, better=better, target=target, peer=f"{peer}: {ABSENT}")
    ratio = None
    if value and peer_value:
        ratio = value / peer_value if better == "higher" else peer_value / value
    return Row(
        name=name,
        value=_short(value),
        unit=unit,
        better=better,
        target=_short(target),
        peer=peer,
        peer_value=_short(peer_value),
        ratio=_short(ratio),
    )


def _short(value: float | None) -> float | None:
    """Four significant digits: no measure here is better than that."""
    return None if value is None else float(f"{value:.4g}")


@dataclass(slots=True)
class Bench:
    """One run: how long it may take, where it may write, how it tells what it does."""

    quick: bool
    folder: Path
    say: Callable[[str], None]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *rows: Row) -> None:
        """Keeps rows for the table."""
        self.rows.extend(rows)

    def note(self, sentence: str) -> None:
        """A sentence under the table: what a reader must know of a figure."""
        self.notes.append(sentence)

    def seconds(self, long: float, quick: float) -> float:
        """How long a load lasts."""
        return quick if self.quick else long


def cpu_s(pid: int) -> float:
    """CPU seconds (user and system, all threads) that a process has used; 0.0 when it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return 0.0
    fields = stat.rpartition(b")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def busy_s() -> float:
    """CPU seconds that all cores together were busy, whoever they worked for (proc(5), the first line of `/proc/stat`)."""
    user, nice, system, _idle, _waiting, irq, soft, steal = map(
        int, Path("/proc/stat").read_text("ascii").split(maxsplit=9)[1:9]
    )
    return (user + nice + system + irq + soft + steal) * TICK_S


def rss_mib(pid: int) -> float:
    """Resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise BenchError(f"process {pid} is gone")


def per_cpu_s(work: Callable[[], int], *, repeats: int = REPEATS) -> float:
    """Median number of things done per CPU second of this process; `work` does some and says how many. One warm-up."""
    work()
    found = []
    for _ in range(repeats):
        before = time.process_time()
        count = work()
        found.append(count / max(time.process_time() - before, 1e-9))
    return median(found)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the (non-empty) values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port that is free now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def child(
    arguments: Sequence[str], *, environment: Mapping[str, str] | None = None, **given: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that does not outlive the block: asked to end, then made to."""
    process = subprocess.Popen(list(arguments), env={**os.environ, **(environment or {})}, **given)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


def ask(process: subprocess.Popen[bytes], what: str, given: Any = None, seconds: float = PATIENCE_S) -> dict[str, Any]:
    """The next line of JSON that a child prints, after sending it one if there is something to say."""
    if given is not None and process.stdin is not None:
        process.stdin.write(msgspec.json.encode(given) + b"\n")
        process.stdin.flush()
    out = process.stdout
    line = out.readline() if out is not None and select.select([out], [], [], seconds)[0] else b""
    if not line:
        raise BenchError(f"{what} ended or is stuck")
    found: dict[str, Any] = msgspec.json.decode(line)
    return found


def peer(name: str, *arguments: str, timeout: float = 180) -> dict[str, Any] | None:
    """Runs `egide.bench.peers.<name>` to its end and reads the JSON line it prints; None when the peer is not installed."""
    command = [sys.executable, "-m", f"egide.bench.peers.{name}", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"the peer {name} did not end within {timeout:.0f} s") from error
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise BenchError(f"the peer {name} failed: {words[-1] if words else done.returncode}")
    found: dict[str, Any] = msgspec.json.decode(lines[-1])
    return None if ABSENT in found else found


def wait_for(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> None:
    """Polls every 5 ms; `BenchError` when it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise BenchError(f"{what} did not come within {seconds:.0f} s")
        time.sleep(0.005)
