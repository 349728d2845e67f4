"""The running side of federation: mutually authenticated TLS to each partner, framed CoT, counted and sealed each minute.

A frame is TAK's stream frame: 0xBF, the length as a varint, an event's XML as its client sent it; an empty frame says that the
link lives. No loop: only what our own clients sent goes out, never what came from a partner, so an event makes one step; control
messages (`t-x-…`) and what is addressed to somebody by name stay here. A partner's server certificate is good for `serverAuth`;
its devices' are not, so that a device cannot pose as its server.

A link that breaks is called again after 1, 2, 4… seconds, a minute at most. What a slow partner does not take is dropped,
oldest first.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from random import SystemRandom
from typing import TYPE_CHECKING, Any

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy.exc import SQLAlchemyError

from egide.kernel.errors import EgideError
from egide.kernel.limits import Buckets
from egide.kernel.merkle import Frontier, leaf_hash
from egide.operations.tak.authority import Authority
from egide.operations.tak.events import MAX_EVENT, EventError, Head, read_head
from egide.operations.tak.federation import PEERS_CHANGED, Passed, peers
from egide.operations.tak.ports import Contact, Event, Router, router

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.tak")

MAGIC = 0xBF
ORIGIN = "federation:"
TURN = "tak-federation"  # one process of an installation calls its partners
BEAT_S, SILENT_S = 10.0, 30.0  # s between signs of life; without one for so long the link is dead
FIRST_S, LONGEST_S = 1.0, 60.0  # s before a partner is called again
CONNECT_S = 10.0  # s for connection and handshake
MINUTE_S = 60.0  # s between sealed counts
QUEUED = 1000  # frames that wait for a partner
PER_S, AT_ONCE = 500.0, 1000.0  # events taken from one partner
REMEMBERED = 4096  # events that came lately, by hash: the same again is dropped
_jitter = SystemRandom()


def framed(payload: bytes) -> bytes:
    """One frame."""
    head, left = bytearray([MAGIC]), len(payload)
    while left > 0x7F:
        head.append(left & 0x7F | 0x80)
        left >>= 7
    head.append(left)
    return bytes(head) + payload


async def read_frame(reader: asyncio.StreamReader) -> bytes:
    """The next frame's payload. Raises `EventError` for what is none, `IncompleteReadError` at the end."""
    if (await reader.readexactly(1))[0] != MAGIC:
        raise EventError("no frame")
    size = shift = 0
    while True:
        byte = (await reader.readexactly(1))[0]
        size |= (byte & 0x7F) << shift
        shift += 7
        if size > MAX_EVENT or shift > 21:
            raise EventError("a frame that is too long")
        if byte < 0x80:
            return await reader.readexactly(size)


@dataclass(slots=True)
class Count:
    """What passed since the last seal."""

    sent: int = 0
    received: int = 0
    frontier: Frontier = field(default_factory=Frontier)


@dataclass(slots=True, eq=False)
class Link:
    """A connection to a partner."""

    peer: Any
    writer: asyncio.StreamWriter
    queue: deque[bytes] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, event: bytes) -> None:
        """Queues an event."""
        self.queue.append(event)
        if len(self.queue) > QUEUED:
            self.queue.popleft()
        self.wake.set()


