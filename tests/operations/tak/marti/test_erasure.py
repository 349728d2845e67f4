"""A person who is erased leaves no link in TAK's tables; what they shared lives on nameless until its own time."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from egide.kernel.clock import iso
from egide.kernel.erasure import known
from egide.kernel.links import count
from egide.operations.tak import tables
from tests.operations.tak.marti.client import package, sha256
from tests.operations.tak.marti.ports import TakWorld
from tests.world import DAY_US

pytestmark = pytest.mark.anyio


async def test_an_erased_officer_is_nowhere(tak: TakWorld) -> None:
    added = await tak.act(
        "administrator", "administration.person.add", name="Lou Verdier", unit="brigade", roles=["officer"]
    )
    until = iso(tak.clock.now_us() + 30 * DAY_US)
    await tak.act("administrator", "administration.habilitation.grant", person=added["id"], scope="*", until=until)
    who = str(added["id"])
    lou, officer = await tak.device(who, "LOU-1"), await tak.device("officer", "ANDROID-1")
    content = package()
    await lou.upload(content)
    await lou.https.put("/Marti/api/missions/nord")
    await lou.https.put("/Marti/api/missions/nord/subscription")
    await lou.https.put("/Marti/api/missions/nord/contents", json={"hashes": [sha256(content)]})
    await lou.https.post("/Marti/api/missions/logs/entries", json={"content": "Vu", "missionNames": ["nord"]})
    db = tak.kernel.store.reader()
    links = count(db, known(tak.kernel), who).rows
    assert {"tak_device.person", "tak_package.person", "tak_mission.person", "tak_mission_log.person"} <= set(links)

    await tak.act("dpo", "administration.person.erase", person=who, motive="Départ du service")
    tak.move(seconds=5)
    await tak.kernel.erasures.tick()
    assert count(db, known(tak.kernel), who).rows == {}
    assert (await lou.get("/Marti/api/version")).status_code == 401
    assert db.execute(select(func.count()).select_from(tables.device)).scalar() == 1
    (mission,) = await officer.data("/Marti/api/missions/nord")
    assert (mission["creatorUid"], mission["contents"][0]["data"]["submitter"]) == (lou.name, "")
    assert (await officer.get("/Marti/sync/content", hash=sha256(content))).content == content
    assert [each["content"] for each in await officer.data("/Marti/api/missions/nord/log")] == ["Vu"]
    assert await officer.data("/Marti/api/missions/nord/subscriptions") == []
