"""What a device signs, by the words of a browser: an entry that is changed in any way is not its own."""

from __future__ import annotations

import os
from base64 import b64decode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.protocols.outbox_chain import START, ChainError, holds, key_of, link, message
from tests.services.offline import Chain, point

FUZZ = int(os.environ.get("EGIDE_FUZZ", "60"))


def test_each_names_the_one_before() -> None:
    chain = Chain("device")
    first, second = chain.add("un"), chain.add("deux")
    signed = message("device", first["id"], 1, START, b"un")
    assert second["prev"] == link(signed)
    assert holds(key_of(point(chain.key)), signed, b64decode(first["sig"]))
    for changed in (
        message("other", first["id"], 1, START, b"un"),
        message("device", second["id"], 1, START, b"un"),
        message("device", first["id"], 2, START, b"un"),
        message("device", first["id"], 1, link(signed), b"un"),
        message("device", first["id"], 1, START, b"deux"),
    ):
        assert not holds(key_of(point(chain.key)), changed, b64decode(first["sig"]))


@settings(max_examples=FUZZ, deadline=None)
@given(st.binary(max_size=80))
def test_no_other_bytes_are_a_signature_or_a_point(content: bytes) -> None:
    assert not holds(key_of(point(Chain("device").key)), b"signed", content)
    with pytest.raises(ChainError):
        key_of(content)
