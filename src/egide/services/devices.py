"""Officers' devices that keep a pack for work without network: enrolled by their person, a key for 72 hours, ended when lost.

A device makes a key pair whose private half it cannot give away; the public half is enrolled here, bound to its person and to a
lease. What opens the device's store is half on the device, half here: given at each contact for `led.field_lease`, destroyed when
the device is revoked. What this guarantees of a seized device and what not: docs/decisions/0046 and 0059.
Source: directive 2016/680, articles 20 and 29.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from typing import ClassVar, Literal

import msgspec

from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.clock import iso
from egide.kernel.devices import MAX_LABEL, DeviceKind
from egide.kernel.errors import BadInput, Text
from egide.protocols import escrow
from egide.protocols.outbox_chain import ChainError, key_of
from egide.services.answers import clean
from egide.services.filing import OFFICERS
from egide.services.outbox_tables import LEASE, PURPOSE, device

UNKNOWN = (
    Text("Cet appareil n’existe pas, ou n’est pas le vôtre.", "This device does not exist, or is not yours."),
    Text("Prenez de nouveau le paquet hors ligne.", "Take the offline pack again."),
)
KIND = DeviceKind(device, "device", PURPOSE, LEASE, "led.field_lease", UNKNOWN, ("key", "escrow"))


class Enrolment(Input):
    """This device: what its person calls it, the public half of the key it signs with (P-256, uncompressed point, base64)."""

    unkept: ClassVar[frozenset[str]] = frozenset({"label"})

    label: str
    public: str


class DeviceRef(Input):
    """One device."""

    device: str


class PersonRef(Input):
    """Whose devices."""

    person: str


class Revocation(Input):
    """A device that is lost, stolen or given back, and why."""

    device: str
    reason: str


class Lease(msgspec.Struct):
    """`key` (base64, 32 bytes) opens the device's store for `seconds` from now; no key where the device is revoked."""

    device: str
    state: Literal["active", "revoked"]
    key: str = ""
    until: str = ""
    seconds: int = 0
    escrow: str = ""  # when it is enrolled: the point (base64) to which the device seals its store's key


class Escrowed(DeviceRef):
    """A store's key as its device sealed it for the platform: the device's half of the exchange (base64), nonce, ciphertext."""

    point: str
    iv: str
    data: str


class Opened(msgspec.Struct):
    """The store's key, base64: it opens a queue that was brought as a file."""

    key: str


class DeviceState(msgspec.Struct):
    """Whether a device may go on keeping anything."""

    state: Literal["active", "revoked", "unknown"]


class DeviceShown(msgspec.Struct):
    """A device, as its person or an administrator sees it."""

    id: str
    label: str
    here: bool  # this session's
    enrolled: str
    seen: str
    until: str
    revoked: str


class Devices(msgspec.Struct):
    """Devices, newest contact first."""

    devices: list[DeviceShown]


def enrolled(ctx: Ctx, given: DeviceRef) -> Facts:
    """Whether the device is this person's and was not revoked."""
    row = KIND.found(ctx.db, given.device)
    return {"device_enrolled": row is not None and row.person == ctx.principal.id and row.revoked is None}


@act(
    "services.device.enrol", verb="collect", activity=PURPOSE, roles=OFFICERS, duty=True, input=Enrolment, output=Lease,
    fr="Prendre le paquet hors ligne sur cet appareil", en="Take the offline pack on this device",
)  # fmt: skip
def enrol(ctx: Ctx, given: Enrolment) -> Effect:
    label = " ".join(clean(given.label).split())
    if not 1 <= len(label) <= MAX_LABEL:
        raise BadInput(
            Text(f"Le nom de l’appareil a de 1 à {MAX_LABEL} signes.", f"A device’s name has 1 to {MAX_LABEL} characters.")
        )  # fmt: skip
    try:
        point = b64decode(given.public, validate=True)
        key_of(point)
    except (ChainError, binascii.Error, ValueError) as error:
        raise BadInput(
            Text("Cette clé publique n’est pas un point de P-256.", "This public key is no point of P-256.")
        ) from error
    row, lent = KIND.new(ctx, label)
    id_, (private, public) = row["id"], escrow.pair()
    row |= {"public": point, "enrolled": ctx.now_us}
    row["escrow"] = ctx.kernel.vault.seal(KIND.owner(id_), LEASE, private, f"escrow.{id_}".encode())
    return Effect(Lease(id_, *lent, b64encode(public).decode()), rows=[(device, row)])


