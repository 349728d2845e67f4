"""Small real footage for tests: H.264 with ST 0601 telemetry in MPEG-TS, with or without sound."""

from __future__ import annotations

import hashlib
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from egide.protocols import klv
from egide.protocols.geodesy import Pose

FPS = 15


def footage(
    folder: Path,
    *,
    at: tuple[float, float],
    audio: bool = False,
    seconds: float = 2.0,
    size: tuple[int, int] = (320, 180),
) -> Path:
    """A .ts file whose aircraft stands at `at` (lat, lon), 120 m up, looking down and north. Made once per folder."""
    name = hashlib.sha256(repr((at, audio, seconds, size)).encode()).hexdigest()[:12]
    file = folder / f"footage-{name}.ts"
    if file.exists():
        return file
    folder.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w", format="mpegts") as container:
        _write(container, at, audio, int(seconds * FPS), size)
    return file


def _write(container: Any, at: tuple[float, float], audio: bool, frames: int, size: tuple[int, int]) -> None:
    video = container.add_stream("libx264", rate=FPS)
    video.width, video.height = size
    video.pix_fmt = "yuv420p"
    video.options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(FPS), "bf": "0"}
    data = container.add_data_stream("klv")
    sound = container.add_stream("aac", rate=48000) if audio else None
    pose = Pose(at[0], at[1], 120.0, heading=0.0, rel_elevation=-60.0, hfov=50.0)
    start = int(time.time() * 1e6)
    for number in range(frames):
        image = np.full((size[1], size[0], 3), 90, np.uint8)
        image[:, (number * 7) % size[0] :][:, :20] = 220
        for packet in video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")):
            container.mux(packet)
        moment = av.Packet(
            klv.encode(klv.frame_of(pose, start + number * 1_000_000 // FPS, mission="TEST", tail="F-TEST"))
        )
        moment.stream, moment.time_base = data, Fraction(1, 90_000)
        moment.pts = moment.dts = number * 90_000 // FPS
        container.mux(moment)
        if sound is not None:
            quiet = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            quiet.sample_rate, quiet.pts = 48000, number * 1024
            for packet in sound.encode(quiet):
                container.mux(packet)
    for stream in (video, sound):
        for packet in stream.encode(None) if stream is not None else ():
            container.mux(packet)
