"""Reading a stranger's XML: no document type, so no entity; bounded in bytes, depth and elements.

Why not ElementTree's own parser: it expands entities that a document declares, and a few hundred bytes can become gigabytes.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MAX_BYTES = 256 * 1024
MAX_DEPTH = 64
MAX_ELEMENTS = 20_000


class XmlError(ValueError):
    """Not XML, or XML beyond what is accepted."""


def parse(data: bytes) -> Element:
    """The root element; names are ``{namespace}local``.  Raises XmlError."""
    if len(data) > MAX_BYTES:
        raise XmlError(f"more than {MAX_BYTES} bytes of XML")
    builder = TreeBuilder()
    depth = count = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > MAX_DEPTH or count > MAX_ELEMENTS:
            raise XmlError("XML too deep or with too many elements")
        builder.start(_named(name), {_named(key): value for key, value in attributes.items()})

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(_named(name))

    def refuse(*_args: object) -> None:
        raise XmlError("XML with a document type is not accepted")

    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, builder.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    try:
        parser.Parse(data, True)
        return builder.close()
    except (expat.ExpatError, AssertionError, LookupError, UnicodeError) as problem:
        raise XmlError("not well-formed XML") from problem


def _named(name: str) -> str:
    return "{" + name if "}" in name else name
