"""Reads one event's XML in a single pass, without a tree: bounded, no document type, no entities, details with their bytes.

Why expat directly: it tells the byte offset of every token, so that details are kept as they came, and a document type can be
refused at its first character, before any entity exists (the “billion laughs”). Names are read with their namespaces.
"""

from __future__ import annotations

from pyexpat import ExpatError, ParserCreate, XMLParserType

from egide.protocols.cot.event import MAX_EVENT, CotError, CotEvent, Item, Point, milliseconds, number

MAX_DEPTH = 64  # elements within one another
MAX_NAME = 1024  # characters of a uid; chats put three ids into one
MAX_TYPE = 128  # characters of a type

_LEVEL_EVENT, _LEVEL_PART, _LEVEL_ITEM, _LEVEL_CHILD = 1, 2, 3, 4


class _Reading:
    """What the parser has seen so far."""

    __slots__ = (
        "_child",
        "_children",
        "_depth",
        "_in_detail",
        "_item",
        "_name",
        "_parser",
        "_plain",
        "_raw",
        "_since",
        "_text",
        "_words",
        "detail",
        "event",
        "inner",
        "items",
        "loose",
        "outer",
        "point",
    )

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._depth = 0
        self._in_detail = False
        self._since = -1  # where the item or text at hand begins, directly under detail
        self._item = False
        self._name = ""
        self._child: dict[str, str] = {}
        self._children: list[tuple[str, dict[str, str]]] = []
        self._plain = True
        self._words: list[str] = []
        self._text = ""
        self.event: dict[str, str] = {}
        self.point: dict[str, str] | None = None
        self.detail = False
        self.inner = (0, 0)
        self.items: list[Item] = []
        self.loose = b""
        self.outer = False  # a prefix is declared outside the details that may use it
        parser = ParserCreate("UTF-8", " ")
        parser.buffer_text = False
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._chars
        parser.CommentHandler = self._other
        parser.ProcessingInstructionHandler = self._other
        parser.StartCdataSectionHandler = self._other
        parser.StartNamespaceDeclHandler = self._declared
        parser.StartDoctypeDeclHandler = self._doctype
        self._parser: XMLParserType = parser

    def run(self) -> None:
        """Reads it all."""
        try:
            self._parser.Parse(self._raw, True)
        except ExpatError as error:
            raise CotError("malformed", f"not well-formed XML: {error}") from error
        finally:
            # Handlers and parser hold one another: without this each event waits for the collector.
            del self._parser

    def _doctype(self, *_given: object) -> None:
        raise CotError("dtd", "a document type is not accepted")

    def _declared(self, prefix: str | None, _uri: str) -> None:
        if self._depth < _LEVEL_PART:  # on `event`, `point` or `detail`
            if prefix is None:
                raise CotError("namespace", "events have no default namespace")
            self.outer = True

    def _mark(self) -> None:
        """Something begins directly under `detail`: what stood before it ends here."""
        here = self._parser.CurrentByteIndex
        if self._since >= 0:
            piece = self._raw[self._since : here]
            if self._item:
                text = "".join(self._words)
                self.items.append(
                    Item(self._name, self._child, piece, self._plain, tuple(self._children), text)
                )  # fmt: skip
            elif piece.strip():
                self.loose += piece
        else:
            self.inner = (here, here)
        self._since, self._item = here, False

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        depth = self._depth
        if depth > _LEVEL_ITEM and self._in_detail:
            self._plain = False
            if depth == _LEVEL_CHILD:
                self._children.append((name, attributes))
            elif depth > MAX_DEPTH:
                raise CotError("malformed", f"more than {MAX_DEPTH} elements within one another")
        elif depth == _LEVEL_ITEM and self._in_detail:
            self._mark()
            self._item, self._name, self._child = True, name, attributes
            self._plain, self._children, self._words = True, [], []
        elif depth == _LEVEL_PART:
            self._part(name, attributes)
        elif depth == _LEVEL_EVENT:
            if name != "event":
                raise CotError("malformed", "not an event")
            self.event = attributes
        elif depth > MAX_DEPTH:
            raise CotError("malformed", f"more than {MAX_DEPTH} elements within one another")

    def _part(self, name: str, attributes: dict[str, str]) -> None:
        if name == "point":
            if self.point is not None:
                raise CotError("malformed", "two points")
            self.point = attributes
        elif name == "detail":
            if self.detail:
                raise CotError("malformed", "two details")
            self.detail = self._in_detail = True

    def _end(self, _name: str) -> None:
        if self._depth == _LEVEL_PART and self._in_detail:
            self._mark()
            self.inner = (self.inner[0], self._parser.CurrentByteIndex)
            self._in_detail = False
        self._depth -= 1

    def _chars(self, data: str) -> None:
        if not self._in_detail:
            return
        if self._depth == _LEVEL_PART:
            self._mark()
        else:
            self._plain = False
            if self._depth == _LEVEL_ITEM:
                self._words.append(data)

    def _other(self, *_given: object) -> None:
        if self._in_detail:
            if self._depth == _LEVEL_PART:
                self._mark()
            else:
                self._plain = False


def read(raw: bytes) -> CotEvent:
    """The event in these bytes (UTF-8, from `<event` on); raises `CotError`."""
    if len(raw) > MAX_EVENT:
        raise CotError("too-long", f"{len(raw)} bytes, {MAX_EVENT} at most")
    seen = _Reading(raw)
    seen.run()
    event, point = seen.event, seen.point
    if point is None:
        raise CotError("missing", "an event without a point")
    uid, kind = event.get("uid", ""), event.get("type", "")
    if not uid or not kind or len(uid) > MAX_NAME or len(kind) > MAX_TYPE:
        raise CotError("missing", "an event without uid or type, or with one too long")
    place = Point(
        number(point.get("lat"), "lat"),
        number(point.get("lon"), "lon"),
        *(number(point.get(name), name, 9_999_999.0) for name in ("hae", "ce", "le")),
    )
    if not (-90 <= place.lat <= 90 and -180 <= place.lon <= 180):
        raise CotError("number", "a point that is not on the Earth")
    if seen.outer:
        _self_contained(seen.items)
    time = milliseconds(event.get("time"), "time")
    return CotEvent(
        uid=uid,
        type=kind,
        how=event.get("how", ""),
        time=time,
        start=time if event.get("start") == event.get("time") else milliseconds(event.get("start"), "start"),
        stale=milliseconds(event.get("stale"), "stale"),
        point=place,
        raw=raw,
        items=tuple(seen.items),
        detail=raw[slice(*seen.inner)],
        loose=seen.loose,
        access=event.get("access", ""),
        qos=event.get("qos", ""),
        opex=event.get("opex", ""),
    )


def _self_contained(items: list[Item]) -> None:
    """Details travel without their event in the protobuf form: a prefix must be declared where it is used."""
    for item in items:
        parser = ParserCreate("UTF-8", " ")
        try:
            parser.Parse(item.raw, True)
        except ExpatError as error:
            raise CotError("namespace", "a prefix that is declared outside the detail that uses it") from error
