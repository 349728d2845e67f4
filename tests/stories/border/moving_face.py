"""A drawn face that does what it is asked, for a browser's camera: nobody's picture, and movements that landmarks can tell.

The drawing is laid over a head (half an ellipsoid with a nose) and turned with it; nodding does not look like nodding to the
detector, so the rooms of a story ask for the three other movements alone (`FOLLOWED`, `NURSERY`).
The page's camera is replaced by a canvas that shows, a human moment after the page has asked, the drawing that does it.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from io import BytesIO

import cv2
import numpy as np
from PIL import Image as Pillow

from egide.border.face.engine import Image
from tests.border.face.drawn import portrait

EDGE = 480  # px of the camera's picture
SCALE, NEARER = 1.2, 1.35  # of the drawing; of somebody who came closer
TURNED = 28.0  # degrees
LATE_MS, BETWEEN_MS = 350, 250  # ms from what the page asks to what the person does; looking straight again on the way
FOLLOWED = ("left", "right", "closer")
# For `room.parent.NURSERY`: rooms that ask for nothing else, at the first attempt and at the next.
_STARTED = f"""
import sys
from itertools import permutations
from egide.border.face import liveness
from egide.border.room import nursery
liveness.PAIRS = tuple(permutations({FOLLOWED}, 2))
nursery.main(sys.argv[1])
"""
NURSERY = ("-I", "-c", _STARTED)


@cache
def face(seed: int, move: str = "straight") -> Image:
    """The drawing of this person (a seed) doing a movement, 480 × 480 RGB."""
    scale = SCALE * (NEARER if move == "closer" else 1.0)
    picture = portrait(seed, scale=scale, width=EDGE, height=EDGE)
    if move not in ("left", "right"):
        return picture
    yaw = np.radians(TURNED if move == "left" else -TURNED)
    ys, xs = np.mgrid[0:EDGE, 0:EDGE].astype(np.float32)
    wanted, down = xs - EDGE / 2, ys - EDGE / 2
    across = wanted.copy()
    for _ in range(
        25
    ):  # where on the head a pixel comes from: the turned place is known, the depth follows from the place
        round_ = np.clip(1 - (across / (95 * scale)) ** 2 - (down / (110 * scale)) ** 2, 0, 1)
        nose = np.exp(-(across**2 + (down - 18 * scale) ** 2) / (2 * (14 * scale) ** 2))
        depth = 75 * scale * (np.sqrt(round_) + 0.4 * nose)
        across = (across + (wanted - depth * np.sin(yaw)) / np.cos(yaw)) / 2
    return np.asarray(cv2.remap(picture, (across + EDGE / 2).astype(np.float32), ys, cv2.INTER_LINEAR), dtype=np.uint8)


def jpeg(picture: Image) -> bytes:
    """A picture as a camera stores it."""
    file = BytesIO()
    Pillow.fromarray(picture).save(file, "JPEG", quality=92)
    return file.getvalue()


def camera(seed: int) -> str:
    """A script for a page: its camera sees this person, who follows `[data-asked]`."""
    moves = ("straight", *FOLLOWED)
    pictures = ",".join(f"{move}: '{b64encode(jpeg(face(seed, move))).decode()}'" for move in moves)
    return f"""(() => {{
      const load = (data) => {{ const one = new Image(); one.src = 'data:image/jpeg;base64,' + data; return one; }};
      const images = Object.fromEntries(Object.entries({{{pictures}}}).map(([move, data]) => [move, load(data)]));
      let shown = 'straight', wanted = 'straight';
      navigator.mediaDevices.getUserMedia = async () => {{
        const canvas = Object.assign(document.createElement('canvas'), {{width: {EDGE}, height: {EDGE}}});
        const context = canvas.getContext('2d');
        await Promise.all(Object.values(images).map((one) => one.decode()));
        const draw = () => {{
          const asked = document.querySelector('[data-asked]')?.dataset.asked || 'straight';
          if (asked !== wanted) {{
            wanted = asked;
            setTimeout(() => (shown = 'straight'), {LATE_MS});
            setTimeout(() => (shown = asked), {LATE_MS + BETWEEN_MS});
          }}
          context.drawImage(images[shown], 0, 0);
        }};
        draw();
        const stream = canvas.captureStream(15), [track] = stream.getVideoTracks();
        const drawing = setInterval(() => (track.readyState === 'ended' ? clearInterval(drawing) : draw()), 66);
        return stream;
      }};
    }})();"""
