"""Any EVM node over JSON-RPC (Ethereum execution API: eth_call, eth_estimateGas, eth_sendRawTransaction …), for one contract.

Why not a client library: seven methods and a signature (evm_signing.py) are all that one write a minute needs, and `outward.post`
already bounds an exchange. The node is the operator's own or the consortium's: its answers to reads are believed. What comes back
is data from outside all the same, bounded and checked; what does not fit is `Unavailable`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from egide.engines.evm_signing import address_of, signed_transaction
from egide.kernel.errors import Text, Unavailable
from egide.kernel.outward import Reply, Unreachable, post

MAX_ANSWER = 256 * 1024  # bytes; the contract's code has 8,255 bytes, an answer some hundred
POLL_S = 0.05  # s between two looks for a receipt, growing
PATIENCE_S = 20.0  # s until a transaction has to be in a block; QBFT makes one every 1 to 5 s
LATEST_S = 253_402_300_800  # s since 1970: the year 10000, which no calendar here writes
SPARE = 5  # of its estimate, a quarter more gas: the state may change until the block

Post = Callable[[str, bytes, str, int], Reply]


class _Error(msgspec.Struct):
    code: int
    message: str = ""
    data: Any = None


class _Answer(msgspec.Struct):
    id: int
    result: Any = None
    error: _Error | None = None


_answers = msgspec.json.Decoder(_Answer)


class EvmNode:
    """The node at `address` (http or https), on the chain of this number, seen from the account of `key` (secp256k1).

    `contract` is the 20 bytes of the contract; empty before `deploy`. `pause` waits some seconds.
    """

    def __init__(
        self,
        address: str,
        chain: int,
        key: ec.EllipticCurvePrivateKey,
        contract: bytes = b"",
        send: Post = post,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._address, self._chain, self._key = address, chain, key
        self.account, self.contract = address_of(key.public_key()), contract
        self._post, self._pause = send, pause
        self._numbers = count(1)
        self._right_chain = False

    def call(self, data: bytes) -> bytes:
        """What the contract answers to a read. Raises `Unavailable`."""
        result, refusal = self._ask("eth_call", {"to": _hex(self.contract), "data": _hex(data)}, "latest")
        found = _bytes(result)
        if refusal is not None or found is None:
            raise _unavailable("the node has no such contract")
        return found

    def send(self, data: bytes) -> bytes | None:
        """Makes a call; None once it is in a block, else what the contract gave back as it refused. Raises `Unavailable`."""
        receipt = self._transact(self.contract, data)
        return receipt if isinstance(receipt, bytes) else None

    def deploy(self, code: bytes) -> bytes:
        """Creates a contract, which this node is for from now on; gives its address. Raises `Unavailable`."""
        receipt = self._transact(b"", code)
        created = _bytes(receipt.get("contractAddress")) if isinstance(receipt, dict) else None
        if created is None or len(created) != 20:
            raise _unavailable("the contract was not created")
        self.contract = created
        return created

    def latest(self) -> tuple[int, int]:
        """The number of the last block, and its time (s since 1970). Raises `Unavailable`."""
        self._check_chain()
        block, _ = self._ask("eth_getBlockByNumber", "latest", False)
        number, at = (
            _number(block.get(each)) if isinstance(block, dict) else LATEST_S for each in ("number", "timestamp")
        )
        if at >= LATEST_S:
            raise _unavailable("the node's answer makes no sense")
        return number, at

    def _transact(self, to: bytes, data: bytes) -> bytes | dict[str, Any]:
        """The receipt, or what was given back by who refuses."""
        self._check_chain()
        request = {"from": _hex(self.account), "data": _hex(data)} | ({"to": _hex(to)} if to else {})
        estimate, refusal = self._ask("eth_estimateGas", request)
        if refusal is not None:
            return refusal
        gas = _number(estimate) * (SPARE + 1) // SPARE
        nonce = _number(self._ask("eth_getTransactionCount", _hex(self.account), "pending")[0])
        price = _number(self._ask("eth_gasPrice")[0])
        raw = signed_transaction(self._key, self._chain, nonce, price, gas, to, data)
        name, refusal = self._ask("eth_sendRawTransaction", _hex(raw))
        if refusal is not None or not isinstance(name, str):
            return refusal or b""
        return self._receipt(name)

    def _receipt(self, name: str) -> bytes | dict[str, Any]:
        waited, step = 0.0, POLL_S
        while waited < PATIENCE_S:
            found, _ = self._ask("eth_getTransactionReceipt", name)
            if isinstance(found, dict):
                return found if _number(found.get("status")) == 1 else b""
            self._pause(step)
            waited, step = waited + step, min(2 * step, 1.0)
        raise _unavailable("the transaction is in no block yet")

    def _check_chain(self) -> None:
        """Once: nothing is signed for another chain than the operator's."""
        if not self._right_chain and _number(self._ask("eth_chainId")[0]) != self._chain:
            raise _unavailable("the node is of another chain")
        self._right_chain = True

    def _ask(self, method: str, *parameters: object) -> tuple[Any, bytes | None]:
        """The result, or what the contract gave back as it refused. Raises `Unavailable`."""
        number = next(self._numbers)
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": number, "method": method, "params": parameters})
        try:
            reply = self._post(self._address, body, "application/json", MAX_ANSWER)
            answer = _answers.decode(reply.body)
        except Unreachable:
            raise _unavailable("the node does not answer") from None
        except (ValueError, RecursionError):  # also UnicodeDecodeError, which msgspec lets through
            raise _unavailable("the node's answer makes no sense") from None
        if not reply.whole or answer.id != number:
            raise _unavailable("the node's answer makes no sense")
        if answer.error is None:
            return answer.result, None
        given_back = _bytes(answer.error.data)
        if given_back is None:
            raise _unavailable(f"the node says error {answer.error.code}")
        return None, given_back


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(value: object) -> bytes | None:
    """The bytes of `0x…`, or None for anything else."""
    if not isinstance(value, str) or not value.startswith("0x"):
        return None
    try:
        return bytes.fromhex(value[2:])
    except ValueError:
        return None


def _number(value: object) -> int:
    """The integer of `0x…`, of at most 32 bytes. Raises `Unavailable` for anything else."""
    try:
        if isinstance(value, str) and value.startswith("0x") and len(value) <= 66:
            return int(value, 16)
    except ValueError:
        pass
    raise _unavailable("the node's answer makes no sense")


def _unavailable(cause: str) -> Unavailable:
    return Unavailable(
        Text(
            f"Le registre du consortium ne répond pas comme il doit : {cause}.",
            f"The consortium's ledger does not answer as it should: {cause}.",
        ),
        Text("Vérifiez le nœud du consortium et son adresse.", "Check the consortium's node and its address."),
    )
