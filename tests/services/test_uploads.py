"""How long files last: those never sealed a day, those taken back no longer, the others as long as what they belong to."""

from __future__ import annotations

import pytest

from egide.kernel.errors import NotFound
from egide.services import uploads
from egide.services.quarantine import quarantine
from tests.services.desk import Desk

pytestmark = pytest.mark.anyio


async def test_what_is_never_sealed_is_erased_after_a_day_and_what_is_withdrawn_at_once(desk: Desk) -> None:
    left = await desk.open(b"words")
    quarantine(desk.kernel).take(left["id"], left["secret"], 0, b"words")
    kept, withdrawn = await desk.send(b"other words"), await desk.send(b"wrong file")
    await desk.ask("withdraw", upload=withdrawn["upload"], secret="right")
    with pytest.raises(NotFound):
        await desk.ask("follow", upload=withdrawn["upload"], secret="right")
    desk.move(hours=25)
    objects = desk.kernel.objects
    await desk.until(lambda: {name.split("/")[2] for name in objects.names("documents/uploads")} == {kept["upload"]})
    db = desk.kernel.store.reader()
    assert [row.id for row in db.exec_driver_sql("select id from service_upload")] == [kept["upload"]]
    bodies = "select count(*) from entry where act like 'services.upload.%' and body is null"
    assert db.exec_driver_sql(bodies).scalar() == 4  # opened twice, sealed once, withdrawn once
    assert [file.upload for file in uploads.files_of(desk.kernel, db, "draft:1")] == [kept["upload"]]
