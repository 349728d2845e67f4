"""A key sealed for the platform opens for it and this device alone, whatever else is brought."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.protocols.escrow import EscrowError, opened, pair, sealed

FUZZ = int(os.environ.get("EGIDE_FUZZ", "60"))
KEY, IV = bytes(range(32)), b"\7" * 12
PRIVATE, PUBLIC = pair()
POINT, DATA = sealed(PUBLIC, "device", KEY, IV)


def test_it_opens_for_this_device_alone() -> None:
    assert opened(PRIVATE, "device", POINT, IV, DATA) == KEY
    for changed in (
        (pair()[0], "device", POINT, IV, DATA),
        (PRIVATE, "other", POINT, IV, DATA),
        (PRIVATE, "device", pair()[1], IV, DATA),
        (PRIVATE, "device", POINT, b"\0" * 12, DATA),
        (PRIVATE, "device", POINT, IV, DATA[:-1] + bytes([DATA[-1] ^ 1])),
        (PRIVATE, "device", POINT, IV, sealed(PUBLIC, "device", KEY[:16], IV)[1]),
    ):
        with pytest.raises(EscrowError):
            opened(*changed)


@settings(max_examples=FUZZ, deadline=None)
@given(st.binary(max_size=80), st.binary(max_size=20), st.binary(max_size=80))
def test_anything_else_is_refused(point: bytes, iv: bytes, data: bytes) -> None:
    with pytest.raises(EscrowError):
        opened(PRIVATE, "device", point, iv, data)
