"""Checks of everything that is stored: each entry, tile, head, cosignature and stamp, each sealed value, each key, each right.

The slow part of `egide doctor`, about 10 µs an entry. What is wrong is named: the entry, the row, the tile.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.exc import DatabaseError

from egide.gateways import standing
from egide.gateways.findings import Count, Finding, Findings
from egide.kernel import ledger_check, rights_check, sealed_check, stamping
from egide.kernel.errors import EgideError, StartupError, Text
from egide.kernel.ledger_leaves import Findings as Problems
from egide.kernel.ledger_leaves import Problem
from egide.kernel.ledger_verify import StampCheck
from egide.kernel.settings import Settings

SHOWN = 20  # problems told; one damage often has several


def stored(settings: Settings, count: Count) -> Findings:
    """Every row that a leaf, a signature, a seal or an act speaks for."""
    if not settings.store and not (settings.folder / "egide.db").exists():
        return
    try:
        with standing.reading(settings) as kernel:
            db, vkeys = kernel.store.reader(), [kernel.key.vkey]
            checked = ledger_check.check(
                db, settings.realm, vkeys, count, witnesses=list(settings.witnesses.values()), stamped=_judge(settings)
            )
            found = Problems()
            opened = sealed_check.check(kernel, found)
            rights = rights_check.check(kernel, found)
    except DatabaseError as error:
        yield Finding("wrong", Text(f"Base illisible : {error.orig}", f"Database unreadable: {error.orig}"), _restore())
        return
    except EgideError:
        return  # `whole` said so
    problems = [*checked.problems, *found.problems]
    yield from _told(problems)
    if not problems:
        yield Finding(
            "good",
            Text(
                f"Contenus : {checked.bodies} entrées, {opened} contenus scellés et {rights} droits sont ce qu’ils étaient",
                f"Contents: {checked.bodies} entries, {opened} sealed contents and {rights} rights are what they were",
            ),
        )


def _told(problems: Iterable[Problem]) -> Findings:
    told = dict.fromkeys(problem.what for problem in problems)
    for number, what in enumerate(told):
        if number == SHOWN:
            yield Finding(
                "wrong", Text(f"… et {len(told) - SHOWN} autres.", f"… and {len(told) - SHOWN} more."), _restore()
            )
            return
        yield Finding("wrong", what, _restore())


def _judge(settings: Settings) -> StampCheck | None:
    if not settings.stamps:
        return None
    try:
        trusted = stamping.certificates(settings.folder)
    except StartupError:
        return None  # an authority is configured and its certificate is away: nothing can be judged
    return lambda token, body: stamping.verify(token, body, trusted)


def _restore() -> Text:
    return Text(
        "N’y touchez plus : gardez ce dossier comme preuve, prévenez l’inspection, restaurez la sauvegarde.",
        "Leave it as it is: keep this folder as evidence, tell the inspection, restore the backup.",
    )
