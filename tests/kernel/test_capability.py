"""Three demonstration plug-ins: one works, one is refused with file, line and a suggestion, one crashes and harms nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from egide import app
from egide.app import fingerprint, load
from egide.gateways.openapi import document
from egide.kernel.capability import Capability
from egide.kernel.errors import Failed, StartupError
from egide.kernel.settings import Settings
from tests.plugins import crashes, refuses, works
from tests.world import World

pytestmark = pytest.mark.anyio


# -- works ---------------------------------------------------------------------------------------------------------------


async def test_a_plug_in_works_like_our_own(plugged: World) -> None:
    await plugged.act("officer", "works.item.add", word="a")
    assert await plugged.act("officer", "works.item.list") == {"words": ["a"]}
    assert "/api/acts/works.item.add" in document(plugged.kernel)["paths"]
    record = await plugged.act("dpo", "oversight.record")
    entry = next(each for each in record["activities"] if each["id"] == "works-items")
    counted = {each["name"]: each["allowed"] for each in entry["acts"]}
    assert counted["works.item.add"] == 1


async def test_what_it_kept_is_there_after_a_restart(plugged: World) -> None:
    await plugged.act("officer", "works.item.add", word="a")
    await plugged.stop()
    await plugged.start()
    assert await plugged.act("officer", "works.item.list") == {"words": ["a"]}


# -- refuses -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "file", "line", "suggestion", "word"),
    [
        (refuses.unreadable, "unreadable/activities.toml", 3, None, "TOML"),
        (refuses.misspelt, "misspelt/activities.toml", 6, "regime", "regme"),
        (refuses.homeless, "homeless/activities.toml", None, None, "Missing"),
        (refuses.unknown_activity, "works/activities.toml", None, "works-items", "works-itens"),
        (refuses.unknown_group, "", None, "aerial-camera", "aerial-camra"),
        (refuses.foreign_name, "tests.plugins.works", None, None, "works.hello"),
    ],
)
def test_a_wrong_manifest_stops_the_start(
    tmp_path: Path, make: Callable[[], Capability], file: str, line: int | None, suggestion: str | None, word: str
) -> None:
    with pytest.raises(StartupError) as caught:
        app.build(Settings(data=str(tmp_path)), extra=(make(),))
    error = caught.value
    assert error.file.endswith(file)
    assert error.line == line
    assert error.suggestion == suggestion
    assert word in str(error)
    assert error.what.fr


def test_a_name_declared_twice(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="twice"):
        app.build(Settings(data=str(tmp_path)), extra=(works.capability(), works.capability()))


# -- crashes -------------------------------------------------------------------------------------------------------------


def test_a_plug_in_that_crashes_while_it_loads_is_named() -> None:
    with pytest.raises(StartupError) as caught:
        load("crashes", lambda: crashes.capability)
    assert caught.value.file == "crashes"
    assert "a plug-in’s own mistake" in caught.value.what.fr

    def missing() -> Capability:
        raise ImportError("no module named quux")

    with pytest.raises(StartupError, match="quux"):
        load("crashes", missing)


@pytest.mark.parametrize("given", [None, 7, "Capability", dict])
def test_what_is_no_capability_is_refused(given: object) -> None:
    with pytest.raises(StartupError, match="gives no Capability"):
        load("odd", lambda: given)


def test_a_capability_or_what_makes_one() -> None:
    assert load("works", lambda: works.capability).name == "works"
    assert load("works", works.capability).name == "works"


@pytest.mark.parametrize("act", ["crashes.handler", "crashes.apply"])
async def test_an_act_that_crashes_says_so_and_harms_nobody(plugged: World, act: str) -> None:
    with pytest.raises(Failed) as caught:
        await plugged.act("officer", act)
    assert caught.value.status == 500
    assert "mistake" not in caught.value.what.en, "the program’s inside is for the technical log"
    await plugged.act("officer", "works.item.add", word="after")
    assert plugged.kernel.things["health"]()["ok"] is True


# -- the operator's list -------------------------------------------------------------------------------------------------


class Point(SimpleNamespace):
    """An installed plug-in's entry point."""

    name: str
    module: str
    load: Callable[[], object]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    package(tmp_path, "egide_fp_installed")
    points = [Point(name="works", module="egide_fp_installed.inside:capability", load=lambda: works.capability)]
    monkeypatch.setattr(app, "entry_points", lambda group: points if group == "egide.capabilities" else [])


def names(**plugins: str) -> list[str]:
    return [each.name for each in app.capabilities(Settings(plugins=plugins))]


@pytest.mark.usefixtures("installed")
def test_installed_is_not_accepted() -> None:
    assert "works" not in names()
    assert "works" not in names(other="0" * 64)


@pytest.mark.usefixtures("installed")
def test_accepted_by_its_fingerprint() -> None:
    assert names(works=fingerprint("egide_fp_installed"))[-1] == "works"


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("told", ["", "0" * 64])
def test_another_than_the_one_accepted_stops_the_start(told: str) -> None:
    with pytest.raises(StartupError) as caught:
        names(works=told)
    assert "works" in caught.value.what.en
    assert caught.value.do is not None


def package(folder: Path, name: str) -> Path:
    place = folder / name
    place.mkdir()
    (place / "__init__.py").write_text("A = 1\n")
    (place / "activities.toml").write_text("activity = []\n")
    return place


def test_the_fingerprint_changes_with_every_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    place = package(tmp_path, "egide_fp_a")
    first = fingerprint("egide_fp_a:capability")
    assert len(first) == 64
    assert fingerprint("egide_fp_a") == first
    (place / "__pycache__").mkdir()
    (place / "__pycache__" / "x.pyc").write_bytes(b"compiled")
    assert fingerprint("egide_fp_a") == first, "compiled files are not its source"
    (place / "activities.toml").write_text("activity = [] \n")
    second = fingerprint("egide_fp_a")
    (place / "new.py").write_text("")
    third = fingerprint("egide_fp_a")
    assert len({first, second, third}) == 3
    assert fingerprint("egide_no_such_module") == ""


def test_the_fingerprint_knows_where_a_file_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same bytes under another path, or cut at another place, are another plug-in."""
    monkeypatch.syspath_prepend(tmp_path)
    one, two = package(tmp_path, "egide_fp_one"), package(tmp_path, "egide_fp_two")
    for place, inside in ((one, "a"), (two, "b")):
        (place / inside).mkdir()
        (place / inside / "rules.py").write_text("X = 1\n")
    assert fingerprint("egide_fp_one") != fingerprint("egide_fp_two")
    three, four = package(tmp_path, "egide_fp_three"), package(tmp_path, "egide_fp_four")
    (three / "b.py").write_bytes(b"onetwo.py\0rest")
    (four / "b.py").write_bytes(b"one")
    (four / "two.py").write_bytes(b"rest")
    assert fingerprint("egide_fp_three") != fingerprint("egide_fp_four")
