"""The travel document: the chip's files, opened and judged (passive authentication); they stay in the room.

A sealed chip is a JSON object of file names ("COM", "SOD", "DG1", "DG2") and their bytes in base64url.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from io import BytesIO

import cv2
import msgspec
import numpy as np
from joserfc.jwk import ECKey
from PIL import Image

from egide.border.document.zone import FORMATS, Reading, ZoneReader, combined
from egide.border.room.messages import ChipRead, ReadChip, ReadZone
from egide.border.room.sealed import SealError, opened, sealed
from egide.kernel.errors import EgideError
from egide.protocols.emrtd import lds, sod
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.passive import authenticate
from egide.protocols.emrtd.trust import Trust, of_state
from egide.protocols.mrz import Mrz
from egide.protocols.vapid import decoded

PICTURES = 3  # of one document that are put together: what a kiosk takes before it asks
CHOICES = 2  # besides the likeliest: more is a riddle
MAX_FILES = 20  # EF.COM, EF.SOD, sixteen data groups, and room to spare


class Document(msgspec.Struct):
    """What the chip said and its state signed."""

    zone: Mrz
    portrait: lds.Portrait
    sod: bytes
    verdict: str

    def __repr__(self) -> str:
        """Nothing of it: it is a person's."""
        return "Document(…)"


def read(message: ReadChip, private: ECKey) -> tuple[ChipRead, Document | None]:
    """The findings; and the document, where it could be read at all. One without a portrait proves nothing of who holds it."""
    try:
        told = msgspec.json.decode(opened(message.sealed, private), type=dict[str, str])
        if len(told) > MAX_FILES:
            return ChipRead((), "unreadable"), None
        files = {name: decoded(text) for name, text in told.items()}
    except (SealError, ValueError, RecursionError):
        return ChipRead((), "unreadable"), None
    passive = authenticate(files, _trust(message, files), message.now)
    findings = tuple((each.question, each.state) for each in passive.findings)
    answer = ChipRead(findings, passive.verdict)
    if passive.zone is None:
        return answer, None
    try:
        portrait = lds.portrait(files.get("DG2", b""))
    except EmrtdError:
        seen = "unreadable" if passive.verdict == "proved" else passive.verdict
        return ChipRead(findings, seen), None
    return answer, Document(passive.zone, portrait, files.get("SOD", b""), passive.verdict)


def _state(files: Mapping[str, bytes]) -> str:
    """The two letters of whose signature the document bears, believed or not; "" where nobody says."""
    try:
        signer = sod.read(files.get("SOD", b"")).signed.signer
    except EmrtdError:
        return ""
    return signer.country if signer is not None else ""


class ZoneSeen(msgspec.Struct):
    """The lines of a zone, or in one word why there are none; `unclear` with lines: a number that may be one of `others` too."""

    lines: tuple[str, ...]
    why: str
    others: tuple[tuple[str, ...], ...] = ()  # whole zones, the likeliest first, to choose from; () where it is clear


def zones() -> ZoneReader:
    """A reader that has read: whatever it loads at its first page is loaded before the door closes. Raises `Unavailable`."""
    reader = ZoneReader()
    for kind in FORMATS:
        into = BytesIO()
        _page().save(into, kind)
        reader.read(into.getvalue(), date.min)
    return reader


def _page() -> Image.Image:
    """Something like a zone, and something like a lamp over it: each step of the reader has its work."""
    page = np.full((420, 1200), 222, dtype=np.uint8)
    for row, line in enumerate(("P<UTO" + 39 * "<", 22 * "K<")):
        cv2.putText(page, line, (60, 250 + 60 * row), cv2.FONT_HERSHEY_PLAIN, 2, 40, 2)
    page[230:260, 500:560] = 255
    return Image.fromarray(page)


def read_zone(message: ReadZone, private: ECKey, reader: ZoneReader, earlier: list[Reading]) -> str:
    """What was read, sealed to the page that asked: nobody between sees a document's number. Raises `SealError`.

    `earlier`: what the last pictures gave; this one is put together with them and added, and the oldest leaves.
    """
    today = datetime.fromtimestamp(message.now, UTC).date()
    try:
        found = reader.read(opened(message.sealed, private), today)
        if found.mrz is not None:
            earlier[:] = [*earlier, found][-PICTURES:]
            found = combined(earlier)
        unclear = found.mrz is not None and bool(found.why)
        others = tuple(each.lines for each in found.candidates[1 : 1 + CHOICES]) if unclear else ()
        seen = ZoneSeen(found.lines if found.mrz is not None else (), found.why, others)
    except EgideError:
        seen = ZoneSeen((), "unclear")
    return sealed(msgspec.json.encode(seen), message.reply)


def _trust(message: ReadChip, files: Mapping[str, bytes]) -> Trust:
    """The authorities of the document's State that hold, in whatever order they came; one that does not proves no document."""
    country = _state(files)
    trust = Trust()
    trust.add_all(of_state(message.csca, country))
    for der in of_state(message.crls, country):
        try:
            trust.add_revocations(der)
        except EmrtdError:
            continue
    return trust
