"""Exports prove themselves: whole ones pass, any changed bit fails, and the changed entry is named."""

from __future__ import annotations

import base64
import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.kernel import checkpoint, cosignature, merkle
from egide.kernel.checkpoint import Checkpoint, CheckpointError
from egide.kernel.errors import BadInput, Text
from egide.kernel.ledger import Log, MemoryTiles
from egide.kernel.ledger_export import entry_line, write_inspector, write_public
from egide.kernel.ledger_leaves import MAX_PROBLEMS
from egide.kernel.ledger_verify import Report, verify_export
from egide.kernel.vault import SigningKey

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))
ORIGIN = "egide.example/police"
SIZES = [0, 1, 64, 100, 256, 300, 300, 391]
CREATED = "2026-11-23T22:49:38Z"


@dataclass(frozen=True)
class Made:
    key: SigningKey
    leaves: list[bytes]
    notes: list[str]
    inspector: Path
    public: Path
    spare: dict[str, Path]  # copies that fuzzing may spoil


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("export")
    key = SigningKey.load_or_create(folder / "log.key", ORIGIN)
    dice = random.Random(7)
    leaves = [dice.randbytes(dice.randint(0, 90)) for _ in range(SIZES[-1])]
    store = MemoryTiles()
    log = Log(store)
    prepared = log.prepare(leaves)
    store.write(prepared)
    log.adopt(prepared)
    notes = [checkpoint.sign(Checkpoint(ORIGIN, size, log.root(size)), [key]) for size in SIZES]
    seen: list[tuple[int, int]] = []
    write_inspector(folder / "inspector", iter(leaves), notes, [key.vkey], realm="police", created=CREATED)
    write_public(
        folder / "public",
        notes,
        log.consistency,
        [key.vkey],
        realm="police",
        created=CREATED,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (len(SIZES), len(SIZES))
    spare = {kind: Path(shutil.copytree(folder / kind, folder / f"spare-{kind}")) for kind in ("inspector", "public")}
    return Made(key, leaves, notes, folder / "inspector", folder / "public", spare)


@pytest.fixture
def copy(made: Made, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.inspector, tmp_path / "copy"))


def entries(report: Report) -> set[int | None]:
    return {problem.entry for problem in report.problems}


def said(report: Report) -> str:
    return "\n".join(f"{problem.where} {problem.what.en}" for problem in report.problems)


def test_whole_exports_verify(made: Made) -> None:
    seen: list[tuple[int, int]] = []
    for kind, path in (("inspector", made.inspector), ("public", made.public)):
        own = verify_export(path, progress=lambda done, total: seen.append((done, total)))
        assert (own.ok, own.kind, own.size, own.problems) == (True, kind, SIZES[-1], [])
        assert (own.trusted_keys, own.origin, own.realm, own.checkpoints) == (False, ORIGIN, "police", len(SIZES))
        assert verify_export(path, [made.key.vkey]).trusted_keys
        assert verify_export(path, [made.key.vkey]).ok
    assert (SIZES[-1], SIZES[-1]) in seen


def test_the_files_are_the_plain_ones_announced(made: Made) -> None:
    assert {path.name for path in made.inspector.iterdir()} == {
        "manifest.json",
        "leaves.jsonl",
        "checkpoints.txt",
        "keys.txt",
    }
    assert {path.name for path in made.public.iterdir()} == {
        "manifest.json",
        "consistency.jsonl",
        "checkpoints.txt",
        "keys.txt",
    }
    line = json.loads((made.inspector / "leaves.jsonl").read_text().splitlines()[5])
    assert line == {
        "i": 5,
        "leaf": base64.b64encode(made.leaves[5]).decode(),
        "hash": merkle.leaf_hash(made.leaves[5]).hex(),
    }
    assert json.loads((made.inspector / "manifest.json").read_text())["size"] == SIZES[-1]


def test_the_public_export_holds_nothing_of_a_leaf(made: Made) -> None:
    content = b"".join(path.read_bytes() for path in made.public.iterdir())
    sought = [leaf for leaf in made.leaves if len(leaf) > 20]
    assert not any(leaf in content or base64.b64encode(leaf)[:20] in content for leaf in sought)


