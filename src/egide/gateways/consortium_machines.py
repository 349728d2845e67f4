"""What runs the consortium's contract for this house: an authority on a chain of the members' own, or a contract on a node.

Of several processes of one platform, one is the authority, and the others read the blocks that it keeps: who holds the lock of
the chain's folder says words in the member's name. When it ends, the next that looks takes its place. One that fails in a process
that lives lets go of the lock, is told, and is opened anew from its disk after a while (consortium_again.py).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Protocol

from egide.border.ledger.authority import Authority
from egide.border.ledger.ballots import Ballot
from egide.border.ledger.chain import BadBlock, Chain
from egide.border.ledger.contract import Value, answer, calldata
from egide.border.ledger.embedded import EmbeddedLedger
from egide.border.ledger.evm import EvmLedger, Node
from egide.border.ledger.messages import decode_certified
from egide.border.ledger.model import Key, Ledger, Role, address_of
from egide.border.ledger.tcp import TcpTransport
from egide.border.ledger.view import TrustView, look
from egide.gateways.consortium_again import Again, Shared, Store
from egide.gateways.consortium_files import OfChain
from egide.kernel.errors import Conflict, Text, Unavailable
from egide.kernel.lock import held

log = logging.getLogger("egide.consortium")

DEAD_S = 10.0  # s without a tick of the authority's loop, which makes ten a second (tcp.TICK_S)
LOCK = "authority.lock"  # in the chain's folder; held by who speaks for the member
_DEAF = Text("l’adresse d’écoute est prise ou interdite", "the listening address is taken or not allowed")


class Account(Node, Protocol):
    """A node with an account that pays, and can create the contract."""

    account: bytes

    def deploy(self, code: bytes) -> bytes:
        """Creates a contract; gives its address."""

    def latest(self) -> tuple[int, int]:
        """The number of the last block, and its time (s since 1970)."""


class Machine(Protocol):
    """Where the contract is, for one member."""

    me: bytes

    @property
    def names(self) -> Mapping[bytes, str]:
        """What people call members, by address, as far as it is known."""

    def ballots(self) -> tuple[Ballot, ...] | None:
        """The open votes; None where they cannot be known."""

    def read(self, name: str, *arguments: Value) -> tuple[Value, ...]:
        """What the contract answers to a read. Raises `Unavailable`."""

    def trusted(self, kid: str, role: Role, at: int) -> Key | None:
        """As `Ledger`; at once, whatever the network does: gates ask it."""

    def writer(self) -> Ledger:
        """The ledger that writes for the member. Raises `Unavailable` where this process is not the one, or cannot yet."""

    def step(self) -> None:
        """To be called every few seconds, in a thread: takes up what others left, fetches what changed."""

    def trouble(self) -> Text | None:
        """What is not as it should be."""

    def close(self) -> None:
        """Ends it."""


class OwnChain:
    """An authority of the members' own chain, or a reader of its blocks. `clock` gives s since 1970. Raises `StartupError`."""

    def __init__(self, given: OfChain, store: Store, clock: Callable[[], float]) -> None:
        self._given, self._clock = given, clock
        self.me, self.names = address_of(given.key.public_key().public_bytes_raw()), given.names
        self._store = Shared(store)
        self.chain = Chain(given.genesis, self._store)
        self._transport = TcpTransport(given.listen, given.peers)
        self.authority: Authority | None = None
        self._ledger: EmbeddedLedger | None = None
        self._lock: int | None = None
        self._deaf = False
        self.elsewhere = False  # another process speaks for the member
        self._again = Again()
        self._ended = False  # it failed here, and is not back yet
        self._beat = 0.0  # when the authority's loop last asked for the time

    def read(self, name: str, *arguments: Value) -> tuple[Value, ...]:
        """From this process's own machine, up to the last block that is on the disk."""
        with self._transport.guard:
            self._follow()
            return self.chain.machine.read(name, *arguments)

    def ballots(self) -> tuple[Ballot, ...] | None:
        """As the blocks say."""
        with self._transport.guard:
            self._follow()
            return self.chain.ballots.open()

    def trusted(self, kid: str, role: Role, at: int) -> Key | None:
        """From the last block on; None for a house that was voted out: it hears no more of what is removed."""
        with self._transport.guard:
            self._follow()
            return None if self.chain.key(self.me) is None else self.chain.reading.trusted(kid, role, at)

    def writer(self) -> Ledger:
        """The authority's. Raises `Unavailable` in a process that is none, and while an earlier call waits."""
        if self._ledger is None or not self._transport.running:
            raise Unavailable(self._why_silent())
        if self.authority is not None and len(self.authority.pool):
            raise Unavailable(
                Text("Une écriture attend encore les autres autorités.", "A write still waits for the other authorities."),
                Text("Vérifiez le réseau du consortium.", "Check the consortium’s network."),
            )  # fmt: skip
        return self._ledger

    def step(self) -> None:
        """Becomes the authority where nobody is; one that ended here is opened anew once its time has come."""
        if self._ledger is not None:
            if self._transport.running:
                return
            self._give_up()
        if not self._again.may(monotonic()):
            return
        try:
            self._take_over()
        except Exception:
            # Whatever it is, the platform goes on without its authority, and tries again later.
            log.exception("the authority does not start; it is tried again")
            self._give_up()

    def _take_over(self) -> None:
        if self._ended:  # what it held in memory is not to be trusted; gates read it until this is ready
            chain = Chain(self._given.genesis, self._store)
            with self._transport.guard:
                self.chain = chain
        self.elsewhere = not self._locked()
        if self.elsewhere:
            self._ended = False
            return
        with self._transport.guard:
            self._follow()
            self._store.writes = True
            authority = Authority(self.chain, self.me, self._given.key, self._transport)
        try:
            self._beat = monotonic()
            self._transport.start(authority, self._ticked)
        except OSError:
            self._deaf = True
            self._unlock()
            return
        with self._transport.guard:
            self._deaf, self.authority = False, authority
            self._ledger = EmbeddedLedger(authority, self._clock, self._transport.settle, self._transport.guard)
        self._again.runs(monotonic())
        if self._ended:
            log.warning("the authority runs again")
        self._ended = False

    def _give_up(self) -> None:
        """Lets go of the lock, so that another process may take its place meanwhile."""
        self._transport.stop()
        with self._transport.guard:
            self._ledger = self.authority = None
            self._unlock()
        self._ended, self._deaf = True, False
        self._again.failed(monotonic())

    def _why_silent(self) -> Text:
        if self._ended or self._ledger is not None:
            return self._again.told(monotonic())
        if self._deaf:
            return _DEAF
        return Text("Un autre processus parle pour cette autorité.", "Another process speaks for this authority.")

    def trouble(self) -> Text | None:
        """Not a member, not listening, or without the others since its start."""
        with self._transport.guard:
            member = self.chain.key(self.me) is not None
            alone = self.authority is not None and not self.authority.joined
        if not member:
            return Text("cette clé n’est celle d’aucun membre", "this key is no member’s")
        if self._ended or (self._ledger is not None and not self._transport.running):
            return self._again.told(monotonic())
        if self._deaf:
            return _DEAF
        if alone:
            return Text("les autres autorités ne répondent pas", "the other authorities do not answer")
        if self.authority is not None and monotonic() - self._beat > DEAD_S:  # a disk hangs; a thread cannot be ended
            return Text("l’autorité ne tourne plus : redémarrez", "the authority runs no more: start again")
        return None

    def close(self) -> None:
        """Hangs up, and lets another process speak."""
        self._transport.stop()
        with self._transport.guard:
            self._ledger = self.authority = None
            self._unlock()
            self._store.close()

    def _ticked(self) -> float:
        self._beat = monotonic()
        return self._clock()

    def _follow(self) -> None:
        """Takes the blocks that the authority of another process added."""
        if self.authority is not None:
            return
        try:
            for data in self._store.blocks(self.chain.height + 1):
                self.chain.take(decode_certified(data))
        except ValueError as error:  # WireError, BadBlock
            kind = "block" if isinstance(error, BadBlock) else "bytes"
            raise Unavailable(
                Text(f"La chaîne sur le disque est altérée ({kind}).", f"The chain on the disk was altered ({kind})."),
                Text("Mettez consortium.db de côté et redémarrez.", "Put consortium.db aside and start again."),
            ) from error

    def _locked(self) -> bool:
        self._lock = held(self._given.folder / LOCK)
        return self._lock is not None

    def _unlock(self) -> None:
        self._store.writes = False
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


