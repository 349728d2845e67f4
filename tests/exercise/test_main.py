from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from tests.waiting import PATIENCE_S

from egide.exercise import __main__ as command
from egide.exercise.painting import cached_ground

ROOT = Path(__file__).resolve().parents[2]


def start(cache: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(
        [sys.executable, "-m", "egide.exercise", *arguments, "--cache", str(cache), "--size", "320x180"],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )


@pytest.mark.parametrize("arguments", [("drone", "--udp", "127.0.0.1:9"), ("rtsp", "--port", "0")])
def test_an_aircraft_says_that_it_is_ready_departs_when_told_and_ends_cleanly(real_extract, cache, arguments):
    cached_ground(cache, real_extract)
    begin = time.monotonic()
    with start(cache, *arguments, "--for", "60") as process:
        line = json.loads(process.stdout.readline())
        assert time.monotonic() - begin < PATIENCE_S
        assert line["ready"].startswith(("udp://127.0.0.1:9", "rtsp://127.0.0.1:"))
        assert line["perimeter"]["type"] == "Polygon"
        assert abs(line["takeoff"] / 1e6 - time.time()) < 30
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.3)
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


def test_without_a_town_one_sentence_and_status_two(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("EGIDE_TOWN", str(tmp_path / "absent"))
    assert command.main(["prepare", "--cache", str(tmp_path)]) == 2
    assert "EGIDE_TOWN" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--size", "big"], ["--udp", "nowhere"], ["--udp", "h:0"], ["--fps", "x"]])
def test_a_wrong_argument_is_told(wrong, capsys):
    with pytest.raises(SystemExit):
        command.main(["drone", *wrong])
    assert "usage" in capsys.readouterr().err


def test_addresses_may_be_ipv6():
    assert command.address_of("[::1]:5600") == ("::1", 5600)


def test_an_identity_provider_says_that_all_is_invented():
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    arguments = [sys.executable, "-m", "egide.exercise", "idp", "--port", "0"]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True
    ) as process:
        issuer = json.loads(process.stdout.readline())["ready"]
        with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=PATIENCE_S) as answer:
            assert json.load(answer)["issuer"] == issuer
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
        assert "EXERCISE: invented identities" in process.stderr.read()
    assert command.main(["idp", "--keys", "https://elsewhere.example/keys"]) == 2
