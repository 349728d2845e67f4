"""CAP in, CAP and EMSI out: what others say is only reported; what leaves is named, reasoned and in the log."""

from __future__ import annotations

from typing import Any

import pytest

from egide.kernel.errors import BadInput, Conflict
from egide.protocols import cap, edxl
from egide.protocols.safexml import Node
from egide.protocols.safexml import parse as parse_xml
from tests.operations.test_incidents import assigned, reported, step, tasked
from tests.world import INSIDE, World

pytestmark = pytest.mark.anyio


def message(**changed: Any) -> str:
    given: dict[str, Any] = {
        "identifier": "M1", "sender": "meteo@example.org", "sent": "2026-11-26T10:00:00+01:00", "status": "Actual", "kind": "Alert", "scope": "Public",
        "infos": (
            _info(language="en-GB", headline="Fire in the harbour"), _info(language="fr-FR", headline="Incendie au port", description="Fumée épaisse"),
        ),
    } | changed  # fmt: skip
    return cap.write(cap.Alert(**given)).decode()


def _info(**changed: Any) -> cap.Info:
    area = cap.Area(
        description="Port sud", polygons=(((60.0, 24.0), (60.0, 24.2), (60.2, 24.2), (60.2, 24.0), (60.0, 24.0)),)
    )
    given: dict[str, Any] = {
        "categories": ("Fire",), "event": "Feu", "urgency": "Immediate", "severity": "Severe", "certainty": "Observed", "areas": (area,),
    } | changed  # fmt: skip
    return cap.Info(**given)


async def test_a_message_is_only_reported(world: World) -> None:
    done = await world.act("officer", "operations.cap.import", xml=message())
    assert (done["state"], done["new"]) == ("reported", True)
    told = (await world.act("officer", "operations.incident.read", incident=done["id"]))["incident"]
    assert (told["title"], told["kind"], told["priority"], told["address"], told["origin"]) == (
        "Incendie au port",
        "fire",
        1,
        "Port sud",
        "cap",
    )
    assert (round(told["lat"], 3), round(told["lon"], 3)) == (60.1, 24.1)
    assert 10_000 < told["radius"] < 20_000
    assert "Fumée épaisse" in told["text"]
    again = await world.act("officer", "operations.cap.import", xml=message())
    assert (again["id"], again["new"]) == (done["id"], False)
    update = message(
        identifier="M2",
        kind="Update",
        references=(cap.Reference("meteo@example.org", "M1", "2026-11-26T10:00:00+01:00"),),
    )
    assert (await world.act("officer", "operations.cap.import", xml=update))["id"] == done["id"]
    cancel = message(
        identifier="M3",
        kind="Cancel",
        infos=(),
        references=(cap.Reference("meteo@example.org", "M2", "2026-11-26T10:00:00+01:00"),),
    )
    assert (await world.act("officer", "operations.cap.import", xml=cancel))[
        "state"
    ] == "reported"  # people decide what follows
    lines = (await world.act("officer", "operations.incident.read", incident=done["id"]))["lines"]
    assert [one["other"] for one in lines if one["kind"] == "cap"] == ["Update", "Cancel"]
    assert len((await world.act("officer", "operations.incident.list"))["incidents"]) == 1


async def test_what_announces_nothing(world: World) -> None:
    unknown = (cap.Reference("x@y", "0", "2026-11-26T10:00:00+01:00"),)
    for wrong, kind in (
        (message(status="Test"), BadInput), (message(kind="Ack", references=unknown), BadInput), (message(infos=()), BadInput),
        (message(kind="Cancel", references=unknown), Conflict), ("<!DOCTYPE a><a/>", BadInput), ("<alert/>", BadInput), ("x" * 400_000, BadInput),
    ):  # fmt: skip
        with pytest.raises(kind) as caught:
            await world.act("officer", "operations.cap.import", xml=wrong)
        assert caught.value.what.fr != caught.value.what.en
    exercise = await world.act("officer", "operations.cap.import", xml=message(status="Exercise"))
    assert (await world.act("officer", "operations.incident.read", incident=exercise["id"]))["incident"][
        "title"
    ].startswith("[Exercice]")


async def test_a_message_in_its_envelope(world: World) -> None:
    content = parse_xml(message().encode())
    envelope = edxl.Envelope(
        id="d1",
        sender="salle@egide",
        sent="2026-11-26T10:00:00+01:00",
        status="Actual",
        kind="Report",
        confidentiality="x",
        content=content,
    )
    assert (await world.act("officer", "operations.cap.import", xml=edxl.seal(envelope).decode()))["new"] is True


