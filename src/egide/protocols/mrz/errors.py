"""What is wrong with a machine-readable zone, in one word; never with what was printed in it, for that is a person's."""

from __future__ import annotations

from typing import Literal

Why = Literal[
    "format",  # no number of lines and characters that Doc 9303 knows
    "character",  # a character that may not stand where it stands
    "check",  # a check digit that does not hold
    "date",  # a date that is none
    "value",  # a value that the format cannot hold
]


class MrzError(ValueError):
    """A refusal; `why` is what callers look at."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why
