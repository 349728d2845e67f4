"""An independent client enrols, shares packages and missions; who is off the roster sees nothing; who is revoked is nobody."""

from __future__ import annotations

import asyncio
import json
from xml.etree import ElementTree as ET

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from sqlalchemy import func, select

from egide.kernel import tables as kernel_tables
from egide.kernel.vault import Erased
from egide.operations.tak import missions, packages, tables
from egide.operations.tak.identity import device_of
from egide.operations.tak.uploads import owner, prefix
from tests.operations.tak.marti.client import Client, package, sha256
from tests.operations.tak.marti.ports import Streaming, TakWorld

pytestmark = pytest.mark.anyio


@pytest.fixture
async def team(tak: TakWorld) -> tuple[Client, Client, Client]:
    """Two on the roster of a mission, one of the same unit who is not."""
    await tak.mission(await tak.order(), "officer", "command")
    return (
        await tak.device("officer", "ANDROID-1"),
        await tak.device("command", "ANDROID-2"),
        await tak.device("other-officer", "ANDROID-3"),
    )


async def test_a_client_connects_as_to_any_tak_server(tak: TakWorld, team: tuple[Client, Client, Client]) -> None:
    officer, _, off = team
    told = (await officer.get("/Marti/api/version/config")).json()
    assert (told["type"], told["data"]["api"]) == ("ServerConfig", "3")
    assert "Egide" in (await officer.get("/Marti/api/version")).text
    groups = await officer.data("/Marti/api/groups/all", useCache="true")
    assert {(each["name"], each["direction"]) for each in groups} == {
        (name, way) for name in ("Sécurisation", "Brigade de voie publique (exercice)") for way in ("IN", "OUT")
    }
    assert {each["name"] for each in await off.data("/Marti/api/groups/all")} == {"Brigade de voie publique (exercice)"}
    assert (await officer.get("/Marti/api/device/profile/connection", syncSecago=0)).status_code == 204
    (mission,) = (
        group
        for group in await officer.data("/Marti/api/groups/all")
        if group["description"].startswith("mission:") and group["direction"] == "IN"
    )
    tak.router.clients = [
        Streaming("ANDROID-2", "Command 1", frozenset({mission["description"]}), heard_ms=tak.clock.now_us() // 1000)
    ]
    assert [each["uid"] for each in (await officer.get("/Marti/api/contacts/all")).json()] == ["ANDROID-2"]
    (endpoint,) = await officer.data("/Marti/api/clientEndPoints")
    assert (endpoint["callsign"], endpoint["lastStatus"]) == ("Command 1", "Connected")
    assert (await off.get("/Marti/api/contacts/all")).json() == []
    assert (await officer.get("/Marti/api/nothing")).status_code == 404
    assert (await officer.https.delete("/Marti/api/version")).status_code == 405


async def test_a_package_goes_from_one_to_the_other_and_no_further(
    tak: TakWorld, team: tuple[Client, Client, Client]
) -> None:
    officer, command, off = team
    content = package(files={"a1/picture.jpg": bytes(range(256)) * 40_000})
    name = sha256(content)
    assert (await officer.get("/Marti/sync/missionquery", hash=name)).status_code == 404
    sent = await officer.upload(content)
    assert sent.status_code == 200, sent.text
    assert sent.text.endswith(f"/Marti/sync/content?hash={name}")
    got = await command.https.get(sent.text)
    assert (got.status_code, sha256(got.content)) == (200, name)
    assert "QuickPic.zip" in got.headers["content-disposition"]
    assert (await command.get("/Marti/sync/missionquery", hash=name)).text == sent.text
    found = (await command.get("/Marti/sync/search", keywords="missionpackage", tool="public")).json()
    assert [(each["Hash"], each["CreatorUid"], each["SubmissionUser"]) for each in found["results"]] == [
        (name, "ANDROID-1", "Officer 1")
    ]
    # Off the roster: neither the search, nor the hash, however it was learnt.
    assert (await off.get("/Marti/sync/search", keywords="missionpackage")).json()["resultCount"] == 0
    for path in ("/Marti/sync/content", "/Marti/sync/missionquery"):
        assert (await off.get(path, hash=name)).status_code == 404
    assert (await off.https.put(f"/Marti/api/sync/metadata/{name}/tool", content="public")).status_code == 404
    # Out of searching, still to be had by hash.
    assert (await officer.https.put(f"/Marti/api/sync/metadata/{name}/tool", content="private")).text == "private"
    assert (await command.get("/Marti/sync/search")).json()["resultCount"] == 0
    assert (await command.https.head("/Marti/sync/content", params={"hash": name})).headers["content-length"] == str(
        len(content)
    )
    sealed = b"".join(tak.kernel.objects.get(each) for each in tak.kernel.objects.names("documents/tak"))
    assert len(sealed) > len(content)
    assert b"picture.jpg" not in sealed


async def test_any_file_by_its_body_and_taken_back(tak: TakWorld, team: tuple[Client, Client, Client]) -> None:
    officer, command, _ = team
    sent = await officer.https.post(
        "/Marti/sync/upload", params={"name": "plan.kml", "keywords": "plan,nord"}, content=b"<kml/>"
    )
    told = sent.json()
    assert (told["Name"], told["Keywords"], told["Size"]) == ("plan.kml", ["plan", "nord"], "6")
    assert (await command.get("/Marti/sync/search", keywords="nord")).json()["results"][0]["UID"] == told["UID"]
    assert (await command.get("/Marti/sync/content", uid=told["UID"])).content == b"<kml/>"
    assert (await command.https.delete("/Marti/sync/delete", params={"hash": told["Hash"]})).status_code == 404
    assert (await officer.https.delete("/Marti/sync/delete", params={"hash": told["Hash"]})).status_code == 200
    assert (await command.get("/Marti/sync/content", uid=told["UID"])).status_code == 404
    db = tak.kernel.store.reader()
    await tak.until(lambda: db.execute(select(func.count()).select_from(tables.package)).scalar() == 0)
    await tak.until(lambda: tak.kernel.objects.names("documents/tak") == [])


async def test_a_mission_from_creation_to_removal(tak: TakWorld, team: tuple[Client, Client, Client]) -> None:
    officer, command, off = team
    base = "/Marti/api/missions/Marché"
    made = await officer.https.put(
        base, params={"creatorUid": "ANDROID-1", "description": "Place du marché", "tool": "public"}
    )
    assert made.status_code == 201, made.text
    assert (await officer.https.put(base, params={"creatorUid": "ANDROID-1"})).status_code == 200
    (shown,) = await command.data("/Marti/api/missions")
    assert (shown["name"], shown["description"], shown["creatorUid"]) == ("Marché", "Place du marché", "ANDROID-1")
    followed = await command.https.put(f"{base}/subscription", params={"uid": "ANDROID-2"})
    assert (followed.status_code, followed.json()["data"]["clientUid"]) == (201, "ANDROID-2")
    assert await officer.data(f"{base}/subscriptions") == ["ANDROID-2"]
    assert (await command.data(f"{base}/subscription"))["username"] == "Command 1"
    assert (await officer.get(f"{base}/subscription")).status_code == 404

    content = package()
    await officer.upload(content)
    put = await officer.https.put(f"{base}/contents", json={"hashes": [sha256(content)], "uids": ["marker-1"]})
    assert put.status_code == 200, put.text
    (whole,) = await command.data(base)
    assert [each["data"]["hash"] for each in whole["contents"]] == [sha256(content)]
    assert [each["data"] for each in whole["uids"]] == ["marker-1"]
    changes = await command.data(f"{base}/changes", secago=3600)
    assert [each["type"] for each in changes] == ["ADD_CONTENT", "ADD_CONTENT", "CREATE_MISSION"]
    assert {each["contentResource"]["name"] for each in changes if "contentResource" in each} == {"QuickPic.zip"}

    written = await command.https.post(
        "/Marti/api/missions/logs/entries",
        json={"content": "Sur place", "creatorUid": "ANDROID-2", "missionNames": ["Marché"]},
    )
    assert written.status_code == 201, written.text
    assert [(each["content"], each["creatorUid"]) for each in await officer.data(f"{base}/log")] == [
        ("Sur place", "ANDROID-2")
    ]
    entry = written.json()["data"][0]["id"]
    assert (await officer.https.delete(f"/Marti/api/missions/logs/entries/{entry}")).status_code == 404
    assert (await command.https.delete(f"/Marti/api/missions/logs/entries/{entry}")).status_code == 200
    assert await officer.data(f"{base}/log") == []
    assert (await officer.https.put(f"{base}/keywords", json=["nord"])).json()["data"][0]["keywords"] == ["nord"]
    assert (
        await officer.https.put(f"{base}/invite/clientUid/ANDROID-2", params={"creatorUid": "ANDROID-1"})
    ).status_code == 200
    (invitation,) = await command.data("/Marti/api/missions/all/invitations", clientUid="ANDROID-2")
    assert (invitation["missionName"], invitation["invitee"]) == ("Marché", "ANDROID-2")
    assert (await officer.https.put(f"{base}/invite/clientUid/ANDROID-3")).status_code == 404

    # Off the roster there is no such mission, by no way.
    assert await off.data("/Marti/api/missions") == []
    assert await off.data("/Marti/api/missions/all/invitations") == []
    for path in ("", "/changes", "/log", "/cot", "/subscriptions", "/role"):
        assert (await off.get(base + path)).status_code == 404, path
    assert (await off.https.put(f"{base}/subscription")).status_code == 404
    assert (await off.https.put(f"{base}/contents", json={"hashes": [sha256(content)]})).status_code == 404
    assert (await off.https.delete(base)).status_code == 404

    taken = await command.https.delete(f"{base}/contents", params={"hash": sha256(content)})
    assert taken.json()["data"][0]["contents"] == []
    assert (await command.https.delete(f"{base}/subscription")).status_code == 200
    assert await officer.data(f"{base}/subscriptions") == []
    assert (await officer.https.delete(base)).status_code == 200
    assert (await command.get(base)).status_code == 404
    told = tak.kernel.store.reader().execute(select(kernel_tables.entry.c.act, kernel_tables.entry.c.outcome))
    done = {act for act, outcome in told if outcome == "allowed" and act.startswith("operations.tak.mission")}
    assert {
        f"operations.tak.mission.{each}" for each in ("create", "put", "take", "write", "subscribe", "remove")
    } <= done


async def test_subscribers_are_told_of_changes_by_cot(tak: TakWorld, team: tuple[Client, Client, Client]) -> None:
    officer, command, _ = team
    base = "/Marti/api/missions/nord"
    await officer.https.put(base)
    await command.https.put(f"{base}/subscription")
    content = package()
    await officer.upload(content)
    await officer.https.put(f"{base}/contents", json={"hashes": [sha256(content)]})
    await tak.until(lambda: len(tak.router.published) >= 2)
    (created, _), (changed, groups) = ((ET.fromstring(event), groups) for event, groups, _ in tak.router.published[:2])
    assert (created.get("type"), changed.get("type")) == ("t-x-m-n", "t-x-m-c")
    mission = changed.find("detail/mission")
    assert mission is not None
    assert (mission.get("type"), mission.get("name"), mission.get("authorUid")) == ("CHANGE", "nord", "ANDROID-1")
    assert changed.findtext("detail/mission/MissionChanges/MissionChange/contentResource/hash") == sha256(content)
    assert [each.get("uid") for each in changed.iterfind("detail/marti/dest")] == ["ANDROID-2"]
    assert all(group.startswith("mission:") for group in groups)


async def test_an_object_sent_to_a_mission_is_in_it(tak: TakWorld, team: tuple[Client, Client, Client]) -> None:
    officer, command, off = team
    await officer.https.put("/Marti/api/missions/nord")
    event = (
        b'<?xml version="1.0"?><event version="2.0" uid="marker-7" type="a-u-G" how="h-g-i-g-o" time="2026-11-26T10:00:00Z" '
        b'start="2026-11-26T10:00:00Z" stale="2026-11-26T11:00:00Z"><point lat="60.1" lon="24.9" hae="0" ce="5" le="5"/>'
        b'<detail><marti><dest mission="nord"/></marti></detail></event>'
    )
    mine = next(iter(tak.kernel.store.reader().execute(select(tables.mission_group.c.shared)))).shared
    assert tak.router.mission_groups("nord") == {mine}
    assert tak.router.mission_groups("sud") == frozenset()
    tak.router.sent_by_client(event, officer.name, frozenset({mine}))
    tak.router.sent_by_client(event.replace(b"marker-7", b"foreign"), off.name, frozenset({mine}))
    tak.router.sent_by_client(event.replace(b"uid=", b"mission="), officer.name, frozenset({mine}))

    async def uids() -> list[str]:
        (shown,) = await command.data("/Marti/api/missions/nord")
        return [each["data"] for each in shown["uids"]]

    while not await uids():
        await asyncio.sleep(0.02)
    assert await uids() == ["marker-7"]
    answer = await command.get("/Marti/api/missions/nord/cot")
    assert [each.get("uid") for each in ET.fromstring(answer.content)] == ["marker-7"]


async def test_a_revoked_device_is_nobody_at_once(tak: TakWorld, team: tuple[Client, Client, Client]) -> None:
    officer, command, _ = team
    content = package()
    await officer.upload(content)
    der = officer.certificate.public_bytes(serialization.Encoding.DER)
    found = device_of(tak.kernel, der)
    assert found is not None
    assert (found.person, found.callsign, found.uid) == ("officer", "Officer 1", "ANDROID-1")
    listed = await tak.act("administrator", "operations.tak.device.list", everyone=True)
    assert {each["person"] for each in listed["devices"]} == {"officer", "command", "other-officer"}
    assert await tak.refused("prefect", "operations.tak.device.list") != []
    epoch = tak.kernel.epoch
    await tak.act("officer", "operations.tak.device.revoke", device=found.id, reason="Téléphone perdu")
    assert tak.kernel.epoch > epoch
    assert device_of(tak.kernel, der) is None
    refused = await officer.get("/Marti/api/version/config")
    assert refused.status_code == 401
    assert refused.json()["title"]["en"] == "This device is not enrolled, or was revoked."
    assert (await officer.upload(package("other"))).status_code == 401
    # The open connection counted for nothing, and others go on.
    assert (await command.get("/Marti/sync/content", hash=sha256(content))).status_code == 200
    listed = await tak.act("officer", "operations.tak.device.list")
    assert [bool(each["revoked"]) for each in listed["devices"]] == [True]


async def test_whoever_leaves_the_roster_sees_no_more(tak: TakWorld, team: tuple[Client, Client, Client]) -> None:
    officer, command, _ = team
    await officer.https.put("/Marti/api/missions/nord")
    content = package()
    await officer.upload(content)
    assert (await command.get("/Marti/api/missions/nord")).status_code == 200
    mission = (await tak.act("command", "operations.picture"))["missions"][0]["id"]
    await tak.act("command", "operations.roster.change", mission=mission, remove=["command"], add=[])
    assert (await command.get("/Marti/api/missions/nord")).status_code == 404
    assert (await command.get("/Marti/sync/content", hash=sha256(content))).status_code == 404


async def test_what_was_shared_is_erased_when_its_time_has_come(
    tak: TakWorld, team: tuple[Client, Client, Client]
) -> None:
    officer, _, _ = team
    held, loose = package("held"), package("loose")
    await officer.upload(held)
    await officer.upload(loose)
    await officer.https.put("/Marti/api/missions/nord")
    await officer.https.put("/Marti/api/missions/nord/contents", json={"hashes": [sha256(held)]})
    db = tak.kernel.store.reader()
    table = tables.package
    rows = {row.hash: row for row in db.execute(select(table))}
    tak.move(days=31)
    await tak.until(lambda: [row.hash for row in db.execute(select(table.c.hash))] == [sha256(held)])
    body = rows[sha256(loose)]
    with pytest.raises(Erased):
        tak.kernel.vault.open_(owner(body.id), tables.PURPOSE, body.body, body.id.encode())
    await tak.until(lambda: not tak.kernel.objects.names(prefix(body.id)))
    await tak.act("officer", "operations.tak.mission.remove", mission="nord", device=officer.name)
    tak.move(days=31)
    for each in (table, tables.mission, tables.change, tables.content, tables.mission_group):
        await tak.until(lambda each=each: db.execute(select(func.count()).select_from(each)).scalar() == 0)  # type: ignore[misc]
    kept = kernel_tables.retained.c
    await tak.until(
        lambda: (
            set(
                db.execute(
                    select(kept.state).where(kept.category.in_([packages.CATEGORY, missions.CATEGORY]))
                ).scalars()
            )
            == {"erased"}
        )
    )


async def test_feeds_are_those_one_may_watch(tak: TakWorld) -> None:
    class Output:
        def address(self, deployment: str, person: str) -> str | None:
            return f"rtsp://video.example:8554/{deployment}?for={len(person)}"

    _, _, deployment = await tak.flying()
    officer, off = await tak.device("officer", "A"), await tak.device("other-officer", "B")
    assert (await officer.get("/Marti/api/video")).json() == {"videoConnections": []}
    tak.kernel.things["video-out"] = Output()
    (connection,) = (await officer.get("/Marti/api/video")).json()["videoConnections"]
    assert (connection["uuid"], connection["alias"]) == (deployment, "Drone 1")
    assert connection["feeds"][0]["url"].startswith("rtsp://video.example:8554/")
    feed = ET.fromstring((await officer.get("/Marti/vcm")).content).find("feed")
    assert feed is not None
    assert [feed.findtext(each) for each in ("protocol", "address", "port", "path")] == [
        "rtsp",
        "video.example",
        "8554",
        f"/{deployment}?for=7",
    ]
    assert (await off.get("/Marti/api/video")).json() == {"videoConnections": []}


async def test_nobody_speaks_without_a_certificate(tak: TakWorld) -> None:
    client = await tak.invited("officer", "A")
    async with httpx.AsyncClient(verify=client.trust, timeout=5) as https:
        with pytest.raises((httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError)):
            await https.get(f"https://localhost:{client.marti_port}/Marti/api/version")


async def test_nothing_personal_in_codes_addresses_and_certificates(tak: TakWorld) -> None:
    told = await tak.act("officer", "operations.tak.enrol", callsign="Camille Aubert")
    client = await tak.device("officer", "A")
    public = json.dumps([told["url"], client.certificate.subject.rfc4514_string()]).lower()
    assert not {word for word in ("camille", "aubert", "officer", "brigade") if word in public}
    assert b"Officer 1" in client.profile["certs/preference.pref"]
    assert told["code"].startswith("<svg")
