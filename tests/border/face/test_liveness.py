"""Somebody who does what is asked, when it is asked, is let through; a photograph, a recording and an exchange are not."""

from __future__ import annotations

import os
from itertools import count

import msgspec
import numpy as np
import pytest

from egide.border.face.engine import Face
from egide.border.face.liveness import (
    MOVES,
    WINDOW_MS,
    Challenge,
    Liveness,
    Prompt,
    Seen,
    draw_challenge,
    judge,
    see,
    seen_done,
)
from egide.border.face.moire import moire
from tests.border.face.drawn import at, landmarks, portrait

NONCE = bytes(range(16))
STEP_MS = 100  # between two frames
ME = np.eye(128, dtype=np.float32)[0]
PEAK = {
    "left": {"yaw": 22.0},
    "right": {"yaw": -22.0},
    "up": {"pitch": 16.0},
    "down": {"pitch": -16.0},
    "closer": {"size": 1.3},
}


def asked(first: str, second: str) -> Challenge:
    return Challenge(NONCE, (Prompt(first, 900), Prompt(second, 3000)))


def head(challenge: Challenge, at_ms: int, *, late: int = 350) -> dict[str, float]:
    """How a person holds their head: half a second there, a moment, half a second back; a little never still."""
    pose = {
        "yaw": 3.0 * np.sin(at_ms / 300),
        "pitch": 1.5 * np.cos(at_ms / 400),
        "roll": 2 * np.sin(at_ms / 500),
        "size": 1.0,
    }
    for prompt in challenge.prompts:
        since = (at_ms - prompt.at_ms - late) / 500
        share = float(np.clip(min(since, 2.4 - since), 0, 1))
        for axis, far in PEAK[prompt.move].items():
            pose[axis] += share * (far - (1.0 if axis == "size" else 0.0))
    return pose


def filmed(
    challenge: Challenge, face=None, *, numbers=lambda at_ms: ME, until: int = 4800, late: int = 350, faces: int = 1
) -> list[Seen]:
    """What the camera sees of somebody following a challenge; `face` tells what is seen of them instead."""
    seen = []
    for number, at_ms in enumerate(range(50, until, STEP_MS)):
        shown = face(at_ms) if face else landmarks(**head(challenge, at_ms, late=late))
        seen.append(Seen(at_ms, faces if shown else 0, shown, numbers(at_ms) if number % 4 == 0 and shown else None))
    return seen


ALL = [(first, second) for first in MOVES for second in MOVES if first != second]


@pytest.mark.parametrize(("first", "second"), ALL)
def test_whoever_does_what_is_asked_is_there(first, second):
    challenge = asked(first, second)
    assert judge(challenge, NONCE, filmed(challenge)) == Liveness(live=True)


def test_an_answer_to_one_challenge_is_no_answer_to_any_other():
    """A recording of somebody following another challenge, also at the very same times."""
    for done in ALL:
        film = filmed(asked(*done))
        for wanted in ALL:
            assert judge(asked(*wanted), NONCE, film).live == (done == wanted), (done, wanted)


@pytest.mark.parametrize("shift", [-700, -500, 1800])
def test_a_recording_of_the_right_movements_at_other_times_is_refused(shift):
    recorded = Challenge(NONCE, (Prompt("left", 900 + shift), Prompt("up", 3000 + shift)))
    assert judge(asked("left", "up"), NONCE, filmed(recorded)).why in {"early", "still"}


def held(draw: np.random.Generator):
    """A photograph turned about each axis and brought nearer, so far from the camera that it is an affine map."""
    points = landmarks(yaw=4, pitch=-6).landmarks.astype(float) - (320, 240)
    phase, far = draw.uniform(0, 6, 4), draw.uniform(0.1, 0.5, 4)

    def face(at_ms: int) -> Face:
        a, b, c, d = far * np.sin(at_ms / 300 + phase)
        turn = np.array(((np.cos(c), -np.sin(c)), (np.sin(c), np.cos(c)))) @ np.diag((np.cos(a), np.cos(b)))
        return at((points * (1.2 + d)) @ turn.T + (320 + 20 * a, 240 + 20 * b))

    return face


