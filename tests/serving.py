"""A platform in this process that serves its pages, with what its inside knows at hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import uvicorn

from tests.ports import free_port
from tests.world import World

Kind = TypeVar("Kind", bound=World)


@asynccontextmanager
async def serving(kind: type[Kind], folder: Path) -> AsyncIterator[Kind]:
    """At an address of its own, until the end."""
    port = free_port()
    world = kind(folder, port=port)
    await world.start()
    server = uvicorn.Server(uvicorn.Config(world.application, port=port, lifespan="off", log_level="error"))
    running = asyncio.create_task(server.serve())
    await world.until(lambda: server.started, 20)
    yield world
    server.should_exit = True
    await running
    await world.stop()
