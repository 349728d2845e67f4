"""A gate's copy of the trust list: offline for a bounded time, never back, never by another's hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from egide.border.ledger.model import Role
from egide.border.ledger.view import MAX_AGE_S, TrustView, look, opened, sealed
from egide.kernel.errors import BadInput, Conflict
from tests.border.ledger.consortium import Consortium
from tests.border.ledger.parties import DAY, MINUTE, START, member, point, signing_key

ROOT = b"r" * 32
KEY = signing_key(0)


@pytest.fixture
def copied(four: Consortium) -> tuple[Consortium, str, TrustView]:
    ledger = four.ledger(0)
    kid = ledger.add_key(*point(1), Role.ISSUER, START, START + DAY)
    ledger.put_status(kid, ROOT, 4)
    return four, kid, look(ledger, START)


def test_a_gate_goes_on_offline_until_its_copy_is_too_old(copied: tuple[Consortium, str, TrustView]) -> None:
    _, kid, view = copied
    last = START + MAX_AGE_S
    assert not view.stale(last)
    assert view.trusted(kid, Role.ISSUER, last) is not None
    assert view.stale(last + 1)
    assert view.trusted(kid, Role.ISSUER, last + 1) is None
    assert view.stale(START - MINUTE)


def test_a_copy_trusts_what_the_ledger_trusts(copied: tuple[Consortium, str, TrustView]) -> None:
    four, kid, view = copied
    ledger = four.ledger(0)
    for role in Role:
        assert view.trusted(kid, role, START + 5) == ledger.trusted(kid, role, START + 5)
    assert view.trusted("A" * 16, Role.ISSUER, START) is None
    assert view.status_digest(kid) == ledger.status_digest(kid)
    assert view.status_digest("A" * 16) is None


def test_a_copy_is_its_authoritys_and_never_an_older_one(copied: tuple[Consortium, str, TrustView]) -> None:
    four, kid, view = copied
    data = sealed(view, KEY)
    assert opened(data, member(0).key) == view
    with pytest.raises(BadInput):
        opened(data, member(1).key)
    four.ledger(0).remove_key(kid, Role.ISSUER)
    newer = look(four.ledger(0), START + MINUTE)
    assert newer.trusted(kid, Role.ISSUER, START + MINUTE) is None
    assert opened(sealed(newer, KEY), member(0).key, view) == newer
    with pytest.raises(Conflict):
        opened(data, member(0).key, newer)


def test_a_ledger_that_changes_at_every_look_gives_no_copy(four: Consortium) -> None:
    states = iter(range(100))
    ledger = four.ledger(0)
    ledger.state = lambda: bytes([next(states)])  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="keeps changing"):
        look(ledger, START)


@given(data=st.binary(max_size=300), signed=st.booleans())
def test_whatever_a_copy_is_made_of_only_bad_input_is_raised(data: bytes, signed: bool) -> None:
    if signed:  # an authority that signs nonsense
        data = KEY.sign(b"egide-trust-view-1\0" + data) + data
    with pytest.raises(BadInput):
        opened(data, member(0).key)
