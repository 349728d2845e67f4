"""Plug-ins whose manifests are wrong, each in its own way; none of them may start."""

from __future__ import annotations

from egide.kernel.act import Ctx, Effect, Nothing, act
from egide.kernel.capability import Capability


@act("refuses.hello", verb="view", activity="works-itens", roles=["*"], fr="Saluer", en="Say hello")
def lost(_ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(Nothing())


@act("works.hello", verb="view", activity="works-items", roles=["*"], open=True, fr="Saluer", en="Say hello")
def stolen(_ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(Nothing())


@act(
    "refuses.grouped",
    verb="view",
    activity="works-items",
    roles=["*"],
    groups=["aerial-camra"],
    fr="Se tromper de groupe",
    en="Name a wrong group",
)
def grouped(_ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(Nothing())


def unreadable() -> Capability:
    """Its activities.toml is not TOML."""
    return Capability(name="refuses", package="tests.plugins.refuses.unreadable", acts=())


def misspelt() -> Capability:
    """Its activities.toml misspells a field."""
    return Capability(name="refuses", package="tests.plugins.refuses.misspelt", acts=())


def homeless() -> Capability:
    """It has no activities.toml."""
    return Capability(name="refuses", package="tests.plugins.refuses.homeless", acts=())


def unknown_activity() -> Capability:
    """Its act names an activity that nobody declares."""
    return Capability(name="refuses", package="tests.plugins.works", acts=(lost,))


def unknown_group() -> Capability:
    """Its act names a rule group that no pack has."""
    return Capability(name="refuses", package="tests.plugins.works", acts=(grouped,))


def foreign_name() -> Capability:
    """Its act takes another capability's name."""
    return Capability(name="refuses", package="tests.plugins.works", acts=(stolen,))
