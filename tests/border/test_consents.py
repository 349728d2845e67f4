"""Consent is given by the traveller, ends in one step, and leaves a receipt that only they have and anybody can verify."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from egide.border import clerk, erasure, keys, statuses, tables
from egide.border.consents import AFTER_US, AHEAD_US
from egide.border.enrolment import _controls
from egide.border.ledger.errors import LedgerRefused
from egide.border.ledger.model import Role, Root, StatusDigest
from egide.border.realm import FACILITATION
from egide.border.room.published import content_digest
from egide.kernel import merkle, sealed_check
from egide.kernel import tables as kernel_tables
from egide.kernel.errors import BadInput, NotFound, Refused, Text, Unavailable
from egide.kernel.ledger_leaves import Findings
from egide.protocols.sdjwt.statuslist import StatusList
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import Issuer
from egide.protocols.wallet.statuslist import opened as opened_list
from egide.protocols.wallet.tokens import Jwk, header, payload
from tests.border.airport import Airport

pytestmark = pytest.mark.anyio


def there(airport: Airport, table: Any) -> int:
    return int(airport.kernel.store.reader().execute(select(func.count()).select_from(table)).scalar() or 0)


async def refused(airport: Airport, name: str, **given: Any) -> list[str]:
    with pytest.raises(Refused) as caught:
        await airport.ask(name, **given)
    return [reason.rule for reason in caught.value.decision.reasons]


async def test_consent_is_explicit_informed_and_of_who_may_give_it(airport: Airport) -> None:
    name = "border.consent.give"
    assert await refused(airport, name, **airport.agreement(agreed=False)) == ["GDPR-7-3-explicit", "GDPR-9-2-a"]
    assert await refused(airport, name, **airport.agreement(points=[])) == ["GDPR-9-2-a"]
    assert await refused(airport, name, **airport.agreement(notice=0)) == ["GDPR-13-14"]
    assert await refused(airport, name, **airport.agreement(age="younger")) == ["LIL-45"]
    for wrong in ({"departure": "2020-01-01T00:00:00+00:00"}, {"departure": "soon"}, {"points": ["lounge"]}):
        with pytest.raises(BadInput):
            await airport.ask(name, **airport.agreement(**wrong))
    assert there(airport, tables.consent) == 0
    given = await airport.ask(name, **airport.agreement(age="with-parent"))
    assert there(airport, tables.consent) == 1
    assert given["secret"] not in str(airport.kernel.store.reader().execute(select(tables.consent)).all())


async def test_only_who_holds_the_secret_ends_it_and_everything_goes_with_it(airport: Airport) -> None:
    wallet = await airport.traveller()
    with pytest.raises(NotFound):
        await airport.ask("border.consent.withdraw", consent=wallet.consent, secret="guessed")
    assert there(airport, tables.issued) == 4
    ended = await airport.ask("border.journey.close", consent=wallet.consent, secret=wallet.secret)
    assert there(airport, tables.consent) == there(airport, tables.issued) == 0
    status = airport.kernel.store.reader().execute(select(tables.status)).all()
    assert len(status) == 4
    assert all(row.revoked for row in status)
    assert ended["receipt"].count(".") == 2
    assert ended["receipt"] not in str(airport.kernel.store.reader().execute(select(tables.leaf)).all())
    links = kernel_tables.concern
    assert not airport.kernel.store.reader().execute(select(links).where(links.c.person.like("consent:%"))).all()
    with pytest.raises(NotFound):
        await airport.ask("border.journey.close", consent=wallet.consent, secret=wallet.secret)


async def test_consent_is_withdrawn_also_while_no_key_of_the_issuer_stands(airport: Airport) -> None:
    """A key that was stolen is ended at once, and the next one is made later: nobody waits for that to withdraw."""
    wallet = await airport.traveller()
    await airport.act("administrator", "border.key.end", kid=airport.issuer)
    ended = await airport.ask("border.consent.withdraw", consent=wallet.consent, secret=wallet.secret)
    assert there(airport, tables.consent) == there(airport, tables.issued) == 0
    (key,) = [each for each in (await airport.ask("border.trust.list"))["keys"] if each["kid"] == airport.issuer]
    by = erasure._named(Jwk("EC", "P-256", key["x"], key["y"], key["kid"]))
    assert payload(ended["receipt"], header(ended["receipt"], erasure.TYPE), by)


async def test_the_wallet_verifies_revocation_and_erasure_by_itself(airport: Airport) -> None:
    wallet = await airport.traveller()
    receipt = (await airport.ask("border.consent.withdraw", consent=wallet.consent, secret=wallet.secret))["receipt"]
    leaf = erasure.leaf_of(receipt).hex()
    with pytest.raises(NotFound):
        await airport.ask("border.erasure.prove", leaf=leaf)
    anchored = Written()
    airport.kernel.things["border-consortium"] = anchored
    await clerk.Clerk(airport.kernel).hour()
    proof = erasure.Proof(**await airport.ask("border.erasure.prove", leaf=leaf))
    assert anchored.roots == [bytes.fromhex(proof.root)]
    assert proof.anchored == proof.size
    assert proof.size == erasure.LEAST, "one traveller's hash alone would be the root"
    listed = await airport.ask("border.status.list")
    (key,) = [each for each in (await airport.ask("border.trust.list"))["keys"] if each["kid"] == airport.issuer]
    issuer, now = Jwk("EC", "P-256", key["x"], key["y"], key["kid"]), airport.clock.now_us() // 1_000_000
    told = erasure.verify(receipt, proof, issuer, listed["token"], now)
    assert told.reason == "withdrawn"
    assert len(told.statuses) == 4
    with pytest.raises(merkle.ProofError):
        erasure.verify(
            receipt, erasure.Proof(**{**_plain(proof), "index": proof.index ^ 1}), issuer, listed["token"], now
        )
    with pytest.raises((WalletError, merkle.ProofError)):
        erasure.verify(receipt[:-4] + "AAAA", proof, issuer, listed["token"], now)
    older = StatusList(1, statuses.SIZE).token(
        told.uri, _signer(airport), now, ttl=60, life=600, kid=airport.issuer
    )  # fmt: skip
    with pytest.raises(WalletError, match="still counts"):
        erasure.verify(receipt, proof, issuer, older, now)


async def test_a_receipt_is_checked_as_long_as_it_can_be_proved_whatever_became_of_the_tokens(airport: Airport) -> None:
    """Tokens end a day after the flight; who withdrew before checks it for a month, and never reads that one still counts."""
    wallet = await airport.traveller()
    receipt = (await airport.ask("border.consent.withdraw", consent=wallet.consent, secret=wallet.secret))["receipt"]
    await clerk.Clerk(airport.kernel).hour()
    (key,) = [each for each in (await airport.ask("border.trust.list"))["keys"] if each["kid"] == airport.issuer]
    issuer = Jwk("EC", "P-256", key["x"], key["y"], key["kid"])
    for days in (3, 26):
        airport.move(days=days)
        proof = await proved(airport, erasure.leaf_of(receipt).hex())
        listed = await airport.ask("border.status.list")
        assert erasure.verify(receipt, proof, issuer, listed["token"], airport.now()).reason == "withdrawn"


class Written:
    """A consortium's ledger that remembers what was written."""

    def __init__(self) -> None:
        self.roots: list[bytes] = []
        self.size, self.me = 0, bytes(20)
        self.checkpoints: list[tuple[bytes, int]] = []
        self.statuses: list[tuple[str, bytes, int]] = []
        self.refusal: Exception | None = None

    def trusted(self, _kid: str, _role: Role, _at: int) -> object:
        return object()

    def erasure_root(self, root: bytes, size: int) -> None:
        if size <= self.size:
            raise LedgerRefused("rollback")
        self.size = size
        self.roots.append(root)

    def last_erasure(self, member: bytes) -> Root | None:
        assert member == self.me
        return Root(self.roots[-1], self.size, 0) if self.roots else None

    def checkpoint(self, root: bytes, size: int) -> None:
        self.checkpoints.append((root, size))

    def put_status(self, kid: str, digest: bytes, sequence: int) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.statuses.append((kid, digest, sequence))

    def status_digest(self, kid: str) -> StatusDigest | None:
        found = [StatusDigest(digest, number, number) for of, digest, number in self.statuses if of == kid]
        return found[-1] if found else None


