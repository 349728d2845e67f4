"""A circuit breaker for a server that stops answering: the event loop loses one read to it, not one after the other.

The platform reads synchronously on its event loop (a read takes a fraction of a millisecond), from a dozen periodic tasks. A
server that hangs would stop the loop for the limit of a read, task after task, without end. So: whoever meets a server that
does not answer opens the circuit; from then on everyone is refused at once; a thread of its own asks the server, and closes
the circuit when it answers. Source of the pattern: M. Nygard, Release It!, 2nd ed., §5 “Circuit Breaker”.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Generator
from typing import Any, TypeVar

import psycopg

log = logging.getLogger("egide.circuit")

CONNECT_S = 3  # s to reach the server
READ_S = 1.5  # s the event loop may wait for one statement: half of what a call for help may take
WRITE_S = 12.0  # s a writer's statement may take
PROBE_S = 5  # s a probe waits; one that is asked while the server hangs is answered when it goes on
AGAIN_S = 0.1  # s between probes
WAIT_S = 0.25  # s between looks at the time

Made = TypeVar("Made", bound="Patient")


def on_loop() -> bool:
    """Whether this thread runs an event loop at this moment."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Patient(psycopg.Connection[Any]):
    """A connection whose every wait ends, on the event loop after `READ_S` at most where it has a circuit."""

    limit_s = WRITE_S
    circuit: Circuit | None = None
    loops = True  # whether the event loop's limit holds for it

    def wait(self, gen: Generator[Any, Any, Any], interval: float = WAIT_S, timeout: float | None = None) -> Any:
        """Waits for the server, at most as long as its limit; then the connection is of no more use."""
        limit = min(timeout or self.limit_s, self.limit_s)
        circuit = self.circuit
        if circuit is not None and self.loops and on_loop():
            limit = min(limit, READ_S)
            if circuit.is_open:
                gen.close()
                self.close()
                raise psycopg.OperationalError("the server does not answer")
        try:
            return super().wait(gen, interval, limit)
        except psycopg.OperationalError as error:
            if type(error).__name__ != "_WaitTimeout":  # psycopg gives it no public name
                raise
            self.close()
            if circuit is not None:
                circuit.open()
            raise psycopg.OperationalError("the server does not answer") from None


class Quick(Patient):
    """For reads: nobody waits longer than the event loop may."""

    limit_s = READ_S


class Probe(Patient):
    """For the question whether the server is there."""

    limit_s = PROBE_S


class Circuit:
    """Open: nobody asks the server, but the thread that waits for its answer."""

    def __init__(self, conninfo: str, name: str) -> None:
        self._conninfo, self._name = conninfo, name
        self._open = False
        self._ended = threading.Event()
        self._state = threading.Lock()
        self._asking = threading.Lock()
        self._connection: Probe | None = None

    @property
    def is_open(self) -> bool:
        """Whether the server is known not to answer."""
        return self._open

    def open(self) -> None:
        """The server did not answer somebody."""
        with self._state:
            if self._open or self._ended.is_set():
                return
            self._open = True
            threading.Thread(target=self._until_back, name=f"egide-{self._name}-probe", daemon=True).start()

    def probe(self) -> None:
        """Asks the server; raises `psycopg.Error`, and opens the circuit, when it does not answer. May wait: not for the loop."""
        try:
            self._ask()
        except psycopg.Error:
            self.open()
            raise

    def connect(self, kind: type[Made], **how: Any) -> Made:
        """A connection of this kind; on the event loop within `READ_S`. Raises `psycopg.OperationalError`."""
        if self._open:
            raise psycopg.OperationalError("the server does not answer")
        if self._ended.is_set():  # whoever comes late would open a connection that nobody closes
            raise psycopg.OperationalError("the store is closed")
        try:
            made = (
                self._within(kind, how) if on_loop() else kind.connect(self._conninfo, connect_timeout=CONNECT_S, **how)
            )
        except psycopg.OperationalError:
            self.open()
            raise
        made.circuit = self
        return made

    def end(self) -> None:
        """No more probes."""
        self._ended.set()
        if self._asking.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._asking.release()

    def _within(self, kind: type[Made], how: dict[str, Any]) -> Made:
        """Libpq's own limit is two seconds for each address at least: a thread waits, not the loop."""
        found: list[Made | psycopg.Error] = []
        lock, late = threading.Lock(), False

        def reach() -> None:
            answer: Made | psycopg.Error
            try:
                answer = kind.connect(self._conninfo, connect_timeout=CONNECT_S, **how)
            except psycopg.Error as error:
                answer = error
            with lock:
                if not late:
                    found.append(answer)
                    return
            if not isinstance(answer, psycopg.Error):
                answer.close()

        thread = threading.Thread(target=reach, name=f"egide-{self._name}-connect", daemon=True)
        thread.start()
        thread.join(READ_S)
        with lock:
            late = True
        if not found:
            raise psycopg.OperationalError("the server does not answer")
        if isinstance(found[0], psycopg.Error):
            raise found[0]
        return found[0]

    def _ask(self) -> None:
        with self._asking:
            try:
                if self._connection is None:
                    self._connection = Probe.connect(
                        self._conninfo, connect_timeout=PROBE_S, application_name="egide probe", autocommit=True
                    )
                self._connection.execute("SELECT 1")
            except psycopg.Error:
                self._drop()
                raise
            if self._ended.is_set():
                self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _until_back(self) -> None:
        log.warning("%s does not answer", self._name)
        while not self._ended.wait(AGAIN_S):
            try:
                self._ask()
            except psycopg.Error:
                continue
            with self._state:
                self._open = False
            log.warning("%s answers again", self._name)
            return
