"""The prefect's desk: draft, sign, extend and revoke an order; take in one that was signed on paper.

Signing is a decision with legal effect, so a person takes it; the law (CSI L242-5 IV, CC 2021-834 DC) is asked before the
signature exists. Extending signs a new order that names the one it renews; nothing that was signed is ever altered.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, ClassVar

import msgspec
from sqlalchemy import Connection, update

from egide.kernel import tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.clock import from_us, to_us
from egide.kernel.errors import BadInput, Conflict, Text
from egide.kernel.identity import new_id
from egide.kernel.law import add_duration
from egide.kernel.orders import Order, OrderBody, Orders, canonical, perimeter
from egide.kernel.times import parse

ACTIVITY = "aerial-surveillance"
MAX_DOCUMENT = 8 * 1024 * 1024  # bytes of a scanned order
# L242-5 I, 1° to 6°, and II (customs): the aims an order may name.
PURPOSES = ("places", "gathering", "terrorism", "transport", "border", "rescue", "customs")
INFORMATION = ("given", "exempt-urgency", "exempt-aim", "none")


class OrderDraft(Input):
    """The eight items of a request (L242-5 IV). Times are ISO 8601; `perimeter` is a GeoJSON Polygon."""

    says_purpose: ClassVar[bool] = False  # `purpose` is what the order is for
    title: str
    purpose: str
    place: str
    perimeter: dict[str, Any]
    cap: int
    starts: str
    ends: str
    service: str = "police"
    necessity: str = ""
    less_intrusive: str = ""
    equipment: str = ""
    public_information: str = "given"
    information_exemption: str = ""
    event_ends: str | None = None
    renewal_of: str | None = None


class OrderRef(Input):
    """An order."""

    order: str


class Extension(Input):
    """A later end, and why the conditions still hold."""

    order: str
    ends: str
    reason: str


class Revocation(Input):
    """The order to end now, and why."""

    order: str
    reason: str


class PaperOrder(OrderDraft, kw_only=True):
    """An order signed on paper: its reference and the scanned original in base64."""

    reference: str
    document: str


class OrderId(msgspec.Struct):
    """The id of a new order."""

    id: str
    order: str


class OrderList(msgspec.Struct):
    """Every order of the realm, and what the desk needs to write one."""

    orders: list[dict[str, Any]]
    purposes: list[dict[str, Any]]
    department_cap: int


def orders(ctx: Ctx) -> Orders:
    """The realm's orders."""
    return ctx.kernel.orders


def _body(ctx: Ctx, given: OrderDraft, id_: str) -> OrderBody:
    perimeter(given.perimeter)
    starts, ends = parse(given.starts), parse(given.ends)
    if ends <= starts:
        raise BadInput(Text("La fin doit suivre le début.", "The end must follow the start."))
    if given.purpose not in (*PURPOSES, "other") or given.public_information not in INFORMATION:
        raise BadInput(
            Text("Finalité ou information du public inconnue.", "Unknown purpose or public information."),
            Text(f"Finalités : {', '.join(PURPOSES)}.", f"Purposes: {', '.join(PURPOSES)}."),
        )
    if not 1 <= given.cap <= 100:
        raise BadInput(Text("Le nombre de caméras va de 1 à 100.", "The number of cameras goes from 1 to 100."))
    return drafted(given, id_, ctx.kernel.settings.realm, ctx.principal.id)


def drafted(given: OrderDraft, id_: str, realm: str, issuer: str) -> OrderBody:
    """The order that a draft asks for. Raises `BadInput` for a time that is none."""
    return OrderBody(
        id=id_, realm=realm, activity=ACTIVITY, title=given.title[:200], purpose=given.purpose, place=given.place[:500],
        perimeter=given.perimeter, cap=given.cap, starts=parse(given.starts), ends=parse(given.ends), service=given.service, necessity=given.necessity[:4000],
        less_intrusive=given.less_intrusive[:4000], equipment=given.equipment[:1000], public_information=given.public_information,
        information_exemption=given.information_exemption[:1000], issuer=issuer,
        event_ends=parse(given.event_ends) if given.event_ends else None, renewal_of=given.renewal_of,
    )  # fmt: skip


def order_facts(ctx: Ctx, body: OrderBody, *, by_prefect: bool, renewal_holds: bool = True) -> Facts:
    """What L242-5 IV asks of an order, from the order itself."""
    kernel = ctx.kernel
    start = from_us(body.starts)
    longest = to_us(add_duration(start, kernel.book.duration("csi-l242.order_max", start)))
    gathering = body.purpose == "gathering"
    return {
        "issuer_is_prefect": by_prefect,
        "order_request_complete": all(
            part.strip() for part in (body.title, body.place, body.necessity, body.service, body.equipment)
        ),
        "duration_within_limit": body.ends <= longest,
        "ends_with_gathering": not gathering or (body.event_ends is not None and body.ends <= body.event_ends),
        "renewal_conditions_hold": renewal_holds,
        "cap_within_department": body.cap + _promised(ctx, body) <= kernel.settings.department_cap,
        "necessity_stated": bool(body.necessity.strip()),
        "less_intrusive_considered": bool(body.less_intrusive.strip()),
        "aerial_purpose": body.purpose,
        "purpose_lawful": purpose_lawful(body.purpose, body.service),
        "service": body.service,
        "public_information": body.public_information,
    }


