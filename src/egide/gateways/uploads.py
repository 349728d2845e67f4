"""`/api/uploads/<id>`: the bytes of a file that an act opened, chunk by chunk; and the files of a form without any script.

Header names are those of the draft standard for resumable uploads (draft-ietf-httpbis-resumable-upload): HEAD tells how much is
there, PUT brings the bytes at `upload-offset`. The grant travels in `upload-secret`, never in an address. No cookie counts here,
so that no other site can do anything. Bytes are no act: opening and sealing are (docs/decisions/0053).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from egide.kernel.errors import BadInput, EgideError, Text, TooLarge, TooMany
from egide.kernel.identity import Principal
from egide.kernel.kernel import Kernel
from egide.kernel.told import problem
from egide.protocols.multipart import Data, Event, Field, FileBegins, FileEnds, MultipartError, events
from egide.services.quarantine import CHUNK, MAX_CHUNK, MAX_FILE, quarantine

CHUNK_S = 120.0  # s for one chunk; a slower network sends smaller ones
MAX_WORDS = 512 * 1024  # bytes of all fields of a form together
OFFSET, LENGTH, SECRET = "upload-offset", "upload-length", "upload-secret"
NO_STORE = {"cache-control": "no-store"}


def routes(kernel: Kernel) -> list[Route]:
    """The routes of chunks, for the application."""
    door = _Door(kernel)
    return [
        Route("/api/uploads/{id}", door.place, methods=["HEAD"]),
        Route("/api/uploads/{id}", door.take, methods=["PUT"]),
    ]


class _Door:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def place(self, request: Request) -> Response:
        """How many bytes are there, and how many there will be."""
        held = quarantine(self._kernel)
        try:
            there, whole = await asyncio.to_thread(held.offset, request.path_params["id"], _secret(request))
        except EgideError as error:
            return Response(status_code=error.status, headers=NO_STORE)  # to HEAD nothing is said beside the status
        return Response(status_code=204, headers={OFFSET: str(there), LENGTH: str(whole), **NO_STORE})

    async def take(self, request: Request) -> Response:
        """One chunk, whole or not at all; the answer says how much is there now."""
        held, id_, secret = quarantine(self._kernel), request.path_params["id"], _secret(request)
        try:
            at, size = number_of(request, OFFSET), number_of(request, "content-length")
            await asyncio.to_thread(held.offset, id_, secret)  # no byte is read without a grant
            leave = held.enter(_address(request))
            try:
                async with asyncio.timeout(CHUNK_S):
                    content = await body_of(request, size, MAX_CHUNK)
                there = await asyncio.to_thread(held.take, id_, secret, at, content)
            finally:
                leave()
        except (ClientDisconnect, TimeoutError):
            return _problem(
                BadInput(Text("L’envoi s’est interrompu.", "The upload broke off."), Text("Reprenez-le.", "Go on."))
            )
        except EgideError as error:
            return _problem(error)
        return Response(status_code=204, headers={OFFSET: str(there), **NO_STORE})


@dataclass(slots=True)
class Form:
    """A form that came with files: its fields, what became of each file, and why some were not taken."""

    fields: dict[str, list[str]] = field(default_factory=dict)  # every value of each name
    files: list[dict[str, Any]] = field(default_factory=list)  # each as `services.upload.seal` shows it
    refused: list[tuple[str, EgideError]] = field(default_factory=list)  # the file's name, and why


async def read_form(kernel: Kernel, request: Request, principal: Principal, *, owner: str, secret: str) -> Form:
    """Reads a multipart form and seals its files for `owner`; one file that is refused loses neither the others nor a word.
    Where too many come at once the words are taken and the files are not.

    Raises `BadInput` where it is no form, `TooLarge` where it is more than a form may be.
    """
    size = number_of(request, "content-length")
    if size > MAX_FILE + MAX_WORDS:
        raise TooLarge(
            Text("Envoi trop volumineux.", "The upload is too large."),
            Text("Envoyez un fichier à la fois.", "Send one file at a time."),
        )
    leave, busy = _room(kernel, request)
    form, words = Form(), 0
    taking: _Taking | None = None
    try:
        async with aclosing(_events(request)) as found:
            async for event in found:
                if isinstance(event, Field):
                    words += len(event.value)
                    if words > MAX_WORDS:
                        raise TooLarge(Text("Texte trop long.", "The text is too long."))
                    form.fields.setdefault(event.name, []).append(event.value.replace("\r\n", "\n"))
                elif isinstance(event, FileBegins):
                    taking = _Taking(kernel, principal, _address(request)) if event.filename else None
                    if taking is not None:
                        await taking.begin(event, owner, secret, min(size, MAX_FILE), busy)
                elif isinstance(event, Data) and taking is not None:
                    await taking.add(event.content)
                elif isinstance(event, FileEnds) and taking is not None:
                    await taking.end(form)
                    taking = None
    finally:
        leave()
    return form


def _room(kernel: Kernel, request: Request) -> tuple[Callable[[], None], EgideError | None]:
    """(what to call at the end, why no file is taken now)."""
    try:
        return quarantine(kernel).enter(_address(request)), None
    except TooMany as error:
        again = Text("Renvoyez ce fichier dans une minute.", "Send this file again in a minute.")
        return lambda: None, TooMany(error.what, again)


async def _events(request: Request) -> AsyncGenerator[Event]:
    try:
        async with aclosing(events(request.headers.get("content-type", ""), request.stream())) as found:
            async for event in found:
                yield event
    except (MultipartError, ClientDisconnect) as error:
        raise BadInput(
            Text("Envoi illisible ou interrompu.", "The upload is unreadable or broke off."),
            Text("Renvoyez le formulaire.", "Send the form again."),
        ) from error


class _Taking:
    """One file of a form: opened, taken and sealed through the same door as any other. What goes wrong is told at its end."""

    def __init__(self, kernel: Kernel, principal: Principal, address: str) -> None:
        self._kernel = kernel
        self._principal = principal
        self._address = address
        self._name = ""
        self._id = self._secret = self._of = ""
        self._at = 0
        self._waiting = bytearray()
        self._wrong: EgideError | None = None

    async def begin(self, file: FileBegins, owner: str, secret: str, most: int, busy: EgideError | None) -> None:
        self._name, self._wrong = file.filename, busy
        if busy is not None:
            return
        given = {
            "owner": owner,
            "secret": secret,
            "name": file.filename,
            "media": file.media_type,
            "bytes": most,
            "exact": False,
        }
        try:
            opened = await self._perform("services.upload.open", given)
        except EgideError as error:
            self._wrong = error
        else:
            self._id, self._secret, self._of = opened["id"], opened["secret"], secret

    async def add(self, content: bytes) -> None:
        if self._wrong is None:
            self._waiting += content
            while len(self._waiting) >= CHUNK:
                await self._take(bytes(self._waiting[:CHUNK]))
                del self._waiting[:CHUNK]

    async def end(self, form: Form) -> None:
        if self._waiting and self._wrong is None:
            await self._take(bytes(self._waiting))
        if self._wrong is None:
            try:
                form.files.append(
                    await self._perform("services.upload.seal", {"upload": self._id, "secret": self._secret})
                )
            except EgideError as error:
                self._wrong = error
        if self._wrong is not None:
            form.refused.append((self._name, self._wrong))
            await self._give_back()

    async def _give_back(self) -> None:
        """What came of a refused file goes at once; where that fails, its grant ends within the day."""
        if self._id:
            with suppress(EgideError):
                await self._perform("services.upload.withdraw", {"upload": self._id, "secret": self._of})

    async def _take(self, content: bytes) -> None:
        try:
            self._at = await asyncio.to_thread(quarantine(self._kernel).take, self._id, self._secret, self._at, content)
        except EgideError as error:
            self._wrong = error
            self._waiting.clear()

    async def _perform(self, name: str, given: dict[str, Any]) -> Any:
        address = "" if self._principal.id else self._address
        outcome = await self._kernel.perform(name, msgspec.json.encode(given), self._principal, address=address)
        return msgspec.to_builtins(outcome.result)


def _secret(request: Request) -> str:
    return request.headers.get(SECRET, "")


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def number_of(request: Request, name: str) -> int:
    """A header that is a number. Raises `BadInput`."""
    found = request.headers.get(name, "")
    if not (found.isascii() and found.isdecimal()) or len(found) > 12:
        raise BadInput(Text(f"L’en-tête « {name} » manque.", f"The header “{name}” is missing."))
    return int(found)


async def body_of(request: Request, size: int, most: int) -> bytes:
    """The whole body, of the announced size. Raises `TooLarge` before a byte is read, `BadInput` where it is another."""
    if size > most:
        raise TooLarge(Text(f"Morceau trop grand : {most} octets au plus.", f"Chunk too large: {most} bytes at most."))
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > size:
            break
    if len(content) != size:
        raise BadInput(Text("L’envoi s’est interrompu.", "The upload broke off."), Text("Reprenez-le.", "Go on."))
    return bytes(content)


def _problem(error: EgideError) -> Response:
    return JSONResponse(dict(problem(error)), error.status, headers=NO_STORE)
