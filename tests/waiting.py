"""Waiting for what comes by itself, without a sleep that hopes.

How long says nothing about speed: another worker of the run, or another machine, may have the core meanwhile. Where an issue
states how soon something has to come, the test states it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

PATIENCE_S, LOOK_S = 60.0, 0.02  # s; half of what a test may take
AT_ONCE_S = 3.0  # s in which nothing was waited for, wherever it ran


async def until(condition: Callable[[], Any], seconds: float = PATIENCE_S) -> None:
    """Until it holds; fails after so long."""
    for _ in range(round(seconds / LOOK_S)):
        if condition():
            return
        await asyncio.sleep(LOOK_S)
    raise AssertionError("it did not come")
