"""Pictures and documents are parsed in a process of their own: bounded in memory and time, unable to write a file.

Why: what strangers send is made to break parsers. A bomb or a crash ends that process, not the platform; the clear bytes go
through pipes and never touch a disk. What it does not do: keep the parser from system calls (a service manager may).

    python -I -m egide.services.apart <task> < content > one line of JSON, then the bytes made
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from typing import IO, Any

import msgspec

MEMORY = 1536 * 1024 * 1024  # bytes; a picture of 64 million points needs 600 MiB at most
CPU_S = 40  # s
WAIT_S = 90  # s; on a busy machine
MAX_POINTS = 64_000_000  # of a picture; beyond this it is kept and not decoded
MAX_CONTENT = 64 * 1024 * 1024  # bytes; upload_kinds.toml admits no more of what comes here


class Unreadable(Exception):
    """The parser did not come to an end: broken, hostile or beyond the bounds."""


def run(task: str, content: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    """(what was found, what was made). Blocks; raises `Unreadable`."""
    content.seek(0)
    command = [sys.executable, "-I", "-m", "egide.services.apart", task]
    try:
        done = subprocess.run(  # noqa: S603 — our own program, our own words
            command, input=content.read(MAX_CONTENT), capture_output=True, timeout=WAIT_S, check=True, env={}
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise Unreadable(task) from error
    told, _, made = done.stdout.partition(b"\n")
    return msgspec.json.decode(told, type=dict[str, Any]), made


def _limits() -> None:
    for which, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(which, (most, most))


def main(task: str) -> None:
    """The process itself."""
    from egide.services import cleaning  # noqa: PLC0415 — in the process apart alone

    tasks: dict[str, Callable[[bytes], tuple[dict[str, Any], bytes]]] = {
        "measure-picture": cleaning.measure_picture,
        "picture": cleaning.picture,
        "look-document": cleaning.look_document,
        "document": cleaning.document,
    }
    _limits()
    told, made = tasks[task](sys.stdin.buffer.read())
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n" + made)


if __name__ == "__main__":
    main(sys.argv[1])
