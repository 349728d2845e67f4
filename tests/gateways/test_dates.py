"""Days in words, as residents read them."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from egide.gateways.dates import appointment, in_full

PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("lang", "at", "said"),
    [
        ("fr", "2026-03-03T13:05:00+00:00", "mardi 3 mars 2026 à 14:05"),
        ("en", "2026-03-03T13:05:00+00:00", "Tuesday 3 March 2026 at 14:05"),
        ("fr", "2026-07-31T22:30:00Z", "samedi 1er août 2026 à 00:30"),  # the wall’s day, not Greenwich’s
        ("en", "2026-12-31T23:00:00+00:00", "Friday 1 January 2027 at 00:00"),
    ],
)
def test_an_appointment_is_on_a_day_of_the_week(lang: str, at: str, said: str) -> None:
    assert appointment(lang, at, PARIS) == said


def test_only_the_first_of_a_month_is_an_ordinal_and_only_in_french() -> None:
    days = [date(2026, 5, 1), date(2026, 5, 2)]
    assert [in_full("fr", day) for day in days] == ["1er mai 2026", "2 mai 2026"]
    assert [in_full("en", day) for day in days] == ["1 May 2026", "2 May 2026"]
