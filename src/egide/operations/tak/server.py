"""The listening side: mutual TLS, one act for each connection, and the clock of the router.

Every connection is decided by `operations.tak.connect` as an act of its device's person; it is decided again with its lease,
and its filter compiled again whenever a right or a roster changes. Where another process of the installation holds the port, this
one waits for it: one process routes, the others stand by.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import ssl
from collections.abc import Callable, Coroutine
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec

from egide.kernel.errors import EgideError, Refused
from egide.kernel.kernel import Kernel
from egide.kernel.told import reasons
from egide.operations.tak.acts import Connect, Ended, Minute, groups_now
from egide.operations.tak.connection import Connection
from egide.operations.tak.router import Router

if TYPE_CHECKING:
    from egide.operations.tak.identity import TakDevice

log = logging.getLogger("egide.tak")

DeviceOf = Callable[[Kernel, bytes], "TakDevice | None"]
MINUTE_S = 60.0  # s between sealed counts
SWEEP_S = 1.0  # s between looks at what went stale
AGAIN_S = 2.0  # s between tries for a port that another process holds
HANDSHAKE_S = 15.0  # s a client may take for its handshake
MAX_CONNECTIONS = 5_000  # at once; each costs a file descriptor and its buffers
CHANGES = frozenset({"right.changed", "roster.changed"})


class TakServer:
    """Listens on one port. Without `tls` only on the loopback, for tests: `device_of` is then given b""."""

    def __init__(
        self, kernel: Kernel, router: Router, device_of: DeviceOf, *, port: int, tls: ssl.SSLContext | None, host: str = ""
    ) -> None:  # fmt: skip
        self.router = router
        self.port = port
        self._kernel = kernel
        self._device_of = device_of
        self._tls = tls
        self._host = host if tls is not None else "127.0.0.1"
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._unwatch: Callable[[], None] = lambda: None
        self._stale = False
        self._empty = asyncio.Event()

    async def start(self) -> None:
        """Listens, or waits for the port; the clock runs from now on."""
        self._unwatch = self._kernel.bus.watch(lambda name, _told: self._changed() if name in CHANGES else None)
        self._run(self._clock(), "tak-clock")
        if not await self._listen():
            self._run(self._wait(), "tak-port")

    async def stop(self) -> None:
        """Lets every client go, then seals what passed."""
        self._unwatch()
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.cut("stopped")
        if self._connections:
            self._empty.clear()
            await self._empty.wait()
        for task in tuple(self._tasks):
            if task.get_name().startswith("tak-"):
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.seal()

    def now_ms(self) -> int:
        """The platform's time in milliseconds."""
        return self._kernel.clock.latest_us() // 1000

    async def seal(self) -> None:
        """One leaf for what passed since the last one."""
        passed = self.router.passed()
        if passed.events:
            given = Minute(
                events=passed.events, deliveries=passed.deliveries, connections=passed.connections, refused=passed.refused,
                root=passed.root.hex(),
            )  # fmt: skip
            await self._kernel.perform(
                "operations.tak.seal", msgspec.json.encode(given), self._kernel.system("tak-exchange")
            )

    # -- inside -----------------------------------------------------------------------------------------------------

    async def _listen(self) -> bool:
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(
                lambda: Connection(self.router, self.now_ms, self._admit), self._host or None, self.port, ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_S if self._tls else None, backlog=512,
            )  # fmt: skip
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        self.port = self._server.sockets[0].getsockname()[1]
        return True

    async def _wait(self) -> None:
        log.info("port %d is held by another process; this one stands by", self.port)
        listening = False
        while not listening:
            await asyncio.sleep(AGAIN_S)
            listening = await self._listen()

    async def _clock(self) -> None:
        sealed = monotonic()
        while True:
            await asyncio.sleep(SWEEP_S)
            self.router.sweep()
            if monotonic() - sealed >= MINUTE_S:
                sealed = monotonic()
                try:
                    await self.seal()
                except EgideError as error:
                    log.warning("a minute of TAK exchange is not sealed: %s", error)

    def _admit(self, connection: Connection) -> None:
        self._connections.add(connection)
        connection.on_close(lambda: self._gone(connection))
        self._run(self._decide(connection), "admission")

    async def _decide(self, connection: Connection) -> None:
        """Whose certificate it is, then the act."""
        kernel = self._kernel
        try:
            device = self._device_of(kernel, connection.certificate() or b"")
            person = kernel.identity.person(device.person, kernel.store.reader(), strong=True) if device else None
            if device is None or person is None or len(self._connections) > MAX_CONNECTIONS:
                connection.cut(
                    "unknown device" if len(self._connections) <= MAX_CONNECTIONS else "too many connections"
                )
                return
            connection.known_as(device, person)
            given = msgspec.json.encode(Connect(device=device.id, connection=connection.id))
            outcome = await kernel.perform("operations.tak.connect", given, person, channel=connection)
        except Refused as refusal:
            connection.cut("refused", "; ".join(each["en"] for each in reasons(refusal.decision)))
        except EgideError as error:
            connection.cut("refused", error.what.en)
        else:
            if outcome.effect.started is not None and not connection.closed:
                outcome.effect.started()

    def _gone(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()
        if connection.lease is not None:
            subscriber = connection.subscriber
            self.router.leave(subscriber)
            self._kernel.leases.close(connection.lease.id)
            given = Ended(
                connection=connection.id, why=connection.why, received=subscriber.received, delivered=subscriber.delivered,
                refused=sum(subscriber.refused.values()),
            )  # fmt: skip
            self._run(self._record(given), "ending")

    async def _record(self, given: Ended) -> None:
        kernel = self._kernel
        try:
            await kernel.perform(
                "operations.tak.end", msgspec.json.encode(given), kernel.system("tak-exchange"), cause=given.connection
            )
        except EgideError as error:
            log.warning("the end of TAK connection %s is not in the ledger: %s", given.connection, error)

    def _changed(self) -> None:
        """A right or a roster changed: once for all that changed in this turn of the loop."""
        if not self._stale:
            self._stale = True
            asyncio.get_running_loop().call_soon(self._again)

    def _again(self) -> None:
        """Devices and filters of every connection, as they are now; whether it may go on is for its lease."""
        self._stale = False
        kernel = self._kernel
        db = kernel.store.reader()
        for connection in tuple(self._connections):
            if connection.lease is None or connection.closed:
                continue
            device = self._device_of(kernel, connection.certificate() or b"")
            if device is None or device.id != connection.subscriber.device.id:
                connection.cut("revoked")
                continue
            self.router.refilter(connection.subscriber, groups_now(kernel, db, device.person))

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
