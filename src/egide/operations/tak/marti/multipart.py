"""The one file of a multipart/form-data body, as it comes: TAK clients send packages as the part `assetfile`."""

from __future__ import annotations

from collections.abc import AsyncIterator

from egide.kernel.errors import BadInput, Text
from egide.protocols.multipart import PLAIN, Data, FileBegins, FileEnds, MultipartError, boundary, events


class FilePart:
    """Reads a body; afterwards `filename` and `media_type` are those of the file. Raises `BadInput` where it is no form."""

    def __init__(self, content_type: str) -> None:
        self.filename = ""
        self.media_type = PLAIN
        self._type = content_type
        try:
            boundary(content_type)
        except MultipartError as error:
            raise _bad() from error

    async def read(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The file's bytes. Raises `BadInput` where there is no file, or no multipart."""
        found = inside = False
        try:
            async for event in events(self._type, chunks):
                if isinstance(event, FileBegins) and not found:
                    found = inside = True
                    self.filename, self.media_type = event.filename, event.media_type
                elif isinstance(event, FileEnds):
                    inside = False
                elif isinstance(event, Data) and inside:
                    yield event.content
        except MultipartError as error:
            raise _bad() from error
        if not found:
            raise _bad()


def _bad() -> BadInput:
    return BadInput(
        Text(
            "Envoi illisible : un formulaire avec un fichier est attendu.",
            "Unreadable upload: a form with a file is expected.",
        ),
        Text("Renvoyez le fichier.", "Send the file again."),
    )
