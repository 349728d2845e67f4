"""One installation made by `egide init`, copied for each test that changes it; and the wallet's own code, run in Node.js."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from egide.app import build, capabilities, engines
from egide.gateways import composition, setup
from egide.gateways.composition import Composition, compose
from egide.kernel.settings import Settings
from tests.conftest import missing
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
Node = Callable[..., Any]


@dataclass(frozen=True)
class Installed:
    """A prepared data folder and what `egide init` said."""

    folder: Path
    said: str


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


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Node:
    """Runs a job of `wallet_job.mjs`: the wallet's modules, bundled as Vite bundles them."""
    program = shutil.which("node")
    if program is None or not (WEB / "node_modules" / "rolldown").is_dir():
        missing("the wallet’s modules need Node.js and web/node_modules: run “make setup”")
    folder = tmp_path_factory.mktemp("wallet")

    def run(job: str, **given: Any) -> Any:
        done = subprocess.run(
            [str(program), str(ROOT / "tests" / "gateways" / "wallet_job.mjs"), str(folder / f"{job}.mjs")],
            input=json.dumps({"job": job} | given), capture_output=True, text=True, cwd=WEB, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run
