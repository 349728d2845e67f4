"""Times as people write them: with their zone, within reason, or a plain sentence."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.kernel.clock import to_us
from egide.kernel.errors import BadInput
from egide.kernel.times import parse

EXAMPLES = int(os.environ.get("EGIDE_FUZZ", "500"))
NOON = to_us(datetime(2026, 11, 23, 12, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    "text",
    ["2026-11-23T12:00:00Z", "2026-11-23T13:00:00+01:00", "2026-11-23T12:00Z", "2026-11-23 12:00:00.000000+00:00"],
)
def test_one_moment_in_many_spellings(text: str) -> None:
    assert parse(text) == NOON


@pytest.mark.parametrize(
    "text",
    [
        "",
        "demain",
        "2026-11-23",
        "2026-11-23T12:00:00",
        "2026-13-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "2200-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "1970-01-01T00:00:00+23:59",
        "1" * 10_000,
    ],
)
def test_what_is_no_time_is_refused_in_plain_words(text: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(text)
    assert caught.value.do is not None
    assert len(caught.value.what.en) < 120


@settings(max_examples=EXAMPLES)
@given(st.text(max_size=60) | st.from_regex(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?"))
def test_any_text_is_a_time_or_bad_input(text: str) -> None:
    try:
        found = parse(text)
    except BadInput:
        return
    assert 0 <= found < to_us(datetime(2200, 1, 3, tzinfo=UTC))
