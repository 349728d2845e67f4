"""House rules a machine can check: one door, known activities, no forbidden act, nothing at import, no trace of one machine."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from egide.app import capabilities
from egide.kernel import act, capability, errors, settings
from egide.kernel.act import Act
from egide.kernel.capability import activities, check
from egide.kernel.errors import EgideError
from egide.kernel.settings import Settings
from tests.world import World

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "egide"
# Design §1, “Never, by construction”: no act may so much as sound like one of these.
FORBIDDEN = re.compile(
    r"gallery|one_to_many|1_?n\b|identif(y|ication)_face|face_(search|match|identif)|emotion|mood|categori[sz]|"
    r"dangerous|risk_score|scor(e|ing)|scrap|sound|audio|microphone|predict_person|automatic_decision"
)
SIX_VERBS = {"collect", "alter", "consult", "disclose", "combine", "erase"}  # directive 2016/680, article 25
MORE_VERBS = {"view", "decide", "export", "anchor", "administer"}


@cache
def acts() -> dict[str, Act]:
    """Every act of the platform, those of demo mode included."""
    ours = capabilities(Settings(demo=True))
    known = {activity.id: activity for each in ours for activity in activities(each)}
    return check(ours, known)


def modules() -> list[Path]:
    return sorted(file for file in SOURCE.rglob("*.py") if "static" not in file.parts)


def trees() -> Iterator[tuple[Path, ast.Module, list[str]]]:
    for file in modules():
        text = file.read_text("utf-8")
        yield file, ast.parse(text), text.splitlines()


# -- acts ----------------------------------------------------------------------------------------------------------------


def test_every_act_belongs_to_a_known_complete_activity() -> None:
    known = {activity.id: activity for each in capabilities(Settings(demo=True)) for activity in activities(each)}
    assert acts()
    for name, each in acts().items():
        assert each.activity in known, name
        assert known[each.activity].complete, (
            f"{each.activity}: an entry of the record of processing is missing (GDPR 30, LED 24)"
        )
        assert each.verb in SIX_VERBS | MORE_VERBS
        assert each.roles, f"{name}: nobody may ask for it"
        assert each.summary.fr != each.summary.en, name
        assert each.input.__doc__, name


def test_every_activity_is_used_and_no_id_twice() -> None:
    ids = [activity.id for each in capabilities(Settings(demo=True)) for activity in activities(each)]
    assert len(ids) == len(set(ids))
    assert set(ids) == {each.activity for each in acts().values()}


@pytest.mark.anyio
async def test_every_act_has_rules_that_may_refuse_it(world: World) -> None:
    kernel = world.kernel
    for name, each in kernel.acts.items():
        if each.open:
            continue
        rules = kernel.guard.rules_of(name)
        assert any(rule.effect == "forbid" for rule in rules), name
        assert "habilitated" in kernel.guard.required_facts(name), name


def test_the_open_class_is_short_and_known() -> None:
    """Open acts are never in the ledger: each one here was thought about."""
    assert {name for name, each in acts().items() if each.open} == {
        "administration.session.show", "administration.sign_in.begin", "administration.passkey.begin",
        "oversight.ledger.head", "oversight.ledger.proof", "oversight.roots.show", "operations.map.show",
        "operations.map.pieces",  # digests of the public map
        "operations.terminal.state",  # one word about a drawn number: a lost device must learn it without a session
        "services.wallet.look",  # for the gateway alone: how a request stands, never who answered it; its page asks every few seconds
        "services.device.state",  # the same of a device that works without network
        "services.chat.news",  # yes or no to who holds the secret: a window that asks every few seconds reads nothing
        "border.trust.list", "border.police.trust.list",  # public keys of gates and issuers
        "border.point.list", "border.police.point.list",  # what each control point asks, as its file says
        "border.status.list",  # one bit for each token, the same for whoever asks: asking after one would tell which
    }  # fmt: skip


def test_no_act_is_one_that_may_never_be() -> None:
    for name, each in acts().items():
        for text in (name, each.summary.en.lower().replace(" ", "_")):
            found = FORBIDDEN.search(text)
            assert found is None, f"{name} sounds like what may never be"


def test_the_search_for_forbidden_names_finds_them() -> None:
    for name in ("investigation.gallery.search", "border.face_search", "operations.emotion.read", "flow.people.score"):
        assert FORBIDDEN.search(name), name


# -- one door ------------------------------------------------------------------------------------------------------------


def test_only_the_doors_speak_to_the_outside() -> None:
    """No capability and no part of the kernel makes a route, a socket or a command of its own."""
    doors = {"starlette", "uvicorn", "typer", "websockets", "httptools"}
    for file, tree, _lines in trees():
        inside = file.relative_to(SOURCE).parts[0]
        if inside in ("gateways", "bench", "exercise", "__main__.py"):
            continue
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not doors & {name.partition(".")[0] for name in names}, file


def test_handlers_are_run_by_the_kernel_alone() -> None:
    for file, tree, _lines in trees():
        if file.relative_to(SOURCE).parts[0] in ("kernel", "bench"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                assert node.func.attr != "handler", f"{file}:{node.lineno}"


# -- code ----------------------------------------------------------------------------------------------------------------


def test_no_exception_is_swallowed_without_a_reason() -> None:
    for file, tree, lines in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            where = f"{file.relative_to(ROOT)}:{node.lineno}"
            assert node.type is not None, f"{where}: bare except"
            name = node.type.id if isinstance(node.type, ast.Name) else ""
            again = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            if name == "BaseException":
                assert again, f"{where}: it must go on"
            if name == "Exception" and not again:
                said = [lines[node.lineno - 1].partition("#")[2], lines[node.lineno].strip().partition("#")[2]]
                assert any(
                    len(reason.partition("—")[2] or reason.partition(" - ")[2] or reason) > 20 for reason in said
                ), f"{where}: why?"


def test_importing_does_nothing() -> None:
    """No socket, process, thread or file is made by an import (importing for its effects is how start-ups become mysteries)."""
    names = [".".join(file.relative_to(SOURCE.parent).with_suffix("").parts) for file in modules()]
    wanted = [
        name.removesuffix(".__init__")
        for name in names
        if "migrations" not in name and not name.startswith("egide.bench")
    ]
    program = f"""
