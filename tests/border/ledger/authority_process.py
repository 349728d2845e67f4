"""One authority as a process of its own, for test_namespaces: told what to do in lines of JSON, and answering in such.

`lies`: it proposes blocks whose state is not what their calls lead to, and sends noise beside.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import msgspec

from egide.border.ledger.authority import Authority
from egide.border.ledger.chain import Chain
from egide.border.ledger.embedded import EmbeddedLedger
from egide.border.ledger.messages import Genesis, Message, Proposal
from egide.border.ledger.model import Role
from egide.border.ledger.tcp import TcpTransport
from egide.border.ledger.view import look, sealed
from egide.engines.chain_store import SqliteChainStore
from egide.kernel.errors import EgideError
from tests.border.ledger.parties import DAY, member, members, point, signing_key

PORT = 7000


class Liar(Authority):
    """Votes as it should, and never proposes what is true."""

    def _say(self, message: Message) -> None:
        if isinstance(message, Proposal):
            header = msgspec.structs.replace(message.block.header, state=b"x" * 32)
            message = msgspec.structs.replace(message, block=msgspec.structs.replace(message.block, header=header))
            for each in self.chain.members:
                self._transport.send(each.address, b"noise")
        super()._say(message)


def main() -> None:
    told = json.loads(sys.argv[1])
    number, hosts = told["number"], told["hosts"]
    peers = {member(at).address: (host, PORT) for at, host in enumerate(hosts) if at != number}
    transport = TcpTransport((hosts[number], PORT), peers)
    chain = Chain(Genesis(members(), told["at"]), SqliteChainStore(Path(told["place"])))
    authority = (Liar if told["lies"] else Authority)(chain, member(number).address, signing_key(number), transport)
    ledger = EmbeddedLedger(authority, time.time, transport.settle, transport.guard)
    transport.start(authority, time.time)
    numbers = {member(at).address: at for at in range(4)}

    def answer(words: list[str]) -> object:
        match words:
            case ["look"]:
                with transport.guard:
                    faults = sorted({f"{each.kind} {numbers.get(each.by, '?')}" for each in authority.faults})
                    place = [chain.height, chain.head.hex(), chain.reading.state().hex()]
                    return {"place": place, "joined": authority.joined, "faults": faults}
            case ["key", which]:
                now = int(time.time())
                return ledger.add_key(*point(int(which)), Role.VERIFIER, now, now + DAY)
            case ["checkpoint", size]:
                return ledger.checkpoint(b"r" * 32, int(size))
            case ["erasure", size]:
                return ledger.erasure_root(b"r" * 32, int(size))
            case ["view"]:
                return sealed(look(ledger, int(time.time())), signing_key(number)).hex()
        raise ValueError(words)

    for line in sys.stdin:
        try:
            said = answer(line.split())
        except EgideError as error:
            said = {"error": str(error)}
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()
    transport.stop()


if __name__ == "__main__":
    main()
