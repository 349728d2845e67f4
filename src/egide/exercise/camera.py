"""The camera: the picture that a pose sees of the painted ground.

What: for every pixel, where its ray meets the ground (one plane homography per picture), and the texel there; luma and
chroma are looked up apart, so that the encoder gets its YUV 4:2:0 with no colour conversion.
Why: exact by construction: the same conventions as protocols.geodesy, so that a click on the picture has a known truth.
Cost (one core of an x86-64 at 30 pictures a second, 1280 × 720): see ``Camera``.
Source: inverse mapping, Heckbert 1989, "Fundamentals of Texture Mapping and Image Warping", section 2.
"""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from egide.exercise.ground import Ground
from egide.exercise.overlay import barcode, crosshair, read_barcode, text
from egide.exercise.traffic import Traffic
from egide.protocols.geodesy import Pose

__all__ = ["Camera", "barcode", "homography", "luma_of", "read_barcode"]

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

MAX_SIDE = 4096
"""Pixels; a larger picture is a mistake."""
NEAREST_HORIZON = 1e-3
"""Lower bound of the ray's downward part: pixels of the sky take the colour of the far edge instead of dividing by 0."""


def homography(pose: Pose, ground: Ground) -> Floats:
    """The 3 × 3 map from pixels (u, v, 1), u and v in 0..1, to homogeneous (column, row) texels of the ground."""
    half_x, half_y = pose.half_size
    rotation = pose.rotation()
    rays = rotation @ np.array([[2 * half_x, 0, -half_x], [0, 2 * half_y, -half_y], [0, 0, 1]])
    height = pose.alt - pose.ground_alt
    plane = np.array([height * rays[0], height * rays[1], -rays[2]])
    # Two tangent planes a few hundred metres apart differ by a shift and a tiny turn: an affine map through three points.
    span = 200.0
    lat, lon = pose.tangent.to_geodetic([0, span, 0], [0, 0, span])
    column, row = ground.texel(lat, lon)
    affine = np.array(
        [
            [(column[1] - column[0]) / span, (column[2] - column[0]) / span, column[0]],
            [(row[1] - row[0]) / span, (row[2] - row[0]) / span, row[0]],
            [0, 0, 1],
        ]
    )
    product: Floats = affine @ plane
    return product


class Camera:
    """Takes pictures of one size; keeps its buffers from one to the next (not for several threads).

    ``render_width`` is the width at which texels are looked up before the picture is scaled up to ``size``: half the
    width matches the ground's resolution, and costs a third.
    """

    def __init__(
        self, ground: Ground, size: tuple[int, int] = (1280, 720), *, render_width: int | None = None,
        traffic: Traffic | None = None, label: str | None = None, with_barcode: bool = False,
    ) -> None:  # fmt: skip
        width, height = size
        if not (160 <= width <= MAX_SIDE and 90 <= height <= MAX_SIDE and width % 2 == 0 and height % 2 == 0):
            raise ValueError(f"a picture has even sides between 160 × 90 and {MAX_SIDE}: {width} × {height}")
        self.size = size
        self.ground, self.traffic, self.label, self.with_barcode = ground, traffic, label, with_barcode
        wide = min(render_width or width // 2, width) // 4 * 4
        high = max(round(height * wide / width / 4) * 4, 4)
        self._u = ((np.arange(wide) + 0.5) / wide).astype(np.float32)
        self._v = ((np.arange(high) + 0.5) / high).astype(np.float32)
        self._x, self._y, self._w = (np.empty((high, wide), np.float32) for _ in range(3))
        self._column, self._row = (np.empty((high, wide), np.int32) for _ in range(2))
        self._half = np.empty((high // 2, wide // 2), np.int32)
        self._luma = np.empty((high, wide), np.uint8)
        self._chroma = np.empty((high // 2, wide // 2), np.uint16)
        self._scaler = VideoReformatter()

    def render(self, pose: Pose, t: float = 0.0, epoch_us: int | None = None) -> av.VideoFrame:
        """The picture seen from ``pose`` at ``t`` seconds (for the vehicles); ``epoch_us`` is burnt in when given."""
        matrix = homography(pose, self.ground)
        window = self._window(matrix)
        with self.traffic.painted(t, *window) if self.traffic else nullcontext():
            self._look_up(matrix.astype(np.float32))
        frame = self._frame()
        luma = luma_of(frame)
        crosshair(luma)
        if epoch_us is not None:
            self._burn(luma, epoch_us)
        return frame

    def _window(self, matrix: Floats) -> tuple[float, float, float, float]:
        """Texels that the picture covers, as (left, top, right, bottom)."""
        x, y, w = matrix @ np.array([[0, 1, 1, 0], [0, 0, 1, 1], [1, 1, 1, 1]])
        w = np.maximum(w, NEAREST_HORIZON)
        return float((x / w).min()), float((y / w).min()), float((x / w).max()), float((y / w).max())

    def _look_up(self, m: NDArray[np.float32]) -> None:
        u, v, x, y, w = self._u, self._v, self._x, self._y, self._w
        for out, line in ((x, m[0]), (y, m[1]), (w, m[2])):
            np.add((line[1] * v + line[2])[:, None], (line[0] * u)[None, :], out=out)
        np.maximum(w, NEAREST_HORIZON, out=w)
        x /= w
        y /= w
        rows, columns = self.ground.luma.shape
        np.clip(x, 0, columns - 1, out=x)
        np.clip(y, 0, rows - 1, out=y)
        np.copyto(self._column, x, casting="unsafe")
        np.copyto(self._row, y, casting="unsafe")
        np.right_shift(self._row[::2, ::2], 1, out=self._half)
        self._half *= columns // 2
        self._half += self._column[::2, ::2] >> 1
        self._row *= columns
        self._row += self._column
        self.ground.luma.ravel().take(self._row, out=self._luma, mode="clip")
        self.ground.chroma.ravel().take(self._half, out=self._chroma, mode="clip")

    def _frame(self) -> av.VideoFrame:
        high, wide = self._luma.shape
        small = av.VideoFrame(wide, high, "yuv420p")
        pairs = self._chroma.view(np.uint8).reshape(high // 2, wide // 2, 2)
        for number, plane in enumerate((self._luma, pairs[..., 0], pairs[..., 1])):
            _plane(small, number)[:] = plane
        if (wide, high) == self.size:
            return small
        return self._scaler.reformat(small, *self.size, interpolation=Interpolation.FAST_BILINEAR)

    def _burn(self, luma: Bytes, epoch_us: int) -> None:
        rows = luma.shape[0]
        moment = datetime.fromtimestamp(epoch_us / 1e6, UTC)
        words = f"{self.label} {moment:%Y-%m-%d %H:%M:%S}Z" if self.label else f"{moment:%Y-%m-%d %H:%M:%S}Z"
        scale = max(rows // 360, 1)
        text(luma, words, 8 * scale, rows - 12 * scale, scale)
        if self.with_barcode:
            barcode(luma, epoch_us // 1000)


def luma_of(frame: av.VideoFrame) -> Bytes:
    """The luma plane of a picture, writable, (rows, columns)."""
    return _plane(frame, 0)


def _plane(frame: av.VideoFrame, number: int) -> Bytes:
    plane = frame.planes[number]
    rows: Bytes = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]
