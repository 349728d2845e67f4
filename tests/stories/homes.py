"""A home whose people are away, put under watch at the counter: what stories of patrols begin with."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from egide.exercise.people import Person
from egide.services.definition import catalogue
from tests.services.filings import WHO, lawful

WATCH = catalogue().find("holiday-watch")
assert WATCH is not None


async def watched(officer: Person, address: str, lat: float, lon: float) -> dict[str, Any]:
    """Its file's receipt; patrols pass by from now on, for a week."""
    assert WATCH is not None
    today = date.today()  # noqa: DTZ011 — the platform of a story has this machine's day
    answers = lawful(WATCH) | {
        "home": {"address": address, "lat": lat, "lon": lon}, "signs": "Volets fermés, lampe du hall à 20 h",
        "leave_date": (today - timedelta(days=1)).isoformat(), "return_date": (today + timedelta(days=7)).isoformat(),
    }  # fmt: skip
    given = {"channel": "counter", "version": WATCH.version, "answers": answers, "who": WHO}
    done: dict[str, Any] = await officer.act("services.holiday_watch.take", **given)
    await officer.act("services.holiday_watch.accept", file=done["file"])
    return done
