"""Authorities of one process joined by queues: for demonstrations, and for tests, which cut the wire and turn words over."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from egide.border.ledger.authority import Authority

QUEUE = 10_000  # messages under way; a wire that is full loses the oldest, as any network does


class End:
    """What one authority is given of the wire (`Transport`)."""

    def __init__(self, wire: Wire, me: bytes) -> None:
        self._wire, self._me = wire, me

    def send(self, to: bytes, data: bytes) -> None:
        """Under way until the wire runs."""
        self._wire.put(self._me, to, data)


class Wire:
    """Delivers when it is told to. `cut` holds the members that nobody reaches."""

    def __init__(self) -> None:
        self.cut: set[bytes] = set()
        self._under_way: deque[tuple[bytes, bytes, bytes]] = deque(maxlen=QUEUE)
        self._authorities: dict[bytes, Authority] = {}

    def end(self, me: bytes) -> End:
        """The end for the authority with this address."""
        return End(self, me)

    def join(self, authorities: Iterable[Authority]) -> None:
        """These hear from now on; one of a known address takes the other's place."""
        self._authorities |= {each.me: each for each in authorities}

    def leave(self, me: bytes) -> None:
        """This one hears no more."""
        self._authorities.pop(me, None)

    def put(self, sender: bytes, to: bytes, data: bytes) -> None:
        """Takes a message, unless one of the two is cut off."""
        if not {sender, to} & self.cut:
            self._under_way.append((sender, to, data))

    def run(self, now: float) -> None:
        """Delivers all that is under way, and what is said in answer."""
        while self._under_way:
            sender, to, data = self._under_way.popleft()
            if to in self._authorities and not {sender, to} & self.cut:
                self._authorities[to].receive(data, sender, now)

    def tick(self, now: float) -> None:
        """Time passes for all, and what is said is delivered."""
        for authority in list(self._authorities.values()):
            authority.tick(now)
        self.run(now)
