"""A control: a word comes out, a receipt for the wallet, one more in a count, and nothing else is left."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from egide.border import clerk, holding, realm, statuses, tables
from egide.border.ledger.model import Role, StatusDigest
from egide.border.room.messages import StatusToken
from egide.border.room.sealed import sealed
from egide.border.token import online, question
from egide.border.token.answer import seal
from egide.border.token.profile import end
from egide.exercise import csca, travel_document
from egide.kernel import tables as kernel_tables
from egide.kernel.errors import Conflict, NotFound
from egide.protocols.sdjwt.signing import public_of
from egide.protocols.vapid import decoded, encoded
from egide.protocols.wallet.tokens import Jwk
from tests.border.airport import Airport, of_point
from tests.border.kiosk import SELF, picture
from tests.border.traveller import Tablet, Token, frame
from tests.world import Terminal

pytestmark = pytest.mark.anyio


def rows(airport: Airport, table: Any) -> list[Any]:
    return list(airport.kernel.store.reader().execute(select(table)).all())


def told(airport: Airport, name: str) -> list[bytes]:
    out = kernel_tables.outbox
    found = airport.kernel.store.reader().execute(select(out.c.payload).where(out.c.name == name)).all()
    return [bytes(row.payload) for row in found]


async def test_a_token_opens_the_gate_once_and_the_wallet_alone_keeps_the_receipt(airport: Airport) -> None:
    wallet = await airport.traveller()
    passed = await airport.passes("security", wallet)
    assert (passed["result"], passed["why"]) == ("pass", "")
    assert passed["receipt"].count(".") == 2
    counted = rows(airport, tables.facilitation.count)
    assert [(row.point, row.outcome, row.n) for row in counted] == [("security", "pass", 1)]
    (event,) = told(airport, "gate.passed")
    assert set(json.loads(event)) == {"point", "stream", "second"}
    again = await airport.passes("security", wallet)
    assert (again["result"], again["why"], again["receipt"]) == ("refused", "replayed", "")


async def test_a_token_for_one_control_does_not_open_another_that_asks_for_the_same(airport: Airport) -> None:
    """Security and bag drop ask for the flight alone. The token is not spent by it, and the officer reads why."""
    wallet, opened = await airport.traveller(), await airport.opened("bag-drop")
    found = await airport.present("bag-drop", wallet.tokens["security"], opened)
    assert (found["result"], found["why"], found["receipt"]) == ("refused", "control", "")
    await airport.act("officer", "border.control.reject", control=opened["control"], officer=True, why="refused")
    assert [case["why"] for case in (await airport.act("officer", "border.officer.list"))["cases"]] == ["control"]
    for point in ("bag-drop", "security"):
        assert (await airport.passes(point, wallet))["result"] == "pass"


async def test_the_request_says_who_asks_for_what_and_that_nothing_is_kept(airport: Airport) -> None:
    opened = await airport.opened("boarding", external=False)
    body = json.loads(decoded(opened["request"].split(".")[1]))
    assert body["client_id"] == airport.gates["facilitation"]
    assert [each["path"] for each in body["dcql_query"]["credentials"][0]["claims"]] == [
        ["flight"],
        ["doc_ok"],
        ["control"],
    ]
    assert body["dcql_query"]["credentials"][0]["claims"][-1]["values"] == ["boarding", "spare"]
    assert body["egide_border"]["retention_s"] == 0
    assert (body["egide_border"]["legal_basis"], opened["basis"]) == ("", None)
    assert not opened["face"]
    opened = await airport.opened("boarding", external=True)
    assert opened["face"]
    assert opened["legal_basis"] == "eu/carriers 26(1)(b)"
    assert opened["basis"]["says"]["en"] == "A carrier checks who holds the travel document."
    signed = json.loads(decoded(opened["request"].split(".")[1]))
    assert signed["egide_border"]["legal_basis"] == opened["legal_basis"], "the record keeps the identifier"
    assert len(opened["challenge"]) == 1, "the second movement is nobody’s to know before it is asked for"


async def trusted(airport: Airport, prefix: str = "border") -> question.Verifiers:
    """The gates' keys as a wallet knows them."""
    listed = (await airport.ask(f"{prefix}.trust.list"))["keys"]
    return {
        key["kid"]: public_of(Jwk("EC", "P-256", key["x"], key["y"])) for key in listed if key["role"] == "verifier"
    }.get


