"""NATS JetStream between the processes of an installation (server 2.9 or newer, nats-py).

One stream a realm, on disk; one message an event: its subject is the event's name, its body the number and the act's id — no
payload, the outbox has it (kernel/transport.py). `Nats-Msg-Id` is `<realm>/<seq>/<act>`, so that what is sent again within two
minutes is stored once (the act's id tells a restored outbox's numbers from those of before). One durable pull consumer a
listener, explicit acknowledgement after the effect is stored. The server may be away for any time: every wait ends, the
client tries again for ever, and after each connection a listener first hears what the outbox has.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from typing import Any

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import NotFoundError

from egide.kernel.errors import Text, Unavailable
from egide.kernel.transport import IDLE_S, LOOK_S, RETRY_S, Sent, Subscription, end
from egide.kernel.waiting import came

log = logging.getLogger("egide.nats")

PULL = 500  # messages asked for at a time
EXPIRES_S = 2.0  # s a request for messages stands
ACK_WAIT_S = 20.0  # s after which what was not acknowledged comes again
WAIT_S = 3.0  # s any answer may take
HINT_S = 0.01  # s between two hints
AGAIN_S: Any = 0.2  # s between attempts to connect; the client's own annotation says int, any number will do
PING_S = 1  # s; a server that does not answer two of them is away
AGAIN_NS = 1_000_000_000  # ns until what could not be handled comes again
DUPLICATES_S = 120.0  # s; the server's default window
_UNSAFE = re.compile(r"[^A-Za-z0-9-]")
_AWAY = Text(
    "Le serveur NATS ne répond pas. Les actes continuent ; leurs suites attendent, en ordre, et viendront dès son retour.",
    "The NATS server does not answer. Acts go on; what follows from them waits, in order, and will come when it is back.",
)


class NatsTransport:
    """The `Transport` over JetStream."""

    relays = True

    def __init__(self, url: str, realm: str) -> None:
        self._url = url
        self._realm = realm
        word = _UNSAFE.sub("_", realm)
        self.stream = f"EGIDE_{word}"
        self._subject = f"egide.{word}.event."
        self._wakes = f"egide.{word}.wake."
        self._carries = f"egide.{word}.carry."
        self._me = secrets.token_hex(8)
        self._inbox = f"_INBOX.egide.{self._me}"
        self._client = Client()
        self._ready = asyncio.Event()  # connected, and the stream is there
        self._session = 0  # grows with every connection
        self._callbacks: list[Callable[[], None]] = []
        self._carried: list[Callable[[bytes], None]] = []
        self._pulls: list[_Pull] = []
        self._acks: dict[str, _Acks] = {}
        self._publications = 0
        self._hinting: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- the protocol -------------------------------------------------------------------------------------------------

    def subscribe(self, subscription: Subscription) -> None:
        """As the protocol says."""
        self._pulls.append(_Pull(self, subscription))

    def wake(self, callback: Callable[[], None]) -> None:
        """As the protocol says."""
        self._callbacks.append(callback)

    async def start(self) -> None:
        """Connects in the background: the platform starts whether the server is there or not."""
        self._spawn(self._connect(), "nats")
        for pull in self._pulls:
            self._spawn(pull.run(), pull.subscription.consumer)

    async def stop(self) -> None:
        """Leaves; what was not acknowledged comes again."""
        if self._hinting is not None:
            self._hinting.cancel()
        await end(tuple(self._tasks))
        with suppress(NatsError, OSError, TimeoutError, asyncio.CancelledError):
            await asyncio.wait_for(self._client.close(), WAIT_S)

    async def publish(self, batch: Sequence[Sent]) -> Awaitable[None]:
        """As the protocol says. Raises `Unavailable`."""
        if self.trouble() is not None:
            raise Unavailable(_AWAY)
        self._publications += 1
        reply = f"{self._inbox}.ack.{self._publications}"
        acks = self._acks[reply] = _Acks(len(batch))
        acks.future.add_done_callback(lambda _future: self._acks.pop(reply, None))
        try:
            for seq, name, entry in batch:
                headers = {"Nats-Msg-Id": f"{self._realm}/{seq}/{entry}"}
                await self._client.publish(self._subject + name, b"%d %s" % (seq, entry.encode()), reply, headers)
        except (NatsError, OSError) as error:
            acks.future.cancel()
            raise Unavailable(_AWAY) from error
        return acks.future

    def hint(self) -> None:
        """Tells the others, at most once in `HINT_S`."""
        if self._hinting is None and self._ready.is_set():
            self._hinting = asyncio.get_running_loop().call_later(HINT_S, self._hint)

    def carry(self, data: bytes) -> None:
        """On a plain subject, which no stream stores."""

        async def tell() -> None:
            with suppress(NatsError, OSError):
                await self._client.publish(self._carries + self._me, data)

        if self.trouble() is None:
            self._spawn(tell(), "nats-carry")

    def carried(self, callback: Callable[[bytes], None]) -> None:
        """As the protocol says."""
        self._carried.append(callback)

    def nudge(self, names: Collection[str]) -> None:
        """The relay is nudged by the bus; listeners wait for messages."""

    async def trim(self) -> None:
        """Removes from the stream what every listener has acknowledged. Raises `Unavailable`."""
        if self.trouble() is not None:
            return
        try:
            manager = self._client.jsm()
            last = (await manager.stream_info(self.stream)).state.last_seq
            floor = last
            for pull in self._pulls:
                told = await manager.consumer_info(self.stream, pull.durable)
                if told.num_pending or told.num_ack_pending:
                    floor = min(floor, told.ack_floor.stream_seq if told.ack_floor else 0)
            if floor:
                await manager.purge_stream(self.stream, seq=floor + 1)
        except (NatsError, OSError, TimeoutError) as error:
            raise Unavailable(_AWAY) from error

    def trouble(self) -> Text | None:
        """As the protocol says."""
        return None if self._ready.is_set() and self._client.is_connected else _AWAY

    # -- the connection -----------------------------------------------------------------------------------------------

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> None:
        async def away() -> None:
            self._lost()

        async def back() -> None:
            self._spawn(self._prepare(), "nats-prepare")

        async def quiet(error: Exception) -> None:
            log.info("nats: %s", repr(error))

        while True:
            try:
                await self._client.connect(
                    self._url, name="egide", max_reconnect_attempts=-1, reconnect_time_wait=AGAIN_S, connect_timeout=2,
                    ping_interval=PING_S, max_outstanding_pings=2, error_cb=quiet, disconnected_cb=away, reconnected_cb=back,
                )  # fmt: skip
                break
            except (NatsError, OSError, TimeoutError) as error:
                log.warning("nats: %s", error)
                await asyncio.sleep(RETRY_S)
        await self._client.subscribe(f"{self._inbox}.ack.*", cb=self._acknowledged)
        await self._client.subscribe(f"{self._wakes}*", cb=self._woken)
        await self._client.subscribe(f"{self._carries}*", cb=self._brought)
        for number, pull in enumerate(self._pulls):
            pull.inbox = f"{self._inbox}.pull.{number}"
            await self._client.subscribe(pull.inbox, cb=pull.take)
        await self._prepare()

    def _lost(self) -> None:
        self._ready.clear()
        for acks in tuple(self._acks.values()):
            acks.fail(Unavailable(_AWAY))

    async def _prepare(self) -> None:
        """Makes the stream and the consumers where they are not; again until it succeeds or the connection is lost."""
        while self._client.is_connected:
            try:
                await asyncio.wait_for(self._make(), WAIT_S * 4)
            except (NatsError, OSError, TimeoutError) as error:
                log.warning("nats: %s", repr(error))
                await asyncio.sleep(LOOK_S)
                continue
            self._session += 1
            self._ready.set()
            return

    async def _make(self) -> None:
        manager = self._client.jsm(timeout=WAIT_S)
        try:
            await manager.stream_info(self.stream)
        except NotFoundError:
            await manager.add_stream(
                StreamConfig(
                    name=self.stream, subjects=[self._subject + ">"], storage=StorageType.FILE,
                    retention=RetentionPolicy.LIMITS, duplicate_window=DUPLICATES_S,
                )
            )  # fmt: skip
        for pull in self._pulls:
            await manager.add_consumer(
                self.stream,
                ConsumerConfig(
                    durable_name=pull.durable, deliver_policy=DeliverPolicy.ALL, ack_policy=AckPolicy.EXPLICIT,
                    ack_wait=ACK_WAIT_S, filter_subject=self._subject + pull.subscription.event, max_ack_pending=PULL * 4,
                ),
            )  # fmt: skip

    async def _acknowledged(self, message: Msg) -> None:
        acks = self._acks.get(message.subject)
        if acks is None:
            return
        if message.data and b'"error"' not in message.data:
            acks.one()
        else:  # no stream there, or it is full
            acks.fail(Unavailable(_AWAY))

    async def _woken(self, message: Msg) -> None:
        if not message.subject.endswith(self._me):
            for callback in self._callbacks:
                callback()

    async def _brought(self, message: Msg) -> None:
        if not message.subject.endswith(self._me):
            for callback in self._carried:
                callback(message.data)

    def _hint(self) -> None:
        self._hinting = None

        async def tell() -> None:
            with suppress(NatsError, OSError):
                await self._client.publish(self._wakes + self._me)

        if self.trouble() is None:
            self._spawn(tell(), "nats-hint")

    # -- for the pulls ------------------------------------------------------------------------------------------------

    @property
    def session(self) -> int:
        """Which connection this is; 0 while there is none."""
        return self._session if self.trouble() is None else 0

    async def send(self, subject: str, data: bytes, reply: str = "") -> None:
        """A plain message."""
        await self._client.publish(subject, data, reply)


class _Acks:
    """What one publication waits for."""

    __slots__ = ("future", "left")

    def __init__(self, left: int) -> None:
        self.left = left
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def one(self) -> None:
        self.left -= 1
        if self.left == 0 and not self.future.done():
            self.future.set_result(None)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # whoever waits hears it; nobody waiting is no fault


class _Pull:
    """One listener's durable consumer: asks for messages while it is this process's turn, acknowledges what is stored."""

    def __init__(self, transport: NatsTransport, subscription: Subscription) -> None:
        self.subscription = subscription
        self.durable = _UNSAFE.sub("_", subscription.consumer.replace(".", "-"))
        self.inbox = ""
        self._transport = transport
        self._messages: deque[Msg] = deque()
        self._news = asyncio.Event()
        self._expected = 0  # messages that the standing request may still bring

    async def take(self, message: Msg) -> None:
        """A message of the consumer, or the end of a request."""
        if message.reply:
            self._messages.append(message)
            self._expected -= 1
        else:
            self._expected = 0  # 404, 408, 409: the request is over
        self._news.set()

    async def run(self) -> None:
        """For ever."""
        session = 0
        while True:
            if not self.subscription.mine() or not self._transport.session:
                self._messages.clear()  # they come again, to whoever's turn it is
                session = 0
                await asyncio.sleep(IDLE_S)
                continue
            try:
                if (
                    session != self._transport.session
                ):  # ours anew: whatever the stream lost or holds back is in the outbox
                    session, self._expected = self._transport.session, 0
                    if await self.subscription.handle(None) is None:
                        session = 0
                        await asyncio.sleep(RETRY_S)
                        continue
                await self._turn()
            except (NatsError, OSError) as error:
                log.info("nats: %s: %s", self.subscription.consumer, repr(error))
                await asyncio.sleep(IDLE_S)

    async def _turn(self) -> None:
        transport = self._transport
        if self._expected <= PULL // 2 and not self._messages:
            ask = {"batch": PULL, "expires": int(EXPIRES_S * 1e9)}
            subject = f"$JS.API.CONSUMER.MSG.NEXT.{transport.stream}.{self.durable}"
            self._expected = PULL
            await transport.send(subject, json.dumps(ask).encode(), self.inbox)
        if not self._messages:
            self._news.clear()
            if not await came(self._news, EXPIRES_S + LOOK_S):
                self._expected = 0
            return
        messages = [self._messages.popleft() for _ in range(min(PULL, len(self._messages)))]
        numbers = [_number(message.data) for message in messages]
        done = await self.subscription.handle(max(numbers))
        answer = b"+ACK" if done is not None else b'-NAK {"delay": %d}' % AGAIN_NS
        for message in messages:
            await transport.send(message.reply, answer)
        if done is None:
            await asyncio.sleep(RETRY_S)


def _number(body: bytes) -> int:
    """The number of an event; 0 for what is not ours. It only says how far to look: the outbox says what is there."""
    digits = body[:20].partition(b" ")[0]
    return int(digits) if digits.isdigit() else 0
