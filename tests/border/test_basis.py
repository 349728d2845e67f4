"""Every legal basis of a control is told in words, with its article; its identifier stays as it is for the record."""

from __future__ import annotations

import pytest

from egide.border.basis import identifier, in_words
from egide.border.control_points import Basis, points
from tests.border.airport import Airport

pytestmark = pytest.mark.anyio


async def test_every_point_with_a_basis_has_a_sentence_in_both_languages(airport: Airport) -> None:
    book = airport.kernel.book
    for point in points().values():
        told = in_words(book, point.legal_basis)
        assert (told is None) == (point.legal_basis is None)
        if told is not None:
            assert told.says is not None, point.id
            for words in (told.says.fr, told.says.en, told.title.fr, told.title.en):
                assert words
                assert "/" not in words, "an identifier is not a word"


async def test_a_text_with_many_sentences_is_told_by_its_title_alone(airport: Airport) -> None:
    told = in_words(airport.kernel.book, Basis("eu/gdpr", "6(1)(c)"))
    assert told is not None
    assert (told.says, told.article) == (None, "6(1)(c)")


def test_the_record_has_the_identifier() -> None:
    assert identifier(Basis("eu/sbc", "8(2)")) == "eu/sbc 8(2)"
    assert identifier(None) == ""
