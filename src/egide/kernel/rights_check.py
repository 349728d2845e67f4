"""Compares the rows that give rights with the acts that gave them: what was granted, withdrawn, closed or held.

Why: such a row is not sealed or signed by itself, and whoever edits it gives themselves a right that nobody granted. But
every change of a right is an act, whose sealed body is bound to a signed leaf. So the acts are read again and the rows must
say what they say. Each capability knows its own acts and rows (`Capability.rights`). An act whose body was erased speaks for
nothing any more: the rows that it alone could speak for are passed over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, Table, select

from egide.kernel import tables
from egide.kernel.errors import Text
from egide.kernel.ledger_leaves import Findings
from egide.kernel.vault import VaultError

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

NOBODY = "nobody"  # whose key seals what people do who are not signed in (writer.py)
LONGEST_ACT_US = 600_000_000  # µs between an act's own time, which its rows bear, and its entry's


class _Body(msgspec.Struct):
    input: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """An allowed act as the ledger tells it; `given` is None where its body was erased."""

    index: int
    at: int
    act: str
    order: str
    actor: str
    people: tuple[str, ...]  # whom it is about
    given: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that does not say what the acts say: which, a sentence, the entry that tells where there is one."""

    where: str
    what: Text
    entry: int | None = None


_BODY = msgspec.json.Decoder(_Body)


class Acts:
    """The allowed acts that a capability asks for, in the order of the ledger."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.db: Connection = kernel.store.reader()
        self.checked = 0  # rows that were compared

    def named(self, *names: str) -> list[Told]:
        """Those acts, opened."""
        table, realm = tables.entry, self.kernel.settings.realm
        about: dict[int, list[str]] = defaultdict(list)
        for index, person in self.db.execute(
            select(tables.concern.c.idx, tables.concern.c.person)
            .join(table, (table.c.realm == tables.concern.c.realm) & (table.c.idx == tables.concern.c.idx))
            .where(table.c.realm == realm, table.c.act.in_(names))
        ):
            about[index].append(person)
        query = select(table.c.idx, table.c.leaf, table.c.body, table.c.actor, table.c.at, table.c.act).where(
            table.c.realm == realm, table.c.act.in_(names), table.c.outcome == "allowed"
        )
        return [self._told(row, tuple(about[row.idx])) for row in self.db.execute(query.order_by(table.c.idx))]

    def _told(self, row: Any, people: tuple[str, ...]) -> Told:
        given, order = None, ""
        try:
            leaf = msgspec.json.decode(row.leaf)
            order = leaf.get("order", "")
            if row.body is not None:
                opened = self.kernel.vault.open_(
                    row.actor or NOBODY, leaf["activity"], bytes(row.body), leaf["id"].encode()
                )
                given = _BODY.decode(opened).input
        except (VaultError, msgspec.DecodeError, UnicodeDecodeError, KeyError):
            pass  # erased; or changed, which the ledger's and the seals' checks have named
        return Told(row.idx, row.at, row.act, order, row.actor or "", people, given)


def fault(where: str, fr: str, en: str, entry: int | None = None) -> Fault:
    """A row that says something else, in both languages."""
    told = (f" (entrée {entry})", f" (entry {entry})") if entry is not None else ("", "")
    return Fault(where, Text(f"{fr}{told[0]} : {where}.", f"{en}{told[1]}: {where}."), entry)


def about_then(moment: int | None, act: Told) -> bool:
    """Whether a row's time is that of the act."""
    return moment is not None and act.at - LONGEST_ACT_US <= moment <= act.at


def made(
    acts: Acts, table: Table, names: tuple[str, ...], of_row: Callable[[Any], object],
    of_act: Callable[[Told], object], moment: str = "",
) -> Iterator[Fault]:  # fmt: skip
    """Each row was made by one of these acts: the same key, and (where the row has a time) at that time."""
    told: dict[object, list[Told]] = defaultdict(list)
    unknown = False
    for act in acts.named(*names):
        if act.given is None:
            unknown = True
        else:
            told[of_act(act)].append(act)
    for row in acts.db.execute(select(table)):
        acts.checked += 1
        found = told.get(of_row(row), [])
        if any(not moment or about_then(getattr(row, moment), act) for act in found) or unknown:
            continue
        where = " ".join([table.name, *(str(getattr(row, key.name)) for key in table.primary_key.columns)])
        yield fault(where, "Aucun acte n’a fait cette ligne, telle quelle", "No act made this row as it stands")


def faults(kernel: Kernel) -> Iterator[tuple[Acts, Iterable[Fault]]]:
    """What each capability finds."""
    for capability in kernel.capabilities:
        if capability.rights is not None:
            acts = Acts(kernel)
            yield acts, capability.rights(acts)


def check(kernel: Kernel, found: Findings) -> int:
    """Compares all; gives how many rows were compared."""
    compared = 0
    for acts, told in faults(kernel):
        for each in told:
            found.add(each.where, each.what.fr, each.what.en, each.entry)
        compared += acts.checked
    return compared