@pytest.mark.parametrize("kind", ["inspector", "public"])
def test_every_flipped_bit_is_found_and_the_entry_named(made: Made, kind: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(getattr(made, kind), tmp_path / kind))
    dice = random.Random(42)
    flips = 0
    for path in sorted(folder.iterdir()):
        whole = path.read_bytes()
        for _ in range(110 if path.name != "leaves.jsonl" else 350):
            position, bit = dice.randrange(len(whole)), dice.randrange(8)
            changed = whole[:position] + bytes([whole[position] ^ (1 << bit)]) + whole[position + 1 :]
            if changed.split() == whole.split() or b"".join(changed.split()) == b"".join(whole.split()):
                continue  # purely cosmetic white space
            path.write_bytes(changed)
            report = verify_export(folder, [made.key.vkey] if flips % 2 else None)
            where = f"{path.name} byte {position} bit {bit}"
            assert not report.ok, where
            if path.name == "leaves.jsonl":
                assert whole.count(b"\n", 0, position) in entries(report), f"{where}: {said(report)}"
            assert any(problem.where.startswith((path.name, "manifest.json")) for problem in report.problems), where
            flips += 1
        path.write_bytes(whole)
    assert flips >= 300
    assert verify_export(folder).ok


def rewrite(folder: Path, change: Callable[[list[bytes]], list[bytes]]) -> Report:
    path = folder / "leaves.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in change(path.read_bytes().splitlines())))
    return verify_export(folder)


def test_white_space_is_no_change(copy: Path) -> None:
    path = copy / "leaves.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"\n", b"\r\n").replace(b'"hash":', b'"hash" : ') + b"\n\n")
    assert verify_export(copy).ok
    path.write_bytes(whole.rstrip(b"\n"))
    assert verify_export(copy).ok


def test_the_tree_tells_a_changed_leaf_from_a_changed_hash(made: Made, copy: Path) -> None:
    def change(lines: list[bytes]) -> list[bytes]:
        lines[70] = entry_line(70, b"forged", merkle.leaf_hash(made.leaves[70]))
        lines[280] = entry_line(280, made.leaves[280], merkle.leaf_hash(b"forged"))
        return lines

    report = rewrite(copy, change)
    assert [(problem.entry, problem.what.en) for problem in report.problems] == [
        (70, "Entry 70: its content was changed."),
        (280, "Entry 280: its hash was changed, its content is right."),
    ]
    assert report.problems[0].what.fr == "Entrée 70 : son contenu a été modifié."


def test_a_leaf_forged_with_its_hash_is_closed_in_by_the_checkpoints(copy: Path) -> None:
    def change(lines: list[bytes]) -> list[bytes]:
        lines[150] = entry_line(150, b"forged", merkle.leaf_hash(b"forged"))
        return lines

    report = rewrite(copy, change)
    assert not report.ok
    assert entries(report) == {100}
    assert "from 100 to 255" in said(report)


def test_two_changes_in_one_step_are_both_named(made: Made, copy: Path) -> None:
    def change(lines: list[bytes]) -> list[bytes]:
        lines[110] = entry_line(110, b"forged", merkle.leaf_hash(made.leaves[110]))
        lines[120] = entry_line(120, made.leaves[120], merkle.leaf_hash(b"forged"))
        return lines

    assert {110, 120} <= entries(rewrite(copy, change))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda lines: lines[:57] + lines[58:], 57),  # removed
        (lambda lines: lines[:-1], 390),  # cut short
        (lambda lines: [*lines, entry_line(391, b"more", merkle.leaf_hash(b"more"))], 391),  # appended
        (lambda lines: [*lines[:9], lines[10], lines[9], *lines[11:]], 9),  # swapped
        (lambda lines: [*lines[:9], lines[9], *lines[9:]], 10),  # twice
        (lambda lines: [], 0),
        (lambda lines: [*lines[:5], b'{"i":5}', *lines[6:]], 5),
        (lambda lines: [*lines[:5], b"\xff" * 9, *lines[6:]], 5),
        (lambda lines: [*lines[:5], lines[5][:-1] + b',"x":1}', *lines[6:]], 5),
    ],
)
def test_missing_moved_and_added_entries_are_named(
    copy: Path, change: Callable[[list[bytes]], list[bytes]], named: int
) -> None:
    report = rewrite(copy, change)
    assert not report.ok
    assert named in entries(report), said(report)
    assert len(report.problems) <= 6, said(report)


def resigned(folder: Path, made: Made, heads: list[Checkpoint], key: SigningKey | None = None) -> None:
    """Writes other checkpoints and a manifest that agrees with them, as a forger who holds a key would."""
    shutil.rmtree(folder)
    notes = [checkpoint.sign(head, [key or made.key]) for head in heads]
    write_inspector(
        folder, made.leaves[: heads[-1].size], notes, [(key or made.key).vkey], realm="police", created=CREATED
    )


