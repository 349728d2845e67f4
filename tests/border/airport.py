"""An airport to test against: keys of an issuer and of gates, lanes that are open, travellers with wallets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_bytes
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import insert

from egide.border import keys, statuses
from egide.border.control_points import points
from egide.border.controls import Countries
from egide.border.realm import FACILITATION, POLICE, Of
from egide.border.token.claims import Claims
from egide.border.token.container import document_hash
from egide.border.token.profile import Issued, Slot, Terms, end, issue_batch
from egide.kernel.act import Ctx
from egide.kernel.identity import ANONYMOUS
from egide.protocols.sdjwt.signing import jwk_of, local
from egide.protocols.vapid import decoded
from egide.protocols.wallet.tokens import Jwk, parsed
from tests.border.traveller import FLIGHT, NAME, NATIONALITY, SOD, Token
from tests.world import World

POINTS = ("bag-drop", "security", "boarding", "border")


class Wallet(msgspec.Struct):
    """What a traveller holds."""

    consent: str
    secret: str
    tokens: dict[str, Token]
    receipts: list[str] = []


def of_point(point: str) -> Of:
    return POLICE if points()[point].realm == "border-police" else FACILITATION


class Gates:
    """What gates and wallets do with a platform, in this process or in another (test_memory.py)."""

    gates: dict[str, str]  # by realm

    def now(self) -> int:
        """s since 1970."""
        raise NotImplementedError

    async def act(self, who: str, name: str, channel: Any = None, /, **given: Any) -> Any:
        """As World does."""
        raise NotImplementedError

    async def ask(self, name: str, /, **given: Any) -> Any:
        """As somebody without an account."""
        raise NotImplementedError

    def countries(self, csca: bytes, crl: bytes) -> None:
        """The certificate of a State's passport authority, and its revocation list."""
        raise NotImplementedError

    def agreement(self, **changed: Any) -> dict[str, Any]:
        leaves = datetime.fromtimestamp(self.now(), UTC) + timedelta(hours=5)
        given = {"points": list(POINTS), "notice": 1, "agreed": True, "age": "fifteen", "departure": leaves.isoformat()}
        return given | changed

    async def opened(self, point: str, *, external: bool = False, **changed: Any) -> dict[str, Any]:
        of = of_point(point)
        given = {"point": point, "gate": self.gates[of.realm], "external": external} | changed
        found: dict[str, Any] = await self.act("officer", of.name("control.open"), **given)
        return found

    def answer(self, token: Token, opened: dict[str, Any]) -> str:
        """What the wallet posts, having read the gate's request."""
        body = parsed(decoded(opened["request"].split(".")[1]), dict[str, Any], "the request")
        asked = tuple(opened["claims"])
        return token.answer(opened["key"], body["nonce"], body["state"], body["client_id"], asked, self.now()).decode()

    async def present(self, point: str, token: Token, opened: dict[str, Any], **more: Any) -> dict[str, Any]:
        name = of_point(point).name("control.present")
        given = {"control": opened["control"], "answer": self.answer(token, opened)} | more
        found: dict[str, Any] = await self.act("officer", name, **given)
        return found


class Airport(World, Gates):
    """A platform, its gates and its travellers."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self.gates: dict[str, str] = {}
        self.issuer = ""

    async def start(self) -> None:
        await super().start()
        if self.issuer:
            return
        self.issuer = (await self.act("administrator", "border.key.make", role="issuer"))["kid"]
        for of in (FACILITATION, POLICE):
            made = await self.act("administrator", of.name("key.make"), role="verifier")
            self.gates[of.realm] = made["kid"]
        for point in POINTS:
            await self.lanes(point)

    def now(self) -> int:
        return self.clock.now_us() // 1_000_000

    def countries(self, csca: bytes, crl: bytes) -> None:
        self.kernel.things["border-countries"] = Countries((csca,), (crl,))

    async def lanes(self, point: str, *, equal_open: bool = True, staffed: bool = True) -> None:
        name = of_point(point).name("lane.set")
        await self.act("officer", name, point=point, equal_open=equal_open, staffed=staffed)

    async def ask(self, name: str, /, **given: Any) -> Any:
        """As somebody without an account."""
        outcome = await self.kernel.perform(name, msgspec.json.encode(given), ANONYMOUS, address="192.0.2.7")
        return msgspec.to_builtins(outcome.result)

    async def traveller(self, **claims: Any) -> Wallet:
        """Consent, and one token for each point, as enrolment issues them."""
        given = await self.ask("border.consent.give", **self.agreement())
        return Wallet(given["id"], given["secret"], self.issued(given["id"], **claims))

    def ctx(self) -> Ctx:
        act = self.kernel.acts["border.status.list"]
        return Ctx(self.kernel, ANONYMOUS, act, self.clock.now_us(), self.kernel.store.reader())

    def issued(self, consent: str, **claims: Any) -> dict[str, Token]:
        held = {point: (ec.generate_private_key(ec.SECP256R1()), token_bytes(16)) for point in POINTS}
        batch = self.batch(
            consent, {point: (jwk_of(key.public_key()), secret) for point, (key, secret) in held.items()}, **claims
        )
        return {each.control: Token(each, local(held[each.control][0]), held[each.control][1]) for each in batch}

    def batch(self, consent: str, held: dict[str, tuple[Jwk, bytes]], **claims: Any) -> list[Issued]:
        """One token for each point, for these keys and secrets of a wallet."""
        ctx, now = self.ctx(), self.now()
        sign = keys.signer(FACILITATION, self.kernel, ctx.db, self.issuer)
        places = statuses.draw(ctx, len(held))
        until = end(now)
        terms = Terms(
            issuer=self.kernel.settings.origin, kid=self.issuer, status=statuses.uri(self.kernel), until=until
        )
        who = {"flight": FLIGHT, "doc_ok": True, "nationality": NATIONALITY, "name": NAME} | claims
        slots = [
            Slot(
                control=point, claims=points()[point].claims, holder=jwk, place=place, face_t=token_bytes(128),
                doc_hash=document_hash(SOD, secret),
            )
            for (point, (jwk, secret)), place in zip(held.items(), places, strict=True)
        ]  # fmt: skip
        with self.kernel.store.side() as connection:
            for table, row in statuses.given(consent, places, until * 1_000_000):
                connection.execute(insert(table), row)
        return issue_batch(terms, Claims(**who), slots, sign, token_bytes(32))

    async def passes(self, point: str, wallet: Wallet) -> dict[str, Any]:
        """A traveller at a gate that looks at no face."""
        found = await self.present(point, wallet.tokens[point], await self.opened(point))
        if found["receipt"]:
            wallet.receipts.append(found["receipt"])
        return found
