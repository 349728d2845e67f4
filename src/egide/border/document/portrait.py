"""The portrait in DG2, decoded: JPEG or JPEG 2000 (ICAO Doc 9303 part 9 §3.9). To be done once DG2 is proved, not before.

A decoder is a large program for a stranger's bytes. It gets only what the record's picture begins as, no larger than a chip's
file, and of a size that a portrait has. No browser shows JPEG 2000, in which most passports have it: people are shown a JPEG.
"""

from __future__ import annotations

from io import BytesIO

from PIL import Image as Pillow

from egide.border.face.engine import Image
from egide.border.face.pictures import read_picture
from egide.border.face.wiping import wipe
from egide.kernel.errors import BadInput, Text, TooLarge
from egide.protocols.emrtd import lds

MAX_PIXELS = 4_000_000  # the largest portraits of passports have about 1,200 × 1,600
FORMATS = {"jpeg": "JPEG", "jpeg2000": "JPEG2000"}
QUALITY = 92  # of the JPEG that people are shown


def read_portrait(found: lds.Portrait) -> Image:
    """A picture of DG2 (`lds.portrait`), height × width × 3 RGB. Raises `BadInput`, `TooLarge`."""
    if _pixels(found) > MAX_PIXELS:
        raise _too_large()
    return read_picture(found.image)


def shown(found: lds.Portrait) -> bytes:
    """The same as a JPEG that any browser shows. Raises as `read_portrait`."""
    picture, into = read_portrait(found), BytesIO()
    Pillow.fromarray(picture).save(into, "JPEG", quality=QUALITY)
    wipe(picture)
    return into.getvalue()


def _pixels(found: lds.Portrait) -> int:
    """Width times height by the picture's own head, which is all that is read of it."""
    try:
        with Pillow.open(BytesIO(found.image), formats=(FORMATS[found.format],)) as opened:
            return opened.width * opened.height
    except Exception:  # noqa: BLE001  Pillow's decoders raise whatever their formats break; it all means the same here
        raise _unreadable() from None


def _unreadable() -> BadInput:
    return BadInput(
        Text("La photo de la puce ne peut pas être lue.", "The chip's portrait cannot be read."),
        Text("Passez par un agent.", "Ask an officer."),
    )


def _too_large() -> TooLarge:
    return TooLarge(
        Text("La photo de la puce est trop grande.", "The chip's portrait is too large."),
        Text("Passez par un agent.", "Ask an officer."),
    )
