"""Runs the platform: uvicorn over the composition root; one process, or one of several that share the port."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from egide.gateways import logs, renewal
from egide.gateways.composition import composed
from egide.gateways.live import LiveProtocol
from egide.gateways.neighbours import Neighbours, ask_to_leave, listener_of, serving_here
from egide.gateways.resident_identity import SIGN_IN, WALLET
from egide.gateways.tak import TakPorts
from egide.kernel.errors import EgideError, StartupError, Text
from egide.kernel.lock import lock
from egide.kernel.settings import Settings

YOUNG = 20_000  # objects made before Python looks for cycles; its default of 700 comes several times per act
BACKLOG = 2048  # connections that may wait to be taken
GRACE_S = 3  # s that open sockets get at shutdown
LEAVE_S = 120.0  # s in which consoles move to the process that replaces this one
STDIN = 0
GO, LEAVE = b"go\n", b"leave\n"  # what a supervisor says there

log = logging.getLogger("egide.serve")


def config(settings: Settings, application: Any) -> uvicorn.Config:
    """Uvicorn as measured fastest here: uvloop, httptools, websockets-sansio; no access log (addresses are personal data)."""
    certificate = settings.folder / "tls" / "server.pem"
    key = settings.folder / "tls" / "server.key"
    return uvicorn.Config(
        application, host=settings.host, port=settings.port, loop="uvloop", http="httptools", ws=LiveProtocol,
        ws_per_message_deflate=False, ws_max_size=1 << 20, access_log=False, proxy_headers=False, log_config=None, lifespan="off",
        timeout_graceful_shutdown=GRACE_S, server_header=False, backlog=BACKLOG,
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
    listener: int | None = None,
) -> None:
    """Builds, starts and serves until a signal (or `stop`) comes; `ready(kernel)` is called once requests are answered.

    `join`: beside processes of the same installation that serve the same port already; `replace`: they are then asked to
    leave, each when its last open console has moved (upgrade). `listener`: a supervisor's listening socket; it is then the
    supervisor that says on standard input when to leave, and that is obeyed unto its end.
    """
    before = serving_here(settings.folder) if replace else []
    if not (join or replace or listener is not None):
        refuse_running(settings)
        _refuse_taken(settings)
    if settings.folder.is_dir():
        os.close(
            lock(settings.folder)
        )  # before the store is brought to this version: who wants the folder alone has it
    kernel, application = composed().build(settings)
    await kernel.start()
    _settle()
    server = uvicorn.Server(config(settings, application))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]  # ours below: they also stop the kernel
    over, leaving = stop or asyncio.Event(), asyncio.Event()
    wire = await asyncio.to_thread(_listener, settings, listener, before)
    neighbours = Neighbours(kernel, leaving.set, wire, application)
    ports = TakPorts(kernel)
    _heed(over, leaving if listener is not None else None)
    task = asyncio.create_task(server.serve(sockets=[wire]))
    try:
        await neighbours.start()
        await ports.start()
        kernel.things["neighbours"] = neighbours
        while not server.started and not task.done():  # noqa: ASYNC110 — uvicorn tells by a flag only
            await asyncio.sleep(0.01)
        under_way = {asyncio.ensure_future(_leave(kernel, server, leaving, over))}
        if before:
            under_way.add(asyncio.ensure_future(asyncio.to_thread(_take_over, settings, before)))
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
        await ports.stop()
        await neighbours.stop()
        await kernel.stop()
        for flow in (SIGN_IN, WALLET):
            if flow in kernel.things:
                kernel.things[flow].close()


def _heed(over: asyncio.Event, leaving: asyncio.Event | None) -> None:
    """Signals end this process; so does, under a supervisor, the end of standard input: it outlives nobody who watches it."""
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(name, over.set)
    if leaving is None:
        return

    def heard() -> None:
        said = os.read(STDIN, 4096)
        if LEAVE in said:
            leaving.set()
        elif not said:
            loop.remove_reader(STDIN)
            over.set()

    loop.add_reader(STDIN, heard)


async def _leave(kernel: Any, server: uvicorn.Server, leaving: asyncio.Event, over: asyncio.Event) -> None:
    """Asked to make room: takes no more connections, hands over, tells the consoles to move, ends when nobody is left.

    From now on every answer says that its connection ends with it, so that no client finds it closed under a request.
    """
    await leaving.wait()
    kernel.leaving = True
    for listener in server.servers:
        listener.close()
    for hand_over in kernel.on_leaving:
        try:
            await hand_over()
        except (EgideError, SQLAlchemyError) as error:
            log.warning("not handed over, the next process takes it up once this one is gone: %s", error)
    live, told, loop = kernel.things.get("live"), set[Any](), asyncio.get_running_loop()
    until = loop.time() + LEAVE_S
    while loop.time() < until and (server.server_state.connections or kernel.downloads.waiting(kernel.clock.now_us())):
        for channel in () if live is None else live.channels - told:
            told.add(channel)
            channel.push({"push": "moving"})
        await asyncio.sleep(0.05)
    over.set()


def _take_over(settings: Settings, before: list[dict[str, Any]]) -> None:
    for process in before:
        ask_to_leave(settings.folder, process["process"])


def _listener(settings: Settings, given: int | None, before: list[dict[str, Any]]) -> socket.socket:
    """The socket to take connections from: the supervisor's, that of the process which is replaced, or one of our own."""
    if given is not None:
        found: socket.socket | None = socket.socket(fileno=given)
    else:
        found = next(filter(None, (listener_of(settings.folder, each["process"]) for each in before)), None)
    if found is None:
        return _listen(settings)
    found.setblocking(False)
    return found


