"""Proof of erasure: a receipt that only the wallet keeps, its hash in a tree of many, and that tree's root where all can see it.

    receipt   signed by the issuer: these status indexes are revoked, the consent and every link are gone      → the wallet
    leaf      SHA-256(0x00 ‖ receipt), RFC 9162                                                                 → one row, no name
    root      of all leaves of the hour, filled up with leaves of nothing to at least `LEAST`                   → the ledgers

One traveller's hash never leaves the house: with one erasure in the hour the root would be that hash (EDPB 02/2025 §§48-54), so a
tree is never smaller than `LEAST`. A receipt holds 16 random bytes: nobody finds it by trying indexes.
"""

from __future__ import annotations

from secrets import token_bytes
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import delete, func, insert, select, update

from egide.border import tables
from egide.border.keys import last_issuer, signer
from egide.border.ledger.errors import LedgerRefused
from egide.border.realm import FACILITATION
from egide.border.statuses import uri
from egide.kernel import merkle
from egide.kernel.act import Act, Ctx, Effect, Input, act
from egide.kernel.clock import iso
from egide.kernel.errors import Conflict, NotFound, Text
from egide.kernel.identity import new_id
from egide.kernel.randomness import draw
from egide.protocols.sdjwt.signing import compact, public_of
from egide.protocols.vapid import encoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import Issuer
from egide.protocols.wallet.statuslist import opened
from egide.protocols.wallet.tokens import Jwk, Key, header, key_of, parsed, payload

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from egide.border.consortium import Consortium
    from egide.kernel.kernel import Kernel

TYPE = "egide-border-erasure+jwt"
LEAST = 64  # leaves of a tree
NONCE_BYTES = 16
KEPT_US = 30 * 86_400_000_000  # µs that a leaf can be proved; then the receipt stands by its signature alone
Reason = Literal["departure", "withdrawn"]


class Erased(msgspec.Struct, frozen=True):
    """What a receipt says. `at` in s since 1970; `statuses`: revoked places in the list at `uri`."""

    at: int
    reason: Reason
    statuses: tuple[int, ...]
    uri: str
    nonce: str


class LeafRef(Input):
    """The hash of a receipt (64 hex digits), which its holder computes."""

    leaf: str


class Proof(msgspec.Struct):
    """That a leaf is in a tree whose root all can see: RFC 9162 §2.1.3, hashes in hex.

    `anchored`: the size under which the consortium's ledger has the root (`erasure_at`); 0 where it has not.
    """

    leaf: str
    index: int
    size: int
    path: list[str]
    root: str
    at: str
    anchored: int


class Anchored(msgspec.Struct):
    """How many erasures went into a root, and the root; "" where there was none."""

    erasures: int
    root: str


class NoInput(Input):
    """Nothing to say."""


