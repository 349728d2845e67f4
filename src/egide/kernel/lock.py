"""Files that say who works here: held until the process ends, so that nothing restores over a platform that runs.

Source: flock(2).
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from egide.kernel.errors import StartupError, Text


def held(file: Path, *, shared: bool = False) -> int | None:
    """The open file, made where there is none, and held until it is closed; None while somebody else holds it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def lock(folder: Path, *, alone: bool = False) -> int:
    """Marks the data folder as in use until the process ends; `alone`: only if nobody else uses it, and nobody may join.

    Several processes may serve one folder (an upgrade runs old and new side by side); a restore must be alone. Raises
    `StartupError`.
    """
    descriptor = held(folder / "writer.lock", shared=not alone)
    if descriptor is None:
        raise StartupError(
            Text("Une autre plateforme tourne déjà sur ce dossier.", "Another platform already runs on this folder."),
            Text("Arrêtez-la, ou donnez un autre dossier avec --data.", "Stop it, or give another folder with --data."),
            file=str(folder),
        )
    return descriptor
