"""What is looked for is found wherever it stands and in whatever form; what is not there is not."""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from io import BytesIO
from secrets import token_bytes

import msgspec
import pytest

from egide.border.token import base45
from tests.needles import PIECE, Needles, forms, memory, pieces, text_forms

SECRET, NAME = token_bytes(32), "KANARIENVOGEL"
WANTED = Needles([*forms("secret", SECRET), *text_forms("name", NAME)])


@pytest.mark.parametrize("before", range(9))
def test_each_form_is_found_after_any_number_of_bytes(before: int) -> None:
    inside = b"x" * before + SECRET + b"y" * 9
    for written in (inside, inside.hex().encode(), urlsafe_b64encode(inside), base45.encode(inside).encode()):
        assert WANTED.within(b" " * before + written) == {"secret"}
    told = msgspec.json.encode({"name": f"{'x' * before} {NAME} GELB"})
    for written in (
        told,
        urlsafe_b64encode(told),
        told.decode().encode("utf-16-le"),
        told.decode().encode("utf-32-le"),
    ):
        assert WANTED.within(b" " * before + written) == {"name"}


def test_nothing_is_found_where_nothing_is() -> None:
    assert WANTED.within(token_bytes(1 << 20)) == set()
    assert WANTED.within(bytes(1 << 20)) == set()
    assert WANTED.within(SECRET[:-1] + b"-" + NAME[:-1].encode()) == set()
    assert WANTED.within(b"") == set()


def test_it_is_found_where_two_pieces_meet() -> None:
    held = bytearray(3 * PIECE)
    held[2 * PIECE - 20 : 2 * PIECE + 12] = SECRET
    assert WANTED.in_all(pieces(BytesIO(held), 0, len(held))) == {"secret"}
    with pytest.raises(AssertionError):
        Needles([("short", b"1234567")])


def test_the_memory_of_a_process_is_read() -> None:
    assert WANTED.in_all(memory(os.getpid()), {"secret", "name"}) >= {"secret", "name"}