@pytest.mark.parametrize(("point", "prefix"), [("boarding", "border"), ("border", "border.police")])
async def test_the_request_by_network_is_one_with_the_picture(airport: Airport, point: str, prefix: str) -> None:
    """Same gate, same claims, same nonce, same key for the answer: so a wallet knows both to be of one control."""
    opened = await airport.opened(point, external=True)
    gates, picture = await trusted(airport, prefix), decoded(opened["picture"])
    seen, asked = (
        online.read(opened["request"], gates, airport.now()),
        question.read(picture, gates, airport.now()),
    )
    assert (seen.client, set(seen.claims), seen.nonce) == (asked.kid, set(asked.claims), encoded(asked.nonce))
    key = seen.encryption or {}
    assert asked.point == b"\x04" + decoded(key["x"]) + decoded(key["y"])
    going = airport.kernel.things[holding.THING]
    assert going.request(question.name_of(picture)) == going.request(opened["control"]) == opened["request"]
    assert going.request(question.name_of(b"")) is going.request("") is None


async def test_an_answer_by_network_is_taken_only_where_a_gate_still_listens(airport: Airport) -> None:
    gate = Terminal(airport.person("officer"))
    given = {"point": "security", "gate": airport.gates["facilitation"], "external": False}
    opened = await airport.act("officer", "border.control.open", gate, **given)
    going = airport.kernel.things[holding.THING]
    token = (await airport.traveller()).tokens["security"]
    first, second = airport.answer(token, opened), airport.answer(token, opened)
    assert await going.answered(opened["control"], first)
    gate.leave()
    assert not await going.answered(opened["control"], second)
    assert [each["answer"] for each in gate.pushed if each["push"] == "border.answer"] == [first]


async def test_a_token_that_went_by_network_does_not_count_again_as_a_picture(airport: Airport) -> None:
    """Both forms of a token leave one mark: whichever way comes first is the only one."""
    wallet = await airport.traveller()
    token = wallet.tokens["security"]
    first, second = await airport.opened("security"), await airport.opened("security")
    assert (await airport.present("security", token, first))["result"] == "pass"
    asked = question.read(decoded(second["picture"]), await trusted(airport), airport.now())
    sealed = encoded(seal(asked, token.issued.cwt, b"", token.sign))
    found = await airport.act(
        "officer", "border.control.present", control=second["control"], answer=sealed, offline=True
    )
    assert (found["result"], found["why"]) == ("refused", "replayed")
    assert len(rows(airport, tables.facilitation.spent)) == 1


async def test_a_wallet_without_a_network_answers_the_gates_picture(airport: Airport) -> None:
    wallet, opened = await airport.traveller(), await airport.opened("bag-drop")
    asked = question.read(decoded(opened["picture"]), await trusted(airport), airport.now())
    token = wallet.tokens["bag-drop"]
    shown = encoded(seal(asked, token.issued.cwt, token.secret, token.sign))
    found = await airport.act(
        "officer", "border.control.present", control=opened["control"], answer=shown, offline=True
    )
    assert found["result"] == "pass"


async def test_a_gate_that_is_not_on_the_trust_list_is_refused_by_article(airport: Airport) -> None:
    await airport.act("administrator", "border.key.end", kid=airport.gates["facilitation"])
    given = {"point": "security", "gate": airport.gates["facilitation"], "external": False}
    assert await airport.refused("officer", "border.control.open", **given) == ["EIDAS-5b-1"]


async def test_a_gate_that_the_consortium_removed_is_refused_whatever_our_own_table_says(airport: Airport) -> None:
    class Removed:
        def trusted(self, _kid: str, _role: Role, _at: int) -> None:
            return None

    airport.kernel.things["border-consortium"] = Removed()
    given = {"point": "security", "gate": airport.gates["facilitation"], "external": False}
    assert await airport.refused("officer", "border.control.open", **given) == ["EIDAS-5b-1"]


async def test_without_the_equal_lane_or_without_an_officer_nobody_is_controlled(airport: Airport) -> None:
    given = {"point": "security", "gate": airport.gates["facilitation"], "external": False}
    await airport.lanes("security", equal_open=False)
    assert await airport.refused("officer", "border.control.open", **given) == ["GDPR-7-4"]
    await airport.lanes("security", staffed=False)
    assert await airport.refused("officer", "border.control.open", **given) == ["AIA-14"]


