"""Version, contacts, groups, endpoints, video: what a client asks for when it connects."""

from __future__ import annotations

from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from egide import __version__
from egide.operations.tak.events import instant
from egide.operations.tak.feeds import Feed
from egide.operations.tak.marti.door import PLAIN, XML, Answer, Request, Route, route, told, wrapped

API = "3"  # of Marti's interface
LIVE_MS = 60_000  # ms since it was last heard within which a client counts as connected


async def config(request: Request) -> Answer:
    """Who we are; nothing of people."""
    data = {"version": f"Egide {__version__}", "api": API, "hostname": request.kernel.settings.public_name}
    return wrapped("ServerConfig", data)


async def version(_request: Request) -> Answer:
    """The version as one line."""
    return Answer(body=f"Egide {__version__}".encode(), media_type=PLAIN)


async def endpoints(request: Request) -> Answer:
    """Who streams, with when they were heard."""
    now = request.kernel.clock.now_us() // 1000
    found = await request.act("contacts")
    data = [
        {
            "callsign": each.callsign, "uid": each.uid, "username": each.callsign, "lastEventTime": instant(each.heard_ms * 1000),
            "lastStatus": "Connected" if now - each.heard_ms <= LIVE_MS else "Disconnected",
        }
        for each in found.contacts
    ]  # fmt: skip
    return wrapped("com.bbn.marti.remote.ClientEndpoint", data)


async def contacts(request: Request) -> Answer:
    """Who streams."""
    found = await request.act("contacts")
    return told(
        [
            {
                "filterGroups": None, "notes": "", "callsign": each.callsign, "team": each.team, "role": each.role, "takv": each.takv,
                "uid": each.uid,
            }
            for each in found.contacts
        ]
    )  # fmt: skip


async def groups(request: Request) -> Answer:
    """One's groups, both ways."""
    found, now = await request.act("groups"), instant(request.kernel.clock.now_us())
    data = [
        {"name": each.name, "direction": way, "created": now[:10], "type": "SYSTEM", "bitpos": number, "active": True, "description": each.id}
        for number, each in enumerate(found.groups, 2)
        for way in ("IN", "OUT")
    ]  # fmt: skip
    return wrapped("com.bbn.marti.remote.groups.Group", data)


async def video(request: Request) -> Answer:
    """The video registry, JSON."""
    found = await request.act("feeds")
    connections = [
        {
            "uuid": each.id, "active": True, "alias": each.alias, "thumbnail": None, "classification": None,
            "feeds": [{"uuid": each.id, "active": True, "alias": each.alias, "url": each.url, "macAddress": None, "roverPort": "-1",
                       "ignoreEmbeddedKLV": False, "source": None, "networkTimeout": "5000", "bufferTime": "0", "rtspReliable": "1"}],
        }
        for each in found.feeds
    ]  # fmt: skip
    return told({"videoConnections": connections})


async def vcm(request: Request) -> Answer:
    """The video registry, XML, as older clients read it."""
    found = await request.act("feeds")
    inner = "".join(_feed(each) for each in found.feeds)
    return Answer(
        body=f'<?xml version="1.0" encoding="UTF-8"?><videoConnections>{inner}</videoConnections>'.encode(),
        media_type=XML,
    )


def _feed(feed: Feed) -> str:
    url = urlsplit(feed.url)
    path = url.path + (f"?{url.query}" if url.query else "")
    return (
        f"<feed><protocol>{escape(url.scheme)}</protocol><alias>{escape(feed.alias)}</alias><uid>{escape(feed.id)}</uid>"
        f"<address>{escape(url.hostname or '')}</address><port>{url.port or -1}</port><roverPort>-1</roverPort>"
        f"<ignoreEmbeddedKLV>false</ignoreEmbeddedKLV><path>{escape(path)}</path><buffer>0</buffer><timeout>5000</timeout>"
        "<rtspReliable>1</rtspReliable></feed>"
    )


ROUTES: tuple[Route, ...] = (
    route("GET", "/Marti/api/version/config", config),
    route("GET", "/Marti/api/version", version),
    route("GET", "/Marti/api/clientEndPoints", endpoints),
    route("GET", "/Marti/api/contacts/all", contacts),
    route("GET", "/Marti/api/groups/all", groups),
    route("GET", "/Marti/api/video", video),
    route("GET", "/Marti/vcm", vcm),
)
