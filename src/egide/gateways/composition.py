"""What the doors need from the composition root, handed down to them: they never import it (layers, design §3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from egide.kernel.capability import Capability
from egide.kernel.engine import Engines
from egide.kernel.settings import Settings


@dataclass(frozen=True, slots=True)
class Composition:
    """What only the top knows: how to build a platform, its engines and its capabilities, how to measure."""

    build: Callable[[Settings], tuple[Any, Any]]
    engines: Callable[[Settings], Engines]
    capabilities: Callable[[Settings], tuple[Capability, ...]]
    bench: Callable[[str, bool, Path | None], int]


_held: list[Composition] = []


def compose(composition: Composition) -> None:
    """Called once by the program's entry."""
    _held[:] = [composition]


def composed() -> Composition:
    """The composition of this program."""
    return _held[0]
