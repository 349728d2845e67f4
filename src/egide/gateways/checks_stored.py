"""Checks of everything that is stored: each entry, tile, head, cosignature and stamp, each sealed value, each key, each right.

The slow part of `egide doctor`, about 10 µs an entry. What is wrong is named: the entry, the row, the tile.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy.exc import DatabaseError

from egide.gateways import standing
from egide.gateways.findings import Count, Finding, Findings
from egide.kernel import ledger_check, rights_check, sealed_check, stamping
from egide.kernel.errors import EgideError, StartupError, Text, Unavailable
from egide.kernel.kernel import Kernel
from egide.kernel.ledger_leaves import Findings as Problems
from egide.kernel.ledger_leaves import Problem
from egide.kernel.ledger_verify import StampCheck
from egide.kernel.settings import Settings

SHOWN = 20  # problems told; one damage often has several


@dataclass(slots=True)
class Looked:
    """What was found, and how many entries' bodies, other sealed values and rows of rights were looked at."""

    problems: list[Problem] = field(default_factory=list)
    bodies: int = 0
    opened: int = 0
    rights: int = 0


def stored(settings: Settings, count: Count) -> Findings:
    """Every row that a leaf, a signature, a seal or an act speaks for."""
    if not settings.store and not (settings.folder / "egide.db").exists():
        return
    try:
        with standing.reading(settings) as kernel:
            looked, remains = examine(kernel, count), kernel.objects.remains
    except EgideError:
        return  # `whole` said so
    yield from _told(looked.problems)
    if not looked.problems:
        yield Finding(
            "good",
            Text(
                f"Contenus : {looked.bodies} entrées, {looked.opened} contenus scellés et {looked.rights} droits et événements de dossiers sont ce qu’ils étaient",
                f"Contents: {looked.bodies} entries, {looked.opened} sealed contents and {looked.rights} rights and events of files are what they were",
            ),
        )
    yield Finding(
        "note",
        Text(
            f"Ce qu’un effacement laisse des photos et documents : {remains.fr}",
            f"What an erasure leaves of photos and documents: {remains.en}",
        ),
    )


def examine(kernel: Kernel, count: Count) -> Looked:
    """Looks at everything a kernel stores, started or not. Raises `EgideError` where the store or the vault does not answer."""
    settings, looked = kernel.settings, Looked()
    found = Problems()
    try:
        checked = ledger_check.check(
            kernel.store.reader(), settings.realm, [kernel.key.vkey], count,
            witnesses=list(settings.witnesses.values()), stamped=_judge(settings),
        )  # fmt: skip
        looked.problems, looked.bodies = checked.problems, checked.bodies
        looked.opened = sealed_check.check(kernel, found)
        looked.rights = rights_check.check(kernel, found)
    except (DatabaseError, TypeError, ValueError, AttributeError, LookupError) as error:
        # A damaged file gives rows of any shape: a number where a text was, half a row.
        said = str(error.orig) if isinstance(error, DatabaseError) else repr(error)
        found.add("store", f"Base illisible : {said}", f"Database unreadable: {said}")
    except Unavailable:
        raise
    except EgideError as error:  # a row of a form that the program itself refuses
        found.add("store", error.what.fr, error.what.en)
    looked.problems = [*looked.problems, *found.problems]
    return looked


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
