"""Times as people and programs write them: ISO 8601 in, microseconds since 1970 UTC out."""

from __future__ import annotations

from datetime import datetime

from egide.kernel.clock import to_us
from egide.kernel.errors import BadInput, Text


def parse(text: str) -> int:
    """An ISO 8601 time with its zone → µs; raises `BadInput`. A time without a zone is refused rather than guessed."""
    try:
        found = datetime.fromisoformat(text)
        moment = to_us(found) if found.tzinfo is not None else -1
    except (ValueError, OverflowError) as error:
        raise BadInput(
            Text(f"Date illisible : {text[:40]}", f"Unreadable date: {text[:40]}"),
            Text("Écrivez-la comme 2026-11-23T18:00:00Z.", "Write it like 2026-11-23T18:00:00Z."),
        ) from error
    if moment < 0 or found.year >= 2200:
        raise BadInput(
            Text(
                f"Date sans fuseau ou hors limites : {text[:40]}", f"Date without a zone or out of range: {text[:40]}"
            ),
            Text("Ajoutez le fuseau, par exemple Z.", "Add the zone, for example Z."),
        )
    return moment
