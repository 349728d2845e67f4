"""The one file of a multipart/form-data body, as it comes (RFC 7578): TAK clients send packages as the part `assetfile`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import Message

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser

from egide.kernel.errors import BadInput, Text

MAX_HEADERS = 8 * 1024  # bytes of one part's headers
MAX_BOUNDARY = 70  # characters, RFC 2046 §5.1.1


class FilePart:
    """Reads a body; afterwards `filename` and `media_type` are those of the file."""

    def __init__(self, content_type: str) -> None:
        self.filename = ""
        self.media_type = "application/octet-stream"
        self._boundary = boundary(content_type)
        self._headers: dict[str, str] = {}
        self._name, self._value = bytearray(), bytearray()
        self._out: list[bytes] = []
        self._found = self._inside = False

    async def read(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The file's bytes. Raises `BadInput` where there is no file, or no multipart."""
        parser = MultipartParser(
            self._boundary,
            {
                "on_part_begin": self._begin, "on_part_data": self._data, "on_part_end": self._end,
                "on_header_field": self._field, "on_header_value": self._said, "on_header_end": self._header, "on_headers_finished": self._all,
            },
        )  # fmt: skip
        try:
            async for chunk in chunks:
                parser.write(chunk)
                for part in self._out:
                    yield part
                self._out.clear()
            parser.finalize()
        except MultipartParseError as error:
            raise _bad() from error
        if not self._found:
            raise _bad()

    def _begin(self) -> None:
        self._headers.clear()

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]
        self._bounded()

    def _said(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bounded()

    def _bounded(self) -> None:
        if len(self._name) + len(self._value) + sum(map(len, self._headers.values())) > MAX_HEADERS:
            raise _bad()

    def _header(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._name.clear()
        self._value.clear()

    def _all(self) -> None:
        message = Message()
        message["content-disposition"] = self._headers.get("content-disposition", "")
        filename = message.get_filename()
        self._inside = not self._found and filename is not None
        if self._inside and filename is not None:
            self._found = True
            self.filename = filename
            self.media_type = self._headers.get("content-type", self.media_type).partition(";")[0].strip()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._inside:
            self._out.append(data[start:end])

    def _end(self) -> None:
        self._inside = False


def boundary(content_type: str) -> str:
    """The boundary of a multipart/form-data body. Raises `BadInput`."""
    message = Message()
    message["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
    found = message.get_param("boundary")
    if (
        message.get_content_type() != "multipart/form-data"
        or not isinstance(found, str)
        or not 1 <= len(found) <= MAX_BOUNDARY
    ):
        raise _bad()
    return found


def _bad() -> BadInput:
    return BadInput(
        Text(
            "Envoi illisible : un formulaire avec un fichier est attendu.",
            "Unreadable upload: a form with a file is expected.",
        ),
        Text("Renvoyez le fichier.", "Send the file again."),
    )
