"""Data packages and other files: kept by an act once they are whole, found by who shares a group with the sender.

A file is asked for by the SHA-256 of its content. Whoever is of none of the groups it was shared with, nor of a TAK mission that
lists it, does not learn that it exists. It lives thirty days, and as long as a mission lists it.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, exists, insert, or_, select, update

from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.errors import BadInput, NotFound, Text
from egide.kernel.retention import end, keep, trigger
from egide.kernel.tables import retained
from egide.operations.tak import tables
from egide.operations.tak.groups import chosen, groups_of
from egide.operations.tak.identity import devices, name_on_the_wire, own_device
from egide.operations.tak.sealed import opened
from egide.operations.tak.uploads import owner, prefix, reader, uploads
from egide.protocols.datapackage import PackageError, is_zip, look

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

CATEGORY = "tak-package"
OFFICERS = ("officer", "command", "pilot")
FOUND = 500  # files of one answer
MAX_NAME, MAX_KEYWORDS = 200, 20  # characters; words
PUBLIC = "public"
_TABLE = tables.package


class KeepPackage(Input):
    """A whole upload, what it is called, with which groups it is shared (none: with one's missions, else one's unit)."""

    upload: str
    device: str
    name: str
    mime: str = "application/octet-stream"
    keywords: list[str] = []
    tool: str = "private"
    groups: list[str] = []
    hash: str = ""  # what the sender says it is


class Resource(msgspec.Struct):
    """A file as those who may have it see it."""

    id: str
    hash: str
    bytes: int
    parts: int
    name: str
    mime: str
    keywords: list[str]
    tool: str
    at_us: int
    creator: str  # what its application calls itself
    submitter: str  # callsign


class Resources(msgspec.Struct):
    """Files."""

    resources: list[Resource]


class FindPackages(Input):
    """Words that keywords or name hold, and the kind; nothing: all that is shared for searching."""

    words: str = ""
    tool: str = ""


class PackageRef(Input):
    """A file by the hash of its content, or by its id."""

    hash: str = ""
    id: str = ""


class TagPackage(Input):
    """public: found by searching; anything else: by its hash only."""

    hash: str
    tool: str


class _Body(msgspec.Struct):
    name: str
    mime: str
    keywords: list[str]


async def _look(ctx: Ctx, given: KeepPackage) -> None:
    """A ZIP is looked at before others are handed it; in a thread, part by part."""
    upload = uploads(ctx.kernel).finished(given.upload, ctx.principal.id)
    if upload is not None:
        await asyncio.to_thread(_inspect, ctx.kernel, upload)


def _inspect(kernel: Kernel, upload: Any) -> None:
    content = reader(kernel, upload)
    if not is_zip(content.read(4)):
        return
    content.seek(0)
    try:
        look(io.BufferedReader(content))
    except PackageError as error:
        raise BadInput(
            Text(f"Ce paquet n’est pas transmis : {error}.", f"This package is not passed on: {error}."),
            Text(
                "Refaites-le dans l’application, puis renvoyez-le.",
                "Make it again in the application, then send it again.",
            ),
        ) from error


@act(
    "operations.tak.package.keep", verb="collect", activity="tak-data", roles=OFFICERS, duty=True, prepare=_look, input=KeepPackage,
    output=Resource, fr="Partager un fichier sur TAK", en="Share a file on TAK",
)  # fmt: skip
def keep_package(ctx: Ctx, given: KeepPackage) -> Effect:
    kernel, held = ctx.kernel, uploads(ctx.kernel)
    device = own_device(ctx, given.device)
    upload = held.finished(given.upload, ctx.principal.id)
    if upload is None:
        raise NotFound(Text("Cet envoi n’existe pas.", "This upload does not exist."))
    if given.hash and given.hash.lower() != upload.hash:
        raise BadInput(
            Text("Le contenu n’est pas celui annoncé (SHA-256).", "The content is not the one announced (SHA-256)."),
            Text("Renvoyez le fichier.", "Send the file again."),
        )
    shared = chosen(groups_of(ctx.db, ctx.principal), given.groups)
    body = _Body(_name(given.name), _word(given.mime), [_word(word) for word in given.keywords[:MAX_KEYWORDS]])
    tool = _tool(given.tool)
    row = {
        "id": upload.id, "hash": upload.hash, "bytes": upload.size, "parts": upload.parts, "tool": tool, "at": ctx.now_us,
        "person": ctx.principal.id, "device": device, "body": _seal(kernel, upload.id, body),
    }  # fmt: skip

    def apply(connection: Connection) -> None:
        for group in sorted(shared):
            connection.execute(insert(tables.package_group), {"package": upload.id, "shared": group})
        connection.execute(insert(retained).values(**keep(CATEGORY, upload.id)))
        trigger(kernel, connection, CATEGORY, upload.id, ctx.now_us)

    known = devices(kernel, ctx.db, [device])
    told = Resource(
        upload.id, upload.hash, upload.size, upload.parts, body.name, body.mime, body.keywords, tool, ctx.now_us,
        name_on_the_wire(known, device), known[device].callsign,
    )  # fmt: skip
    return Effect(told, rows=[(_TABLE, row)], apply=apply, after=lambda _receipt: held.kept(upload.id))


@act(
    "operations.tak.package.find", verb="consult", activity="tak-data", roles=OFFICERS, duty=True, input=FindPackages, output=Resources,
    fr="Chercher un fichier partagé sur TAK", en="Search for a file shared on TAK",
)  # fmt: skip
def find_packages(ctx: Ctx, given: FindPackages) -> Effect:
    shared = visible(ctx)
    query = select(_TABLE).where(shared, _TABLE.c.tool == _tool(given.tool or PUBLIC))
    rows = ctx.db.execute(query.order_by(_TABLE.c.at.desc()).limit(FOUND)).all()
    word = given.words.strip().lower()
    found = [
        each for each in resources(ctx, rows) if not word or word in [w.lower() for w in each.keywords] or word in each.name.lower()
    ]  # fmt: skip
    return Effect(Resources(found))


@act(
    "operations.tak.package.read", verb="consult", activity="tak-data", roles=OFFICERS, duty=True, input=PackageRef, output=Resource,
    fr="Recevoir un fichier partagé sur TAK", en="Receive a file shared on TAK",
)  # fmt: skip
def read_package(ctx: Ctx, given: PackageRef) -> Effect:
    return Effect(one(ctx, given))


@act(
    "operations.tak.package.tag", verb="alter", activity="tak-data", roles=OFFICERS, duty=True, input=TagPackage, output=Resource,
    fr="Rendre un fichier TAK trouvable ou non", en="Let a TAK file be found, or not",
)  # fmt: skip
def tag_package(ctx: Ctx, given: TagPackage) -> Effect:
    row = own(ctx, given.hash)

    def apply(connection: Connection) -> None:
        connection.execute(update(_TABLE).where(_TABLE.c.id == row.id).values(tool=_tool(given.tool)))

    (told,) = resources(ctx, [row])
    told.tool = _tool(given.tool)
    return Effect(told, apply=apply)


@act(
    "operations.tak.package.remove", verb="erase", activity="tak-data", roles=OFFICERS, duty=True, input=PackageRef,
    fr="Retirer un fichier partagé sur TAK", en="Take back a file shared on TAK",
)  # fmt: skip
def remove_package(ctx: Ctx, given: PackageRef) -> Effect:
    """Its sender takes it back: from now nobody finds it, and the retention clock destroys key and content."""
    row = own(ctx, given.hash)

    def apply(connection: Connection) -> None:
        connection.execute(delete(tables.package_group).where(tables.package_group.c.package == row.id))
        connection.execute(update(_TABLE).where(_TABLE.c.id == row.id).values(person=None))
        end(connection, CATEGORY, row.id, ctx.now_us)

    return Effect(Nothing(), apply=apply)


def visible(ctx: Ctx) -> ColumnElement[bool]:
    """Which files the one who asks may have: shared with a group of theirs, listed by a mission of theirs, or their own."""
    groups = list(groups_of(ctx.db, ctx.principal))
    shared, listed, of = tables.package_group, tables.content, tables.mission_group
    by_group = exists().where(shared.c.package == _TABLE.c.id, shared.c.shared.in_(groups))
    by_mission = exists().where(
        listed.c.package == _TABLE.c.id,
        of.c.mission == listed.c.mission,
        of.c.shared.in_(groups),
        tables.mission.c.id == of.c.mission,
        tables.mission.c.removed.is_(None),
    )
    return or_(_TABLE.c.person == ctx.principal.id, by_group, by_mission)


def one(ctx: Ctx, given: PackageRef) -> Resource:
    """The newest file with this hash or id that the one who asks may have. Raises `NotFound`."""
    asked = _TABLE.c.hash == given.hash.lower() if given.hash else _TABLE.c.id == given.id
    rows = ctx.db.execute(select(_TABLE).where(asked, visible(ctx)).order_by(_TABLE.c.at.desc()).limit(1)).all()
    found = resources(ctx, rows)
    if not found:
        raise _unknown()
    return found[0]


def own(ctx: Ctx, hash_: str) -> Any:
    """One's own newest file with this hash. Raises `NotFound`."""
    query = select(_TABLE).where(_TABLE.c.hash == hash_.lower(), _TABLE.c.person == ctx.principal.id)
    row = ctx.db.execute(query.order_by(_TABLE.c.at.desc()).limit(1)).first()
    if row is None:
        raise _unknown()
    return row


