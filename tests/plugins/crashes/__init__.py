"""A plug-in that crashes: when it is loaded, or in each place where its code runs."""

from __future__ import annotations

from sqlalchemy import Connection

from egide.kernel.act import Act, Ctx, Effect, Nothing, act
from egide.kernel.capability import Capability


def capability() -> Capability:
    """Crashes while it is loaded."""
    raise ZeroDivisionError("a plug-in’s own mistake")


@act(
    "crashes.handler",
    verb="view",
    activity="works-items",
    roles=["*"],
    duty=True,
    fr="Échouer en calculant",
    en="Crash while computing",
)
def handler(_ctx: Ctx, _given: Nothing) -> Effect:
    raise KeyError("a plug-in’s own mistake")


@act(
    "crashes.apply",
    verb="collect",
    activity="works-items",
    roles=["*"],
    duty=True,
    fr="Échouer en écrivant",
    en="Crash while writing",
)
def apply(_ctx: Ctx, _given: Nothing) -> Effect:
    def crash(_connection: Connection) -> None:
        raise RuntimeError("a plug-in’s own mistake")

    return Effect(Nothing(), apply=crash)


ACTS: tuple[Act, ...] = (handler, apply)


def late() -> Capability:
    """Crashes only when its acts run; shares the record of the plug-in that works."""
    return Capability(name="crashes", package="tests.plugins.works", acts=ACTS)
