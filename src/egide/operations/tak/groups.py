"""Who shares with whom on TAK: the groups of a person are their unit and the missions on whose roster they are now.

A group's id is `unit:<id>` or `mission:<id>`; its name is what clients show. What is shared without saying with whom goes to the
missions one conducts, and to the unit only where there is none: the fewest who need it (directive 2016/680, article 4(1)(c)).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, bindparam, select

from egide.kernel import tables as kernel_tables
from egide.kernel.errors import NotFound, Text
from egide.kernel.identity import Principal
from egide.operations import tables

UNIT, MISSION = "unit:", "mission:"
_UNIT = select(kernel_tables.unit.c.name).where(kernel_tables.unit.c.id == bindparam("id"))
_MISSIONS = (
    select(tables.mission.c.id, tables.mission.c.title)
    .join(tables.roster, tables.roster.c.mission == tables.mission.c.id)
    .where(
        tables.roster.c.person == bindparam("person"), tables.roster.c.gone.is_(None), tables.mission.c.closed.is_(None)
    )
    .order_by(tables.mission.c.opened)
)


def groups_of(db: Connection, who: Principal) -> dict[str, str]:
    """Group id → its name, for a person, now."""
    found = {f"{MISSION}{row.id}": str(row.title) for row in db.execute(_MISSIONS, {"person": who.id})}
    name = db.execute(_UNIT, {"id": who.unit}).scalar() if who.unit else None
    return found | ({f"{UNIT}{who.unit}": str(name)} if name is not None else {})


def narrowest(groups: Iterable[str]) -> frozenset[str]:
    """The missions among these groups, all of them where there is none."""
    every = frozenset(groups)
    return frozenset(group for group in every if group.startswith(MISSION)) or every


def chosen(groups: Mapping[str, str], asked: Iterable[str]) -> frozenset[str]:
    """The groups asked for by name or id; `narrowest` where nothing was asked. Raises `NotFound` for a group of others."""
    wanted = {name for name in asked if name}
    if not wanted:
        return narrowest(groups)
    found = frozenset(group for group, name in groups.items() if group in wanted or name in wanted)
    if not found or not wanted <= found | {groups[group] for group in found}:
        raise NotFound(
            Text("Vous n’êtes pas de ce groupe.", "You are not of this group."),
            Text("Choisissez votre unité ou une de vos missions.", "Choose your unit or one of your missions."),
        )
    return found
