"""Settings: safe without a file, and a wrong one stops the start with its name and what was probably meant."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from egide.kernel.errors import StartupError
from egide.kernel.settings import FOREIGN, Settings, load


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("EGIDE_"):
            monkeypatch.delenv(name)


def test_an_empty_folder_has_safe_defaults(tmp_path: Path) -> None:
    found = load(tmp_path)
    assert found == Settings(data=str(tmp_path))
    assert (found.host, found.demo, found.public_name) == ("127.0.0.1", False, "localhost")
    assert found.plugins == {}
    assert found.origin == "http://localhost:8620"


def test_the_file_then_variables_then_words_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "egide.toml").write_text('port = 1\nrealm = "border"\ntls = true\n[plugins]\nworks = "abc"\n')
    assert load(tmp_path).port == 1
    assert load(tmp_path).plugins == {"works": "abc"}
    monkeypatch.setenv("EGIDE_PORT", "2")
    monkeypatch.setenv("EGIDE_DEMO", "true")
    found = load(tmp_path)
    assert (found.port, found.demo, found.realm) == (2, True, "border")
    assert load(tmp_path, port=3, host=None).port == 3
    assert load(tmp_path, port=3).origin == "https://localhost:3"


def test_the_folder_by_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGIDE_DATA", str(tmp_path / "there"))
    assert load().folder == tmp_path / "there"
    assert load(tmp_path).folder == tmp_path


def test_a_wrong_name_stops_the_start_with_a_suggestion(tmp_path: Path) -> None:
    (tmp_path / "egide.toml").write_text("prot = 1\n")
    with pytest.raises(StartupError) as caught:
        load(tmp_path)
    assert caught.value.suggestion == "port"
    assert caught.value.file.endswith("egide.toml")
    assert "Did you mean “port”?" in str(caught.value)
    assert "prot" in caught.value.what.fr


def test_a_wrong_variable_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGIDE_JURISDICTON", "fr")
    with pytest.raises(StartupError) as caught:
        load(tmp_path)
    assert caught.value.suggestion == "jurisdiction"


@pytest.mark.parametrize(
    "text",
    [
        'port = "x"',
        "port = 1.5",
        "plugins = 3",
        "demo = 7",
        "acts_per_s = true",
        "port = ",
        "\xff = 1",
        "port = 1\nport = 2",
    ],
)
def test_a_wrong_value_or_file_stops_the_start(tmp_path: Path, text: str) -> None:
    (tmp_path / "egide.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(StartupError) as caught:
        load(tmp_path)
    assert caught.value.file.endswith("egide.toml")


def test_variables_of_the_tests_are_not_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FOREIGN:
        monkeypatch.setenv(name, "1")
    assert load(tmp_path) == Settings(data=str(tmp_path))


def test_no_setting_is_a_secret() -> None:
    names = [field.name for field in msgspec.structs.fields(Settings)]
    assert not [name for name in names if any(word in name for word in ("password", "secret", "token", "key"))]
