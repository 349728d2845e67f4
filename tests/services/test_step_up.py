"""An officer signs a report with their passkey: the evidence is about that report alone, and whoever has the file verifies it."""

from __future__ import annotations

import asyncio
import io
from datetime import timedelta
from typing import Any

import msgspec
import pypdf
import pytest
from sqlalchemy import select

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Ctx
from egide.kernel.errors import BadInput, Conflict, Refused
from egide.protocols.stepup import NotProved
from egide.services import signing, tables
from egide.services.definition import Definition, catalogue, problems
from egide.services.model import PURPOSE, EventBody, events_of, file_owner
from tests.passkeys import Passkey
from tests.services.filings import taken
from tests.services.hearings import begun as hearing
from tests.services.offline import Device
from tests.world import World

pytestmark = pytest.mark.anyio

SIGN = "services.field_report.sign"
RULE = "CPP-801-1-signer"


def definition_of(service: str) -> Definition:
    found = catalogue().find(service)
    assert found is not None
    return found


def report() -> Definition:
    return definition_of("field-report")


async def added(world: World, key: Passkey, who: str = "officer", proof: Passkey | None = None) -> dict[str, Any]:
    """A passkey, added by its person; `proof`: with one that they have."""
    begun = await world.act(who, "administration.key.begin")
    given = {"ceremony": begun["ceremony"], "credential": key.register(begun["options"]), "label": "Poste 12"}
    if proof is not None:
        given["proof"] = proof.sign_in(begun["proof"])
    done: dict[str, Any] = await world.act(who, "administration.key.add", **given)
    return done


async def begun(world: World, file: str, step: str = "sign", text: str = "", who: str = "officer") -> dict[str, Any]:
    found: dict[str, Any] = await world.act(who, "services.signature.begin", file=file, step=step, text=text)
    return found


def answer(key: Passkey, challenge: dict[str, Any]) -> dict[str, Any]:
    return {"ceremony": challenge["ceremony"], "credential": key.sign_in(challenge["options"])}


def proof_of(world: World, file: str) -> tuple[EventBody, bytes]:
    """What is kept of the last event, and the document it made."""
    db, vault = world.kernel.store.reader(), world.kernel.vault
    body = msgspec.json.decode(events_of(world.kernel, db, file)[1][-1], type=EventBody)
    kept = db.execute(select(tables.document).where(tables.document.c.id == body.document)).one()
    return body, vault.open_(file_owner(file), PURPOSE, kept.body, f"document.{kept.id}".encode())