def test_a_photograph_is_refused_however_it_is_held_and_moved():
    draw = np.random.default_rng(3)
    for first, second in ALL * 3:
        assert not judge(asked(first, second), NONCE, filmed(asked(first, second), held(draw))).live, (first, second)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_life_size_photograph_tilted_by_60_degrees_at_30_cm_is_refused(axis):
    """Its far side is smaller: no affine map any more, and still not a head that turns."""
    flat = landmarks().landmarks.astype(float) - (320, 240)  # mm

    def tilted(at_ms: int) -> Face:
        angle = np.radians(60) * np.sin(at_ms / 350)
        seen = flat.copy()
        seen[:, axis] *= np.cos(angle)
        return at(seen * (300 / (300 + flat[:, axis] * np.sin(angle)))[:, None] + (320, 240))

    for first, second in ALL:
        assert not judge(asked(first, second), NONCE, filmed(asked(first, second), tilted)).live, (first, second)


def test_another_face_half_way_is_refused():
    challenge = asked("left", "up")
    other = np.eye(128, dtype=np.float32)[1]
    swapped = filmed(challenge, numbers=lambda at_ms: ME if at_ms < 2500 else other)
    assert judge(challenge, NONCE, swapped).why == "changed"


def test_a_face_that_jumps_or_changes_its_size_at_once_is_refused():
    challenge = asked("left", "up")
    for there in ({"centre": (560, 240)}, {"size": 2.2}):
        jumped = [
            msgspec.structs.replace(
                seen, face=landmarks(**head(challenge, seen.at_ms) | (there if seen.at_ms > 2500 else {}))
            )
            for seen in filmed(challenge)
        ]
        assert judge(challenge, NONCE, jumped).why == "changed"


def test_frames_under_another_nonce_do_not_count():
    challenge = asked("left", "up")
    assert judge(challenge, bytes(16), filmed(challenge)).why == "nonce"


def test_frames_out_of_order_before_or_after_the_time_do_not_count():
    challenge = asked("left", "up")
    right = filmed(challenge)
    for wrong in (
        right[::-1],
        [right[0], *right],
        [*right, Seen(challenge.end_ms + 1, 1, landmarks())],
        [Seen(-1, 1, landmarks()), *right],
        [Seen(ms, 1, landmarks()) for ms in range(300)],
    ):
        assert judge(challenge, NONCE, wrong).why == "time"


@pytest.mark.parametrize(
    "keep",
    [
        lambda number, seen: None,  # nothing at all
        lambda number, seen: seen if number < 11 else None,
        lambda number, seen: seen if not 15 <= number < 21 else None,  # what happened in between was not seen
        lambda number, seen: seen if number > 6 else None,
        lambda number, seen: msgspec.structs.replace(seen, embedding=None),
        lambda number, seen: seen if number < 18 else msgspec.structs.replace(seen, embedding=None),
        lambda number, seen: seen if not 15 <= number < 21 else Seen(seen.at_ms, 0, None),
    ],
)
def test_too_little_to_judge_by_is_refused(keep):
    challenge = asked("left", "up")
    kept = [keep(number, seen) for number, seen in enumerate(filmed(challenge))]
    assert judge(challenge, NONCE, [seen for seen in kept if seen]).why == "few"


def test_someone_beside_ends_it():
    challenge = asked("left", "up")
    assert judge(challenge, NONCE, filmed(challenge, faces=2)).why == "two-faces"


def test_each_other_way_to_fail_has_its_word():
    challenge = asked("left", "up")
    assert judge(challenge, NONCE, filmed(challenge, lambda _: landmarks())).why == "still"
    assert judge(challenge, NONCE, filmed(challenge, lambda _: landmarks(yaw=35))).why == "aside"
    assert judge(challenge, NONCE, filmed(challenge, late=-400)).why == "early"
    assert judge(challenge, NONCE, filmed(asked("right", "up"))).why == "other"
    assert judge(challenge, NONCE, filmed(challenge, until=2600)).why == "still"


