"""Private servers to measure and test against: in a temporary folder, on a socket or port of their own, ended with their block.

Why here: the benches start them, and the tests' fixtures lean on the same. They are as durable as an operator's.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

START_S = 30  # s


class Absent(Exception):
    """The program is not installed; the sentence says what to install."""


class Postgres:
    """One PostgreSQL cluster. `dsn(name)` makes a database of its own for each who asks."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.data = folder / "data"

    def _as_its_own(self, *words: str) -> list[str]:
        """Initdb and postgres refuse to run as root."""
        return ["runuser", "-u", "postgres", "--", *words] if os.getuid() == 0 else list(words)

    def create(self) -> None:
        """Makes the cluster."""
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
        made = subprocess.run(
            self._as_its_own(
                str(self.programs / "initdb"), "-D", str(self.data), "-A", "trust", "-U", "egide", "--no-sync", "-E", "UTF8", "--locale=C"
            ),
            capture_output=True, text=True, check=False, cwd=self.folder,
        )  # fmt: skip
        _done(made.returncode, made.stderr)

    def start(self, *options: str) -> None:
        """Starts it; returns once it answers."""
        words = [
            str(self.programs / "pg_ctl"), "-D", str(self.data), "-l", str(self.folder / "log"), "-w", "-t", str(START_S),
            "-o", f"-k {self.folder} -c listen_addresses= -c max_connections=200 {' '.join(options)}", "start",
        ]  # fmt: skip
        done = subprocess.run(
            self._as_its_own(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, cwd=self.folder
        )
        _done(done.returncode, (self.folder / "log").read_text()[-2000:])

    @property
    def pid(self) -> int:
        """The postmaster."""
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def everyone(self) -> list[int]:
        """The server's processes: the postmaster and its children."""
        found = [self.pid]
        with suppress(OSError):
            found += [int(each) for each in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        return found

    def signal(self, number: int) -> None:
        """To the postmaster and its children."""
        for pid in self.everyone():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def pause(self) -> None:
        """Stops every process where it stands."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets them go on."""
        self.signal(signal.SIGCONT)

    def stop(self, mode: str = "immediate") -> None:
        """Stops the server; “immediate” is what a crash looks like."""
        words = [str(self.programs / "pg_ctl"), "-D", str(self.data), "-m", mode, "-w", "stop"]
        subprocess.run(self._as_its_own(*words), capture_output=True, check=False, cwd=self.folder)

    def restart(self) -> None:
        """Crashes and comes back."""
        self.stop()
        self.start()

    def psql(self, command: str, database: str = "postgres") -> str:
        """What psql prints."""
        done = subprocess.run(
            [str(self.programs / "psql"), "-h", str(self.folder), "-U", "egide", "-d", database, "-Atqc", command],
            capture_output=True,
            text=True,
            check=False,
        )
        _done(done.returncode, done.stderr)
        return done.stdout.strip()

    def dsn(self, name: str, like: str = "template1") -> str:
        """The address of a new database, a copy of another that nobody has open."""
        self.psql(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
        return f"postgresql://egide@/{name}?host={self.folder}"


class Nats:
    """One nats-server with JetStream; what it has stored outlives `restart`."""

    def __init__(self, program: str, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"nats://127.0.0.1:{self.port}"
        self._words = [program, "-js", "-a", "127.0.0.1", "-p", str(self.port), "-sd", str(folder)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it; returns once it answers."""
        self._process = subprocess.Popen(self._words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                if probe.recv(4) == b"INFO":
                    return
            time.sleep(0.02)
        raise RuntimeError("nats-server does not answer")

    def pause(self) -> None:
        """Stops it where it stands."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def stop(self, *, hard: bool = True) -> None:
        """Ends it; `hard` is what a crash looks like."""
        if self._process is None:
            return
        self.resume()
        self._process.kill() if hard else self._process.terminate()
        self._process.wait()
        self._process = None

    def restart(self, *, hard: bool = True) -> None:
        """Ends it and starts it again."""
        self.stop(hard=hard)
        self.start()

    def forget(self) -> None:
        """Loses everything JetStream had stored."""
        self.stop()
        shutil.rmtree(self.folder)
        self.folder.mkdir()
        self.start()


@contextmanager
def nats() -> Iterator[Nats]:
    """A running NATS. Raises `Absent`."""
    program = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        raise Absent("NATS is not installed: apt-get install nats-server")
    place = Path(tempfile.mkdtemp(prefix="egide-nats-"))
    server = Nats(program, place / "store")
    server.folder.mkdir()
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)


def _done(code: int, told: str) -> None:
    if code:
        raise RuntimeError(told)


@contextmanager
def postgres(*options: str, folder: Path | None = None) -> Iterator[Postgres]:
    """A running server. Raises `Absent`."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs or not (programs[-1] / "initdb").exists():
        raise Absent("PostgreSQL is not installed: apt-get install postgresql")
    if os.getuid() == 0 and shutil.which("runuser") is None:
        raise Absent("PostgreSQL will not run as root and there is no runuser")
    place = Path(tempfile.mkdtemp(prefix="egide-pg-", dir=folder))
    place.chmod(0o755)
    server = Postgres(programs[-1], place)
    try:
        server.create()
        server.start(*options)
        yield server
    finally:
        with suppress(OSError, ValueError):
            server.resume()
        server.stop()
        shutil.rmtree(place, ignore_errors=True)
