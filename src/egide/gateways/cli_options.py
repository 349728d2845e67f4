"""What the words of every command share: where they print, the data folder, the port."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

DataOption = Annotated[Path | None, typer.Option("--data", help="Dossier des données / data folder")]
PortOption = Annotated[int | None, typer.Option(help="Port")]
