"""Checks the leaves of an inspector's export against its signed checkpoints, and names the entry that was changed.

Why apart: it is the long half of a verification, and its speed is what bounds an inspection: 350,000 entries a second on
one core. Source: RFC 9162 §2.1.1 for the tree; `ledger_export` for the spelling of a line.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from itertools import count

import msgspec

from egide.kernel import merkle
from egide.kernel.errors import Text
from egide.kernel.ledger_export import LEAVES, entry_line
from egide.kernel.merkle import HASH_SIZE, Frontier

MAX_PROBLEMS = 100  # more than a person reads


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that does not verify: file (and line), number of the entry where there is one, a sentence."""

    where: str
    entry: int | None
    what: Text


@dataclass(slots=True)
class Findings:
    """Problems found so far, at most `MAX_PROBLEMS`."""

    problems: list[Problem] = field(default_factory=list)

    def add(self, where: str, fr: str, en: str, entry: int | None = None) -> None:
        """Notes a problem in both languages."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(where, entry, Text(fr, en)))


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint whose signature holds, and where it stands."""

    size: int
    root: bytes
    where: str


class _Entry(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line of `leaves.jsonl`, its leaf decoded."""

    i: int
    leaf: bytes
    hash: str


class _EntryText(msgspec.Struct, forbid_unknown_fields=True):
    """The same line as it is written: base64 has several spellings of one value, only one of which was exported."""

    i: int
    leaf: str
    hash: str


_DECODER = msgspec.json.Decoder(_Entry)
_TEXT_DECODER = msgspec.json.Decoder(_EntryText)
_ENCODER = msgspec.json.Encoder()


class LeavesCheck:
    """Rebuilds the tree out of the lines, comparing it with each checkpoint on the way.

    Where a leaf and its stored hash disagree, two trees are grown, one with either; the next checkpoint that fits one of
    them tells which was changed.
    """

    def __init__(self, notes: list[Signed], found: Findings) -> None:
        self.number = 0  # of the next entry
        self._found = found
        self._notes = notes
        self._next = 0  # index in notes
        self._tree = Frontier()
        self._other: Frontier | None = None  # the tree with stored hashes instead of those of the leaves
        self._doubtful: list[int] = []
        self._last_good = 0  # size
        self._missed: list[Signed] = []
        self._lost = False  # an entry is unknown: no root can be compared any more
        self._after_unreadable = False
        self._step: int | None = None  # by how much the line before was misnumbered
        self._compare()  # a checkpoint of the empty log

    def feed(self, block: bytes) -> None:
        """Verifies the next lines, whole ones."""
        hashes = self._as_exported(block)
        if hashes is None:
            for line in block.split(b"\n"):
                self._examine(line)
                self._compare()
            return
        self._after_unreadable, self._step = False, None
        start = 0
        while start < len(hashes):
            end = min(start + self._until_next(), len(hashes))
            self._tree.extend(hashes[start:end])
            if self._other:
                self._other.extend(hashes[start:end])
            self.number += end - start
            self._compare()
            start = end

    def _as_exported(self, block: bytes) -> list[bytes] | None:
        """The leaf hashes of a block without fault: writing it anew out of its leaves gives the same bytes, else None.

        2 µs a leaf of 350 bytes, three times as quick as looking at each line.
        """
        try:
            entries = _DECODER.decode_lines(block)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        hashes = merkle.leaf_hashes([entry.leaf for entry in entries])
        again = [
            _Entry(number, entry.leaf, digest.hex())
            for number, entry, digest in zip(count(self.number), entries, hashes, strict=False)
        ]
        return hashes if _ENCODER.encode_lines(again) == block else None

    def finish(self, size: int) -> None:
        """After the last line: what is still doubtful, and whether the number of entries is right."""
        self._compare()
        for entry in self._doubtful:
            self._report(
                entry,
                "l’entrée et son empreinte ne correspondent pas",
                "the entry and its hash do not match",
            )
        if self.number != size:
            self._found.add(
                LEAVES,
                f"Il y a {self.number} entrées au lieu de {size}.",
                f"There are {self.number} entries instead of {size}.",
                min(self.number, size),
            )
        if self._missed and not self._doubtful:
            first, last = self._last_good, self._missed[0].size - 1
            self._found.add(
                LEAVES,
                f"L’arbre des entrées n’est pas celui qui a été signé : une entrée de {first} à {last} a été modifiée.",
                f"The tree of the entries is not the one that was signed: an entry from {first} to {last} was changed.",
                first,
            )

    def _until_next(self) -> int:
        """Entries up to the next checkpoint, at least one."""
        following = self._notes[self._next].size if self._next < len(self._notes) else merkle.MAX_SIZE
        return max(1, following - self.number)

    def _examine(self, line: bytes) -> None:
        """A line that is not spelt as expected: white space, damage, or a change."""
        compact = b"".join(line.split())
        if not compact:
            return
        try:
            entry = _TEXT_DECODER.decode(compact)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._report(self.number, "la ligne est illisible", "the line is unreadable")
            self._lost = self._after_unreadable = True
            self.number += 1
            return
        self._check_number(entry.i)
        stored, leaf = _unhex(entry.hash), _unbase64(entry.leaf)
        computed = None if leaf is None else merkle.leaf_hash(leaf)
        if leaf is None:
            self._report(self.number, "le contenu n’est pas écrit comme à l’export", "the content is not as exported")
        if stored is None:
            self._report(self.number, "l’empreinte n’est pas écrite comme à l’export", "the hash is not as exported")
        if computed and stored and leaf is not None:
            if computed != stored:
                if len(self._doubtful) < MAX_PROBLEMS:
                    self._doubtful.append(self.number)
                self._other = self._other or self._tree.copy()
            elif compact != entry_line(entry.i, leaf, computed):
                self._report(self.number, "la ligne n’est pas écrite comme à l’export", "the line is not as exported")
        first, second = computed or stored, stored or computed
        if first is None or second is None:
            self._lost = True
        else:
            self._tree.extend([first])
            if self._other:
                self._other.extend([second])
        self.number += 1

    def _check_number(self, claimed: int) -> None:
        """A wrong number on one line is a changed number; on all lines after, entries are missing or in excess."""
        step = claimed - self.number
        if not step:
            self._step = None
        elif self._after_unreadable and step > 0:
            self.number = claimed
        elif step == self._step:
            self._lost = True
            self.number = claimed
            self._step = None
        else:
            self._report(
                self.number,
                f"elle manque, a été déplacée ou renumérotée (la ligne porte le numéro {claimed})",
                f"it is missing, was moved or renumbered (the line bears number {claimed})",
            )
            self._step = step
        self._after_unreadable = False

    def _compare(self) -> None:
        """Compares the tree with the checkpoints of its present size."""
        while self._next < len(self._notes) and self._notes[self._next].size <= self.number:
            note = self._notes[self._next]
            self._next += 1
            if self._lost or note.size != self._tree.size:
                continue
            if note.root == self._tree.root():
                self._settle(
                    "son empreinte a été modifiée, son contenu est juste", "its hash was changed, its content is right"
                )
            elif self._other and note.root == self._other.root():
                self._tree = self._other
                self._settle("son contenu a été modifié", "its content was changed")
            else:
                self._missed.append(note)
                continue
            self._last_good = note.size

    def _settle(self, fr: str, en: str) -> None:
        """A checkpoint fits: the doubtful entries are judged, and earlier checkpoints that did not fit were not of this tree."""
        for entry in self._doubtful:
            self._report(entry, fr, en)
        for note in self._missed:
            self._found.add(
                note.where,
                f"Ce point, pourtant signé, n’est pas la racine des {note.size} premières entrées.",
                f"This checkpoint, though signed, is not the root of the first {note.size} entries.",
            )
        self._doubtful, self._missed, self._other = [], [], None

    def _report(self, entry: int, fr: str, en: str) -> None:
        self._found.add(LEAVES, f"Entrée {entry} : {fr}.", f"Entry {entry}: {en}.", entry)


def _unhex(text: str) -> bytes | None:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return None
    return raw if len(raw) == HASH_SIZE and raw.hex() == text else None


def _unbase64(text: str) -> bytes | None:
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        return None
    return raw if b64encode(raw).decode() == text else None
