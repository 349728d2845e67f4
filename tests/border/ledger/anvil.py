"""A real EVM node of its own process: anvil, from the npm package that `make peers` installs; or from the PATH."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from egide.border.ledger.contract import creation
from egide.border.ledger.evm import EvmLedger
from egide.border.ledger.model import Member
from egide.engines.evm_node import EvmNode
from egide.engines.evm_signing import address_of
from egide.kernel.outward import Unreachable, post
from tests.border.ledger.parties import START, member
from tests.ports import free_port
from tests.waiting import PATIENCE_S

CHAIN = 31337
PACKAGE = Path(__file__).parents[2] / "peers" / "anvil" / "node_modules" / "@foundry-rs" / "anvil-linux-amd64"


def program() -> str | None:
    packed = PACKAGE / "bin" / "anvil"
    return str(packed) if packed.exists() else shutil.which("anvil")


def account(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(1000 + number, ec.SECP256K1())


class Anvil:
    """A node that listens; its time is what it is told."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, method: str, *parameters: object) -> object:
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters})
        return msgspec.json.decode(post(self.address, body, "application/json", 1 << 20).body).get("result")

    def wait(self, seconds: int) -> None:
        self.ask("evm_increaseTime", seconds)
        self.ask("evm_mine")

    def ledgers(self, count: int = 4) -> list[EvmLedger]:
        """A new contract with so many members, as each of them sees it."""
        first = EvmNode(self.address, CHAIN, account(0))
        addresses = [address_of(account(number).public_key()) for number in range(count)]
        for each in addresses:
            self.ask("anvil_setBalance", "0x" + each.hex(), hex(10**20))
        contract = first.deploy(creation([Member(each, member(at).key) for at, each in enumerate(addresses)]))
        return [EvmLedger(EvmNode(self.address, CHAIN, account(number), contract)) for number in range(count)]


@contextmanager
def running(path: str) -> Iterator[Anvil]:
    port = free_port()
    words = [
        "--port",
        str(port),
        "--silent",
        "--gas-price",
        "0",
        "--base-fee",
        "0",
        "--timestamp",
        str(START),
        "--accounts",
        "1",
    ]
    process = subprocess.Popen([path, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        node, until = Anvil(f"http://127.0.0.1:{port}"), time.monotonic() + PATIENCE_S
        while True:
            try:
                node.ask("eth_chainId")
                break
            except Unreachable:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.05)
        yield node
    finally:
        process.kill()
        process.wait()
