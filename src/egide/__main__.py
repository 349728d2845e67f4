"""The program `egide`: composes the platform and hands it to the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from egide.gateways import cli
from egide.gateways.composition import Composition, compose
from egide.kernel.capability import Capability
from egide.kernel.engine import Engines
from egide.kernel.settings import Settings

if TYPE_CHECKING:
    from egide.gateways.consortium_again import Store
    from egide.gateways.consortium_files import OfNode
    from egide.gateways.consortium_machines import Account


def _build(settings: Settings) -> tuple[Any, Any]:
    from egide.app import build  # noqa: PLC0415 — `egide --help` and `egide ledger verify` need no platform

    return build(settings)


def _engines(settings: Settings) -> Engines:
    from egide.app import engines  # noqa: PLC0415

    return engines(settings)


def _capabilities(settings: Settings) -> tuple[Capability, ...]:
    from egide.app import capabilities  # noqa: PLC0415

    return capabilities(settings)


def _bench(capability: str, quick: bool, file: Path | None) -> int:
    from egide.bench import run  # noqa: PLC0415

    return run(capability, quick=quick, json_file=file)


def _chain(folder: Path) -> Store:
    from egide.app import chain  # noqa: PLC0415

    return chain(folder)


def _node(given: OfNode) -> Account:
    from egide.app import node  # noqa: PLC0415

    return node(given)


def main() -> None:
    """The console script."""
    compose(Composition(_build, _engines, _capabilities, _bench, _chain, _node))
    cli.main()


if __name__ == "__main__":
    main()
