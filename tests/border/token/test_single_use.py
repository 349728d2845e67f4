"""A token is one, in whichever form; realms remember nothing they could compare. That it passes once: test_controls.py."""

from __future__ import annotations

from egide.border.token.single_use import mark
from egide.border.token.verify import verify_offline, verify_online
from tests.border.token.scene import NOW, TRUSTED, Traveller, asked, lists, questioned


def test_a_token_has_one_mark_whichever_form_is_shown_and_another_in_each_realm() -> None:
    alix, status = Traveller(), lists()
    question, private = questioned()
    online = verify_online(alix.shown("boarding"), asked(), [TRUSTED], status, NOW, alix.secrets["boarding"])
    offline = verify_offline(alix.sealed("boarding", question), question, private, [TRUSTED], status, NOW)
    spare = verify_online(alix.shown("spare-2"), asked("spare-2"), [TRUSTED], status, NOW, alix.secrets["spare-2"])
    assert mark(online.key, "facilitation") == mark(offline.key, "facilitation")
    others = {mark(spare.key, "facilitation"), mark(online.key, "border-police"), online.key}
    assert mark(online.key, "facilitation") not in others
    assert len(others) == 3
