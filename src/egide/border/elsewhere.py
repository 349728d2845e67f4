"""Who waits for an officer at another process of the installation: on every officer's list all the same.

A case lives where its control was opened; officers' tablets are connected to any process. Each process tells the others its
cases when they change, and again every two seconds while there are any, for what was lost and for whoever has just started. A
process that has not been heard for six seconds has none. Told are ids, points and words: never who.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.border")

TOPIC = "border.cases"
AGAIN_S = 2.0  # s between two tellings of all there are
LOST_S = 6.0  # s without one after which a process has none: as kernel/processes.py counts it gone


class Waiting(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One case: since when (µs), and in one word why."""

    realm: str
    id: str
    point: str
    at: int
    why: str


class _Told(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    process: str
    cases: list[Waiting]


class Elsewhere:
    """Tells the other processes, and hears them."""

    def __init__(self, kernel: Kernel, mine: Callable[[], list[Waiting]], changed: Callable[[str], None]) -> None:
        self._kernel, self._mine, self._changed = kernel, mine, changed
        self._heard: dict[str, tuple[float, list[Waiting]]] = {}  # by process: when, what
        self._again: asyncio.TimerHandle | None = None
        self._encoder, self._decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(_Told)

    def start(self) -> None:
        """Listens, and tells from now on."""
        self._kernel.ephemeral.hear(TOPIC, self._hear)
        self._repeat()

    def stop(self) -> None:
        """Tells nothing any more."""
        if self._again is not None:
            self._again.cancel()

    def tell(self) -> None:
        """Ours changed."""
        self._kernel.ephemeral.say(TOPIC, self._encoder.encode(_Told(self._kernel.process, self._mine())), always=True)

    def of(self, realm: str) -> list[Waiting]:
        """Those of the others."""
        since = monotonic() - LOST_S
        return [each for heard, cases in self._heard.values() if heard > since for each in cases if each.realm == realm]

    def _repeat(self) -> None:
        if self._mine():
            self.tell()
        self._again = asyncio.get_running_loop().call_later(AGAIN_S, self._repeat)

    def _hear(self, content: bytes) -> None:
        try:
            told = self._decoder.decode(content)
        except msgspec.DecodeError as error:
            log.info("not a list of cases: %s", error)
            return
        _when, before = self._heard.pop(told.process, (0.0, []))
        if told.cases:
            self._heard[told.process] = monotonic(), told.cases
        for realm in {each.realm for each in {*before} ^ {*told.cases}}:
            self._changed(realm)
