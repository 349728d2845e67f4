"""The keys of issuers and gates: made here, sealed in the vault, known outside by their `kid` and listed for everyone to see.

A gate whose key is not on the list asks nobody for anything. Where the consortium's ledger is connected (`CONSORTIUM` among the
kernel's things) it has the last word: a key that its authorities removed is none, whatever this platform's own table says.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from sqlalchemy import Connection, bindparam, or_, select, update

from egide.border.ledger import model as ledger
from egide.border.ledger.model import Ledger
from egide.border.realm import BOTH, FACILITATION, Of
from egide.border.room.messages import IssuerKey
from egide.border.room.parent import DigestSigner
from egide.kernel.act import Act, Change, Ctx, Effect, Input, Rows, act
from egide.kernel.clock import iso
from egide.kernel.errors import NotFound, Text
from egide.protocols.sdjwt.signing import HALF, Signer, jwk_of, kid_of, local

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

CONSORTIUM = "border-consortium"  # among the kernel’s things
Role = Literal["issuer", "verifier"]
ROLES: dict[Role, ledger.Role] = {"issuer": ledger.Role.ISSUER, "verifier": ledger.Role.VERIFIER}


class NewKey(Input):
    """What the key is for."""

    role: Role


class KeyRef(Input):
    """A key."""

    kid: str


class KeyShown(msgspec.Struct):
    """A key as everyone may know it; times in ISO 8601."""

    kid: str
    role: str
    x: str
    y: str
    since: str
    until: str | None


class TrustList(msgspec.Struct):
    """Every key of this realm there ever was, the newest first."""

    realm: str
    keys: list[KeyShown]


class NoInput(Input):
    """Nothing to say."""


def owner(kid: str) -> str:
    """Whose vault key seals it: its own."""
    return f"border-key:{kid}"


def _make(of: Of, ctx: Ctx, given: NewKey) -> Effect:
    key = ec.generate_private_key(ec.SECP256R1())
    kid, jwk, kernel = kid_of(key.public_key()), jwk_of(key.public_key()), ctx.kernel
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def sealed() -> Rows:
        body = kernel.vault.seal(owner(kid), of.activity, plain, kid.encode())
        row = {
            "kid": kid, "role": given.role, "x": jwk.x, "y": jwk.y, "since": ctx.now_us, "until": None, "body": body
        }  # fmt: skip
        return [(of.tables.key, row)]

    shown = KeyShown(kid, given.role, jwk.x, jwk.y, iso(ctx.now_us), None)
    return Effect(shown, sealed=sealed, keys=((owner(kid), of.activity),))


def _end(of: Of, ctx: Ctx, given: KeyRef) -> Effect:
    table = of.tables.key
    statement = update(table).where(table.c.kid == bindparam("of"), table.c.until.is_(None))
    ended = Change(statement.values(until=bindparam("at")), {"of": given.kid, "at": ctx.now_us}, _unknown)
    return Effect(None, changes=(ended,))


def _unknown() -> NotFound:
    return NotFound(
        Text("Cette clé n’existe pas, ou ne sert plus.", "There is no such key, or it serves no more."),
        Text("Regardez la liste de confiance.", "Look at the trust list."),
    )


def _list(of: Of, ctx: Ctx, _given: NoInput) -> Effect:
    table = of.tables.key
    rows = ctx.db.execute(select(table).order_by(table.c.since.desc(), table.c.kid)).all()
    shown = [
        KeyShown(row.kid, row.role, row.x, row.y, iso(row.since), None if row.until is None else iso(row.until))
        for row in rows
    ]
    return Effect(TrustList(of.realm, shown))


def _standing(of: Of, db: Connection, role: Role, now_us: int) -> list[Any]:
    table = of.tables.key
    found = select(table).where(
        table.c.role == role, table.c.since <= now_us, or_(table.c.until.is_(None), table.c.until > now_us)
    )
    return list(db.execute(found.order_by(table.c.since.desc(), table.c.kid)).all())


def _confirmed(kernel: Kernel, kid: str, role: Role, now_us: int) -> bool:
    consortium: Ledger | None = kernel.things.get(CONSORTIUM)
    return consortium is None or consortium.trusted(kid, ROLES[role], now_us // 1_000_000) is not None


def registered(of: Of, ctx: Ctx, kid: str) -> bool:
    """Whether a gate's key is trusted now."""
    known = any(row.kid == kid for row in _standing(of, ctx.db, "verifier", ctx.now_us))
    return known and _confirmed(ctx.kernel, kid, "verifier", ctx.now_us)


