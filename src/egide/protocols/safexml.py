"""XML from outside, read with bounds: no document type, no entity, no more bytes, elements, depth or text than a message needs.

Expat refuses nothing of this by itself: a few lines of entities make gigabytes, a deep tree exhausts the stack of whoever walks
it. So a document type declaration ends the reading at once (no entity exists without one), and everything else is counted while
it comes. ElementTree's own parser has none of these bounds; `tree` gives its elements to whoever looks things up by path.
Writing escapes what must be, and leaves out characters that XML 1.0 does not have (§2.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element
from xml.parsers import expat
from xml.sax.saxutils import escape

# Ours: several times what the largest real messages have (a camera's profiles, a CAP alert with its polygons).
MAX_BYTES = 512 * 1024
MAX_ELEMENTS = 20_000
MAX_DEPTH = 64  # elements inside one another
MAX_ATTRIBUTES = 64  # of one element
_WRONG = re.compile("[^\t\n\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class XmlError(ValueError):
    """The bytes are not XML that is read here; `fr` and `en` say what is wrong, in plain words."""

    def __init__(self, fr: str, en: str) -> None:
        super().__init__(en)
        self.fr = fr
        self.en = en


@dataclass(slots=True)
class Node:
    """An element: its namespace and name, its attributes, its text (what stands between its children, joined), its children."""

    space: str
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Node] = field(default_factory=list)


def parse(data: bytes, *, max_bytes: int = MAX_BYTES) -> Node:
    """The document's element. Raises `XmlError`."""
    if len(data) > max_bytes:
        raise XmlError(f"Plus de {max_bytes // 1024} Kio.", f"More than {max_bytes // 1024} KiB.")
    reading = _Reading()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reading.doctype
    parser.EntityDeclHandler = reading.doctype
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.said
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise XmlError(
            f"Ce n’est pas du XML bien formé (ligne {error.lineno}).",
            f"This is not well-formed XML (line {error.lineno}).",
        ) from error
    except (UnicodeDecodeError, LookupError) as error:
        raise XmlError("Encodage inconnu.", "Unknown encoding.") from error
    if reading.root is None:
        raise XmlError("Document vide.", "An empty document.")
    return reading.root


def tree(data: bytes) -> Element:
    """The same as ElementTree has it: names are `{namespace}local`. Raises `XmlError`."""
    return _element(parse(data))


def _element(node: Node) -> Element:
    made = Element(
        _clark(node.space, node.name),
        {_clark(*_split(name)): value for name, value in node.attributes.items()},
    )
    made.text = node.text
    made.extend(map(_element, node.children))
    return made


def _split(name: str) -> tuple[str, str]:
    """(namespace, local name) of a name as expat tells it."""
    space, _, local = name.rpartition(" ")
    return space, local


def _clark(space: str, name: str) -> str:
    return f"{{{space}}}{name}" if space else name


class _Reading:
    """What expat tells, counted."""

    def __init__(self) -> None:
        self.root: Node | None = None
        self._stack: list[Node] = []
        self._parts: list[list[str]] = []
        self._elements = 0

    def doctype(self, *_told: object) -> None:
        raise XmlError(
            "Déclaration de type de document ou d’entité : refusée.", "A document type or entity declaration: refused."
        )

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS or len(self._stack) >= MAX_DEPTH or len(attributes) > MAX_ATTRIBUTES:
            raise XmlError("Trop d’éléments, ou trop imbriqués.", "Too many elements, or nested too deep.")
        node = Node(*_split(tag), dict(attributes))
        if self._stack:
            self._stack[-1].children.append(node)
        else:
            self.root = node
        self._stack.append(node)
        self._parts.append([])

    def end(self, _tag: str) -> None:
        self._stack.pop().text = "".join(self._parts.pop()).strip()

    def said(self, text: str) -> None:
        self._parts[-1].append(text)


def safe(text: str) -> str:
    """The text as XML carries it: lines end as one character, no control characters, no space around."""
    return _WRONG.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def write(root: Node) -> bytes:
    """A document with one default namespace, two spaces of indent; the same node gives the same bytes."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    _write(root, "", lines, 0)
    return ("\n".join(lines) + "\n").encode()


def _write(node: Node, around: str, lines: list[str], depth: int) -> None:
    pad = "  " * depth
    space = f' xmlns="{escape(node.space)}"' if node.space != around else ""
    more = "".join(f' {name}="{escape(safe(value), {chr(34): "&quot;"})}"' for name, value in node.attributes.items())
    open_ = f"{pad}<{node.name}{space}{more}"
    if not node.children:
        text = escape(safe(node.text))
        lines.append(f"{open_}>{text}</{node.name}>" if text else f"{open_}/>")
        return
    lines.append(f"{open_}>")
    for child in node.children:
        _write(child, node.space, lines, depth + 1)
    lines.append(f"{pad}</{node.name}>")
