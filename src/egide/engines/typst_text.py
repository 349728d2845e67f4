"""What people wrote, made fit for an archival page: every character is shown, none acts.

Why: PDF/A-2a wants each character to have a glyph and a Unicode value (ISO 19005-2 §6.2.11); a control character has neither,
and one that reverses the direction of writing shows a text other than the one that is stored ("Trojan Source",
CVE-2021-42574). What cannot be shown is written as its Unicode number, `[U+1F600]`: visible, unambiguous, nothing dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

LONGEST_RUN = 40  # characters without a place to break: more would run off the page
BREAK = "\u200b"  # zero-width space
MAX_DEPTH = 16

_LONG = re.compile(rf"[^\s{BREAK}]{{{LONGEST_RUN}}}(?=[^\s{BREAK}])")
# Embeddings, overrides and isolates (Unicode TR 9 §2). The plain marks U+200E, U+200F and U+061C reorder nothing by themselves.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SHOWN_AS_NUMBER = frozenset(("Cc", "Cs", "Co", "Cn"))  # controls, lone surrogates, private use, unassigned
_KEPT = frozenset("\n\t")
_COVERED = frozenset(filter(str.isprintable, map(chr, range(0x20, 0x17F))))  # Latin: in every font that we set


def clean(value: object, absent: AbstractSet[str], depth: int = 0) -> object:
    """The same data with every string fit to be set; `absent` are characters for which the fonts have no glyph.

    Raises `ValueError` for what is not JSON, or nested deeper than 16.
    """
    if depth > MAX_DEPTH:
        raise ValueError("the data is nested too deep")
    if isinstance(value, str):
        return clean_text(value, absent)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(name): clean(each, absent, depth + 1) for name, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [clean(each, absent, depth + 1) for each in value]
    raise ValueError(f"{type(value).__name__} cannot be put into a document")


def clean_text(text: str, absent: AbstractSet[str]) -> str:
    """One string, in composed form (NFC), its line ends as LF."""
    composed = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    if not composed.isascii() or not composed.isprintable():
        composed = "".join(map(lambda each: _shown(each, absent), composed))  # noqa: C417 — twice as quick over a megabyte
    return _LONG.sub(lambda found: found[0] + BREAK, composed)


def absent_in(diagnostics: str) -> set[str]:
    """The characters that Typst says no font has. Of a cluster, all that are not plain Latin: one of them has no glyph."""
    found = set()
    for quoted in re.findall(r'the text `"((?:[^"\\]|\\.)*)"` could not be displayed', diagnostics):
        found |= set(_unescape(quoted)) - _COVERED
    return found


def _shown(character: str, absent: AbstractSet[str]) -> str:
    if character in _COVERED or character in _KEPT:
        return character
    number = character in absent or character in _REORDERING or unicodedata.category(character) in _SHOWN_AS_NUMBER
    return f"[U+{ord(character):04X}]" if number else character


def _unescape(quoted: str) -> str:
    """Rust's debug form of a string."""
    plain = re.sub(r"\\u\{([0-9a-fA-F]+)\}", lambda found: chr(int(found[1], 16)), quoted)
    return re.sub(r"\\(.)", r"\1", plain)
