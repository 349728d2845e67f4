"""The forms Marti's answers take: what TAK clients expect to read, from what the acts gave."""

from __future__ import annotations

from typing import Any

from egide.operations.tak.events import instant
from egide.operations.tak.mission_store import ChangeShown, MissionShown
from egide.operations.tak.missions import EntryShown, SubscriberShown
from egide.operations.tak.packages import Resource

# What a role may do; every member of a mission is a full one here: who is a member, our groups say.
ROLE = {
    "type": "MISSION_SUBSCRIBER",
    "permissions": ["MISSION_READ", "MISSION_WRITE"],
}  # fmt: skip


def mission(found: MissionShown) -> dict[str, Any]:
    """A mission."""
    return {
        "name": found.name, "guid": found.id, "description": found.description, "chatRoom": "", "baseLayer": "", "bbox": "", "path": "",
        "classification": "", "tool": found.tool, "keywords": found.keywords, "creatorUid": found.creator,
        "createTime": instant(found.created_us), "externalData": [], "feeds": [], "mapLayers": [], "defaultRole": ROLE, "inviteOnly": False,
        "expiration": -1, "groups": found.groups, "passwordProtected": False,
        "uids": [{"data": each.uid, "timestamp": instant(each.at_us), "creatorUid": each.creator} for each in found.objects],
        "contents": [
            {"data": resource(each.resource), "timestamp": instant(each.at_us), "creatorUid": each.creator} for each in found.contents
        ],
    }  # fmt: skip


def resource(found: Resource) -> dict[str, Any]:
    """A file, as missions list it."""
    return {
        "keywords": found.keywords, "mimeType": found.mime, "name": found.name, "filename": found.name, "submissionTime": instant(found.at_us),
        "submitter": found.submitter, "uid": found.id, "hash": found.hash, "size": found.bytes, "creatorUid": found.creator,
        "tool": found.tool, "expiration": -1,
    }  # fmt: skip


def searched(found: Resource) -> dict[str, Any]:
    """A file, as searches and uploads tell it."""
    return {
        "UID": found.id, "Name": found.name, "Hash": found.hash, "PrimaryKey": found.id, "SubmissionDateTime": instant(found.at_us),
        "SubmissionUser": found.submitter, "CreatorUid": found.creator, "Keywords": found.keywords, "MIMEType": found.mime,
        "Size": str(found.bytes), "Tool": found.tool, "EXPIRATION": "-1",
    }  # fmt: skip


def change(found: ChangeShown) -> dict[str, Any]:
    """A change of a mission."""
    shown: dict[str, Any] = {
        "isFederatedChange": False, "type": found.kind, "missionName": found.mission, "timestamp": instant(found.at_us),
        "serverTime": instant(found.at_us), "creatorUid": found.creator,
    }  # fmt: skip
    if found.hash:
        shown["contentResource"] = resource(found.resource) if found.resource is not None else {"hash": found.hash}
    if found.uid:
        shown["contentUid"] = found.uid
    return shown


def entry(found: EntryShown) -> dict[str, Any]:
    """An entry of a mission's log."""
    at = instant(found.at_us)
    return {
        "id": found.id, "content": found.content, "creatorUid": found.creator, "missionNames": [found.mission], "servertime": at, "dtg": at,
        "created": at, "contentHashes": [], "keywords": found.keywords,
    }  # fmt: skip


def subscription(found: SubscriberShown) -> dict[str, Any]:
    """A subscription. Its token opens nothing: the certificate does."""
    return {
        "token": "", "clientUid": found.uid, "username": found.callsign, "createTime": instant(found.at_us), "role": ROLE
    }  # fmt: skip
