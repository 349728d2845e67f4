"""One bounded HTTP request to a party outside the house: tree heads to a witness or a time-stamping authority, an empty wake-up
to a push service, a code and a token of a resident’s own to their identity provider, a number and “there is news” to an SMS
gateway; nothing else.

Runs in a thread of its own kind, never on the loop. No redirect is followed: where it goes is the operator's word alone.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import Message
from time import monotonic
from typing import IO, NamedTuple

DEADLINE_S = 5.0  # s for the whole exchange; also what stopping the platform may have to wait for
READ = 16 * 1024  # bytes read at once


class Unreachable(Exception):
    """Nobody answered, or not in time, or not in HTTP. The text is the cause, for logs."""


class Reply(NamedTuple):
    """What came back, cut at the limit; `whole` is False when there was more."""

    status: int
    body: bytes
    whole: bool
    content_type: str = ""


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_request: object, **_more: object) -> None:
        """Goes nowhere else."""


def post(address: str, body: bytes, content_type: str, limit: int, headers: Mapping[str, str] | None = None) -> Reply:
    """Posts `body` and reads at most `limit` bytes of the answer, whatever its status. Raises `Unreachable`."""
    return _exchange(address, body, {"content-type": content_type} | dict(headers or {}), limit)


def get(address: str, limit: int, headers: Mapping[str, str] | None = None) -> Reply:
    """Reads at most `limit` bytes of what is there, whatever its status. Raises `Unreachable`."""
    return _exchange(address, None, dict(headers or {}), limit)


def _exchange(address: str, body: bytes | None, headers: dict[str, str], limit: int) -> Reply:
    until = monotonic() + DEADLINE_S
    opener = urllib.request.build_opener(_Stay())
    try:
        request = urllib.request.Request(address, body, headers)  # noqa: S310 — checked at the start: http(s) only
        try:
            with opener.open(request, timeout=DEADLINE_S) as answer:
                return _read(answer.status, answer.read1, limit, until, answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                source: IO[bytes] = error
                return _read(error.code, source.read, limit, until, error.headers)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unreachable(str(error) or type(error).__name__) from error


def _read(status: int, read: Callable[[int], bytes], limit: int, until: float, headers: Message) -> Reply:
    kind = headers.get("content-type", "")
    parts, size = [], 0
    while part := read(min(READ, limit + 1 - size)):
        parts.append(part)
        size += len(part)
        if size > limit:
            return Reply(status, b"".join(parts)[:limit], False, kind)
        if monotonic() > until:
            raise TimeoutError("the answer did not come whole in time")
    return Reply(status, b"".join(parts), True, kind)
