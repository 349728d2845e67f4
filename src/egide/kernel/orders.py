"""Orders are objects: a prefect's authorisation carries purpose, perimeter, cap, from, to, issuer — and a signature over all.

The bytes that are signed are kept as they are; anything altered afterwards no longer verifies and opens nothing. Revoking is a
second signature. State is never stored: it follows from signature, dates and revocation at the moment one asks.
Source: code de la sécurité intérieure L242-5 IV (what the order must say), design §2 “Orders are objects”.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from shapely.errors import ShapelyError
from shapely.geometry import Point, Polygon, shape
from sqlalchemy import Connection, select

from egide.kernel import tables
from egide.kernel.backup_sets import destroy, sync
from egide.kernel.checkpoint import parse_vkey
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, NotFound, Text
from egide.kernel.vault import SigningKey, VaultError
from egide.kernel.work import Leaf

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from egide.kernel.kernel import Kernel

MAX_VERTICES = 500  # of a perimeter; a hand-drawn one has a dozen
REVOKE = "orders.revoke"  # the act that ends an order
CACHED = 256  # verified orders held in memory
_ISSUER = re.compile(r"[\w-]{1,40}", re.ASCII)  # a person's id: it names a key file, so nothing else will do


class OrderBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the issuer signs. Times are µs since 1970 UTC; `perimeter` is a GeoJSON Polygon in WGS84."""

    id: str
    realm: str
    activity: str
    title: str
    purpose: str
    place: str
    perimeter: dict[str, Any]
    cap: int
    starts: int
    ends: int
    service: str
    necessity: str
    less_intrusive: str
    public_information: str
    information_exemption: str
    issuer: str
    equipment: str = ""
    event_ends: int | None = None
    renewal_of: str | None = None


# Everything but the scanned original, which may be megabytes.
_light = select(*(column for column in tables.order.c if column.name != "document"))

State = Literal["draft", "signed", "in_force", "ended", "revoked", "altered"]


@dataclass(frozen=True, slots=True)
class Order:
    """An order as it stands, with its signature checked."""

    body: OrderBody
    authentic: bool
    signed: int | None
    revoked: int | None
    reason: bytes | None
    paper: bytes | None
    area: BaseGeometry

    def state(self, now_us: int) -> State:
        """Where the order stands now."""
        if self.signed is None:
            return "draft"
        if not self.authentic:
            return "altered"
        if self.revoked is not None and self.revoked <= now_us:
            return "revoked"
        if now_us < self.body.starts:
            return "signed"
        return "in_force" if now_us < self.body.ends else "ended"

    def in_force(self, now_us: int) -> bool:
        """Whether it allows anything now."""
        return self.state(now_us) == "in_force"

    def contains(self, lat: float, lon: float) -> bool:
        """Whether a position lies inside the perimeter (its edge counts as inside)."""
        return bool(self.area.covers(Point(lon, lat)))


def canonical(body: OrderBody) -> bytes:
    """The bytes that are signed: JSON with sorted keys."""
    return msgspec.json.encode(body, order="sorted")


