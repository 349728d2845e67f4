"""A real video and a real flight's metadata in one .ts, for exercises and tests.

The video's sound is left out: this makes new material and says so, it is no reception.  The KLV packets keep their order and
the proportions of their own time stamps; when the flight is longer or shorter than the video, its time is stretched to fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from egide.operations.media.assemble import Assembler
from egide.operations.media.errors import source_error
from egide.operations.media.readers import open_reader
from egide.operations.media.tsmux import TsMuxer
from egide.operations.media.units import Unit
from egide.protocols import klv


@dataclass(frozen=True, slots=True)
class Pairing:
    """What was written: pictures, KLV packets, and the video's length in µs."""

    pictures: int
    packets: int
    duration_us: int


def mux_ts(video_path: Path, klv_path: Path, out: Path, *, synchronous_klv: bool = False) -> Pairing:
    """Write `out`: the pictures of `video_path` (H.264, any container) with the packets of `klv_path` (ST 0601, end to end).

    Both files are read whole.  Raises SourceError for an unusable video, ValueError when there is no KLV packet.
    """
    units = _pictures(video_path)
    packets = list(klv.split(klv_path.read_bytes()))
    if not packets:
        raise ValueError(f"{klv_path.name} holds no ST 0601 packet")
    duration = units[-1].dts_us
    moments = _spread([klv.decode(packet).timestamp for packet in packets], duration)
    muxer = TsMuxer(synchronous_klv=synchronous_klv)
    at = 0
    for unit in units:
        if unit.key:
            muxer.tables()
        while at < len(packets) and moments[at] <= unit.dts_us:
            muxer.klv(packets[at], moments[at])
            at += 1
        muxer.video(unit.data, unit.pts_us, unit.dts_us, unit.key)
    out.write_bytes(muxer.take())
    return Pairing(len(units), at, duration)


def _pictures(path: Path) -> list[Unit]:
    reader = open_reader("file", str(path), 5.0)
    assembler = Assembler()
    units: list[Unit] = []
    try:
        while (samples := reader.read()) is not None:
            for sample in samples:
                units += [unit for unit in assembler.push(sample) if isinstance(unit, Unit)]
    finally:
        reader.close()
    if not units:
        raise source_error("truncated")
    return units


def _spread(stamps: list[int | None], duration: int) -> list[int]:
    """Moments in [0, duration] in the proportions of the stamps; evenly when they are missing or do not increase."""
    known = [stamp for stamp in stamps if stamp is not None]
    last = max(1, len(stamps) - 1)
    if len(known) == len(stamps) and known == sorted(known) and known[-1] > known[0]:
        return [(stamp - known[0]) * duration // (known[-1] - known[0]) for stamp in known]
    return [number * duration // last for number in range(len(stamps))]
