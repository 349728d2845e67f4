"""The words of a backup and of bringing it back: `egide backup`, `egide backup verify`, `egide restore`.

What they do is in `backups.py`, loaded when asked for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from egide.gateways.cli_options import DataOption, console
from egide.kernel.settings import load

backup_app = typer.Typer(help="Sauvegarde, vérification. / Backup, verification.", invoke_without_command=True)

PassphraseOption = Annotated[
    Path | None,
    typer.Option("--passphrase-file", help="Fichier de la phrase de passe des clés / file of the keys’ passphrase"),
]
KeyOption = Annotated[Path | None, typer.Option("--key", help="Clé publique du registre / the ledger’s public key")]


@backup_app.callback()
def backup(
    context: typer.Context,
    to: Annotated[
        Path | None, typer.Option("--to", help="Dossier des données sauvées / folder of the data sets")
    ] = None,
    keys_to: Annotated[
        Path | None, typer.Option("--keys-to", help="Dossier des clés, ailleurs / folder of the keys, elsewhere")
    ] = None,
    passphrase_file: PassphraseOption = None,
    keep_keys: Annotated[int, typer.Option(help="Jeux de clés gardés / sets of keys kept", min=1)] = 1,
    data: DataOption = None,
) -> None:
    """Sauve données et clés, à part, serveur lancé ou non. / Back up data and keys, apart, whether the server runs or not."""
    if context.invoked_subcommand is not None:
        return
    from egide.gateways.backups import write  # noqa: PLC0415 — keeps `egide --help` fast

    raise typer.Exit(write(load(data), to, keys_to, passphrase_file, keep_keys, console))


@backup_app.command("verify")
def backup_verify(file: Path, key: KeyOption = None, passphrase_file: PassphraseOption = None) -> None:
    """Vérifie chaque octet d’une sauvegarde. / Verify every byte of a backup."""
    from egide.gateways.backups import verify  # noqa: PLC0415

    raise typer.Exit(verify(file, key, passphrase_file, console))


def restore(
    backup_set: Annotated[
        Path, typer.Argument(help="Sauvegarde des données, ou son dossier / data set, or its folder")
    ],
    keys: Annotated[Path, typer.Option("--keys", help="Sauvegarde des clés, ou son dossier / key set, or its folder")],
    passphrase_file: PassphraseOption = None,
    key: KeyOption = None,
    head: Annotated[
        Path | None, typer.Option("--head", help="Tête signée connue d’ailleurs / signed head known from elsewhere")
    ] = None,
    accept_older_keys: Annotated[
        bool, typer.Option("--accept-older-keys", help="Perdre ce qu’elles n’ouvrent pas / lose what they cannot open")
    ] = False,
    data: DataOption = None,
) -> None:
    """Restaure sur une machine vide, puis vérifie le registre. / Restore onto an empty machine, then check the ledger."""
    from egide.gateways.backups import bring_back  # noqa: PLC0415

    folder = data or Path(os.environ.get("EGIDE_DATA", "var"))
    raise typer.Exit(
        bring_back(folder, backup_set, keys, passphrase_file, key, head, console, older_keys=accept_older_keys)
    )
