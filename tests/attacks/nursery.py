"""Starts serving processes quickly: imports once, then forks each. What is forked is the same program that `child.py` runs.

Why: the proofs kill hundreds of processes; four fifths of a start are imports. One line of JSON a process comes on standard input
(folder, port, flags, environment, where to say its pid, where to complain); nothing runs here but this loop: a fork is safe.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from pathlib import Path

from tests.attacks import child


def warm() -> None:
    """Everything that a start imports late."""
    import av  # noqa: F401
    import psycopg  # noqa: F401
    import shapely  # noqa: F401

    import egide.administration.people
    import egide.engines.nats
    import egide.engines.postgres
    import egide.engines.postgres_keys
    import egide.operations.start  # noqa: F401


def born(asked: dict[str, object]) -> None:
    """In the child: becomes a serving process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    log = os.open(str(asked["log"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    said = os.open(str(asked["said"]), os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(said, 1)
    os.dup2(log, 2)
    os.environ.update({str(name): str(value) for name, value in dict(asked["environment"]).items()})  # type: ignore[call-overload]
    sys.argv[1:] = [str(asked["folder"]), str(asked["port"]), *map(str, list(asked["flags"]))]  # type: ignore[call-overload]
    child.main()


def main() -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who ends is gone at once
    warm()
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            try:
                born(asked)
            except BaseException:  # noqa: BLE001 — a forked child must never come back into this loop
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        done = Path(asked["pid"])
        done.with_suffix(".half").write_text(str(pid))
        done.with_suffix(".half").rename(done)


if __name__ == "__main__":
    main()
