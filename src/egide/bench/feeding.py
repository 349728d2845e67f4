"""`egide serve` with a thousand made-up aircraft that report once a second: what `positions_core_share` is measured on.

python -m egide.bench.feeding DATA PORT ENTITIES
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from egide.app import build, capabilities, engines
from egide.bench.platform import ACTS_PER_S
from egide.gateways.composition import Composition, compose
from egide.gateways.serve import serving
from egide.kernel.settings import load
from egide.operations.relay import relay

SLICES = 20  # a second; each carries a twentieth of the aircraft


async def feed(kernel: Any, entities: int) -> None:
    """Every aircraft moves once a second, evenly spread over it."""
    positions = relay(kernel).positions
    numbers = [positions.number(f"made-up-{each}", f"Made-up {each}", "aircraft") for each in range(entities)]
    begin, turn = monotonic(), 0
    while True:
        part = numbers[turn % SLICES :: SLICES]
        angle = turn / SLICES / 60
        positions.put_many(
            [(n, 60.17 + math.sin(angle + n) / 100, 24.94 + math.cos(angle + n) / 50, n % 360) for n in part]
        )
        turn += 1
        await asyncio.sleep(max(0.0, begin + turn / SLICES - monotonic()))


def serve(move: Callable[[Any, int], Coroutine[Any, Any, None]]) -> None:
    """Serves what the command line says, its things moved by `move`, until told to end."""
    import uvloop

    data, port, entities = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    compose(Composition(build, engines, capabilities, lambda _capability, _quick, _file: 0))
    settings = load(None, data=data, port=port, demo=True, acts_per_s=ACTS_PER_S)
    uvloop.run(serving(settings, lambda kernel: move(kernel, entities)))


if __name__ == "__main__":
    serve(feed)
