"""The travel document: the chip's files, opened and judged (passive authentication); they stay in the room.

A sealed chip is a JSON object of file names ("COM", "SOD", "DG1", "DG2") and their bytes in base64url.
"""

from __future__ import annotations

import msgspec
from joserfc.jwk import ECKey

from egide.border.room.messages import ChipRead, ReadChip
from egide.border.room.sealed import SealError, opened
from egide.protocols.emrtd import lds
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.passive import authenticate
from egide.protocols.emrtd.trust import Trust
from egide.protocols.mrz import Mrz
from egide.protocols.vapid import decoded

MAX_FILES = 20  # EF.COM, EF.SOD, sixteen data groups, and room to spare


class Document(msgspec.Struct):
    """What the chip said and its state signed."""

    zone: Mrz
    portrait: bytes  # JPEG or JPEG 2000
    sod: bytes
    verdict: str

    def __repr__(self) -> str:
        """Nothing of it: it is a person's."""
        return "Document(…)"


def read(message: ReadChip, private: ECKey) -> tuple[ChipRead, Document | None]:
    """The findings; and the document, where it could be read at all."""
    try:
        told = msgspec.json.decode(opened(message.sealed, private), type=dict[str, str])
        if len(told) > MAX_FILES:
            return ChipRead((), "unreadable"), None
        files = {name: decoded(text) for name, text in told.items()}
    except (SealError, ValueError, RecursionError):
        return ChipRead((), "unreadable"), None
    passive = authenticate(files, _trust(message), message.now)
    findings = tuple((each.question, each.state) for each in passive.findings)
    answer = ChipRead(findings, passive.verdict)
    if passive.zone is None:
        return answer, None
    try:
        portrait = lds.portrait(files.get("DG2", b"")).image
    except EmrtdError:
        return answer, None
    return answer, Document(passive.zone, portrait, files.get("SOD", b""), passive.verdict)


def _trust(message: ReadChip) -> Trust:
    """The countries' authorities that hold; one that does not proves no document."""
    trust = Trust()
    for der in message.csca:
        try:
            trust.add(der)
        except EmrtdError:
            continue
    for der in message.crls:
        try:
            trust.add_revocations(der)
        except EmrtdError:
            continue
    return trust