async def test_consent_that_is_withdrawn_stops_at_once(airport: Airport) -> None:
    wallet = await airport.traveller()
    opened = await airport.opened("security")
    await airport.ask("border.consent.withdraw", consent=wallet.consent, secret=wallet.secret)
    name, answer = "border.control.present", airport.answer(wallet.tokens["security"], opened)
    assert await airport.refused("officer", name, control=opened["control"], answer=answer) == ["GDPR-7-3-explicit"]


async def test_a_token_that_was_spent_or_revoked_is_so_as_long_as_a_gate_would_take_it(airport: Airport) -> None:
    """Gates take a token for a minute past its end, for clocks differ: it does not come back to life in that minute."""
    spent, revoked = await airport.traveller(), await airport.traveller()
    assert (await airport.passes("security", spent))["result"] == "pass"
    await airport.ask("border.consent.withdraw", consent=revoked.consent, secret=revoked.secret)
    airport.move(seconds=end(airport.now()) - airport.now() + 40)
    assert (await airport.passes("bag-drop", spent))["result"] == "pass", (
        "a control: it is still taken, and old marks go"
    )
    again = await airport.passes("security", spent)
    assert (again["result"], again["why"]) == ("refused", "replayed")
    opened = await airport.opened("security")
    given = {"control": opened["control"], "answer": airport.answer(revoked.tokens["security"], opened)}
    assert await airport.refused("officer", "border.control.present", **given) == ["GDPR-7-3-explicit"]


async def test_consent_that_is_withdrawn_while_movements_are_watched_stops_at_once(airport: Airport) -> None:
    wallet, opened = await airport.traveller(), await airport.opened("boarding", external=True)
    token = wallet.tokens["boarding"]
    assert not (await watched(airport, "boarding", opened, token, 0))["over"]
    await airport.ask("border.consent.withdraw", consent=wallet.consent, secret=wallet.secret)
    given = {"control": opened["control"], "answer": airport.answer(token, opened)}
    for name in ("watch", "present"):
        assert await airport.refused("officer", f"border.control.{name}", **given) == ["GDPR-7-3-explicit"]


async def test_two_officers_who_decide_at_once_give_one_word(airport: Airport) -> None:
    gate = Terminal(airport.person("officer"))
    given = {"point": "security", "gate": airport.gates["facilitation"], "external": False}
    opened = await airport.act("officer", "border.control.open", gate, **given)
    await airport.act("officer", "border.control.reject", control=opened["control"], officer=True, why="asked")
    word = {"case": opened["control"], "reason": "cannot-tell"}
    decisions = (
        airport.act("officer", "border.officer.decide", word=each, **word) for each in ("to-the-desk", "let-through")
    )
    first, second = await asyncio.gather(*decisions, return_exceptions=True)
    assert (first, type(second)) == ({"word": "to-the-desk", "receipt": ""}, Conflict)
    assert [each["word"] for each in gate.pushed if each["push"] == "border.decided"] == ["to-the-desk"]


async def test_tokens_of_the_issuers_former_key_count_on_and_are_revoked_as_ever(airport: Airport) -> None:
    """A new key is made while the tokens of the last one are in people's hands, for up to thirty days."""
    wallet, other = await airport.traveller(), await airport.traveller()
    await airport.act("administrator", "border.key.make", role="issuer")
    found = await airport.passes("security", wallet)
    assert (found["result"], found["why"]) == ("pass", "")
    await airport.ask("border.consent.withdraw", consent=other.consent, secret=other.secret)
    opened = await airport.opened("security")
    given = {"control": opened["control"], "answer": airport.answer(other.tokens["security"], opened)}
    assert await airport.refused("officer", "border.control.present", **given) == ["GDPR-7-3-explicit"]