def as_seen(first: str, second: str, person) -> tuple[Challenge, list[Seen], bool]:
    """(as it was asked, what was seen, whether nothing more was awaited): the second is asked for once the first was seen."""
    challenge, which, seen = asked(first, second).second_at(900 + WINDOW_MS), 0, []
    for number, at_ms in enumerate(range(50, 8000, STEP_MS)):
        if at_ms > challenge.prompts[which].at_ms + WINDOW_MS:
            return challenge, seen, False
        seen.append(Seen(at_ms, 1, person(challenge, which, at_ms), ME if number % 4 == 0 else None))
        done = seen_done(challenge, seen, which)
        if done is False or (done and which == 1):
            return challenge, seen, bool(done)
        if done:
            which, challenge = 1, challenge.second_at(at_ms + challenge.pause_ms)
    raise AssertionError("it does not end")


def quick(challenge: Challenge, which: int, at_ms: int, *, late: int = 250) -> Face:
    """Somebody who follows each prompt as soon as they see it, and looks straight again when the next one comes."""
    pose = {"yaw": 2.0 * np.sin(at_ms / 300), "pitch": 1.5 * np.cos(at_ms / 400), "size": 1.0}
    for prompt in challenge.prompts[: which + 1]:
        share = float(
            np.clip(min((at_ms - prompt.at_ms - late) / 500, (1300 + late + prompt.at_ms - at_ms) / 500), 0, 1)
        )
        for axis, far in PEAK[prompt.move].items():
            pose[axis] += share * (far - (1.0 if axis == "size" else 0.0))
    return landmarks(**pose)


@pytest.mark.parametrize(("first", "second"), ALL)
def test_who_is_quick_waits_for_no_clock_and_is_judged_over_every_frame(first, second):
    challenge, seen, done = as_seen(first, second, quick)
    assert done
    assert judge(challenge, NONCE, seen) == Liveness(live=True)
    assert seen[-1].at_ms < 3500, "a fixed clock asks for the second no sooner than that"


def test_a_prompt_that_was_answered_before_it_was_asked_is_refused_at_its_new_time_too():
    """A recording of the right movements goes on by itself: the second is under way when it is asked for."""

    def film(first: str, second: str, at_ms: int) -> Face:
        pose = {"yaw": 0.0, "pitch": 0.0, "size": 1.0}
        share = {
            first: np.clip(min((at_ms - 1050) / 500, (1900 - at_ms) / 300), 0, 1),
            second: np.clip((at_ms - 1500) / 250, 0, 1),
        }
        for move, far in share.items():
            for axis, most in PEAK[move].items():
                pose[axis] += float(far) * (most - (1.0 if axis == "size" else 0.0))
        return landmarks(**pose)

    for first, second in ALL:
        challenge, seen, done = as_seen(first, second, lambda _now, _which, at_ms, of=(first, second): film(*of, at_ms))
        assert not done, (first, second)
        assert judge(challenge, NONCE, seen).why == "early", (first, second)


def test_a_movement_that_was_under_way_when_it_was_asked_for_is_early():
    challenge = asked("left", "up").second_at(2970)  # between two frames

    def begun(at_ms: int) -> Face:
        pose = head(challenge, at_ms)
        return landmarks(**pose | {"pitch": 16.0 if at_ms > 3200 else 10.0} if at_ms > 2900 else pose)

    assert judge(challenge, NONCE, filmed(challenge, begun)).why == "early"


def test_what_was_seen_early_is_not_awaited_any_longer():
    early = as_seen("left", "up", lambda challenge, _which, at_ms: landmarks(**head(challenge, at_ms, late=-400)))
    assert judge(early[0], NONCE, early[1]).why == "early"
    assert early[1][-1].at_ms < 900 + WINDOW_MS
    aside = as_seen("left", "up", lambda *_: landmarks(yaw=35))
    assert judge(aside[0], NONCE, aside[1]).why == "aside"


