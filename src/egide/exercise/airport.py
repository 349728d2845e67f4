"""The exercise's airport: an issuer's key, a gate's for each control point, and both lanes of every point open.

A border is usable only once an administrator made its keys and an officer opened its lanes. Here both do, through the public
address, as in a town where somebody was there the day before; what already stands is left as it is, so that a second start adds
nothing.
"""

from __future__ import annotations

from typing import Any

from egide.exercise.people import Person
from egide.exercise.story import Scene

REALMS = {"facilitation": "border", "border-police": "border.police"}  # and what the names of their acts begin with
ISSUING = "facilitation"  # the realm whose tokens travellers hold; the border's gates read the same


async def open_airport(scene: Scene, realm: str) -> None:
    """Makes what is missing, in both realms, or in the one that the installation serves alone (`realm`, its setting)."""
    administrator, officer = await scene.person("administrator"), await scene.person("officer")
    for name in (realm,) if realm in REALMS else REALMS:
        acts = REALMS[name]
        points = [point["id"] for point in (await officer.act(f"{acts}.point.list"))["points"]]
        if name == ISSUING:
            await _keys(administrator, acts, "issuer", 1)
        await _keys(administrator, acts, "verifier", len(points))
        for point in points:
            await _open(officer, acts, point)


async def _keys(administrator: Person, acts: str, role: str, wanted: int) -> None:
    """As many keys in service as wanted; the trust list says how many there are."""
    listed: list[dict[str, Any]] = (await administrator.act(f"{acts}.trust.list"))["keys"]
    standing = sum(key["role"] == role and key["until"] is None for key in listed)
    for _ in range(wanted - standing):
        await administrator.act(f"{acts}.key.make", role=role)


async def _open(officer: Person, acts: str, point: str) -> None:
    now = await officer.act(f"{acts}.lane.show", point=point)
    if not (now["equal_open"] and now["staffed"]):
        await officer.act(f"{acts}.lane.set", point=point, equal_open=True, staffed=True)
