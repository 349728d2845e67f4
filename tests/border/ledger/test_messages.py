"""Words between authorities: read exactly, or refused in one way."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from egide.border.ledger import messages
from egide.border.ledger.evidence import Fault, clash, decode_fault, proves
from egide.border.ledger.messages import (
    PREVOTE,
    Ask,
    Block,
    Blocks,
    Call,
    Certified,
    Header,
    Hello,
    Message,
    Proposal,
    Signed,
    Vote,
    Welcome,
    WireError,
    calls_root,
    decode_certified,
    decode_message,
    decode_signed,
    encode,
    sign,
    verify,
)
from tests.border.ledger.parties import member, signing_key

WORD = b"w" * 32
CHAIN = b"c" * 32
SIGNED = Signed(b"a" * 20, b"body", b"s" * 64)
BLOCK = Block(Header(1, WORD, 2, WORD, WORD), (SIGNED,))
WORDS: list[Message] = [
    Call(1, b"data"),
    Proposal(1, 2, -1, BLOCK),
    Vote(1, 2, PREVOTE, WORD),
    Hello(3),
    Welcome(3, (SIGNED,)),
    Ask(4),
    Blocks((Certified(BLOCK, 0, ((b"a" * 20, b"s" * 64),)),)),
]


@pytest.mark.parametrize("word", WORDS, ids=lambda word: type(word).__name__)
def test_a_word_is_read_as_it_was_said(word: Message) -> None:
    assert decode_message(encode(word)) == word


def test_a_signature_is_for_one_chain_one_body_and_one_key() -> None:
    signed = sign(WORDS[0], CHAIN, member(0).address, signing_key(0))
    assert verify(decode_signed(encode(signed)), CHAIN, member(0).key)
    assert not verify(signed, b"d" * 32, member(0).key)
    assert not verify(signed, CHAIN, member(1).key)
    assert not verify(signed, CHAIN, b"no key")
    assert not verify(msgspec.structs.replace(signed, body=b"other"), CHAIN, member(0).key)


@pytest.mark.parametrize(
    "word",
    [
        Vote(1, 2, 3, WORD),
        Vote(1, 2, PREVOTE, b"short"),
        Vote(-1, 2, PREVOTE, WORD),
        Vote(1 << 53, 2, PREVOTE, WORD),
        Vote(1, messages.MAX_ROUND, PREVOTE, WORD),
        Call(1, b"x" * (messages.MAX_DATA + 1)),
        Proposal(1, 0, -2, BLOCK),
        Proposal(1, 0, -1, Block(BLOCK.header, ())),
        Proposal(1, 0, -1, Block(BLOCK.header, (SIGNED,) * 101)),
        Proposal(1, 0, -1, Block(BLOCK.header, (Signed(b"a" * 20, b"x" * messages.MAX_BODY, b"s" * 64),))),
        Blocks((Certified(BLOCK, 0, ()),) * 9),
        Welcome(0, (SIGNED,) * 5),
    ],
)
def test_a_word_out_of_bounds_is_refused(word: Message) -> None:
    with pytest.raises(WireError):
        decode_message(encode(word))


def test_more_than_a_message_is_not_read() -> None:
    with pytest.raises(WireError, match="long"):
        decode_signed(bytes(messages.MAX_MESSAGE + 1))


@given(data=st.binary(max_size=400))
def test_any_bytes_are_a_word_or_a_wire_error(data: bytes) -> None:
    for read in (decode_signed, decode_message, decode_certified, decode_fault):
        try:
            read(data)
        except WireError as error:
            assert str(error) in {"malformed", "long"}  # noqa: PT017 — a word that is read is right too


@given(word=st.sampled_from(WORDS), at=st.integers(0, 400), value=st.integers(0, 255))
def test_a_word_with_a_byte_turned_is_a_word_or_a_wire_error(word: Message, at: int, value: int) -> None:
    data = bytearray(encode(word))
    data[at % len(data)] = value
    try:
        decode_message(bytes(data))
    except WireError as error:
        assert str(error) == "malformed"  # noqa: PT017 — idem


def test_the_order_of_calls_is_part_of_their_root() -> None:
    one, other = Signed(b"a" * 20, b"1", b"s" * 64), Signed(b"a" * 20, b"2", b"s" * 64)
    assert calls_root((one, other)) != calls_root((other, one))


def test_words_at_two_places_are_no_clash_and_prove_nothing() -> None:
    def said(word: Message) -> Signed:
        return sign(word, CHAIN, member(0).address, signing_key(0))

    vote = said(Vote(1, 2, PREVOTE, WORD))
    assert clash(vote, said(Vote(1, 2, PREVOTE, bytes(32))))
    for word in (Vote(1, 3, PREVOTE, bytes(32)), Vote(1, 2, 2, bytes(32)), Vote(2, 2, PREVOTE, bytes(32)), Hello(1)):
        assert not clash(vote, said(word))
        assert not proves(Fault("equivocation", vote.by, 1, (vote, said(word))), CHAIN, member(0).key)
    assert not clash(vote, Signed(vote.by, b"noise", vote.signature))


def test_a_word_that_is_no_utf_8_is_a_wire_error_too() -> None:
    with pytest.raises(WireError):
        decode_fault(b"\x95\xa1\x80\xc4\x00\x00\x90\x90")