def _listen(settings: Settings, *, shared: bool = True) -> socket.socket:
    """The listening socket, which processes of one account may share (SO_REUSEPORT, socket(7))."""
    family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def listen_alone(settings: Settings) -> socket.socket:
    """The listening socket of a supervisor: nobody shares it but by inheriting it. Raises `StartupError`."""
    try:
        listener = _listen(settings, shared=False)
        listener.listen(BACKLOG)
    except OSError as error:
        raise _taken(settings, error) from error
    return listener


def refuse_running(settings: Settings) -> None:
    """Two platforms on one data folder by accident would each think the other's address theirs. Raises `StartupError`."""
    running = serving_here(settings.folder)
    if running:
        raise StartupError(
            Text(
                f"Une autre plateforme tourne déjà sur ce dossier, port {running[0]['port']}.",
                f"Another platform already runs on this folder, port {running[0]['port']}.",
            ),
            Text(
                "Arrêtez-la, ou prenez sa suite avec « egide upgrade ».",
                "Stop it, or take over from it with “egide upgrade”.",
            ),
            file=str(settings.folder),
        )


def _refuse_taken(settings: Settings) -> None:
    """A port that somebody serves already, be it us, is not shared by accident."""
    try:
        _listen(settings, shared=False).close()
    except OSError as error:
        raise _taken(settings, error) from error


def _taken(settings: Settings, error: OSError) -> StartupError:
    return StartupError(
        Text(
            f"Le port {settings.port} est déjà pris, ou refusé ({error.strerror}).",
            f"Port {settings.port} is taken already, or refused ({error.strerror}).",
        ),
        Text(
            "Arrêtez l’autre programme, donnez --port, ou « egide upgrade » pour prendre sa suite.",
            "Stop the other program, give --port, or “egide upgrade” to take over from it.",
        ),
    )


def run(settings: Settings, *, join: bool = False, replace: bool = False, listener: int | None = None) -> None:
    """`egide serve`, `egide upgrade`; with a `listener`, one process of a supervisor's."""
    os.umask(0o077)  # everything the platform writes is its own account's alone
    words = logs.configure(settings.logs)
    import uvloop  # noqa: PLC0415

    if listener is not None and not _told_to_go(settings):
        return

    def ready(kernel: Any) -> None:
        words.learn(kernel)
        print(f"Égide : {settings.origin}", flush=True)  # noqa: T201 — the operator's terminal is this command's output

    uvloop.run(serving(settings, ready, join=join, replace=replace, listener=listener))


def _told_to_go(settings: Settings) -> bool:
    """Imports everything, then waits for the supervisor's word: a process that stands by so answers soon after."""
    composed().capabilities(settings)
    config(settings, None).load()
    said = b""
    while not said.endswith(b"\n"):  # byte by byte: what comes after is for `_heed`
        byte = os.read(STDIN, 1)
        if not byte:
            return False
        said += byte
    return said == GO
