"""What is wrong with what an identity provider said: one word that a program can act on, one plain sentence for logs.

Neither ever holds anything that the provider or the browser sent: what they send is a stranger's text, or a person's.
"""

from __future__ import annotations

from typing import Literal

Why = Literal[
    "malformed",  # not the document, token or answer that it should be
    "too-large",
    "address",  # neither https nor loopback
    "issuer",
    "algorithm",
    "key",  # no key of the provider's fits: perhaps its keys are newer than ours
    "signature",
    "encryption",
    "audience",
    "expired",
    "too-early",  # of the future, or of before we asked
    "nonce",
    "hash",  # the access token is not the one that came with the ID token
    "level",  # `acr` absent, unknown or lower than asked
    "subject",  # userinfo of somebody else
    "state",
    "denied",  # the person said no
    "unavailable",  # the provider says that it cannot now
    "refused",  # the provider says no, for another reason
]


class OidcError(ValueError):
    """A refusal; `why` is what callers look at."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why
