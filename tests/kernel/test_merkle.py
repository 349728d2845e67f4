"""The tree against RFC 9162's definitions written down naively, the public test vectors, and an independent library."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.kernel import merkle
from egide.kernel.merkle import ProofError

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))

# certificate-transparency test data: eight leaves and the roots of the first 1 … 8 of them
CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(hashes: list[bytes]) -> bytes:
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\1" + naive_root(hashes[:split]) + naive_root(hashes[split:])).digest()


def leaves(count: int) -> list[bytes]:
    return merkle.leaf_hashes([b"leaf %d" % number for number in range(count)])


def nodes_of(hashes: list[bytes]) -> merkle.Node:
    return lambda height, index: merkle.perfect_root(hashes[index << height : (index + 1) << height])


@pytest.mark.parametrize("count", range(1, 9))
def test_roots_of_the_certificate_transparency_vectors(count: int) -> None:
    hashes = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in CT_LEAVES[:count]]
    assert merkle.subtree_root(0, count, nodes_of(hashes)).hex() == CT_ROOTS[count - 1]
    frontier = merkle.Frontier()
    frontier.extend(hashes)
    assert frontier.root().hex() == CT_ROOTS[count - 1]


def test_the_empty_tree() -> None:
    assert merkle.Frontier().root() == merkle.EMPTY_ROOT == naive_root([])
    assert merkle.subtree_root(0, 0, nodes_of([])) == merkle.EMPTY_ROOT


@given(st.lists(st.integers(0, 70), max_size=8))
def test_a_frontier_may_grow_in_any_steps(steps: list[int]) -> None:
    hashes = leaves(sum(steps))
    frontier, done = merkle.Frontier(), 0
    for step in steps:
        frontier.extend(hashes[done : done + step])
        done += step
        assert frontier.root() == naive_root(hashes[:done])
    twin = frontier.copy()
    twin.extend(leaves(3))
    assert frontier.size == done
    assert frontier.root() == naive_root(hashes)


@pytest.mark.parametrize("size", [*range(1, 18), 63, 64, 65, 100])
def test_every_entry_of_every_small_tree_is_proved(size: int) -> None:
    hashes = leaves(size)
    root = naive_root(hashes)
    for index in range(size):
        path = merkle.inclusion_path(index, size, nodes_of(hashes))
        merkle.verify_inclusion(index, size, hashes[index], path, root)
        for other in range(size):
            if other != index:
                with pytest.raises(ProofError):
                    merkle.verify_inclusion(other, size, hashes[index], path, root)


@pytest.mark.parametrize("new", [*range(18), 63, 64, 65])
def test_every_two_small_trees_are_consistent(new: int) -> None:
    hashes = leaves(new)
    for old in range(new + 1):
        path = merkle.consistency_path(old, new, nodes_of(hashes))
        old_root, new_root = naive_root(hashes[:old]), naive_root(hashes)
        merkle.verify_consistency(old, new, old_root, new_root, path)
        with pytest.raises(ProofError):
            merkle.verify_consistency(old, new, old_root, new_root, [*path, new_root])
        if old:
            with pytest.raises(ProofError):
                merkle.verify_consistency(old, new, sha256(old_root).digest(), new_root, path)
            with pytest.raises(ProofError):
                merkle.verify_consistency(old, new, old_root, sha256(new_root).digest(), path)
        if path:
            with pytest.raises(ProofError):
                merkle.verify_consistency(old, new, old_root, new_root, path[:-1])


@settings(max_examples=FUZZ, deadline=None)
@given(st.data())
def test_one_changed_bit_breaks_a_proof(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 300))
    hashes = leaves(size)
    root = naive_root(hashes)
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_path(index, size, nodes_of(hashes))
    which, bit = data.draw(st.integers(0, len(path) - 1)), data.draw(st.integers(0, 255))
    changed = (int.from_bytes(path[which], "big") ^ (1 << bit)).to_bytes(32, "big")
    with pytest.raises(ProofError):
        merkle.verify_inclusion(index, size, hashes[index], [*path[:which], changed, *path[which + 1 :]], root)
    old = data.draw(st.integers(1, size - 1))
    steps = merkle.consistency_path(old, size, nodes_of(hashes))
    which = data.draw(st.integers(0, len(steps) - 1))
    changed = (int.from_bytes(steps[which], "big") ^ (1 << bit)).to_bytes(32, "big")
    with pytest.raises(ProofError):
        merkle.verify_consistency(
            old, size, naive_root(hashes[:old]), root, [*steps[:which], changed, *steps[which + 1 :]]
        )


@settings(max_examples=FUZZ)
@given(
    st.integers(-2, 1 << 64),
    st.integers(-2, 1 << 64),
    st.binary(max_size=40),
    st.lists(st.binary(max_size=40), max_size=70),
)
def test_any_other_proof_is_a_proof_error(first: int, second: int, root: bytes, path: list[bytes]) -> None:
    for attempt in (
        lambda: merkle.verify_inclusion(first, second, root, path, b"\0" * 32),
        lambda: merkle.verify_consistency(first, second, root, b"\0" * 32, path),
    ):
        with pytest.raises(ProofError):
            attempt()


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_of_what_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ProofError):
        merkle.inclusion_path(index, size, nodes_of(leaves(max(size, 0))))
    with pytest.raises(ProofError):
        merkle.consistency_path(size + 1, size, nodes_of(leaves(size)))


def test_a_perfect_subtree_has_a_power_of_two() -> None:
    for count in (0, 3, 6):
        with pytest.raises(ValueError, match="2"):
            merkle.perfect_root(leaves(count))


@pytest.mark.skipif(importlib.util.find_spec("pymerkle") is None, reason="pymerkle is not installed")
def test_roots_are_those_of_an_independent_library() -> None:
    # pymerkle is under the GPL: it only ever runs in a process of its own
    program = (
        "from pymerkle import InmemoryTree as T\n"
        "t = T(algorithm='sha256')\n"
        "for i in range(300):\n"
        "    t.append_entry(b'leaf %d' % i)\n"
        "    print(t.get_root().hex())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    frontier = merkle.Frontier()
    for each, theirs in zip(leaves(300), done.stdout.split(), strict=True):
        frontier.extend([each])
        assert frontier.root().hex() == theirs
