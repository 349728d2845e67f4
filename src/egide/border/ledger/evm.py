"""The ledger on any EVM node: the same contract, the same words, another machine."""

from __future__ import annotations

from typing import Protocol

from egide.border.ledger.contract import Value, answer, calldata, reason
from egide.border.ledger.errors import LedgerRefused
from egide.border.ledger.writing import Writing
from egide.kernel.errors import Text, Unavailable


class Node(Protocol):
    """A node, seen from one account, for one contract (engines/evm_node.py)."""

    def call(self, data: bytes) -> bytes:
        """What the contract answers to a read."""

    def send(self, data: bytes) -> bytes | None:
        """Makes a call; not None: the contract refused, and gave this back."""


class EvmLedger(Writing):
    """`Ledger` (model.py) over a node; the account's address is the member's."""

    name = "evm"

    def __init__(self, node: Node) -> None:
        self._node = node
        super().__init__(self._ask)

    def _ask(self, name: str, *arguments: Value) -> tuple[Value, ...]:
        try:
            return answer(name, self._node.call(calldata(name, *arguments)))
        except ValueError as error:
            raise Unavailable(
                Text("À cette adresse, le contrat est un autre.", "At this address, the contract is another one.")
            ) from error

    def _write(self, name: str, *arguments: Value) -> None:
        given_back = self._node.send(calldata(name, *arguments))
        if given_back is not None:
            raise LedgerRefused(reason(given_back))
