"""The words of the consortium: `egide border consortium` (members, votes, contract) and `egide authority` (one of its members).

What they do is in `consortium_cli.py` and `authority_cli.py`, loaded when asked for: `egide --help` stays quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egide.gateways.cli_options import DataOption, PortOption, console
from egide.kernel.settings import load

consortium_app = typer.Typer(
    help="Consortium : membres, votes, contrat. / Consortium: members, votes, contract.", no_args_is_help=True
)
authority_app = typer.Typer(
    help="Consortium : une autorité de la frontière. / Consortium: one of the border’s authorities.",
    no_args_is_help=True,
)


@consortium_app.command("show")
def consortium_show(
    as_json: Annotated[bool, typer.Option("--json", help="Tout, en JSON / everything, as JSON")] = False,
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Dit les membres, les clés inscrites et les votes en cours. / Say members, listed keys and open votes."""
    from egide.gateways.consortium_cli import show  # noqa: PLC0415

    raise typer.Exit(show(load(data, port=port), console, as_json=as_json))


@consortium_app.command("vote-in")
def consortium_vote_in(
    line: Annotated[str, typer.Argument(help="Ligne du nouveau membre / the new member’s line")],
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Propose un nouveau membre, ou vote pour lui. / Propose a new member, or vote for it."""
    from egide.gateways.consortium_cli import vote_in  # noqa: PLC0415

    raise typer.Exit(vote_in(load(data, port=port), line, console))


@consortium_app.command("vote-out")
def consortium_vote_out(
    member: Annotated[str, typer.Argument(help="Nom ou adresse / name or address")],
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Propose la sortie d’un membre, ou vote pour elle. / Propose that a member leaves, or vote for it."""
    from egide.gateways.consortium_cli import vote_out  # noqa: PLC0415

    raise typer.Exit(vote_out(load(data, port=port), member, console))


@consortium_app.command("vote")
def consortium_vote(
    number: Annotated[str, typer.Argument(help="Numéro du vote, d’après « show » / the vote’s number, from “show”")],
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Vote pour ce qu’un autre membre a proposé. / Vote for what another member proposed."""
    from egide.gateways.consortium_cli import vote_for  # noqa: PLC0415

    raise typer.Exit(vote_for(load(data, port=port), number, console))


@consortium_app.command("remove-key")
def consortium_remove_key(
    kid: Annotated[str, typer.Argument(help="Nom de la clé / the key’s name")],
    role: Annotated[str, typer.Option("--role", help="issuer | verifier")] = "verifier",
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Radie une clé d’un membre parti, ou d’ici. / Take off a key of a member that left, or of this one."""
    from egide.gateways.consortium_cli import remove_key  # noqa: PLC0415

    raise typer.Exit(remove_key(load(data, port=port), kid, role, console))


@consortium_app.command("deploy")
def consortium_deploy(
    node: Annotated[str, typer.Argument(help="https://nœud / https://node")],
    chain: Annotated[int, typer.Argument(help="Numéro de sa chaîne / number of its chain")],
    members: Annotated[list[str], typer.Argument(help="Les lignes des membres / the members’ lines")],
    data: DataOption = None,
    port: PortOption = None,
) -> None:
    """Crée le contrat sur un nœud EVM. / Create the contract on an EVM node."""
    from egide.gateways.consortium_cli import deploy  # noqa: PLC0415

    raise typer.Exit(deploy(load(data, port=port), node, chain, members, console))


@authority_app.command("key")
def authority_key(
    name: Annotated[str, typer.Argument(help="Nom que les autres liront / name that the others will read")],
    data: DataOption = None,
    node: Annotated[
        bool, typer.Option("--node", help="Pour un contrat sur un nœud EVM / for a contract on an EVM node")
    ] = False,
) -> None:
    """Tire la clé de ce membre et dit sa ligne publique. / Draw this member’s key and say its public line."""
    from egide.gateways.authority_cli import key, node_key  # noqa: PLC0415

    (node_key if node else key)(load(data).folder, name, console)


@authority_app.command("genesis")
def authority_genesis(
    members: Annotated[list[str], typer.Argument(help="Les lignes des membres / the members’ lines")],
    out: Annotated[Path, typer.Option("--out", help="Fichier / file")] = Path("genesis.json"),
) -> None:
    """Écrit la genèse que tous les membres prendront. / Write the genesis that all members take."""
    from egide.gateways.authority_cli import genesis  # noqa: PLC0415

    genesis(members, out, console)


@authority_app.command("serve")
def authority_serve(data: DataOption = None) -> None:
    """Tient une autorité sans plateforme, jusqu’à un signal. / Run one authority without a platform, until a signal."""
    from egide.gateways.authority_cli import serve  # noqa: PLC0415

    serve(load(data), console)


@authority_app.command("show")
def authority_show(data: DataOption = None) -> None:
    """Dit la hauteur, les membres et les fautes, par leur nom. / Say height, members and faults, by name."""
    from egide.gateways.authority_cli import show  # noqa: PLC0415

    raise typer.Exit(show(load(data), console))
