"""Status lists: what is set is read by others, places say nothing, and a list that is not renewed counts for a time only."""

from __future__ import annotations

import os
import time
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openvc.keys import P256SigningKey
from openvc.status.issue import build_status_list_token, verify_status_list_token
from openvc.status.token_status_list import decode_status_list, get_status

from egide.protocols.sdjwt.freshness import MAX_LISTS, StatusLists
from egide.protocols.sdjwt.signing import jwk_of, local, public_members, verifying
from egide.protocols.sdjwt.statuslist import StatusList, draw_places
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import SKEW_S, Reference
from egide.protocols.wallet.statuslist import MAX_UNPACKED, check, opened
from tests.protocols.sdjwt.parties import AUTHORITY, KID, NOW, OTHER, TRUSTED, URI

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)
TTL, LIFE, GRACE = 60, 7200, 1800
MILLION = 1_000_000


def listed(revoked: tuple[int, ...] = (), *, size: int = 1000, at: int = NOW, **how: Any) -> str:
    made = StatusList(1, size)
    for each in revoked:
        made.set(each)
    return made.token(
        how.pop("uri", URI),
        how.pop("signer", local(AUTHORITY)),
        at,
        ttl=TTL,
        life=how.pop("life", LIFE),
        kid=how.pop("kid", KID),
    )


def word(call: Any, *arguments: Any, **named: Any) -> str:
    with pytest.raises(WalletError) as caught:
        call(*arguments, **named)
    return caught.value.why


# -- by others -------------------------------------------------------------------------------------------------------------


def test_openvc_reads_ours() -> None:
    claims = verify_status_list_token(
        listed((7, 999), at=int(time.time())), public_key_jwk=public_members(jwk_of(AUTHORITY.public_key()))
    )
    fields = decode_status_list(claims["status_list"]["lst"])
    assert [get_status(fields, index) for index in (6, 7, 8, 999)] == [0, 1, 0, 1]
    assert (claims["sub"], claims["ttl"]) == (URI, TTL)


def test_we_read_theirs() -> None:
    now = int(time.time())
    text = build_status_list_token(
        signing_key=P256SigningKey(AUTHORITY, KID), uri=URI, status_list=bytes([0b1000_0000, 1]), bits=1, ttl=TTL
    )
    for index, revoked in ((7, True), (8, True), (6, False)):
        if revoked:
            assert word(check, text, Reference(index, URI), TRUSTED, now) == "revoked"
        else:
            check(text, Reference(index, URI), TRUSTED, now)


# -- making ----------------------------------------------------------------------------------------------------------------


@given(st.sampled_from([1, 2, 4, 8]), st.dictionaries(st.integers(0, 99), st.integers(0, 255), max_size=20))
@CASES
def test_what_is_set_is_read_and_nothing_else_changes(bits: int, values: dict[int, int]) -> None:
    made = StatusList(bits, 100)
    expected = [0] * 100
    for index, value in values.items():
        made.set(index, value % (1 << bits))
        expected[index] = value % (1 << bits)
    assert [made[index] for index in range(100)] == expected
    assert [StatusList(bits, 100, bytes(made))[index] for index in range(100)] == expected


def test_a_list_takes_only_what_it_can_hold() -> None:
    made = StatusList(1, 10)
    assert word(made.set, 10) == word(made.set, -1) == word(made.set, 1, 2) == "status"
    assert word(StatusList, 3, 10) == word(StatusList, 1, 0) == word(StatusList, 1, MAX_UNPACKED * 8 + 1) == "status"
    assert word(StatusList, 1, 10, b"x") == "status"


def test_places_are_free_ones_drawn_anew_each_time() -> None:
    taken = set(range(0, 1000, 2))
    first, second = (draw_places(6, 1000, taken.__contains__) for _ in range(2))
    assert len(set(first)) == 6
    assert taken.isdisjoint(first)
    assert first != second
    assert word(draw_places, 1, 10, lambda _place: True) == word(draw_places, 11, 10, lambda _place: False) == "status"


def test_places_drawn_together_do_not_lie_together() -> None:
    """2,000 pairs among 10,000 places: neighbours come by chance alone, two in ten thousand."""
    pairs = [draw_places(2, 10_000, lambda _place: False) for _ in range(2000)]
    assert sum(abs(a - b) == 1 for a, b in pairs) < 10