class Links:
    """All partners of this process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._peers: dict[str, Any] = {}
        self._links: dict[str, Link] = {}
        self._callers: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._counts: dict[str, Count] = {}
        self._seen: OrderedDict[bytes, None] = OrderedDict()
        self._bucket = Buckets(PER_S, AT_ONCE)
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Takes up the partners there are; listens where the settings say so."""
        kernel = self._kernel
        kernel.things["tak-linked"] = set()
        kernel.bus.turns.want(TURN)
        kernel.bus.watch(lambda name, _told: self._changed.set() if name == PEERS_CHANGED else None)
        found = router(kernel)
        if found is not None:
            found.on_event.append(self.heard)
        await self._renew()
        self._spawn(self._follow())
        self._spawn(self._minutes())

    async def stop(self) -> None:
        """Closes every link; what passed is sealed."""
        for task in (*self._callers.values(), *self._tasks):
            task.cancel()
        await asyncio.gather(*self._callers.values(), *self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        await self.seal()

    @property
    def listening(self) -> bool:
        """Whether partners may call."""
        return self._server is not None

    def heard(self, event: Event, contact: Contact | None) -> None:
        """An event of the router: goes to the partners who may have one of its groups, if one of our own clients sent it."""
        if contact is None:
            return
        wanted = [link for link in self._links.values() if contact.groups & set(link.peer.sends.split())]
        with suppress(EventError):
            if wanted and passes(read_head(event.raw)):
                for link in wanted:
                    link.put(event.raw)

    async def seal(self) -> None:
        """One leaf a partner for what passed since the last one."""
        counts, self._counts = self._counts, {}
        for peer, count in counts.items():
            given = Passed(peer=peer, sent=count.sent, received=count.received, root=count.frontier.root().hex())
            try:
                await self._kernel.perform(
                    "operations.tak.federation.seal", msgspec.json.encode(given), self._kernel.system("tak-data")
                )
            except (EgideError, SQLAlchemyError) as error:
                log.warning("what passed to a partner is not sealed: %s", error)

    # -- partners ---------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._renew()
            except (EgideError, SQLAlchemyError, OSError) as error:
                log.warning("partners are not renewed: %s", error)

    async def _renew(self) -> None:
        """Whoever was revoked is cut off at once, whoever is new is called or may call."""
        kernel = self._kernel
        self._peers = {row.id: row for row in peers(kernel.store.reader())}
        for id_, link in tuple(self._links.items()):
            if id_ not in self._peers:
                link.writer.transport.abort()
        for id_, task in tuple(self._callers.items()):
            if id_ not in self._peers:
                self._callers.pop(id_).cancel()
                del task
        for id_, row in self._peers.items():
            if row.host and id_ not in self._callers:
                self._callers[id_] = asyncio.create_task(self._call(row), name=f"federation-{id_}")
        await self._listen()

    async def _listen(self) -> None:
        settings = self._kernel.settings
        if self._server is not None:
            self._server.close()
            self._server = None
        if settings.tak_federation_port and self._peers:
            context = await asyncio.to_thread(self._context, None)
            self._server = await asyncio.start_server(
                self._taken, settings.host, settings.tak_federation_port, ssl=context, ssl_handshake_timeout=CONNECT_S, reuse_port=True,
                limit=2 * MAX_EVENT,
            )  # fmt: skip

    def _context(self, peer: Any) -> ssl.SSLContext:
        """TLS to one partner, or (None) from any of them. Both sides show their server certificate."""
        authority = Authority.of(self._kernel)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if peer is None else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(authority.folder / "server.pem", authority.folder / "server.key")
        for row in self._peers.values() if peer is None else (peer,):
            context.load_verify_locations(cadata=bytes(row.authority))
        return context

    async def _call(self, peer: Any) -> None:
        """Calls a partner, again and again."""
        wait = FIRST_S
        while True:
            if self._kernel.bus.turns.mine(TURN) and peer.id not in self._links:
                try:
                    context = await asyncio.to_thread(self._context, peer)
                    async with asyncio.timeout(CONNECT_S):
                        streams = await asyncio.open_connection(
                            peer.host, peer.port, ssl=context, server_hostname=peer.host, limit=2 * MAX_EVENT
                        )
                    wait = FIRST_S
                    await self._run(peer, *streams)
                except (OSError, TimeoutError, EgideError, ValueError) as error:
                    log.info("partner %s is not reached, called again in %.0f s: %s", peer.id, wait, error)
                await asyncio.sleep(wait * _jitter.uniform(0.5, 1.0))
                wait = min(2 * wait, LONGEST_S)
            else:
                await asyncio.sleep(FIRST_S)

    async def _taken(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A partner calls: which one, its certificate says."""
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        peer = self._whose(der)
        if peer is None or peer.id in self._links:
            writer.transport.abort()
            return
        await self._run(peer, reader, writer)

    def _whose(self, der: bytes) -> Any:
        certificate = x509.load_der_x509_certificate(der)
        try:
            uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return None
        if ExtendedKeyUsageOID.SERVER_AUTH not in uses:
            return None
        for row in self._peers.values():
            with suppress(ValueError, TypeError, InvalidSignature):
                certificate.verify_directly_issued_by(x509.load_der_x509_certificate(bytes(row.authority)))
                return row
        return None

    # -- one link ---------------------------------------------------------------------------------------------------

    async def _run(self, peer: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(peer, writer)
        if peer.id in self._links or peer.id not in self._peers:
            writer.transport.abort()
            return
        self._links[peer.id] = link
        self._kernel.things["tak-linked"].add(peer.id)
        sending = asyncio.create_task(self._send(link))
        try:
            while True:
                async with asyncio.timeout(SILENT_S):
                    payload = await read_frame(reader)
                if payload:
                    self._received(peer, payload)
        except (OSError, TimeoutError, EventError, asyncio.IncompleteReadError) as error:
            log.info("link to partner %s ended: %s", peer.id, error)
        finally:
            self._links.pop(peer.id, None)
            self._kernel.things["tak-linked"].discard(peer.id)
            sending.cancel()
            writer.transport.abort()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, link: Link) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await link.wake.wait()
            link.wake.clear()
            if not link.queue:
                link.writer.write(framed(b""))
            while link.queue:
                event = link.queue.popleft()
                link.writer.write(framed(event))
                self._count(link.peer.id, event, sent=1)
                await link.writer.drain()

    def _received(self, peer: Any, event: bytes) -> None:
        digest, out = sha256(event).digest(), router(self._kernel)
        receives = frozenset(peer.receives.split())
        if digest in self._seen or not receives or out is None or not self._bucket.take(peer.id):
            return
        with suppress(EventError):
            if not passes(read_head(event)):
                return
            self._seen[digest] = None
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
            self._count(peer.id, event, received=1)
            self._show(out, peer, event, receives)

    @staticmethod
    def _show(out: Router, peer: Any, event: bytes, groups: frozenset[str]) -> None:
        try:
            out.publish(event, groups=groups, origin=ORIGIN + peer.id)
        except Exception as error:  # noqa: BLE001 — whatever the router refuses (a thing of our own, say), the link goes on
            log.info("an event of partner %s is not shown: %s", peer.id, error)

    def _count(self, peer: str, event: bytes, *, sent: int = 0, received: int = 0) -> None:
        count = self._counts.setdefault(peer, Count())
        count.sent += sent
        count.received += received
        count.frontier.extend([leaf_hash(event)])

    async def _minutes(self) -> None:
        while True:
            await asyncio.sleep(MINUTE_S)
            await self.seal()

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def passes(head: Head) -> bool:
    """Whether an event may go from one installation to another: it is for all of its groups, and no control message."""
    return not head.addressed and not head.type.startswith("t-x-")
