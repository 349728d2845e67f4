"""The process itself: its limits and its loop. It starts with an empty environment, speaks through two pipes and logs nothing.

    python -I -m egide.border.room.child token|face|kiosk

Once it is warm it may open nothing any more: no file, no socket (RLIMIT_NOFILE), no core dump, no byte written to a disk, no
other process of the same user reading its memory (PR_SET_DUMPABLE). It ends when its pipe does, at the latest with the platform.
"""

from __future__ import annotations

import ctypes
import resource
import sys
from typing import BinaryIO, cast, get_args

from egide.border.room.messages import LENGTH, MAX_MESSAGE, Asked, Broken, Kind, Told, asked, packed

CPU_S = 120  # s; a control takes less than one
MEMORY = 3 * 1024 * 1024 * 1024  # bytes of address space; the models' runtime reserves more than it uses
STANDARD = 3  # descriptors 0, 1 and 2, and no other
PR_SET_DUMPABLE = 4  # prctl(2)


def limit() -> None:
    """What the process may use while it gets warm."""
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
    """The next message; None at the end of the pipe. Raises `ValueError`."""
    head = source.read(LENGTH)
    if len(head) < LENGTH:
        return None
    size = int.from_bytes(head, "big")
    if size > MAX_MESSAGE:
        raise ValueError("a message that no platform sends")
    body = source.read(size)
    return body if len(body) == size else None


def main(kind: Kind) -> None:
    """Serves one control."""
    limit()
    from egide.border.room.work import Work  # noqa: PLC0415 — within the limits

    source, sink = sys.stdin.buffer, sys.stdout.buffer

    def exchange(message: Told) -> Asked | None:
        sink.write(packed(message))
        sink.flush()
        body = read(source)
        return None if body is None else asked(body)

    work = Work(kind, exchange)
    close_the_door()
    message = exchange(work.ready())
    while message is not None:
        try:
            answer = work.done(message)
        except Exception:  # noqa: BLE001 — whatever a stranger's bytes broke: its words could be a person's, so none are told
            answer = Broken("fault")
        message = exchange(answer)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in get_args(Kind):
        sys.exit(2)
    main(cast("Kind", sys.argv[1]))
