"""Whose an upload is says who may do what with it: of a draft its writer, of a file its holder and who works on it, of an entry
of an officer's outbox (outbox.py) that officer, on a device that was not revoked.

A file's holder adds to it while it is open and takes nothing back: what was filed is part of it.
"""

from __future__ import annotations

import hmac
from typing import Any, Literal

from sqlalchemy import select

from egide.kernel.act import Ctx
from egide.kernel.errors import Conflict, NotFound, Text
from egide.kernel.identity import Principal, digest
from egide.services import outbox_tables, tables
from egide.services.definition import Definition
from egide.services.model import definition_of, said_code

Doing = Literal["add", "read", "withdraw"]
MAGISTRATE = "magistrate"
DRAFT, FILE, ENTRY = "draft", "file", "entry"
OUTBOX = "outbox"  # begins the name under which a device's entry is handed on
DESK = frozenset({"officer", "command"})  # roles that work on files; a unit has other people too


def works_on(who: Principal, file: Any) -> bool:
    """A file is for who works on it, their unit’s officers, and whoever commands; one on no desk for all who could take it."""
    return not who.roles.isdisjoint(DESK) and (
        "command" in who.roles or file.officer == who.id or file.unit in ("", who.unit)
    )


def deciding(definition: Definition) -> set[str]:
    """The states in which a file waits for a magistrate's decision, and lies on no officer's desk any more."""
    desk = {state for step in definition.transitions if not DESK.isdisjoint(step.roles) for state in step.origins}
    return {state for step in definition.transitions if MAGISTRATE in step.roles for state in step.origins} - desk


def sees(who: Principal, file: Any) -> bool:
    """Who works on a file; and a magistrate, who has no desk, while it waits for their decision (CPP 39-3, 41)."""
    return works_on(who, file) or (MAGISTRATE in who.roles and file.state in deciding(definition_of(file)))


def may(ctx: Ctx, owner: str, secret: str, doing: Doing) -> None:
    """Raises `NotFound`, the same whether it is not there or not theirs; `Conflict` for a file that is closed."""
    kind, _, id_ = owner.partition(":")
    if kind == DRAFT and _holds_draft(ctx, id_, secret):
        return
    if kind == ENTRY and (_sends(ctx, id_) or (doing == "read" and _reviews(ctx, id_))):
        return
    if kind == FILE and doing != "withdraw":
        row = ctx.db.execute(select(tables.file).where(tables.file.c.id == id_)).first()
        if row is not None and _has_file(ctx, row, secret, doing):
            if doing == "add" and row.closed is not None:
                raise Conflict(
                    Text("Ce dossier est clos.", "This file is closed."),
                    Text(
                        "Pour y ajouter quelque chose, faites une demande de suivi.",
                        "To add something to it, make a follow-up request.",
                    ),
                )
            return
    raise not_theirs()


def not_theirs() -> NotFound:
    """The same words whether it never was, is no more, or is somebody else's: nothing is learnt by trying."""
    return NotFound(
        Text("Ce dossier n’existe pas, ou pas pour vous.", "This file does not exist, or not for you."),
        Text(
            "Rouvrez-le par le lien ou le code que vous avez reçu.", "Open it again by the link or code you were given."
        ),
    )


def _holds_draft(ctx: Ctx, draft: str, secret: str) -> bool:
    row = ctx.db.execute(select(tables.draft.c.secret).where(tables.draft.c.id == draft)).first()
    return row is not None and hmac.compare_digest(row.secret, digest(secret))


def _sends(ctx: Ctx, place: str) -> bool:
    """Whether it is an entry (`<device>.<id>`) of a device of theirs that was not revoked."""
    table = outbox_tables.device
    row = ctx.db.execute(select(table).where(table.c.id == place.partition(".")[0])).first()
    return row is not None and ctx.principal.kind == "person" and row.person == ctx.principal.id and row.revoked is None


def _reviews(ctx: Ctx, place: str) -> bool:
    """Whether it is an entry that their unit looks at."""
    table, (device, _, id_) = outbox_tables.entry, place.partition(".")
    row = ctx.db.execute(select(table).where(table.c.device == device, table.c.id == id_)).first()
    return row is not None and row.state == "review" and for_unit(ctx.principal, row.unit)


def for_unit(who: Principal, unit: str) -> bool:
    """What waits on a unit's desk is for its officers, and for whoever commands."""
    return not who.roles.isdisjoint(DESK) and ("command" in who.roles or unit in ("", who.unit))


def _has_file(ctx: Ctx, row: Any, secret: str, doing: Doing) -> bool:
    if secret:
        return hmac.compare_digest(row.secret, digest(said_code(secret)))
    entitled = sees if doing == "read" else works_on
    return ctx.principal.kind == "person" and entitled(ctx.principal, row)