@act(
    "services.device.renew", verb="view", activity=PURPOSE, roles=OFFICERS, duty=True, input=DeviceRef, output=Lease,
    fr="Renouveler le bail du paquet hors ligne", en="Renew the lease of the offline pack",
)  # fmt: skip
def renew(ctx: Ctx, given: DeviceRef) -> Effect:
    row = KIND.one(ctx, given.device, ctx.principal.id)
    lent, apply = KIND.renewed(ctx, row)
    return Effect(Lease(row.id, *lent), apply=apply)


@act(
    "services.device.recover", verb="view", activity=PURPOSE, roles=OFFICERS, groups=["offline-device"], gather=enrolled, recheck=enrolled,
    duty=True, input=Escrowed, output=Opened, fr="Ouvrir la file d’un appareil apportée en fichier", en="Open a device’s queue that was brought as a file",
)  # fmt: skip
def recover(ctx: Ctx, given: Escrowed) -> Effect:
    """For a device whose browser lost its lease's half, or will not start: its officer brings the encrypted file elsewhere."""
    row = KIND.one(ctx, given.device, ctx.principal.id)
    private = ctx.kernel.vault.open_(KIND.owner(row.id), LEASE, bytes(row.escrow), f"escrow.{row.id}".encode())
    try:
        parts = [b64decode(one, validate=True) for one in (given.point, given.iv, given.data)]
        key = escrow.opened(private, row.id, *parts)
    except (escrow.EscrowError, binascii.Error, ValueError) as error:
        raise BadInput(
            Text("Ce fichier n’est pas celui de cet appareil.", "This file is not this device’s."),
            Text("Choisissez le fichier qu’il a exporté.", "Choose the file that it exported."),
        ) from error
    return Effect(Opened(b64encode(key).decode()))


@act(
    "services.device.state", verb="view", activity=PURPOSE, open=True, roles=["anyone"], input=DeviceRef, output=DeviceState,
    fr="Savoir si un appareil est révoqué", en="Know whether a device is revoked",
)  # fmt: skip
def state(ctx: Ctx, given: DeviceRef) -> Effect:
    """For a device whose session is over: a drawn number in, one word out, so that a lost one wipes itself when it can."""
    return Effect(DeviceState(KIND.state(ctx, given.device)))


@act(
    "services.device.mine", verb="view", activity=PURPOSE, roles=["self"], duty=True, output=Devices,
    fr="Voir ses appareils hors ligne", en="See one’s offline devices",
)  # fmt: skip
def mine(ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(Devices(_shown(ctx, ctx.principal.id)))


@act(
    "services.device.of", verb="consult", activity=PURPOSE, roles=["administrator"], duty=True, input=PersonRef, output=Devices,
    fr="Consulter les appareils hors ligne d’un agent", en="Consult an officer’s offline devices",
)  # fmt: skip
def of_person(ctx: Ctx, given: PersonRef) -> Effect:
    return Effect(Devices(_shown(ctx, given.person)), concerns=(given.person,))


@act(
    "services.device.revoke", verb="administer", activity=PURPOSE, roles=["self"], duty=True, input=Revocation,
    fr="Révoquer un de ses appareils hors ligne", en="Revoke one of one’s offline devices",
)  # fmt: skip
def revoke(ctx: Ctx, given: Revocation) -> Effect:
    return KIND.revoked(ctx, KIND.one(ctx, given.device, ctx.principal.id))


@act(
    "services.device.block", verb="administer", activity=PURPOSE, roles=["administrator"], input=Revocation,
    fr="Révoquer l’appareil hors ligne d’un agent", en="Revoke an officer’s offline device",
)  # fmt: skip
def block(ctx: Ctx, given: Revocation) -> Effect:
    row = KIND.one(ctx, given.device)
    effect = KIND.revoked(ctx, row)
    effect.concerns = (row.person,)
    return effect


def _shown(ctx: Ctx, person: str) -> list[DeviceShown]:
    return [
        DeviceShown(
            row.id, label, here, iso(row.enrolled), iso(row.seen), iso(row.until), iso(row.revoked) if row.revoked is not None else "",
        )
        for row, label, here in KIND.of(ctx, person)
    ]  # fmt: skip


ACTS: tuple[Act, ...] = (enrol, renew, recover, state, mine, of_person, revoke, block)
