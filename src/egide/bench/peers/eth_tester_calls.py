"""Peer: eth-tester over py-evm, which runs the consortium's contract too. CPU milliseconds for one anchored root.

python -m egide.bench.peers.eth_tester_calls COUNT
"""

from __future__ import annotations

import json
import sys
import time
import warnings

HOUR = 3600  # s; the contract takes one root of a member an hour
GAS = 1_000_000


def main() -> None:
    """Prints {"ms": …}: the transaction sent, mined and its receipt read; time passes outside the measure."""
    warnings.simplefilter("ignore")
    try:
        from eth_tester import EthereumTester, PyEVMBackend
    except ImportError as error:
        print(json.dumps({"absent": error.name}))
        return
    from egide.border.ledger.contract import calldata, creation
    from egide.border.ledger.model import Member

    tester = EthereumTester(PyEVMBackend())
    sender = tester.get_accounts()[0]
    member = Member(bytes.fromhex(sender[2:]), bytes(31) + b"\x01")
    made = tester.send_transaction(
        {"from": sender, "to": "", "gas": 5_000_000, "data": "0x" + creation((member,)).hex()}
    )
    place = tester.get_transaction_receipt(made)["contract_address"]
    spent = 0.0
    count = int(sys.argv[1])
    for number in range(count):
        tester.time_travel(tester.get_block_by_number("latest")["timestamp"] + HOUR + 1)
        data = calldata("put_checkpoint", (number + 1).to_bytes(32), number + 2)
        before = time.process_time()
        sent = tester.send_transaction({"from": sender, "to": place, "gas": GAS, "data": "0x" + data.hex()})
        receipt = tester.get_transaction_receipt(sent)
        spent += time.process_time() - before
        if not receipt["status"]:
            raise SystemExit("the contract refused")
    print(json.dumps({"ms": spent * 1000 / count}))


if __name__ == "__main__":
    main()
