"""Two realms, two controllers: facilitation, which rests on consent, and the border police, which rests on law.

Each has its activity, its keys, its tables and its acts under a name of its own; what is the same work is written once and
declared twice. Nothing specific to a traveller stands in both: a control's id, nonce and mark are drawn or made for one realm.

An installation whose setting `realm` is one of the two serves that one alone, with a ledger and a vault of its own; a platform by
another name (a demonstration) serves both, apart from each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, bindparam, insert, select, update

from egide.border import tables
from egide.border.control_points import REALMS, Point, Realm, point_of
from egide.border.tables import RealmTables
from egide.kernel.errors import NotFound, Text

if TYPE_CHECKING:
    from egide.kernel.act import Ctx, Facts
    from egide.kernel.kernel import Kernel

HOUR_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Of:
    """One realm: its name, activity, tables, the prefix of its acts' names and the law's groups for a control."""

    realm: Realm
    activity: str
    prefix: str
    tables: RealmTables
    groups: tuple[str, ...]

    def name(self, act: str) -> str:
        """The name of an act of this realm."""
        return f"{self.prefix}.{act}"

    def point(self, kernel: Kernel, id_: str) -> Point:
        """A control point that is served here. Raises `NotFound`."""
        mine = kernel.settings.realm
        if mine in REALMS and mine != self.realm:
            raise NotFound(
                Text("Ce contrôle relève d’un autre responsable.", "This control belongs to another controller."),
                Text("Adressez-vous à lui.", "Turn to that one."),
            )
        return point_of(id_, self.realm)


FACILITATION = Of(
    realm="facilitation",
    activity=tables.FACILITATION,
    prefix="border",
    tables=tables.facilitation,
    groups=("face-control", "relying-party", "carrier-check", "human-oversight", "explicit-consent"),
)
POLICE = Of(
    realm="border-police",
    activity=tables.POLICE,
    prefix="border.police",
    tables=tables.police,
    groups=("face-control", "relying-party", "human-oversight", "border-check"),
)
BOTH = (FACILITATION, POLICE)


@dataclass(frozen=True, slots=True)
class Lanes:
    """How a point stands now. Closed by default: nobody said that the equal lane is open."""

    equal_open: bool = False
    staffed: bool = False


def lanes(of: Of, db: Connection, point: str) -> Lanes:
    """The lanes of a point."""
    table = of.tables.lane
    found = db.execute(
        select(table.c.equal_open, table.c.staffed).where(table.c.point == bindparam("of")), {"of": point}
    )
    row = found.first()
    return Lanes() if row is None else Lanes(bool(row.equal_open), bool(row.staffed))


def control_facts(of: Of, ctx: Ctx, point: Point, *, external: bool, registered: bool) -> Facts:
    """What the law asks of every control, from the point's file, the law of the day and the lanes of the moment."""
    now = lanes(of, ctx.db, point.id)
    basis = point.legal_basis
    text = ctx.kernel.book.texts.get(basis.text) if basis is not None else None
    in_force = text is not None and text.in_force(ctx.kernel.clock.now())
    facts: dict[str, Any] = {
        "gallery_searched": False,  # there is nothing to look in
        "face_used": point.looks(external=external),
        "identity_check_required": in_force and point.checks_identity(external=external),
        "comparison_kept": point.retention_s != 0,
        "leaves_the_area": external or basis is None or not basis.external_only,
        "verifier_registered": registered,
        "claims_registered": True,  # the request is made from the point’s file
        "human_can_override": now.staffed,
        "guard_supervises": now.staffed,
        "machine_refuses": False,  # controls.py has no such outcome at the border
        "equal_way_open": now.equal_open,
        "consent_state": "given",  # the wallet presents by itself, or nothing comes
        "consent_explicit": True,
        "document_checked": True,
    }
    return facts


def count(of: Of, connection: Connection, point: str, now_us: int, outcome: str) -> None:
    """One more of this outcome in this hour; who, nobody knows."""
    table = of.tables.count
    key = {"point": point, "hour": now_us // HOUR_US, "outcome": outcome}
    more = update(table).where(*(table.c[name] == value for name, value in key.items())).values(n=table.c.n + 1)
    if connection.execute(more).rowcount == 0:
        connection.execute(insert(table), key | {"n": 1})
