"""Who may see whom on the map: an entity belongs to groups, a terminal's filter is the groups it may see.

An officer sees the means open to all, their own unit, the missions they conduct, and themselves; command sees everyone on duty.
Source: code de la sécurité intérieure L242-2 (who conducts the intervention); GDPR 5(1)(c); directive 2016/680 4(1)(c).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from egide.operations import tables
from egide.operations.positions import EVERYONE, PUBLIC, Groups

if TYPE_CHECKING:
    from egide.kernel.identity import Principal
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.positions")

CHANGES = frozenset({"roster.changed", "mission.closed", "person.erased"})


class Rosters:
    """Who conducts which open missions, in memory; read again when a roster changes, here or in another process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._missions: dict[str, frozenset[str]] = {}
        self.read()

    def read(self) -> None:
        """Reads them all: rosters are small, and a change is rare."""
        roster, mission = tables.roster, tables.mission
        query = select(roster.c.person, roster.c.mission).join(mission, mission.c.id == roster.c.mission)
        query = query.where(roster.c.gone.is_(None), mission.c.closed.is_(None))
        found: dict[str, set[str]] = {}
        try:
            for person, of in self._kernel.store.reader().execute(query):
                found.setdefault(person, set()).add(of)
        except DatabaseError as error:
            log.warning("rosters are shown as they were: %s", error)
            return
        self._missions = {person: frozenset(missions) for person, missions in found.items()}

    def missions(self, person: str) -> frozenset[str]:
        """The open missions a person conducts."""
        return self._missions.get(person, frozenset())


def groups(rosters: Rosters, person: str, unit: str) -> Groups:
    """The groups an officer belongs to."""
    return frozenset({f"self:{person}", *_shared(rosters, person, unit)})


def filter_of(kernel: Kernel, rosters: Rosters, principal: Principal) -> Groups | None:
    """The groups a person's terminal may see now."""
    now = kernel.identity.still(principal)
    if "command" in now.roles:
        return EVERYONE
    return frozenset({PUBLIC, f"self:{now.id}", *_shared(rosters, now.id, now.unit)})


def _shared(rosters: Rosters, person: str, unit: str) -> set[str]:
    return {f"mission:{mission}" for mission in rosters.missions(person)} | ({f"unit:{unit}"} if unit else set())