async def test_two_tries_then_the_officer_who_decides_in_one_of_two_words(airport: Airport) -> None:
    wallet, opened = await airport.traveller(), await airport.opened("security")
    stranger = (await airport.traveller()).tokens["bag-drop"]
    broken = {"control": opened["control"], "answer": airport.answer(stranger, opened)[:-9]}
    first = await airport.act("officer", "border.control.present", **broken)
    assert (first["result"], first["why"], first["tries_left"]) == ("refused", "encryption", 1)
    second = await airport.act("officer", "border.control.present", **broken)
    assert (second["result"], second["tries_left"]) == ("officer", 0)
    (case,) = (await airport.act("officer", "border.officer.list"))["cases"]
    assert (case["point"], case["why"]) == ("security", "encryption")
    tablet = Tablet()
    look = {"case": case["case"], "tablet": tablet.jwk, "document_in_hand": True}
    shown = await airport.act("officer", "border.officer.look", **look)
    assert tablet.open(shown["sealed"])["why"] == "encryption"
    decision = {"case": case["case"], "word": "let-through", "reason": "same-person"}
    decided = await airport.act("officer", "border.officer.decide", **decision)
    assert decided["receipt"]
    assert wallet.receipts == []
    with pytest.raises(NotFound):
        await airport.act("officer", "border.officer.decide", **decision)


async def test_the_officer_looks_with_the_document_in_hand_or_not_at_all(airport: Airport) -> None:
    opened = await airport.opened("security")
    await airport.act("officer", "border.control.reject", control=opened["control"], officer=True)
    look = {"case": opened["control"], "tablet": Tablet().jwk, "document_in_hand": False}
    with pytest.raises(Exception, match="document in your hand"):
        await airport.act("officer", "border.officer.look", **look)


async def test_the_gate_and_the_officer_hear_what_concerns_them_over_their_own_connections(airport: Airport) -> None:
    gate, tablet = (Terminal(airport.person("officer")) for _ in range(2))
    await airport.act("officer", "border.officer.list", tablet)
    given = {"point": "security", "gate": airport.gates["facilitation"], "external": False}
    opened = await airport.act("officer", "border.control.open", gate, **given)
    going = holding.holding(airport.kernel)
    assert going.request(opened["control"]) == opened["request"]
    answer = airport.answer((await airport.traveller()).tokens["security"], opened)
    assert await going.answered(opened["control"], answer)
    assert gate.pushed[-1] == {"push": "border.answer", "control": opened["control"], "answer": answer}
    assert not await going.answered("another", answer)
    await airport.act("officer", "border.control.reject", control=opened["control"], officer=True, why="camera")
    assert tablet.pushed == [{"push": "border.cases", "realm": "facilitation"}], "a nudge, and nothing of the case"
    assert (await airport.act("officer", "border.officer.list"))["cases"][0]["why"] == "camera"
    assert not await going.answered(opened["control"], answer), "too late"
    decision = {"case": opened["control"], "word": "to-the-desk", "reason": "asked-for-a-person"}
    await airport.act("officer", "border.officer.decide", **decision)
    assert gate.pushed[-1]["word"] == "to-the-desk"
    assert len(tablet.pushed) == 2


async def test_everybody_can_read_what_a_point_asks(airport: Airport) -> None:
    shown = {each["id"]: each for each in (await airport.ask("border.point.list"))["points"]}
    assert set(shown) == {"bag-drop", "security", "boarding"}
    assert shown["boarding"]["legal_basis"] == "eu/carriers 26(1)(b)"
    (border,) = (await airport.ask("border.police.point.list"))["points"]
    assert border["document"]


async def test_a_machine_decides_nothing(airport: Airport) -> None:
    opened = await airport.opened("security")
    await airport.act("officer", "border.control.reject", control=opened["control"], officer=True)
    act = airport.kernel.acts["border.officer.decide"]
    assert "automated_decision" in airport.kernel.guard.required_facts(act.name)
    assert not airport.kernel.system(tables.FACILITATION).may(act, airport.clock.now_us())


async def test_who_leaves_the_gate_leaves_nothing_behind(airport: Airport) -> None:
    opened = await airport.opened("security")
    held = holding.holding(airport.kernel).find(realm.FACILITATION, opened["control"])
    await airport.act("officer", "border.control.reject", control=opened["control"], officer=False)
    await airport.until(lambda: held.room.closed)
    with pytest.raises(NotFound):
        await airport.act("officer", "border.control.reject", control=opened["control"], officer=False)


async def test_a_status_list_too_old_is_the_officers_and_nobody_is_refused(airport: Airport) -> None:
    wallet = await airport.traveller()
    listed = statuses.Statuses().current(airport.kernel, airport.kernel.store.reader(), airport.clock.now_us())
    airport.kernel.things["border-lists"] = (StatusToken(listed.uri, listed.issuer, listed.token),)
    airport.move(hours=2)
    opened = await airport.opened("security")
    presented = await airport.present("security", wallet.tokens["security"], opened)
    assert (presented["result"], presented["why"]) == ("officer", "stale")


