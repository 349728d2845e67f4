"""The data folder is marked as in use, so that nothing restores over a platform that runs."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from egide.kernel.errors import StartupError, Text


def lock(folder: Path, *, alone: bool = False) -> int:
    """Marks the data folder as in use until the process ends; `alone`: only if nobody else uses it, and nobody may join.

    Several processes may serve one folder (an upgrade runs old and new side by side); a restore must be alone. Raises
    `StartupError`.
    """
    descriptor = os.open(folder / "writer.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StartupError(
            Text("Une autre plateforme tourne déjà sur ce dossier.", "Another platform already runs on this folder."),
            Text("Arrêtez-la, ou donnez un autre dossier avec --data.", "Stop it, or give another folder with --data."),
            file=str(folder),
        ) from error
    return descriptor
