"""Opens every sealed value where it stands, checks every key of the vault, and every signed order: what was changed is named.

Why: a sealed value that nobody reads for years would otherwise be found changed on the day it is needed. Sealing binds a value to
its person, purpose and row (vault.py), so that opening it in its place shows that none of them was changed either: an entry's
`actor`, which the leaf does not name, is checked so. Nothing that is opened is shown or kept. What was erased is left out.

What no seal, signature or leaf covers is listed in docs/threat-model.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Column, MetaData, Table, select

from egide.kernel import tables
from egide.kernel.ledger_leaves import Findings
from egide.kernel.orders import REVOKE, OrderBody
from egide.kernel.vault import Erased, Vault, VaultError

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

PAGE = 1024  # rows in memory at once
NOBODY = "nobody"  # whose key seals what people do who are not signed in (writer.py)


class _Leaf(msgspec.Struct):
    id: str
    activity: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed column: whose key, for what, bound to what; with `{column}` for values of the same row."""

    table: Table
    column: Column[Any]
    owner: str
    purpose: str
    aad: str


_LEAF = msgspec.json.Decoder(_Leaf)


def declared(every: Iterable[MetaData]) -> list[Sealed]:
    """The sealed columns of these tables, the ledger's bodies aside."""
    return [
        Sealed(table, column, *column.info["sealed"])
        for metadata in every
        for table in metadata.sorted_tables
        for column in table.columns
        if "sealed" in column.info
    ]


def check(kernel: Kernel, found: Findings) -> int:
    """Looks at everything; gives how many sealed values, keys' aside, are as they were sealed."""
    metadatas = [tables.metadata, *(each.tables for each in kernel.capabilities if each.tables is not None)]
    for key in kernel.vault.damaged_keys():
        found.add("vault", f"La clé {key} du coffre a été modifiée.", f"Key {key} of the vault was changed.")
    whole = _bodies(kernel, found)
    for each in declared(metadatas):
        whole += _column(kernel, each, found)
    _orders(kernel, found)
    return whole


def _bodies(kernel: Kernel, found: Findings) -> int:
    table, whole = tables.entry, 0
    query = select(table.c.idx, table.c.leaf, table.c.body, table.c.actor).where(
        table.c.realm == kernel.settings.realm, table.c.body.is_not(None)
    )
    for row in _rows(kernel, query.order_by(table.c.idx)):
        try:
            leaf = _LEAF.decode(row.leaf)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # the ledger's check names it
        if _opens(kernel.vault, row.actor or NOBODY, leaf.activity, bytes(row.body), leaf.id.encode()):
            whole += 1
        else:
            found.add(
                f"entry {row.idx}",
                f"Entrée {row.idx} : son contenu scellé, ou la personne nommée à côté, a été modifié.",
                f"Entry {row.idx}: its sealed content, or the person named beside it, was changed.",
                row.idx,
            )
    return whole


def _column(kernel: Kernel, sealed: Sealed, found: Findings) -> int:
    table, whole = sealed.table, 0
    keys = list(table.primary_key.columns)
    for row in _rows(kernel, select(table).where(sealed.column.is_not(None)).order_by(*keys)):
        values = row._asdict()
        owner, purpose, aad = (text.format_map(values) for text in (sealed.owner, sealed.purpose, sealed.aad))
        if _opens(kernel.vault, owner, purpose, bytes(values[sealed.column.name]), aad.encode()):
            whole += 1
        else:
            where = " ".join(str(values[key.name]) for key in keys)
            found.add(
                f"{table.name} {where}",
                f"{table.name}.{sealed.column.name}, ligne {where} : le contenu scellé a été modifié ou déplacé.",
                f"{table.name}.{sealed.column.name}, row {where}: the sealed content was changed or moved.",
            )
    return whole


def _rows(kernel: Kernel, query: Any) -> Iterator[Any]:
    with kernel.store.reader().execution_options(yield_per=PAGE).execute(query) as rows:
        yield from rows


def _opens(vault: Vault, owner: str, purpose: str, sealed: bytes, aad: bytes) -> bool:
    try:
        vault.open_(owner, purpose, sealed, aad)
    except Erased:
        return True
    except VaultError:
        return False
    return True


def _orders(kernel: Kernel, found: Findings) -> None:
    """Signatures of orders and of their ends, and the columns that repeat what was signed."""
    db, table = kernel.store.reader(), tables.order
    for order in kernel.orders.all(db):
        wrong = order.signed is not None and not order.authentic
        row = db.execute(select(table).where(table.c.id == order.body.id)).one()
        try:
            issuer = msgspec.json.decode(row.draft, type=OrderBody).issuer
        except (msgspec.DecodeError, UnicodeDecodeError):
            issuer, wrong = "", True
        unsigned = (row.signed, row.signature, row.vkey, row.revoked, row.revocation)
        if wrong or row.issuer != issuer or (row.signed is None and any(each is not None for each in unsigned)):
            found.add(
                f"order {row.id}",
                f"L’arrêté {row.id} n’est plus celui qui a été signé.",
                f"Order {row.id} is no longer the one that was signed.",
            )
        elif not _ended_rightly(kernel, row):
            found.add(
                f"order {row.id}",
                f"La fin de l’arrêté {row.id} n’est plus celle qui a été signée.",
                f"The end of order {row.id} is no longer the one that was signed.",
            )


def _ended_rightly(kernel: Kernel, row: Any) -> bool:
    """Whether the end's signature holds; an erased signer cannot be looked up any more."""
    table = tables.entry
    query = select(table.c.actor).where(
        table.c.realm == kernel.settings.realm,
        table.c.act == REVOKE,
        table.c.outcome == "allowed",
        table.c.order_id == row.id,
    )
    acts = kernel.store.reader().execute(query).scalars().all()
    if not acts or row.revoked is None or row.revocation is None:
        return not acts and row.revoked is None and row.revocation is None and row.reason is None
    signers = [actor for actor in acts if actor is not None]
    return len(signers) < len(acts) or any(kernel.orders.signed_end(row, actor) for actor in signers)
