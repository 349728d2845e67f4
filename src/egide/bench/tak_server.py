"""`egide serve` with a TAK server on it whose devices are all the officer's: what the rows `cot_…` are measured on.

python -m egide.bench.tak_server DATA PORT TAK_PORT

Everything of a connection is as for an operator, one act and one lease each; only the enrolment is made up: every certificate of
the bench's authority is a device of the same person.
"""

from __future__ import annotations

import hashlib
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from egide.app import build, capabilities, engines
from egide.bench.platform import ACTS_PER_S
from egide.gateways.composition import Composition, compose
from egide.gateways.serve import serving
from egide.kernel.errors import Conflict
from egide.kernel.settings import load
from egide.operations.tak.identity import TakDevice
from egide.operations.tak.server import TakServer


async def listen(kernel: Any, port: int) -> None:
    """Takes TAK clients from now on."""

    def device_of(_kernel: Any, certificate: bytes) -> TakDevice:
        return TakDevice("bench", "officer", "BENCH", hashlib.sha256(certificate).hexdigest())

    person = kernel.identity.person("officer", kernel.store.reader(), strong=True)
    with suppress(Conflict):  # on duty since the run before
        await kernel.perform("operations.duty.begin", b'{"hours": 8, "informed": true}', person)
    tls = _tls(kernel.settings.folder / "tak")
    server = TakServer(kernel, kernel.things["tak"], device_of, port=port, tls=tls, host="127.0.0.1")
    await server.start()
    kernel.things["tak-server"] = server


def _tls(folder: Path) -> ssl.SSLContext:
    """TLS as the platform's own: a client certificate always."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.verify_mode = ssl.CERT_REQUIRED
    made.load_cert_chain(folder / "server.pem")
    made.load_verify_locations(folder / "clients.pem")
    return made


def main() -> None:
    """Serves until told to end."""
    import uvloop

    data, port, tak_port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    compose(Composition(build, engines, capabilities, lambda _capability, _quick, _file: 0))
    settings = load(None, data=data, port=port, demo=True, acts_per_s=ACTS_PER_S)
    uvloop.run(serving(settings, lambda kernel: listen(kernel, tak_port)))


if __name__ == "__main__":
    main()
