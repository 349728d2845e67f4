"""One installation made by `egide init`, copied for each test that changes it."""

from __future__ import annotations

import io
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from rich.console import Console

from egide.app import build, capabilities, engines
from egide.gateways import composition, setup
from egide.gateways.composition import Composition, compose
from egide.kernel.settings import Settings


@dataclass(frozen=True)
class Installed:
    """A prepared data folder and what `egide init` said."""

    folder: Path
    said: str


def free_port() -> int:
    with socket.socket() as asking:
        asking.bind(("127.0.0.1", 0))
        return int(asking.getsockname()[1])


def heard(what: Callable[[Console], object]) -> tuple[object, str]:
    """The result of a command and what it printed."""
    out = io.StringIO()
    result = what(Console(file=out, width=200, highlight=False))
    return result, out.getvalue()


def content(folder: Path) -> dict[str, str]:
    """Digest of each file; SQLite's passing ones aside."""
    return {
        str(file.relative_to(folder)): sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and not file.name.endswith(("-shm", "-wal"))
    }


@pytest.fixture(scope="session")
def composed() -> Iterator[None]:
    before = list(composition._held)
    compose(Composition(build, engines, capabilities, lambda *_: 0))
    yield
    composition._held[:] = before


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory, composed: None) -> Installed:
    folder = tmp_path_factory.mktemp("init") / "data"
    _, said = heard(
        lambda console: setup.initialise(Settings(data=str(folder), port=free_port()), "Ada Lovelace", console)
    )
    return Installed(folder, said)


@pytest.fixture
def settings(pristine: Installed, tmp_path: Path) -> Settings:
    """The settings of a copy of the installation, on a port that is free."""
    folder = tmp_path / "data"
    shutil.copytree(pristine.folder, folder)
    folder.chmod(0o700)
    return Settings(data=str(folder), port=free_port())
