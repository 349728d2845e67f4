"""Devices and partners compared with the acts that admitted and revoked them (kernel/rights_check.py).

A device's certificate names the device, and the authority signed that: a row cannot lend it another certificate (identity.py).
What a row could lie about is whose it is and whether it was revoked; of a partner, its groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Table, select

from egide.kernel.rights_check import Acts, Fault, Told, about_then, fault, made
from egide.operations.tak import tables


def check(acts: Acts) -> Iterator[Fault]:
    """Devices, then partners."""
    yield from _devices(acts)
    yield from _revoked(acts, tables.device, "operations.tak.device.revoke", "device")
    yield from made(
        acts, tables.peer, ("operations.tak.federate",),
        lambda row: (row.host, row.port, row.sends, row.receives), _peer, "since",
    )  # fmt: skip
    yield from _revoked(acts, tables.peer, "operations.tak.unfederate", "peer")


def _devices(acts: Acts) -> Iterator[Fault]:
    """An enrolled device is of the person who had its certificate signed, then."""
    signed = acts.named("operations.tak.device.sign")
    unknown = any(act.given is None for act in signed)
    by_device = {act.given["device"]: act for act in signed if act.given is not None}
    table = tables.device
    for row in acts.db.execute(select(table).where(table.c.fingerprint.is_not(None))):
        acts.checked += 1
        act = by_device.get(row.id)
        if act is None and unknown:
            continue
        if act is None or act.actor != row.person or not about_then(row.signed, act):
            yield fault(
                f"{table.name} {row.id}", "Aucun acte n’a enrôlé cet appareil pour cette personne", "No act enrolled this device for this person"
            )  # fmt: skip


def _revoked(acts: Acts, table: Table, name: str, field: str) -> Iterator[Fault]:
    """What an act revoked is revoked."""
    told: dict[str, Told] = {}
    for act in acts.named(name):
        if act.given is not None:
            told.setdefault(act.given[field], act)
    for row in acts.db.execute(select(table.c.id, table.c.revoked)):
        acts.checked += 1
        ended = told.get(row.id)
        if ended is not None and not about_then(row.revoked, ended):
            yield fault(
                f"{table.name} {row.id}", "L’acte l’a révoqué, la ligne dit autre chose", "The act revoked it, the row says otherwise", ended.index
            )  # fmt: skip


def _peer(act: Told) -> tuple[Any, ...]:
    given = act.given or {}
    groups = (" ".join(dict.fromkeys(given.get(each, []))) for each in ("sends", "receives"))
    return (str(given.get("host", "")).strip(), given.get("port", 9001), *groups)
