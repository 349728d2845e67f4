"""The binary frame and its WebSocket envelope."""

import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.operations.media import frames

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))
U64 = st.integers(0, 2**64 - 1)


@settings(max_examples=FUZZ, deadline=None)
@given(
    st.sampled_from(sorted(frames.KINDS)), st.integers(0, 255), st.integers(0, 65535), U64, U64, st.binary(max_size=64)
)
def test_what_is_packed_comes_back(kind, flags, stream, pts, capture, payload):
    header, body = frames.unpack(frames.pack(kind, stream, pts, capture, payload, flags))
    assert header == frames.Header(kind, flags, stream, pts, capture)
    assert bytes(body) == payload


@settings(max_examples=FUZZ, deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_are_a_frame_or_a_clear_error(data):
    try:
        frames.unpack(data)
    except frames.FrameError:
        return
    assert len(data) >= 20


def test_the_layout_is_the_published_one():
    frame = frames.pack(frames.VIDEO, 0x0102, 3, 4, b"x", frames.KEY)
    assert frame == struct.pack("<BBHQQ", 2, 1, 0x0102, 3, 4) + b"x"
    assert frames.unpack(frame)[0].key


@pytest.mark.parametrize(("kind", "stream", "pts"), [(2, 65536, 0), (2, 1, -1), (256, 1, 0)])
def test_a_field_that_does_not_fit_is_refused(kind, stream, pts):
    with pytest.raises(frames.FrameError):
        frames.pack(kind, stream, pts, 0, b"")


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
def test_the_envelope_is_read_by_an_independent_library(size):
    from websockets.frames import Frame, Opcode

    assert frames.websocket(b"a" * size) == Frame(Opcode.BINARY, b"a" * size).serialize(mask=False)