async def withdrawn(airport: Airport) -> str:
    """The leaf of a consent that ended."""
    wallet = await airport.traveller()
    ended = await airport.ask("border.consent.withdraw", consent=wallet.consent, secret=wallet.secret)
    return erasure.leaf_of(ended["receipt"]).hex()


async def proved(airport: Airport, leaf: str) -> erasure.Proof:
    """The proof of a leaf, which holds."""
    proof = erasure.Proof(**await airport.ask("border.erasure.prove", leaf=leaf))
    path = [bytes.fromhex(each) for each in proof.path]
    merkle.verify_inclusion(proof.index, proof.size, bytes.fromhex(leaf), path, bytes.fromhex(proof.root))
    return proof


async def test_two_processes_whose_hour_is_the_same_anchor_once(airport: Airport) -> None:
    told = airport.kernel.things["border-consortium"] = Written()
    for roots in (1, 2):
        leaf = await withdrawn(airport)
        await asyncio.gather(*(clerk.Clerk(airport.kernel).hour() for _ in range(2)))
        proof = await proved(airport, leaf)
        assert there(airport, tables.batch) == roots
        assert told.roots[-1] == bytes.fromhex(proof.root)
        assert proof.anchored == roots * erasure.LEAST


async def test_after_a_restore_roots_are_anchored_above_what_the_ledger_has(airport: Airport) -> None:
    told = airport.kernel.things["border-consortium"] = Written()
    told.roots, told.size = [b"a root from before the restore".ljust(32)], 10 * erasure.LEAST
    leaves = []
    for _ in range(3):
        leaves.append(await withdrawn(airport))
        await clerk.Clerk(airport.kernel).hour()
    await clerk.Clerk(airport.kernel).hour()
    anchored = [(await proved(airport, leaf)).anchored for leaf in leaves]
    assert anchored == [number * erasure.LEAST for number in (11, 12, 13)]
    assert len(told.roots) == 4


