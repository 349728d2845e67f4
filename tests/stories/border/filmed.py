"""A camera whose picture the story writes: Chromium plays a video file as its camera (`--use-file-for-fake-video-capture`).

The file is one frame of raw video (YUV4MPEG2, 4:2:0), which Chromium reads again for every frame that it plays: writing other
bytes over it in place is what the camera sees next. Frames are made when the story runs, from drawings; nobody's picture.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import cv2
import numpy as np
from playwright.async_api import Page

from egide.border.face.engine import Image

WIDTH, HEIGHT, FPS = 1280, 720, 20
HEADER = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{FPS}:1 Ip A1:1 C420jpeg\n".encode()
FRAME = b"FRAME\n"
WALL = (150, 165, 180)  # RGB, behind everybody
EVERY = 16  # px between two that are looked at, to tell one picture from another
ALIKE = 2.5  # levels that they are apart on average: the same picture 1, two movements of one face 4.5 at least
LOOK_S, WITHIN_S = 0.05, 15.0  # s between two looks; s until a busy machine has played a picture
PLAYED = """([width, height, every]) => {
  const video = document.querySelector('video');
  if (!video || video.readyState < 2 || video.videoWidth !== width) return null;
  const context = Object.assign(document.createElement('canvas'), {width, height}).getContext('2d');
  context.drawImage(video, 0, 0);
  const {data} = context.getImageData(0, 0, width, height), found = [];
  for (let y = 0; y < height; y += every) for (let x = 0; x < width; x += every) found.push(data[4 * (y * width + x) + 1]);
  return found; }"""


class Filmed:
    """The camera of every page of one browser."""

    def __init__(self, file: Path) -> None:
        self.file = file
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
        self._whole = whole
        self._write(cv2.cvtColor(whole, cv2.COLOR_RGB2YUV_I420).tobytes())

    def nobody(self) -> None:
        """The wall alone."""
        self.sees(np.full((HEIGHT, WIDTH, 3), WALL, dtype=np.uint8))

    async def played(self, page: Page) -> None:
        """Until what it sees is what this page's camera shows: it is on the way for some frames, for longer on a busy machine."""
        wanted = self._whole[::EVERY, ::EVERY, 1].astype(np.float32).ravel()
        for _ in range(round(WITHIN_S / LOOK_S)):
            found = await page.evaluate(PLAYED, [WIDTH, HEIGHT, EVERY])
            if found is not None and np.abs(np.asarray(found, dtype=np.float32) - wanted).mean() < ALIKE:
                return
            await asyncio.sleep(LOOK_S)
        raise AssertionError("the page’s camera does not show what it sees")

    def _write(self, frame: bytes) -> None:
        descriptor = os.open(self.file, os.O_WRONLY)
        os.pwrite(descriptor, frame, len(HEADER) + len(FRAME))
        os.close(descriptor)
