"""A face found, brought upright and measured, on one core; beside dlib's network, whose weights are in the public domain (CC0).

Both look at the same pictures, as a gate's camera takes them (640×480), already decoded. dlib runs in a process of its own, with
its detector, its five points and its network; its 68 points, trained on pictures that forbid commerce, are not touched.
"""

from __future__ import annotations

import numpy as np

from egide.bench.border_scene import drawn
from egide.bench.measure import Bench, peer, per_cpu_s, row
from egide.border.face.engine import engine

PICTURES = 12


def faces(bench: Bench) -> None:
    """Detect, align, embed."""
    pictures = [drawn(number) for number in range(4 if bench.quick else PICTURES)]
    found = engine()

    def work() -> int:
        for picture in pictures:
            (face,) = found.detector.detect(picture)
            found.matcher.embed(picture, face)
        return len(pictures)

    def detect() -> int:
        for picture in pictures:
            found.detector.detect(picture)
        return len(pictures)

    value, alone = 1000 / per_cpu_s(work), 1000 / per_cpu_s(detect)
    file = bench.folder / "faces.npy"
    np.save(file, np.stack(pictures))
    bench.say("peer: dlib")
    theirs = peer("dlib_face", str(file))
    bench.add(
        row(
            "face_ms", value, "CPU ms", "lower", target=35, peer="dlib: HOG, 5 points, resnet (CC0)",
            peer_value=theirs["ms"] if theirs else None,
        )
    )  # fmt: skip
    bench.note(
        f"face_ms: {alone:.1f} ms of it finds the face (YuNet on 320 px), the rest aligns and embeds (SFace, float32)."
    )
    if theirs:
        bench.note(f"dlib: {theirs['detect_ms']:.1f} ms of it finds the face.")


MEASURES = (faces,)
