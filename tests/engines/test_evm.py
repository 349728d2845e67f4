"""The EVM node's client: its signatures by others' measure, and a node that answers anything at all."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest
from Crypto.Hash import keccak
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from egide.engines import evm_signing
from egide.engines.evm_node import EvmNode
from egide.engines.evm_signing import address_of, keccak256, rlp, signed_transaction
from egide.kernel.errors import Unavailable
from egide.kernel.outward import Reply, Unreachable

KEY = ec.derive_private_key(int("46" * 32, 16), ec.SECP256K1())  # EIP-155's example
ADDRESS = bytes.fromhex("9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f")
CONTRACT = b"c" * 20


@given(data=st.binary(max_size=300))
def test_keccak_is_what_pycryptodome_says(data: bytes) -> None:
    other = keccak.new(digest_bits=256)
    other.update(data)
    assert keccak256(data) == other.digest()


def test_rlp_writes_the_examples_of_its_specification() -> None:
    assert rlp(b"dog") == b"\x83dog"
    assert rlp([b"cat", b"dog"]) == b"\xc8\x83cat\x83dog"
    assert rlp(b"") == rlp(0) == b"\x80"
    assert rlp(1024) == b"\x82\x04\x00"
    assert rlp(b"\x0f") == rlp(15) == b"\x0f"
    assert rlp([[], [[]], [[], [[]]]]) == bytes.fromhex("c7c0c1c0c3c0c1c0")
    assert rlp(b"x" * 56) == b"\xb8\x38" + b"x" * 56
    assert rlp([b"x" * 60]) == b"\xf8\x3e\xb8\x3c" + b"x" * 60


def test_an_account_is_named_as_in_eip_155() -> None:
    assert address_of(KEY.public_key()) == ADDRESS


@pytest.mark.parametrize("chain", [1, 31337])
def test_a_node_finds_the_signer_of_a_transaction(chain: int) -> None:
    """As a node does it (SEC 1 §4.1.6): the key comes out of the signature, and it is ours; `s` is the smaller one."""
    raw = signed_transaction(KEY, chain, 9, 20, 21_000, CONTRACT, b"data")
    digest = int.from_bytes(keccak256(rlp([9, 20, 21_000, CONTRACT, 0, b"data", chain, 0, 0])))
    fields = _fields(raw)
    v, r, s = (int.from_bytes(each) for each in fields[6:])
    assert s <= evm_signing.N // 2
    y = pow(pow(r, 3, evm_signing.P) + 7, (evm_signing.P + 1) // 4, evm_signing.P)
    if y & 1 != v - chain * 2 - 35:
        y = evm_signing.P - y
    inverse = pow(r, -1, evm_signing.N)
    found = evm_signing._plus(
        evm_signing._times(s * inverse % evm_signing.N, (r, y)),
        evm_signing._times(-digest * inverse % evm_signing.N, evm_signing.G),
    )
    numbers = KEY.public_key().public_numbers()
    assert found == (numbers.x, numbers.y)


def test_a_point_and_its_opposite_make_none() -> None:
    x, y = evm_signing.G
    assert evm_signing._plus((x, y), (x, evm_signing.P - y)) is None
    assert evm_signing._times(evm_signing.N, evm_signing.G) is None


class Node:
    """Answers by method: a result, an error, or an exception."""

    def __init__(self, **answers: object) -> None:
        self.answers = {
            "eth_chainId": "0x5", "eth_estimateGas": "0x5208", "eth_getTransactionCount": "0x0", "eth_gasPrice": "0x0",
            "eth_sendRawTransaction": "0x" + "ab" * 32, "eth_getTransactionReceipt": {"status": "0x1"},
        } | answers  # fmt: skip
        self.asked: list[str] = []

    def __call__(self, address: str, body: bytes, kind: str, limit: int) -> Reply:
        question = msgspec.json.decode(body)
        self.asked.append(question["method"])
        answer = self.answers[question["method"]]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, bytes):
            return Reply(200, answer, True)
        part = answer if isinstance(answer, dict) and "error" in answer else {"result": answer}
        return Reply(200, msgspec.json.encode({"jsonrpc": "2.0", "id": question["id"], **part}), True)


def client(node: Callable[[str, bytes, str, int], Reply]) -> EvmNode:
    return EvmNode("http://node", 5, KEY, CONTRACT, node, lambda _: None)


def test_a_call_is_done_once_its_receipt_says_so() -> None:
    node = Node()
    assert client(node).send(b"data") is None
    assert node.asked[-1] == "eth_getTransactionReceipt"


def test_what_the_contract_refuses_is_given_back_and_not_signed() -> None:
    node = Node(eth_estimateGas={"error": {"code": 3, "message": "execution reverted", "data": "0x08c379a0"}})
    assert client(node).send(b"data") == bytes.fromhex("08c379a0")
    assert "eth_sendRawTransaction" not in node.asked


def test_what_fails_in_its_block_is_refused() -> None:
    assert client(Node(eth_getTransactionReceipt={"status": "0x0"})).send(b"data") == b""


def test_nothing_is_signed_for_another_chain() -> None:
    node = Node(eth_chainId="0x1")
    with pytest.raises(Unavailable, match="another chain"):
        client(node).send(b"data")
    assert node.asked == ["eth_chainId"]


@pytest.mark.parametrize(
    "answers",
    [
        {"eth_gasPrice": Unreachable("gone")},
        {"eth_gasPrice": b"<html>"},
        {"eth_gasPrice": b"[" * 100_000},
        {"eth_gasPrice": "0x" + "f" * 65},
        {"eth_gasPrice": "12"},
        {"eth_gasPrice": b'{"id":7,"result":"0x1"}'},
        {"eth_sendRawTransaction": {"error": {"code": -32000, "message": "insufficient funds"}}},
        {"eth_getTransactionReceipt": None},
    ],
)
def test_a_node_that_does_not_answer_rightly_is_unavailable(answers: dict[str, object]) -> None:
    with pytest.raises(Unavailable):
        client(Node(**answers)).send(b"data")


def test_the_last_block_is_a_number_and_a_time() -> None:
    block = {"number": "0x10", "timestamp": "0x6ab13b80"}
    assert client(Node(eth_getBlockByNumber=block)).latest() == (16, 1_790_000_000)
    for wrong in (None, "0x1", {}, block | {"timestamp": "0x" + "f" * 12}, block | {"number": 16}):
        with pytest.raises(Unavailable, match="makes no sense"):
            client(Node(eth_getBlockByNumber=wrong)).latest()


@given(body=st.binary(max_size=200) | st.from_regex(rb'\{"id":1,"(result|error)":[^\n]{0,60}\}', fullmatch=True))
def test_whatever_a_node_answers_only_unavailable_is_raised(body: bytes) -> None:
    node = client(lambda *_: Reply(200, body, True))
    with suppress(Unavailable):
        assert isinstance(node.call(b"data"), bytes)


def _fields(raw: bytes) -> list[bytes]:
    """The items of one RLP list of byte strings shorter than 56."""
    at = 1 if raw[0] < 0xF8 else 1 + raw[0] - 0xF7
    found = []
    while at < len(raw):
        first = raw[at]
        length = 0 if first < 0x80 else first - 0x80
        start = at if first < 0x80 else at + 1
        found.append(raw[start : start + max(length, first < 0x80)])
        at = start + max(length, first < 0x80)
    return found