async def test_a_proof_holds_as_long_as_it_is_given(airport: Airport) -> None:
    """Leaves of one tree came at different times of its hour: none is forgotten before the others."""
    await withdrawn(airport)
    airport.move(minutes=50)
    last = await withdrawn(airport)
    airport.move(minutes=5)
    await clerk.Clerk(airport.kernel).hour()
    airport.move(days=30, minutes=-10)
    await withdrawn(airport)
    await clerk.Clerk(airport.kernel).hour()
    await proved(airport, last)
    airport.move(minutes=20)
    await withdrawn(airport)
    await clerk.Clerk(airport.kernel).hour()
    with pytest.raises(NotFound):
        await proved(airport, last)
    assert there(airport, tables.leaf) == 2 * erasure.LEAST


def _plain(proof: erasure.Proof) -> dict[str, Any]:
    return {name: getattr(proof, name) for name in proof.__struct_fields__}


def _signer(airport: Airport) -> Any:
    return keys.signer(FACILITATION, airport.kernel, airport.kernel.store.reader(), airport.issuer)


async def test_every_sealed_value_opens_where_it_stands(airport: Airport) -> None:
    await airport.traveller()
    found = Findings()
    whole = sealed_check.check(airport.kernel, found)
    assert found.problems == []
    assert whole >= 4, "three keys and a consent at least"


async def test_nobody_writes_where_nothing_was_erased(airport: Airport) -> None:
    before = airport.kernel.log.size
    await clerk.Clerk(airport.kernel).hour()
    assert airport.kernel.log.size == before


async def test_the_consortium_is_told_digests_and_roots_and_nothing_else(airport: Airport) -> None:
    told = airport.kernel.things["border-consortium"] = Written()
    await clerk.Clerk(airport.kernel).minute()
    await airport.until(lambda: airport.kernel.latest_checkpoint() is not None, 20)
    await clerk.Clerk(airport.kernel).hour()
    ((kid, digest, sequence),) = told.statuses
    found = await read_list(airport)
    assert (kid, digest) == (airport.issuer, content_digest(1, found.fields, sequence))
    assert len(found.fields) * 8 == statuses.SIZE
    ((root, size),) = told.checkpoints
    assert root == airport.kernel.log.root(size)
    assert told.roots == [], "nothing was erased"


