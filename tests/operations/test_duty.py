"""Officers' positions are their own: purpose, the end of the shift, who sees them, own access, the end of their term."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import func, select

from egide.kernel import tables as kernel_tables
from egide.kernel.clock import iso
from egide.kernel.erasure import known
from egide.kernel.errors import BadInput, Conflict, NotFound
from egide.kernel.links import count
from egide.kernel.vault import Erased
from egide.operations import tables
from egide.operations.shifts import on_duty as still
from egide.operations.shifts import shifts
from egide.operations.tracks import CATEGORY, purpose_of
from egide.protocols.positions import FIXES, write_fixes
from tests.operations.devices import fixes, near, on_duty, on_map, told
from tests.world import DAY_US, INSIDE, Terminal, World

pytestmark = pytest.mark.anyio
REPORT, STREAM, MINE = "operations.position.report", "operations.position.stream", "operations.position.mine"
AFTER = (INSIDE[0] + 0.01, INSIDE[1])


async def follow(world: World, who: str) -> Terminal:
    terminal = Terminal(world.person(who))
    await world.act(who, "operations.track.subscribe", terminal)
    return terminal


async def report(world: World, who: str = "officer", steps: int = 1) -> None:
    """Reports some places ten seconds apart, the last of them now."""
    world.move(seconds=10 * steps)
    await world.act(who, REPORT, fixes=told(fixes(world, *near(steps))))


async def newcomer(world: World, name: str, unit: str, *roles: str) -> str:
    added = await world.act(
        "administrator", "administration.person.add", name=name, unit=unit, roles=list(roles or ("officer",))
    )
    until = iso(world.clock.now_us() + 300 * DAY_US)
    await world.act("administrator", "administration.habilitation.grant", person=added["id"], scope="*", until=until)
    return str(added["id"])


async def test_going_on_duty(world: World) -> None:
    begin = "operations.duty.begin"
    assert await world.refused("officer", begin, hours=8) == ["GDPR-13-14"], "nobody is located without being told"
    for hours in (15, 0, -1, 1e9):
        assert await world.refused("officer", begin, hours=hours, informed=True) == ["LOC-SHIFT"]
    broken = await world.refused("officer", begin, hours=8, informed=True, purpose="performance")
    assert set(broken) == {"GDPR-5-1-b", "LOC-2"}, "positions never judge work"
    assert not still(world.kernel, "officer")
    duty = await on_duty(world)
    assert still(world.kernel, "officer")
    with pytest.raises(Conflict):
        await on_duty(world)
    mine = await world.act("officer", "operations.duty.show")
    assert (mine["duty"]["id"], mine["people"], mine["kept"]) == (duty, [], "P2M")
    seen = await world.act("command", "operations.duty.show")
    assert [each["id"] for each in seen["people"]] == ["officer"]


async def test_who_sees_an_officer(world: World) -> None:
    far = await newcomer(world, "Lou", "prefecture")
    colleague, command, other = (
        await follow(world, "other-officer"),
        await follow(world, "command"),
        await follow(world, far),
    )
    await on_duty(world)
    await report(world)
    world.kernel.things["relay"].positions.tick()
    assert on_map(colleague, "officer") == pytest.approx(INSIDE, abs=1e-6)
    assert on_map(command, "officer") is not None
    assert on_map(other, "officer") is None, "another unit, no mission in common"
    mission = await world.mission(await world.order(), "officer", far)
    await world.until(lambda: on_map(other, "officer") is not None)
    await world.act("command", "operations.roster.change", mission=mission, remove=[far])
    await world.until(lambda: on_map(other, "officer") is None)


async def test_off_duty_it_stops_at_once(world: World) -> None:
    command, device = await follow(world, "command"), Terminal(world.person("officer"))
    await on_duty(world)
    await world.act("officer", STREAM, device)
    assert device.say(write_fixes(fixes(world, INSIDE)))
    positions = world.kernel.things["relay"].positions
    await world.until(lambda: on_map(command, "officer"))
    await world.act("officer", "operations.duty.end")
    assert on_map(command, "officer") is None, "gone before the act is answered"
    assert positions.place("officer") is None
    assert not still(world.kernel, "officer")
    assert not device.say(write_fixes(fixes(world, AFTER))), "nothing takes it any more"
    assert "LOC-3" in await world.refused("officer", REPORT, fixes=told(fixes(world, AFTER)))
    assert "LOC-3" in await world.refused("officer", STREAM, Terminal(world.person("officer")))
    late = await follow(world, "command")
    assert on_map(late, "officer") is None


async def test_where_one_is_never_enters_the_ledger(world: World) -> None:
    await world.refused("officer", REPORT, fixes=told(fixes(world, AFTER)))
    await on_duty(world)
    await report(world)
    entry, vault = kernel_tables.entry, world.kernel.vault
    rows = world.kernel.store.reader().execute(select(entry).where(entry.c.act == REPORT)).all()
    assert [row.outcome for row in rows] == ["refused", "allowed"]
    for row in rows:
        body = json.loads(vault.open_("officer", "officer-location", bytes(row.body), row.id.encode()))
        assert body["input"] == {"purpose": "safety", "vehicle": None}


async def test_command_ends_a_shift_and_colleagues_do_not(world: World) -> None:
    await on_duty(world)
    assert await world.refused("other-officer", "operations.duty.end", person="officer") == ["LOC-END"]
    assert still(world.kernel, "officer")
    await world.act("command", "operations.duty.end", person="officer", reason="Relève")
    assert not still(world.kernel, "officer")
    with pytest.raises(NotFound):
        await world.act("officer", "operations.duty.end")


async def test_the_declared_end_ends_it(world: World) -> None:
    command, device = await follow(world, "command"), Terminal(world.person("officer"))
    duty = await on_duty(world, hours=2)
    await world.act("officer", STREAM, device)
    device.say(write_fixes(fixes(world, INSIDE)))
    await world.until(lambda: on_map(command, "officer"))
    world.move(hours=2)
    assert not still(world.kernel, "officer"), "by the clock, before anything runs"
    assert set(await world.refused("officer", REPORT, fixes=told(fixes(world, INSIDE)))) & {"LOC-3", "LOC-3-shift"}
    await world.until(lambda: on_map(command, "officer") is None)
    await world.until(lambda: FIXES not in device.inlets)
    ended = select(tables.duty.c.how).where(tables.duty.c.id == duty)
    await world.until(lambda: world.kernel.store.reader().execute(ended).scalar() == "shift")


async def test_a_stream_ends_with_the_right(world: World) -> None:
    command, device = await follow(world, "command"), Terminal(world.person("officer"))
    await on_duty(world)
    await world.act("officer", STREAM, device)
    device.say(write_fixes(fixes(world, INSIDE)))
    await world.until(lambda: on_map(command, "officer"))
    await world.act(
        "administrator", "administration.habilitation.withdraw", habilitation="demo-officer", reason="Mutation"
    )
    await world.until(lambda: on_map(command, "officer") is None)
    assert not still(world.kernel, "officer")
    assert FIXES not in device.inlets


async def test_own_access_and_nobody_elses(world: World) -> None:
    duty = await on_duty(world)
    await report(world, steps=3)
    (shift,) = (await world.act("officer", MINE))["shifts"]
    assert (shift["duty"], len(shift["fixes"])) == (duty, 3), "also what is not sealed yet"
    await shifts(world.kernel).seal()
    await world.act("officer", "operations.duty.end")
    (shift,) = (await world.act("officer", MINE))["shifts"]
    assert [round(fix["lat"], 6) for fix in shift["fixes"]] == [round(lat, 6) for lat, _ in near(3)]
    assert (await world.act("other-officer", MINE))["shifts"] == []
    asked = {"person": "officer", "motive": "Plainte", "since": "2020-01-01T00:00:00Z", "until": "2190-01-01T00:00:00Z"}
    request = "operations.position.request"
    assert await world.refused("command", request, **asked, reference="x") == ["LOC-4"], "not the hierarchy"
    assert await world.refused("magistrate", request, **asked, reference=" ") == ["LOC-4-reference"]
    assert "GDPR-29" in await world.refused("other-officer", request, **asked, reference="x")
    found = await world.act("magistrate", request, **asked, reference="PR 2026/17")
    assert len(found["shifts"][0]["fixes"]) == 3
    found = await world.act("dpo", request, **asked, reference="IGPN 4")
    assert len(found["shifts"][0]["fixes"]) == 3


async def test_what_is_kept_is_sealed_and_thinned(world: World) -> None:
    duty = await on_duty(world)
    world.move(minutes=2)
    await world.act("officer", REPORT, fixes=told(fixes(world, *near(60), every_s=1.0)))
    await shifts(world.kernel).seal()
    db = world.kernel.store.reader()
    row = db.execute(select(tables.track)).one()
    (shift,) = (await world.act("officer", MINE))["shifts"]
    assert len(shift["fixes"]) == 6, "one place every ten seconds"
    entry = kernel_tables.entry
    leaf = db.execute(select(entry.c.leaf).where(entry.c.act == "operations.position.seal")).scalar_one()
    assert json.loads(leaf)["rows"] == 60
    assert row.duty == duty


async def test_after_its_term_it_is_gone(world: World) -> None:
    duty = await on_duty(world)
    await report(world, steps=3)
    await shifts(world.kernel).seal()
    await world.act("officer", "operations.duty.end")
    kernel, db = world.kernel, world.kernel.store.reader()
    row = db.execute(select(tables.track)).one()
    world.move(days=58)
    assert (await world.act("officer", MINE))["shifts"]
    world.move(days=5)
    assert (await world.act("officer", MINE))["shifts"] == [], "refused from that moment, whenever the clock comes by"
    kept = kernel_tables.retained.c
    state = select(kept.state).where(kept.id == f"{CATEGORY}/{duty}")
    await world.until(lambda: db.execute(state).scalar() == "erased")
    with pytest.raises(Erased):
        kernel.vault.open_("officer", purpose_of(duty), bytes(row.body), row.id.encode())
    assert db.execute(select(func.count()).select_from(tables.duty)).scalar() == 0
    about = select(kernel_tables.entry.c.act, kernel_tables.entry.c.body).where(
        kernel_tables.entry.c.act.in_(("operations.duty.begin", "operations.duty.end"))
    )
    assert {(each.act, each.body) for each in db.execute(about)} == {
        ("operations.duty.begin", None), ("operations.duty.end", None),
    }  # fmt: skip


async def test_an_erased_officer_has_been_nowhere(world: World) -> None:
    who = await newcomer(world, "Lou", "brigade")
    command = await follow(world, "command")
    duty = await on_duty(world, who)
    await report(world, who, steps=3)
    await shifts(world.kernel).seal()
    row = world.kernel.store.reader().execute(select(tables.track)).one()
    await report(world, who)
    await world.until(lambda: on_map(command, who))
    await world.act("dpo", "administration.person.erase", person=who, motive="Départ")
    await world.until(lambda: on_map(command, who) is None)
    world.move(seconds=5)
    await world.kernel.erasures.tick()
    await shifts(world.kernel).seal()
    db = world.kernel.store.reader()
    assert count(db, known(world.kernel), who).rows == {}
    assert db.execute(select(func.count()).select_from(tables.track)).scalar() == 0
    with pytest.raises(Erased):
        world.kernel.vault.open_(who, purpose_of(duty), bytes(row.body), row.id.encode())


async def test_what_cannot_be_true_is_refused_at_its_source(world: World) -> None:
    command, device = await follow(world, "command"), Terminal(world.person("officer"))
    await on_duty(world)
    await world.act("officer", STREAM, device)
    now = world.clock.latest_us() // 1000
    tomorrow = [{"lat": 60.17, "lon": 24.94, "at": now + 86_400_000}]
    with pytest.raises(BadInput, match="future"):
        await world.act("officer", REPORT, fixes=tomorrow)
    with pytest.raises(BadInput, match="before the shift"):
        await world.act("officer", REPORT, fixes=[{"lat": 60.17, "lon": 24.94, "at": now - 86_400_000}])
    for lat, lon in ((91, 0), (0, 181), (1e300, 0)):
        with pytest.raises(BadInput):
            await world.act("officer", REPORT, fixes=[{"lat": lat, "lon": lon, "at": now}])
    with pytest.raises(BadInput):
        await world.act("officer", REPORT, fixes=told(fixes(world, *near(301), every_s=0.001)))
    await report(world)
    await world.until(lambda: on_map(command, "officer"))
    world.move(seconds=1)
    assert device.say(write_fixes(fixes(world, (INSIDE[0] + 9, INSIDE[1]))))
    assert "Too far" in device.pushed[-1]["problem"]["title"]["en"]
    world.kernel.things["relay"].positions.tick()
    assert on_map(command, "officer") == pytest.approx(INSIDE, abs=1e-6), "nobody saw it"
    world.move(seconds=1)
    device.say(write_fixes(fixes(world, (INSIDE[0] + 9.0001, INSIDE[1]))))
    await world.until(lambda: on_map(command, "officer") != pytest.approx(INSIDE, abs=1e-6))
    told_so_far = len(device.pushed)
    for _ in range(50):
        device.say(bytes((FIXES, 0, 0, 0)) + b"\x7f" * 21)
    assert len(device.pushed) <= told_so_far + 1, "a flood is answered once a second at most"


async def test_a_vehicle_reports_and_no_track_is_kept(world: World) -> None:
    command = await follow(world, "command")
    vehicle = (await world.act("command", "operations.vehicle.declare", name="PS 12", kind="van", unit="brigade"))["id"]
    with pytest.raises(BadInput):
        await world.act("command", "operations.vehicle.declare", name=" ")
    device = Terminal(world.person("officer"))
    assert "LOC-3" in await world.refused("officer", STREAM, device, vehicle=vehicle), "its driver must be on duty"
    await on_duty(world)
    with pytest.raises(NotFound):
        await world.act("officer", STREAM, device, vehicle="none")
    await world.act("officer", STREAM, device, vehicle=vehicle)
    device.say(write_fixes(fixes(world, INSIDE)))
    await world.until(lambda: on_map(command, vehicle))
    assert on_map(command, "officer") is None
    await shifts(world.kernel).seal()
    assert world.kernel.store.reader().execute(select(func.count()).select_from(tables.track)).scalar() == 0
    await world.act("officer", "operations.duty.end")
    assert on_map(command, vehicle) is None
    assert [each["name"] for each in (await world.act("officer", "operations.vehicle.list"))["vehicles"]] == ["PS 12"]
    await world.act("command", "operations.vehicle.remove", vehicle=vehicle)
    assert (await world.act("officer", "operations.vehicle.list"))["vehicles"] == []


async def test_who_was_on_duty_still_is_after_a_restart(world: World) -> None:
    await on_duty(world)
    await report(world, steps=2)
    await world.stop()
    await world.start()
    assert still(world.kernel, "officer")
    assert len((await world.act("officer", MINE))["shifts"][0]["fixes"]) == 2, "what waited was sealed on leaving"
