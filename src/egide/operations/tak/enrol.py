"""Enrolment: a person signed in names a device of theirs, photographs a code, and the device fetches its certificate.

The token in the code works once and for a quarter of an hour. Code, address and certificate hold a drawn name, nothing of the
person. Signing is the person's act, caused by the enrolment: it is in the ledger under their name.
"""

from __future__ import annotations

import io
from hashlib import sha256
from typing import Any

import msgspec
from cryptography.hazmat.primitives import serialization
from sqlalchemy import Connection, select, update

from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, Receipt, act
from egide.kernel.clock import iso, to_us
from egide.kernel.errors import BadInput, Conflict, NotFound, NotSignedIn, Text
from egide.kernel.identity import digest, new_id, new_secret
from egide.operations.tak import tables
from egide.operations.tak.authority import Authority, read_request
from egide.operations.tak.identity import shown
from egide.operations.tak.profile import address, connection

TOKEN_US = 15 * 60 * 1_000_000  # µs: time to walk to the device and photograph the code
MAX_DEVICES = 10  # of one person; more would be nobody's any more
MAX_CALLSIGN = 40  # characters
MAX_UID = 120  # characters
OFFICERS = ("officer", "command", "pilot")
_TABLE = tables.device


class NewDevice(Input):
    """A device of one's own: the name under which others will see it."""

    callsign: str


class Enrolment(msgspec.Struct):
    """Shown once: the token, its address as a code to photograph (SVG), and where the package can be fetched once."""

    device: str
    token: str
    url: str
    code: str
    package: str
    until: str


class Devices(msgspec.Struct):
    """Enrolled devices, and whether TAK is switched on at all."""

    devices: list[dict[str, Any]]
    ready: bool


class DeviceList(Input):
    """One's own devices; an administrator may ask for everyone's."""

    everyone: bool = False


class Revocation(Input):
    """A device that must not connect any more, and why."""

    device: str
    reason: str


class Signing(Input):
    """A device's certificate request (PKCS #10), what its application calls itself."""

    device: str
    request: str
    uid: str = ""


class Signed(msgspec.Struct):
    """The certificate and the authority's, DER."""

    certificate: bytes
    authority: bytes


@act(
    "operations.tak.enrol", verb="administer", activity="tak-data", roles=OFFICERS, duty=True, input=NewDevice, output=Enrolment,
    fr="Enrôler un appareil TAK", en="Enrol a TAK device",
)  # fmt: skip
def enrol(ctx: Ctx, given: NewDevice) -> Effect:
    kernel, person = ctx.kernel, ctx.principal.id
    callsign = " ".join(given.callsign.split())
    if not 1 <= len(callsign) <= MAX_CALLSIGN or not callsign.isprintable():
        raise BadInput(
            Text(f"L’indicatif a de 1 à {MAX_CALLSIGN} caractères.", f"A callsign has 1 to {MAX_CALLSIGN} characters.")
        )
    if not kernel.settings.tak_enrol_port:
        raise _off()
    held = ctx.db.execute(
        select(_TABLE.c.id).where(
            _TABLE.c.person == person, _TABLE.c.revoked.is_(None), _TABLE.c.fingerprint.is_not(None)
        )
    ).all()
    if len(held) >= MAX_DEVICES:
        raise Conflict(
            Text(f"Vous avez déjà {MAX_DEVICES} appareils.", f"You have {MAX_DEVICES} devices already."),
            Text("Révoquez ceux qui ne servent plus.", "Revoke those no longer used."),
        )
    id_, token = new_id(), new_secret()
    row = {
        "id": id_, "person": person, "callsign": kernel.vault.seal(person, tables.PURPOSE, callsign.encode(), id_.encode()), "uid": None,
        "token": digest(token), "token_until": ctx.now_us + TOKEN_US, "enrolment": "", "signed": None, "fingerprint": None, "until": None,
        "revoked": None,
    }  # fmt: skip
    url = address(kernel.settings, id_, token)
    zipped = connection(kernel.settings, Authority.of(kernel), id_, token)
    told = Enrolment(
        id_, token, url, _code(url), kernel.downloads.offer(person, ctx.now_us, "egide-tak.zip", "application/zip", lambda: iter([zipped])),
        iso(ctx.now_us + TOKEN_US),
    )  # fmt: skip

    def caused(receipt: Receipt) -> None:
        # Beside the writer, since an act's number is drawn after its handler has run and `Effect.apply` is not told it; until
        # this is written the token certifies nothing.
        with kernel.store.side() as side:
            side.execute(update(_TABLE).where(_TABLE.c.id == id_).values(enrolment=receipt.id))

    return Effect(told, rows=[(_TABLE, row)], after=caused)


