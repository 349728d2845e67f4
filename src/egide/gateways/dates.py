"""Days as people say them, in French and English: "mardi 3 mars 2026 à 14:05"."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

MONTHS = {
    "fr": (
        "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
    ),
}  # fmt: skip
WEEKDAYS = {
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
AT = {"fr": "à", "en": "at"}


def in_full(lang: str, day: date) -> str:
    """Day, month in words, year; in French the first of a month is "1er"."""
    number = "1er" if day.day == 1 and lang == "fr" else str(day.day)
    return f"{number} {MONTHS[lang][day.month - 1]} {day.year}"


def appointment(lang: str, at: str, zone: ZoneInfo) -> str:
    """A moment (ISO 8601) to come to: who reads it thinks in days of the week."""
    moment = datetime.fromisoformat(at).astimezone(zone)
    return f"{WEEKDAYS[lang][moment.weekday()]} {in_full(lang, moment.date())} {AT[lang]} {moment:%H:%M}"
