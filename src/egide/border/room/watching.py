"""The frames of one attempt, looked at as they come: what each shows, and when the next movement is asked for.

Why: who has turned their head need not wait for a clock. The second movement is asked for a drawn moment after the first was
seen, and once it was seen too nothing more is awaited. Time is the frames' own: when the gate says that it showed a prompt counts
for nothing. It decides nothing either: `judge` does, over every frame (face/liveness.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from joserfc.jwk import ECKey

from egide.border.face.engine import Engine, Image
from egide.border.face.liveness import EMBEDDING_GAP_MS, WINDOW_MS, Challenge, Prompt, Seen, see, seen_done
from egide.border.face.pictures import read_picture
from egide.border.face.wiping import wipe
from egide.border.room.messages import Watched
from egide.border.room.opening import MOST_FRAMES, Frame, frames
from egide.border.room.sealed import SealError

MEASURED_MS = 800  # between two frames whose faces are compared with one another
MOST_BYTES = 20 * 1024 * 1024  # of one attempt; a hundred frames of 640×480 have 6 MB


class Looking:
    """What the frames of one attempt show; measured as seldom as may be, also where a slow camera sends few."""

    def __init__(self, made: Engine) -> None:
        self.taken: list[Frame] = []
        self.seen: list[Seen] = []
        self._made = made
        self._measured_ms = -MEASURED_MS
        self._last: Image | None = None  # the last picture: it is measured where the next comes late

    def add(self, frame: Frame, *, look: bool = True) -> None:
        """One more. Raises `EgideError` for a picture that cannot be read."""
        self.taken.append(frame)
        if not look:
            return
        picture = read_picture(bytes(frame.data))
        if self._last is not None and frame.at_ms - self._measured_ms > EMBEDDING_GAP_MS:
            self._measure_last()
        measured = frame.at_ms - self._measured_ms >= MEASURED_MS
        self._measured_ms = frame.at_ms if measured else self._measured_ms
        self.seen.append(see(picture, frame.at_ms, self._made, measured=measured))
        self._keep(None if measured else picture)

    def ends(self) -> None:
        """The last frame is measured too: who is quick would have had too few that are."""
        if self._last is not None:
            self._measure_last()
            self._keep(None)

    def _measure_last(self) -> None:
        assert self._last is not None  # noqa: S101 — asked by `add`, for the type checker
        self._measured_ms = self.seen[-1].at_ms
        self.seen[-1] = see(self._last, self._measured_ms, self._made, measured=True)

    def _keep(self, picture: Image | None) -> None:
        if self._last is not None:
            wipe(self._last)
        self._last = picture

    def forget(self) -> None:
        """Overwrites what was measured; the frames are the room's."""
        self._keep(None)
        wipe(*(each.embedding for each in self.seen if each.embedding is not None))


class Watching:
    """One attempt at a challenge."""

    def __init__(self, challenge: Challenge, made: Engine) -> None:
        first = challenge.prompts[0]
        self.looked = Looking(made)
        # As long as the first is not seen, the second is asked for after all its time: who does nothing is `still`.
        self.challenge = challenge.second_at(first.at_ms + WINDOW_MS + challenge.pause_ms)
        self.over = False
        self._which = 0

    def more(self, sealed: Sequence[str], private: ECKey) -> Watched:
        """Looks at frames. Raises `SealError`, `EgideError`: then this attempt is worth nothing."""
        done = False
        for frame in frames(sealed, private):
            if self.over or (frame.at_ms > self._asked.at_ms + WINDOW_MS and not done):
                self.over = True
                break
            self.looked.add(frame)
            if sum(len(each.data) for each in self.looked.taken) > MOST_BYTES or len(self.looked.taken) > MOST_FRAMES:
                raise SealError("more than an attempt has")
            said = None if done else seen_done(self.challenge, self.looked.seen, self._which)
            done = done or said is True
            self.over = said is False or (done and self._which == 1)
        if done and self._which == 1:
            self.looked.ends()
        if done and self._which == 0:  # after what was taken by now: nothing seen yet answers it
            self._which = 1
            self.challenge = self.challenge.second_at(self.looked.taken[-1].at_ms + self.challenge.pause_ms)
        return Watched(self._asked.move, self._asked.at_ms, self.over)

    def spoil(self) -> None:
        """What was seen is worth nothing: this attempt cannot be live any more."""
        self.looked.forget()
        self.looked.seen.clear()
        self.over = True

    @property
    def _asked(self) -> Prompt:
        return self.challenge.prompts[self._which]
