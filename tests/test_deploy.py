"""The units of systemd: their grammar, checked by systemd itself, and what they must never let go of."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import missing

DEPLOY = Path(__file__).parents[1] / "deploy"
UNITS = sorted(file.name for file in DEPLOY.glob("*.service"))
HARD = (
    "NoNewPrivileges=yes",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "UMask=0077",
    "LimitCORE=0",
    "CapabilityBoundingSet=\n",
)


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_gives_no_power_away(name: str) -> None:
    text = (DEPLOY / name).read_text("utf-8")
    for line in HARD:
        assert line in text, line
    assert "User=" in text
    if "oneshot" not in text:
        assert "Restart=on-failure" in text


def test_systemd_accepts_them(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        missing("systemd is not installed: apt-get install systemd")
    program = tmp_path / "egide"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for file in DEPLOY.iterdir():
        text = file.read_text("utf-8").replace("/opt/egide/bin/egide", str(program))
        (tmp_path / file.name).write_text(
            text.replace("User=egide", "User=daemon").replace("Group=egide", "Group=daemon")
        )
    done = subprocess.run(
        ["systemd-analyze", "verify", *(str(tmp_path / file.name) for file in DEPLOY.iterdir())],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    ours = [line for line in (done.stdout + done.stderr).splitlines() if "egide" in line]
    assert ours == []