class Published:
    """A consortium's ledger that lists every key and keeps one digest."""

    said: StatusDigest | None = None

    def trusted(self, _kid: str, _role: Role, _at: int) -> object:
        return object()

    def put_status(self, _kid: str, digest: bytes, sequence: int) -> None:
        self.said = StatusDigest(digest, sequence, sequence)

    def status_digest(self, _kid: str) -> StatusDigest | None:
        return self.said


async def test_a_list_from_before_the_published_one_counts_only_where_it_says_the_same(airport: Airport) -> None:
    published = airport.kernel.things["border-consortium"] = Published()
    wallet, other = await airport.traveller(), await airport.traveller()
    listed = statuses.Statuses().current(airport.kernel, airport.kernel.store.reader(), airport.clock.now_us())
    airport.kernel.things["border-lists"] = (StatusToken(listed.uri, listed.issuer, listed.token),)
    airport.move(seconds=2 * statuses.PERIOD_S)
    await clerk.Clerk(airport.kernel).minute()
    assert published.said is not None
    assert (await airport.passes("security", wallet))["result"] == "pass", "older, and it says the same"
    await airport.ask("border.consent.withdraw", consent=other.consent, secret=other.secret)
    assert (await airport.passes("bag-drop", wallet))["result"] == "pass", "a control: nothing is published of it yet"
    airport.move(seconds=2 * statuses.PERIOD_S)
    await clerk.Clerk(airport.kernel).minute()
    opened = await airport.opened("security")
    presented = await airport.present("security", other.tokens["security"], opened)
    assert (presented["result"], presented["why"]) == ("officer", "stale")
    del airport.kernel.things["border-lists"]
    opened = await airport.opened("boarding")
    given = {"control": opened["control"], "answer": airport.answer(other.tokens["boarding"], opened)}
    refused = await airport.refused("officer", "border.control.present", **given)
    assert refused == ["GDPR-7-3-explicit"], "our own list is the one of now: revoked"


def presented_case(airport: Airport) -> str:
    """The border's case that waits longest."""
    return holding.holding(airport.kernel).cases(realm.POLICE)[0].id


async def test_at_the_border_no_machine_refuses_and_without_the_document_the_law_does(airport: Airport) -> None:
    wallet = await airport.traveller()
    opened = await airport.opened("border", external=True)
    name, answer = "border.police.control.present", airport.answer(wallet.tokens["border"], opened)
    assert await airport.refused("officer", name, control=opened["control"], answer=answer) == ["SBC-8-2"]
    chip = frame(b"no chip", opened["key"])
    presented = await airport.present("border", wallet.tokens["border"], opened, chip=chip)
    assert (presented["result"], presented["why"]) == ("officer", "chip")
    other = await airport.opened("border", external=True)
    broken = airport.answer(wallet.tokens["border"], other)[:-9]
    given = {"control": other["control"], "answer": broken, "chip": frame(b"none", other["key"])}
    presented = await airport.act("officer", name, **given)
    assert (presented["result"], presented["why"]) == ("officer", "encryption")
    word = {"case": other["control"], "word": "to-the-desk", "reason": "cannot-tell"}
    with pytest.raises(Exception, match="not of this control"):
        await airport.act("officer", "border.police.officer.decide", **word)
    through = {"case": presented_case(airport), "word": "let-through", "reason": "same-person"}
    assert await airport.refused("officer", "border.police.officer.decide", **through) == ["SBC-8-2"]
    await airport.act("officer", "border.police.officer.decide", **through | {"document_in_hand": True})
    await airport.act("officer", "border.police.officer.decide", **word | {"word": "second-line"})


def frames(opened: dict[str, Any], *times: int) -> list[str]:
    return [frame(picture(SELF), opened["key"], at_ms) for at_ms in times]


async def watched(airport: Airport, point: str, opened: dict[str, Any], token: Token, *times: int) -> dict[str, Any]:
    name, answer = of_point(point).name("control.watch"), airport.answer(token, opened)
    given = {"control": opened["control"], "answer": answer, "frames": frames(opened, *times)}
    found: dict[str, Any] = await airport.act("officer", name, **given)
    return found


