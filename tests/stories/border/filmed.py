"""A camera whose picture the story writes: Chromium plays a video file as its camera (`--use-file-for-fake-video-capture`).

The file is one frame of raw video (YUV4MPEG2, 4:2:0), which Chromium reads again for every frame that it plays: writing other
bytes over it in place is what the camera sees next. Frames are made when the story runs, from drawings; nobody's picture.
"""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np

from egide.border.face.engine import Image

WIDTH, HEIGHT, FPS = 1280, 720, 20
HEADER = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode()
FRAME = b"FRAME\n"
WALL = (150, 165, 180)  # RGB, behind everybody


class Filmed:
    """The camera of every page of one browser."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._frame = b""
        file.write_bytes(HEADER + FRAME + bytes(WIDTH * HEIGHT * 3 // 2))
        self.nobody()

    @property
    def arguments(self) -> list[str]:
        """How Chromium is told."""
        return [f"--use-file-for-fake-video-capture={self.file}"]

    def sees(self, picture: Image) -> None:
        """From now on it sees this picture (RGB), as large as it fits, before the wall."""
        scale = min(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
        size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
        fitted = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST if scale >= 2 else cv2.INTER_AREA)
        whole = np.full((HEIGHT, WIDTH, 3), WALL, dtype=np.uint8)
        top, left = (HEIGHT - size[1]) // 2, (WIDTH - size[0]) // 2
        whole[top : top + size[1], left : left + size[0]] = fitted
        self._write(cv2.cvtColor(whole, cv2.COLOR_RGB2YUV_I420).tobytes())

    def nobody(self) -> None:
        """The wall alone."""
        self.sees(np.full((HEIGHT, WIDTH, 3), WALL, dtype=np.uint8))

    def _write(self, frame: bytes) -> None:
        descriptor = os.open(self.file, os.O_WRONLY)
        os.pwrite(descriptor, frame, len(HEADER) + len(FRAME))
        os.close(descriptor)