def public(of: Of, db: Connection, kid: str) -> IssuerKey:
    """The public key of this name. Raises `NotFound`."""
    table = of.tables.key
    row = db.execute(select(table.c.x, table.c.y).where(table.c.kid == kid)).first()
    if row is None:
        raise _unknown()
    return IssuerKey(kid, row.x, row.y)


def issuers(ctx: Ctx) -> tuple[IssuerKey, ...]:
    """The issuers whose tokens count now, at every gate of both realms: public keys, nothing of a traveller."""
    rows = _standing(FACILITATION, ctx.db, "issuer", ctx.now_us)
    return tuple(
        IssuerKey(row.kid, row.x, row.y) for row in rows if _confirmed(ctx.kernel, row.kid, "issuer", ctx.now_us)
    )


def signer(of: Of, kernel: Kernel, db: Connection, kid: str) -> Signer:
    """The signer of a key that was made here. Raises `NotFound`."""
    return local(_private(of, kernel, db, kid))


def digest_signer(of: Of, kernel: Kernel, db: Connection, kid: str) -> DigestSigner:
    """The same for SHA-256 digests: what is signed for a room is not to be seen here. Raises `NotFound`."""
    key = _private(of, kernel, db, kid)

    def sign(digest: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(Prehashed(SHA256()))))
        return r.to_bytes(HALF, "big") + s.to_bytes(HALF, "big")

    return sign


def _private(of: Of, kernel: Kernel, db: Connection, kid: str) -> ec.EllipticCurvePrivateKey:
    table = of.tables.key
    row = db.execute(select(table.c.body).where(table.c.kid == kid)).first()
    if row is None:
        raise _unknown()
    key = load_der_private_key(kernel.vault.open_(owner(kid), of.activity, row.body, kid.encode()), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101 — `_make` makes no other, for the type checker
    return key


def current_issuer(db: Connection, now_us: int) -> str:
    """The issuer's newest key. Raises `NotFound` where the administrator has made none."""
    return standing_issuers(db, now_us)[0]


def last_issuer(db: Connection) -> str:
    """The issuer's newest key, also where it was ended: for what is owed to people whatever became of it. Raises `NotFound`."""
    table = FACILITATION.tables.key
    ever = (
        select(table.c.kid)
        .where(table.c.role == "issuer")
        .order_by(table.c.until.is_(None).desc(), table.c.since.desc())
    )
    row = db.execute(ever).first()
    if row is None:
        raise _unknown()
    return str(row.kid)


def standing_issuers(db: Connection, now_us: int) -> tuple[str, ...]:
    """The issuer's keys, the newest first. Raises `NotFound` where the administrator has made none."""
    rows = _standing(FACILITATION, db, "issuer", now_us)
    if not rows:
        raise NotFound(
            Text("Aucune clé d’émetteur n’est en service ici.", "No issuer’s key is in service here."),
            Text("L’administrateur la crée d’abord.", "The administrator makes it first."),
        )
    return tuple(str(row.kid) for row in rows)


def acts(of: Of) -> tuple[Act, ...]:
    """The acts of this realm's keys."""
    return (
        act(
            of.name("key.make"), verb="administer", activity=of.activity, roles=["administrator"], duty=True, input=NewKey,
            output=KeyShown, fr="Créer une clé d’émetteur ou de porte", en="Make a key of an issuer or a gate",
        )(partial(_make, of)),
        act(
            of.name("key.end"), verb="administer", activity=of.activity, roles=["administrator"], duty=True, input=KeyRef,
            fr="Retirer une clé de la liste de confiance", en="Take a key off the trust list",
        )(partial(_end, of)),
        act(
            of.name("trust.list"), verb="view", activity=of.activity, roles=["anyone"], open=True, input=NoInput,
            output=TrustList, fr="Lire la liste de confiance", en="Read the trust list",
        )(partial(_list, of)),
    )  # fmt: skip


ACTS: tuple[Act, ...] = tuple(each for of in BOTH for each in acts(of))