def receipt(ctx: Ctx, reason: Reason, places: tuple[int, ...]) -> str:
    """A signed receipt. Raises `NotFound` where there never was an issuer's key, hence no token either."""
    kid = last_issuer(ctx.db)
    body = Erased(ctx.now_us // 1_000_000, reason, places, uri(ctx.kernel), encoded(token_bytes(NONCE_BYTES)))
    head = {"typ": TYPE, "kid": kid}
    return compact(head, msgspec.to_builtins(body), signer(FACILITATION, ctx.kernel, ctx.db, kid))


def leaf_of(text: str) -> bytes:
    """The leaf of a receipt, 32 bytes."""
    return merkle.leaf_hash(text.encode("ascii"))


def leaf_row(text: str, now_us: int) -> tuple[Any, dict[str, Any]]:
    """What the house keeps of a receipt."""
    return tables.leaf, {"hash": leaf_of(text).hex(), "at": now_us, "batch": None, "place": None}


def verify(text: str, proof: Proof, issuer: Jwk, status_list: str, now: int) -> Erased:
    """What the wallet checks, without asking anybody: signature, place in the tree, and every token revoked.

    `issuer`: the key on the trust list; `status_list` as it is served; `now` in s since 1970. Raises `WalletError`,
    `merkle.ProofError`.
    """
    key = _named(issuer)
    told: Erased = parsed(payload(text, header(text, TYPE), key), Erased, "the receipt")
    merkle.verify_inclusion(
        proof.index, proof.size, leaf_of(text), [bytes.fromhex(each) for each in proof.path], bytes.fromhex(proof.root)
    )
    by = Issuer(name="", vct=(), level=0, keys=(key,))
    found = opened(status_list, told.uri, by, now)
    if not all(found.value(place) for place in told.statuses):
        raise WalletError("status", "a token that was said to be revoked still counts")
    return told


def _named(issuer: Jwk) -> Key:
    public_of(issuer)  # P-256, or nothing
    return key_of(issuer)


@act(
    "border.erasure.anchor", verb="anchor", activity=tables.FACILITATION, roles=["system"], system=True, duty=True, input=NoInput,
    output=Anchored, fr="Ancrer les effacements de l’heure", en="Anchor the erasures of the hour",
)  # fmt: skip
def anchor(ctx: Ctx, _given: NoInput) -> Effect:
    """One root for all erasures since the last; the platform's ledger has it with this act, the consortium's soon (clerk.py)."""
    leaf, batch = tables.leaf, tables.batch
    found = [row.hash for row in ctx.db.execute(select(leaf.c.hash).where(leaf.c.batch.is_(None))).all()]
    if not found:
        return Effect(Anchored(0, ""), apply=lambda connection: _forget_old(connection, ctx.now_us))
    # Drawn leaves of nothing among the others: nobody can count travellers, or find one alone.
    every = sorted([*found, *(draw(32).hex() for _ in range(max(0, LEAST - len(found))))])
    frontier = merkle.Frontier()
    frontier.extend([bytes.fromhex(each) for each in every])
    root, id_ = frontier.root().hex(), new_id()
    total = int(ctx.db.execute(select(func.max(batch.c.total))).scalar() or 0) + len(every)
    padding = set(every) - set(found)

    def apply(connection: Connection) -> None:
        here = {row.hash for row in connection.execute(select(leaf.c.hash).where(leaf.c.batch.is_(None)))}
        if not here.issuperset(found):
            raise Conflict(Text("Ces effacements viennent d’être ancrés.", "These erasures were anchored just now."))
        row = {"id": id_, "at": ctx.now_us, "size": len(every), "total": total, "root": root, "anchored": False}
        connection.execute(insert(batch), row)
        for place, each in enumerate(every):
            if each in padding:
                connection.execute(
                    insert(leaf), {"hash": each, "at": ctx.now_us, "batch": id_, "place": place}
                )  # fmt: skip
            else:
                connection.execute(update(leaf).where(leaf.c.hash == each).values(batch=id_, place=place))
        _forget_old(connection, ctx.now_us)

    return Effect(Anchored(len(found), root), apply=apply)


def write_out(kernel: Kernel, consortium: Consortium) -> None:
    """Writes the oldest root that the consortium's ledger has not. Raises what the ledger raises; it comes again."""
    batch = tables.batch
    waiting = select(batch).where(batch.c.anchored.is_(False)).order_by(batch.c.total).limit(1)
    row = kernel.store.reader().execute(waiting).first()
    if row is None:
        return
    try:
        consortium.erasure_root(bytes.fromhex(row.root), row.total)
    except LedgerRefused:
        _renumber(kernel, consortium, row)
        raise
    with kernel.store.side() as connection:  # where a root stands elsewhere is nobody’s data
        connection.execute(update(batch).where(batch.c.id == row.id).values(anchored=True))


def _renumber(kernel: Kernel, consortium: Consortium, row: Any) -> None:
    """After a restore the ledger is ahead of us: what waits gets sizes above its last, or nothing would be taken again."""
    batch, last = tables.batch, consortium.last_erasure(consortium.me)
    if last is not None and last.size >= row.total and last.root != bytes.fromhex(row.root):
        more = last.size + row.size - row.total
        with kernel.store.side() as connection:  # as above
            connection.execute(update(batch).where(batch.c.anchored.is_(False)).values(total=batch.c.total + more))


def _forget_old(connection: Connection, now_us: int) -> None:
    """A tree goes as a whole: with a leaf less no path of the others would lead to its root."""
    leaf, batch = tables.leaf, tables.batch
    old = batch.c.at <= now_us - KEPT_US
    connection.execute(delete(leaf).where(leaf.c.batch.in_(select(batch.c.id).where(old))))
    connection.execute(delete(batch).where(old))


@act(
    "border.erasure.prove", verb="consult", activity=tables.FACILITATION, roles=["anyone"], duty=True, input=LeafRef, output=Proof,
    fr="Obtenir la preuve d’un effacement", en="Obtain the proof of an erasure",
)  # fmt: skip
def prove(ctx: Ctx, given: LeafRef) -> Effect:
    """For who holds the receipt: its hash says nothing to anybody else."""
    leaf, batch = tables.leaf, tables.batch
    mine = ctx.db.execute(select(leaf).where(leaf.c.hash == given.leaf)).first()
    row = (
        None
        if mine is None or mine.batch is None
        else ctx.db.execute(select(batch).where(batch.c.id == mine.batch)).first()
    )
    if mine is None or row is None:
        raise NotFound(
            Text("Cette preuve n’est pas encore ancrée, ou ne l’est plus.", "This proof is not anchored yet, or no longer."),
            Text("Revenez dans l’heure : les preuves sont ancrées ensemble.", "Come back within the hour: proofs are anchored together."),
        )  # fmt: skip
    hashes = ctx.db.execute(select(leaf.c.hash).where(leaf.c.batch == row.id).order_by(leaf.c.place)).all()
    every = [bytes.fromhex(each.hash) for each in hashes]
    path = merkle.inclusion_path(mine.place, len(every), lambda height, index: _node(every, height, index))
    proof = Proof(
        given.leaf, mine.place, row.size, [each.hex() for each in path], row.root, iso(row.at), row.total if row.anchored else 0
    )  # fmt: skip
    return Effect(proof)


def _node(leaves: list[bytes], height: int, index: int) -> bytes:
    return merkle.perfect_root(leaves[index << height : (index + 1) << height])


ACTS: tuple[Act, ...] = (anchor, prove)
