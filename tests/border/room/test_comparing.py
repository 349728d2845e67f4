"""The face in the room: who moved is who is compared."""

from __future__ import annotations

import msgspec
import pytest

from egide.border.face.compare import Reference, enrol
from egide.border.face.engine import Engine, engine
from egide.border.face.quality import Demands
from egide.border.room.comparing import look
from egide.border.room.messages import Compare, Compared
from egide.border.room.opening import Frame
from egide.border.room.watching import Looking
from tests.border.face.drawn import landmarks, portrait
from tests.border.face.test_liveness import asked, filmed
from tests.border.kiosk import OTHER, SELF, picture

CHALLENGE = asked("left", "up")
SHOWN = (1, 2, 3)  # frames between two that are measured, in which the head looks most straight ahead
MESSAGE = Compare((), 0.433, 3, challenge=True)


@pytest.fixture(scope="module")
def made() -> Engine:
    return engine()


def watched(made: Engine, between: int) -> Looking:
    """SELF does what is asked; in a few frames that are not measured somebody is held before the camera."""
    looked = Looking(made)
    numbers = made.matcher.embed(portrait(SELF), made.detector.detect(portrait(SELF))[0])
    looked.seen = filmed(CHALLENGE, numbers=lambda _at_ms: numbers)
    for each in SHOWN:
        looked.seen[each] = msgspec.structs.replace(looked.seen[each], face=landmarks(yaw=0.0, pitch=0.0))
    me, other = picture(SELF), picture(between)
    looked.taken = [Frame(seen.at_ms, bytearray(other if at in SHOWN else me)) for at, seen in enumerate(looked.seen)]
    return looked


@pytest.mark.parametrize(
    ("between", "found"), [(SELF, ("match", "")), (OTHER, ("unsure", "changed"))], ids=["oneself", "somebody else"]
)
def test_who_is_compared_is_who_moved(made: Engine, between: int, found: tuple[str, str]) -> None:
    """The token is of whoever is held before the camera: a picture of them, while another moves."""
    reference = enrol([portrait(between)], made, bytes(16), Demands())
    assert isinstance(reference, Reference)
    said = look(MESSAGE, watched(made, between), reference, CHALLENGE, made)
    assert isinstance(said, Compared)
    assert (said.band, said.why) == found
