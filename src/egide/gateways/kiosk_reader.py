"""The reader of a demonstration: a document of Utopia lies on it, made with the face before the kiosk's camera.

    GET  /kiosk/reader      which reader there is, and what is printed on the document that lies on it
    POST /kiosk/specimen    {"portrait": JPEG in base64url}: a document with this portrait is made and laid on the reader
    POST /kiosk/chip        {"number", "birth", "expiry"} as the zone says, or {}: the chip is opened by PACE and read

Outside the demonstration there is no simulator: a kiosk's reader (PC/SC) is a program beside its browser, at the same addresses.
The document is in memory only, for minutes. Its authority's certificate becomes a trusted one where nobody set any.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from PIL import Image
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from egide.border.controls import COUNTRIES, Countries
from egide.border.face.pictures import read_picture
from egide.kernel.errors import BadInput, EgideError, NotFound, Text, TooLarge
from egide.kernel.kernel import Kernel
from egide.kernel.told import problem
from egide.protocols import mrz
from egide.protocols.emrtd.chip import Chip
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.keys import of_zone
from egide.protocols.emrtd.reader import Terminal
from egide.protocols.vapid import decoded, encoded

if TYPE_CHECKING:
    from egide.exercise.csca import Signer

MAX_BODY = 512 * 1024  # bytes; a frame has 60 kB
LIES_S = 900.0  # s that a document lies on the reader
PORTRAIT = (413, 531)  # px, 35 × 45 mm at 300 dpi (ICAO 9303-9)
QUALITY = 90  # of the portrait's JPEG


T = TypeVar("T")


class Portrait(msgspec.Struct, forbid_unknown_fields=True):
    """A picture of who stands at the kiosk, JPEG in base64url."""

    portrait: str


class Zone(msgspec.Struct, forbid_unknown_fields=True):
    """What opens the chip, from the machine-readable zone; "": the reader's own camera has read it."""

    number: str = ""
    birth: str = ""
    expiry: str = ""


class Lying(NamedTuple):
    """The document on the reader, and until when (s of the monotonic clock)."""

    files: dict[str, bytes]
    zone: mrz.Mrz
    until: float


class Reader:
    """The simulator; without a demonstration, nothing."""

    def __init__(self, kernel: Kernel) -> None:
        self._demo = kernel.settings.demo
        self._signer: Signer | None = None
        self._lying: Lying | None = None
        if self._demo and COUNTRIES not in kernel.things:
            from egide.exercise.csca import Authority  # noqa: PLC0415 — the outside world, in a demonstration alone

            authority = Authority(int(time.time()))
            self._signer = authority.signer()
            kernel.things[COUNTRIES] = Countries((authority.certificate,), (authority.revocations(()),))

    def routes(self) -> list[Route]:
        """The first; the simulator's two in a demonstration alone."""
        device = [
            Route("/kiosk/specimen", self.lay, methods=["POST"]),
            Route("/kiosk/chip", self.read, methods=["POST"]),
        ]
        return [Route("/kiosk/reader", self.show), *(device if self._demo else ())]

    async def show(self, _request: Request) -> Response:
        """Which reader there is."""
        lying = self._here()
        kind = "simulator" if self._demo else "none"
        return _told({"kind": kind, "zone": list(mrz.render(lying.zone)) if lying is not None else []})

    async def lay(self, request: Request) -> Response:
        """Lays a document with this portrait on the reader."""
        try:
            from egide.exercise.travel_document import files  # noqa: PLC0415 — as above

            signer = self._simulator()
            portrait = _portrait(decoded(_body(await _read(request), Portrait).portrait))
            zone = _zone()
            made = files(signer, int(time.time()), portrait, zone=zone, size=PORTRAIT)
            self._lying = Lying(made, zone, time.monotonic() + LIES_S)
        except (EgideError, ValueError) as error:
            return _refused(error)
        return _told({"zone": list(mrz.render(zone))})

    async def read(self, request: Request) -> Response:
        """The chip's files, read over its own protocol by what the zone says."""
        try:
            self._simulator()
            given, lying = _body(await _read(request), Zone), self._here()
            if lying is None:
                raise NotFound(
                    Text("Il n’y a pas de document sur le lecteur.", "There is no document on the reader."),
                    Text("Posez-le à plat, ouvert à la page de la photo.", "Lay it flat, open at the page with the photo."),
                )  # fmt: skip
            zone = lying.zone
            if given.number or given.birth or given.expiry:
                zone = msgspec.structs.replace(zone, number=given.number, birth=given.birth, expiry=given.expiry)
            found = Terminal(Chip(lying.files, lying.zone).transmit).read(of_zone(zone)).files
        except EmrtdError:
            return _refused(_closed())
        except (EgideError, ValueError) as error:
            return _refused(error)
        return _told({"files": {name: encoded(data) for name, data in found.items()}})

    def _simulator(self) -> Signer:
        if self._signer is None:
            raise NotFound(
                Text("Aucun lecteur n’est branché.", "No reader is connected."),
                Text("Demandez à un agent.", "Ask an officer."),
            )
        return self._signer

    def _here(self) -> Lying | None:
        if self._lying is not None and self._lying.until < time.monotonic():
            self._lying = None
        return self._lying


def _zone() -> mrz.Mrz:
    """Anna Maria's passport, valid for some years yet."""
    from egide.exercise.travel_document import ERIKA  # noqa: PLC0415 — as above

    return msgspec.structs.replace(ERIKA, expiry=f"{(datetime.now(UTC).year + 7) % 100:02}0415")


def _portrait(data: bytes) -> bytes:
    """The middle of the picture, as a document prints it."""
    picture = Image.fromarray(read_picture(data))
    wide = min(picture.width, picture.height * PORTRAIT[0] // PORTRAIT[1])
    left = (picture.width - wide) // 2
    file = BytesIO()
    picture.crop((left, 0, left + wide, picture.height)).resize(PORTRAIT).save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


async def _read(request: Request) -> bytes:
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                raise TooLarge(Text("Cette image est trop grande.", "This picture is too large."))
    except ClientDisconnect as error:
        raise BadInput(Text("La demande s’est interrompue.", "The request broke off.")) from error
    return body


def _body(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadInput(Text("Cette demande n’est pas lisible.", "This request cannot be read.")) from error


def _closed() -> BadInput:
    return BadInput(
        Text("La puce ne s’ouvre pas avec cette zone.", "The chip does not open with this zone."),
        Text("Relisez les deux lignes sous la photo.", "Read the two lines below the photo again."),
    )


def _told(body: dict[str, Any]) -> Response:
    return JSONResponse(body, headers={"cache-control": "no-store"})


def _refused(error: Exception) -> Response:
    known = (
        error
        if isinstance(error, EgideError)
        else BadInput(Text("Cette demande n’est pas lisible.", "This request cannot be read."))
    )
    return JSONResponse(dict(problem(known)), known.status, headers={"cache-control": "no-store"})
