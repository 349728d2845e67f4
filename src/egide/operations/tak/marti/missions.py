"""Data Sync: missions over HTTPS. The paths are Marti's, each is one act."""

from __future__ import annotations

from typing import Any

import msgspec

from egide.kernel.errors import BadInput, NotFound, Text
from egide.operations.tak.events import instant
from egide.operations.tak.marti.door import XML, Answer, Request, Route, route, told, wrapped
from egide.operations.tak.marti.shapes import ROLE, change, entry, mission, subscription

MISSION, CHANGE = "Mission", "MissionChange"
SUBSCRIPTION, ENTRY = "com.bbn.marti.sync.model.MissionSubscription", "com.bbn.marti.sync.model.LogEntry"
INVITATION = "com.bbn.marti.sync.model.MissionInvitation"
BASE = "/Marti/api/missions"


class _Contents(msgspec.Struct):
    """Which files (by hash) and objects (by id)."""

    hashes: list[str] | None = None
    uids: list[str] | None = None


class _Entry(msgspec.Struct, rename="camel"):
    """An entry of a log, as clients write it."""

    content: str
    mission_names: list[str]
    keywords: list[str] | None = None


async def listed(request: Request) -> Answer:
    """Every mission one may see."""
    found = await request.act("mission.list", tool=request.one("tool"))
    return wrapped(MISSION, [mission(each) for each in found.missions])


async def read(request: Request, name: str) -> Answer:
    """One mission, whole."""
    return wrapped(MISSION, [mission(await request.act("mission.read", mission=name))])


async def create(request: Request, name: str) -> Answer:
    """A mission: created (201), or as it is where it exists (200)."""
    if await request.body():
        raise BadInput(
            Text("Une mission se crée sans contenu.", "A mission is created without a body."),
            Text("Créez-la, puis ajoutez les fichiers.", "Create it, then add the files."),
        )
    try:
        return wrapped(MISSION, [mission(await request.act("mission.read", mission=name))])
    except NotFound:
        found = await request.act(
            "mission.create", name=name, device=request.device.id, description=request.one("description"), tool=request.one("tool") or "public",
            groups=request.all("group"), keywords=request.all("keywords"),
        )  # fmt: skip
    return wrapped(MISSION, [{**mission(found), "ownerRole": ROLE, "token": ""}], 201)


async def remove(request: Request, name: str) -> Answer:
    """Removes a mission."""
    return wrapped(MISSION, [mission(await request.act("mission.remove", mission=name, device=request.device.id))])


async def subscribe(request: Request, name: str) -> Answer:
    """This device follows the mission."""
    found = await request.act("mission.subscribe", mission=name, device=request.device.id)
    return wrapped(SUBSCRIPTION, subscription(found), 201)


async def unsubscribe(request: Request, name: str) -> Answer:
    """It follows it no more."""
    await request.act("mission.unsubscribe", mission=name, device=request.device.id)
    return Answer(200)


async def own_subscription(request: Request, name: str) -> Answer:
    """This device's own subscription."""
    found = await request.act("mission.subscribers", mission=name)
    for each in found.subscribers:
        if each.device == request.device.id:
            return wrapped(SUBSCRIPTION, subscription(each))
    raise NotFound(Text("Cet appareil ne suit pas cette mission.", "This device does not follow this mission."))


async def subscriptions(request: Request, name: str) -> Answer:
    """The ids of the applications that follow it."""
    found = await request.act("mission.subscribers", mission=name)
    return wrapped("MissionSubscription", [each.uid for each in found.subscribers])


async def subscription_roles(request: Request, name: str) -> Answer:
    """The same with roles."""
    found = await request.act("mission.subscribers", mission=name)
    return wrapped(SUBSCRIPTION, [subscription(each) for each in found.subscribers])


async def role(request: Request, name: str) -> Answer:
    """What one may do in it."""
    await request.act("mission.read", mission=name)
    return wrapped("com.bbn.marti.sync.model.MissionRole", ROLE)


async def changes(request: Request, name: str) -> Answer:
    """What changed, newest first; with `secago` only of that many seconds."""
    found = await request.act("mission.changes", mission=name, since_us=_since(request))
    return wrapped(CHANGE, [change(each) for each in reversed(found.changes)])


async def put(request: Request, name: str) -> Answer:
    """Files and objects go in."""
    asked = await request.json(_Contents)
    return await _contents(request, "mission.put", name, asked.hashes or [], asked.uids or [])


async def take(request: Request, name: str) -> Answer:
    """Files or objects come out."""
    return await _contents(request, "mission.take", name, request.all("hash"), request.all("uid"))


async def _contents(request: Request, act: str, name: str, hashes: list[str], uids: list[str]) -> Answer:
    found = await request.act(act, mission=name, device=request.device.id, hashes=hashes, uids=uids)
    return wrapped(MISSION, [mission(found)])


