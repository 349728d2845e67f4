"""What strangers seal for a room is opened or refused; nothing else comes of it, whatever the bytes."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from egide.border.room import reading
from egide.border.room.messages import ReadChip
from egide.border.room.opening import frames
from egide.border.room.sealed import MAX_SEALED, SealError, opened, sealed
from egide.protocols.vapid import decoded, encoded
from tests.border.traveller import frame

KEY = ECKey.generate_key("P-256")
PUBLIC = {name: str(value) for name, value in KEY.as_dict(private=False).items()}

SEALED = sealed(b"-", PUBLIC)


def decoded_alike(changed: str) -> bool:
    """Whether it says the same bytes."""
    return [decoded(part) for part in changed.split(".")] == [decoded(part) for part in SEALED.split(".")]


def test_who_holds_the_key_opens_it_and_nobody_else() -> None:
    text = sealed(b"a secret", PUBLIC)
    assert opened(text, KEY) == b"a secret"
    with pytest.raises(SealError):
        opened(text, ECKey.generate_key("P-256"))
    assert b"secret" not in text.encode()


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_opened_or_refused(text: str) -> None:
    with pytest.raises(SealError):
        opened(text, KEY)


@given(st.integers(0, len(SEALED) - 1), st.sampled_from("AZaz09-_."))
def test_one_letter_changed_is_enough(place: int, other: str) -> None:
    changed = SEALED[:place] + other + SEALED[place + 1 :]
    with suppress(SealError):  # it opens where the letter is the same, or differs in bits that base64 leaves unused
        assert opened(changed, KEY) == b"-"
        assert changed == SEALED or decoded_alike(changed)


@pytest.mark.parametrize(
    "head",
    [
        {"alg": "ECDH-ES", "enc": "A256GCM", "zip": "DEF"},
        {"alg": "ECDH-ES", "enc": "A256GCM", "crit": ["exp"]},
        {"alg": "RSA1_5", "enc": "A256GCM"},
        {"alg": "ECDH-ES", "enc": "A128CBC-HS256"},
        {"alg": 1},
        [],
    ],
)
def test_another_way_of_sealing_is_refused_before_anything_is_unpacked(head: object) -> None:
    rest = sealed(b"-", PUBLIC).partition(".")[2]
    with pytest.raises(SealError):
        opened(f"{encoded(msgspec.json.encode(head))}.{rest}", KEY)


def test_what_is_longer_than_a_frame_is_not_looked_at() -> None:
    with pytest.raises(SealError):
        opened("a" * (MAX_SEALED + 1), KEY)


@pytest.mark.parametrize("jwk", [{}, {"x": "AA", "y": "AA"}, {"x": "?", "y": "?"}, {**PUBLIC, "y": PUBLIC["x"]}])
def test_nothing_is_sealed_to_a_key_that_is_none(jwk: dict[str, str]) -> None:
    with pytest.raises(SealError):
        sealed(b"-", jwk)


def test_a_frame_has_a_picture_and_there_are_not_too_many() -> None:
    (found,) = frames([frame(b"picture", PUBLIC, 1_250)], KEY)
    assert (found.at_ms, bytes(found.data)) == (1_250, b"picture")
    with pytest.raises(SealError):
        frames([sealed(b"\0\0\0\1", PUBLIC)], KEY)
    with pytest.raises(SealError):
        frames(["-"] * 121, KEY)


@given(st.binary(max_size=300) | st.dictionaries(st.sampled_from(["SOD", "DG1", "DG2", "COM", "DG99"]), st.binary(max_size=64)).map(
    lambda files: msgspec.json.encode({name: encoded(data) for name, data in files.items()})
))  # fmt: skip
def test_any_chip_gives_findings_and_none_is_proved(plain: bytes) -> None:
    answer, document = reading.read(
        ReadChip(sealed(plain, PUBLIC), (b"no certificate",), (b"no list",), 1_800_000_000), KEY
    )
    assert answer.verdict in ("refuted", "unreadable")
    assert document is None or document.verdict != "proved"
