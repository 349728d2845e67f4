"""`egide serve` that tells about its own inside: what the soak is run on.

python -m tests.attacks.soaked DATA PORT _     (the arguments of `egide.bench.platform`'s feeders)

Nothing of the platform is changed. Every few seconds a line goes to DATA/inside.jsonl: tasks, threads, what SQLite and the C
library's heap hold (MiB), and, where SOAK_TRACE is set (to hunt for what grows, at three times the CPU time), which types of
objects and which lines of code hold more than in the beginning.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import ctypes.util
import gc
import json
import os
import sys
import threading
import time
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop

from egide.app import build, capabilities, engines
from egide.bench.platform import ACTS_PER_S
from egide.gateways.composition import Composition, compose
from egide.gateways.serve import serving
from egide.kernel.settings import load

EVERY_S = 2.0  # s between two lines
SETTLED_S = 60.0  # s after which what is held is remembered, to be compared with later
TRACES = 20  # lines of code and types told
FILE = "inside.jsonl"
MIB = 1 << 20  # bytes


class Trace:
    """What has grown since it was first looked at: objects by type, bytes by line of code."""

    def __init__(self) -> None:
        tracemalloc.start(1)
        self._begun = time.monotonic()
        self._types: Counter[str] | None = None
        self._memory: Any = None

    def told(self) -> dict[str, Any]:
        if time.monotonic() - self._begun < SETTLED_S:
            return {}
        gc.collect()
        types = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
        memory = tracemalloc.take_snapshot()
        if self._types is None:
            self._types, self._memory, self._begun = types, memory, time.monotonic() - SETTLED_S / 2
            return {}
        self._begun = time.monotonic() - SETTLED_S / 2
        more = Counter({name: count - self._types[name] for name, count in types.items()})
        grown = memory.compare_to(self._memory, "lineno")[:TRACES]
        return {"types": more.most_common(TRACES), "lines": [str(each) for each in grown]}


class _Heap(ctypes.Structure):
    """`struct mallinfo2` (mallinfo(3), glibc 2.33)."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    )  # fmt: skip


def native() -> dict[str, float]:
    """MiB that no Python object holds: of SQLite; of the heap, in use and free; as far as this system tells."""
    told = {}
    with contextlib.suppress(OSError, AttributeError, TypeError):
        used = ctypes.CDLL(ctypes.util.find_library("sqlite3")).sqlite3_memory_used
        used.restype = ctypes.c_int64
        told["sqlite"] = used() / MIB
    with contextlib.suppress(OSError, AttributeError):
        info = ctypes.CDLL(None).mallinfo2
        info.restype = _Heap
        heap = info()
        told |= {"heap": heap.uordblks / MIB, "heap_free": heap.fordblks / MIB, "mapped": heap.hblkhd / MIB}
    return {name: round(size, 1) for name, size in told.items()}


async def tell(_kernel: Any, file: Path) -> None:
    """Until the platform ends."""
    trace = Trace() if os.environ.get("SOAK_TRACE") else None
    while True:
        await asyncio.sleep(EVERY_S)
        said = {"at": time.time(), "tasks": len(asyncio.all_tasks()), "threads": threading.active_count()} | native()
        if trace is not None:
            said |= trace.told()
        with file.open("a") as out:
            out.write(json.dumps(said) + "\n")


def main() -> None:
    """Serves until told to end."""
    data, port = sys.argv[1], int(sys.argv[2])
    compose(Composition(build, engines, capabilities, lambda _capability, _quick, _file: 0))
    settings = load(None, data=data, port=port, demo=True, acts_per_s=ACTS_PER_S)
    uvloop.run(serving(settings, lambda kernel: tell(kernel, settings.folder / FILE)))


if __name__ == "__main__":
    main()
