"""The legal basis of a control in words: what its text asks, how the text is called, and the article.

A traveller reads “eu/sbc 8(2)” as nothing at all. The record and the signed request keep that identifier; pages show these words.
The sentence is the law pack's own (`text.toml`, the group of acts that the text rules), so that it is written in one place.
"""

from __future__ import annotations

import msgspec

from egide.border.control_points import Basis
from egide.kernel.capability import Words
from egide.kernel.law import LawBook


class BasisTold(msgspec.Struct, frozen=True):
    """`says`: None where the text rules several groups of acts, and no one sentence is its own. `article` as numbered today."""

    says: Words | None
    title: Words
    article: str


def identifier(basis: Basis | None) -> str:
    """The text's id and the article, as the record and the request hold them; "" where no text asks who somebody is."""
    return f"{basis.text} {basis.article}" if basis is not None else ""


def in_words(book: LawBook, basis: Basis | None) -> BasisTold | None:
    """The same for people; None where no text asks who somebody is."""
    if basis is None:
        return None
    title = book.texts[basis.text].title
    said = [group.doc for group in book.groups.values() if group.text == basis.text]
    return BasisTold(
        says=Words(said[0].fr, said[0].en) if len(said) == 1 else None,
        title=Words(title.fr, title.en), article=book.article(f"{basis.text} {basis.article}"),
    )  # fmt: skip
