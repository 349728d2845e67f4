"""Four authorities on one wire, with a clock that the tests move."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from egide.border.ledger.authority import Authority
from egide.border.ledger.chain import Chain
from egide.border.ledger.embedded import EmbeddedLedger
from egide.border.ledger.messages import Genesis, Message, encode, sign
from egide.engines.chain_store import SqliteChainStore
from tests.border.ledger.lossy import LossyWire
from tests.border.ledger.parties import START, member, members, signing_key

STEP_S = 0.25  # s between two ticks
TRIES = 400


class Consortium:
    """`authorities[n]` is member n; each has its folder under `place`."""

    def __init__(self, place: Path, count: int = 4) -> None:
        self.place, self.now = place, float(START)
        self.genesis = Genesis(members(count), START)
        self.wire = LossyWire()
        self._stores: dict[int, SqliteChainStore] = {}
        self.authorities: dict[int, Authority] = {}
        for number in range(count):
            self.start(number)

    def start(self, number: int) -> Authority:
        """Opens, or opens anew, what lies in this member's folder."""
        self.stop(number)
        store = self._stores[number] = SqliteChainStore(self.place / str(number))
        address = member(number).address
        made = Authority(Chain(self.genesis, store), address, signing_key(number), self.wire.end(address))
        self.authorities[number] = made
        self.wire.join([made])
        return made

    def stop(self, number: int) -> None:
        """As a killed process: what is on its disk stays."""
        if number in self._stores:
            self._stores.pop(number).close()
            self.wire.leave(self.authorities.pop(number).me)

    def backup(self, number: int, to: Path) -> None:
        """Copies a stopped member's folder."""
        shutil.copytree(self.place / str(number), to)

    def restore(self, number: int, source: Path) -> None:
        """Puts a copy in its place."""
        shutil.rmtree(self.place / str(number))
        shutil.copytree(source, self.place / str(number))

    def ledger(self, number: int) -> EmbeddedLedger:
        return EmbeddedLedger(self.authorities[number], lambda: self.now, self.settle)

    def settle(self, done: Callable[[], bool]) -> bool:
        """Lets time pass and all talk until it is so."""
        for _ in range(TRIES):
            self.wire.run(self.now)
            if done():
                return True
            self.now += STEP_S
            self.wire.tick(self.now)
        return done()

    def agreed(self) -> bool:
        return (
            len(
                {(each.chain.height, each.chain.head, each.chain.reading.state()) for each in self.authorities.values()}
            )
            == 1
        )

    def highest(self) -> int:
        return max(each.chain.height for each in self.authorities.values())

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.wire.tick(self.now)

    def forge(self, number: int, message: Message, to: int) -> None:
        """A word in this member's name and with its key, straight to another."""
        address = member(number).address
        signed = sign(message, self.genesis.name(), address, signing_key(number))
        self.authorities[to].receive(encode(signed), address, self.now)

    def close(self) -> None:
        for number in list(self._stores):
            self.stop(number)

    def faults(self, number: int) -> set[tuple[str, int]]:
        """What this member knows against whom: kind, and the member's number."""
        numbers = {member(each).address: each for each in range(13)}
        return {(each.kind, numbers[each.by]) for each in self.authorities[number].faults}
