"""The words of the ledger's proofs: `egide ledger` (export, verification, tiles) and `egide witness` (cosigning another's).

What they do is in `verify.py` and `witness.py`, loaded when asked for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from egide.gateways.cli_options import DataOption, console
from egide.kernel.settings import load

ledger_app = typer.Typer(help="Registre : export, vérification. / Ledger: export, verification.", no_args_is_help=True)
witness_app = typer.Typer(
    help="Témoin : cosigner le registre d’un service. / Witness: cosign a service’s ledger.", no_args_is_help=True
)


@ledger_app.command("verify")
def ledger_verify(
    path: Path,
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Fichier de clés publiques, du registre ou de témoins / of the log or of witnesses"),
    ] = None,
    stamp_authority: Annotated[
        Path | None, typer.Option(help="Certificat PEM de l’autorité d’horodatage / the time-stamping authority’s")
    ] = None,
) -> None:
    """Vérifie un export sans rien d’autre que lui et les clés publiques. / Verify an export with nothing else but public keys."""
    from egide.gateways.verify import verify  # noqa: PLC0415

    raise typer.Exit(verify(path, key or [], console, stamp_authority))


@ledger_app.command("export")
def ledger_export(
    path: Path,
    kind: Annotated[str, typer.Option(help="inspector | public")] = "public",
    data: DataOption = None,
) -> None:
    """Exporte le registre public (racines) d’une installation arrêtée ou non. / Export the public ledger (roots)."""
    from egide.gateways.verify import export_public  # noqa: PLC0415

    raise typer.Exit(export_public(load(data), path, kind, console))


@ledger_app.command("tiles")
def ledger_tiles(path: Path, data: DataOption = None) -> None:
    """Écrit l’arbre public en fichiers (C2SP tlog-tiles), pour des miroirs. / Write the public tree as files, for mirrors."""
    from egide.gateways.verify import export_tiles  # noqa: PLC0415

    raise typer.Exit(export_tiles(load(data), path, console))


@witness_app.command("serve")
def witness_serve(
    data: Annotated[Path, typer.Option("--data", help="Dossier du témoin / the witness’s folder")] = Path("witness"),
    port: Annotated[int, typer.Option(help="Port")] = 8621,
    host: Annotated[str, typer.Option(help="Adresse d’écoute / listening address")] = "127.0.0.1",
    name: Annotated[str, typer.Option(help="Nom de la clé, au premier démarrage / key name, at the first start")] = "",
) -> None:
    """Cosigne ce qui prolonge ce qu’il a déjà vu. / Cosign what continues what it has already seen."""
    from egide.gateways.witness import serve  # noqa: PLC0415

    serve(data, host, port, name, console)


@witness_app.command("trust")
def witness_trust(
    vkey: str,
    data: Annotated[Path, typer.Option("--data", help="Dossier du témoin / the witness’s folder")] = Path("witness"),
) -> None:
    """Reconnaît un registre par sa clé publique. / Know a log by its public key."""
    from egide.gateways.witness import trust  # noqa: PLC0415

    trust(data, vkey, console)
