"""Runs the platform: uvicorn over the composition root, one process, embedded engines."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
from collections.abc import Callable
from typing import Any

import uvicorn

from egide.gateways.composition import composed
from egide.gateways.live import LiveProtocol
from egide.kernel.settings import Settings

YOUNG = 20_000  # objects made before Python looks for cycles; its default of 700 comes several times per act
GRACE_S = 3  # s that open sockets get at shutdown


def config(settings: Settings, application: Any) -> uvicorn.Config:
    """Uvicorn as measured fastest here: uvloop, httptools, websockets-sansio; no access log (addresses are personal data)."""
    certificate = settings.folder / "tls" / "server.pem"
    key = settings.folder / "tls" / "server.key"
    return uvicorn.Config(
        application, host=settings.host, port=settings.port, loop="uvloop", http="httptools", ws=LiveProtocol,
        ws_per_message_deflate=False, ws_max_size=1 << 20, access_log=False, proxy_headers=False, log_level="warning", lifespan="off",
        timeout_graceful_shutdown=GRACE_S, server_header=False, backlog=2048,
        ssl_certfile=str(certificate) if settings.tls else None, ssl_keyfile=str(key) if settings.tls else None,
    )  # fmt: skip


def _settle() -> None:
    """What was built stays until the end: the collector need not walk it again and again (a third of the CPU of an act)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)


async def serving(
    settings: Settings, ready: Callable[[Any], Any] | None = None, *, stop: asyncio.Event | None = None
) -> None:
    """Builds, starts and serves until a signal (or `stop`) comes; `ready(kernel)` is called once requests are answered."""
    kernel, application = composed().build(settings)
    await kernel.start()
    _settle()
    server = uvicorn.Server(config(settings, application))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # ours below: they also stop the kernel
    over = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(name, over.set)
    task = asyncio.create_task(server.serve())
    try:
        while not server.started and not task.done():  # noqa: ASYNC110 — uvicorn tells by a flag only
            await asyncio.sleep(0.01)
        told = ready(kernel) if ready is not None and not task.done() else None
        under_way = {asyncio.ensure_future(told)} if asyncio.iscoroutine(told) else set()
        waiting = asyncio.create_task(over.wait())
        while not (task.done() or waiting.done()):
            done, _ = await asyncio.wait({task, waiting, *under_way}, return_when=asyncio.FIRST_COMPLETED)
            for finished in done & under_way:
                under_way.discard(finished)
                finished.result()
        for other in (waiting, *under_way):
            other.cancel()
    finally:
        server.should_exit = True
        with contextlib.suppress(SystemExit):
            await task
        await kernel.stop()


def run(settings: Settings) -> None:
    """`egide serve`."""
    os.umask(0o077)  # everything the platform writes is its own account's alone
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    import uvloop  # noqa: PLC0415

    def ready(_kernel: Any) -> None:
        print(f"Égide : {settings.origin}", flush=True)  # noqa: T201 — the operator's terminal is this command's output

    uvloop.run(serving(settings, ready))