def _promised(ctx: Ctx, body: OrderBody) -> int:
    """Cameras that other orders already allow at the same time (L242-5 IV asks the prefect to count them)."""
    held = orders(ctx)
    everything = held.all(ctx.db)
    family = held.lineage(body.id, everything) | ({body.renewal_of} if body.renewal_of else set())
    others = [
        o.body for o in everything
        if o.body.id not in family and o.state(ctx.now_us) in ("signed", "in_force") and o.body.starts < body.ends and body.starts < o.body.ends
    ]  # fmt: skip
    return sum(other.cap for other in others)


def purpose_lawful(purpose: str, service: str) -> bool:
    """L242-5 I names six aims for police, gendarmerie and army; II names customs' own."""
    if service == "customs":
        return purpose in ("customs", "border")
    return service in ("police", "gendarmerie", "army") and purpose in PURPOSES and purpose != "customs"


def _draft_facts(ctx: Ctx, given: OrderRef) -> Facts:
    found = orders(ctx).get(given.order, ctx.db)
    return order_facts(ctx, found.body, by_prefect="prefect" in ctx.principal.roles)


def _extension_facts(ctx: Ctx, given: Extension) -> Facts:
    body = _extended(ctx, given, orders(ctx).get(given.order, ctx.db))
    return order_facts(ctx, body, by_prefect="prefect" in ctx.principal.roles, renewal_holds=bool(given.reason.strip()))


def _paper_facts(ctx: Ctx, given: PaperOrder) -> Facts:
    # The paper carries the prefect's own signature; the officer who takes it in answers for that with their name.
    return order_facts(ctx, _body(ctx, given, "0"), by_prefect=bool(given.reference.strip() and given.document))


def _extended(ctx: Ctx, given: Extension, order: Order) -> OrderBody:
    if order.state(ctx.now_us) in ("draft", "altered"):
        raise Conflict(
            Text(
                "Cet arrêté n’est pas signé, ou a été modifié depuis : il ne peut être prolongé.",
                "This order is not signed, or was altered since: it cannot be extended.",
            ),
            Text("Rédigez et signez un nouvel arrêté.", "Draft and sign a new order."),
        )
    ends = parse(given.ends)
    if ends <= ctx.now_us:
        raise BadInput(Text("La nouvelle fin est déjà passée.", "The new end is in the past."))
    starts = (
        ctx.now_us
        if order.state(ctx.now_us) in ("ended", "revoked")
        else min(order.body.ends, max(ctx.now_us, order.body.starts))
    )
    return msgspec.structs.replace(
        order.body, id=new_id(), starts=starts, ends=ends, renewal_of=order.body.id, issuer=ctx.principal.id
    )


@act(
    "orders.list", verb="consult", activity="orders", roles=["*"], duty=True, output=OrderList,
    fr="Consulter les arrêtés", en="Consult the orders",
)  # fmt: skip
def list_orders(ctx: Ctx, _given: Nothing) -> Effect:
    held = orders(ctx)
    shown = [held.show(order, ctx.now_us) for order in held.all(ctx.db)]
    shown.sort(key=lambda order: str(order["starts"]), reverse=True)
    lawful = ctx.kernel.book.parameter("csi-l242.purposes", from_us(ctx.now_us))
    purposes = [
        {"code": one["code"], "article": one["article"], "label": {"fr": one["fr"], "en": one["en"]}} for one in lawful
    ]
    return Effect(OrderList(shown, purposes, ctx.kernel.settings.department_cap))


@act(
    "orders.draft", verb="collect", activity="orders", roles=["prefect", "command"], duty=True, input=OrderDraft, output=OrderId,
    fr="Rédiger un projet d’arrêté", en="Draft an order",
)  # fmt: skip
def draft(ctx: Ctx, given: OrderDraft) -> Effect:
    body = _body(ctx, given, new_id())
    return Effect(OrderId(body.id, body.id), rows=[(tables.order, _row(body))])


