"""Rows of the TAK exchange: deliveries a CPU second of the server pays for, and how old a position is when it arrives.

The same load for Égide and for taky: N clients over mutual TLS, each telling its position once a second to all the others.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from egide.bench.measure import REPEATS, Bench, BenchError, ask, child, cpu_s, free_port, percentile, row, wait_for

FEW, MANY = 100, 500  # clients
PEER = "taky"
OPENING_S = 120.0  # s all clients may take to connect


@dataclass(slots=True)
class Seen:
    """One window of load."""

    per_cpu_s: float
    per_s: float
    p50: float
    p99: float
    cpu_share: float
    lost: int


def exchange(bench: Bench) -> None:
    """Deliveries and ages, beside taky."""
    folder = bench.folder / "tak"
    authority(folder / "tak")
    few = _measured(bench, FEW, lambda: _ours(folder))
    many = _measured(bench, FEW if bench.quick else MANY, lambda: _ours(folder))
    peer_few = _beside(bench, FEW, folder / "tak")
    peer_many = _beside(bench, FEW if bench.quick else MANY, folder / "tak")
    bench.add(
        row(
            "cot_deliveries_per_s_core_tls", many.per_cpu_s, "deliveries/CPU s", "higher", target=250_000, peer=PEER,
            peer_value=max((seen.per_cpu_s for seen in (peer_few, peer_many) if seen), default=None),
        ),
        row("cot_p50_ms", few.p50, "ms", "lower", target=10, peer=PEER, peer_value=peer_few.p50 if peer_few else None),
        row("cot_p99_ms", many.p99, "ms", "lower", target=150, peer=PEER, peer_value=peer_many.p99 if peer_many else None),
    )  # fmt: skip
    clients = FEW if bench.quick else MANY
    bench.note(
        f"cot: mutual TLS, every client tells its position (about 600 bytes) once a second to all others; {FEW} clients for cot_p50_ms, "
        f"{clients} for the others ({many.per_s:,.0f} deliveries/s at {many.cpu_share:.2f} of a core"
        + (f"; taky {peer_many.per_s:,.0f} at {peer_many.cpu_share:.2f}" if peer_many else "")
        + "). Leases, filters and sealing are on."
    )
    bench.note(
        "cot: the generator samples: bytes of all clients are counted, events of every tenth are read for their number, size and age; "
        "deliveries are bytes over the size of an event. It shares the machine with the server, so ages hold its own delays too."
    )
    bench.note(
        f"cot: {PEER} is measured on its own TLS server; it knows no groups, no leases and no record of what passed. Its deliveries are the better "
        f"of its figures with {FEW} and {clients} clients."
    )


@contextmanager
def _ours(folder: Path) -> Iterator[tuple[int, int]]:
    """(pid, port) of a platform with a TAK server."""
    port, tak_port = free_port(), free_port()
    words = [sys.executable, "-m", "egide.bench.tak_server", str(folder), str(port), str(tak_port)]
    with (
        (folder / "serve.log").open("ab") as log,
        child(
            words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, environment={"PYTHONUNBUFFERED": "1"}
        ) as process,
    ):
        wait_for(lambda: _listens(tak_port, process), "the TAK server")
        yield process.pid, tak_port


@contextmanager
def _taky(folder: Path) -> Iterator[tuple[int, int]]:
    port = free_port()
    words = [sys.executable, "-m", "egide.bench.peers.taky", str(port), str(folder)]
    (folder / "taky-mgmt.sock").unlink(missing_ok=True)
    with (
        (folder / "taky.log").open("ab") as log,
        child(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL) as process,
    ):
        wait_for(lambda: _listens(port, process), PEER)
        yield process.pid, port


def _listens(port: int, process: subprocess.Popen[bytes]) -> bool:
    """Whether somebody listens there, without connecting to it. Source: proc(5), /proc/net/tcp, state 0A."""
    if process.poll() is not None:
        raise BenchError("the server did not start")
    wanted = f":{port:04X}"
    for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(wanted) and fields[3] == "0A":
            return True
    return False


def _beside(bench: Bench, clients: int, folder: Path) -> Seen | None:
    """The peer under the same load; None where it is not installed, or does not bear it."""
    from importlib.util import find_spec

    if find_spec("taky") is None:
        return None
    bench.say(f"{clients} clients of {PEER}")
    try:
        return _measured(bench, clients, lambda: _taky(folder), repeats=1, certificates=folder)
    except BenchError as error:
        bench.note(f"cot: {PEER} with {clients} clients: {error}")
        return None


def _measured(
    bench: Bench, clients: int, server: Callable[[], AbstractContextManager[tuple[int, int]]], *, repeats: int = REPEATS, certificates: Path | None = None
) -> Seen:  # fmt: skip
    """The median of a few windows of load."""
    bench.say(f"{clients} TAK clients connect")
    windows: list[Seen] = []
    words = [sys.executable, "-m", "egide.bench.tak_load"]
    with (
        server() as (pid, port),
        child(words, stdout=subprocess.PIPE, stdin=subprocess.PIPE) as load,
    ):
        told = {"port": port, "folder": str(certificates or bench.folder / "tak" / "tak"), "clients": clients}
        ask(load, "the load generator", told, seconds=OPENING_S)
        time.sleep(bench.seconds(4, 2))
        for number in range(repeats):
            bench.say(f"{clients} TAK clients {number + 1}/{repeats}")
            windows.append(_window(pid, load, bench.seconds(6, 3)))
    if any(window.lost for window in windows):
        raise BenchError(f"{max(window.lost for window in windows)} of {clients} clients were let go")

    def middle(name: str) -> float:
        return float(median(getattr(window, name) for window in windows))

    return Seen(middle("per_cpu_s"), middle("per_s"), middle("p50"), middle("p99"), middle("cpu_share"), 0)


def _window(pid: int, load: subprocess.Popen[bytes], seconds: float) -> Seen:
    ask(load, "the load generator", {})
    cpu, began = cpu_s(pid), time.monotonic()
    time.sleep(seconds)
    used, took = cpu_s(pid) - cpu, time.monotonic() - began
    seen = ask(load, "the load generator", {})
    if not seen["events"]:
        raise BenchError("nothing came")
    deliveries = seen["bytes"] / (seen["sampled"] / seen["events"])
    return Seen(
        deliveries / max(used, 1e-3), deliveries / took, median(seen["ages"]), percentile(seen["ages"], 0.99), used / took, seen["lost"]
    )  # fmt: skip


def authority(folder: Path) -> None:
    """An authority with the server's certificate (`server.pem`) and one for all clients (`client.pem`), valid for a day."""
    folder.mkdir(parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bench")])
    now = datetime.now(UTC)

    def issue(subject: x509.Name, public: ec.EllipticCurvePublicKey, *, ca: bool) -> bytes:
        made = (
            x509.CertificateBuilder().subject_name(subject).issuer_name(name).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1)).add_extension(x509.BasicConstraints(ca, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        )  # fmt: skip
        return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    (folder / "clients.pem").write_bytes(issue(name, key.public_key(), ca=True))
    for each in ("server", "client"):
        own = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)])
        pem = own.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{each}.pem").write_bytes(issue(subject, own.public_key(), ca=False) + pem)
        (folder / f"{each}.pem").chmod(0o600)
