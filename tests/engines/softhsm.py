"""A private SoftHSM: tokens in a temporary folder, told to the library by SOFTHSM2_CONF before it is first loaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tests.conftest import missing

LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/local/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
)
PIN = "4711-test"
CONFIGURATION = """directories.tokendir = {tokens}
objectstore.backend = file
log.level = ERROR
slots.removable = true
"""


class SoftHsm:
    """Makes tokens. The library reads its configuration once per process, so that there is one of these a run."""

    def __init__(self, library: str, folder: Path) -> None:
        self.library = library
        self.tokens = folder / "tokens"
        self.tokens.mkdir(mode=0o700)
        self.configuration = folder / "softhsm2.conf"
        self.configuration.write_text(CONFIGURATION.format(tokens=self.tokens))
        self._numbers = count()

    def setting(self, data: Path) -> str:
        """A new token, its PIN in the data folder; what to write in the setting `hsm`."""
        label = f"egide{next(self._numbers)}"
        done = subprocess.run(
            ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "0815-test"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        self.pin(data)
        return f"pkcs11:{self.library}?token={label}"

    @staticmethod
    def pin(data: Path, pin: str = PIN) -> None:
        """Writes the PIN file."""
        file = data / "keys" / "hsm.pin"
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.write_text(pin + "\n")
        file.chmod(0o600)


@contextmanager
def softhsm() -> Iterator[SoftHsm]:
    """The library, pointed at a folder of its own; skips (or fails in CI) where SoftHSM is not installed."""
    library = next((path for path in LIBRARIES if Path(path).exists()), None)
    if library is None or shutil.which("softhsm2-util") is None:
        missing("SoftHSM is not installed: apt-get install softhsm2")
        raise AssertionError
    folder = Path(tempfile.mkdtemp(prefix="egide-hsm-"))
    before = os.environ.get("SOFTHSM2_CONF")
    found = SoftHsm(library, folder)
    os.environ["SOFTHSM2_CONF"] = str(found.configuration)
    try:
        yield found
    finally:
        os.environ.pop("SOFTHSM2_CONF")
        if before is not None:
            os.environ["SOFTHSM2_CONF"] = before
        shutil.rmtree(folder, ignore_errors=True)
