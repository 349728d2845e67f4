"""A token is spent once in a realm, in whichever form; realms remember nothing they could compare."""

from __future__ import annotations

import pytest

from egide.border.token import single_use
from egide.border.token.single_use import MemoryMarks, mark, spend
from egide.border.token.verify import Holder, verify_offline, verify_online
from egide.protocols.wallet.errors import WalletError
from tests.border.token.scene import NOW, TRUSTED, UNTIL, Traveller, asked, lists, questioned


@pytest.fixture(scope="module")
def holders() -> tuple[Holder, Holder, Holder]:
    """(a token shown online, the same in a picture, another of the same traveller)."""
    alix, status = Traveller(), lists()
    question, private = questioned()
    return (
        verify_online(alix.shown("boarding"), asked(), [TRUSTED], status, NOW, alix.secrets["boarding"]),
        verify_offline(alix.sealed("boarding", question), question, private, [TRUSTED], status, NOW),
        verify_online(alix.shown("spare-2"), asked("spare-2"), [TRUSTED], status, NOW, alix.secrets["spare-2"]),
    )


def replayed(holder: Holder, realm: str, marks: MemoryMarks, now: int = NOW) -> bool:
    try:
        spend(holder, realm, marks, now)
    except WalletError as error:
        assert error.why == "replayed"  # noqa: PT017 — both outcomes are looked at
        return True
    return False


def test_a_token_is_spent_once_whichever_form_is_shown(holders: tuple[Holder, Holder, Holder]) -> None:
    marks = MemoryMarks()
    online, offline, another = holders
    assert not replayed(online, "facilitation", marks)
    assert replayed(online, "facilitation", marks)
    assert replayed(offline, "facilitation", marks)
    assert not replayed(another, "facilitation", marks)


def test_realms_have_marks_of_their_own(holders: tuple[Holder, Holder, Holder]) -> None:
    marks = MemoryMarks()
    assert not replayed(holders[0], "facilitation", marks)
    assert not replayed(holders[0], "border-police", marks)
    assert mark(holders[0].key, "facilitation") != mark(holders[0].key, "border-police")
    assert holders[0].key not in marks.pending(NOW)


def test_a_mark_is_forgotten_once_the_token_has_ended(holders: tuple[Holder, Holder, Holder]) -> None:
    marks = MemoryMarks()
    spend(holders[0], "facilitation", marks, NOW)
    assert list(marks.pending(NOW).values()) == [UNTIL + 60]
    assert marks.pending(UNTIL + 61) == {}


def test_a_memory_that_is_full_lets_nobody_pass_unseen(
    holders: tuple[Holder, Holder, Holder], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_use, "MAX_MARKS", 1)
    marks = MemoryMarks()
    spend(holders[0], "facilitation", marks, NOW)
    with pytest.raises(WalletError, match="too many"):
        spend(holders[2], "facilitation", marks, NOW)
    marks.add(b"later", UNTIL + 9999, UNTIL + 61)
    assert list(marks.pending(UNTIL + 61)) == [b"later"]
