"""`/api/recordings/…`: a hearing's recording, part by part as it comes from the officer's browser, and as it is watched.

PUT brings part `recording-number` under the grant in `recording-secret`; no cookie counts there. GET plays from an address that
an act gave, in ranges (RFC 9110 §14), for the same person's session alone; each stream holds a lease of its own, in whichever
process it runs, so that it stops when the person takes the recording back. Bytes are no act: beginning and watching are.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from egide.gateways.uploads import NO_STORE, body_of, number_of
from egide.kernel.errors import EgideError, NotFound, Text
from egide.kernel.identity import Principal, digest, new_id
from egide.kernel.kernel import Kernel
from egide.kernel.leases import Lease
from egide.kernel.told import problem
from egide.services import recording_tables as tables
from egide.services.recording import MEDIA, Watched
from egide.services.recording_store import MAX_PART, recordings

if TYPE_CHECKING:
    from egide.kernel.guard import Decision

NUMBER, SECRET = "recording-number", "recording-secret"  # names of headers
GIVEN = "given when it was opened"  # what a lease says of the reason, which the act of watching holds
PART_S = 30.0  # s for one part: a slower network records nothing that anybody could use
RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})", re.ASCII)
Asking = Callable[[Request], Principal]


def routes(kernel: Kernel, asking: Asking) -> list[Route]:
    """The routes, for the application."""
    door = _Door(kernel, asking)
    return [
        Route("/api/recordings/{id}", door.take, methods=["PUT"]),
        Route("/api/recordings/{id}", door.play),
    ]


class _Door:
    def __init__(self, kernel: Kernel, asking: Asking) -> None:
        self._kernel = kernel
        self._asking = asking

    async def take(self, request: Request) -> Response:
        """One part, whole or not at all; the answer says how many are there now."""
        held, id_, secret = recordings(self._kernel), request.path_params["id"], request.headers.get(SECRET, "")
        try:
            number, size = number_of(request, NUMBER), number_of(request, "content-length")
            await asyncio.to_thread(held.granted, id_, secret)  # no byte is read without a grant
            async with asyncio.timeout(PART_S):
                content = await body_of(request, size, MAX_PART)
            there = await asyncio.to_thread(held.take, id_, secret, number, content)
        except EgideError as error:
            return JSONResponse(dict(problem(error)), error.status, headers=NO_STORE)
        except (ClientDisconnect, TimeoutError):
            return Response(status_code=408, headers=NO_STORE)  # its browser sends it again
        held.heard(id_)
        return Response(status_code=204, headers={NUMBER: str(there), **NO_STORE})

    async def play(self, request: Request) -> Response:
        """The recording, or the range of it that is asked for."""
        try:
            who = self._asking(request)
            view, row = await asyncio.to_thread(self._viewed, request.path_params["id"], who)
        except EgideError as error:
            return JSONResponse(dict(problem(error)), error.status, headers=NO_STORE)
        size, (start, end) = int(row.bytes), _range(request.headers.get("range", ""), int(row.bytes))
        headers = {"accept-ranges": "bytes", **NO_STORE}
        if start >= end:
            return Response(status_code=416, headers={"content-range": f"bytes */{size}", **NO_STORE})
        partial = "range" in request.headers
        if partial:
            headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
        content = self._leased(view, row, who, recordings(self._kernel).read(row, start, end))
        return StreamingResponse(content, 206 if partial else 200, headers=headers, media_type=MEDIA)

    def _viewed(self, ticket: str, who: Principal) -> tuple[Any, Any]:
        """(who may watch for how long, the recording). Raises `NotFound`, the same whatever is not so."""
        db, view, recording = self._kernel.store.reader(), tables.view, tables.recording
        found = db.execute(select(view).where(view.c.ticket == digest(ticket))).first()
        if found is not None and who.id and found.person == who.id and found.until > self._kernel.clock.now_us():
            row = db.execute(select(recording).where(recording.c.id == found.recording)).first()
            if row is not None:
                return found, row
        raise NotFound(
            Text("Cette adresse a expiré.", "This address has expired."),
            Text("Rouvrez l’enregistrement depuis le dossier.", "Open the recording again from its file."),
        )

    async def _leased(self, view: Any, row: Any, who: Principal, content: Iterator[bytes]) -> AsyncIterator[bytes]:
        """Part by part while the lease lives; the answer breaks off where the law no longer lets it be watched."""
        kernel, act = self._kernel, self._kernel.acts[view.act]
        given = Watched(file=row.file, recording=row.id, purpose=view.purpose, reason=GIVEN)

        def ended(_decision: Decision) -> None:
            """The lease no longer lives, which is looked at before each part."""

        lease = Lease(new_id(), act, given, who, view.purpose, ended)
        kernel.leases.open(lease)
        try:
            while lease.alive() and (part := await asyncio.to_thread(next, content, None)) is not None:
                yield part
        finally:
            kernel.leases.close(lease.id)


def _range(asked: str, size: int) -> tuple[int, int]:
    """[start, end) of what is asked for; all of it where nothing is, or something that we do not serve."""
    found = RANGE.fullmatch(asked)
    if found is None:
        return 0, size
    end = int(found[2]) + 1 if found[2] else size
    return int(found[1]), min(end, size)
