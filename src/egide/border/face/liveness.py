"""Is somebody there? Two movements drawn at random, done when they are asked for, by one and the same face (ISO/IEC 30107-1: a
challenge-response). What it stops and what it does not is in docs/face.md; a control that must be sure has hardware (presence.py)
or an officer beside it.

- **A still photograph**, however held: movements are read from the nose's place between eyes and mouth, which no flat picture can
  change (quality.py). Coming closer, which a picture can, is never asked alone.
- **A recorded video**: the movements are drawn with their order and their times; one that begins before it was asked for, or
  another one than asked, ends it. Who is asked again is asked for two that were not asked for before.
  Frames count only under the nonce of this challenge and inside its time.
  Where frames are looked at as they come (`seen_done`), the second is asked for a drawn moment after the first was seen.
- **A face exchanged on the way**: the same face in every frame that was measured, and in those that are compared afterwards
  (compare.py); no jump between two frames.

It judges points, times and whether faces are alike, and keeps nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise, permutations
from statistics import median
from typing import Literal

import msgspec
import numpy as np

from egide.border.face.compare import alike
from egide.border.face.engine import Embedding, Engine, Face, Image
from egide.border.face.moire import moire
from egide.border.face.quality import SECOND, Pose, pose

Move = Literal["left", "right", "up", "down", "closer"]  # left and right are the person's own
MOVES: tuple[Move, ...] = ("left", "right", "up", "down", "closer")
PAIRS = tuple(permutations(MOVES, 2))  # of different movements, so at most one of the two is `closer`
OPPOSITE: dict[Move, Move] = {"left": "right", "right": "left", "up": "down", "down": "up"}

NONCE_BYTES = 16
FIRST_MS, FIRST_SPREAD_MS = 500, 800  # when the first movement is asked for: after at least, and at most so much later
BETWEEN_MS, BETWEEN_SPREAD_MS = 1_800, 700  # from one to the next
PAUSE_MS, PAUSE_SPREAD_MS = 250, 450  # from the first seen done to the second, where frames are looked at as they come
WINDOW_MS = 2_500  # in which a movement is done, from its prompt on; 6.3 s in all at most, 7 s where the second waits for the first

# How far, against how the head stood at first: less than people do when asked, and more than a life-size photograph seems to,
# whose far side shrinks when it is tilted by 60° at 0.3 m (5° of yaw, 8° of pitch).
YAW, PITCH, NEARER = 14.0, 11.0, 1.18  # degrees, degrees, times the inter-eye distance
REACTION_MS = 150  # no person follows a prompt sooner (simple reaction to a picture: about 200)
BEGUN = 0.7  # of the way: a movement that is so far has begun
FRONTAL = 20.0  # degrees: how far one may look aside when it begins

LEAST_FRAMES, LEAST_COMPARED, MOST_FRAMES = 12, 3, 240
GAP_MS = 500  # between two frames with a face: what happens in a longer one was not seen
EMBEDDING_GAP_MS = 900  # between two frames whose face was compared with the others
JUMP = 0.75  # of the face's width: how far it may be from one frame to the next

Why = Literal[
    "nonce",  # frames of another challenge
    "time",  # not in order, before it began or after it ended
    "few",  # frames, or too far apart
    "two-faces",
    "changed",  # not the same face throughout, or it jumped
    "aside",  # did not look at the camera when it began
    "early",  # moved before it was asked to: a recording does that
    "other",  # another movement than the one asked for
    "still",  # did not move as asked
]


class Prompt(msgspec.Struct, frozen=True):
    """A movement and when it is asked for (ms since the challenge was shown)."""

    move: Move
    at_ms: int


class Challenge(msgspec.Struct, frozen=True):
    """What one person is asked to do, once. The nonce goes with every frame."""

    nonce: bytes
    prompts: tuple[Prompt, Prompt]
    pause_ms: int = PAUSE_MS  # from the first seen done to the second, where frames are looked at as they come

    def second_at(self, at_ms: int) -> Challenge:
        """The same, the second movement asked for then."""
        first, second = self.prompts
        return msgspec.structs.replace(self, prompts=(first, Prompt(second.move, at_ms)))

    @property
    def moves(self) -> tuple[Move, Move]:
        """What is asked for, in order."""
        first, second = self.prompts
        return first.move, second.move

    @property
    def end_ms(self) -> int:
        """When the last frame counts (ms since the challenge was shown)."""
        return self.prompts[-1].at_ms + WINDOW_MS


class Seen(msgspec.Struct, frozen=True):
    """One frame: when (ms since the challenge was shown, by our own clock), how many faces, the nearest, perhaps its numbers."""

    at_ms: int
    faces: int
    face: Face | None
    embedding: Embedding | None = None
    moire: float = 0.0


class Liveness(msgspec.Struct, frozen=True):
    """Whether somebody is there, or in one word why that was not shown. `moire` (0 to 1) is advice, it decided nothing."""

    live: bool
    why: Why | None = None
    moire: float = 0.0


def draw_challenge(random: Callable[[int], bytes], but: Collection[tuple[Move, Move]] = ()) -> Challenge:
    """Two movements, at times drawn too; none that were asked for already (`but`). `random` gives unpredictable bytes."""
    left = [pair for pair in PAIRS if pair not in but]
    first, second = left[_below(len(left), random)]
    begin = FIRST_MS + _below(FIRST_SPREAD_MS, random)
    then = begin + BETWEEN_MS + _below(BETWEEN_SPREAD_MS, random)
    pause = PAUSE_MS + _below(PAUSE_SPREAD_MS, random)
    return Challenge(random(NONCE_BYTES), (Prompt(first, begin), Prompt(second, then)), pause)


def _below(limit: int, random: Callable[[int], bytes]) -> int:
    """An even number from 0 to limit - 1: of 64 bits, so that the remainder favours none by more than 1 in 10^16."""
    return int.from_bytes(random(8), "big") % limit


def see(image: Image, at_ms: int, engine: Engine, *, measured: bool) -> Seen:
    """What a frame (RGB) shows; `measured` frames are compared with one another, at least every `EMBEDDING_GAP_MS`.

    The caller overwrites `embedding` when it was judged.
    """
    faces = engine.detector.detect(image)
    if not faces:
        return Seen(at_ms, 0, None)
    face = faces[0]
    count = sum(each.box[3] >= SECOND * face.box[3] for each in faces)
    embedding = engine.matcher.embed(image, face) if measured else None
    return Seen(at_ms, count, face, embedding, moire(image, face) if measured else 0.0)


def judge(challenge: Challenge, nonce: bytes, frames: Sequence[Seen]) -> Liveness:
    """Whether these frames, which came under this nonce, are a person doing what the challenge asked, when it asked."""
    if not hmac.compare_digest(nonce, challenge.nonce):
        return Liveness(live=False, why="nonce")
    advice = median([frame.moire for frame in frames if frame.embedding is not None] or [0.0])
    why = _in_time(challenge, frames) or _one_face(frames) or _moved(challenge, frames)
    return Liveness(live=why is None, why=why, moire=advice)


def seen_done(challenge: Challenge, frames: Sequence[Seen], which: int) -> bool | None:
    """Whether the movement `which` (0, 1) was done in what came so far; None: not yet, and it still may be.

    It only says when to go on: `judge` decides, over every frame. What is False here is refused there.
    """
    prompt = challenge.prompts[which]
    begun = [frame.at_ms for frame in frames if frame.face is not None]
    if not begun or begun[0] > challenge.prompts[0].at_ms + REACTION_MS or begun[-1] <= prompt.at_ms + REACTION_MS:
        return None
    path = _path(challenge, frames)
    if path is None:
        return False
    why = _followed(prompt, _part(challenge, path, which), challenge.prompts[0].move)
    return True if why is None else None if why == "still" else False


def _in_time(challenge: Challenge, frames: Sequence[Seen]) -> Why | None:
    times = [frame.at_ms for frame in frames]
    if len(frames) > MOST_FRAMES or any(after <= before for before, after in pairwise(times)):
        return "time"
    if times and (times[0] < 0 or times[-1] > challenge.end_ms):
        return "time"
    seen = [frame.at_ms for frame in frames if frame.face is not None]
    compared = [frame.at_ms for frame in frames if frame.embedding is not None]
    if len(seen) < LEAST_FRAMES or len(compared) < LEAST_COMPARED:
        return "few"
    return "few" if _widest([0, *seen]) > GAP_MS or _widest([0, *compared, seen[-1]]) > EMBEDDING_GAP_MS else None


def _widest(times: list[int]) -> int:
    return max(after - before for before, after in pairwise(times))


def _one_face(frames: Sequence[Seen]) -> Why | None:
    if any(frame.faces > 1 for frame in frames):
        return "two-faces"
    faces = [frame.face for frame in frames if frame.face is not None]
    centres = [np.array((face.box[0] + face.box[2] / 2, face.box[1] + face.box[3] / 2)) for face in faces]
    for number, face in enumerate(faces[1:], 1):
        widths = sorted((face.box[2], faces[number - 1].box[2]))
        moved = float(np.linalg.norm(centres[number] - centres[number - 1]))
        if moved > JUMP * widths[1] or widths[0] < (1 - JUMP / 2) * widths[1]:
            return "changed"
    return None if alike([frame.embedding for frame in frames if frame.embedding is not None]) else "changed"


class _At(msgspec.Struct, frozen=True):
    """How far the head is from where it was at first."""

    at_ms: int
    yaw: float
    pitch: float
    nearer: float

    def done(self, move: Move, share: float = 1.0) -> bool:
        """Whether it is `share` of the way, or more, to where a movement counts."""
        turned = {
            "left": self.yaw / YAW,
            "right": -self.yaw / YAW,
            "up": self.pitch / PITCH,
            "down": -self.pitch / PITCH,
        }
        far = (self.nearer - 1) / (NEARER - 1) if move == "closer" else turned[move]
        return far >= share


def _moved(challenge: Challenge, frames: Sequence[Seen]) -> Why | None:
    path = _path(challenge, frames)
    if path is None:
        return "aside"
    for which, prompt in enumerate(challenge.prompts):
        why = _followed(prompt, _part(challenge, path, which), challenge.prompts[0].move)
        if why is not None:
            return why
    return None


def _path(challenge: Challenge, frames: Sequence[Seen]) -> list[_At] | None:
    """The way of the head from where it was before the first movement; None where that was aside."""
    heads = [(frame.at_ms, pose(frame.face), _eyes_px(frame.face)) for frame in frames if frame.face is not None]
    before = [head for head in heads if head[0] <= challenge.prompts[0].at_ms + REACTION_MS]
    start = Pose(median(head[1].yaw for head in before), median(head[1].pitch for head in before), 0.0)
    distance = median(head[2] for head in before)
    if abs(start.yaw) > FRONTAL or abs(start.pitch) > 2 * FRONTAL:  # noses are long and short: pitch is known less well
        return None
    return [_At(at, head.yaw - start.yaw, head.pitch - start.pitch, px / distance) for at, head, px in heads]


def _part(challenge: Challenge, path: list[_At], which: int) -> list[_At]:
    """Of the way what belongs to a movement; the second's begins when it is asked for, so that one begun before is seen."""
    second = challenge.prompts[1].at_ms
    begin, end = ((0, second + REACTION_MS), (second, challenge.end_ms))[which]
    return [head for head in path if begin <= head.at_ms <= end]


def _followed(prompt: Prompt, path: list[_At], first: Move) -> Why | None:
    """Whether one movement was done in its part of the way: not before it was asked for, and no other one."""
    asked = prompt.at_ms + REACTION_MS
    if not path:
        return "still"
    if any(head.done(prompt.move, BEGUN) for head in path if head.at_ms <= asked) or path[0].done(prompt.move):
        return "early"
    reached = [head.at_ms for head in path if head.done(prompt.move)]
    until = reached[0] if reached else path[-1].at_ms
    others = [move for move in MOVES if move not in {prompt.move, first, "closer"}]
    if any(head.done(move, 1.3) for head in path if head.at_ms <= until for move in others):
        return "other"
    return None if reached else "still"


def _eyes_px(face: Face) -> float:
    """Between the eyes, or, where the head is turned and they seem nearer, what the length of the face says."""
    right, left, _, *mouth = face.landmarks.astype(np.float64)
    across = float(np.linalg.norm(left - right))
    down = float(np.linalg.norm(np.mean(mouth, axis=0) - (left + right) / 2))
    return max(across, down / 1.155)
