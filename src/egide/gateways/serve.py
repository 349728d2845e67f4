"""Runs the platform: uvicorn over the composition root; one process, or one of several that share the port."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn

from egide.gateways import logs, renewal
from egide.gateways.composition import composed
from egide.gateways.live import LiveProtocol
from egide.gateways.neighbours import Neighbours, ask_to_leave
from egide.kernel.errors import StartupError, Text
from egide.kernel.settings import Settings

YOUNG = 20_000  # objects made before Python looks for cycles; its default of 700 comes several times per act
GRACE_S = 3  # s that open sockets get at shutdown
LEAVE_S = 120.0  # s in which consoles move to the process that replaces this one


def config(settings: Settings, application: Any) -> uvicorn.Config:
    """Uvicorn as measured fastest here: uvloop, httptools, websockets-sansio; no access log (addresses are personal data)."""
    certificate = settings.folder / "tls" / "server.pem"
    key = settings.folder / "tls" / "server.key"
    return uvicorn.Config(
        application, host=settings.host, port=settings.port, loop="uvloop", http="httptools", ws=LiveProtocol,
        ws_per_message_deflate=False, ws_max_size=1 << 20, access_log=False, proxy_headers=False, log_config=None, lifespan="off",
        timeout_graceful_shutdown=GRACE_S, server_header=False, backlog=2048,
        ssl_certfile=str(certificate) if settings.tls else None, ssl_keyfile=str(key) if settings.tls else None,
    )  # fmt: skip


def _settle() -> None:
    """What was built stays until the end: the collector need not walk it again and again (a third of the CPU of an act)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)


async def serving(
    settings: Settings,
    ready: Callable[[Any], Any] | None = None,
    *,
    stop: asyncio.Event | None = None,
    join: bool = False,
    replace: bool = False,
) -> None:
    """Builds, starts and serves until a signal (or `stop`) comes; `ready(kernel)` is called once requests are answered.

    `join`: beside processes of the same installation that serve the same port already; `replace`: they are then asked to
    leave, each when its last open console has moved (upgrade).
    """
    if not (join or replace):
        _refuse_taken(settings)
    kernel, application = composed().build(settings)
    await kernel.start()
    _settle()
    before = kernel.processes.alive(kernel.store.reader()) - {kernel.process}
    server = uvicorn.Server(config(settings, application))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # ours below: they also stop the kernel
    over, leaving = stop or asyncio.Event(), asyncio.Event()
    neighbours = Neighbours(kernel, leaving.set)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(name, over.set)
    task = asyncio.create_task(server.serve(sockets=[_listen(settings)]))
    try:
        await neighbours.start()
        kernel.things["neighbours"] = neighbours
        while not server.started and not task.done():  # noqa: ASYNC110 — uvicorn tells by a flag only
            await asyncio.sleep(0.01)
        under_way = {asyncio.ensure_future(_leave(kernel, server, leaving, over))}
        if replace:
            under_way.add(asyncio.ensure_future(_take_over(settings, before)))
        told = ready(kernel) if ready is not None and not task.done() else None
        if asyncio.iscoroutine(told):
            under_way.add(asyncio.ensure_future(told))
        renewing = renewal.start(settings, server.config.ssl)  # apart: whatever becomes of it, the server goes on
        waiting = asyncio.create_task(over.wait())
        while not (task.done() or waiting.done()):
            done, _ = await asyncio.wait({task, waiting, *under_way}, return_when=asyncio.FIRST_COMPLETED)
            for finished in done & under_way:
                under_way.discard(finished)
                finished.result()
        for other in (waiting, *under_way, *renewing):
            other.cancel()
    finally:
        server.should_exit = True
        with contextlib.suppress(SystemExit):
            await task
        await neighbours.stop()
        await kernel.stop()


async def _leave(kernel: Any, server: uvicorn.Server, leaving: asyncio.Event, over: asyncio.Event) -> None:
    """Asked to make room: takes no more connections, tells the consoles to move, ends when the last has (or time is up)."""
    await leaving.wait()
    kernel.leaving = True
    for hand_over in kernel.on_leaving:
        await hand_over()
    for listener in server.servers:
        listener.close()
    live = kernel.things.get("live")
    until = asyncio.get_running_loop().time() + LEAVE_S
    if live is not None:
        for channel in tuple(live.channels):
            channel.push({"push": "moving"})
        while live.channels and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 — sockets close by themselves
            await asyncio.sleep(0.1)
    over.set()


async def _take_over(settings: Settings, before: set[str]) -> None:
    for process in before:
        await ask_to_leave(settings.folder, process)


def _listen(settings: Settings) -> socket.socket:
    """The listening socket, which processes of one account may share (SO_REUSEPORT, socket(7))."""
    family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(address)
    listener.setblocking(False)
    return listener


def _refuse_taken(settings: Settings) -> None:
    """A port that somebody serves already, be it us, is not shared by accident."""
    family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise StartupError(
                Text(
                    f"Le port {settings.port} est déjà pris, ou refusé ({error.strerror}).",
                    f"Port {settings.port} is taken already, or refused ({error.strerror}).",
                ),
                Text(
                    "Arrêtez l’autre programme, donnez --port, ou « egide upgrade » pour prendre sa suite.",
                    "Stop the other program, give --port, or “egide upgrade” to take over from it.",
                ),
            ) from error


def run(settings: Settings, *, join: bool = False, replace: bool = False) -> None:
    """`egide serve`, `egide upgrade`."""
    os.umask(0o077)  # everything the platform writes is its own account's alone
    words = logs.configure(settings.logs)
    import uvloop  # noqa: PLC0415

    def ready(kernel: Any) -> None:
        words.learn(kernel)
        print(f"Égide : {settings.origin}", flush=True)  # noqa: T201 — the operator's terminal is this command's output

    uvloop.run(serving(settings, ready, join=join, replace=replace))
