"""Whose an upload is says who may do what with it: of a draft its writer, of a file its holder and who works on it.

A file's holder adds to it while it is open and takes nothing back: what was filed is part of it.
"""

from __future__ import annotations

import hmac
from typing import Any, Literal

from sqlalchemy import select

from egide.kernel.act import Ctx
from egide.kernel.errors import Conflict, NotFound, Text
from egide.kernel.identity import Principal, digest
from egide.services import tables
from egide.services.model import said_code

Doing = Literal["add", "read", "withdraw"]
DRAFT, FILE = "draft", "file"
DESK = frozenset({"officer", "command"})  # roles that work on files; a unit has other people too


def works_on(who: Principal, file: Any) -> bool:
    """A file is for who works on it, their unit’s officers, and whoever commands; one on no desk for all who could take it."""
    return not who.roles.isdisjoint(DESK) and (
        "command" in who.roles or file.officer == who.id or file.unit in ("", who.unit)
    )


def may(ctx: Ctx, owner: str, secret: str, doing: Doing) -> None:
    """Raises `NotFound`, the same whether it is not there or not theirs; `Conflict` for a file that is closed."""
    kind, _, id_ = owner.partition(":")
    if kind == DRAFT and _holds_draft(ctx, id_, secret):
        return
    if kind == FILE and doing != "withdraw":
        row = ctx.db.execute(select(tables.file).where(tables.file.c.id == id_)).first()
        if row is not None and _has_file(ctx, row, secret):
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


def _has_file(ctx: Ctx, row: Any, secret: str) -> bool:
    if secret:
        return hmac.compare_digest(row.secret, digest(said_code(secret)))
    return ctx.principal.kind == "person" and works_on(ctx.principal, row)
