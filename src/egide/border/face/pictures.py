"""Pictures from outside, read with bounds: a gate's frame, a chip's portrait (JPEG, JPEG 2000), a file of an evaluation."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from egide.border.face.engine import Image
from egide.kernel.errors import BadInput, EgideError, Text, TooLarge

MAX_BYTES = 8 * 2**20  # a camera's frame as JPEG is 0.2 MB, a portrait on a chip 0.02
MAX_PIXELS = 12_000_000  # 4,000 × 3,000
FORMATS = ("JPEG", "JPEG2000", "PNG", "WEBP")  # nothing with scripts, pages or links


def read_picture(data: bytes) -> Image:
    """The picture, height × width × 3 RGB, the right way up. Raises `BadInput`, `TooLarge`."""
    if len(data) > MAX_BYTES:
        raise _too_large()
    try:
        return _decoded(data)
    except EgideError:
        raise
    except Exception:  # noqa: BLE001  Pillow's decoders raise whatever their formats break; it all means the same here
        raise BadInput(
            Text("Cette image ne peut pas être lue.", "This picture cannot be read."),
            Text("Envoyez une image JPEG, PNG ou WebP.", "Send a JPEG, PNG or WebP picture."),
        ) from None


def _decoded(data: bytes) -> Image:
    with Pillow.open(BytesIO(data), formats=FORMATS) as opened:  # reads the head alone
        if opened.width * opened.height > MAX_PIXELS:
            raise _too_large()
        return np.array(ImageOps.exif_transpose(opened).convert("RGB"), dtype=np.uint8)


def _too_large() -> TooLarge:
    return TooLarge(Text("Cette image est trop grande.", "This picture is too large."))
