"""A platform on which much has happened, stopped: orders, missions, notes, views, refusals, alerts, holds, rights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from egide.kernel.identity import ANONYMOUS
from tests.world import INSIDE, Terminal, World


async def lived(folder: Path, rounds: int = 30, **settings: Any) -> World:
    """Some 20 acts a round and a few hundred at the start, of every kind that leaves rows."""
    world = World(folder, **settings)
    await world.start()
    try:
        await _rights(world)
        for persona in ("officer", "prefect"):
            entered = json.dumps({"persona": persona}).encode()
            await world.kernel.perform("administration.demo.enter", entered, ANONYMOUS)
        order, mission, deployment = await world.flying(cap=2)
        terminal = Terminal(world.person("officer"))
        view = await world.act("officer", "operations.watch.open", terminal, deployment=deployment)
        assert view
        for number in range(rounds):
            await world.refused("officer", "orders.draft", **world.draft())
            await world.act(
                "officer", "operations.note.add", mission=mission, text=f"Note {number}", lat=INSIDE[0], lon=INSIDE[1]
            )
            await _alert(world, f"À l’aide {number}", closed=number % 3 == 0)
            for name in ("orders.list", "operations.alert.list"):
                await world.act("command", name, *([Terminal(world.person("command"))] if "alert" in name else []))
        await world.act("command", "operations.roster.change", mission=mission, add=["other-officer"], remove=[])
        await world.act("command", "operations.roster.change", mission=mission, add=[], remove=["other-officer"])
        terminal.leave()
        await world.act("command", "operations.camera.stop", deployment=deployment, reason="Fin de vol")
        await world.act("command", "operations.mission.close", mission=mission)
        ended = await world.order(title="Ancien marché")
        await world.act("prefect", "orders.revoke", order=ended, reason="La place est vide")
        await world.act("prefect", "orders.draft", **world.draft(title="Projet"))
        await world.act(
            "dpo", "retention.hold", category="aerial-recording", object="0" * 32, reference="PV 2026/12", motive="Plainte déposée"
        )  # fmt: skip
        assert order
    finally:
        await world.stop()
    return world


async def _rights(world: World) -> None:
    unit = (await world.act("administrator", "administration.unit.add", name="Brigade"))["id"]
    for number in range(6):
        person = (
            await world.act(
                "administrator", "administration.person.add", name=f"Agent {number}", unit=unit, roles=["officer"]
            )
        )["id"]
        until = f"{2030 + number}-01-01T00:00:00Z"
        given = await world.act(
            "administrator", "administration.habilitation.grant", person=person, scope="*", until=until
        )
        if number % 2:
            await world.act(
                "administrator", "administration.habilitation.withdraw", habilitation=given["id"], reason="Mutation"
            )


async def _alert(world: World, text: str, *, closed: bool) -> None:
    given = json.dumps({"text": text, "lat": 60.17, "lon": 24.94, "reach": "+33 1", "lang": "fr"}).encode()
    sent = (await world.kernel.perform("operations.alert.send", given, ANONYMOUS)).result
    await world.act("officer", "operations.alert.take", alert=sent.id)
    await world.act("officer", "operations.alert.answer", alert=sent.id, text="Nous arrivons")
    if closed:
        await world.act("officer", "operations.alert.close", alert=sent.id)
