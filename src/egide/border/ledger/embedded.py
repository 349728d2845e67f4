"""The ledger of this house's own authority: reads from its machine, writes through a block that the others sign too."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from egide.border.ledger.authority import Authority
from egide.border.ledger.contract import Value
from egide.border.ledger.errors import LedgerRefused
from egide.border.ledger.writing import Writing
from egide.kernel.errors import Text, Unavailable

Settle = Callable[[Callable[[], bool]], object]
"""Lets the authorities talk until what is given holds, or until it gives up waiting."""


class EmbeddedLedger(Writing):
    """`Ledger` (model.py) over an authority of this process. `clock` gives seconds since 1970.

    `guard` is held while the authority is touched: for one that runs in a thread of its own (tcp.py).
    """

    name = "embedded"

    def __init__(
        self,
        authority: Authority,
        clock: Callable[[], float],
        settle: Settle,
        guard: AbstractContextManager[object] | None = None,
    ) -> None:
        super().__init__(self._ask)
        self._authority, self._clock, self._settle = authority, clock, settle
        self._guard = guard or nullcontext()

    def _ask(self, name: str, *arguments: Value) -> tuple[Value, ...]:
        with self._guard:
            return self._authority.chain.machine.read(name, *arguments)

    def _write(self, name: str, *arguments: Value) -> None:
        authority = self._authority
        with self._guard:
            signed = authority.call(name, *arguments, now=self._clock())
        self._settle(lambda: not authority.waits(signed))
        with self._guard:
            made, waits = authority.chain.made(signed), authority.waits(signed)
        if made:
            return
        if not waits:  # another call of this member's took its number, or the contract refuses it by now
            raise LedgerRefused("nonce")
        raise Unavailable(
            Text(
                "Les autres autorités n’ont pas signé à temps : l’écriture attend encore.",
                "The other authorities did not sign in time: the write is still waiting.",
            ),
            Text("Vérifiez le réseau du consortium.", "Check the consortium’s network."),
        )