def perimeter(geometry: dict[str, Any]) -> BaseGeometry:
    """A checked polygon; raises `BadInput` for anything else, too large or crossing itself."""
    wrong = BadInput(
        Text("Le périmètre n’est pas un polygone valide.", "The perimeter is not a valid polygon."),
        Text("Dessinez-le à nouveau sur la carte, sans croisement.", "Draw it again on the map, without crossings."),
    )
    try:
        if geometry.get("type") != "Polygon" or sum(len(ring) for ring in geometry["coordinates"]) > MAX_VERTICES:
            raise wrong
        area = shape(geometry)
    except (ShapelyError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise wrong from error
    west, south, east, north = area.bounds if not area.is_empty else (0.0, 0.0, 0.0, 0.0)
    if area.is_empty or not area.is_valid or west < -180 or east > 180 or south < -90 or north > 90 or area.area == 0:
        raise wrong
    return area


def _unreadable(id_: str, issuer: str, realm: str) -> OrderBody:
    """What stands in the place of an order whose bytes are no order any more: it allows nothing."""
    return OrderBody(
        id=id_, realm=realm, activity="", title="", purpose="other", place="", perimeter={"type": "Polygon", "coordinates": []}, cap=0,
        starts=0, ends=0, service="other", necessity="", less_intrusive="", public_information="none", information_exemption="", issuer=issuer,
    )  # fmt: skip


class Orders:
    """Reads and verifies orders; a verified one is kept until its row changes."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._ended: set[str] | None = None
        self._cache: OrderedDict[tuple[str, bytes, bytes], tuple[OrderBody, bool, BaseGeometry]] = OrderedDict()

    def issuer_key(self, person: str) -> SigningKey:
        """The signing key of one issuer, made when they first sign. Its public half travels with the order."""
        return SigningKey.load_or_create(self._key_file(person), f"egide/{self._kernel.settings.realm}/issuer/{person}")

    def _key_file(self, person: str) -> Path:
        """Named by a MAC, so that a folder, a removed name or a backup's listing names nobody. Older names are changed."""
        place = self._kernel.settings.folder / "keys" / "issuers"
        file = place / f"{self._kernel.vault.name_of(person, 'issuer')}.key"
        older = place / f"{person}.key"
        if _ISSUER.fullmatch(person) and not file.exists() and older.exists():
            with suppress(FileNotFoundError):  # another process was quicker
                older.rename(file)
            sync(place)
        return file

    def signed_by(self, person: str) -> bool:
        """Whether a row still names this person as the issuer: then their key verifies it."""
        found = select(tables.order.c.id).where(tables.order.c.issuer == person).limit(1)
        return self._kernel.store.reader().execute(found).first() is not None

    def drop_key(self, person: str) -> None:
        """Destroys the person's own signing key, unless a signed order that stays is verified with it."""
        if not self.signed_by(person):
            file = self._key_file(person)
            if file.exists():
                destroy(file)

    def _has_key(self, person: str) -> bool:
        return self._key_file(person).exists()

    def get(self, order: str, db: Connection) -> Order:
        """One order; raises `NotFound`."""
        row = db.execute(_light.where(tables.order.c.id == order)).first()
        if row is None:
            raise NotFound(Text("Cet arrêté n’existe pas.", "This order does not exist."))
        return self._read(row)

    def all(self, db: Connection) -> list[Order]:
        """Every order of the realm."""
        return [self._read(row) for row in db.execute(_light.order_by(tables.order.c.id))]

    def current(self, order: str, db: Connection, now_us: int) -> Order:
        """The order itself while it is in force, else the one among its renewals that is; itself again when none is."""
        first = self.get(order, db)
        if first.in_force(now_us):
            return first
        everything = self.all(db)
        family = self.lineage(order, everything)
        return next((found for found in everything if found.body.id in family and found.in_force(now_us)), first)

    def lineage(self, order: str, everything: list[Order]) -> set[str]:
        """An order, those it renews and those that renew it: cameras under any of them count together against the cap."""
        family = {order}
        while True:
            more = {o.body.id for o in everything if o.body.renewal_of in family}
            more |= {o.body.renewal_of for o in everything if o.body.id in family and o.body.renewal_of}
            if more <= family:
                return family
            family |= more

    def _read(self, row: Any) -> Order:
        key = (row.id, bytes(row.draft), bytes(row.signature or b""))
        found = self._cache.get(key)
        if found is None:
            found = self._checked(row)
            self._cache[key] = found
            if len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        body, authentic, area = found
        # A draft that cannot be read was altered as well: it must not pass for one that may still be signed.
        signed = 0 if row.signed is None and area.is_empty else row.signed
        if row.revoked is None and row.id in self._ended_in_ledger():
            authentic = False  # somebody took the revocation out of the store; the ledger still has it
        return Order(body, authentic, signed, row.revoked, row.reason, row.paper, area)

    def forget(self) -> None:
        """A right changed, perhaps in another process: what the ledger says of ended orders is read again when asked."""
        self._ended = None

    def note_end(self, order: str) -> None:
        """An order has just ended, durably."""
        self._ended_in_ledger().add(order)

    def _ended_in_ledger(self) -> set[str]:
        """The orders that the ledger says were revoked, read once from its leaves: the column alone could be edited back."""
        if self._ended is None:
            table = tables.entry
            rows = self._kernel.store.reader().execute(
                select(table.c.leaf).where(
                    table.c.realm == self._kernel.settings.realm, table.c.act == REVOKE, table.c.outcome == "allowed"
                )
            )
            self._ended = {msgspec.json.decode(row[0], type=Leaf).order for row in rows}
        return self._ended

    def _checked(self, row: Any) -> tuple[OrderBody, bool, BaseGeometry]:
        """(body, whether its signature holds, area). One row that somebody damaged leaves the other orders readable."""
        try:
            body = msgspec.json.decode(row.draft, type=OrderBody)
            area = perimeter(body.perimeter)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadInput):
            return _unreadable(row.id, row.issuer, self._kernel.settings.realm), False, Polygon()
        authentic = self._authentic(row, body)
        return (body if body.id == row.id else msgspec.structs.replace(body, id=row.id)), authentic, area

    def _authentic(self, row: Any, body: OrderBody) -> bool:
        """The signature is over these very bytes, by the key of the issuer whom the body names, for this row."""
        if (
            row.signature is None
            or body.id != row.id
            or body.realm != self._kernel.settings.realm
            or not _ISSUER.fullmatch(body.issuer)
        ):
            return False
        if not self._has_key(body.issuer):  # looking at an altered order must not make a key
            return False
        key = self.issuer_key(body.issuer)
        if key.vkey != row.vkey:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(parse_vkey(key.vkey).public_key).verify(
                bytes(row.signature), bytes(row.draft)
            )
        except InvalidSignature:
            return False
        return True

    def statement(self, order: str, at: int, by: str) -> bytes:
        """The bytes that are signed when an order is ended."""
        return msgspec.json.encode({"revoked": order, "at": at, "by": by})

    def signed_end(self, row: Any, by: str) -> bool:
        """Whether this person's key signed the end that an order's row states."""
        if not _ISSUER.fullmatch(by) or not self._has_key(by):
            return False
        public = parse_vkey(self.issuer_key(by).vkey).public_key
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(
                bytes(row.revocation), self.statement(row.id, row.revoked, by)
            )
        except InvalidSignature:
            return False
        return True

    def show(self, order: Order, now_us: int) -> dict[str, Any]:
        """The order as pages show it (contract of the desk and the order strip)."""
        body = order.body
        return {
            "id": body.id, "title": body.title, "purpose": body.purpose, "place": body.place, "perimeter": body.perimeter,
            "cap": body.cap, "starts": iso(body.starts), "ends": iso(body.ends), "service": body.service,
            "issuer": body.issuer, "issuer_name": self._kernel.identity.name(body.issuer),
            "necessity": body.necessity, "less_intrusive": body.less_intrusive,
            "public_information": body.public_information, "information_exemption": body.information_exemption,
            "event_ends": iso(body.event_ends) if body.event_ends else None,
            "state": order.state(now_us), "signed_at": iso(order.signed) if order.signed else None,
            "revoked_at": iso(order.revoked) if order.revoked else None, "reason": self._reason(order), "equipment": body.equipment,
            "renewal_of": body.renewal_of,
            "paper": msgspec.json.decode(order.paper) if order.paper else None,
        }  # fmt: skip

    def _reason(self, order: Order) -> str | None:
        """Why it was revoked; None where it was not, or where the words were erased."""
        if order.reason is None:
            return None
        try:
            return self._kernel.vault.open_(
                f"order:{order.body.id}", "orders", order.reason, order.body.id.encode()
            ).decode()
        except VaultError:
            return None