def test_a_checkpoint_signed_for_another_tree_is_named(made: Made, copy: Path) -> None:
    heads = [checkpoint.parse(note).checkpoint for note in made.notes]
    resigned(copy, made, [heads[2], Checkpoint(ORIGIN, 256, bytes(32)), heads[5]])
    report = verify_export(copy, [made.key.vkey])
    assert [problem.where for problem in report.problems] == ["checkpoints.txt:7"]
    assert "though signed" in said(report)


def test_a_forger_s_own_keys_pass_only_as_untrusted(made: Made, copy: Path, tmp_path: Path) -> None:
    forger = SigningKey.load_or_create(tmp_path / "forger.key", ORIGIN)
    heads = [checkpoint.parse(note).checkpoint for note in made.notes]
    resigned(copy, made, heads, forger)
    report = verify_export(copy)
    assert (report.ok, report.trusted_keys) == (True, False)
    assert not verify_export(copy, [made.key.vkey]).ok


def test_another_log_s_checkpoints_do_not_count(made: Made, copy: Path) -> None:
    with (copy / "checkpoints.txt").open("a") as file:
        file.write("\n" + checkpoint.sign(Checkpoint("egide.example/judicial", 391, bytes(32)), [made.key]))
    assert "another log" in said(verify_export(copy))


def test_the_public_export_misses_no_step(made: Made, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made.public, tmp_path / "public"))
    path = folder / "consistency.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3] + lines[4:]))
    report = verify_export(folder)
    assert "continues that of 100" in said(report)
    path.write_bytes(b"".join([*lines[:3], lines[4], *lines[4:]]))
    assert not verify_export(folder).ok


def test_two_trees_signed_for_one_size_are_named(made: Made, tmp_path: Path) -> None:
    notes = [*made.notes, checkpoint.sign(Checkpoint(ORIGIN, 391, bytes(32)), [made.key])]
    write_public(tmp_path / "p", notes, lambda old, new: [], [made.key.vkey], realm="police", created=CREATED)
    assert "Two different trees were signed for 391 entries." in said(verify_export(tmp_path / "p"))


@pytest.mark.parametrize("kind", ["inspector", "public"])
def test_missing_files_are_named(made: Made, kind: str, tmp_path: Path) -> None:
    for path in getattr(made, kind).iterdir():
        folder = Path(shutil.copytree(getattr(made, kind), tmp_path / path.name))
        (folder / path.name).unlink()
        report = verify_export(folder)
        assert not report.ok
        assert path.name in {problem.where for problem in report.problems}
    assert not verify_export(tmp_path / "nowhere").ok


def test_an_export_of_nothing_is_whole(made: Made, tmp_path: Path) -> None:
    write_inspector(tmp_path / "e", [], made.notes[:1], [made.key.vkey], realm="police", created=CREATED)
    assert verify_export(tmp_path / "e", [made.key.vkey]).ok


def test_writing_refuses_what_would_not_verify(made: Made, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="last checkpoint"):
        write_inspector(tmp_path / "a", made.leaves[:-1], made.notes, [made.key.vkey], realm="police", created=CREATED)
    with pytest.raises(ValueError, match="at least one"):
        write_inspector(tmp_path / "b", [], [], [made.key.vkey], realm="police", created=CREATED)
    with pytest.raises(FileExistsError):
        write_inspector(made.inspector, made.leaves, made.notes, [made.key.vkey], realm="police", created=CREATED)
    with pytest.raises(CheckpointError):
        verify_export(made.inspector, ["no key"])


def test_a_wholly_spoilt_export_stays_readable(made: Made, copy: Path) -> None:
    report = rewrite(copy, lambda lines: [entry_line(n, b"x", merkle.leaf_hash(b"y")) for n in range(len(lines))])
    assert 0 < len(report.problems) <= MAX_PROBLEMS


NAMES = ["manifest.json", "checkpoints.txt", "keys.txt", "leaves.jsonl", "consistency.jsonl"]
PIECES = st.sampled_from(
    [
        b"\n",
        b"{",
        b"}",
        b'{"i":0,"leaf":"","hash":""}\n',
        b'{"i":%d,"leaf":"AA==","hash":"00"}\n' % 10**40,
        b"\xff",
        b"\xe2\x80\x94 k AAAAAAAA\n",
    ]
)


