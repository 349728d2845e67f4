"""The public tree as files: a small checker that knows tiles only rebuilds every signed root from them."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.kernel import checkpoint, tile_export
from egide.kernel.errors import Conflict
from egide.kernel.merkle import leaf_hash
from egide.kernel.tile_export import Place, hashes, number_path, parse_path, places
from tests.kernel.logs import Grown
from tests.kernel.test_witnessing import signed
from tests.world import World

FUZZ = int(os.environ.get("EGIDE_FUZZ", "100"))


def root_of(tiles: dict[str, bytes], size: int) -> bytes:
    """The root of the first `size` leaves from level-0 tiles, and every higher tile checked against those below it."""
    level, row = 0, []
    entries = size
    while entries:
        content = b"".join(tiles[place.path()] for place in places(size) if place.level == level)
        assert len(content) == 32 * entries
        here = [content[at : at + 32] for at in range(0, len(content), 32)]
        if level == 0:
            row = here
        else:
            assert here == [fold(row[at * 256**level : (at + 1) * 256**level]) for at in range(entries)]
        level, entries = level + 1, entries >> 8
    return fold(row)


def fold(row: list[bytes]) -> bytes:
    """RFC 9162 §2.1.1, as short as it can be said."""
    if len(row) <= 1:
        return row[0] if row else sha256(b"").digest()
    split = 1 << (len(row) - 1).bit_length() - 1
    return sha256(b"\1" + fold(row[:split]) + fold(row[split:])).digest()


def test_numbers_are_written_as_published() -> None:
    assert number_path(0) == "000"
    assert number_path(999) == "999"
    assert number_path(1000) == "x001/000"
    assert number_path(1_234_067) == "x001/x234/067"
    assert Place(0, 5, 256).path() == "tile/0/005"
    assert Place(2, 1234067, 17).path() == "tile/2/x001/x234/067.p/17"


@given(level=st.integers(0, 59), number=st.integers(0, 10**15), width=st.integers(1, 256))
@settings(max_examples=FUZZ, deadline=None)
def test_paths_are_read_as_written(level: int, number: int, width: int) -> None:
    assert parse_path(Place(level, number, width).path()) == Place(level, number, width)


@given(path=st.text(max_size=40) | st.from_regex(r"tile/[0-9]{1,3}/[x0-9/]{1,20}(\.p/[0-9]{0,4})?", fullmatch=True))
@settings(max_examples=FUZZ, deadline=None)
def test_any_other_path_is_none(path: str) -> None:
    place = parse_path(path)
    assert place is None or place.path() == path


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 1_000, 65_536, 66_000])
def test_tiles_give_the_root_of_any_size(tmp_path: Path, size: int) -> None:
    log = Grown.at(tmp_path).grow(66_100)
    tiles = {place.path(): hashes(log._tiles, place) for place in places(size)}
    assert root_of(tiles, size) == log.log.root(size)


def read(folder: Path, size: int) -> dict[str, bytes]:
    return {place.path(): (folder / place.path()).read_bytes() for place in places(size)}


@pytest.mark.anyio
async def test_a_folder_grows_and_never_shows_a_leaf(world: World, tmp_path: Path) -> None:
    kernel, folder = world.kernel, tmp_path / "tiles"
    sizes = []
    for rounds in (1, 3, 300):
        for _ in range(rounds - 1):
            await world.act("prefect", "orders.draft", **world.draft())
        await signed(world)
        written = tile_export.write(kernel, folder)
        head = checkpoint.verify((folder / "checkpoint").read_text(), [kernel.key.vkey])
        assert head.size == written.size
        assert root_of(read(folder, head.size), head.size) == head.root
        sizes.append(head.size)
    assert sizes == sorted(sizes)
    assert sizes[-1] > 256
    assert not (folder / "tile" / "0" / "000.p").exists()  # the tile is full: what it was is in it
    again = tile_export.write(kernel, folder)
    assert again.files <= 3  # the checkpoint, and what was signed since
    names = {file.relative_to(folder).parts[0] for file in folder.rglob("*")}
    assert names == {"checkpoint", "tile"}
    assert leaf_hash(b"") not in b"".join(read(folder, sizes[-1]).values())


@pytest.mark.anyio
async def test_another_history_is_left_as_it_is(world: World, tmp_path: Path) -> None:
    size = await signed(world)
    other = Grown(world.kernel.key).grow(size)
    (tmp_path / "tiles").mkdir()
    for text in (other.note(), other.grow(size + 1000).note(), "nonsense"):
        (tmp_path / "tiles" / "checkpoint").write_text(text)
        with pytest.raises(Conflict, match="another history"):
            tile_export.write(world.kernel, tmp_path / "tiles")
        assert (tmp_path / "tiles" / "checkpoint").read_text() == text
