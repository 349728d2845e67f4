"""What the doors need from the composition root, handed down to them: they never import it (layers, design §3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egide.kernel.capability import Capability
from egide.kernel.engine import Engines
from egide.kernel.errors import StartupError, Text
from egide.kernel.settings import Settings

if TYPE_CHECKING:  # an authority's machine is loaded by who runs one
    from egide.gateways.consortium_again import Store
    from egide.gateways.consortium_files import OfNode
    from egide.gateways.consortium_machines import Account


def _none(place: Path) -> Store:
    raise StartupError(Text("Ce programme ne tient aucune chaîne.", "This program keeps no chain."), file=str(place))


def _no_node(given: OfNode) -> Account:
    raise StartupError(
        Text("Ce programme ne parle à aucun nœud.", "This program speaks to no node."), file=given.address
    )


@dataclass(frozen=True, slots=True)
class Composition:
    """What only the top knows: how to build a platform, its engines and its capabilities, how to measure, chains and nodes."""

    build: Callable[[Settings], tuple[Any, Any]]
    engines: Callable[[Settings], Engines]
    capabilities: Callable[[Settings], tuple[Capability, ...]]
    bench: Callable[[str, bool, Path | None], int]
    chain: Callable[[Path], Store] = _none
    node: Callable[[OfNode], Account] = _no_node


_held: list[Composition] = []


def compose(composition: Composition) -> None:
    """Called once by the program's entry."""
    _held[:] = [composition]


def composed() -> Composition:
    """The composition of this program."""
    return _held[0]
