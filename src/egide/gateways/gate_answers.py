"""A gate's way by network (OpenID4VP 1.0): a wallet fetches the signed request of a control, and posts its sealed answer.

    GET  /border/requests/{control}    the request that the gate signed (RFC 9101), while the control lasts
    POST /border/answers/{control}     `response=…` as `direct_post.jwt` has it, handed as it is to the gate's live connection
                                       where the control's room can open it; anything else is 400, and the gate waits on

A request is named by the control's id, as the gate's link has it, or by the digest of the gate's picture, which a wallet that
read it knows without a byte more in it. Both were drawn, and are gone with the control. The answer is ciphertext for
the control's room: nothing of it is read, kept or logged here.

An error has the form that wallets know (OpenID4VP 1.0 §8.2, RFC 6749 §5.2), and in it what every door of ours tells.
"""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from egide.border.holding import holding
from egide.gateways.neighbours import Neighbours
from egide.kernel.errors import BadInput, EgideError, NotFound, Text, TooLarge
from egide.kernel.kernel import Kernel
from egide.kernel.told import problem

REQUESTS, ANSWERS = "/border/requests", "/border/answers"
REQUEST_TYPE = "application/oauth-authz-req+jwt"  # RFC 9101 §10.2
MAX_ANSWER = 32 * 1024  # bytes; an answer has 4,000
NO_STORE = {"cache-control": "no-store"}


class GateAnswers:
    """Both routes."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def routes(self) -> list[Route]:
        """For wallets: nobody is signed in there."""
        return [
            Route(f"{REQUESTS}/{{control}}", self.request),
            Route(f"{ANSWERS}/{{control}}", self.answer, methods=["POST"]),
        ]

    async def request(self, request: Request) -> Response:
        """The signed request; 404 once the control is over."""
        control = request.path_params["control"]
        try:
            passed = await self._elsewhere(control, request, b"")
        except EgideError as error:
            return _told(error)
        if passed is not None:
            return passed
        found = holding(self._kernel).request(control)
        return _told(_over()) if found is None else Response(found, media_type=REQUEST_TYPE, headers=NO_STORE)

    async def answer(self, request: Request) -> Response:
        """Takes an answer to the gate that waits for it."""
        try:
            control, text = request.path_params["control"], await _read(request)
            passed = await self._elsewhere(control, request, text.encode())
            if passed is not None:
                return passed
            if not await holding(self._kernel).answered(control, text):
                raise _over()
        except BadInput as error:
            told = {"error": "invalid_request", "error_description": error.what.en, **problem(error)}
            return JSONResponse(told, 400, headers=NO_STORE)
        except EgideError as error:
            return _told(error)
        return JSONResponse({}, headers=NO_STORE)

    async def _elsewhere(self, control: str, request: Request, body: bytes) -> Response | None:
        """The answer of the process that has the control, where it is another one of this machine."""
        neighbours: Neighbours | None = self._kernel.things.get("neighbours")
        passed = await neighbours.pass_on(control, request.scope, body) if neighbours is not None else None
        return None if passed is None else Response(passed.body, passed.status, NO_STORE, passed.media_type)


async def _read(request: Request) -> str:
    body = b""
    try:
        async for part in request.stream():
            body += part
            if len(body) > MAX_ANSWER:
                raise TooLarge(Text("Cette réponse est trop longue.", "This answer is too long."))
    except ClientDisconnect as error:
        raise BadInput(Text("La demande s’est interrompue.", "The request broke off.")) from error
    if not body.startswith(b"response=") or not body.isascii():
        raise BadInput(Text("Cette réponse n’est pas chiffrée.", "This answer is not encrypted."))
    return body.decode("ascii")


def _over() -> NotFound:
    return NotFound(
        Text("Ce contrôle est terminé, ou n’attend pas de réponse.", "This control is over, or waits for no answer."),
        Text("Lisez à nouveau le code de la porte.", "Read the gate’s code again."),
    )


def _told(error: EgideError) -> Response:
    return JSONResponse(dict(problem(error)), error.status, headers=NO_STORE)
