"""`egide law`: by the running server, by a platform of its own, and what it says of a pack that is broken."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from egide.gateways import law_cli
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, StartupError
from egide.kernel.law import PACKS
from egide.kernel.settings import Settings
from tests.gateways.conftest import Installed, heard
from tests.gateways.test_cli import served
from tests.oversight.test_replay import stricter
from tests.ports import free_port
from tests.world import World

pytestmark = pytest.mark.anyio
__all__ = ["served"]  # the fixture
ALWAYS = "2020-01-01T00:00:00Z"


def pack(folder: Path, files: dict[str, str]) -> Path:
    """A pack in a folder of its own, as a jurist would write it."""
    place = folder / "my-pack"
    place.mkdir()
    for name, text in files.items():
        (place / name.rpartition("/")[2]).write_text(text, "utf-8")
    return place


def replayed(settings: Settings, place: Path, json_file: Path) -> tuple[dict[str, Any], str]:
    code, said = heard(lambda console: law_cli.replay(settings, place, ALWAYS, "", "Contrôle", json_file, console))
    assert code == 0
    found: dict[str, Any] = json.loads(json_file.read_text("utf-8"))
    return found, said


def test_a_stopped_installation_is_replayed_by_a_platform_started_for_it(settings: Settings, tmp_path: Path) -> None:
    place = pack(tmp_path, stricter())
    found, said = replayed(settings, place, tmp_path / "out.json")
    assert found["counts"]["still_allowed"] >= 2, "the acts of egide init"
    assert not found["changed"]
    assert "acts replayed as if this law" in said
    assert "actes rejoués" in said
    again, _ = replayed(settings, place, tmp_path / "out.json")
    assert again["counts"]["still_allowed"] > found["counts"]["still_allowed"], "the first replay is in the ledger"


async def test_the_running_server_answers_the_program(served: World, tmp_path: Path) -> None:
    since = iso(served.clock.now_us())
    exempt = {"public_information": "exempt-urgency", "information_exemption": "Attaque", "purpose": "terrorism"}
    await served.order()
    await served.order(**exempt)
    place, out = pack(tmp_path, stricter()), tmp_path / "out.json"
    words = ["law", "replay", "--pack", str(place), "--from", since, "--json", str(out)]
    words += ["--data", str(served.settings.folder), "--port", str(served.settings.port)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "egide", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    said, wrong = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, wrong.decode()
    found = json.loads(out.read_text("utf-8"))
    (changed,) = found["changed"]
    assert (changed["act"], changed["kind"]) == ("orders.sign", "now_refused")
    assert "L242-3 bis" in said.decode()
    assert "would now be refused" in said.decode()


async def test_pages_become_one() -> None:
    asked: list[Any] = []

    async def ask(given: dict[str, Any]) -> dict[str, Any]:
        asked.append(given.get("cursor"))
        start = given.get("cursor") or 10
        entry = {"index": start}
        nothing_more = None if start == 12 else start + 1
        return {
            "counts": {"erased": 1},
            "changed": [entry],
            "untold": [],
            "law": {},
            "first": 10,
            "end": 13,
            "next": nothing_more,
        }

    found = await law_cli._pages(ask, {}, Console())
    assert asked == [None, 11, 12]
    assert found["counts"] == {"erased": 3}
    assert [each["index"] for each in found["changed"]] == [10, 11, 12]


def test_a_broken_pack_and_an_empty_folder_are_told(settings: Settings, tmp_path: Path) -> None:
    files = stricter()
    files["fr/csi-l242/rules.cedar"] += "forbid ("
    place = pack(tmp_path, files)
    with pytest.raises(BadInput, match=r"fr/csi-l242/rules\.cedar:\d+"):
        heard(lambda console: law_cli.replay(settings, place, ALWAYS, "", "m", None, console))
    shutil.copytree(PACKS / "fr" / "csi-l242", tmp_path / "good")
    nowhere = Settings(data=str(tmp_path / "empty"), port=free_port())
    with pytest.raises(StartupError, match="Nothing is installed"):
        heard(lambda console: law_cli.replay(nowhere, tmp_path / "good", ALWAYS, "", "m", None, console))
    assert not (tmp_path / "empty" / "egide.db").exists()
    with pytest.raises(BadInput, match="zone"):
        heard(lambda console: law_cli.replay(settings, tmp_path / "good", "2026-01-01", "", "m", None, console))


def test_check_runs_the_cases(pristine: Installed, tmp_path: Path) -> None:
    assert pristine.folder
    code, said = heard(lambda console: law_cli.check(PACKS / "fr" / "csi-l242", "fr", console))
    assert code == 0
    assert "cases answer as written" in said
    files = stricter()
    name = "fr/csi-l242/rules.cedar"
    files[name] = files[name].replace("unless { context.on_roster };", "when { false && context.on_roster };")
    other = tmp_path / "other"
    other.mkdir()
    code, said = heard(lambda console: law_cli.check(pack(other, files), "fr", console))
    assert code == 1
    assert "CSI-242-2" in said
