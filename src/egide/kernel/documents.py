"""Documents that leave the house: who writes them as PDF, who seals them, and what a seal is worth, in plain words.

Why here: a capability asks for a document without knowing which program sets type or which signs; engines serve these
protocols (engines/typst_documents.py, engines/pades.py). Sources: ISO 19005-2 (PDF/A-2), ISO 14289-1 (PDF/UA-1), ETSI EN 319
142-1 (PAdES and its levels B-B, B-T, B-LT), Regulation 910/2014 (eIDAS) articles 35 to 40: a seal is qualified only by a
qualified certificate on a qualified device; ours is not, and every report says so.

    made = sealed_document(renderer, sealer, "report", data, "fr", at=now, reason="Procès-verbal")
    keep(made.pdf, made.sha256)
    sealer.verify(made.pdf, expected=made.sha256).findings     # sentences for people
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Literal, Protocol

import msgspec

from egide.kernel.errors import EgideError, Text

Lang = Literal["fr", "en"]
CARD_ROOTS = "card-roots.pem"  # in the folder of keys, by the operator: the authorities of officers' cards


class Unwritable(EgideError):
    """The document cannot be set: an unknown template, data that is too long or that the template cannot use."""

    code = "document"
    status = 422


class Unsealable(EgideError):
    """This PDF cannot be sealed: it is no PDF, or sealed already by us or by others."""

    code = "seal"
    status = 422


class Level(StrEnum):
    """How long a seal proves something (EN 319 142-1): now, with a third party's time, beyond its certificates' life."""

    B = "B-B"
    T = "B-T"
    LT = "B-LT"


class Finding(msgspec.Struct, frozen=True):
    """One thing found out about a seal. `good` is None for what is neither right nor wrong, only to be known."""

    code: str
    good: bool | None
    text: Text


class SealReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a seal says and whether it holds. `holds` is the answer; the findings are the reasons, most important first."""

    sealed: bool = False  # there is a seal to speak of
    intact: bool = False  # no byte that the seal covers was changed, and none was added around it
    trusted: bool = False  # the certificate comes from an authority that this installation knows
    signer: str = ""
    reason: str = ""
    claimed: datetime | None = None  # the sealer's own clock
    stamped: datetime | None = None  # a time-stamping authority's clock, verified
    level: Level | None = None
    qualified: bool = False
    whole: bool = False  # the seal covers the whole file
    revisions: int = 0  # added to the file after the seal
    officer: str = ""  # who signed with a card before it was sealed; "" where nobody did
    officer_holds: bool = False  # that signature is intact and its certificate comes from an authority of the cards
    officer_qualified: bool = False  # that certificate says it is qualified
    findings: tuple[Finding, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the file is, byte for byte, what the named service sealed."""
        return self.sealed and self.intact and self.trusted and self.whole


class Renderer(Protocol):
    """Sets documents. Any thread may call; the same template, data, language and time give the same bytes."""

    def render(self, template: str, data: Mapping[str, object], lang: Lang, *, at: datetime) -> bytes:
        """A PDF/A-2a and PDF/UA-1 file. Raises `Unwritable`, `TooLarge`, and `Unavailable` when it takes too long."""

    def close(self) -> None:
        """Ends what runs beside the platform."""


class Sealer(Protocol):
    """Seals and verifies. Any thread may call; both take some tens of ms, so never on the loop."""

    @property
    def levels(self) -> Sequence[Level]:
        """What this installation can give, lowest first: `B-B` always, the others with a time-stamping authority."""

    def seal(self, pdf: bytes, *, reason: str, at: datetime, level: Level = Level.B) -> bytes:
        """The sealed file. Raises `Unsealable`; `Unavailable` when the key's token or the authority is away: try again."""

    def verify(self, pdf: bytes, *, expected: bytes | None = None) -> SealReport:
        """What the seal of any file is worth; never raises for what it holds. `expected`: the file's SHA-256, where known."""


class CardTrouble(EgideError):
    """The officer's card did not sign: not there, another person's, ended, unknown, locked, a wrong code. Nothing was done."""

    code = "card"
    status = 422


class CardSigner(Protocol):
    """Signs with the card of the officer who stands at this machine: the private key never leaves it. Never on the loop."""

    def sign(self, pdf: bytes, *, pin: str, name: str, reason: str, at: datetime) -> bytes:
        """The PDF with the officer's own signature (PAdES B-B), not sealed yet; the code is sent to the card once, kept nowhere.

        `name`: of the officer, which the certificate must bear. Raises `CardTrouble`; `Unavailable` when the reader is away.
        """


class Sealed(msgspec.Struct, frozen=True):
    """A sealed document; its SHA-256 goes into the ledger, so that even a byte outside every signature is found."""

    pdf: bytes
    sha256: bytes
    level: Level


def sealed_document(
    renderer: Renderer,
    sealer: Sealer,
    template: str,
    data: Mapping[str, object],
    lang: Lang,
    *,
    at: datetime,
    reason: str,
    level: Level = Level.B,
) -> Sealed:
    """Sets and seals one document; for a job, in a thread (50 to 100 ms at B-B). Raises what the two raise."""
    pdf = sealer.seal(renderer.render(template, data, lang, at=at), reason=reason, at=at, level=level)
    return Sealed(pdf, sha256(pdf).digest(), level)
