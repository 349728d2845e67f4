"""The process of one room: its limits, its door, its loop. It speaks through one socket, to the platform alone, and logs nothing.

Once its door is closed it may open nothing any more: no file, no socket (RLIMIT_NOFILE), no core dump, no byte written to a disk,
no other process of the same user reading its memory (PR_SET_DUMPABLE). It ends when its socket does, at the latest with the
platform.
"""

from __future__ import annotations

import ctypes
import resource
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO

from egide.border.room.messages import LENGTH, MAX_MESSAGE, Asked, Broken, Told, asked, packed

if TYPE_CHECKING:
    from egide.border.room.work import Work

CPU_S = 120  # s; a control takes less than one
MEMORY = 3 * 1024 * 1024 * 1024  # bytes of address space; the models' runtime reserves more than it uses
STANDARD = 3  # descriptors 0, 1 and 2, and no other
PR_SET_DUMPABLE = 4  # prctl(2)


def limit() -> None:
    """What a nursery and its rooms may use."""
    for which, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (most, most))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def close_the_door() -> None:
    """From now on nothing can be opened: neither file nor socket."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (STANDARD, STANDARD))


def read(source: BinaryIO) -> bytes | None:
    """The next message; None at the end of the socket. Raises `ValueError`."""
    head = source.read(LENGTH)
    if len(head) < LENGTH:
        return None
    size = int.from_bytes(head, "big")
    if size > MAX_MESSAGE:
        raise ValueError("a message that no platform sends")
    body = source.read(size)
    return body if len(body) == size else None


def serve(source: BinaryIO, sink: BinaryIO, prepare: Callable[[Callable[[Told], Asked | None]], Work]) -> None:
    """Serves one control; `prepare` makes its work, to which it gives the way to ask the platform back."""

    def exchange(message: Told) -> Asked | None:
        sink.write(packed(message))
        sink.flush()
        body = read(source)
        return None if body is None else asked(body)

    work = prepare(exchange)
    close_the_door()
    message = exchange(work.ready())
    while message is not None:
        try:
            answer = work.done(message)
        except Exception:  # noqa: BLE001 — whatever a stranger's bytes broke: its words could be a person's, so none are told
            answer = Broken("fault")
        message = exchange(answer)
