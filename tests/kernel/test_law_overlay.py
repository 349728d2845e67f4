"""Packs from outside: bounded before any parser sees them, laid over ours, told by file and line when broken."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.kernel.errors import BadInput
from egide.kernel.law import PACKS, LawBook
from egide.kernel.law_cases import wrong_cases
from egide.kernel.law_overlay import MAX_BYTES, MAX_CODE, MAX_FILE, MAX_FILES, bounded, other_law, packs_in

CASES = int(os.environ.get("EGIDE_FUZZ", "100"))
NOW = datetime(2026, 12, 3, tzinfo=UTC)
PACK = "fr/csi-l242"
RULES = f"{PACK}/rules.cedar"


@pytest.fixture(scope="module")
def ours() -> dict[str, str]:
    return packs_in(PACKS / PACK)


def test_our_own_pack_laid_over_ours_is_the_law_in_force(ours: dict[str, str]) -> None:
    plain = LawBook.load(PACKS, "fr", NOW)
    assert set(ours) == {f"{PACK}/{name}" for name in ("text.toml", "rules.cedar", "parameters.toml", "cases.toml")}
    assert other_law(ours, PACKS, "fr", NOW).hash == plain.hash


def test_a_whole_tree_stands_alone() -> None:
    files = packs_in(PACKS)
    assert "eu/jurisdiction.toml" in files
    assert other_law(files, Path("/nowhere"), "fr", NOW).hash == LawBook.load(PACKS, "fr", NOW).hash


def test_every_case_of_ours_answers_as_written(ours: dict[str, str]) -> None:
    book = other_law(ours, PACKS, "fr", NOW)
    assert wrong_cases(book) == []


def test_a_case_that_does_not_answer_as_written_is_named(ours: dict[str, str]) -> None:
    loose = ours | {RULES: ours[RULES].replace("unless { context.on_roster };", "when { false && context.on_roster };")}
    (wrong,) = wrong_cases(other_law(loose, PACKS, "fr", NOW))
    assert (wrong[0].rule, wrong[0].expect) == ("CSI-242-2", "refuse")


@pytest.mark.parametrize(
    ("files", "word"),
    [
        ({}, "Give the files"),
        ({"../../etc/passwd": ""}, "no pack has a file of this name"),
        ({"fr/csi-l242/../x/text.toml": ""}, "no pack has a file of this name"),
        ({"fr/csi-l242/text.toml\n": ""}, "no pack has a file of this name"),
        ({"/fr/csi-l242/text.toml": ""}, "no pack has a file of this name"),
        ({f"fr/t{number}/text.toml": "" for number in range(MAX_FILES + 1)}, "Too many files"),
        ({RULES: " " * (MAX_FILE + 1)}, "too long"),
        ({f"fr/t{number}/text.toml": " " * MAX_FILE for number in range(MAX_BYTES // MAX_FILE + 1)}, "too long"),
        ({RULES: "\n" * 6_000}, "too long"),
        ({RULES: ";" * 2_000}, "too many rules"),
        ({RULES: "\nforbid (x);\n" + "(" * 65}, f"{RULES}:2: rule too long or too nested"),
        ({RULES: "1+" * MAX_CODE}, "too long or too nested"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_beyond_the_bounds(files: dict[str, str], word: str) -> None:
    with pytest.raises(BadInput) as caught:
        bounded(files)
    assert word in caught.value.what.en


def test_brackets_in_words_do_not_count() -> None:
    bounded({RULES: '@fr("' + "(" * 200 + '") // ' + "(" * 200})


@pytest.mark.parametrize(
    "code",
    [
        "1" + "+1" * 1900 + "==1",
        "context" + ".a" * 1900,
        "if true then " * 250 + "true" + " else true" * 60,
        "(" * 60 + "true" + ")" * 60,
    ],
)
def test_the_longest_rules_are_told_not_crashed(ours: dict[str, str], code: str) -> None:
    stanza = f'@id("X") forbid (principal, action in Action::"led", resource) when {{ {code} }};'
    with pytest.raises(BadInput):
        other_law(ours | {RULES: ours[RULES] + stanza}, PACKS, "fr", NOW)


def test_a_misspelt_name_is_told_with_what_was_meant(ours: dict[str, str]) -> None:
    line = ours[RULES].splitlines().index("unless { context.on_roster };") + 1
    with pytest.raises(BadInput) as caught:
        other_law(ours | {RULES: ours[RULES].replace("context.on_roster", "context.on_rooster", 1)}, PACKS, "fr", NOW)
    assert caught.value.what.en == f"{RULES}:{line}: Unknown fact: on_rooster"
    assert caught.value.do is not None
    assert caught.value.do.en == "Did you mean “on_roster”?"


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000, "a = " + "9" * 5000, 'valid_from = 9999-12-31\nid = "fr/csi-l242"']
)
def test_toml_bombs(ours: dict[str, str], text: str) -> None:
    with pytest.raises(BadInput):
        other_law(ours | {f"{PACK}/text.toml": text}, PACKS, "fr", NOW)


def test_a_folder_without_a_pack(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No law pack"):
        packs_in(tmp_path)


@given(data=st.data())
@settings(max_examples=CASES, deadline=None)
def test_any_edit_of_a_pack_loads_or_is_told(ours: dict[str, str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(ours)))
    text = ours[name]
    start = data.draw(st.integers(0, len(text)))
    end = min(len(text), start + data.draw(st.integers(0, 40)))
    edited = text[:start] + data.draw(st.text(max_size=20)) + text[end:]
    try:
        rules = len(other_law(ours | {name: edited}, PACKS, "fr", NOW).rules)
    except BadInput:
        rules = 1
    assert rules
