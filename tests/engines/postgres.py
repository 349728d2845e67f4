"""A private PostgreSQL: a cluster in a temporary folder, on a socket of its own, ended with the test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import missing

START_S = 30  # s


class Server:
    """One cluster. `dsn(name)` makes a database of its own for each who asks."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.data = folder / "data"

    def _as_its_own(self, *words: str) -> list[str]:
        """initdb and postgres refuse to run as root."""
        return ["runuser", "-u", "postgres", "--", *words] if os.getuid() == 0 else list(words)

    def create(self) -> None:
        if os.getuid() == 0:
            shutil.chown(self.folder, "postgres")
        made = subprocess.run(
            self._as_its_own(
                str(self.programs / "initdb"), "-D", str(self.data), "-A", "trust", "-U", "egide", "--no-sync", "-E", "UTF8", "--locale=C"
            ),
            capture_output=True, text=True, check=False, cwd=self.folder,
        )  # fmt: skip
        assert made.returncode == 0, made.stderr

    def start(self, *options: str) -> None:
        words = [
            str(self.programs / "pg_ctl"), "-D", str(self.data), "-l", str(self.folder / "log"), "-w", "-t", str(START_S),
            "-o", f"-k {self.folder} -c listen_addresses= -c max_connections=200 {' '.join(options)}", "start",
        ]  # fmt: skip
        done = subprocess.run(
            self._as_its_own(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, cwd=self.folder
        )
        assert done.returncode == 0, (self.folder / "log").read_text()[-2000:]

    @property
    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def everyone(self) -> list[int]:
        """The server's processes: the postmaster and its children."""
        found = [self.pid]
        with suppress(OSError):
            found += [int(each) for each in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]
        return found

    def signal(self, number: int) -> None:
        for pid in self.everyone():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def pause(self) -> None:
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def stop(self, mode: str = "immediate") -> None:
        words = [str(self.programs / "pg_ctl"), "-D", str(self.data), "-m", mode, "-w", "stop"]
        subprocess.run(self._as_its_own(*words), capture_output=True, check=False, cwd=self.folder)

    def restart(self) -> None:
        self.stop()
        self.start()

    def psql(self, command: str, database: str = "postgres") -> str:
        done = subprocess.run(
            [str(self.programs / "psql"), "-h", str(self.folder), "-U", "egide", "-d", database, "-Atqc", command],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def dsn(self, name: str) -> str:
        self.psql(f'CREATE DATABASE "{name}"')
        return f"postgresql://egide@/{name}?host={self.folder}"


@contextmanager
def postgres(*options: str, folder: Path | None = None) -> Iterator[Server]:
    """A running server; skips (or fails in CI) where PostgreSQL is not installed."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not programs or not (programs[-1] / "initdb").exists():
        missing("PostgreSQL is not installed: apt-get install postgresql")
    if os.getuid() == 0 and shutil.which("runuser") is None:
        missing("PostgreSQL will not run as root and there is no runuser")
    place = Path(tempfile.mkdtemp(prefix="egide-pg-", dir=folder))
    place.chmod(0o755)
    server = Server(programs[-1], place)
    try:
        server.create()
        server.start(*options)
        for _ in range(100):
            if (server.data / "postmaster.pid").exists():
                break
            time.sleep(0.05)
        yield server
    finally:
        server.resume() if (server.data / "postmaster.pid").exists() else None
        server.stop()
        shutil.rmtree(place, ignore_errors=True)
