"""NAL units, access units and the SPS."""

import io
import os

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.operations.media import annexb

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))


def first_picture(ts: bytes) -> bytes:
    with av.open(io.BytesIO(ts)) as container:
        return bytes(next(p for p in container.demux(video=0) if p.size))


@pytest.mark.parametrize("size", [(320, 240), (640, 362), (1280, 720), (1920, 1080), (98, 50)])
def test_the_sps_tells_what_ffmpeg_tells(synthetic, size):
    picture = first_picture(synthetic.make_ts(2, size=size))
    sps = next(n for n in annexb.split(picture) if n.type == annexb.SPS)
    config = annexb.parse_sps(picture[sps.start : sps.end])
    assert (config.width, config.height) == size
    assert config.fps == 25.0
    assert config.codec == "avc1." + picture[sps.start + 1 : sps.start + 4].hex().upper()


def test_other_profiles_and_real_cameras(shared_data):
    with av.open(str(shared_data / "video" / "car-detection.mp4")) as container:
        avcc = container.streams.video[0].codec_context.extradata
    size = int.from_bytes(avcc[6:8], "big")
    config = annexb.parse_sps(avcc[8 : 8 + size])
    assert (config.codec, config.width, config.height) == ("avc1.428016", 768, 432)


def test_key_frames_and_several_pictures_in_one_packet(plain):
    with av.open(io.BytesIO(plain)) as container:
        pictures = [bytes(p) for p in container.demux(video=0) if p.size]
    assert [annexb.is_key(p) for p in pictures[:11]] == [True] + [False] * 9 + [True]
    joined = b"".join(pictures[:3])
    assert len(annexb.access_units(joined, annexb.split(joined))) == 3
    for picture in pictures:
        assert len(annexb.access_units(picture, annexb.split(picture))) == 1


@settings(max_examples=FUZZ, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=20), st.booleans())
def test_split_gives_back_what_was_joined(bodies, short):
    bodies = [b.replace(b"\x00", b"\x01") for b in bodies]
    code = b"\x00\x00\x01" if short else annexb.START_CODE
    data = b"".join(code + body for body in bodies)
    assert [data[n.start : n.end] for n in annexb.split(data)] == bodies


@settings(max_examples=FUZZ, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_split_within_bounds(data):
    nals = annexb.split(data)
    assert all(0 <= n.start < n.end <= len(data) for n in nals)
    spans = annexb.access_units(data, nals)
    assert [i for first, last in spans for i in range(first, last)] == list(range(len(nals)))
    annexb.starts_picture(data, nals)


def test_too_many_nal_units_are_refused():
    with pytest.raises(annexb.AnnexBError):
        annexb.split(b"\x00\x00\x01\x06" * (annexb.MAX_NALS + 1))


@settings(max_examples=FUZZ, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([66, 77, 100, 244]))
def test_any_sps_is_read_or_refused(body, profile):
    try:
        config = annexb.parse_sps(bytes((0x67, profile, 0, 31)) + body)
    except annexb.AnnexBError:
        return
    assert 0 < config.width <= annexb.MAX_SIDE
    assert 0 < config.height <= annexb.MAX_SIDE
