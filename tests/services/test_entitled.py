"""Files sent with a request: whose they are says who sees them; they go with it, and only with it."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from egide.kernel.errors import Conflict, EgideError, NotFound
from egide.kernel.retention import Keeper
from egide.services.quarantine import quarantine
from tests.services.desk import photo
from tests.services.test_filing import THEFT, asked, drafted, identified
from tests.world import World

pytestmark = pytest.mark.anyio


async def sent(world: World, owner: str, secret: str, content: bytes, name: str = "facture.jpg") -> dict[str, Any]:
    """A file, brought and sealed."""
    opened = await asked(
        world, "services.upload.open", owner=owner, secret=secret, name=name, bytes=len(content), media="image/jpeg"
    )
    quarantine(world.kernel).take(opened["id"], opened["secret"], 0, content)
    found: dict[str, Any] = await asked(
        world, "services.upload.seal", upload=opened["id"], secret=opened["secret"], sha256=sha256(content).hexdigest()
    )
    return found


async def filed_with(world: World) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
    """(number and code, the file's receipt, the upload) of a complaint with one photo."""
    draft = await drafted(world, THEFT)
    upload = await sent(world, f"draft:{draft['draft']}", draft["secret"], photo())
    filed = await asked(world, "services.theft.file", **draft, **await identified(world, 2))
    return {"number": filed["number"], "code": filed["code"]}, filed, upload


async def names(world: World, owner: str, secret: str) -> list[str]:
    found = await asked(world, "services.upload.list", owner=owner, secret=secret)
    return [one["name"] for one in found["files"]]


async def test_a_drafts_files_are_their_writers_alone(world: World) -> None:
    draft, other = await drafted(world, THEFT), await drafted(world, THEFT)
    owner = f"draft:{draft['draft']}"
    upload = await sent(world, owner, draft["secret"], photo())
    assert await names(world, owner, draft["secret"]) == ["facture.jpg"]
    assert (await asked(world, "services.draft.read", **draft))["answers"]["evidence"] == [upload["upload"]]
    for secret in (other["secret"], "", "x"):
        with pytest.raises(NotFound):
            await names(world, owner, secret)
        with pytest.raises(NotFound):
            await sent(world, owner, secret, photo())
        with pytest.raises(NotFound):
            await asked(world, "services.upload.withdraw", upload=upload["upload"], secret=secret)
    with pytest.raises(NotFound):  # an officer reads what was filed, not what somebody still writes
        await world.act("officer", "services.upload.list", owner=owner)
    await asked(world, "services.upload.withdraw", upload=upload["upload"], secret=draft["secret"])
    assert await names(world, owner, draft["secret"]) == []
    assert "evidence" not in (await asked(world, "services.draft.read", **draft))["answers"]


@pytest.mark.parametrize("owner", ["", "draft", "draft:", "file:", "thing:1", "file:' or 1=1"])
async def test_what_belongs_to_nobody_is_nobodys(world: World, owner: str) -> None:
    with pytest.raises(EgideError):
        await names(world, owner, "x")


async def test_filed_they_are_the_holders_and_the_desks(world: World) -> None:
    held, filed, upload = await filed_with(world)
    owner = f"file:{filed['file']}"
    assert (await asked(world, "services.file.follow", **held))["answers"]["evidence"] == [upload["upload"]]
    assert await names(world, owner, held["code"].lower()) == ["facture.jpg"]
    assert len((await world.act("officer", "services.upload.list", owner=owner))["files"]) == 1
    with pytest.raises(NotFound):
        await names(world, owner, "AAAA-BBBB")
    with pytest.raises(NotFound):  # it is part of what was filed
        await asked(world, "services.upload.withdraw", upload=upload["upload"], secret=held["code"])
    await sent(world, owner, held["code"], photo(), "deuxième.jpg")
    assert await names(world, owner, held["code"]) == ["facture.jpg", "deuxième.jpg"]
    await asked(world, "services.theft.my_withdraw", **held)
    with pytest.raises(Conflict):
        await sent(world, owner, held["code"], photo())
    assert len(await names(world, owner, held["code"])) == 2


async def test_they_go_with_their_draft_and_with_their_file(world: World) -> None:
    draft = await drafted(world, THEFT)
    owner = f"draft:{draft['draft']}"
    dropped = await sent(world, owner, draft["secret"], photo())
    await asked(world, "services.draft.drop", **draft)
    held, filed, kept = await filed_with(world)
    keeper = Keeper(world.kernel, "retention.erase")
    await keeper.tick()
    db = world.kernel.store.reader()
    there = {row.id for row in db.exec_driver_sql("select id from service_upload").all()}
    assert there == {kept["upload"]}, dropped
    await asked(world, "services.theft.my_withdraw", **held)
    world.clock.shift(timedelta(days=200))
    await keeper.tick()
    await keeper.tick()
    db = world.kernel.store.reader()
    for table in ("service_upload", "service_upload_part", "service_document", "service_file"):
        assert db.exec_driver_sql(f"select count(*) from {table}").scalar() == 0, table
    with pytest.raises(EgideError):
        await names(world, f"file:{filed['file']}", held["code"])


async def test_who_works_on_another_desk_sees_nothing(world: World) -> None:
    held, filed, _ = await filed_with(world)
    await world.act("command", "services.theft.assign", file=filed["file"])
    with pytest.raises(NotFound):
        await world.act("other-officer", "services.upload.list", owner=f"file:{filed['file']}")
    assert await names(world, f"file:{filed['file']}", held["code"]) == ["facture.jpg"]
