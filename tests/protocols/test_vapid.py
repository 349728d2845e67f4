"""VAPID: the header is the one RFC 8292 describes, the RFC's own example verifies, and nothing else passes."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.protocols.vapid import LONGEST_S, authorization, decoded, encoded, verify

CASES = int(os.environ.get("EGIDE_FUZZ", "200"))
# RFC 8292 §2.4; the token is of 2016.
EXAMPLE = (
    "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im"
    "1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA, "
    "k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"
)
THEN = 1453523768 - 3600
KEY = generate_private_key(SECP256R1())
ENDPOINT = "https://push.example:8443/wake/1"


def test_the_example_of_the_rfc() -> None:
    assert verify(EXAMPLE, "https://push.example.net", THEN) == "mailto:push@example.com"


def test_there_and_back() -> None:
    header = authorization(KEY, ENDPOINT, "mailto:a@b.example", 1000)
    assert verify(header, "https://push.example:8443", 999) == "mailto:a@b.example"
    for audience, now in (
        ("https://push.example", 999),
        ("https://push.example:8443", 1000),
        ("https://push.example:8443", 999 - LONGEST_S),
    ):
        with pytest.raises(ValueError, match="another service"):
            verify(header, audience, now)


@settings(max_examples=CASES)
@given(at=st.integers(0, len(EXAMPLE) - 1), to=st.characters())
def test_a_changed_letter(at: int, to: str) -> None:
    changed = EXAMPLE[:at] + to + EXAMPLE[at + 1 :]
    try:
        assert verify(changed, "https://push.example.net", THEN) == "mailto:push@example.com"
    except ValueError:
        return
    # What still passes is the same bytes written otherwise (the last letter of base64url has spare bits), or a space.
    assert changed == EXAMPLE or at in spare() or to.isspace()


def spare() -> set[int]:
    """Where a letter's lowest bits are not used: at the end of the signature and of the key."""
    return {EXAMPLE.index(", k=") - 1, len(EXAMPLE) - 1}


@settings(max_examples=CASES)
@given(st.text(max_size=400))
def test_anything(text: str) -> None:
    for header in (text, "vapid " + text):
        with pytest.raises(
            ValueError, match=r"vapid|unreadable|ES256|service|unpack|base64|ascii|JSON|Expecting|point|Extra|key"
        ):
            verify(header, "https://push.example", 1)


@given(st.binary(max_size=100))
def test_base64url(data: bytes) -> None:
    assert decoded(encoded(data)) == data
