"""What is done in the room, message by message: one control or one enrolment, one person, one reference; then it ends."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from secrets import token_bytes, token_urlsafe
from typing import TYPE_CHECKING

import msgspec
from joserfc.jwk import ECKey

from egide.border.room.admitting import admit, receive
from egide.border.room.messages import (
    Admit,
    Admitted,
    Asked,
    Broken,
    Compare,
    Compared,
    Issue,
    Issued,
    Kind,
    Look,
    Looked,
    ReadChip,
    Ready,
    ReadZone,
    Receive,
    Sign,
    Signed,
    Told,
    Watch,
    Watched,
)
from egide.border.room.rehearsal import rehearse
from egide.border.room.sealed import CONTENT, WRAPPING, SealError, sealed
from egide.border.token.container import same_document
from egide.border.token.question import NONCE_BYTES
from egide.kernel.errors import EgideError
from egide.protocols.wallet.errors import WalletError

if TYPE_CHECKING:
    from egide.border.document.zone import Reading, ZoneReader
    from egide.border.face.engine import Engine
    from egide.border.face.liveness import Challenge, Move
    from egide.border.room.opening import Frame
    from egide.border.room.reading import Document
    from egide.border.room.watching import Looking, Watching
    from egide.border.token.verify import Holder

STATE_BYTES = 24
SHOWN = ("name", "nationality", "flight", "doc_ok")  # of what the token disclosed
ATTEMPTS = 3  # looks at a face that a room does at most; the platform turns to the officer after two


class Seen(msgspec.Struct):
    """What the officer's tablet is shown: pictures as base64, "" where there is none, and what the token disclosed."""

    live: str
    portrait: str
    claims: dict[str, str]
    why: str


class Prepared:
    """What a room needs and nobody's is: models and readers, loaded once in the nursery and shared by its rooms."""

    def __init__(self, kind: Kind) -> None:
        self.engine: Engine | None = None
        self.zones: ZoneReader | None = None
        if kind != "token":
            from egide.border.room import comparing, issuing, reading  # noqa: F401, PLC0415 — models, where they are needed

            self.engine = comparing.warm()
            self.zones = reading.zones() if kind == "kiosk" else None

    def rehearse(self) -> None:
        """Plays a whole admission, so that all is loaded before any room closes its door."""
        work = Work(self, lambda _told: None)
        rehearse(work._private, work.key())  # noqa: SLF001 — a room of nobody, for this alone


