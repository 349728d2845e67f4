"""The contract in a machine inside this process: the same bytecode as on any node, run by revm (pyrevm), 13 µs a call.

Nothing of it lies on the disk: its state is what the chain's calls make of it, so a replay cannot differ from what it replays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyrevm

from egide.border.ledger.contract import Value, answer, calldata, creation, is_write, reason_in
from egide.border.ledger.errors import LedgerRefused
from egide.border.ledger.model import Member

FORK = "SHANGHAI"  # the EVM of the source's pragma; a newer one would have to be said in both
NOBODY = "0x" + "00" * 20  # who reads, and who created the contract


class Machine:
    """The contract, created with these members at this time (s since 1970)."""

    def __init__(self, members: Sequence[Member], at: int) -> None:
        self._evm = pyrevm.EVM(spec_id=FORK)
        self.begin(at)
        self._place = self._evm.deploy(NOBODY, creation(members))

    def begin(self, at: int) -> None:
        """What is called from now on happens at this time."""
        self._evm.set_block_env(pyrevm.BlockEnv(timestamp=at))

    def apply(self, caller: bytes, data: bytes) -> None:
        """Runs a writing call. Raises `LedgerRefused`, with the contract's word, and has then changed nothing."""
        if not is_write(data):
            raise LedgerRefused("shape")
        try:
            self._evm.message_call("0x" + caller.hex(), self._place, calldata=data)
        except RuntimeError as error:
            raise LedgerRefused(reason_in(str(error))) from None

    def read(self, name: str, *arguments: Value) -> tuple[Value, ...]:
        """Asks a function that only reads."""
        return answer(
            name,
            bytes(self._evm.message_call(NOBODY, self._place, calldata=calldata(name, *arguments), is_static=True)),
        )

    @contextmanager
    def trial(self) -> Iterator[None]:
        """What is called inside is undone at the end."""
        before = self._evm.snapshot()
        try:
            yield
        finally:
            self._evm.revert(before)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """What is called inside stays, all of it, or none where it raises."""
        before = self._evm.snapshot()
        try:
            yield
        except BaseException:
            self._evm.revert(before)
            raise
        self._evm.commit()
