"""The compiled contract and its words: calls as bytes, answers as values. Only static types exist (Solidity ABI
specification, “Formal Specification of the Encoding”): a call is 4 bytes of selector and 32 for each argument, and nothing longer
finds a place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from egide.border.ledger.model import ADDRESS_BYTES, WORD_BYTES, Member
from egide.kernel.errors import BadInput, Text

MAX_MEMBERS = 13  # 3f+1 with f = 4, as in consortium.vy
SELECTOR_BYTES = 4
REASON = bytes.fromhex(
    "08c379a0"
)  # Error(string): how a contract says why (Solidity, “Panic via assert and Error via require”)
MAX_REASON = 32  # bytes; our reasons are one word

Value = int | bytes


class Function(msgspec.Struct, frozen=True):
    """A function of the contract: its selector, the types of what goes in and of what comes out (a struct as its fields)."""

    name: str
    selector: bytes
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    writes: bool


@cache
def _json() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(Path(__file__).with_name("consortium.json").read_bytes())
    return found


@cache
def functions() -> dict[str, Function]:
    """The contract's functions by name."""
    found = {}
    for entry in _json()["abi"]:
        if entry["type"] != "function":
            continue
        takes = tuple(each["type"] for each in entry["inputs"])
        gives = tuple(
            kind
            for each in entry["outputs"]
            for kind in ([part["type"] for part in each["components"]] if "components" in each else [each["type"]])
        )
        selector = bytes.fromhex(_json()["selectors"][f"{entry['name']}({','.join(takes)})"][2:])
        writes = entry["stateMutability"] not in {"view", "pure"}
        found[entry["name"]] = Function(entry["name"], selector, takes, gives, writes)
    return found


@cache
def _writes() -> dict[bytes, Function]:
    return {each.selector: each for each in functions().values() if each.writes}


def creation(members: Sequence[Member]) -> bytes:
    """The bytes that create the contract with its first members (1 to 13). Raises `BadInput`."""
    if not 0 < len(members) <= MAX_MEMBERS:
        raise BadInput(Text("Il faut entre 1 et 13 membres.", "There must be between 1 and 13 members."))
    rest = [bytes(WORD_BYTES)] * (MAX_MEMBERS - len(members))
    words = [_word("address", each.address) for each in members] + rest
    words += [_word("bytes32", each.key) for each in members] + rest
    return bytes.fromhex(_json()["bytecode"][2:]) + b"".join(words)


def calldata(name: str, *arguments: Value) -> bytes:
    """A call as bytes. Raises `BadInput` for a value that its type does not hold."""
    function = functions()[name]
    return function.selector + b"".join(
        _word(kind, value) for kind, value in zip(function.takes, arguments, strict=True)
    )


def is_write(data: bytes) -> bool:
    """Whether these bytes are exactly a writing call of the contract: its selector, its words, nothing after them."""
    function = _writes().get(data[:SELECTOR_BYTES])
    return function is not None and len(data) == SELECTOR_BYTES + WORD_BYTES * len(function.takes)


def answer(name: str, data: bytes) -> tuple[Value, ...]:
    """What a read gave, each value by its type: integers, 32 bytes, or 20 for an address. Raises ValueError for other bytes."""
    gives = functions()[name].gives
    if len(data) != WORD_BYTES * len(gives):
        raise ValueError("the answer has another length than the contract's")
    words = (data[at : at + WORD_BYTES] for at in range(0, len(data), WORD_BYTES))
    return tuple(_value(kind, word) for kind, word in zip(gives, words, strict=True))


def reason(data: bytes) -> str:
    """The word with which the contract refused, from what it gave back; "refused" where there is none."""
    length = int.from_bytes(data[36:68])
    if data[:4] != REASON or not 0 < length <= MAX_REASON:
        return "refused"
    return data[68 : 68 + length].decode("ascii", "replace")


def reason_in(text: str) -> str:
    """The same, from a message that shows what was given back as `0x…`."""
    found = re.search(r"0x(08c379a0[0-9a-f]{2,512})", text)
    return reason(bytes.fromhex(found[1][: len(found[1]) // 2 * 2])) if found else "refused"


def _word(kind: str, value: Value) -> bytes:
    if kind.startswith("uint") and isinstance(value, int) and 0 <= value < 1 << int(kind[4:]):
        return value.to_bytes(WORD_BYTES)
    if isinstance(value, bytes) and len(value) == {"bytes32": WORD_BYTES, "address": ADDRESS_BYTES}.get(kind, -1):
        return value.rjust(WORD_BYTES, b"\0")
    raise BadInput(Text(f"Le contrat attend ici : {kind}.", f"The contract expects here: {kind}."))


def _value(kind: str, word: bytes) -> Value:
    if kind == "bytes32":
        return word
    return word[-ADDRESS_BYTES:] if kind == "address" else int.from_bytes(word)
