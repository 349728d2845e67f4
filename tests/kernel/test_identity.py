"""Who acts: sessions whose secret only the browser holds, rights that count at once, passkeys and invitations used once."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from egide.kernel import tables
from egide.kernel.clock import iso
from egide.kernel.door import Outcome
from egide.kernel.errors import BadInput, Conflict, NotFound, Refused
from egide.kernel.identity import ANONYMOUS, SESSION_S, Principal, digest
from tests.kernel.test_writer import held, together
from tests.passkeys import Passkey
from tests.world import DAY_US, World

pytestmark = pytest.mark.anyio


async def anonymous(world: World, name: str, **given: Any) -> Outcome:
    return await world.kernel.perform(name, msgspec.json.encode(given), ANONYMOUS)


async def enter(world: World, persona: str) -> str:
    """The secret of a new session."""
    outcome = await anonymous(world, "administration.demo.enter", persona=persona)
    assert outcome.effect.set_cookie is not None
    return outcome.effect.set_cookie[0]


async def newcomer(world: World) -> tuple[str, str]:
    """(person, invitation) of a new officer."""
    unit = (await world.act("administrator", "administration.unit.add", name="Brigade"))["id"]
    added = await world.act("administrator", "administration.person.add", name="Zoé Test", unit=unit, roles=["officer"])
    return added["id"], added["invitation"]


async def register(world: World, invitation: str, key: Passkey) -> str:
    """Registers a passkey; the secret of the session that this opens."""
    begun = (await anonymous(world, "administration.passkey.begin", invitation=invitation)).result
    outcome = await anonymous(
        world,
        "administration.passkey.finish",
        ceremony=begun.ceremony,
        credential=key.register(begun.options),
        label="Clé",
    )
    assert outcome.effect.set_cookie is not None
    return outcome.effect.set_cookie[0]


async def answer(world: World, key: Passkey) -> dict[str, Any]:
    """What the browser sends to finish signing in."""
    begun = (await anonymous(world, "administration.sign_in.begin")).result
    return {"ceremony": begun.ceremony, "credential": key.sign_in(begun.options)}


async def sign_in(world: World, key: Passkey) -> str:
    outcome = await anonymous(world, "administration.sign_in.finish", **await answer(world, key))
    assert outcome.effect.set_cookie is not None
    return outcome.effect.set_cookie[0]


def who(world: World, secret: str) -> Principal:
    return world.kernel.identity.by_cookie(secret)


async def test_a_session_holds_twelve_hours_and_only_its_hash_is_kept(world: World) -> None:
    secret = await enter(world, "officer")
    assert who(world, secret).id == "officer"
    rows = world.kernel.store.reader().execute(select(tables.session)).all()
    assert [row.hash for row in rows] == [digest(secret)]
    assert secret not in repr(rows)
    world.move(seconds=SESSION_S - 5)
    assert who(world, secret).id == "officer"
    world.move(seconds=10)
    assert who(world, secret) is ANONYMOUS


NO_COOKIES = ["", "x", "é" * 40, "a" * 10_000, "\x00", "' OR 1=1 --"]


async def test_a_cookie_that_is_none_is_nobody(world: World) -> None:
    for secret in NO_COOKIES:
        assert who(world, secret) is ANONYMOUS


async def test_signing_out_ends_the_session_at_once(world: World) -> None:
    secret, other = await enter(world, "officer"), await enter(world, "officer")
    outcome = await world.kernel.perform("administration.sign_out", b"{}", who(world, secret))
    assert outcome.effect.set_cookie == ("", 0)
    assert who(world, secret) is ANONYMOUS
    assert who(world, other).id == "officer", "the other terminal stays signed in"


async def test_a_withdrawn_habilitation_counts_at_once(world: World) -> None:
    secret = await enter(world, "officer")
    await world.kernel.perform("orders.list", b"{}", who(world, secret))
    await world.act(
        "administrator", "administration.habilitation.withdraw", habilitation="demo-officer", reason="Mutation"
    )
    with pytest.raises(Refused) as caught:
        await world.kernel.perform("orders.list", b"{}", who(world, secret))
    assert "LED-29-e" in [reason.rule for reason in caught.value.decision.reasons]


async def test_a_request_that_waited_counts_under_todays_rights(world: World) -> None:
    """Of an upload that took a while: who asks was looked up when it began."""
    asked, leaving = who(world, await enter(world, "officer")), who(world, await enter(world, "command"))
    await world.kernel.perform("orders.list", b"{}", asked)
    await world.act(
        "administrator", "administration.habilitation.withdraw", habilitation="demo-officer", reason="Mutation"
    )
    with pytest.raises(Refused) as caught:
        await world.kernel.perform("orders.list", b"{}", asked)
    assert "LED-29-e" in [reason.rule for reason in caught.value.decision.reasons]
    await world.kernel.perform("administration.sign_out", b"{}", leaving)
    with pytest.raises(Refused):
        await world.kernel.perform("orders.list", b"{}", leaving)


async def test_a_habilitation_ends_by_itself_and_opens_its_activity_only(world: World) -> None:
    person, invitation = await newcomer(world)
    key = Passkey(world.settings.origin)
    secret = await register(world, invitation, key)
    with pytest.raises(Refused):
        await world.kernel.perform("orders.list", b"{}", who(world, secret))
    until = iso(world.clock.now_us() + DAY_US // 4)
    await world.act("administrator", "administration.habilitation.grant", person=person, scope="orders", until=until)
    await world.kernel.perform("orders.list", b"{}", who(world, secret))
    with pytest.raises(Refused):
        await world.kernel.perform("operations.picture", b"{}", who(world, secret))
    world.move(hours=7)
    with pytest.raises(Refused):
        await world.kernel.perform("orders.list", b"{}", who(world, secret))


async def test_a_lease_ends_with_its_session(world: World) -> None:
    """The absolute limit of a session holds for running views too."""
    secret = await enter(world, "officer")
    principal = who(world, secret)
    db = world.kernel.store.reader()
    assert world.kernel.identity.again(principal, db).id == "officer"
    world.move(seconds=SESSION_S + 1)
    assert world.kernel.identity.again(principal, db) is ANONYMOUS


async def test_an_invitation_serves_once(world: World) -> None:
    _person, invitation = await newcomer(world)
    await register(world, invitation, Passkey(world.settings.origin))
    with pytest.raises(BadInput):
        await anonymous(world, "administration.passkey.begin", invitation=invitation)


async def test_two_answer_the_same_invitation_and_one_wins(world: World) -> None:
    _person, invitation = await newcomer(world)
    answers = []
    for _ in range(2):
        key = Passkey(world.settings.origin)
        begun = (await anonymous(world, "administration.passkey.begin", invitation=invitation)).result
        answers.append({"ceremony": begun.ceremony, "credential": key.register(begun.options)})
    done = await asyncio.gather(
        *(anonymous(world, "administration.passkey.finish", **each) for each in answers), return_exceptions=True
    )
    assert sorted(type(each).__name__ for each in done) == ["Conflict", "Outcome"]
    assert len(world.kernel.store.reader().execute(select(tables.passkey)).all()) == 1
    assert any(isinstance(each, Conflict) for each in done)


async def test_an_invitation_ages(world: World) -> None:
    _person, invitation = await newcomer(world)
    world.move(days=8)
    with pytest.raises(BadInput):
        await anonymous(world, "administration.passkey.begin", invitation=invitation)
    with pytest.raises(BadInput):
        await anonymous(world, "administration.passkey.begin", invitation="guessed")


async def test_signing_in_with_a_passkey(world: World) -> None:
    person, invitation = await newcomer(world)
    key = Passkey(world.settings.origin)
    await register(world, invitation, key)
    principal = who(world, await sign_in(world, key))
    assert (principal.id, principal.name, principal.strong) == (person, "Zoé Test", True)


async def test_an_answer_serves_once_and_not_for_long(world: World) -> None:
    _person, invitation = await newcomer(world)
    key = Passkey(world.settings.origin)
    await register(world, invitation, key)
    given = await answer(world, key)
    await anonymous(world, "administration.sign_in.finish", **given)
    with pytest.raises(BadInput, match="expired"):
        await anonymous(world, "administration.sign_in.finish", **given)
    late = await answer(world, key)
    world.clock.shift(timedelta(minutes=3))
    with pytest.raises(BadInput, match="expired"):
        await anonymous(world, "administration.sign_in.finish", **late)


async def test_answers_that_do_not_hold(world: World) -> None:
    _person, invitation = await newcomer(world)
    key = Passkey(world.settings.origin)
    await register(world, invitation, key)
    key.origin = "http://localhost.evil.example"
    with pytest.raises(BadInput, match="not recognised"):
        await sign_in(world, key)
    key.origin = world.settings.origin
    key.name = "127.0.0.1"
    with pytest.raises(BadInput, match="not recognised"):
        await sign_in(world, key)
    key.name = "localhost"
    await sign_in(world, key)
    key.count = 0  # a copied key counts again from where it was copied
    with pytest.raises(BadInput, match="not recognised"):
        await sign_in(world, key)
    stranger = Passkey(world.settings.origin)
    with pytest.raises(BadInput, match="not recognised"):
        await sign_in(world, stranger)
    stranger.id = key.id
    with pytest.raises(BadInput, match="not recognised"):
        await sign_in(world, stranger)


async def test_a_device_that_asks_for_nothing_is_not_enough(world: World) -> None:
    _person, invitation = await newcomer(world)
    with pytest.raises(BadInput):
        await register(world, invitation, Passkey(world.settings.origin, verified=False))
    await register(world, invitation, Passkey(world.settings.origin))


NO_CREDENTIALS = [
    {},
    {"id": 7},
    {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": {}},
    {
        "id": "AAAA",
        "rawId": "AAAA",
        "type": "public-key",
        "response": {"clientDataJSON": "e30", "attestationObject": "oA"},
    },
    {
        "id": "AAAA",
        "rawId": "AAAA",
        "type": "public-key",
        "response": {"clientDataJSON": "W10", "attestationObject": "gA"},
    },
    {
        "id": "AAAA",
        "rawId": "AAAA",
        "type": "public-key",
        "response": {"clientDataJSON": "%%", "attestationObject": "//"},
    },
    {"id": "é", "rawId": "é", "type": "public-key", "response": {"clientDataJSON": "", "attestationObject": ""}},
    {
        "id": "AAAA",
        "rawId": "AAAA",
        "type": "public-key",
        "response": {"clientDataJSON": None, "attestationObject": [1]},
    },
]


async def test_nonsense_for_a_credential_is_told_so(world: World) -> None:
    for credential in NO_CREDENTIALS:
        _person, invitation = await newcomer(world)
        begun = (await anonymous(world, "administration.passkey.begin", invitation=invitation)).result
        with pytest.raises(BadInput):
            await anonymous(world, "administration.passkey.finish", ceremony=begun.ceremony, credential=credential)
        begun = (await anonymous(world, "administration.sign_in.begin")).result
        with pytest.raises(BadInput):
            await anonymous(world, "administration.sign_in.finish", ceremony=begun.ceremony, credential=credential)


async def test_revoking_a_passkey_ends_the_sessions(world: World) -> None:
    _person, invitation = await newcomer(world)
    key = Passkey(world.settings.origin)
    secrets = [await register(world, invitation, key), await sign_in(world, key)]
    listed = await world.act("administrator", "administration.people.list")
    passkey = next(each for each in listed["people"] if each["name"] == "Zoé Test")["passkeys"][0]["id"]
    await world.act("administrator", "administration.passkey.revoke", passkey=passkey, reason="Perdue")
    assert [who(world, secret) for secret in secrets] == [ANONYMOUS, ANONYMOUS]
    with pytest.raises(BadInput, match="not recognised"):
        await sign_in(world, key)


async def test_a_passkey_revoked_while_it_answers_opens_nothing(plugged: World) -> None:
    _person, invitation = await newcomer(plugged)
    key = Passkey(plugged.settings.origin)
    await register(plugged, invitation, key)
    passkey = plugged.kernel.store.reader().execute(select(tables.passkey.c.id)).scalar_one()
    given = await answer(plugged, key)
    async with held(plugged) as gate:
        done = await together(
            plugged,
            gate,
            plugged.perform("administrator", "administration.passkey.revoke", passkey=passkey, reason="Volée"),
            anonymous(plugged, "administration.sign_in.finish", **given),
        )
    assert [type(each).__name__ for each in done] == ["Outcome", "BadInput"]
    opened = plugged.kernel.store.reader().execute(select(tables.session).where(tables.session.c.ended.is_(None))).all()
    assert opened == []


async def test_personas_exist_in_demo_mode_only(world: World, tmp_path: Any) -> None:
    with pytest.raises(NotFound):
        await anonymous(world, "administration.demo.enter", persona="nobody")
    plain = World(tmp_path / "plain", demo=False)
    await plain.start()
    try:
        with pytest.raises(NotFound):
            await anonymous(plain, "administration.demo.enter", persona="officer")
        shown = (await anonymous(plain, "administration.session.show")).result
        assert (shown.demo, shown.personas) == (False, [])
        assert plain.kernel.store.reader().execute(select(tables.person)).all() == []
    finally:
        await plain.stop()


async def test_names_are_sealed_with_a_key_of_their_own(world: World) -> None:
    person, _invitation = await newcomer(world)
    stored = (world.settings.folder / "egide.db").read_bytes() + (world.settings.folder / "egide.db-wal").read_bytes()
    assert "Zoé Test".encode() not in stored
    assert json.dumps("Zoé Test").encode() not in stored
    world.kernel.vault.shred(person, "identity")
    world.kernel.identity.forget()
    assert world.kernel.identity.name(person) == ""
