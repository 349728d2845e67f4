"""The command line: every act is a command, and whatever is wrong is said in one plain sentence."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from typer.testing import CliRunner

from egide.gateways import cli
from egide.gateways.commands import arguments
from egide.gateways.serve import config
from egide.kernel.errors import BadInput, NotFound
from egide.kernel.settings import Settings
from tests.footage import footage
from tests.ports import free_port
from tests.world import INSIDE, World

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("composed")]
runner = CliRunner()
WIDE = {"COLUMNS": "300", "TERMINAL_WIDTH": "300", "NO_COLOR": "1"}


def given(name: str, *args: str) -> dict[str, Any]:
    return arguments(Settings(demo=True), name, list(args))


def told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *args: str) -> tuple[int, str]:
    """(exit code, everything printed) of the program run with these words."""
    monkeypatch.setattr(sys, "argv", ["egide", *args])
    monkeypatch.setattr(cli.console, "width", 300)
    monkeypatch.setattr(cli.errors, "width", 300)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    out = capsys.readouterr()
    code = caught.value.code
    return (code if isinstance(code, int) else 0 if code is None else 1), out.out + out.err


def test_help_names_every_command() -> None:
    result = runner.invoke(cli.app, ["--help"], env=WIDE)
    assert result.exit_code == 0
    for command in ("init", "serve", "demo", "doctor", "bench", "ledger", "map", "act"):
        assert command in result.output
    for group, command in (
        ("ledger", "verify"), ("ledger", "export"), ("map", "build"), ("backup", "verify"), ("witness", "trust"),
        ("border", "consortium"), ("border consortium", "vote-in"), ("authority", "genesis"),
    ):  # fmt: skip
        assert command in runner.invoke(cli.app, [*group.split(), "--help"], env=WIDE).output


def test_the_version_is_one_line_as_it_is_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told(capsys, monkeypatch, "--version") == (0, f"egide {metadata.version('egide')}\n")


def test_help_is_quick_and_needs_no_platform() -> None:
    program = "import sys; from egide.gateways import cli; assert not {'cedarpy', 'av', 'egide.app', 'uvicorn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_act_list_names_every_act_with_its_fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli.console, "width", 400)
    result = runner.invoke(cli.app, ["act", "list", "--data", str(tmp_path)], env=WIDE)
    assert result.exit_code == 0, result.output
    assert "operations.source.add" in result.output
    assert "--aircraft" in result.output
    assert "retention.erase" not in result.output
    assert "operations.watch.open" not in result.output
    assert "administration.demo.enter" not in result.output, "this folder is no demonstration"


def test_arguments_by_their_types() -> None:
    added = given(
        "operations.source.add",
        "--name",
        "7",
        "--kind",
        "file",
        "--url",
        "/x y.ts",
        "--lat",
        "-12.5",
        "--tags",
        '["loop"]',
        "--aerial",
        "true",
    )
    assert added == {"name": "7", "kind": "file", "url": "/x y.ts", "lat": -12.5, "tags": ["loop"], "aerial": True}
    assert given("orders.extend", "--order", "123", "--ends", "2026-12-01T00:00:00Z", "--reason", "null") == {
        "order": "123", "ends": "2026-12-01T00:00:00Z", "reason": "null",
    }  # fmt: skip
    assert given("orders.list") == {}
    assert (
        given("operations.recording.open", "--recording", "1", "--judicial-reference", "42")["judicial_reference"]
        == "42"
    )


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["--colour", "red"], "--colour"),
        (["name", "x"], "name"),
        (["--name"], "--name"),
        (["--name", "x", "--kind"], "--kind"),
        (["-n", "x"], "-n"),
    ],
)
def test_a_wrong_option_is_named_with_those_there_are(args: list[str], word: str) -> None:
    with pytest.raises(BadInput) as caught:
        given("operations.source.add", *args)
    assert word in caught.value.what.en


def test_a_wrong_act_is_named_with_what_was_meant(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match=r"operations\.source\.add"):
        given("operations.source.ad")
    with pytest.raises(NotFound):
        given("retention.erase")
    code, text = told(capsys, monkeypatch, "act", "operations.source.ad", "--data", str(tmp_path))
    assert code == 1
    assert "operations.source.add" in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    "args",
    [
        ["serve", "--nonsense"],
        ["nonsense"],
        ["ledger", "verify"],
        ["serve", "--port", "many"],
    ],
)
def test_a_wrong_word_is_a_usage_error(args: list[str]) -> None:
    result = runner.invoke(cli.app, args, env=WIDE)
    assert result.exit_code == 2


def test_a_wrong_setting_stops_every_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "egide.toml").write_text("prot = 1\n")
    code, text = told(capsys, monkeypatch, "act", "orders.list", "--data", str(tmp_path))
    assert code == 1
    assert "Did you mean “port”?" in text
    assert "Réglage inconnu" in text


def test_without_a_server_it_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, text = told(capsys, monkeypatch, "act", "orders.list", "--data", str(tmp_path), "--port", str(free_port()))
    assert code == 1
    assert "egide" in text
    assert "Traceback" not in text
    (tmp_path / "operator.token").write_text("token")
    code, text = told(capsys, monkeypatch, "act", "orders.list", "--data", str(tmp_path), "--port", str(free_port()))
    assert code == 1
    assert "egide serve" in text


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[World]:
    world = World(tmp_path / "data", port=free_port())
    await world.start()
    server = uvicorn.Server(config(world.settings, world.application))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    await world.until(lambda: server.started)
    yield world
    server.should_exit = True
    await task
    await world.stop()


async def run(world: World, *args: str) -> tuple[int, str, str]:
    """The program itself, in a process of its own."""
    place = ["--data", str(world.settings.folder), "--port", str(world.settings.port)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "egide", "act", *args, *place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=None
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, out.decode(), err.decode()


async def test_an_act_on_the_running_server(served: World) -> None:
    code, out, err = await run(served, "administration.unit.add", "--name", "Brigade [de] nuit")
    assert code == 0, err
    receipt = json.loads(out)["receipt"]
    assert receipt == {"realm": "police", "index": served.kernel.log.size - 1}
    code, out, err = await run(served, "orders.sign", "--order", "none")
    assert code == 1
    assert "Traceback" not in err


def test_source_check_tells_what_is_wrong_and_shows_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = footage(tmp_path, at=INSIDE, audio=False)
    code, said = told(capsys, monkeypatch, "source", "check", str(clip), "--seconds", "1")
    assert code == 0, said
    assert "H.264" in said
    code, said = told(capsys, monkeypatch, "source", "check", str(footage(tmp_path, at=INSIDE, audio=True)), "--json")
    assert code == 2
    assert json.loads(said)["verdict"] == "unusable"
    code, said = told(
        capsys, monkeypatch, "source", "check", f"rtsp://chef:s3same@127.0.0.1:{free_port()}/secret", "--json"
    )
    assert (code, json.loads(said)["measured"]["error"]) == (2, "unreachable")
    assert "s3same" not in said
    assert "secret" not in said