class Work:
    """A room's state. `exchange` sends a message to the parent and gives its next one."""

    def __init__(self, prepared: Prepared, exchange: Callable[[Told], Asked | None]) -> None:
        self._exchange = exchange
        self._private = ECKey.generate_key("P-256", {"use": "enc", "alg": WRAPPING})
        self._nonce, self._state = token_urlsafe(NONCE_BYTES), token_urlsafe(STATE_BYTES)
        self._held: Holder | None = None
        self._frames: list[Frame] = []
        self._document: Document | None = None
        self._pages: list[Reading] = []  # of the document's page, until its chip is read
        self._why = ""
        self._matched = False
        self._attempts = 0
        self._engine, self._zones = prepared.engine, prepared.zones
        self._challenge: Challenge | None = None
        self._asked_for: list[tuple[Move, Move]] = []  # the movements of every attempt
        self._watching: Watching | None = None
        if self._engine is not None:
            self._draw()

    def key(self) -> dict[str, str]:
        """The room's public key."""
        public = self._private.as_dict(private=False)
        return {
            **{name: str(public[name]) for name in ("kty", "crv", "x", "y")},
            "kid": self._private.thumbprint(), "use": "enc", "alg": WRAPPING, "enc": CONTENT,
        }  # fmt: skip

    def ready(self) -> Ready:
        """What the parent is told at first."""
        return Ready(os.getpid(), self.key(), self._nonce, self._state, self._prompts())

    def _prompts(self) -> tuple[tuple[str, int], ...]:
        prompts = self._challenge.prompts if self._challenge is not None else ()
        return tuple((each.move, each.at_ms) for each in prompts)

    def _draw(self) -> None:
        """Asks for movements that were not asked for in this room: a recording of an attempt is worth nothing in the next."""
        from egide.border.face.liveness import draw_challenge  # noqa: PLC0415 — for rooms that look at faces alone

        self._challenge = draw_challenge(token_bytes, self._asked_for)
        self._asked_for.append(self._challenge.moves)

    def done(self, message: Asked) -> Told:
        """The answer to a message."""
        match message:
            case Admit():
                return self._admit(message)
            case Receive():
                return receive(message, self._private, self._state)
            case ReadChip():
                return self._read(message)
            case ReadZone():
                return self._read_zone(message)
            case Watch():
                return self._watch(message)
            case Compare():
                return self._compare(message)
            case Look():
                return self._look(message)
            case Issue():
                return self._issue(message)
            case _:
                return Broken("order")

    def _admit(self, message: Admit) -> Admitted:
        answer, self._held = admit(message, self._private, self._nonce, self._state)
        if self._held is not None and not self._same():
            answer, self._held = Admitted("document"), None
        self._why = answer.why
        return answer

    def _same(self) -> bool:
        """Whether the token was made for the document that was read here; where none was read, or none is named, it may be."""
        held = self._held
        if held is None or held.claims.doc_hash is None or self._document is None:
            return True
        return same_document(held.claims.doc_hash, self._document.sod, held.secret)

    def _read(self, message: ReadChip) -> Told:
        if self._engine is None:
            return Broken("order")
        from egide.border.room import reading  # noqa: PLC0415 — loaded by `Prepared`

        answer, self._document = reading.read(message, self._private)
        self._matched = False  # who was alike was alike to the portrait of the document before
        if self._document is not None:
            self._pages.clear()
        return answer

    def _read_zone(self, message: ReadZone) -> Told:
        if self._zones is None:
            return Broken("order")
        from egide.border.room import reading  # noqa: PLC0415 — loaded by `Prepared`

        try:
            return Looked(reading.read_zone(message, self._private, self._zones, self._pages))
        except SealError:
            return Broken("tablet")

    def _watch(self, message: Watch) -> Told:
        """More frames of an attempt; the first begin one. A frame that nobody can open or read ends it, and nothing is live."""
        if self._engine is None or self._challenge is None:
            return Broken("order")
        from egide.border.room import watching  # noqa: PLC0415 — loaded by `Prepared`

        if self._watching is None:
            if self._attempts >= ATTEMPTS:
                return Broken("order")
            self._attempts += 1
            self._watching = watching.Watching(self._challenge, self._engine)
        try:
            return self._watching.more(message.frames, self._private)
        except (SealError, EgideError):
            self._watching.spoil()
            return Watched("", 0, over=True)

    def _compare(self, message: Compare) -> Told:
        answer = self._compared(message)
        if not isinstance(answer, Compared) or self._attempts >= ATTEMPTS:
            return answer
        self._draw()  # whoever is alike may still be refused, by the gate's device
        return msgspec.structs.replace(answer, challenge=self._prompts())

    def _compared(self, message: Compare) -> Told:
        watched, self._watching = self._watching, None
        if self._engine is None or self._challenge is None or (watched is None and self._attempts >= ATTEMPTS):
            return Broken("order")
        if watched is not None and message.frames:  # of one attempt: some at one time, others at another
            return Broken("order")
        from egide.border.room import comparing  # noqa: PLC0415 — loaded by `Prepared`

        self._attempts += watched is None
        self._forget_frames()
        self._why, self._matched = "unreadable", False
        portrait = None if self._document is None else self._document.portrait
        challenge = self._challenge if watched is None else watched.challenge
        try:
            looked = self._looked(message) if watched is None else watched.looked
            self._frames = looked.taken
            reference = comparing.reference(self._held, portrait, self._engine)
        except (SealError, EgideError):
            return Compared("unsure", "unreadable")
        answer = comparing.look(message, looked, reference, challenge, self._engine)
        looked.forget()
        self._why, self._matched = answer.why or answer.band, answer.band == "match"
        return answer

    def _looked(self, message: Compare) -> Looking:
        """Frames that came all at once. Raises `SealError`, `EgideError`."""
        from egide.border.room import opening, watching  # noqa: PLC0415 — loaded by `Prepared`

        assert self._engine is not None  # noqa: S101 — asked by `_compare`, for the type checker
        looked = watching.Looking(self._engine)
        for frame in opening.frames(message.frames, self._private):
            looked.add(frame, look=message.challenge)
        return looked

    def _look(self, message: Look) -> Told:
        """The last frame and the chip's portrait, for the tablet alone; the template is nobody's to see."""
        live = bytes(self._frames[-1].data) if self._frames else b""
        portrait = self._portrait()
        shown = {} if self._held is None else {name: getattr(self._held.claims, name) for name in SHOWN}
        seen = Seen(
            live=b64encode(live).decode(),
            portrait=b64encode(portrait).decode(),
            claims={name: str(value) for name, value in shown.items() if value is not None},
            why=self._why,
        )
        try:
            return Looked(sealed(msgspec.json.encode(seen), message.tablet))
        except SealError:
            return Broken("tablet")

    def _portrait(self) -> bytes:
        """The chip's picture as a browser can show it; none where there is none, or it cannot be read."""
        if self._document is None:
            return b""
        from egide.border.document import portrait  # noqa: PLC0415 — loaded by `Prepared`

        try:
            return portrait.shown(self._document.portrait)
        except EgideError:
            return b""

    def _issue(self, message: Issue) -> Told:
        """After the chip was proved and the face is that of its portrait; not otherwise."""
        document, made = self._document, self._engine
        if made is None or document is None or document.verdict != "proved" or not self._matched:
            return Issued("", "order")
        from egide.border.room import comparing, issuing  # noqa: PLC0415 — loaded by `Prepared`

        try:
            shown = comparing.straight(self._frames, made)
            text = issuing.issue(message, self._private, self._nonce, document, shown, made, self._sign)
        except WalletError as error:
            return Issued("", error.why)
        except (SealError, EgideError, ValueError):
            return Issued("", "malformed")
        return Issued(text)

    def _sign(self, message: bytes) -> bytes:
        answer = self._exchange(Sign(sha256(message).digest()))
        if not isinstance(answer, Signed):
            raise WalletError("unavailable", "no signature came")
        return answer.signature

    def _forget_frames(self) -> None:
        for frame in self._frames:
            frame.data[:] = bytes(len(frame.data))
        self._frames = []
