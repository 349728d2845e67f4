"""Events a second from the outbox through JetStream to a listener that stores each once, beside nats-py alone.

`relayed` measures what the platform does: rows are in the outbox, the relay publishes them, JetStream writes them to its disk,
a batch listener stores each with its cursor. `alone` measures the same client and server without the platform: as many
messages of the same size published and acknowledged, then fetched and acknowledged. Both need a running `nats-server -js`.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nats import connect
from sqlalchemy import Column, Connection, MetaData, String, Table, func, select

from egide import app, operations
from egide.kernel import tables
from egide.kernel.kernel import Kernel
from egide.kernel.listeners import Batch
from egide.kernel.settings import Settings
from egide.kernel.tables import BIG

if TYPE_CHECKING:
    from egide.kernel.transport import Event

EVENT = "gate.passed"  # the most frequent event of the design
WAIT_S = 120.0  # s a measurement may take
_metadata = MetaData()
_heard = Table(
    "bench_heard", _metadata, Column("seq", BIG, primary_key=True), Column("word", String(40), nullable=False)
)


def _store(kernel: Kernel, connection: Connection, events: Sequence[Event]) -> None:
    rows = [(event.seq, event.payload["gate"]) for event in events]
    kernel.store.insert(connection, _heard, ("seq", "word"), rows)


async def relayed(folder: Path, bus: str, count: int, *, store: str = "") -> float:
    """Events a second, outbox → JetStream → stored once; `store` as the setting (empty: SQLite). Checks that none is missing."""
    settings = Settings(data=str(folder), demo=True, bus=bus, store=store, realm=f"b{secrets.token_hex(4)}")
    ours = app.capabilities(settings)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # noqa: ASYNC240 — nothing else runs on this loop yet
    hears = replace(
        operations.capability(), name="bench", acts=(), tables=_metadata, listeners={EVENT: Batch(_store)},
        erasers={}, start=None, stop=None,
    )  # fmt: skip
    kernel = Kernel(settings, (*ours, hears), app.engines(settings))
    await kernel.start()
    try:
        until = time.monotonic() + WAIT_S
        while kernel.bus.transport.trouble() is not None and time.monotonic() < until:  # noqa: ASYNC110 — it has no event to wait for
            await asyncio.sleep(0.05)
        columns = ("at", "realm", "entry", "name", "payload", "process")
        row = (0, settings.realm, "0" * 32, EVENT, b'{"gate":"A12","second":1764000000}', kernel.process)
        with kernel.store.side() as connection:
            kernel.store.insert(connection, tables.outbox, columns, [row] * count)
        kernel.bus.transport.hint()
        began = time.perf_counter()
        stored = 0
        while stored < count and time.monotonic() < until:
            await asyncio.sleep(0.05)
            stored = int(kernel.store.reader().execute(select(func.count()).select_from(_heard)).scalar() or 0)
        return stored / (time.perf_counter() - began) if stored == count else 0.0
    finally:
        await kernel.stop()


async def alone(bus: str, count: int, *, batch: int = 200) -> float:
    """Events a second with nats-py only: publish with acknowledgement, `batch` at a time; fetch and acknowledge."""
    client = await connect(bus)
    stream = f"bench{secrets.token_hex(4)}"
    context = client.jetstream(publish_async_max_pending=10 * batch)
    await context.add_stream(name=stream, subjects=[f"{stream}.>"])
    fetched = await context.pull_subscribe(f"{stream}.>", durable="bench")
    body = b"%d %s" % (10**6, b"0" * 32)

    async def publish() -> None:
        for first in range(0, count, batch):
            sent = [
                await context.publish_async(f"{stream}.{EVENT}", body, headers={"Nats-Msg-Id": f"bench/{number}"})
                for number in range(first, min(first + batch, count))
            ]
            await asyncio.gather(*sent)

    async def consume() -> None:
        left = count
        while left > 0:
            for message in await fetched.fetch(500, timeout=10):
                await message.ack()
                left -= 1

    began = time.perf_counter()
    try:
        await asyncio.wait_for(asyncio.gather(publish(), consume()), WAIT_S)
        return count / (time.perf_counter() - began)
    finally:
        await context.delete_stream(stream)
        await client.close()
