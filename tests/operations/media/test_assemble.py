"""Samples to units: what a decoder needs is always in the key frame, whatever comes in."""

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.operations.media import annexb
from egide.operations.media.assemble import PATIENCE, Assembler
from egide.operations.media.errors import SourceError
from egide.operations.media.ts import TsDemuxer
from egide.operations.media.units import MAX_UNIT, KlvUnit, Sample, Unit

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))
CODE = annexb.START_CODE


@pytest.fixture(scope="module")
def samples(plain):
    demuxer = TsDemuxer()
    return demuxer.push(plain) + demuxer.flush()


def sets_of(sample):
    return [sample.data[n.start : n.end] for n in annexb.split(sample.data) if n.type in (annexb.SPS, annexb.PPS)]


def without_sets(sample, *, delimiter):
    keep = [sample.data[n.start : n.end] for n in annexb.split(sample.data) if n.type in (annexb.SLICE, annexb.IDR)]
    return (CODE + b"\x09\xf0" if delimiter else b"") + b"".join(CODE + nal for nal in keep)


@pytest.mark.parametrize("delimiter", [False, True])
def test_parameter_sets_sent_apart_are_put_in_the_key_frame(samples, delimiter):
    assembler = Assembler()
    head = b"".join(CODE + nal for nal in sets_of(samples[0]))
    assert assembler.push(Sample("video", head, None, None)) == []
    (unit,) = assembler.push(Sample("video", without_sets(samples[0], delimiter=delimiter), 0, 0))
    types = [n.type for n in annexb.split(unit.data)]
    assert types[types.index(annexb.IDR) :] == [annexb.IDR] * types.count(annexb.IDR)
    assert types[: types.index(annexb.IDR)] == [annexb.AUD] * delimiter + [annexb.SPS, annexb.PPS]


def test_a_missing_pps_goes_behind_the_sps(samples):
    assembler = Assembler()
    assembler.push(samples[0])
    sps, _ = sets_of(samples[0])
    data = CODE + b"\x09\xf0" + CODE + sps + without_sets(samples[0], delimiter=False)
    (unit,) = assembler.push(Sample("video", data, 1, 1))
    types = [n.type for n in annexb.split(unit.data)]
    assert types[:4] == [annexb.AUD, annexb.SPS, annexb.PPS, annexb.IDR]


def test_several_pictures_in_one_sample_are_separated(samples):
    joined = b"".join(s.data for s in samples[:4])
    units = Assembler().push(Sample("video", joined, 0, 0))
    assert len(units) == 4
    assert [u.pts_us for u in units] == [0, 40_000, 80_000, 120_000]


def test_damage_is_told_until_the_next_key_frame(samples):
    assembler = Assembler()
    units = []
    for number, sample in enumerate(samples):
        hurt = Sample("video", sample.data, sample.pts_us, sample.dts_us, damaged=number == 4)
        units += assembler.push(hurt)
    assert [n for n, u in enumerate(units) if u.damaged] == [4, 5, 6, 7, 8, 9]


def test_a_stream_without_key_frames_is_told(samples):
    assembler = Assembler()
    with pytest.raises(SourceError) as caught:  # noqa: PT012 - patience ends somewhere in the loop
        for number in range(PATIENCE + 2):
            assembler.push(Sample("video", samples[1].data, number * 40_000, number * 40_000))
    assert caught.value.code == "no_key"


def test_an_oversized_picture_is_told():
    with pytest.raises(SourceError) as caught:
        Assembler().push(Sample("video", CODE + b"\x65" + b"\x80" * MAX_UNIT, 0, 0))
    assert caught.value.code == "too_large"


def test_broken_metadata_is_kept_with_its_fault(synthetic):
    packet = synthetic.klv_packet(1)
    wrong = packet[:-1] + bytes((packet[-1] ^ 1,))
    units = Assembler().push(Sample("klv", packet + wrong, 0, None))
    assert [u.frame is None for u in units] == [False, True]
    assert "checksum" in units[1].error
    (odd,) = Assembler().push(Sample("klv", b"no metadata at all", 0, None))
    assert odd.frame is None
    assert odd.raw == b"no metadata at all"


@settings(max_examples=FUZZ, deadline=None)
@given(st.data())
def test_any_pictures_are_survived_and_every_key_frame_can_be_decoded_from(samples, data):
    assembler = Assembler()
    last = 0
    for _ in range(data.draw(st.integers(1, 8))):
        body = bytearray(data.draw(st.sampled_from(samples)).data[:400])
        for _ in range(data.draw(st.integers(0, 4))):
            body[data.draw(st.integers(0, min(60, len(body) - 1)))] = data.draw(st.integers(0, 255))
        kind = data.draw(st.sampled_from(["video", "video", "klv"]))
        stamp = data.draw(st.none() | st.integers(0, 2**40))
        for unit in assembler.push(Sample(kind, bytes(body), stamp, stamp)):
            if isinstance(unit, KlvUnit):
                continue
            assert isinstance(unit, Unit)
            assert unit.dts_us >= last
            last = unit.dts_us
            if unit.key:
                types = {n.type for n in annexb.split(unit.data)}
                assert {annexb.SPS, annexb.IDR} <= types