def test_who_does_nothing_is_still_after_the_whole_window():
    challenge, seen, done = as_seen("left", "up", lambda *_: landmarks())
    assert not done
    assert judge(challenge, NONCE, seen).why == "still"
    assert seen[-1].at_ms > 900 + WINDOW_MS - STEP_MS


def test_a_photograph_gains_nothing_from_being_looked_at_as_it_comes():
    draw = np.random.default_rng(4)
    for first, second in ALL:
        photograph = held(draw)
        challenge, seen, done = as_seen(first, second, lambda _now, _which, at_ms, held=photograph: held(at_ms))
        assert not (done and judge(challenge, NONCE, seen).live), (first, second)


def test_another_face_for_the_second_movement_is_refused():
    challenge, seen, done = as_seen("left", "up", quick)
    other = np.eye(128, dtype=np.float32)[1]
    swapped = [
        each if each.embedding is None or each.at_ms < challenge.prompts[1].at_ms
        else msgspec.structs.replace(each, embedding=other)
        for each in seen
    ]  # fmt: skip
    assert done
    assert judge(challenge, NONCE, swapped).why == "changed"


def test_challenges_are_drawn_evenly_from_all_there_are_and_are_never_only_closer():
    drawn = [draw_challenge(os.urandom) for _ in range(2000)]
    pairs = [tuple(prompt.move for prompt in each.prompts) for each in drawn]
    assert set(pairs) == set(ALL)
    assert max(pairs.count(pair) for pair in ALL) < 2 * min(pairs.count(pair) for pair in ALL)
    assert len({each.nonce for each in drawn}) == 2000
    assert all(500 <= each.prompts[0].at_ms < 1300 for each in drawn)
    assert all(1800 <= each.prompts[1].at_ms - each.prompts[0].at_ms < 2500 for each in drawn)
    assert max(each.end_ms for each in drawn) <= 6300
    assert all(250 <= each.pause_ms < 700 for each in drawn)
    assert len({each.pause_ms for each in drawn}) > 200, "nobody knows when the second will come"
    numbers = count()
    same = [draw_challenge(lambda size: next(numbers).to_bytes(size, "big")) for _ in range(2)]
    assert same[0] != same[1]  # nothing but the bytes decides


def test_what_was_asked_for_is_not_asked_for_again():
    before = [ALL[3], ALL[17]]
    drawn = {draw_challenge(os.urandom, before).moves for _ in range(2000)}
    assert drawn == set(ALL) - set(before)


def test_a_frame_is_seen_with_its_numbers_only_where_it_is_measured(sface):
    seen = see(portrait(1), 40, sface, measured=True)
    assert (seen.at_ms, seen.faces, seen.face is not None) == (40, 1, True)
    assert float(np.linalg.norm(seen.embedding)) == pytest.approx(1.0, abs=1e-5)
    assert see(portrait(1), 40, sface, measured=False).embedding is None
    assert see(np.zeros((100, 100, 3), dtype=np.uint8), 40, sface, measured=True) == Seen(40, 0, None)


def test_a_raster_is_noticed_and_decides_nothing():
    image, face = portrait(1, scale=2, width=640, height=640), Face((180, 150, 260, 340), *[(0.0, 0.0)] * 5, score=0.9)
    rows, columns = np.mgrid[0:640, 0:640]
    stripes = 14 * np.sin((0.23 * columns + 0.11 * rows) * 2 * np.pi)[..., None]
    screen = np.clip(image + stripes, 0, 255).astype(np.uint8)
    assert moire(image, face) < 0.1
    assert moire(screen, face) > 0.8
    assert moire(image[:20, :20], face) == 0.0  # too little to look at
    challenge = asked("left", "up")
    striped = [msgspec.structs.replace(seen, moire=1.0) for seen in filmed(challenge)]
    assert judge(challenge, NONCE, striped) == Liveness(live=True, moire=1.0)
