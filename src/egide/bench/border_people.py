"""How long people take at a control: drawn from distributions that are stated here, each with its source or named an assumption.

| step | seconds | from |
|---|---|---|
| offer a thing to a machine and be told | log-normal, mean 2.92 | M. Brockly, S. Elliott, “Automatic Detection of Biometric Transaction Times”: mean verification 2.915 s (hand geometry, video-coded); spread assumed |
| follow a prompt | log-normal, mean 0.50 | choice among pictures: twice the simple reaction (0.23 s: D. Woods et al., Front. Hum. Neurosci. 9:131, 2015); assumed |
| turn, nod, come closer | log-normal, mean 0.50 | assumed |
| the arm goes down | 0.80 | the gate waits so long before the first frame (web/border/gate/flow.svelte.ts): what people need; assumed |
| when prompts come | as drawn | face/liveness.py, which draws them; the second after the first was seen |
| until a movement is seen | even, 0 to 0.10, and a round | frames are 0.1 s apart, and looked at as they come |
| a round, gate to platform and back | 0.05 | a frame sealed and sent over a LAN, the act around it and its commit (30 ms: decision 0073); assumed; the room's time is added |
| a device says that somebody is there | 0.50 | in the place of movements; 2 s are allowed (border/presence.py); assumed |
| chip read over the air | even, 1.9 to 3.6 | 24 kB at 424 and at 106 kbit/s (ISO/IEC 14443-3), of which 60 % carries data, and 1.3 s for PACE, selecting and the rest; assumed |

Nothing here was chosen for the result. To compare with: the objective of the DHS S&T Biometric Technology Rally is below 5 s, its
threshold 10 s a transaction; FastPass counted some 500 travellers an hour and gate (7.2 s each) at a border.
"""  # noqa: W505 — a table's row is one line

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from egide.border.face.liveness import FIRST_MS, FIRST_SPREAD_MS, PAUSE_MS, PAUSE_SPREAD_MS

OFFER_S, OFFER_SPREAD = 2.92, 0.35  # mean, standard deviation as a share of it
FOLLOW_S, FOLLOW_SPREAD = 0.50, 0.30
MOVE_S, MOVE_SPREAD = 0.50, 0.30
READY_S, FRAME_S, ROUND_S = 0.80, 0.10, 0.05
STILL_S = 0.40  # for each frame of a face that is not asked to move (web/border/gate/flow.svelte.ts)
DEVICE_S = 0.50  # until the device has said its word
FILES_KB, SLOW_KBPS, FAST_KBPS, USED, OPENING_S = 24.0, 106.0, 424.0, 0.6, 1.3
SEED = 5  # the same people each time

Seconds = NDArray[np.float64]


class People:
    """So many people, the same at each control."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._dice = np.random.default_rng(SEED)

    def offer(self) -> Seconds:
        """A phone or a document held to the gate."""
        return self._log_normal(OFFER_S, OFFER_SPREAD)

    def challenge(self, look_s: float) -> Seconds:
        """From the phone put away until the gate hears that both movements were seen; `look_s`: a room's time for a frame."""
        told = ROUND_S + look_s
        first = (FIRST_MS + self._dice.uniform(0, FIRST_SPREAD_MS, self.count)) / 1000 + self._moved()
        pause = (PAUSE_MS + self._dice.uniform(0, PAUSE_SPREAD_MS, self.count)) / 1000
        # The second is asked for so long after the frame that showed the first; what the round takes longer is waited for.
        return (
            READY_S
            + first
            + np.maximum(pause, told)
            + self._moved()
            + told
            + self._dice.uniform(0, FRAME_S, self.count)
        )

    @staticmethod
    def looked_at(frames: int) -> float:
        """As `challenge`, where a device is asked and no movement."""
        return READY_S + frames * STILL_S + DEVICE_S

    def _moved(self) -> Seconds:
        """From a prompt to the frame that shows its movement done."""
        done = self._log_normal(FOLLOW_S, FOLLOW_SPREAD) + self._log_normal(MOVE_S, MOVE_SPREAD)
        return done + self._dice.uniform(0, FRAME_S, self.count)

    def chip(self) -> Seconds:
        """The files read from a chip."""
        fast, slow = (FILES_KB * 8 / (rate * USED) for rate in (FAST_KBPS, SLOW_KBPS))
        return OPENING_S + self._dice.uniform(fast, slow, self.count)

    def _log_normal(self, mean: float, spread: float) -> Seconds:
        sigma = sqrt(log(1 + spread * spread))
        return self._dice.lognormal(log(mean) - sigma * sigma / 2, sigma, self.count)