async def keywords(request: Request, name: str) -> Answer:
    """All its keywords, anew; or none."""
    words = await request.json(list[str]) if request.method == "PUT" else []
    return wrapped(MISSION, [mission(await request.act("mission.keywords", mission=name, keywords=words))])


async def events(request: Request, name: str) -> Answer:
    """The last event of each object it holds."""
    found = await request.act("mission.map", mission=name)
    inner = b"".join(_bare(event) for event in found.events)
    return Answer(body=b'<?xml version="1.0" encoding="UTF-8"?>\n<events>' + inner + b"</events>", media_type=XML)


async def log(request: Request, name: str) -> Answer:
    """Its log."""
    found = await request.act("mission.log", mission=name, since_us=_since(request))
    return wrapped(ENTRY, [entry(each) for each in found.entries])


async def write(request: Request) -> Answer:
    """An entry in the logs of one or several missions."""
    asked = await request.json(_Entry)
    if not 1 <= len(asked.mission_names) <= 10:
        raise BadInput(Text("Nommez de 1 à 10 missions.", "Name 1 to 10 missions."))
    made = [
        await request.act("mission.write", mission=name, device=request.device.id, content=asked.content, keywords=asked.keywords or [])
        for name in asked.mission_names
    ]  # fmt: skip
    return wrapped(ENTRY, [entry(each) for each in made], 201)


async def unwrite(request: Request, id_: str) -> Answer:
    """One's own entry goes."""
    await request.act("mission.unwrite", entry=id_)
    return Answer(200)


async def invite(request: Request, name: str, kind: str, invited: str) -> Answer:
    """Invites a client, by the id its application gives itself."""
    if kind.lower() != "clientuid":
        raise BadInput(
            Text("On invite un appareil à la fois.", "Devices are invited one at a time."),
            Text("Inscrivez les autres à la mission.", "Put the others on the mission’s roster."),
        )
    await request.act("mission.invite", mission=name, device=request.device.id, invited=invited)
    return Answer(200)


async def invitations(request: Request) -> Answer:
    """To which missions one's devices are invited."""
    found = await request.act("mission.invitations")
    data: list[dict[str, Any]] = [
        {
            "missionName": each.mission, "invitee": each.invited, "type": "clientUid", "creatorUid": each.creator,
            "createTime": instant(each.at_us), "token": "", "role": ROLE,
        }
        for each in found.invitations
    ]  # fmt: skip
    return wrapped(INVITATION, data)


async def names_invited(request: Request) -> Answer:
    """The same, names only."""
    found = await request.act("mission.invitations")
    return told({"version": "3", "type": "MissionInvitation", "data": [each.mission for each in found.invitations]})


def _since(request: Request) -> int:
    ago = request.one("secago")
    if not ago:
        return 0
    if not (ago.isascii() and ago.isdigit() and len(ago) < 10):
        raise BadInput(Text("« secago » est un nombre de secondes.", "“secago” is a number of seconds."))
    return max(0, request.kernel.clock.now_us() - int(ago) * 1_000_000)


def _bare(event: bytes) -> bytes:
    """An event without its XML declaration: many stand in one document."""
    found = event.lstrip()
    return found.partition(b"?>")[2].lstrip() if found.startswith(b"<?xml") else found


ROUTES: tuple[Route, ...] = (
    route("GET", BASE, listed),
    route("GET", f"{BASE}/invitations", names_invited),
    route("GET", f"{BASE}/all/invitations", invitations),
    route("POST PUT", f"{BASE}/logs/entries", write),
    route("DELETE", f"{BASE}/logs/entries/{{id_}}", unwrite),
    route("GET", f"{BASE}/{{name}}", read),
    route("PUT POST", f"{BASE}/{{name}}", create),
    route("DELETE", f"{BASE}/{{name}}", remove),
    route("GET", f"{BASE}/{{name}}/subscription", own_subscription),
    route("PUT", f"{BASE}/{{name}}/subscription", subscribe),
    route("DELETE", f"{BASE}/{{name}}/subscription", unsubscribe),
    route("GET", f"{BASE}/{{name}}/subscriptions", subscriptions),
    route("GET", f"{BASE}/{{name}}/subscriptions/roles", subscription_roles),
    route("GET", f"{BASE}/{{name}}/role", role),
    route("GET", f"{BASE}/{{name}}/changes", changes),
    route("PUT", f"{BASE}/{{name}}/contents", put),
    route("DELETE", f"{BASE}/{{name}}/contents", take),
    route("PUT DELETE", f"{BASE}/{{name}}/keywords", keywords),
    route("GET", f"{BASE}/{{name}}/cot", events),
    route("GET", f"{BASE}/{{name}}/log", log),
    route("PUT", f"{BASE}/{{name}}/invite/{{kind}}/{{invited}}", invite),
)