async def test_the_room_watches_movements_as_they_are_made_and_judges_all_of_them(airport: Airport) -> None:
    wallet, opened = await airport.traveller(), await airport.opened("boarding", external=True)
    ((first, at_ms),) = opened["challenge"]
    for begin in range(0, at_ms + 1500, 1000):
        said = await watched(airport, "boarding", opened, wallet.tokens["boarding"], *range(begin, begin + 1000, 200))
        assert said == {"move": first, "at_ms": at_ms, "over": False}
    late = await watched(airport, "boarding", opened, wallet.tokens["boarding"], at_ms + 2600)
    assert late["over"]
    presented = await airport.present("boarding", wallet.tokens["boarding"], opened)
    assert (presented["result"], presented["why"]) == ("unsure", "still")
    ((move, begins_ms),) = presented["challenge"]
    again = await watched(airport, "boarding", opened, wallet.tokens["boarding"], 0)
    assert again == {"move": move, "at_ms": begins_ms, "over": False}, "another attempt, of movements drawn anew"
    presented = await airport.present("boarding", wallet.tokens["boarding"], opened)
    assert (presented["result"], presented["challenge"]) == ("officer", []), "there is no third"


async def test_frames_that_nobody_watched_count_for_nothing_where_movements_are_asked_for(airport: Airport) -> None:
    wallet, opened = await airport.traveller(), await airport.opened("boarding", external=True)
    shown = frames(opened, *range(0, 5000, 200))
    presented = await airport.present("boarding", wallet.tokens["boarding"], opened, frames=shown)
    assert (presented["result"], presented["why"]) == ("unsure", "few")


async def test_no_movement_is_watched_before_the_token_counts(airport: Airport) -> None:
    wallet, opened = await airport.traveller(), await airport.opened("boarding", external=True)
    other = (await airport.traveller()).tokens["boarding"]
    given = {"control": opened["control"], "answer": airport.answer(other, opened)[:-9], "frames": frames(opened, 0)}
    said = await airport.act("officer", "border.control.watch", **given)
    assert said["over"]
    await airport.ask("border.consent.withdraw", consent=wallet.consent, secret=wallet.secret)
    given["answer"] = airport.answer(wallet.tokens["boarding"], opened)
    assert await airport.refused("officer", "border.control.watch", **given) == ["GDPR-7-3-explicit"]
    within = await airport.opened("boarding", external=False)
    token = (await airport.traveller()).tokens["boarding"]
    assert (await watched(airport, "boarding", within, token))["over"], "no face is looked at here"


async def test_a_document_that_is_read_while_movements_are_watched_is_still_the_tokens_own_or_not(
    airport: Airport,
) -> None:
    wallet, opened = await airport.traveller(), await airport.opened("border", external=True)
    token = wallet.tokens["border"]
    assert not (await watched(airport, "border", opened, token, 0))["over"], "the chip is being read"
    name, answer = "border.police.control.present", airport.answer(token, opened)
    assert await airport.refused("officer", name, control=opened["control"], answer=answer) == ["SBC-8-2"]
    country = csca.Authority(airport.now())
    chip = travel_document.files(country.signer(types=("P",)), airport.now(), picture(SELF))
    files = {name: encoded(data) for name, data in chip.items()}
    found = await airport.present("border", token, opened, chip=sealed(msgspec.json.encode(files), opened["key"]))
    assert (found["result"], found["why"]) == ("officer", "document")


async def test_the_realms_do_not_meet(airport: Airport) -> None:
    """What one realm holds of a control does not exist in the other."""
    opened = await airport.opened("security")
    with pytest.raises(NotFound):
        await airport.act("officer", "border.police.control.reject", control=opened["control"], officer=True)
    given = {"point": "border", "gate": airport.gates["border-police"], "external": True}
    with pytest.raises(NotFound):
        await airport.act("officer", "border.control.open", **given)


async def test_who_may_not_is_refused(airport: Airport) -> None:
    given = {"point": "security", "gate": airport.gates["facilitation"], "external": False}
    assert "GDPR-29" in await airport.refused("dpo", "border.control.open", **given)
    given |= {"point": "border", "gate": airport.gates["border-police"]}
    assert "LED-29" in " ".join(await airport.refused("dpo", "border.police.control.open", **given))