def resources(ctx: Ctx, rows: Any) -> list[Resource]:
    """Rows, opened; those whose time has come are left out, however late the clock is."""
    return _opened(ctx.kernel, ctx.db, rows)


def stored(kernel: Kernel, db: Connection, ids: list[str]) -> list[Resource]:
    """Files by id, whoever asks: for notices that go to those who may have them."""
    return _opened(kernel, db, db.execute(select(_TABLE).where(_TABLE.c.id.in_(ids))).all())


def _opened(kernel: Kernel, db: Connection, rows: Any) -> list[Resource]:
    known = devices(kernel, db, [row.device for row in rows])
    held = {f"{CATEGORY}/{row.id}": row for row in rows}
    late = select(retained.c.id).where(retained.c.id.in_(list(held)), retained.c.erase_at <= kernel.clock.now_us())
    over = {each.id for each in db.execute(late)}
    found = []
    for key, row in held.items():
        if key in over:
            continue
        known_body = opened(kernel, owner(row.id), row.body, row.id)
        if known_body is None:
            continue
        body = msgspec.json.decode(known_body, type=_Body)
        by = known.get(row.device)
        found.append(
            Resource(
                row.id, row.hash, row.bytes, row.parts, body.name, body.mime, body.keywords, row.tool, row.at,
                name_on_the_wire(known, row.device), by.callsign if by is not None else "",
            )
        )  # fmt: skip
    return found