# -- keeping ---------------------------------------------------------------------------------------------------------------


def test_a_list_decides_while_fresh_and_for_a_grace_then_the_officers_lane() -> None:
    lists = StatusLists(GRACE)
    lists.put(listed((7,)), URI, TRUSTED, NOW)
    good, revoked = Reference(6, URI), Reference(7, URI)
    assert lists.check(good, TRUSTED, NOW + TTL) == "fresh"
    assert lists.check(good, TRUSTED, NOW + TTL + 1) == lists.check(good, TRUSTED, NOW + TTL + GRACE) == "grace"
    assert word(lists.check, good, TRUSTED, NOW + TTL + GRACE + 1) == "stale"
    assert (
        word(lists.check, revoked, TRUSTED, NOW)
        == word(lists.check, revoked, TRUSTED, NOW + TTL + GRACE + 1)
        == "revoked"
    )
    assert word(lists.check, Reference(6, URI + "2"), TRUSTED, NOW) == "stale"
    assert word(lists.check, Reference(100_000, URI), TRUSTED, NOW) == "status"


def test_the_issuers_own_end_of_a_list_comes_before_our_grace() -> None:
    lists = StatusLists(GRACE)
    lists.put(listed(life=300), URI, TRUSTED, NOW)
    assert lists.freshness(URI, TRUSTED, NOW + 300 + SKEW_S - 1) == "grace"
    assert lists.freshness(URI, TRUSTED, NOW + 300 + SKEW_S) == "stale"


def test_a_list_is_not_rolled_back_and_age_counts_from_the_signing() -> None:
    lists = StatusLists(GRACE)
    lists.put(listed((7,)), URI, TRUSTED, NOW)
    assert word(lists.put, listed(at=NOW - 10), URI, TRUSTED, NOW) == "status"
    assert word(lists.check, Reference(7, URI), TRUSTED, NOW) == "revoked"
    late = StatusLists(GRACE)
    late.put(listed(at=NOW - 100), URI, TRUSTED, NOW)
    assert late.freshness(URI, TRUSTED, NOW) == "grace"


def test_only_the_issuers_own_list_of_this_address_is_kept() -> None:
    lists = StatusLists()
    assert word(lists.put, listed(signer=local(OTHER)), URI, TRUSTED, NOW) == "status"
    assert word(lists.put, listed(uri=URI + "2"), URI, TRUSTED, NOW) == "status"
    assert word(lists.put, listed(at=NOW - LIFE - SKEW_S), URI, TRUSTED, NOW) == "status"
    assert lists.freshness(URI, TRUSTED, NOW) == "stale"
    for number in range(MAX_LISTS):
        lists.put(listed(uri=f"{URI}/{number}"), f"{URI}/{number}", TRUSTED, NOW)
    assert word(lists.put, listed(), URI, TRUSTED, NOW) == "too-large"


def test_another_issuers_list_of_the_same_address_revives_nobody() -> None:
    lists = StatusLists()
    lists.put(listed((7,)), URI, TRUSTED, NOW)
    rogue = msgspec.structs.replace(TRUSTED, name="R", keys=(verifying(OTHER.public_key()),))
    lists.put(listed(signer=local(OTHER), kid=""), URI, rogue, NOW)
    assert word(lists.check, Reference(7, URI), TRUSTED, NOW) == "revoked"
    assert lists.check(Reference(7, URI), rogue, NOW) == "fresh"


def test_a_million_tokens_are_looked_up_in_a_blink() -> None:
    """Unpacked once, each token is one look into it; the goal is 1 ms, met by hundreds."""
    lists = StatusLists()
    lists.put(listed(tuple(range(0, MILLION, 100)), size=MILLION), URI, TRUSTED, NOW)
    took = []
    for index in range(1, 200):
        start = time.perf_counter()
        lists.check(Reference(index % 100 or 1, URI), TRUSTED, NOW)
        took.append(time.perf_counter() - start)
    assert sorted(took)[100] < 0.001
    assert opened(listed(), URI, TRUSTED, NOW).digest != opened(listed((1,)), URI, TRUSTED, NOW).digest


@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=200))
@CASES
def test_any_text_for_a_list_ends_in_one_word(text: str) -> None:
    assert word(StatusLists().put, text, URI, TRUSTED, NOW) == "status"