@act(
    "orders.sign", verb="decide", activity="orders", roles=["prefect"], duty=True, groups=["aerial-order"], gather=_draft_facts, recheck=_draft_facts,
    input=OrderRef, output=OrderId, fr="Signer un arrêté", en="Sign an order",
)  # fmt: skip
def sign(ctx: Ctx, given: OrderRef) -> Effect:
    order = orders(ctx).get(given.order, ctx.db)
    if order.signed is not None:
        raise Conflict(Text("Cet arrêté est déjà signé.", "This order is signed already."))
    body = msgspec.structs.replace(order.body, issuer=ctx.principal.id)
    signed = _signed(ctx, body)

    def apply(connection: Connection) -> None:
        changed = connection.execute(
            update(tables.order).where(tables.order.c.id == body.id, tables.order.c.signed.is_(None)).values(**signed)
        )
        if changed.rowcount != 1:
            raise Conflict(Text("Cet arrêté vient d’être signé.", "This order has just been signed."))

    return Effect(
        OrderId(body.id, body.id),
        apply=apply,
        order=body.id,
        events=[("order.signed", {"order": body.id})],
        rights_changed=True,
    )


@act(
    "orders.extend", verb="decide", activity="orders", roles=["prefect"], groups=["aerial-order"], gather=_extension_facts, recheck=_extension_facts,
    input=Extension, output=OrderId, fr="Prolonger un arrêté", en="Extend an order",
)  # fmt: skip
def extend(ctx: Ctx, given: Extension) -> Effect:
    body = _extended(ctx, given, orders(ctx).get(given.order, ctx.db))
    row = _row(body) | _signed(ctx, body)
    events = [("order.signed", {"order": body.id, "renewal_of": given.order})]
    return Effect(
        OrderId(body.id, body.id), rows=[(tables.order, row)], order=body.id, events=events, rights_changed=True
    )


@act(
    "orders.revoke", verb="decide", activity="orders", roles=["prefect"], input=Revocation, fr="Mettre fin à un arrêté", en="End an order",
)  # fmt: skip
def revoke(ctx: Ctx, given: Revocation) -> Effect:
    held = orders(ctx)
    order = held.get(given.order, ctx.db)
    if order.signed is None or order.revoked is not None:
        raise Conflict(
            Text("Cet arrêté n’est pas signé, ou a déjà pris fin.", "This order is not signed, or has ended already.")
        )
    signature = held.issuer_key(ctx.principal.id).sign(held.statement(order.body.id, ctx.now_us, ctx.principal.id))
    reason = ctx.kernel.vault.seal(f"order:{order.body.id}", "orders", given.reason.encode(), order.body.id.encode())

    def apply(connection: Connection) -> None:
        connection.execute(
            update(tables.order)
            .where(tables.order.c.id == order.body.id)
            .values(revoked=ctx.now_us, revocation=signature, reason=reason)
        )

    return Effect(
        Nothing(),
        apply=apply,
        order=order.body.id,
        events=[("order.ended", {"order": order.body.id})],
        rights_changed=True,
    )


@act(
    "orders.import_paper", verb="decide", activity="orders", roles=["prefect", "command"], duty=True, groups=["aerial-order"], gather=_paper_facts, recheck=_paper_facts,
    input=PaperOrder, output=OrderId, max_bytes=MAX_DOCUMENT * 4 // 3 + 64 * 1024,
    fr="Verser un arrêté signé sur papier", en="Take in an order signed on paper",
)  # fmt: skip
def import_paper(ctx: Ctx, given: PaperOrder) -> Effect:
    try:
        document = base64.b64decode(given.document, validate=True)
    except binascii.Error as error:
        raise BadInput(Text("Le document n’est pas en base64.", "The document is not base64.")) from error
    if not document:
        raise BadInput(
            Text("L’original numérisé manque.", "The scanned original is missing."), Text("Joignez-le.", "Attach it.")
        )
    body = _body(ctx, given, new_id())
    sha = hashlib.sha256(document).hexdigest()
    paper = msgspec.json.encode({"reference": given.reference[:200], "sha256": sha, "imported_by": ctx.principal.id})
    sealed = ctx.kernel.vault.seal(f"order:{body.id}", "orders", document, body.id.encode())
    row = _row(body) | _signed(ctx, body) | {"paper": paper, "document": sealed}
    return Effect(
        OrderId(body.id, body.id),
        rows=[(tables.order, row)],
        order=body.id,
        events=[("order.signed", {"order": body.id})],
        rights_changed=True,
    )


def _row(body: OrderBody) -> dict[str, Any]:
    empty = dict.fromkeys(("signature", "vkey", "signed", "revoked", "revocation", "reason", "paper", "document"))
    return {"id": body.id, "draft": canonical(body), "issuer": body.issuer} | empty


def _signed(ctx: Ctx, body: OrderBody) -> dict[str, Any]:
    key = orders(ctx).issuer_key(ctx.principal.id)
    signed = canonical(body)
    return {
        "draft": signed,
        "signature": key.sign(signed),
        "vkey": key.vkey,
        "signed": ctx.now_us,
        "issuer": body.issuer,
    }


ACTS: tuple[Act, ...] = (list_orders, draft, sign, extend, revoke, import_paper)
