"""Base45 as RFC 9285 has it, and pictures that a camera reads: tilted, small, noisy, or of something else."""

from __future__ import annotations

import os
from contextlib import suppress
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.border.token import base45, qr
from egide.border.token.question import ask
from egide.border.token.verify import verify_offline
from egide.protocols.sdjwt.signing import local
from egide.protocols.wallet.errors import WalletError
from tests.border.token.scene import GATE, NOW, PLAN, TRUSTED, Traveller, lists, questioned, verifiers

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)


def word(text: str) -> str:
    with pytest.raises(WalletError) as caught:
        base45.decode(text)
    return caught.value.why


def test_base45_is_that_of_the_rfc() -> None:
    """RFC 9285 §4.3 and §4.4."""
    for plain, text in (("AB", "BB8"), ("Hello!!", "%69 VD92EX0"), ("base-45", "UJCLQE7W581"), ("ietf!", "QED8WEX0")):
        assert base45.encode(plain.encode()) == text
        assert base45.decode(text) == plain.encode()
    for wrong in ("GGW", "A", "::", "AB8a", "BB8é", ":::"):
        assert word(wrong) == "malformed"


@given(st.binary(max_size=200))
@CASES
def test_bytes_come_back(data: bytes) -> None:
    assert base45.decode(base45.encode(data)) == data


@given(st.text(alphabet=base45.ALPHABET + "aé", max_size=40))
@CASES
def test_any_text_is_bytes_or_refused(text: str) -> None:
    with suppress(WalletError):
        assert base45.encode(base45.decode(text)) == text


@pytest.fixture(scope="module")
def answer() -> bytes:
    question, _private = questioned("border")
    return Traveller("RAKOTOMANANTSOA<<HERINIAINA<MAMITIANA<J").sealed("border", question)


def test_the_whole_way_of_two_pictures() -> None:
    alix = Traveller()
    question, private = questioned()
    made = ask("boarding", PLAN["boarding"], GATE.public_key(), local(GATE), private.public_key(), NOW)
    assert qr.read(qr.pixels(made, "question"), "question") == made
    seen = qr.read(qr.pixels(alix.sealed("boarding", question), "answer"), "answer")
    assert seen is not None
    assert verify_offline(seen, question, private, [TRUSTED], lists(), NOW).claims.flight == "AF 1234"
    assert verifiers(question.kid) is not None


def test_a_camera_reads_it_tilted_small_and_in_noise(answer: bytes) -> None:
    grey = qr.pixels(answer, "answer", scale=4)
    side = grey.shape[0]
    scene = np.full((side + 200, side + 300), 128, np.uint8)
    scene[100 : 100 + side, 150 : 150 + side] = grey
    turn = cv2.getRotationMatrix2D((scene.shape[1] / 2, scene.shape[0] / 2), 7, 0.85)
    tilted = cv2.warpAffine(scene, turn, (scene.shape[1], scene.shape[0]), borderValue=128)
    noisy = np.clip(tilted.astype(np.int16) + np.random.default_rng(5).normal(0, 15, tilted.shape), 0, 255).astype(
        np.uint8
    )
    colour = cv2.cvtColor(noisy, cv2.COLOR_GRAY2BGR)
    assert qr.read(colour, "answer") == answer


def test_a_picture_of_something_else_is_left_alone(answer: bytes) -> None:
    assert qr.read(qr.pixels(answer, "answer"), "question") is None
    assert qr.read(np.full((64, 64), 255, np.uint8), "answer") is None
    for wrong in (np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4), np.float32), np.zeros((0, 4), np.uint8), np.zeros((1, 5000), np.uint8)):  # fmt: skip
        with pytest.raises(WalletError):
            qr.read(wrong, "answer")
    for text in ("EGIDE1Q:A", "hello", "EGIDE1Q:" + "0" * 3000):
        with pytest.raises(WalletError):
            qr.bytes_of(text, "question")


def test_the_page_gets_a_drawing_with_nothing_in_it_but_modules(answer: bytes) -> None:
    drawn = ET.fromstring(qr.svg(answer, "answer"))
    assert {each.tag.rpartition("}")[2] for each in drawn.iter()} == {"svg", "path"}
    assert int(drawn.attrib["viewBox"].split()[2]) <= 17 + 4 * 24 + 2 * qr.QUIET  # version 24: read off a phone
