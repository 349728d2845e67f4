"""The consortium's ledger: one call of the contract, and one block that a quorum signed; beside other machines of the same code.

Beside the call: eth-tester (py-evm), and anvil where it is installed; both run the very bytecode that is compiled here.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, process_time

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from egide.bench.border_scene import NOW
from egide.bench.measure import PATIENCE_S, Bench, child, free_port, peer, per_cpu_s, row, wait_for
from egide.bench.platform import listening
from egide.border.ledger.chain import Chain
from egide.border.ledger.contract import MAX_MEMBERS, Value, calldata, creation
from egide.border.ledger.evidence import vote_body
from egide.border.ledger.evm import EvmLedger
from egide.border.ledger.machine import Machine
from egide.border.ledger.messages import PRECOMMIT, Block, Call, Certified, Genesis, Signed, Vote, block_hash, sign
from egide.border.ledger.model import Member, Role, address_of, quorum
from egide.engines.chain_store import SqliteChainStore
from egide.engines.evm_node import EvmNode
from egide.engines.evm_signing import address_of as account_of
from egide.kernel.outward import post

HOUR, DAY = 3600, 86_400  # s; a member anchors its log once an hour at most (consortium.vy)
CALLS = 200
FULL = 100  # calls of a block (ledger/messages.py)
ANVIL_CHAIN = 31337
ANVIL = Path("tests/peers/anvil/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil")  # as `make peers` leaves it


def calls(bench: Bench) -> None:
    """The root of an audit log anchored, once an hour of the contract's time, in this process and in others."""
    _, member = _member(0)
    count = 40 if bench.quick else CALLS

    def work() -> int:
        machine = Machine((member,), NOW)
        for number in range(count):
            machine.begin(NOW + (number + 1) * HOUR)
            machine.apply(member.address, calldata("put_checkpoint", _root(number), number + 2))
        return count

    value = 1000 / per_cpu_s(work)
    bench.say("peer: eth-tester")
    tester = peer("eth_tester_calls", str(count // 2), timeout=300)
    bench.say("peer: anvil")
    node = _anvil(count // 2)
    bench.add(
        row(
            "anchor_call_ms", value, "CPU ms", "lower", target=0.1, peer="eth-tester: py-evm, a block each",
            peer_value=tester["ms"] if tester else None,
        ),
        row("anchor_call_ms", value, "CPU ms", "lower", peer="anvil: over HTTP, a block each, by the wall", peer_value=node),
    )  # fmt: skip
    bench.note(
        f"anchor_call: put_checkpoint, {count} hours one after the other, the contract's creation shared among them; without a signature, "
        "which is the block's. The peers sign, mine and answer for each call."
    )


def blocks(bench: Bench) -> None:
    """What one of thirteen authorities does for a block: proposal tried, votes verified, calls made, block on the disk."""
    keys = [_member(number) for number in range(MAX_MEMBERS)]
    chain = _chain(bench.folder / "chain", keys)
    few: list[float] = []
    many: list[float] = []
    seen: list[float] = []
    walls: list[float] = []
    size = 0
    for number in range(6 if bench.quick else 20):
        at = NOW + (number + 1) * 2 * HOUR
        waiting = [call for who in range(MAX_MEMBERS) for call in _writes(chain, keys, who, number, at)]
        for kept, into in ((waiting[:1], few), (waiting[1:], many)):
            before = process_time()
            for signed in kept:
                chain.call_of(signed)  # its signature is verified when it comes, long before the block
            seen.append((process_time() - before) * 1000 / len(kept))
            spent, wall = _block(chain, keys, kept, at)
            into.append(spent)
            walls.append(wall)
            size = len(kept)
    step = (median(many) - median(few)) / (size - 1)
    value = median(few) + step * (FULL - 1)
    bench.add(
        row("block_ms", value, "CPU ms", "lower", target=5),
        row("block_with_signatures_ms", value + FULL * median(seen), "CPU ms", "lower"),
    )
    bench.note(
        f"block_ms: of {FULL} calls, from blocks of 1 ({median(few):.2f} ms) and of {size} ({median(many):.2f} ms): the contract lets thirteen "
        f"members make no more at one time. Each call is made twice (tried, then kept): {step * 1000:.0f} µs; {quorum(MAX_MEMBERS)} votes; "
        f"by the wall {median(walls):.1f} ms, the disk's flush in it. With the calls' own signatures, checked as they come: {median(seen) * 1000:.0f} µs each."
    )


def _block(
    chain: Chain, keys: list[tuple[Ed25519PrivateKey, Member]], waiting: list[Signed], at: int
) -> tuple[float, float]:
    """(CPU ms of one authority, ms by the wall); the proposer's own building is not counted, nor the others' signing."""
    block = chain.build(waiting, at)
    assert block is not None  # noqa: S101 — all that waits can be made, for the type checker
    assert len(block.calls) == len(waiting)  # noqa: S101 — as above
    certified = _signed(chain, keys, block)
    before, wall = process_time(), monotonic()
    chain.check(block, at)
    chain.take(certified)
    return (process_time() - before) * 1000, (monotonic() - wall) * 1000


def _signed(chain: Chain, keys: list[tuple[Ed25519PrivateKey, Member]], block: Block) -> Certified:
    vote = Vote(block.header.height, 0, PRECOMMIT, block_hash(block.header))
    votes = tuple(
        (member.address, sign(vote, chain.name, member.address, key).signature)
        for key, member in keys[: quorum(len(keys))]
    )
    made = Certified(block, 0, votes)
    assert vote_body(made) == sign(vote, chain.name, votes[0][0], keys[0][0]).body  # noqa: S101 — the votes are for it
    return made


def _chain(folder: Path, keys: list[tuple[Ed25519PrivateKey, Member]]) -> Chain:
    return Chain(Genesis(tuple(member for _, member in keys), NOW), SqliteChainStore(folder))


def _writes(
    chain: Chain, keys: list[tuple[Ed25519PrivateKey, Member]], who: int, number: int, at: int
) -> Iterator[Signed]:
    """All that one member may write at one time: a key, the digest of its status list, a checkpoint, an erasure root."""
    key, member = keys[who]
    nonce = chain.nonces.get(member.address, 0)
    x, y = _point(1000 * who + number + 1)
    given: list[tuple[str, tuple[Value, ...]]] = [
        ("add_key", (x, y, Role.VERIFIER, at, at + DAY)),
        ("put_checkpoint", (_root(number), number + 2)),
        ("put_erasure", (_root(number), number + 2)),
    ]
    for place, (name, arguments) in enumerate(given, 1):
        call = Call(nonce + place, calldata(name, *arguments))
        yield sign(call, chain.name, member.address, key)


def _member(number: int) -> tuple[Ed25519PrivateKey, Member]:
    key = Ed25519PrivateKey.from_private_bytes((number + 1).to_bytes(32))
    public = key.public_key().public_bytes_raw()
    return key, Member(address_of(public), public)


def _point(number: int) -> tuple[bytes, bytes]:
    numbers = ec.derive_private_key(number, ec.SECP256R1()).public_key().public_numbers()
    return numbers.x.to_bytes(32), numbers.y.to_bytes(32)


def _root(number: int) -> bytes:
    return (number + 1).to_bytes(32)


def _anvil(count: int) -> float | None:
    """Milliseconds by the wall for one anchored root on anvil; None where it is not installed."""
    program = str(ANVIL) if ANVIL.is_file() else shutil.which("anvil")
    if program is None:
        return None
    with _running(program) as address:
        key = ec.derive_private_key(1000, ec.SECP256K1())
        _, member = _member(0)
        _ask(address, "anvil_setBalance", "0x" + account_of(key.public_key()).hex(), hex(10**20))
        node = EvmNode(address, ANVIL_CHAIN, key)
        contract = node.deploy(creation((Member(account_of(key.public_key()), member.key),)))
        ledger = EvmLedger(EvmNode(address, ANVIL_CHAIN, key, contract))
        times = []
        for number in range(count):
            _ask(address, "evm_increaseTime", HOUR)
            before = monotonic()
            ledger.checkpoint(_root(number), number + 2)
            times.append((monotonic() - before) * 1000)
    return median(times)


@contextmanager
def _running(program: str) -> Iterator[str]:
    port = free_port()
    words = [program, "--port", str(port), "--silent", "--gas-price", "0", "--base-fee", "0", "--timestamp", str(NOW)]
    with child(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait_for(lambda: listening(port), "anvil", PATIENCE_S)
        yield f"http://127.0.0.1:{port}"


def _ask(address: str, method: str, *parameters: object) -> None:
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
    post(address, body, "application/json", 1 << 16)


MEASURES: tuple[Callable[[Bench], None], ...] = (calls, blocks)