def taken(world: World, url: str) -> bytes:
    offer = world.kernel.downloads.take(url.rpartition("/")[2], "command", world.clock.now_us())
    assert offer is not None
    assert offer.media_type == "application/xml"
    return b"".join(offer.content())


async def exported(world: World, incident: str, form: str, recipient: str = "CODIS 75") -> bytes:
    done = await world.act(
        "command",
        "operations.incident.export",
        incident=incident,
        format=form,
        recipient=recipient,
        motive="Renfort demandé",
    )
    return taken(world, done["url"])


async def test_an_incident_goes_out_as_cap_and_comes_in_elsewhere(world: World) -> None:
    incident = await reported(world, kind="fire", title="Incendie", text="3e étage & combles", address="12 rue du Port")
    first = cap.parse(await exported(world, incident, "cap"))
    assert (first.kind, first.scope, first.addresses, first.status) == ("Alert", "Private", '"CODIS 75"', "Exercise")
    assert [info.language for info in first.infos] == ["fr-FR", "en-GB"]
    assert first.infos[0].areas[0].circles[0][:2] == INSIDE
    assert first.infos[0].description == "3e étage & combles"
    await step(world, "command", incident, "confirm")
    await step(world, "command", incident, "dismiss", reason="Fausse alerte")
    second = cap.parse(await exported(world, incident, "cap"))
    assert second.kind == "Update"
    assert second.references == (cap.Reference(first.sender, first.identifier, first.sent),)
    assert second.infos[0].responses == ("AllClear",)
    there = await world.act("officer", "operations.cap.import", xml=cap.write(first).decode())
    told = (await world.act("officer", "operations.incident.read", incident=there["id"]))["incident"]
    assert (told["kind"], told["lat"], told["lon"]) == ("fire", *INSIDE)
    lines = (await world.act("command", "operations.incident.read", incident=incident))["lines"]
    assert [one["text"] for one in lines if one["kind"] == "export"] == ["CAP → CODIS 75"] * 2


def texts(node: Node, *path: str) -> list[str]:
    if not path:
        return [node.text]
    return [text for child in node.children if child.name == path[0] for text in texts(child, *path[1:])]


async def test_an_incident_goes_out_as_emsi(world: World) -> None:
    incident, mission = await assigned(world)
    task = await tasked(world, mission, incident=incident, title="Chercher les témoins")
    await world.act("officer", "operations.task.accept", task=task)
    await world.act("officer", "operations.task.start", task=task)
    (inside,) = edxl.contents(await exported(world, incident, "emsi")) or []
    assert inside.name == "EMSI"
    assert texts(inside, "CONTEXT", "MSGTYPE") == ["ALERT"]
    assert texts(inside, "EVENT", "ID") == [incident]
    assert texts(inside, "EVENT", "STATUS") == ["IPR"]
    assert texts(inside, "EVENT", "EGEO", "POSITION", "COORD", "LAT") == [f"{INSIDE[0]:.6f}"]
    assert texts(inside, "MISSION", "STATUS") == ["IPR"]
    assert texts(inside, "MISSION", "NAME") == ["Chercher les témoins"]
    (again,) = edxl.contents(await exported(world, incident, "emsi")) or []
    assert texts(again, "CONTEXT", "MSGTYPE") == ["UPDATE"]
    assert texts(again, "CONTEXT", "LINK", "ID") == texts(inside, "CONTEXT", "ID")
    assert b"Aubert" not in await exported(world, incident, "emsi")  # who was sent is nobody's business there


async def test_who_may_not_send_it(world: World) -> None:
    incident = await reported(world)
    asked = {"incident": incident, "format": "cap", "recipient": "CODIS 75"}
    assert "LED-29-e" in await world.refused("officer", "operations.incident.export", **asked, motive="x")
    assert any(
        "25" in rule for rule in await world.refused("command", "operations.incident.export", **asked, motive=" ")
    )
    for wrong in ({"recipient": " "}, {"recipient": 'a "b"'}, {"recipient": "x" * 201}, {"format": "pdf"}):
        with pytest.raises(BadInput):
            await world.act("command", "operations.incident.export", **(asked | wrong), motive="Renfort")
