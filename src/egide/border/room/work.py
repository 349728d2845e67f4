"""What is done in the room, message by message. One control, one person, one reference; then the process ends."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from secrets import token_urlsafe
from typing import TYPE_CHECKING

import msgspec
from joserfc.jwk import ECKey

from egide.border.room.admitting import Held, admit
from egide.border.room.messages import (
    Admit,
    Admitted,
    Asked,
    Broken,
    Compare,
    Compared,
    Kind,
    Look,
    Looked,
    Ready,
    Told,
)
from egide.border.room.rehearsal import rehearse
from egide.border.room.sealed import CONTENT, WRAPPING, SealError, sealed

if TYPE_CHECKING:
    from egide.border.face.engine import Engine
    from egide.border.room.comparing import Frame

NONCE_BYTES = 24
ATTEMPTS = 2  # looks at a face; then the officer


class Seen(msgspec.Struct):
    """What the officer's tablet is shown: pictures as base64, "" where there is none, and what the token disclosed."""

    live: str
    portrait: str
    claims: dict[str, str]
    why: str


class Work:
    """A room's state. `exchange` sends a message to the parent and gives its next one."""

    def __init__(self, kind: Kind, exchange: Callable[[Told], Asked | None]) -> None:
        self._exchange = exchange
        self._private = ECKey.generate_key("P-256", {"use": "enc", "alg": WRAPPING})
        self._nonce, self._state = token_urlsafe(NONCE_BYTES), token_urlsafe(NONCE_BYTES)
        self._held: Held | None = None
        self._frames: list[Frame] = []
        self._portrait: bytes | None = None
        self._why = ""
        self._attempts = 0
        self._engine: Engine | None = None
        if kind == "face":
            from egide.border.room import comparing  # noqa: PLC0415 — models, for rooms that look at faces alone

            self._engine = comparing.warm()
        rehearse(self._private, self.key())

    def key(self) -> dict[str, str]:
        """The room's public key."""
        public = self._private.as_dict(private=False)
        return {
            **{name: str(public[name]) for name in ("kty", "crv", "x", "y")},
            "kid": self._private.thumbprint(), "use": "enc", "alg": WRAPPING, "enc": CONTENT,
        }  # fmt: skip

    def ready(self) -> Ready:
        """What the parent is told at first."""
        return Ready(self.key(), self._nonce, self._state)

    def done(self, message: Asked) -> Told:
        """The answer to a message."""
        if isinstance(message, Admit):
            return self._admit(message)
        if isinstance(message, Compare):
            return self._compare(message)
        if isinstance(message, Look):
            return self._look(message)
        return Broken("order")

    def _admit(self, message: Admit) -> Admitted:
        answer, self._held = admit(message, self._private, self._nonce, self._state)
        self._why = answer.why
        return answer

    def _compare(self, message: Compare) -> Told:
        if self._engine is None or self._attempts >= ATTEMPTS:
            return Broken("order")
        from egide.border.room import comparing  # noqa: PLC0415 — loaded by `__init__`

        self._attempts += 1
        self._forget_frames()
        try:
            self._frames = comparing.frames(message.frames, self._private)
        except SealError:
            return Compared("unsure", "unreadable")
        answer = comparing.look(message, self._frames, self._held, self._portrait, self._engine)
        self._why = answer.why or answer.band
        return answer

    def _look(self, message: Look) -> Told:
        """The last frame and the portrait, for the tablet alone; the template is nobody's to see."""
        live = bytes(self._frames[-1].data) if self._frames else b""
        claims = {} if self._held is None else self._held.claims
        seen = Seen(
            live=b64encode(live).decode(),
            portrait=b64encode(self._portrait or b"").decode(),
            claims={name: str(value) for name, value in claims.items() if name != "face_t"},
            why=self._why,
        )
        try:
            return Looked(sealed(msgspec.json.encode(seen), message.tablet))
        except SealError:
            return Broken("tablet")

    def _forget_frames(self) -> None:
        for frame in self._frames:
            frame.data[:] = bytes(len(frame.data))
        self._frames = []
