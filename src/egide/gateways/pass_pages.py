"""What the traveller's pass fetches beside its page: the control points, and the two models that measure a face on the phone.

    GET /pass/points.json        every control point: for whom, for what, on which text, and the equal lane beside it;
                                 in a header the airport’s time zone
    GET /pass/models/{name}      `detector`, `matcher`: out of the installed package, mended for onnxruntime-web (face/models.py)

All of it is the same for everyone, and public. The models are made once in a process, when the first phone asks.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache, partial
from hashlib import sha256
from typing import NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from egide.border.basis import BasisTold, identifier, in_words
from egide.border.control_points import points
from egide.kernel.capability import Words
from egide.kernel.errors import EgideError
from egide.kernel.kernel import Kernel

SIDE = 320  # px of the picture that the phone's detector searches (web/border/wallet/face/yunet.ts)
MODELS = ("detector", "matcher")
ZONE = "egide-zone"  # header: the airport's time zone (IANA), in which the phone tells and takes a departure


class Told(msgspec.Struct):
    """A control point as a traveller may know it. `legal_basis` is the record's word for it, `basis` what people read; "" and
    None where no text asks who they are.
    """

    id: str
    title: Words
    purpose: Words
    realm: str
    claims: list[str]
    legal_basis: str
    basis: BasisTold | None
    external_only: bool
    face: bool
    equal: Words


class Model(NamedTuple):
    """A model's bytes and the tag by which a phone knows that it has them."""

    content: bytes
    tag: str


def routes(kernel: Kernel) -> list[Route]:
    """Both routes."""
    return [Route("/pass/points.json", partial(_points, kernel)), Route("/pass/models/{name}", _model)]


async def _points(kernel: Kernel, _request: Request) -> Response:
    told = [
        Told(
            id=each.id, title=each.title, purpose=each.purpose, realm=each.realm, claims=list(each.claims),
            legal_basis=identifier(each.legal_basis), basis=in_words(kernel.book, each.legal_basis),
            external_only=bool(each.legal_basis and each.legal_basis.external_only), face=each.face is not None,
            equal=each.lanes.equal,
        )
        for each in points().values()
    ]  # fmt: skip
    headers = {"cache-control": "no-cache", ZONE: kernel.book.zone.key}
    return Response(msgspec.json.encode(told), media_type="application/json", headers=headers)


async def _model(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in MODELS:
        return Response("Not found", 404)
    try:
        model = await asyncio.to_thread(_made, name)
    except EgideError as absent:
        return Response(f"{absent.what.fr}\n{absent.what.en}\n", 503, media_type="text/plain; charset=utf-8")
    headers = {"cache-control": "public, max-age=86400", "etag": model.tag}
    if request.headers.get("if-none-match") == model.tag:
        return Response(status_code=304, headers=headers)
    return Response(model.content, media_type="application/octet-stream", headers=headers)


@lru_cache(maxsize=len(MODELS))
def _made(name: str) -> Model:
    from egide.border.face.models import browser_detector, browser_model  # noqa: PLC0415 — half a second of imports

    content = browser_detector(SIDE) if name == "detector" else browser_model()
    return Model(content, f'"{sha256(content).hexdigest()[:16]}"')
