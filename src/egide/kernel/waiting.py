"""Waiting for an event with an end, in a way that a cancelled task really ends.

Why not `asyncio.wait_for`: in Python 3.11 it swallows a cancellation that comes in the same turn of the loop as the event, and a
task that was told to stop goes on for ever (python/cpython#86296).
"""

from __future__ import annotations

import asyncio


async def came(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event came within so many seconds."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
