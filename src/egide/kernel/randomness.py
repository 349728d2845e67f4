"""Random bytes for ids and nonces, drawn from the operating system by the page.

Why: each `os.urandom` is a system call that gives the interpreter lock away, several times an act. Secrets (keys, session
cookies, invitations) do not come from here: they are drawn one by one, so that nothing of them waits in memory.
"""

from __future__ import annotations

import os
import threading

PAGE = 8192  # bytes drawn at once

_held = threading.local()


def draw(size: int) -> bytes:
    """`size` (≤ 64) unpredictable bytes, never handed out twice; any thread."""
    at: int = getattr(_held, "at", PAGE)
    if at + size > PAGE or _held.process != os.getpid():
        _held.page, _held.process, at = os.urandom(PAGE), os.getpid(), 0
    _held.at = at + size
    page: bytes = _held.page
    return page[at : at + size]
