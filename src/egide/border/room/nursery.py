"""Where rooms come from: a process that has loaded everything, knows nobody, and forks one room for each control.

    python -I -m egide.border.room.nursery token|face|kiosk < its end of a socket

Why: to load the models takes a second of CPU and 277 MB, more than the control itself; a fork takes milliseconds and shares what
was loaded. Nothing of a traveller ever comes here: the socket brings the rooms' own sockets (SCM_RIGHTS) and nothing else, and
each room draws its keys after the fork. It has one thread, so that forking it is sound; it ends when its socket does.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from functools import partial
from typing import cast, get_args

from egide.border.room.child import limit, serve
from egide.border.room.messages import Kind

WARM, ROOM = b"w", b"r"  # what goes over the socket: to the platform once it is warm; from it, with a room's socket


def main(kind: Kind) -> None:
    """Gets warm, then gives birth to rooms until the platform ends."""
    limit()
    from egide.border.room.work import Prepared  # noqa: PLC0415 — within the limits

    prepared = Prepared(kind)
    prepared.rehearse()
    gc.collect()
    gc.freeze()  # what is shared with the rooms stays shared: no collection writes to it
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # rooms that ended are nobody's to wait for
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as control:
        control.sendall(WARM)
        while True:
            word, sockets, _flags, _address = socket.recv_fds(control, 1, 1)
            if not word:
                return
            if sockets and os.fork() == 0:
                control.close()
                _room(prepared, sockets[0])
            for each in sockets:
                os.close(each)


def _room(prepared: object, descriptor: int) -> None:
    """The room itself, in the forked process: it never returns."""
    from egide.border.room.work import Prepared, Work  # noqa: PLC0415 — loaded by `main`

    ended = 1
    try:
        os.dup2(descriptor, 0)
        os.close(descriptor)
        own = socket.socket(fileno=0)
        serve(own.makefile("rb"), own.makefile("wb"), partial(Work, cast("Prepared", prepared)))
        ended = 0
    finally:
        os._exit(ended)  # nothing of the nursery's is run down twice


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in get_args(Kind):
        sys.exit(2)
    main(cast("Kind", sys.argv[1]))
