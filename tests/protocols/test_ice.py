"""Addresses of STUN and TURN servers, and passwords that a TURN server checks by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egide.protocols.ice import addresses, servers


def test_what_is_an_address() -> None:
    line = "stun:stun.example:3478  turn:192.0.2.1 turns:[2001:db8::1]:5349?transport=tcp"
    assert addresses(line) == line.split()
    assert addresses("") == []


@pytest.mark.parametrize(
    "wrong",
    [
        "stun.example",
        "http://x",
        "stun:",
        "stun:x?transport=udp",
        "turn:x:999999",
        "turn:u:p@x",
        "turn:x?transport=sctp",
    ],
)
def test_what_is_none(wrong: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        addresses(f"stun:good {wrong}")


@given(st.text(max_size=80))
def test_any_line_is_addresses_or_refused(line: str) -> None:
    try:
        found = addresses(line)
    except ValueError:
        return
    assert all(one.startswith(("stun", "turn")) for one in found)


def test_a_password_lasts_an_hour() -> None:
    # HMAC-SHA-1 of "3600" under "secret", as openssl computes it: printf 3600 | openssl dgst -sha1 -hmac secret -binary | base64
    found = servers(["stun:a", "turn:b"], "secret", 0)
    assert found == [
        {"urls": ["stun:a"]},
        {"urls": ["turn:b"], "username": "3600", "credential": "ASm+MfdoQiBluxBaC6KJyK28VPc="},
    ]
    assert servers(["turn:b"], "", 0) == []
