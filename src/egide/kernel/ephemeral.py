"""What the living processes of an installation tell one another at once and nobody keeps: where officers on duty are, above all.

The outbox tells what was decided, durably. A place that is true for a second has no business there, and whoever looks at the
picture must see it whichever process the officer's device speaks to. Best effort: what is lost is said again by whoever sends it.
On one machine it goes through a datagram socket each in `<data>/run/` (unix(7)), open to their own account only; between
machines through the transport (NATS). Either way sealed under a key of the installation, and believed for ten seconds: a server
in between reads nothing, forges nothing, and keeps nothing that could be played again.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from egide.kernel.errors import EgideError

if TYPE_CHECKING:
    from pathlib import Path

    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.ephemeral")

OWNER, PURPOSE, PLACE = "ephemeral", "ephemeral", b"ephemeral"
MAX = 32_768  # bytes of one message before it is sealed
ROOM = 65_536  # bytes read at once
YOUNG_US = 10_000_000  # µs for which a message is believed
COMPANY_S = 5.0  # s since another was heard after which this process may be alone
LOOK_S = 1.0  # s between looks at who is there
FOLDER, ENDING = "run", ".near"
Hearer = Callable[[bytes], None]


class _Said(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A message as it is sealed."""

    process: str
    at: int
    topic: str
    content: bytes


class Ephemeral:
    """This process's side."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._hearers: dict[str, Hearer] = {}
        self._encoder, self._decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_Said)
        self._sockets: Sockets | None = None
        self._heard = float("-inf")

    def start(self) -> None:
        """Listens from now on."""
        transport = self._kernel.bus.transport
        if transport.relays:
            transport.carried(self._came)
        else:
            self._sockets = Sockets(self._kernel.settings.folder / FOLDER, self._kernel.process, self._came)

    def stop(self) -> None:
        """Is silent and deaf from now on."""
        if self._sockets is not None:
            self._sockets.close()

    def hear(self, topic: str, hearer: Hearer) -> None:
        """`hearer` gets what the others say of this topic."""
        self._hearers[topic] = hearer

    def say(self, topic: str, content: bytes, *, always: bool = False) -> None:
        """To the others, where there are any (`always`: without looking). Never waits. Raises `ValueError` beyond `MAX` bytes."""
        if not always and not self._company():
            return
        if len(content) > MAX:
            raise ValueError("a message must fit a datagram")
        said = self._encoder.encode(_Said(self._kernel.process, self._kernel.clock.latest_us(), topic, content))
        try:
            sealed = self._kernel.vault.seal(OWNER, PURPOSE, said, PLACE)
        except EgideError as error:
            log.warning("not told the other processes: %s", error)
            return
        if self._sockets is not None:
            self._sockets.send(sealed)
        else:
            self._kernel.bus.transport.carry(sealed)

    def _company(self) -> bool:
        return bool(self._kernel.processes.others) or monotonic() - self._heard < COMPANY_S

    def _came(self, sealed: bytes) -> None:
        try:
            said = self._decoder.decode(self._kernel.vault.open_(OWNER, PURPOSE, sealed, PLACE))
        except (EgideError, msgspec.DecodeError) as error:
            log.info("not of this installation: %s", error)
            return
        if said.process == self._kernel.process or abs(said.at - self._kernel.clock.latest_us()) > YOUNG_US:
            return
        self._heard = monotonic()
        hearer = self._hearers.get(said.topic)
        if hearer is not None:
            hearer(said.content)


class Sockets:
    """One datagram socket a process, all in one folder."""

    def __init__(self, folder: Path, process: str, heard: Hearer) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        # By descriptor: a socket's path holds 107 bytes, and a data folder may lie deeper.
        self._folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        self._name, self._heard = process + ENDING, heard
        self._others: list[str] = []
        self._looked = float("-inf")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(self._path(self._name))
        self._sweep()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._read)

    def close(self) -> None:
        """Closes the socket and removes its name."""
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        with suppress(OSError):
            os.unlink(self._name, dir_fd=self._folder)
        os.close(self._folder)

    def send(self, data: bytes) -> None:
        """To every other; whoever does not keep up misses it."""
        if monotonic() - self._looked >= LOOK_S:
            self._looked = monotonic()
            names = os.listdir(self._folder)  # noqa: PTH208 — by descriptor, which no path has
            self._others = [name for name in names if name.endswith(ENDING) and name != self._name]
        for name in tuple(self._others):
            try:
                self._socket.sendto(data, self._path(name))
            except BlockingIOError:
                continue
            except OSError as error:
                self._others.remove(name)
                self._gone(name, error)

    def _sweep(self) -> None:
        """Removes the names that killed processes left, be it that nobody ever speaks."""
        for name in os.listdir(self._folder):  # noqa: PTH208 — by descriptor, which no path has
            if name.endswith(ENDING) and name != self._name:
                with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as asking:
                    try:
                        asking.connect(self._path(name))
                    except OSError as error:
                        self._gone(name, error)

    def _gone(self, name: str, error: OSError) -> None:
        if error.errno == errno.ECONNREFUSED:  # its process is gone
            with suppress(OSError):
                os.unlink(name, dir_fd=self._folder)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            while data := self._socket.recv(ROOM):
                self._heard(data)

    def _path(self, name: str) -> str:
        return f"/proc/self/fd/{self._folder}/{name}"