def hold(connection: Connection, package: str) -> None:
    """A mission lists this file: its clock stops."""
    connection.execute(
        update(retained)
        .where(retained.c.id == f"{CATEGORY}/{package}", retained.c.state == "sealed")
        .values(trigger=None, erase_at=None, state="open")
    )


def release(kernel: Kernel, connection: Connection, package: str, now_us: int) -> None:
    """A mission lists it no more: the clock starts again, unless another mission does."""
    listed = tables.content
    held = select(listed.c.mission).join(tables.mission, tables.mission.c.id == listed.c.mission)
    if connection.execute(held.where(listed.c.package == package, tables.mission.c.removed.is_(None))).first() is None:
        trigger(kernel, connection, CATEGORY, package, now_us)


def erase(kernel: Kernel, package: str) -> Callable[[Connection], None]:
    """What destroys a file in the writer's transaction: its key, and its rows."""

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(owner(package), tables.PURPOSE)
        connection.execute(delete(tables.package_group).where(tables.package_group.c.package == package))
        connection.execute(delete(tables.content).where(tables.content.c.package == package))
        connection.execute(delete(_TABLE).where(_TABLE.c.id == package))

    return destroy


def remove(kernel: Kernel, package: str) -> None:
    """Deletes the parts of a file whose key is gone. Raises `Unavailable`."""
    kernel.objects.delete_prefix(prefix(package))


def _seal(kernel: Kernel, package: str, body: _Body) -> bytes:
    return kernel.vault.seal(owner(package), tables.PURPOSE, msgspec.json.encode(body), package.encode())


def _name(name: str) -> str:
    """The last part of a file's name, as clients will write it to their own disks. Raises `BadInput`."""
    found = name.replace("\\", "/").rpartition("/")[2].strip()
    if not 1 <= len(found) <= MAX_NAME or found in (".", "..") or not found.isprintable():
        raise BadInput(
            Text("Nom de fichier impossible.", "Impossible file name."),
            Text(f"De 1 à {MAX_NAME} caractères, sans dossier.", f"1 to {MAX_NAME} characters, without a folder."),
        )
    return found


def _word(word: str) -> str:
    if len(word) > MAX_NAME or not word.isprintable():
        raise BadInput(Text("Mot-clé ou type impossible.", "Impossible keyword or type."))
    return word


def _tool(tool: str) -> str:
    return PUBLIC if tool.strip().lower() == PUBLIC else "private"


def _unknown() -> NotFound:
    return NotFound(
        Text("Ce fichier n’existe pas, ou pas pour vous.", "This file does not exist, or not for you."),
        Text("Demandez à son auteur de le partager avec votre groupe.", "Ask its author to share it with your group."),
    )


ACTS: tuple[Act, ...] = (keep_package, find_packages, read_package, tag_package, remove_package)
