"""`egide border`: a set of one's own is measured, and only authorities of a list that an anchor stands for are believed."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from egide.border.face import engine as engines
from egide.exercise.csca import Authority
from egide.gateways import cli
from egide.gateways.border_cli import countries, evaluate, master_list
from egide.kernel.errors import BadInput, StartupError
from egide.kernel.settings import Settings
from egide.protocols.emrtd.trust import Trust
from tests.border.evaluate.people import NOBODY, Reading, people, picture


class Counting(Reading):
    """Counts what it was made to look at."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = self.measured = 0

    def detect(self, image):
        self.looked += 1
        return super().detect(image)

    def embed(self, image, face):
        self.measured += 1
        return super().embed(image, face)


@pytest.fixture
def screen() -> Console:
    return Console(file=StringIO(), width=300)


@pytest.fixture(scope="module")
def utopia() -> Authority:
    return Authority(int(time.time()))


def said(screen: Console) -> str:
    assert isinstance(screen.file, StringIO)
    return screen.file.getvalue()


def settings(tmp_path: Path) -> Settings:
    return Settings(data=str(tmp_path / "data"))


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_set_is_measured_with_one_frame_and_with_three_and_each_picture_is_looked_at_once(
    tmp_path, screen, monkeypatch
):
    counting = Counting()
    monkeypatch.setattr(engines, "engine", lambda name: engines.Engine(f"another maker’s {name}", counting, counting))
    folder = people(tmp_path / "set", 12, pictures=4)
    picture(folder / "person 003" / "x.png", NOBODY, 1)
    assert evaluate(folder, tmp_path / "out", [1, 3], "best", screen) == 0
    assert (counting.looked, counting.measured) == (49, 48)
    found = [json.loads((tmp_path / "out" / f"{each}-frames" / "report.json").read_text()) for each in (1, 3)]
    assert [each["faces"]["frames"] for each in found] == [1, 3]
    assert found[0]["faces"]["genuine"] == 12 * 6
    assert (tmp_path / "out" / "3-frames" / "det.svg").exists()
    text = said(screen)
    assert "another maker’s best" in text
    assert "49 pictures of 12 people" in text
    assert "1e-02" in text


def test_an_engine_that_nobody_installed_is_told(tmp_path, screen):
    with pytest.raises(StartupError):
        evaluate(people(tmp_path / "set", 2), tmp_path / "out", [1], "nobody’s", screen)


def test_a_list_that_an_anchor_stands_for_is_kept_and_read_at_the_next_start(tmp_path, screen, utopia):
    other = Authority(int(time.time()), country="OZ")
    after = Authority(int(time.time()))
    given_out = {utopia.link(after), other.certificate, utopia.certificate}
    file = put(tmp_path / "list.ml", utopia.master_list(sorted(given_out)))
    anchor = put(tmp_path / "anchor.cer", utopia.certificate)
    given = settings(tmp_path)
    assert countries(given) == ((), ())
    assert master_list(file, [anchor], given, screen) == 0
    kept, revoked = countries(given)
    assert set(kept) == given_out
    assert revoked == ()
    assert "3 authorities of 2 states" in said(screen)


def test_a_strangers_list_brings_nothing(tmp_path, screen, utopia):
    stranger = Authority(int(time.time()))
    file = put(tmp_path / "list.ml", stranger.master_list([stranger.certificate]))
    anchor = put(tmp_path / "anchor.cer", utopia.certificate)
    assert master_list(file, [anchor], settings(tmp_path), screen) == 1
    assert countries(settings(tmp_path)) == ((), ())
    assert "A list was refused: untrusted." in said(screen)


def test_the_directory_brings_revocation_lists_of_the_authorities_that_are_believed(tmp_path, screen, utopia):
    stranger = Authority(int(time.time()))
    listed = {
        "pkdMasterListContent": utopia.master_list([utopia.certificate]),
        "certificateRevocationList;binary": utopia.revocations([7]),
        "certificateRevocationList": stranger.revocations([]),
    }
    text = "dn: c=UT\n" + "".join(f"{name}:: {b64encode(data).decode()}\n" for name, data in listed.items())
    file = put(tmp_path / "pkd.ldif", text.encode())
    anchor = put(tmp_path / "anchor.cer", utopia.certificate)
    assert master_list(file, [anchor], settings(tmp_path), screen) == 0
    kept, revoked = countries(settings(tmp_path))
    assert (kept, revoked) == ((utopia.certificate,), (listed["certificateRevocationList;binary"],))
    trust = Trust()
    trust.add(kept[0])
    assert 7 in trust.add_revocations(revoked[0]).revoked


@pytest.mark.parametrize("data", [b"", b"dn: c=UT\n", b"pkdMasterListContent:: !\n", b"\x89PNG"])
def test_what_is_no_list_is_told(tmp_path, screen, utopia, data):
    anchor = put(tmp_path / "anchor.cer", utopia.certificate)
    with pytest.raises(BadInput, match="no master list"):
        master_list(put(tmp_path / "file", data), [anchor], settings(tmp_path), screen)


def test_a_torn_list_brings_nothing(tmp_path, screen, utopia):
    file = put(tmp_path / "list.ml", utopia.master_list([utopia.certificate])[:-9])
    anchor = put(tmp_path / "anchor.cer", utopia.certificate)
    assert master_list(file, [anchor], settings(tmp_path), screen) == 1


@pytest.mark.parametrize("data", [b"", b"\x30\x03abc", b"-----BEGIN CERTIFICATE-----\nxx"])
def test_an_anchor_that_is_no_certificate_is_told(tmp_path, screen, utopia, data):
    file = put(tmp_path / "list.ml", utopia.master_list([utopia.certificate]))
    with pytest.raises(BadInput, match="no certificate"):
        master_list(file, [put(tmp_path / "anchor.cer", data)], settings(tmp_path), screen)


def test_both_are_commands(tmp_path, utopia):
    runner = CliRunner()
    file = put(tmp_path / "list.ml", utopia.master_list([utopia.certificate]))
    anchor = put(tmp_path / "anchor.cer", utopia.certificate)
    words = ["border", "master-list", str(file), "--anchor", str(anchor), "--data", str(tmp_path / "data")]
    assert runner.invoke(cli.app, words).exit_code == 0
    found = runner.invoke(cli.app, ["border", "evaluate", str(tmp_path / "nothing"), "--engine", "nobody’s"])
    assert isinstance(found.exception, StartupError)
