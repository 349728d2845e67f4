"""The face: frames opened, one reference, one word. The models are loaded before the room's door closes.

At the border the reference is the portrait of the chip, for the law asks whose document it is (Schengen Borders Code, 8(2));
elsewhere it is the template of the token. There is always exactly one.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from secrets import token_bytes

import numpy as np
from PIL import Image as Pillow

from egide.border.document.portrait import read_portrait
from egide.border.face.compare import Comparison, OperatingPoint, Reference, compare, enrol
from egide.border.face.engine import Engine, Face, Image, engine
from egide.border.face.liveness import Challenge, Seen, judge, see
from egide.border.face.moire import moire
from egide.border.face.pictures import FORMATS, read_picture
from egide.border.face.quality import Demands, measure, pose
from egide.border.face.template import SECRET_BYTES, protect, similarity
from egide.border.face.wiping import wipe
from egide.border.room.messages import Compare, Compared
from egide.border.room.opening import Frame
from egide.border.room.watching import Looking
from egide.border.token.verify import Holder
from egide.kernel.errors import EgideError
from egide.protocols.emrtd.lds import Portrait

ENROLLED = 3  # pictures of whose mean the template is made
UNSURE = 0.377  # cosine of three frames' mean that one stranger in a thousand reaches (face/compare.py)
# A chip's portrait was judged by who issued the document: here it must only show a face.
PORTRAIT = Demands(eyes_px=24.0, sharpness=2.0, variance=0.0, range_bits=2.0)


def warm() -> Engine:
    """The models, and everything that reading and measuring a picture loads on its first use."""
    Pillow.init()
    for format_ in FORMATS:
        file = BytesIO()
        Pillow.new("RGB", (32, 32)).save(file, format_)
        read_picture(file.getvalue())
    made = engine()
    # A detector finds no face in noise: what comes after it is played with points where a face would have them.
    noise = np.random.default_rng(0).integers(0, 255, (240, 240, 3), dtype=np.uint8)
    face = Face(
        box=(60, 40, 120, 160), right_eye=(92, 100), left_eye=(148, 100), nose=(120, 132), right_mouth=(98, 160),
        left_mouth=(142, 160), score=1.0,
    )  # fmt: skip
    see(noise, 0, made, measured=True)
    moire(noise, face)
    measure(noise, [face])
    template = protect(made.matcher.embed(noise, face), bytes(SECRET_BYTES))
    similarity(template, made.matcher.embed(noise, face), bytes(SECRET_BYTES))
    return made


def pictures(taken: Sequence[Frame]) -> list[Image]:
    """What the frames show. Raises `EgideError` for a picture that cannot be read."""
    return [read_picture(bytes(frame.data)) for frame in taken]


def straight(taken: Sequence[Frame], made: Engine) -> list[Image]:
    """The pictures in which the face looks most straight ahead, as many as enrolment takes. Raises `EgideError`."""
    shown = pictures(taken)
    seen = [see(each, 0, made, measured=False) for each in shown]
    return [shown[at] for at in _frontal(seen, ENROLLED)]


def look(
    message: Compare, looked: Looking, reference: Reference | Comparison, challenge: Challenge, made: Engine
) -> Compared:
    """Whether the frames show the person of the one reference, there in the flesh where that is asked for."""
    if isinstance(reference, Comparison):
        return Compared("unsure", reference.why or "poor")
    shown: list[Image] = []
    try:
        probes = looked.taken
        if message.challenge:
            alive = judge(challenge, challenge.nonce, looked.seen)
            if not alive.live:
                return Compared("unsure", alive.why or "still", ("still",))
            probes = [looked.taken[at] for at in _frontal(looked.seen, message.count)]
        shown = pictures(probes[: message.count])
        point = OperatingPoint(match=message.threshold, unsure=min(UNSURE, message.threshold), frames=message.count)
        moved = [each.embedding for each in looked.seen if each.embedding is not None] if message.challenge else ()
        found = compare(reference, shown, made, point, moved)
    except EgideError:
        return Compared("unsure", "unreadable")
    finally:
        wipe(*shown)
    return Compared(found.band or "unsure", found.why or "", tuple(found.guidance))


def reference(held: Holder | None, portrait: Portrait | None, made: Engine) -> Reference | Comparison:
    """The one reference: the chip's portrait where there is one, else the token's template. Raises `EgideError`."""
    if portrait is not None:
        picture = read_portrait(portrait)
        found = enrol([picture], made, token_bytes(SECRET_BYTES), PORTRAIT)
        wipe(picture)
        return found
    if held is None or held.claims.face_t is None:
        return Comparison(None, "no-face")
    return Reference(held.claims.face_t, held.secret, made.model)


def _frontal(seen: Sequence[Seen], count: int) -> list[int]:
    """Which frames show the face most straight ahead."""

    def aside(at: int) -> float:
        face = seen[at].face
        if face is None:
            return float("inf")
        turned = pose(face)
        return abs(turned.yaw) + abs(turned.pitch)

    return sorted(range(len(seen)), key=aside)[:count]
