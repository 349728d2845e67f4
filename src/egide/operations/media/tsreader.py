"""What every reader of a transport stream has in common: bytes counted, and what the demuxer has told so far."""

from __future__ import annotations

from egide.operations.media.psi import Track
from egide.operations.media.ts import TsDemuxer


class TsReader:
    """A link or file that carries MPEG-TS; how its bytes come is its own."""

    def __init__(self) -> None:
        self.received = 0
        self._demuxer = TsDemuxer()

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Tracks the tables have told."""
        return self._demuxer.tracks

    @property
    def has_audio(self) -> bool:
        """True as soon as sound is declared or seen."""
        return self._demuxer.has_audio

    @property
    def lost(self) -> int:
        """Transport packets missing so far, as far as this link tells."""
        return self._demuxer.lost
