"""What is measured in a room needs nothing that is loaded after its door closed, whether or not it was rehearsed before."""

from __future__ import annotations

import subprocess
import sys

MEASURED = """
import numpy as np
from egide.border.face.engine import Face
from egide.border.face.moire import moire
from egide.border.room.child import close_the_door

rows, columns = np.mgrid[0:240, 0:240]
stripes = 128 + 100 * np.sin((0.23 * columns + 0.11 * rows) * 2 * np.pi)
raster = np.repeat(stripes[..., None], 3, axis=2).astype(np.uint8)
close_the_door()
try:
    open("/dev/null")
except OSError:
    print(moire(raster, Face((60, 40, 120, 160), *[(0.0, 0.0)] * 5, score=0.9)))
"""


def test_a_raster_is_noticed_though_nothing_can_be_opened_any_more() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURED], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    assert float(done.stdout) > 0.8
