"""A document examined whole: page and chip are of one another, and who is in between is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from egide.border.document.examine import examine
from egide.border.document.zone import Reading
from egide.exercise.csca import Authority, Signer
from egide.exercise.travel_document import ERIKA, files
from egide.protocols import mrz
from egide.protocols.emrtd import access, tlv
from egide.protocols.emrtd.access import PaceInfo
from egide.protocols.emrtd.chip import Chip
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.reader import Terminal
from egide.protocols.emrtd.trust import Trust

NOW = 1795780800  # 2026-11-27T12:00:00Z
STRONG, WEAK = (PaceInfo(tlv.oid(f"{access.PACE}.2.{each}"), 2, 12) for each in (4, 2))
PAGE = mrz.parse(mrz.render(ERIKA))
SEEN = Reading(mrz=PAGE, lines=mrz.render(ERIKA))


@pytest.fixture(scope="module")
def utopia() -> tuple[Signer, Trust]:
    authority, trust = Authority(NOW), Trust()
    trust.add(authority.certificate)
    trust.add_revocations(authority.revocations([]))
    return authority.signer(), trust


def connecting(signer: Signer, *, opens: mrz.Mrz = ERIKA, **how: Any) -> Callable[[], Terminal]:
    """A chip whose DG14 states the strong way."""
    group = tlv.encode(0x6E, access.written((STRONG,)))
    held = files(signer, NOW, b"\xff\xd8\xff" + bytes(600), zone=how.pop("zone", ERIKA), more={"DG14": group})
    return lambda: Terminal(Chip(held, opens, **how).transmit)


@pytest.mark.parametrize(("offered", "offer"), [((), "not-checkable"), ((STRONG,), "ok")])
def test_page_and_chip_of_one_document_are_proved(offered: Any, offer: str, utopia: tuple[Signer, Trust]) -> None:
    found = examine(connecting(utopia[0], offered=offered), SEEN, utopia[1], NOW)
    assert (found.verdict, found.page, found.offer) == ("proved", "ok", offer)
    assert set(found.files) == {"COM", "SOD", "DG1", "DG2", "DG14"}


def test_what_the_page_may_as_well_have_said_is_tried(utopia: tuple[Signer, Trust]) -> None:
    wrong = msgspec.structs.replace(PAGE, number="LB9B902C3")
    seen = Reading(mrz=wrong, others=(msgspec.structs.replace(PAGE, number="L89B902C3"), PAGE))
    assert examine(connecting(utopia[0]), seen, utopia[1], NOW).verdict == "proved"
    with pytest.raises(EmrtdError) as caught:
        examine(connecting(utopia[0]), Reading(mrz=wrong), utopia[1], NOW)
    assert caught.value.why == "access"
    with pytest.raises(EmrtdError):
        examine(connecting(utopia[0]), Reading(mrz=None), utopia[1], NOW)


def test_the_chip_of_another_document_is_found(utopia: tuple[Signer, Trust]) -> None:
    """It opens to this page, and holds another's signed data."""
    other = msgspec.structs.replace(ERIKA, number="X12345678")
    found = examine(connecting(utopia[0], zone=other), SEEN, utopia[1], NOW)
    assert found.passive.verdict == "proved"
    assert (found.page, found.verdict) == ("failed", "refuted")


def test_a_weaker_offer_than_was_signed_is_found(utopia: tuple[Signer, Trust]) -> None:
    found = examine(connecting(utopia[0], offered=(WEAK,)), SEEN, utopia[1], NOW)
    assert (found.offer, found.verdict) == ("failed", "refuted")


def test_a_chip_that_is_taken_away_is_not_tried_again(utopia: tuple[Signer, Trust]) -> None:
    tried: list[int] = []

    def gone(command: bytes) -> bytes:
        tried.append(0)
        return b""

    with pytest.raises(EmrtdError):
        examine(lambda: Terminal(gone), msgspec.structs.replace(SEEN, others=(PAGE, PAGE)), utopia[1], NOW)
    assert len(tried) == 1