import importlib, socket, subprocess, sys, threading
def never(*_args, **_more):
    raise AssertionError("a socket or a process at import")
class NoSocket(socket.socket):
    def __init__(self, *args, **more):
        never()
import asyncio, ssl, multiprocessing
socket.socket = NoSocket
socket.create_connection = subprocess.Popen = never
before = set(threading.enumerate())
for name in {wanted!r}:
    importlib.import_module(name)
started = [t.name for t in set(threading.enumerate()) - before if t.name.startswith(("egide", "Thread"))]
assert not started, started
print(len({wanted!r}))
"""
    environment = os.environ | {"PYTHONPATH": str(SOURCE.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 50


def test_every_module_says_what_it_is_for() -> None:
    for file, tree, _lines in trees():
        if "migrations" in file.parts:
            continue
        assert len(ast.get_docstring(tree) or "") > 30, file


# -- the public surface --------------------------------------------------------------------------------------------------

# What a plug-in stands on. Changing it is a decision: change this list with it and say so in the notes.
SURFACE: dict[ModuleType, set[str]] = {
    act: {"Act", "Change", "Ctx", "Effect", "Fact", "Facts", "Gather", "Handler", "Input", "NAME", "Nothing", "Numbered", "Prepare", "Rows", "Receipt", "Verb", "act", "no_facts"},
    capability: {
        "Activity", "ActivityFile", "Basis", "Capability", "Listener", "Purpose", "Retention", "Words", "activities", "check",
    },
    errors: {
        "BadInput", "Conflict", "EgideError", "Failed", "NotFound", "NotSignedIn", "Refused", "StartupError", "Text", "TooLarge", "TooMany",
        "Uncertain",
        "Unavailable",
    },
    settings: {"FILE", "FOREIGN", "PREFIX", "Settings", "load"},
}  # fmt: skip


@pytest.mark.parametrize("module", list(SURFACE), ids=lambda module: module.__name__)
def test_the_surface_is_what_we_say(module: ModuleType) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    public = {name for name in found if not name.startswith("_")}
    assert public == SURFACE[module]


def test_the_tree_of_errors_is_drawn_as_it_is() -> None:
    drawn = dict(re.findall(r"[├└]── (\w+) .*?(?:(\d{3}))?$", errors.__doc__ or "", re.MULTILINE))
    real = {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, EgideError) and kind is not EgideError
    }
    assert set(drawn) == set(real)
    for name, status in drawn.items():
        if status:
            assert real[name].status == int(status), name
    codes = [kind.code for kind in real.values()]
    assert len(codes) == len(set(codes))


def test_what_is_installed_under_our_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["scripts"] == {"egide": "egide.__main__:main"}
    assert project["license"] == "EUPL-1.2"


# -- nothing of one machine ----------------------------------------------------------------------------------------------


@cache
def tracked() -> tuple[Path, ...]:
    """Files under version control (all files of a source archive, where there is no repository)."""
    listed = (
        subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
        if (ROOT / ".git").exists()
        else None
    )
    if listed is None or listed.returncode != 0:
        return tuple(
            file
            for file in ROOT.rglob("*")
            if file.is_file() and not {".venv", "node_modules", "static"} & set(file.parts)
        )
    return tuple(ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file())


def texts() -> Iterator[tuple[Path, str]]:
    for file in tracked():
        content = file.read_bytes()
        if b"\0" not in content[:4096]:
            yield file, content.decode("utf-8", "replace")


def registries() -> set[str]:
    """Hosts of package registries: the public ones, and whichever this machine is told to use."""
    hosts = {
        "py" + "pi.org/simple",
        "files.python" + "hosted.org",
        "registry.npm" + "js.org",
        "registry.yarn" + "pkg.com",
    }
    for name, value in os.environ.items():
        if re.search(r"INDEX|REGISTRY", name, re.IGNORECASE):
            hosts |= set(re.findall(r"https?://(?:[^@/\s]+@)?([^/:\s]+)", value))
    return hosts - {"localhost", "127.0.0.1"}


def test_no_registry_is_named() -> None:
    hosts = registries()
    for file, text in texts():
        named = [host for host in hosts if host in text]
        assert not named, f"{file.relative_to(ROOT)} names {named}"
    for lock in ROOT.glob("requirements*.lock"):
        assert "://" not in lock.read_text("utf-8"), lock.name
    locks = [file for file in tracked() if file.name == "package-lock.json"]
    assert locks
    for lock in locks:
        assert '"resolved"' not in lock.read_text("utf-8"), lock


def test_no_path_of_one_machine_is_named() -> None:
    places = re.compile(
        r"(?<![\w.])/(?:" + "|".join(("home/[a-z]+", "ro" + "ot", "wo" + "rk", "Users/[A-Za-z]+")) + r")/"
    )
    here = str(ROOT) + "/"
    for file, text in texts():
        found = places.search(text)
        assert found is None, f"{file.relative_to(ROOT)} names a place of one machine"
        assert here not in text, file


def test_no_secret_is_tracked() -> None:
    names = re.compile(r"\.(key|pem|p12|db|db-wal)$|operator\.token$|(^|/)\.env")
    assert [file for file in tracked() if names.search(str(file.relative_to(ROOT)))] == []
    begin = "-----BEGIN " + "(RSA |EC |ENCRYPTED |OPENSSH )?PRIVATE KEY"
    for file, text in texts():
        assert not re.search(begin, text), file
