"""The ledger of this house's own authority: reads from its machine, writes through a block that the others sign too."""

from __future__ import annotations

from collections.abc import Callable

from egide.border.ledger.authority import Authority
from egide.border.ledger.contract import Value
from egide.border.ledger.model import Role, kid_of, kid_word
from egide.border.ledger.reading import Reading
from egide.kernel.errors import Text, Unavailable

Settle = Callable[[Callable[[], bool]], bool]
"""Lets the authorities talk until what is given holds; False where it gave up waiting."""


class EmbeddedLedger(Reading):
    """`Ledger` (model.py) over an authority of this process. `clock` gives seconds since 1970."""

    name = "embedded"

    def __init__(self, authority: Authority, clock: Callable[[], float], settle: Settle) -> None:
        super().__init__(authority.chain.machine.read)
        self._authority, self._clock, self._settle = authority, clock, settle

    def add_key(self, x: bytes, y: bytes, role: Role, since: int, until: int) -> str:
        """Trusts a key of this member's; gives its kid."""
        self._write("add_key", x, y, role, since, until)
        return kid_of(x, y)

    def remove_key(self, kid: str, role: Role) -> None:
        """Ends the trust in a key of this member's, at once."""
        self._write("remove_key", kid_word(kid), role)

    def put_status(self, kid: str, digest: bytes, sequence: int) -> None:
        """Says the digest of a status list that this member issues; once a minute at most."""
        self._write("put_status", kid_word(kid), digest, sequence)

    def checkpoint(self, root: bytes, size: int) -> None:
        """Anchors the root of this member's audit log; once an hour at most."""
        self._write("put_checkpoint", root, size)

    def erasure_root(self, root: bytes, size: int) -> None:
        """Anchors the root of this member's erasure receipts; once an hour at most."""
        self._write("put_erasure", root, size)

    def vote(self, address: bytes, key: bytes | None) -> None:
        """For a new member with this key, or (None) for one to leave."""
        self._write("vote", address, key or bytes(32))

    def _write(self, name: str, *arguments: Value) -> None:
        chain, me = self._authority.chain, self._authority.me
        nonce = self._authority.call(name, *arguments, now=self._clock())
        if not self._settle(lambda: chain.nonces.get(me, 0) >= nonce):
            raise Unavailable(
                Text(
                    "Les autres autorités n’ont pas signé à temps : l’écriture attend encore.",
                    "The other authorities did not sign in time: the write is still waiting.",
                ),
                Text("Vérifiez le réseau du consortium.", "Check the consortium’s network."),
            )
