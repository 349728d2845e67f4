"""Federation: another installation is trusted by an act of the administrator, for named groups each way, until it is revoked.

Trust is in the other's TAK authority, handed over between people who compare its fingerprint. What is shared with whom is
decided here and nowhere else: the partner learns neither our groups nor what they are called.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from sqlalchemy import Connection, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, NotFound, Text
from egide.kernel.identity import new_id
from egide.operations import tables as operations_tables
from egide.operations.tak import tables
from egide.operations.tak.authority import Authority
from egide.operations.tak.groups import MISSION, UNIT

PEERS_CHANGED = "tak.peers.changed"
MAX_PEM = 16 * 1024  # bytes
MAX_GROUPS = 50
ADMIN = ("administrator",)
_TABLE = tables.peer


class NewPeer(Input):
    """A partner: name, where it is called (empty: it calls us), TAK authority (PEM), which groups' events go there, in which
    groups what comes from there is shown, and why.
    """

    name: str
    authority: str
    motive: str
    host: str = ""
    port: int = 9001
    sends: list[str] = []
    receives: list[str] = []


class PeerRef(Input):
    """A partner no longer trusted, and why."""

    peer: str
    reason: str


class PeerShown(msgspec.Struct):
    """A partner."""

    id: str
    name: str
    host: str
    port: int
    fingerprint: str
    sends: list[str]
    receives: list[str]
    since: str
    connected: bool


class Peers(msgspec.Struct):
    """Partners, what of ours they need (the authority, PEM, and its SHA-256), and the groups one may share with."""

    peers: list[PeerShown]
    authority: str
    fingerprint: str
    groups: list[dict[str, str]]


class Passed(Input):
    """What passed to and from a partner since the last count, and the sub-root of it."""

    peer: str
    sent: int
    received: int
    root: str


@act(
    "operations.tak.federate", verb="disclose", activity="tak-data", roles=ADMIN, input=NewPeer, output=PeerShown,
    fr="Fédérer un service partenaire sur TAK", en="Federate a partner service on TAK",
)  # fmt: skip
def federate(ctx: Ctx, given: NewPeer) -> Effect:
    name = " ".join(given.name.split())
    if not 1 <= len(name) <= 200 or len(given.host) > 255 or not 1 <= given.port <= 65_535:
        raise BadInput(Text("Nom, adresse ou port impossible.", "Impossible name, address or port."))
    certificate = read_authority(given.authority)
    der = certificate.public_bytes(serialization.Encoding.DER)
    if der == Authority.of(ctx.kernel).der:
        raise BadInput(
            Text("C’est notre propre autorité.", "This is our own authority."),
            Text("Donnez celle du partenaire.", "Give the partner’s."),
        )
    known = {group["id"] for group in groups(ctx.db)}
    sends, receives = _groups(given.sends, known), _groups(given.receives, known)
    if not sends and not receives:
        raise BadInput(Text("Choisissez au moins un groupe.", "Choose at least one group."))
    id_, host = new_id(), given.host.strip()
    row = {
        "id": id_, "name": name, "host": host, "port": given.port, "authority": der, "sends": sends, "receives": receives,
        "since": ctx.now_us, "revoked": None,
    }  # fmt: skip

    def apply(connection: Connection) -> None:
        same = select(_TABLE.c.id).where(_TABLE.c.authority == der, _TABLE.c.revoked.is_(None), _TABLE.c.id != id_)
        if connection.execute(same).first() is not None:
            raise Conflict(
                Text("Ce partenaire est déjà fédéré.", "This partner is federated already."),
                Text("Révoquez-le d’abord pour changer ses groupes.", "Revoke it first to change its groups."),
            )

    told = PeerShown(
        id_, name, host, given.port, sha256(der).hexdigest(), sends.split(), receives.split(), iso(ctx.now_us), connected=False
    )  # fmt: skip
    return Effect(told, rows=[(_TABLE, row)], apply=apply, events=[(PEERS_CHANGED, {"peer": id_})])


@act(
    "operations.tak.unfederate", verb="administer", activity="tak-data", roles=ADMIN, input=PeerRef,
    fr="Mettre fin à une fédération TAK", en="End a TAK federation",
)  # fmt: skip
def unfederate(ctx: Ctx, given: PeerRef) -> Effect:
    if ctx.db.execute(select(_TABLE.c.id).where(_TABLE.c.id == given.peer, _TABLE.c.revoked.is_(None))).first() is None:
        raise NotFound(Text("Ce partenaire n’est pas fédéré.", "This partner is not federated."))

    def apply(connection: Connection) -> None:
        connection.execute(
            update(_TABLE).where(_TABLE.c.id == given.peer, _TABLE.c.revoked.is_(None)).values(revoked=ctx.now_us)
        )

    return Effect(
        Nothing(),
        apply=apply,
        events=[(PEERS_CHANGED, {"peer": given.peer}), ("right.changed", {})],
        rights_changed=True,
    )


@act(
    "operations.tak.peers", verb="view", activity="tak-data", roles=ADMIN, duty=True, output=Peers,
    fr="Voir les partenaires TAK", en="See TAK partners",
)  # fmt: skip
def list_peers(ctx: Ctx, _given: Nothing) -> Effect:
    authority = Authority.of(ctx.kernel)
    up: set[str] = ctx.kernel.things.get("tak-linked", set())
    rows = ctx.db.execute(select(_TABLE).where(_TABLE.c.revoked.is_(None)).order_by(_TABLE.c.since)).all()
    shown = [
        PeerShown(
            row.id, row.name, row.host, row.port, sha256(row.authority).hexdigest(), row.sends.split(), row.receives.split(), iso(row.since),
            connected=row.id in up,
        )
        for row in rows
    ]  # fmt: skip
    return Effect(Peers(shown, authority.pem.decode(), sha256(authority.der).hexdigest(), groups(ctx.db)))


@act(
    "operations.tak.federation.seal", verb="disclose", activity="tak-data", roles=["system"], system=True, duty=True, input=Passed,
    fr="Sceller ce qui a passé vers et depuis un partenaire TAK", en="Seal what passed to and from a TAK partner",
)  # fmt: skip
def seal(_ctx: Ctx, given: Passed) -> Effect:
    return Effect(Nothing(), bulk=(given.sent + given.received, bytes.fromhex(given.root)))


def groups(db: Connection) -> list[dict[str, str]]:
    """Every group there is now: units, and open missions."""
    units, missions = kernel_tables.unit, operations_tables.mission
    found = [{"id": f"{UNIT}{row.id}", "name": row.name} for row in db.execute(select(units).order_by(units.c.name))]
    running = select(missions.c.id, missions.c.title).where(missions.c.closed.is_(None)).order_by(missions.c.opened)
    return found + [{"id": f"{MISSION}{row.id}", "name": row.title} for row in db.execute(running)]


def read_authority(pem: str) -> x509.Certificate:
    """A certificate authority, PEM. Raises `BadInput`."""
    found: x509.Certificate | None = None
    signs, key = False, None
    with suppress(ValueError, x509.ExtensionNotFound):
        found = x509.load_pem_x509_certificate(pem[:MAX_PEM].encode())
        signs = found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        key = found.public_key()
    strong = isinstance(key, ec.EllipticCurvePublicKey) or (isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048)
    if found is None or not signs or not strong:
        raise BadInput(
            Text("Ce n’est pas un certificat d’autorité (PEM).", "This is no authority’s certificate (PEM)."),
            Text("Copiez celui que montre la page du partenaire.", "Copy the one that the partner’s page shows."),
        )
    return found


def peers(db: Connection) -> list[Any]:
    """The partners trusted now."""
    return list(db.execute(select(_TABLE).where(_TABLE.c.revoked.is_(None)).order_by(_TABLE.c.since)).all())


def _groups(asked: list[str], known: set[str]) -> str:
    wanted = list(dict.fromkeys(asked))
    if len(wanted) > MAX_GROUPS or not set(wanted) <= known:
        raise NotFound(Text("Ce groupe n’existe pas.", "This group does not exist."))
    return " ".join(wanted)


ACTS: tuple[Act, ...] = (federate, unfederate, list_peers, seal)
