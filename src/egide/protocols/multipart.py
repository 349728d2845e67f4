"""A multipart/form-data body as it comes: words whole, files piece by piece, in the order in which they stand (RFC 7578).

What a browser's form without any script sends, and TAK clients with their packages. Memory is bounded: the headers of a part, the
words of a field and the number of parts have a limit; of a file only the pieces at hand are held.

    async for event in events(content_type, chunks):   # Field | FileBegins | Data | FileEnds
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from email.message import Message

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

MAX_HEADERS = 8 * 1024  # bytes of one part's headers
MAX_FIELD = 64 * 1024  # bytes of one field's words
MAX_PARTS = 256  # of one form
MAX_BOUNDARY = 70  # characters, RFC 2046 §5.1.1
PLAIN = "application/octet-stream"  # what a file is where its part does not say, RFC 7578 §4.4


class MultipartError(ValueError):
    """Not a form, or one beyond the limits."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field's words."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class FileBegins:
    """A file: the field it stands in, its name and its type as its sender says them. Nobody chose one: the name is empty."""

    name: str
    filename: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Data:
    """The next bytes of the file."""

    content: bytes


@dataclass(frozen=True, slots=True)
class FileEnds:
    """The file is whole."""


Event = Field | FileBegins | Data | FileEnds


async def events(content_type: str, chunks: AsyncIterator[bytes]) -> AsyncGenerator[Event]:
    """What stands in a body, in order. Raises `MultipartError`."""
    reading = _Reading()
    parser = MultipartParser(
        boundary(content_type),
        {
            "on_part_begin": reading.begin, "on_part_data": reading.data, "on_part_end": reading.end,
            "on_header_field": reading.field, "on_header_value": reading.said, "on_header_end": reading.header,
            "on_headers_finished": reading.all, "on_end": reading.over,
        },
    )  # fmt: skip
    try:
        async for chunk in chunks:
            parser.write(chunk)
            for event in reading.out:
                yield event
            reading.out.clear()
        parser.finalize()
        if not reading.whole:
            raise MultipartError("cut off before its last boundary")
    except MultipartParseError as error:
        raise MultipartError(str(error)) from error


def boundary(content_type: str) -> str:
    """The boundary of a multipart/form-data body. Raises `MultipartError`."""
    message = Message()
    message["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
    found = message.get_param("boundary")
    if (
        message.get_content_type() != "multipart/form-data"
        or not isinstance(found, str)
        or not 1 <= len(found) <= MAX_BOUNDARY
    ):
        raise MultipartError("no multipart/form-data with a boundary")
    return found


class _Reading:
    """What the parser calls."""

    def __init__(self) -> None:
        self.out: list[Event] = []
        self._headers: dict[str, str] = {}
        self._key, self._value, self._words = bytearray(), bytearray(), bytearray()
        self._name = ""
        self._file = False
        self._parts = 0
        self.whole = False

    def over(self) -> None:
        self.whole = True

    def begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise MultipartError(f"more than {MAX_PARTS} parts")
        self._headers.clear()
        self._words.clear()

    def field(self, data: bytes, start: int, end: int) -> None:
        self._key += data[start:end]
        self._bounded()

    def said(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bounded()

    def _bounded(self) -> None:
        if len(self._key) + len(self._value) + sum(map(len, self._headers.values())) > MAX_HEADERS:
            raise MultipartError(f"more than {MAX_HEADERS} bytes of headers")

    def header(self) -> None:
        self._headers[self._key.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._key.clear()
        self._value.clear()

    def all(self) -> None:
        message = Message()
        message["content-disposition"] = self._headers.get("content-disposition", "")
        name, filename = message.get_param("name", "", "content-disposition"), message.get_filename()
        self._name, self._file = str(name), filename is not None
        if filename is not None:
            media = self._headers.get("content-type", PLAIN).partition(";")[0].strip().lower()
            self.out.append(FileBegins(self._name, filename, media))

    def data(self, data: bytes, start: int, end: int) -> None:
        if self._file:
            self.out.append(Data(data[start:end]))
            return
        self._words += data[start:end]
        if len(self._words) > MAX_FIELD:
            raise MultipartError(f"a field of more than {MAX_FIELD} bytes")

    def end(self) -> None:
        self.out.append(FileEnds() if self._file else Field(self._name, self._words.decode("utf-8", "replace")))
