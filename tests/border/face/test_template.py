"""The template: 128 bytes, comparable with the secret alone, the same in every language."""

from __future__ import annotations

import os
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.border.face.template import SIZE, protect, rotate, similarity
from egide.kernel.errors import BadInput

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)
SECRET = bytes(range(16))


def embedding(seed: int) -> np.ndarray:
    numbers = np.random.default_rng(seed).normal(size=SIZE)
    return (numbers / np.linalg.norm(numbers)).astype(np.float32)


def counted() -> np.ndarray:
    """1, 2, … 128, brought to length 1: what the test vectors are of."""
    numbers = np.arange(1, SIZE + 1, dtype=np.float64)
    return numbers / np.linalg.norm(numbers)


def test_a_comparison_loses_nothing_but_the_rounding():
    for seed in range(20):
        one, other = embedding(seed), embedding(seed + 100)
        near = one + 0.4 * other
        near = (near / np.linalg.norm(near)).astype(np.float32)
        template = protect(one, SECRET)
        assert len(template) == 128
        assert similarity(template, one, SECRET) == pytest.approx(1.0, abs=0.002)
        assert similarity(template, near, SECRET) == pytest.approx(float(one @ near), abs=0.003)
        assert similarity(template, other, SECRET) == pytest.approx(float(one @ other), abs=0.003)


def test_two_tokens_of_one_person_are_strangers_to_each_other():
    templates = [
        np.frombuffer(protect(embedding(1), sha256(bytes([n])).digest()[:16]), dtype=np.int8).astype(float)
        for n in range(40)
    ]
    units = np.array([each / np.linalg.norm(each) for each in templates])
    cosines = (units @ units.T)[np.triu_indices(40, 1)]
    assert abs(cosines.mean()) < 0.02
    assert cosines.std() == pytest.approx(1 / np.sqrt(SIZE), rel=0.15)  # as unlike directions in 128 dimensions are
    assert abs(similarity(protect(embedding(1), SECRET), embedding(1), bytes(16))) < 0.4


def test_the_rotation_is_one_and_drawn_evenly():
    basis = np.array([rotate(row, SECRET) for row in np.eye(SIZE)])
    assert np.allclose(basis @ basis.T, np.eye(SIZE), atol=1e-12)
    firsts = np.array([rotate(np.eye(SIZE)[0], n.to_bytes(16, "big")) for n in range(300)])
    assert np.abs(firsts.mean(axis=0)).max() < 4 / np.sqrt(300 * SIZE)  # no direction is preferred: four deviations
    assert (firsts**2).mean(axis=0) == pytest.approx(np.full(SIZE, 1 / SIZE), rel=0.6)


def test_the_vectors_that_every_implementation_must_meet():
    """Of the embedding (1, 2, … 128)/‖·‖ under the secret 00 01 … 0f, and of the first unit vector under sixteen 0xff."""
    rotated = rotate(counted(), SECRET)
    assert rotated[:4] == pytest.approx(ROTATED, abs=1e-12)
    assert protect(counted().astype(np.float32), SECRET).hex() == TEMPLATE
    assert protect(np.eye(SIZE, dtype=np.float32)[0], b"\xff" * 16)[:16].hex() == FIRST


# Made by an implementation in JavaScript (WebCrypto), not by the code under test.
ROTATED = (0.05593165490465579, 0.024051012156694015, -0.007995794893144687, -0.19124087032221396)
TEMPLATE = (
    "180bfdac0c1e29ee2119e70c192029df0407e3f508f02e22d0f608f3f9e24a032bde3a0d631707ebdf050ffeb0cd3201054e1cc70603fac84a213a25ca1c19f8"
    "c5bef8cbd8ea1e35dfacfff90f08f8bb0b2b1f20322cddcb2ff1c9f7020dfad009100b13fdfbfe0af8caf229450515e229a918ead40ecc8111280a061030fccc"
)
FIRST = "add50c2ddcf3f181110eac430072096d"


@CASES
@given(st.binary(max_size=300), st.binary(max_size=40))
def test_any_bytes_are_compared_or_refused(template, secret):
    try:
        cosine = similarity(template, embedding(1), secret)
    except BadInput:
        return
    assert -1.0001 <= cosine <= 1.0001


@pytest.mark.parametrize("numbers", [np.zeros(SIZE), np.full(SIZE, np.nan), np.ones(127), np.ones((2, SIZE))])
def test_what_is_no_embedding_is_refused(numbers):
    with pytest.raises(BadInput):
        protect(numbers.astype(np.float32), SECRET)


@pytest.mark.parametrize("template", [bytes(128), b"\x01" * 128, b"\x7f" * 127, b"\x7f" * 129])
def test_a_torn_template_is_refused(template):
    with pytest.raises(BadInput):
        similarity(template, embedding(1), SECRET)
