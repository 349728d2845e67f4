"""The face: frames opened, one reference, one word. The models are loaded before the room's door closes.

At the border the reference is the portrait of the chip, for the law asks whose document it is (Schengen Borders Code, 8(2));
elsewhere it is the template of the token. There is always exactly one.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from secrets import token_bytes

import msgspec
import numpy as np
from joserfc.jwk import ECKey
from PIL import Image as Pillow

from egide.border.face.compare import Comparison, OperatingPoint, Reference, compare, enrol
from egide.border.face.engine import Engine, Image, engine
from egide.border.face.pictures import FORMATS, read_picture
from egide.border.face.quality import Demands
from egide.border.face.template import SECRET_BYTES
from egide.border.face.wiping import wipe
from egide.border.room.admitting import Held
from egide.border.room.messages import Compare, Compared
from egide.border.room.sealed import SealError, opened
from egide.kernel.errors import EgideError
from egide.protocols.vapid import decoded

TIME = 4  # bytes before each frame: when it was taken, milliseconds since the first
UNSURE = 0.377  # cosine of three frames' mean that one stranger in a thousand reaches (face/compare.py)
# A chip's portrait was judged by who issued the document: here it must only show a face.
PORTRAIT = Demands(eyes_px=24.0, sharpness=2.0, variance=0.0, range_bits=2.0)


class Frame(msgspec.Struct):
    """One frame as it came (`data`, a picture file) and when, in milliseconds since the first."""

    at_ms: int
    data: bytearray


def warm() -> Engine:
    """The models, and everything that reading a picture loads on its first use."""
    Pillow.init()
    for format_ in FORMATS:
        file = BytesIO()
        Pillow.new("RGB", (32, 32)).save(file, format_)
        read_picture(file.getvalue())
    made = engine()
    blank = np.zeros((160, 160, 3), dtype=np.uint8)
    made.detector.detect(blank)
    return made


def frames(sealed: Sequence[str], private: ECKey) -> list[Frame]:
    """The frames, opened. Raises `SealError`."""
    found = []
    for each in sealed:
        plain = opened(each, private)
        if len(plain) <= TIME:
            raise SealError("a frame without a picture")
        found.append(Frame(int.from_bytes(plain[:TIME], "big"), bytearray(plain[TIME:])))
    return found


def look(message: Compare, taken: Sequence[Frame], held: Held | None, portrait: bytes | None, made: Engine) -> Compared:
    """Whether the frames show the person of the one reference."""
    try:
        reference = _reference(held, portrait, made)
        if isinstance(reference, Comparison):
            return Compared("unsure", reference.why or "poor")
        probes = [read_picture(bytes(frame.data)) for frame in taken[: message.count]]
        point = OperatingPoint(match=message.threshold, unsure=min(UNSURE, message.threshold), frames=message.count)
        found = compare(reference, probes, made, point)
    except EgideError:
        return Compared("unsure", "unreadable")
    wipe(*probes)
    return Compared(found.band or "unsure", found.why or "", tuple(found.guidance))


def _reference(held: Held | None, portrait: bytes | None, made: Engine) -> Reference | Comparison:
    if portrait is not None:
        picture: Image = read_picture(portrait)
        found = enrol([picture], made, token_bytes(SECRET_BYTES), PORTRAIT)
        wipe(picture)
        return found
    if held is None:
        return Comparison(None, "no-face")
    return Reference(decoded(str(held.claims.get("face_t", ""))), held.secret, made.model)