async def read_list(airport: Airport) -> Any:
    listed = await airport.ask("border.status.list")
    (key,) = [each for each in (await airport.ask("border.trust.list"))["keys"] if each["kid"] == airport.issuer]
    by = erasure._named(Jwk("EC", "P-256", key["x"], key["y"], key["kid"]))
    issuer = Issuer(name="", vct=(), level=0, keys=(by,))
    return opened_list(listed["token"], listed["uri"], issuer, airport.clock.now_us() // 1_000_000)


async def test_what_is_published_is_of_the_content_and_of_the_period_not_of_a_signature(airport: Airport) -> None:
    db, now_us = airport.kernel.store.reader(), airport.clock.now_us()
    one, other = (statuses.Statuses().current(airport.kernel, db, now_us) for _ in range(2))
    assert one.token != other.token, "a control: no two signatures are alike"
    period = statuses.period_of(now_us)
    assert now_us // 1_000_000 - statuses.PERIOD_S < period <= now_us // 1_000_000
    assert statuses.digest_at(db, period) == statuses.digest_at(db, period)
    assert statuses.digest_at(db, period) != statuses.digest_at(db, period + statuses.PERIOD_S)
    wallet = await airport.traveller()
    before = statuses.digest_at(db, period)
    await airport.ask("border.consent.withdraw", consent=wallet.consent, secret=wallet.secret)
    assert statuses.digest_at(airport.kernel.store.reader(), period) != before


NO = Text("non", "no")


@pytest.mark.parametrize(
    ("refusal", "logged"),
    [
        (clerk.Elsewhere(NO), False),
        (LedgerRefused("early"), False),
        (LedgerRefused("rollback"), False),
        (LedgerRefused("owner"), True),
        (Unavailable(NO), True),
        (OSError("disk I/O error"), True),
    ],
)
async def test_who_need_not_write_says_nothing_of_it_and_hears_all_the_same(
    airport: Airport, caplog: pytest.LogCaptureFixture, refusal: Exception, logged: bool
) -> None:
    told = airport.kernel.things["border-consortium"] = Written()
    told.statuses, told.refusal = [(airport.issuer, b"d" * 32, 7)], refusal
    caplog.clear()
    await clerk.Clerk(airport.kernel).minute()
    warned = [each for each in caplog.records if each.name == "egide.border" and each.levelno >= logging.WARNING]
    assert bool(warned) == logged
    assert statuses.statuses(airport.kernel).published[airport.issuer].sequence == 7


async def test_of_what_is_published_only_a_later_word_is_taken(airport: Airport) -> None:
    ours = statuses.Statuses()
    for sequence in (30, 60, 30):
        ours.hear("k", StatusDigest(b"d" * 32, sequence, sequence))
    assert ours.published["k"].sequence == 60


async def test_what_the_wallet_forgot_the_clock_erases(airport: Airport) -> None:
    await airport.traveller()
    airport.move(hours=30)
    await airport.until(lambda: there(airport, tables.consent) == 0, 20)
    assert there(airport, tables.issued) == 0
    revoked = airport.kernel.store.reader().execute(select(tables.status.c.revoked)).all()
    assert all(row.revoked for row in revoked)


async def test_the_status_list_is_signed_anew_as_soon_as_one_is_revoked(airport: Airport) -> None:
    wallet = await airport.traveller()
    first = await airport.ask("border.status.list")
    assert first == await airport.ask("border.status.list")
    await airport.ask("border.consent.withdraw", consent=wallet.consent, secret=wallet.secret)
    assert (await airport.ask("border.status.list"))["token"] != first["token"]


async def test_an_enrolment_without_a_consent_is_refused_and_ends_with_it(airport: Airport) -> None:
    given = {"consent": "nobody", "secret": "none"}
    assert await airport.refused("officer", "border.enrol.open", **given) == ["GDPR-7-3-explicit"]
    consent = await airport.ask("border.consent.give", **airport.agreement())
    opened = await airport.act("officer", "border.enrol.open", consent=consent["id"], secret=consent["secret"])
    assert opened["tokens"] == 6
    assert opened["offer"].startswith("openid-credential-offer://")
    await airport.ask("border.consent.withdraw", consent=consent["id"], secret=consent["secret"])
    with pytest.raises(NotFound):
        await airport.act("officer", "border.document.read", enrolment=opened["enrolment"], chip="-")


def test_a_token_for_each_point_that_was_agreed_to_and_two_to_spare() -> None:
    made = _controls(["security", "boarding"])
    assert [control for control, _claims in made] == ["security", "boarding", "spare", "spare"]
    assert made[0][1] == ("flight",)
    assert made[2][1] == ("flight", "doc_ok", "face_t")


def test_an_agreement_is_for_thirty_days_at_most() -> None:
    assert timedelta(microseconds=AFTER_US + AHEAD_US) == timedelta(days=30)
