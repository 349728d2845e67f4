"""The document's files in the wallet, and the digest by which a border knows the document again."""

from __future__ import annotations

import os
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.border.token.container import MAX_DG1, MAX_DG2, Container, document_hash, pack, same_document, unpack
from egide.kernel.errors import BadInput
from egide.protocols import cose

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)
RIGHT = Container(dg1=b"a\x5bMARCHAND", dg2=os.urandom(40_000), sod=os.urandom(2000))
SECRET = bytes(range(16))
VECTOR = "eccc89e90141308c0374eb41d9878a09df108a7543ac979786205a740292ed06"  # of no file under a secret of zeros


def test_what_was_packed_comes_back() -> None:
    assert unpack(pack(RIGHT)) == RIGHT
    assert "MARCHAND" not in repr(RIGHT)


def test_files_no_chip_has_are_refused() -> None:
    for change in ({"dg1": b"x" * (MAX_DG1 + 1)}, {"dg2": b"x" * (MAX_DG2 + 1)}, {"sod": b""}):
        with pytest.raises(BadInput):
            pack(msgspec.structs.replace(RIGHT, **change))
    for wrong in ({1: 2, 2: b"x", 3: b"x", 4: b"x"}, {1: 1, 2: b"x", 3: b"x"}, {1: 1, 2: b"x", 3: b"x", 4: b"x", 5: 1}, {1: 1, 2: b"", 3: b"x", 4: b"x"}, []):  # fmt: skip
        with pytest.raises(BadInput):
            unpack(cose.encode(wrong))


def test_a_digest_is_of_one_document_under_one_secret() -> None:
    found = document_hash(RIGHT.sod, SECRET)
    assert len(found) == 32
    assert same_document(found, RIGHT.sod, SECRET)
    assert not same_document(found, RIGHT.sod + b"x", SECRET)
    assert found != document_hash(RIGHT.sod, bytes(16))
    assert document_hash(b"", bytes(16)).hex() == VECTOR  # for the wallet, in JavaScript
    with pytest.raises(BadInput):
        document_hash(RIGHT.sod, b"short")


@given(st.binary(max_size=100))
@CASES
def test_any_bytes_are_a_container_or_refused(data: bytes) -> None:
    with suppress(BadInput):
        assert pack(unpack(data)) == data
