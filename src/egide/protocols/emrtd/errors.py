"""What is wrong with what a chip, or the authority behind it, said: one word a program can act on, one sentence for logs.

Neither ever holds anything that was read from the document: it is a person's.
"""

from __future__ import annotations

from typing import Literal

Why = Literal[
    "malformed",  # not the file, certificate, list or answer that it should be
    "too-large",
    "unsupported",  # an algorithm, curve or format that is not accepted
    "signature",
    "untrusted",  # nobody in the trust store stands for it
    "expired",
    "access",  # the chip does not let us in: a wrong password
    "channel",  # the secured exchange does not hold: a wrong MAC, an answer in clear
    "chip",  # the chip answered with an error, or not at all
]


class EmrtdError(ValueError):
    """A refusal; `why` is what callers look at."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why
