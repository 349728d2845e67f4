"""Whatever a machine turns to a person for has a sentence on the officer's tablet: no code is ever shown there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from egide.border import controls, judging
from egide.border.face import compare, liveness
from egide.border.room import comparing, work
from egide.protocols.wallet import errors

WORDS = Path(__file__).parents[2] / "web" / "border" / "tablet" / "words.ts"
# How a room and a gate say why: the second argument of each.
SAID = re.compile(r'(?:Word|Compared)\("[a-z-]+", (?:[a-z.]+ or )*"([a-z-]+)"')


def codes() -> set[str]:
    typed = {each for why in (compare.Why, liveness.Why, errors.Why) for each in get_args(why)}
    written = {
        code for module in (judging, comparing, work) for code in SAID.findall(Path(module.__file__).read_text("utf-8"))
    }
    leaving = set(get_args(get_type_hints(controls.Leaving)["why"]))
    bands = {"unsure", "no-match"}
    assert {"device", "no-device", "chip", "replayed", "unreadable", "poor", "still"} <= written, "a control"
    return typed | written | bands | leaving - {"left"}


@pytest.mark.parametrize("code", sorted(codes()))
def test_each_reason_is_said_in_both_languages(code: str) -> None:
    table = WORDS.read_text("utf-8").partition("const WHYS")[2].partition("};")[0]
    name = code if re.fullmatch(r"[a-z]+", code) else f"'{code}'"
    assert re.search(rf"^  {re.escape(name)}: \{{ fr: '[^']+', en: '[^']+' \}},$", table, re.MULTILINE), code
