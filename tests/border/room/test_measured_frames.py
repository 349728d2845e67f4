"""Of a slow camera's frames as few are measured as liveness allows, and never too few, however slowly they come."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from egide.border.face.liveness import EMBEDDING_GAP_MS, Seen
from egide.border.room import watching
from egide.border.room.opening import Frame


@pytest.mark.parametrize("step", [50, 100, 125, 130, 149, 225, 400, 450])
def test_measured_frames_are_never_too_far_apart(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    measured_at = []

    def see(_image: Any, at_ms: int, _engine: Any, *, measured: bool) -> Seen:
        if measured:
            measured_at.append(at_ms)
        return Seen(at_ms, 0, None)

    monkeypatch.setattr(watching, "see", see)
    monkeypatch.setattr(watching, "read_picture", lambda _data: np.zeros((1, 1, 3), dtype=np.uint8))
    nothing: Any = None
    looked = watching.Looking(nothing)
    times = range(3, 6000, step)
    for at in times:
        looked.add(Frame(at, bytearray(b"-")))
    every = [0, *measured_at, times[-1]]
    assert measured_at == sorted(measured_at)
    assert max(after - before for before, after in pairwise(every)) <= EMBEDDING_GAP_MS
    assert len(measured_at) <= 1 + 6000 // (EMBEDDING_GAP_MS - step)
