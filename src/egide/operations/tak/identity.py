"""Whose device this is: a client certificate → the enrolled device and its person, or nobody.

Asked at every connection and every request, from the store: a revoked device or an inactive person is nobody at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.x509.oid import NameOID
from sqlalchemy import Connection, bindparam, select
from sqlalchemy.exc import DatabaseError

from egide.kernel.errors import NotFound, Text
from egide.kernel.store import unavailable
from egide.operations.tak import tables
from egide.operations.tak.sealed import opened

if TYPE_CHECKING:
    from egide.kernel.act import Ctx
    from egide.kernel.identity import Principal
    from egide.kernel.kernel import Kernel

_TABLE = tables.device
_BY_ID = select(_TABLE).where(_TABLE.c.id == bindparam("id"))


@dataclass(frozen=True, slots=True)
class TakDevice:
    """An enrolled device."""

    id: str
    person: str
    callsign: str
    fingerprint: str  # SHA-256 of its certificate, hex
    uid: str = ""  # what its application called itself when it enrolled


def device_of(kernel: Kernel, der: bytes) -> TakDevice | None:
    """The device of a certificate (DER) that our authority's handshake let through; None unless it may act now."""
    name = _name(der)
    try:
        db = kernel.store.reader()
        row = db.execute(_BY_ID, {"id": name}).first()
        # The name is the authority's word, the fingerprint the row's: neither alone makes another's device of a certificate.
        if row is None or row.fingerprint != sha256(der).hexdigest():
            return None
        if row.revoked is not None or row.until <= kernel.clock.now_us():
            return None
        if kernel.identity.person(row.person, db) is None:
            return None
    except DatabaseError as error:
        raise unavailable(error) from error
    return shown(kernel, row)


def principal_of(kernel: Kernel, device: TakDevice) -> Principal | None:
    """The device's person, as strongly signed in: the key never left the device, and a passkey asked for its certificate."""
    return kernel.identity.person(device.person, kernel.store.reader(), strong=True)


def shown(kernel: Kernel, row: Any) -> TakDevice:
    """A row, opened."""
    return TakDevice(
        row.id,
        row.person,
        _opened(kernel, row.person, row.callsign, row.id),
        row.fingerprint or "",
        _opened(kernel, row.person, row.uid, f"{row.id}:uid"),
    )


def devices(kernel: Kernel, db: Connection, ids: Iterable[str]) -> dict[str, TakDevice]:
    """The devices with these ids, as far as they are known still."""
    wanted = sorted(set(ids))
    return {row.id: shown(kernel, row) for row in db.execute(select(_TABLE).where(_TABLE.c.id.in_(wanted)))}


def name_on_the_wire(known: dict[str, TakDevice], device: str) -> str:
    """What other clients know a device by: the id of its application, else our own."""
    found = known.get(device)
    return (found.uid if found is not None else "") or device


def own_device(ctx: Ctx, id_: str) -> str:
    """The device an act says it comes from, when it is the actor's and may act. Raises `NotFound`."""
    row = ctx.db.execute(_BY_ID, {"id": id_}).first()
    if row is None or row.person != ctx.principal.id or row.revoked is not None or row.fingerprint is None:
        raise NotFound(
            Text("Cet appareil n’est pas l’un des vôtres.", "This device is not one of yours."),
            Text("Enrôlez-le sur la page « Appareils TAK ».", "Enrol it on the page “TAK devices”."),
        )
    return str(row.id)


def _name(der: bytes) -> str:
    """The subject's common name, "" where there is none."""
    try:
        found = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return ""
    return str(found[0].value) if found else ""


def _opened(kernel: Kernel, person: str, sealed: bytes | None, bound: str) -> str:
    return (opened(kernel, person, sealed, bound) or b"").decode() if sealed is not None else ""
