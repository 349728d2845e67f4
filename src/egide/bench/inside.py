"""A kernel in this very process, for what is measured without a door: bulk, the decision."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egide.app import build
from egide.bench.bulk import capability
from egide.bench.measure import BenchError
from egide.bench.platform import ACTS_PER_S
from egide.kernel.guard import Guard, Value
from egide.kernel.kernel import Kernel
from egide.kernel.settings import Settings


@dataclass(slots=True)
class Inside:
    """A started kernel and the loop it runs on, in a thread of its own."""

    kernel: Kernel
    loop: asyncio.AbstractEventLoop

    def perform(self, persona: str, name: str, given: bytes) -> Any:
        """One act by a persona; its result."""

        async def ask() -> Any:
            person = self.kernel.identity.person(persona, self.kernel.store.reader(), strong=True)
            if person is None:
                raise BenchError(f"there is no persona {persona}")
            return (await self.kernel.perform(name, given, person)).result

        return asyncio.run_coroutine_threadsafe(ask(), self.loop).result()


@contextmanager
def inside(folder: Path) -> Iterator[Inside]:
    """A kernel in demo mode on its own folder, with the bench's own capability; stopped with the block."""
    kernel, _ = build(Settings(data=str(folder), demo=True, acts_per_s=ACTS_PER_S), extra=(capability(),))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="egide-bench", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(kernel.start(), loop).result()
        yield Inside(kernel, loop)
    finally:
        asyncio.run_coroutine_threadsafe(kernel.stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def allowed_facts(guard: Guard, act: str) -> dict[str, Value]:
    """The lawful baseline of the law's own cases for this act."""
    facts: dict[str, Value] = {name: guard.book.facts[name].lawful for name in guard.required_facts(act)}
    if not guard.decide_cold(act, facts).allowed:
        raise BenchError(f"the lawful baseline does not allow {act}")
    return facts