async def test_a_report_signed_with_a_passkey_is_proved_to_whoever_has_it(world: World) -> None:
    key = Passkey(world.settings.origin)
    await added(world, key)
    file = (await taken(world, report(), "mobile"))["file"]
    opened = await world.act("officer", "services.field_report.read", file=file)
    (offer,) = [one for one in opened["steps"] if one["act"] == SIGN]
    assert (offer["step_up"], offer["card"]) == (True, False)
    assert await world.refused("officer", SIGN, file=file) == [RULE]
    challenge = await begun(world, file)
    assert challenge["options"]["userVerification"] == "required"
    assert [one["id"] for one in challenge["options"]["allowCredentials"]] == [key.sign_in(challenge["options"])["id"]]
    done = await world.act("officer", SIGN, file=file, **answer(key, challenge))
    assert done["state"] == "signed"

    shown = (await world.act("officer", "services.field_report.read", file=file))["file"]
    assert shown["wrong"] is None
    assert shown["events"][-1]["signed"] == ["passkey"]
    (document,) = [one for one in shown["documents"] if one["made"]]
    proved = await world.act("officer", "services.signature.verify", document=document["id"])
    assert proved["holds"]
    body, pdf = proof_of(world, file)
    assert world.kernel.things["press"].verify(pdf).holds
    assert body.proof is not None
    signing.holds(body.proof, pdf)
    said = msgspec.json.decode(body.proof.said, type=signing.Said)
    assert (said.file, said.step, said.officer) == (shown["number"], "sign", "officer")
    for at in (0, said.bytes // 2, said.bytes - 1):
        changed = bytearray(pdf)
        changed[at] ^= 1
        with pytest.raises(NotProved, match="another document"):
            signing.holds(body.proof, bytes(changed))
    forged = pdf.replace(b"%PDF-", b"%PDG-")
    sealed = world.kernel.vault.seal(file_owner(file), PURPOSE, forged, f"document.{document['id']}".encode())
    world.tamper("update service_document set body = ?", sealed)
    other = await world.act("officer", "services.signature.verify", document=document["id"])
    assert not other["holds"], "whoever has the keys may seal another document, and is found"
    told = bytes(body.proof.said).replace(b'"sign"', b'"seal"')
    with pytest.raises(NotProved, match="something else"):
        signing.holds(msgspec.structs.replace(body.proof, said=told), pdf)


async def test_without_a_passkey_signing_goes_as_before(world: World) -> None:
    file = (await taken(world, report(), "mobile"))["file"]
    opened = await world.act("officer", "services.field_report.read", file=file)
    assert not any(one["step_up"] for one in opened["steps"])
    with pytest.raises(BadInput, match="no passkey yet"):
        await begun(world, file)
    with pytest.raises(BadInput, match="No card can sign"):
        await world.act("officer", SIGN, file=file, pin="1234")
    assert (await world.act("officer", SIGN, file=file))["state"] == "signed"
    shown = (await world.act("officer", "services.field_report.read", file=file))["file"]
    assert shown["events"][-1]["signed"] == []


async def test_an_answer_is_about_one_act_of_one_officer_once_and_not_for_long(world: World) -> None:
    key, other = Passkey(world.settings.origin), Passkey(world.settings.origin)
    await added(world, key)
    await added(world, other, "command")
    one, two = [(await taken(world, report(), "mobile"))["file"] for _ in range(2)]
    mine = answer(key, await begun(world, one))
    assert await world.refused("officer", SIGN, file=two, **mine) == [RULE], "another file"
    assert await world.refused("command", SIGN, file=one, **mine) == [RULE], "another officer"
    theirs = answer(other, await begun(world, one))
    assert await world.refused("officer", SIGN, file=one, **theirs) == [RULE], "another’s key"
    late = answer(key, await begun(world, one))
    world.clock.shift(timedelta(minutes=3))
    assert await world.refused("officer", SIGN, file=one, **late) == [RULE], "too late"
    challenge = await begun(world, one)
    key.count = 0
    copied = answer(key, challenge)
    await world.act("officer", SIGN, file=one, **copied)  # count 1: the first that this key ever told
    again = {"ceremony": copied["ceremony"], "credential": copied["credential"], "text": "Complément."}
    assert await world.refused("officer", "services.field_report.complete", file=one, **again) == [RULE], "used already"
    key.count = 0  # a copied key counts again from where it was copied
    old = answer(key, await begun(world, two))
    assert await world.refused("officer", SIGN, file=two, **old) == [RULE], "a count that did not grow"
    nonsense = {"ceremony": "x" * 5000, "credential": {"id": 3}}
    assert await world.refused("officer", SIGN, file=two, **nonsense) == [RULE]


async def test_what_changed_after_it_was_read_is_not_signed(world: World) -> None:
    key = Passkey(world.settings.origin)
    await added(world, key)
    file = (await taken(world, report(), "mobile"))["file"]
    await world.act("officer", SIGN, file=file, **answer(key, await begun(world, file)))
    words = answer(key, await begun(world, file, "complete", "Une porte forcée."))
    with pytest.raises(Conflict, match="changed since you read it"):
        await world.act("officer", "services.field_report.complete", file=file, text="Une porte intacte.", **words)
    done = await world.act("officer", "services.field_report.complete", file=file, text="Une porte forcée.", **words)
    assert done["state"] == "signed", "nothing was lost: the same answer still signs what it was about"
    both = [await begun(world, file, "complete", f"Complément {n}.") for n in range(2)]
    answers = [answer(key, one) for one in both]
    ends = await asyncio.gather(
        *(
            world.act("officer", "services.field_report.complete", file=file, text=f"Complément {n}.", **one)
            for n, one in enumerate(answers)
        ),
        return_exceptions=True,
    )
    assert sorted(isinstance(one, Conflict) for one in ends) == [False, True], "the second was about the file before it"


async def test_whoever_has_a_key_proves_it_to_add_another(world: World) -> None:
    first, second = Passkey(world.settings.origin), Passkey(world.settings.origin)
    shown = await added(world, first)
    assert [one["label"] for one in shown["keys"]] == ["Poste 12"]
    with pytest.raises(BadInput, match="not accepted"):
        await added(world, second)
    with pytest.raises(BadInput, match="not accepted"):
        await added(world, second, proof=second)
    with pytest.raises(BadInput, match="not accepted"):
        await added(world, Passkey(world.settings.origin, verified=False), proof=first)
    opened = await world.act("officer", "administration.key.begin")
    assert [one["id"] for one in opened["options"]["excludeCredentials"]] == [shown["keys"][0]["id"]]
    given = {
        "ceremony": opened["ceremony"],
        "credential": second.register(opened["options"]),
        "proof": first.sign_in(opened["proof"]),
    }
    with pytest.raises(BadInput, match="not accepted"):
        await world.act("command", "administration.key.add", **given)  # somebody else's request
    assert len((await world.act("officer", "administration.key.add", **given))["keys"]) == 2
    with pytest.raises(BadInput, match="expired"):
        await world.act("officer", "administration.key.add", **given)
    stored = select(kernel_tables.passkey.c.person)
    assert [row.person for row in world.kernel.store.reader().execute(stored)] == ["officer", "officer"]


async def test_a_definition_may_ask_it_of_everyone(world: World) -> None:
    """The law refuses whom it is asked of and who has no passkey; what is none of their business tells them nothing."""
    transition = msgspec.structs.replace(next(one for one in report().transitions if one.id == "sign"), step_up=True)
    ctx = Ctx(
        world.kernel, world.person("officer"), world.kernel.acts[SIGN], world.clock.now_us(), world.kernel.store.reader()
    )  # fmt: skip
    given = signing.SignedStep(file="x")
    assert signing.facts_of(ctx, given, object(), transition) == {"stepped_up": False}
    assert signing.facts_of(ctx, given, None, transition) == {"stepped_up": True}
    ctx.consumer = "outbox 0a1b"  # its device signed it
    assert signing.facts_of(ctx, given, object(), transition) == {"stepped_up": True}
    odd = msgspec.structs.replace(transition, signed=False)
    wrong = msgspec.structs.replace(report(), transitions=(odd, *report().transitions[1:]))
    assert any("asks for a passkey" in one.en for one in problems(wrong))


async def test_nobody_prepares_what_is_not_theirs_to_sign(world: World) -> None:
    key = Passkey(world.settings.origin)
    await added(world, key)
    file = (await taken(world, report(), "mobile"))["file"]
    with pytest.raises(Refused):
        await begun(world, file, who="prefect")
    with pytest.raises(Conflict, match="not signed"):
        await begun(world, file, "send")
    await world.act("officer", SIGN, file=file, **answer(key, await begun(world, file)))
    with pytest.raises(Conflict, match="cannot be done there"):
        await begun(world, file)


@pytest.mark.parametrize("service", ["theft", "hearing"])
async def test_complaints_and_hearings_are_signed_alike(world: World, service: str) -> None:
    key = Passkey(world.settings.origin)
    if service == "theft":
        file = (await taken(world, definition_of("theft"), "counter"))["file"]
        await world.act("officer", "services.theft.assign", file=file)
    else:
        file = (await (await hearing(world)).until("confirmed")).file
    await added(world, key)
    name = f"services.{service}.sign"
    assert await world.refused("officer", name, file=file) == [RULE]
    await world.act("officer", name, file=file, **answer(key, await begun(world, file)))
    body, pdf = proof_of(world, file)
    assert body.proof is not None
    signing.holds(body.proof, pdf)
    text = " ".join(" ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages).split())
    assert "avec sa clé d’accès, qui a signé l’empreinte de ce document" in text
    assert "pas une signature électronique qualifiée" in text


async def test_what_a_device_signed_outside_needs_no_key_inside(world: World) -> None:
    key, device = Passkey(world.settings.origin), await Device(world).enrol()
    await added(world, key)
    file = (await taken(world, report(), "mobile"))["file"]
    await world.act("officer", SIGN, file=file, **answer(key, await begun(world, file)))
    further = {"act": "complement", "target": file, "text": "Une trace de plus.", "seen": 2, "made": device.made()}
    (done,) = await device.sync(device.add(further))
    assert done["state"] == "recorded"
    assert await world.refused("officer", "services.field_report.complete", file=file, text="Sans clé.") == [RULE]