class OnNode:
    """A contract on an EVM node; gates go by a copy of its trust list (ledger/view.py), which `step` keeps new."""

    def __init__(self, node: Node, me: bytes, clock: Callable[[], float]) -> None:
        self._node, self.me, self._clock = node, me, clock
        self.names: Mapping[bytes, str] = {}
        self._ledger = EvmLedger(node)
        self._view: TrustView | None = None
        self._fault: Text | None = None

    def read(self, name: str, *arguments: Value) -> tuple[Value, ...]:
        """Asks the node."""
        return answer(name, self._node.call(calldata(name, *arguments)))

    def ballots(self) -> tuple[Ballot, ...] | None:
        """A node keeps no list of them."""
        return None

    def trusted(self, kid: str, role: Role, at: int) -> Key | None:
        """From the copy, while it is no older than `view.MAX_AGE_S`."""
        return None if self._view is None else self._view.trusted(kid, role, at)

    def writer(self) -> Ledger:
        """The node's."""
        return self._ledger

    def step(self) -> None:
        """Fetches the trust list where anything was written since."""
        now = int(self._clock())
        try:
            if self._view is None or self._view.state != self._ledger.state():
                self._view = look(self._ledger, now)
            else:
                view = self._view
                self._view = TrustView(now, view.revision, view.state, view.keys, view.statuses)
            self._fault = None
        except (Unavailable, Conflict) as error:
            self._fault = error.what

    def trouble(self) -> Text | None:
        """What the last look ended with."""
        return self._fault

    def close(self) -> None:
        """Nothing is open."""
