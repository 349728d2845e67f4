"""Waiting for what comes by itself, without a sleep that hopes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE_S, LOOK_S = 20.0, 0.02  # s


async def until(condition: Callable[[], bool]) -> None:
    """Until it holds; fails after `PATIENCE_S`."""
    for _ in range(round(PATIENCE_S / LOOK_S)):
        if condition():
            return
        await asyncio.sleep(LOOK_S)
    raise AssertionError("it did not come")
