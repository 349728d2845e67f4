"""What is wrong with what a wallet sent: one word that a program can act on, one plain sentence for logs and for the wallet.

Neither ever holds anything that the wallet sent: it is a stranger's text, or a person's.
"""

from __future__ import annotations

from typing import Literal

Why = Literal[
    "malformed",  # not the answer, token or list that it should be
    "too-large",
    "type",  # a token of another type: `typ`
    "algorithm",
    "issuer",  # nobody whom the settings trust
    "certificate",  # the chain does not lead to a trust anchor, or has ended
    "signature",  # of the issuer
    "disclosure",  # a value that the issuer did not sign, or twice
    "vct",  # a credential of another kind
    "expired",
    "too-early",
    "holder",  # not bound to the key of who presents it
    "nonce",  # it answers another request
    "audience",  # it is for somebody else
    "hash",  # the binding is over another presentation
    "level",  # a credential that is worth less than was asked for
    "claim",  # what was asked for is not in it
    "control",  # it is for another control than the one it was shown at
    "revoked",
    "status",  # whether it is revoked could not be learnt
    "stale",  # the status list is too old to say, and no newer one could be had
    "replayed",  # a single-use token that was used here before
    "verifier",  # who asks is nobody whom the wallet trusts
    "encryption",
    "state",
    "denied",  # the person said no
    "refused",  # the wallet says no, for another reason
    "unavailable",
]


class WalletError(ValueError):
    """A refusal; `why` is what callers look at."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why