@act(
    "operations.tak.device.list", verb="consult", activity="tak-data", roles=(*OFFICERS, "administrator"), duty=True, input=DeviceList,
    output=Devices, fr="Voir les appareils TAK", en="See TAK devices",
)  # fmt: skip
def list_devices(ctx: Ctx, given: DeviceList) -> Effect:
    asked = select(_TABLE).where(_TABLE.c.fingerprint.is_not(None)).order_by(_TABLE.c.signed.desc()).limit(1000)
    everyone = given.everyone and "administrator" in ctx.principal.roles
    rows = ctx.db.execute(asked if everyone else asked.where(_TABLE.c.person == ctx.principal.id)).all()
    told = [
        {
            "id": row.id, "callsign": shown(ctx.kernel, row).callsign, "person": row.person, "name": ctx.kernel.identity.name(row.person),
            "signed": iso(row.signed), "until": iso(row.until), "revoked": iso(row.revoked) if row.revoked else None,
            "own": row.person == ctx.principal.id,
        }
        for row in rows
    ]  # fmt: skip
    return Effect(
        Devices(told, bool(ctx.kernel.settings.tak_enrol_port)),
        concerns=tuple({row.person for row in rows} - {ctx.principal.id}),
    )


@act(
    "operations.tak.device.revoke", verb="administer", activity="tak-data", roles=(*OFFICERS, "administrator"), input=Revocation,
    fr="Révoquer un appareil TAK", en="Revoke a TAK device",
)  # fmt: skip
def revoke(ctx: Ctx, given: Revocation) -> Effect:
    row = ctx.db.execute(select(_TABLE).where(_TABLE.c.id == given.device)).first()
    if row is None or (row.person != ctx.principal.id and "administrator" not in ctx.principal.roles):
        raise NotFound(Text("Cet appareil n’existe pas.", "This device does not exist."))

    def apply(connection: Connection) -> None:
        connection.execute(
            update(_TABLE).where(_TABLE.c.id == row.id, _TABLE.c.revoked.is_(None)).values(revoked=ctx.now_us)
        )

    return Effect(
        Nothing(), apply=apply, events=[("right.changed", {"person": row.person})], rights_changed=True,
        concerns=(row.person,) if row.person != ctx.principal.id else (),
    )  # fmt: skip


@act(
    "operations.tak.device.sign", verb="administer", activity="tak-data", roles=OFFICERS, duty=True, input=Signing, output=Signed,
    fr="Certifier la clé d’un appareil TAK", en="Certify a TAK device’s key",
)  # fmt: skip
def sign(ctx: Ctx, given: Signing) -> Effect:
    """The request is read, our subject put in; the token's single use is settled in the writer's transaction."""
    kernel = ctx.kernel
    row = ctx.db.execute(select(_TABLE).where(_TABLE.c.id == given.device)).first()
    # Whoever is signed in elsewhere holds no token: only the enrolment's own door leaves word that it saw one.
    if row is None or row.person != ctx.principal.id or not row.enrolment or ctx.cause != row.enrolment:
        raise NotFound(Text("Cet enrôlement n’existe pas.", "This enrolment does not exist."))
    if len(given.uid) > MAX_UID or not given.uid.isprintable():
        raise BadInput(Text("Identifiant d’application impossible.", "Impossible application id."))
    request = read_request(given.request.encode())
    authority = Authority.of(kernel)
    certificate = authority.sign(request, row.id, kernel.clock.now())
    der = certificate.public_bytes(serialization.Encoding.DER)
    values = {
        "signed": ctx.now_us, "fingerprint": sha256(der).hexdigest(), "until": to_us(certificate.not_valid_after_utc),
        "uid": kernel.vault.seal(row.person, tables.PURPOSE, given.uid.encode(), f"{row.id}:uid".encode()) if given.uid else None,
    }  # fmt: skip

    def apply(connection: Connection) -> None:
        unused = (_TABLE.c.signed.is_(None), _TABLE.c.revoked.is_(None), _TABLE.c.token_until > ctx.now_us)
        if connection.execute(update(_TABLE).where(_TABLE.c.id == row.id, *unused).values(**values)).rowcount != 1:
            raise used()

    return Effect(Signed(der, authority.der), apply=apply)


def token_holder(db: Connection, device: str, token: str, now_us: int) -> Any:
    """The row whose token this is, while the token lives: also once it was used, for what follows the certificate."""
    row = db.execute(select(_TABLE).where(_TABLE.c.id == device)).first()
    known = row is not None and row.token == digest(token) and row.token_until > now_us and row.revoked is None
    return row if known else None


def used() -> NotSignedIn:
    """What a used, late or unknown token is told."""
    return NotSignedIn(
        Text("Ce code d’enrôlement a servi ou expiré.", "This enrolment code was used or has expired."),
        Text("Demandez-en un autre sur la page « Appareils TAK ».", "Ask for another on the page “TAK devices”."),
    )


def _off() -> Conflict:
    return Conflict(
        Text("L’enrôlement TAK est éteint sur cette plateforme.", "TAK enrolment is switched off on this platform."),
        Text("Demandez à l’administrateur de régler tak_enrol_port.", "Ask the administrator to set tak_enrol_port."),
    )


def _code(url: str) -> str:
    import segno  # noqa: PLC0415 — 0.1 s at every start, for a picture drawn now and then

    drawn = io.BytesIO()
    segno.make(url, micro=False, error="m").save(
        drawn, kind="svg", xmldecl=False, svgns=True, scale=4, border=4, light="#fff"
    )
    return drawn.getvalue().decode()


ACTS: tuple[Act, ...] = (enrol, list_devices, revoke, sign)
