"""A decided act on its way to the ledger, and what stands there of it: a leaf that names nobody, a body sealed beside it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from egide.kernel.act import Act, Ctx, Effect, Facts, Receipt
from egide.kernel.errors import EgideError

if TYPE_CHECKING:
    from asyncio import Future

    from egide.kernel.guard import Decision
    from egide.kernel.repeats import Asked
    from egide.kernel.vault import Vault

_encode = msgspec.json.Encoder().encode


class Leaf(msgspec.Struct, omit_defaults=True):
    """What is hashed into the log: ciphertext hashes and random ids, never a person (EDPB 02/2025)."""

    v: int
    id: str
    at: int
    realm: str
    act: str
    verb: str
    activity: str
    outcome: str
    law: str
    body: str
    actor: str = ""
    rules: tuple[str, ...] = ()
    order: str = ""
    cause: str = ""
    rows: int = 0
    sub: str = ""


class Body(msgspec.Struct, omit_defaults=True):
    """What is sealed beside the leaf: enough to decide the act again under another law (replay)."""

    input: msgspec.Raw
    facts: Facts
    purpose: str = ""
    reasons: tuple[str, ...] = ()
    called: int = 0  # µs; when it was asked for, where that was before the ledger could take it (emergency.py)


@dataclass(slots=True)
class Work:
    """One decided act on its way to the ledger."""

    act: Act
    ctx: Ctx
    given: Any
    raw: bytes
    facts: Facts
    decision: Decision
    effect: Effect | None
    outcome: str
    epoch: int
    id: str
    future: Future[Any]
    error: EgideError | None = None
    receipt: Receipt | None = None
    # (consumer, event): written with the act that was allowed, so that the event is never handled twice. A call for help is
    # written with it though it was refused: the emergency journal must not append it again.
    once: tuple[str, int] | None = None
    asked: Asked | None = None  # by a device that may ask it again: done once (repeats.py)
    settled: bool = False  # decided and done already, with the ledger away: it is not decided again


def signatory(work: Work) -> tuple[str, str]:
    """The (person, purpose) under which an act's body is sealed."""
    actor = work.effect.actor if work.effect is not None else None
    return actor or work.ctx.principal.id or "nobody", work.act.activity


def written(work: Work, vault: Vault, at: int, realm: str) -> tuple[bytes, bytes]:
    """What stands in the ledger of an act: its sealed body, and the leaf that names nobody. `at`: µs."""
    effect = work.effect
    person, purpose = signatory(work)
    body = Body(
        input=msgspec.Raw(work.raw or b"{}"),
        facts=work.facts,
        purpose=work.ctx.purpose,
        reasons=tuple(reason.rule for reason in work.decision.reasons),
        called=work.ctx.now_us if work.settled else 0,
    )
    sealed = vault.seal(person, purpose, _encode(body), work.id.encode())
    leaf = Leaf(
        v=1,
        id=work.id,
        at=at,
        realm=realm,
        act=work.act.name,
        verb=work.act.verb,
        activity=purpose,
        outcome=work.outcome,
        law=work.decision.law_hash,
        body=hashlib.sha256(sealed).hexdigest(),
        actor=vault.subject_id(person, purpose),
        rules=body.reasons,
        order=(effect.order or "") if effect is not None else "",
        cause=work.ctx.cause,
        rows=effect.bulk[0] if effect is not None and effect.bulk else 0,
        sub=effect.bulk[1].hex() if effect is not None and effect.bulk else "",
    )
    return sealed, _encode(leaf)