@settings(max_examples=FUZZ, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    content=st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=8).map(b"".join)),
    kind=st.sampled_from(["inspector", "public"]),
)
def test_any_file_is_reported_on(made: Made, name: str, content: bytes, kind: str) -> None:
    folder = made.spare[kind]
    path = folder / name
    before = path.read_bytes() if path.exists() else None
    path.write_bytes(content)
    report = verify_export(folder)
    assert report.ok == (before is None)  # the other kind's file is not looked at
    if before is None:
        path.unlink()
    else:
        path.write_bytes(before)


# -- cosignatures and stamps ------------------------------------------------------------------------------------------------


@pytest.fixture
def seen(made: Made, tmp_path: Path) -> tuple[Path, str]:
    """A public export whose heads are all cosigned, two of them stamped; and the witness's key."""
    witness = SigningKey.load_or_create(tmp_path / "witness.key", "witness.example/w1")
    bodies = [checkpoint.parse(note).body for note in made.notes]
    notes = [
        note + cosignature.cosign(body, 1_700_000_000 + n, witness)
        for n, (note, body) in enumerate(zip(made.notes, bodies, strict=True))
    ]
    lines = (made.public / "consistency.jsonl").read_bytes().splitlines()
    steps = [[base64.b64decode(each) for each in json.loads(line)["path"]] for line in lines]
    given = iter(steps)
    folder = tmp_path / "seen"
    stamps = [(64, b"first token"), (65, b"of no head here"), (391, b"second token")]
    write_public(
        folder, notes, lambda _old, _new: next(given), [made.key.vkey], realm="police", created=CREATED, stamps=stamps
    )  # fmt: skip
    public = checkpoint.parse_vkey(witness.vkey).public_key
    return folder, cosignature.vkey_text(witness.name, public)


def test_cosignatures_and_stamps_travel_and_are_counted(made: Made, seen: tuple[Path, str]) -> None:
    folder, witness = seen
    plain = verify_export(folder, [made.key.vkey])
    assert plain.ok, said(plain)
    assert plain.witnesses == {}
    assert plain.stamps.found == 2
    report = verify_export(
        folder, [made.key.vkey], witnesses=[witness], stamped=lambda token, body: len(token) if body else 0
    )
    assert report.ok, said(report)
    told = report.witnesses["witness.example/w1"]
    assert (told.heads, told.size, told.time) == (len(SIZES), SIZES[-1], 1_700_000_000 + len(SIZES) - 1)
    assert (report.stamps.verified, report.stamps.size, report.stamps.at) == (2, 391, len(b"second token"))


def test_a_false_cosignature_or_stamp_is_found(made: Made, seen: tuple[Path, str]) -> None:
    folder, witness = seen
    file = folder / "checkpoints.txt"
    text = file.read_text()
    lines = text.splitlines(keepends=True)
    first = next(n for n, line in enumerate(lines) if line.startswith("— witness"))
    other = next(line for line in reversed(lines) if line.startswith("— witness"))
    file.write_text("".join([*lines[:first], other, *lines[first + 1 :]]))
    report = verify_export(folder, [made.key.vkey], witnesses=[witness])
    assert any("cosignature" in problem.what.en for problem in report.problems)
    file.write_text(text)

    def never(_token: bytes, _body: bytes) -> int:
        raise BadInput(Text("faux", "false stamp"))

    assert "false stamp" in said(verify_export(folder, [made.key.vkey], stamped=never))


def test_every_flipped_bit_of_stamps_and_cosignatures_is_found(made: Made, seen: tuple[Path, str]) -> None:
    folder, witness = seen
    dice = random.Random(5)
    for name in ("stamps.jsonl", "checkpoints.txt"):
        path = folder / name
        whole = path.read_bytes()
        for _ in range(150):
            position, bit = dice.randrange(len(whole)), dice.randrange(8)
            path.write_bytes(whole[:position] + bytes([whole[position] ^ (1 << bit)]) + whole[position + 1 :])
            assert not verify_export(folder, [made.key.vkey], witnesses=[witness]).ok, (
                f"{name} byte {position} bit {bit}"
            )
        path.write_bytes(whole)
    (folder / "stamps.jsonl").unlink()
    assert "This file is missing." in said(verify_export(folder))


def test_a_file_of_stamps_that_nobody_announced_is_said(made: Made, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made.public, tmp_path / "p"))
    (folder / "stamps.jsonl").write_text("")
    assert "does not know this file" in said(verify_export(folder))
