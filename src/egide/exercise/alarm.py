"""The part of the story that begins with a call for help: it becomes an incident, gets the mission and a task, and is closed.

Everything goes through the public address, as everybody's; what the officer is told comes over their own socket, and is timed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from egide.exercise.people import Live, Person, PersonError

if TYPE_CHECKING:
    from egide.exercise.story import Scene

PUSHED_S = 2.0  # s from an act's answer to the officer's terminal
WORDS = "On vient de m’arracher mon sac, place du Sénat, près des étals. Il part vers le port."


class AlarmError(Exception):
    """The platform did something else than the story says."""


class Alarm:
    """A call for help and what comes of it, step by step."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._alert: dict[str, Any] = {}
        self._incident = ""
        self._task = ""
        self._live: Live

    async def call(self) -> str:
        """A resident calls for help; the command post opens an incident from it; the officer sees it."""
        lat, lon = self._scene.place
        resident = Person(self._scene.base, "resident")
        self._alert = await resident.act("operations.alert.send", text=WORDS, lat=lat, lon=lon, lang="fr")
        command, officer = await self._scene.person("command"), await self._scene.person("officer")
        self._live = await officer.live()
        await self._live.act("operations.incident.follow")
        opened = await command.act("operations.incident.from_alert", alert=self._alert["id"], kind="theft")
        self._incident = opened["id"]
        took = await self._told("incident", self._incident, "reported")
        return f"on the officer's map {took * 1000:.0f} ms after the act's answer, without a word typed again"

    async def respond(self) -> str:
        """Confirmed, given to the mission, with a task that the officer accepts and begins."""
        command, officer = await self._scene.person("command"), await self._scene.person("officer")
        await command.act("operations.incident.confirm", incident=self._incident)
        await command.act("operations.incident.assign", incident=self._incident, mission=self._scene.mission)
        given = {
            "mission": self._scene.mission,
            "incident": self._incident,
            "title": "Retrouver le sac, quai nord",
            "person": "officer",
        }
        self._task = (await command.act("operations.task.propose", **given))["id"]
        took = await self._told("task", self._task, "proposed")
        for step in ("accept", "start"):
            await officer.act(f"operations.task.{step}", task=self._task)
        if (await self._followed())["progress"] != "on_way":
            raise AlarmError("the resident is not told that a team is on its way")
        return f"the task was on the officer's terminal {took * 1000:.0f} ms after the act's answer; the resident reads that a team is on its way"

    async def finish(self) -> str:
        """The task done, the incident resolved and closed, and with it the call for help."""
        command, officer = await self._scene.person("command"), await self._scene.person("officer")
        await officer.act("operations.task.finish", task=self._task)
        for person, step in ((officer, "arrive"), (officer, "resolve"), (command, "close")):
            await person.act(f"operations.incident.{step}", incident=self._incident)
        lines = (await command.act("operations.incident.read", incident=self._incident))["lines"]
        await self._live.close()
        try:
            await self._followed()
        except PersonError:
            return f"{len(lines)} lines in the incident's log"
        raise AlarmError("the call for help is still open")

    async def _followed(self) -> dict[str, Any]:
        given = {"alert": self._alert["id"], "secret": self._alert["secret"]}
        told: dict[str, Any] = (await Person(self._scene.base, "resident").act("operations.alert.follow", **given))[
            "alert"
        ]
        return told

    async def _told(self, kind: str, id_: str, state: str) -> float:
        """Seconds until the officer's socket has told of it."""
        began = time.monotonic()

        def came() -> bool:
            return any(
                one["push"] == kind and (one[kind]["id"], one[kind]["state"]) == (id_, state)
                for one in self._live.pushed
            )

        if not await self._live.until(came, PUSHED_S):
            raise AlarmError(f"the officer was not told of the {kind} in time")
        return time.monotonic() - began


async def clear(command: Person) -> None:
    """What an earlier exercise left open is dismissed or led to its end."""
    way = {
        "reported": "dismiss",
        "confirmed": "dismiss",
        "assigned": "arrive",
        "on_scene": "resolve",
        "resolved": "close",
    }
    for incident in (await command.act("operations.incident.list"))["incidents"]:
        state = incident["state"]
        while state in way:
            given = {"incident": incident["id"], "reason": "Fin de l’exercice précédent"}
            state = (await command.act(f"operations.incident.{way[state]}", **given))["state"]
