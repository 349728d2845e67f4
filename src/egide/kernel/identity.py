"""Who acts: officers with passkeys, units, habilitations; sessions whose secret only the browser holds.

A session cookie's SHA-256 is stored, never the cookie. What a person may do is read once per session and dropped whenever a
right changes (`Identity.forget`), so that a withdrawn habilitation counts at once (ASVS 8.3.2).
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.exc import DatabaseError

from egide.kernel import tables
from egide.kernel.errors import Unavailable
from egide.kernel.randomness import draw
from egide.kernel.store import unavailable
from egide.kernel.vault import VaultError

if TYPE_CHECKING:
    from egide.kernel.act import Act
    from egide.kernel.kernel import Kernel

SESSION_S = 12 * 3600  # s: a long duty; ASVS 7.3.2 asks for an absolute limit
CACHED = 4096  # sessions held in memory

SYSTEM_NAME = "Égide"  # what the platform does by itself is shown under its own name

# Statements built once: building one costs three times what running it does, and every lease asks them every second.
_SESSION = select(tables.session.c.ended, tables.session.c.until).where(tables.session.c.hash == bindparam("hash"))
_PERSON = select(tables.person).where(tables.person.c.id == bindparam("id"))
_SCOPES = select(tables.habilitation.c.scope, tables.habilitation.c.until).where(
    tables.habilitation.c.person == bindparam("person"), tables.habilitation.c.withdrawn.is_(None)
)

ROLES = ("administrator", "officer", "pilot", "command", "prefect", "inspector", "dpo", "magistrate", "gate", "kiosk")


@dataclass(frozen=True, slots=True, eq=False)
class Principal:
    """The one who acts, as the guard sees them."""

    id: str
    name: str
    roles: frozenset[str]
    kind: Literal["person", "operator", "system", "anonymous"] = "person"
    unit: str = ""
    session: str = ""
    strong: bool = False
    scopes: tuple[tuple[str, int], ...] = ()  # (activity or *, until in µs)
    epoch: int | None = None  # of rights, at the latest when these were read; None: nobody takes them away

    def may(self, act: Act, now_us: int) -> bool:
        """Whether a role opens this act and a habilitation for its activity is in force."""
        if "anyone" in act.roles:
            return True
        if "self" in act.roles:
            return self.kind != "anonymous"
        if self.kind == "system":
            return act.system or "system" in act.roles
        if "*" not in act.roles and self.roles.isdisjoint(act.roles):
            return False
        if self.kind == "operator":
            return True
        return any(until > now_us and scope in ("*", act.activity) for scope, until in self.scopes)


ANONYMOUS = Principal(id="", name="", roles=frozenset(), kind="anonymous")
OPERATOR = Principal(
    id="operator",
    name="Opérateur de la plateforme",
    roles=frozenset({"administrator", "operator"}),
    kind="operator",
    strong=True,
)


def digest(secret: str) -> str:
    """The stored form of a session cookie or invitation."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def new_id() -> str:
    """A random public id."""
    return draw(8).hex()


class Identity:
    """Sessions → principals, with a bounded cache that a change of rights empties."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._cache: OrderedDict[str, tuple[Principal, int]] = OrderedDict()
        self._names: dict[str, str] = {}

    def forget(self) -> None:
        """A right changed: everything is read again."""
        self._cache.clear()
        self._names.clear()

    def by_cookie(self, secret: str) -> Principal:
        """The principal of a session, ANONYMOUS if there is none, it ended or it is over."""
        now = self._kernel.clock.now_us()
        hashed = digest(secret)
        found = self._cache.get(hashed)
        if found is None:
            try:
                found = self._read(hashed)
            except DatabaseError as error:
                raise unavailable(error) from error
            if found is None:
                return ANONYMOUS
            self._cache[hashed] = found
            if len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        principal, until = found
        return principal if until > now else ANONYMOUS

    def still(self, principal: Principal) -> Principal:
        """Who this session belongs to now, from memory where it is there; while the store is away, as it was last known."""
        if principal.kind != "person" or not principal.session:
            return principal
        found = self._cache.get(principal.session)
        if found is None:
            try:
                found = self._read(principal.session)
            except (DatabaseError, Unavailable):
                return principal
            if found is None:
                return ANONYMOUS
            self._cache[principal.session] = found
        return found[0] if found[1] > self._kernel.clock.latest_us() else ANONYMOUS

    def again(self, principal: Principal, db: Connection) -> Principal:
        """The same principal with today's rights, read in the given transaction."""
        if principal.kind != "person":
            return principal
        if principal.session:
            row = db.execute(_SESSION, {"hash": principal.session}).first()
            if row is None or row.ended is not None or row.until <= self._kernel.clock.now_us():
                return ANONYMOUS
        return self.person(principal.id, db, session=principal.session, strong=principal.strong) or ANONYMOUS

    def person(self, person: str, db: Connection, *, session: str = "", strong: bool = False) -> Principal | None:
        """A person as a principal, None where inactive or unknown."""
        epoch = self._kernel.epoch  # before they are read: newer rights under an older number are only read once more
        row = db.execute(_PERSON, {"id": person}).first()
        if row is None or not row.active:
            return None
        scopes = db.execute(_SCOPES, {"person": person}).all()
        return Principal(
            id=person,
            name=self.open_name(person, row.name),
            roles=frozenset(row.roles.split()),
            unit=row.unit or "",
            session=session,
            strong=strong,
            scopes=tuple((scope, until) for scope, until in scopes),
            epoch=epoch,
        )

    def name(self, person: str) -> str:
        """A person's name for display; "" where it was erased or there is none."""
        if person.startswith("system:"):
            return SYSTEM_NAME
        if person == OPERATOR.id:
            return OPERATOR.name
        if person not in self._names:
            row = (
                self._kernel.store.reader()
                .execute(select(tables.person.c.name).where(tables.person.c.id == person))
                .first()
            )
            self._names[person] = self.open_name(person, row[0]) if row else ""
        return self._names[person]

    def seal_name(self, person: str, name: str) -> bytes:
        """A name, sealed with its person's own key."""
        return self._kernel.vault.seal(person, "identity", name.encode(), person.encode())

    def open_name(self, person: str, sealed: bytes) -> str:
        """A sealed name; "" where its key was erased."""
        try:
            return self._kernel.vault.open_(person, "identity", sealed, person.encode()).decode()
        except VaultError:
            return ""

    def session_row(self, person: str, secret: str, strength: str) -> dict[str, Any]:
        """The row that opens a session."""
        now = self._kernel.clock.now_us()
        until = now + SESSION_S * 1_000_000
        return {
            "hash": digest(secret),
            "person": person,
            "started": now,
            "until": until,
            "strength": strength,
            "ended": None,
        }

    def _read(self, hashed: str) -> tuple[Principal, int] | None:
        db = self._kernel.store.reader()
        row = db.execute(select(tables.session).where(tables.session.c.hash == hashed)).first()
        if row is None or row.ended is not None or (row.strength == "demo" and not self._kernel.settings.demo):
            return None
        # A demonstration persona counts as strongly signed in only because demo mode is loud about what it is.
        principal = self.person(row.person, db, session=hashed, strong=row.strength in ("passkey", "demo"))
        return (principal, int(row.until)) if principal is not None else None
