"""The officer's desk: what waits is shown, whatever one file of it is."""

from __future__ import annotations

import pytest

from egide.kernel.errors import NotFound
from egide.services import tables
from tests.services.filings import taken
from tests.services.offline import REPORT, Device
from tests.services.test_rounds import watched
from tests.world import World

pytestmark = pytest.mark.anyio


async def test_a_file_whose_version_was_taken_out_hides_no_other(world: World) -> None:
    assert REPORT is not None
    kept, lost = [await taken(world, REPORT, "counter") for _ in range(2)]
    home, empty = [await watched(world, f"{at} rue des Lilas") for at in (1, 2)]
    table, officer = tables.file, world.person("officer").id
    with world.kernel.store.side() as connection:
        connection.execute(table.update().where(table.c.id.in_([kept["file"], lost["file"]])).values(officer=officer))
        connection.execute(table.update().where(table.c.id.in_([lost["file"], empty["file"]])).values(version=99))
    shown = {one["id"]: one for one in (await world.act("officer", "services.desk.queue"))["files"]}
    assert set(shown) == {one["file"] for one in (kept, lost, home, empty)}
    assert shown[lost["file"]]["said"]["en"] == "Version of the service that is no longer installed"
    with pytest.raises(NotFound, match="no longer installed"):
        await world.act("officer", "services.field_report.read", file=lost["file"])
    stops = (await world.act("officer", "services.rounds.list"))["stops"]
    assert [one["file"] for one in stops] == [home["file"]]
    device = await Device(world).enrol()
    pack = await world.act("officer", "services.outbox.pack", device=device.device)
    assert kept["file"] in {one["id"] for one in pack["files"]}
    assert lost["file"] not in {one["id"] for one in pack["files"]}
