"""Rows for one statement of SQLite: many at a time, in few sizes, so that each statement is prepared once.

Why: a call for each row gives the interpreter lock away each time, and waits for it again while the event loop is busy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

SIZES = (64, 16, 4, 1)  # rows of a statement
_Some = TypeVar("_Some")


def parts(rows: Sequence[_Some]) -> Iterator[Sequence[_Some]]:
    """All of them in their order, as many at once as there is a size for."""
    at = 0
    for size in SIZES:
        while len(rows) - at >= size:
            yield rows[at : at + size]
            at += size
