"""Receiving from an RTSP camera, well-behaved or not."""

import base64
import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.waiting import AT_ONCE_S

from egide.operations.media import annexb, rtp, rtsp, sdp
from egide.operations.media.assemble import Assembler
from egide.operations.media.errors import SourceError
from egide.operations.media.ingest import Ingest
from egide.operations.media.source import SourceSpec, Track, probe
from egide.operations.media.ts import TsDemuxer

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))


@pytest.fixture(scope="module")
def pictures(synthetic):
    demuxer, assembler = TsDemuxer(), Assembler()
    samples = demuxer.push(synthetic.make_ts(20, size=(640, 360))) + demuxer.flush()
    return [unit.data for sample in samples for unit in assembler.push(sample)]


def nals(picture):
    return [picture[n.start : n.end] for n in annexb.split(picture)]


def spec(camera, user=""):
    return SourceSpec("c", "rtsp", camera.url(user))


@pytest.mark.parametrize("scheme", ["Digest", "Basic"])
def test_a_camera_tells_its_facts_with_its_password(synthetic, pictures, scheme):
    with synthetic.FakeCamera(pictures, password="s3same", scheme=scheme) as camera:
        facts = probe(spec(camera, "chef:s3same"), 3)
    assert (facts.width, facts.height, facts.fps, facts.has_klv, facts.has_audio) == (640, 360, 25.0, True, False)
    assert facts.tracks == (Track("video", "h264"), Track("klv", "klv"))
    assert not any("s3same" in request for request in camera.requests)
    assert camera.requests[-1].startswith("TEARDOWN") or camera.requests[-1].startswith("PLAY")


@pytest.mark.parametrize(
    ("options", "user", "code"),
    [
        ({"password": "x"}, "", "refused"),
        ({"password": "x"}, "chef:y", "refused"),
        ({"encoding": "H265"}, "", "codec"),
        ({"encoding": "JPEG"}, "", "codec"),
        ({"statuses": {"DESCRIBE": 404}}, "", "path"),
        ({"statuses": {"SETUP": 461}}, "", "transport"),
        ({"statuses": {"PLAY": 500}}, "", "unreachable"),
        ({"raw": b"HTTP/1.1 200 OK\r\n\r\n"}, "", "hostile"),
        ({"raw": b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n"}, "", "hostile"),
        ({"raw": b"RTSP/1.0 200 OK\r\nX: " + b"a" * 20_000}, "", "hostile"),
        ({"raw": b"\x24\x00\x00\x00" * 10}, "", "unreachable"),
        ({"raw": b"RTSP/1.0 200 OK\r\n\r\n"}, "", "no_video"),
    ],
)
def test_what_a_camera_refuses_or_breaks_is_told(synthetic, pictures, options, user, code):
    with synthetic.FakeCamera(pictures, **options) as camera, pytest.raises(SourceError) as caught:
        probe(spec(camera, user), 1.0)
    assert caught.value.code == code


def test_sound_is_reported_never_set_up_and_refused(synthetic, pictures):
    with synthetic.FakeCamera(pictures, audio=True) as camera:
        assert probe(spec(camera), 3).has_audio
        units, states = [], []
        ingest = Ingest(spec(camera), units.append, lambda k: None, lambda s, d: states.append(s))
        ingest.start()
        assert synthetic.wait_until(lambda: "failed" in states)
        ingest.stop()
    assert ingest.error.code == "audio"
    assert units == []
    setups = [request.split()[1] for request in camera.requests if request.startswith("SETUP")]
    assert setups
    assert not any(url.endswith("/a") for url in setups)


def test_every_picture_and_packet_arrives_on_one_clock_across_its_wrap(synthetic, pictures):
    units, metadata, states = [], [], []
    with synthetic.FakeCamera(pictures) as camera:
        ingest = Ingest(spec(camera), units.append, metadata.append, lambda s, d: states.append(s))
        ingest.start()
        assert synthetic.wait_until(lambda: len(units) > 60)
        began = time.monotonic()
        assert ingest.stop()
        assert time.monotonic() - began < AT_ONCE_S
    assert states == ["connecting", "live", "stopped"]
    assert [nals(u.data) for u in units] == [nals(pictures[n % len(pictures)]) for n in range(len(units))]
    assert [u.pts_us for u in units[:50]] == [n * 40_000 for n in range(50)]
    assert [k.pts_us for k in metadata[1:50]] == [n * 40_000 for n in range(1, 50)]
    assert ingest.counters.klv_errors == 0


def test_parameter_sets_told_once_in_the_description_are_put_in_band(synthetic, pictures):
    sets = [n for n in nals(pictures[0]) if n[0] & 0x1F in (annexb.SPS, annexb.PPS)]
    bare = [
        b"".join(annexb.START_CODE + n for n in nals(p) if n[0] & 0x1F not in (annexb.SPS, annexb.PPS))
        for p in pictures
    ]
    hint = ",".join(base64.b64encode(n).decode() for n in sets)
    units = []
    with synthetic.FakeCamera(bare, hint=hint) as camera:
        ingest = Ingest(spec(camera), units.append, lambda k: None, lambda s, d: None)
        ingest.start()
        assert synthetic.wait_until(lambda: len(units) > 3)
        ingest.stop()
    assert {annexb.SPS, annexb.PPS, annexb.IDR} <= {n.type for n in annexb.split(units[0].data)}


def test_a_camera_that_falls_silent_is_waited_for_and_stop_stays_prompt(synthetic, pictures, monkeypatch):
    monkeypatch.setattr(rtsp, "SILENCE_S", 0.3)
    states = []
    with synthetic.FakeCamera(pictures, silent_after=5) as camera:
        ingest = Ingest(spec(camera), lambda u: None, lambda k: None, lambda s, d: states.append(s))
        ingest.start()
        assert synthetic.wait_until(lambda: "waiting" in states)
        began = time.monotonic()
        assert ingest.stop()
        assert time.monotonic() - began < AT_ONCE_S
    assert states[:3] == ["connecting", "live", "waiting"]


def test_a_camera_that_hangs_up_is_taken_back(synthetic, pictures, monkeypatch):
    monkeypatch.setattr("egide.operations.media.ingest.FIRST_BACKOFF_S", 0.05)
    states, units = [], []
    with synthetic.FakeCamera(pictures[:1]) as camera:  # it ends after 50 pictures
        ingest = Ingest(spec(camera), units.append, lambda k: None, lambda s, d: states.append(s))
        ingest.start()
        assert synthetic.wait_until(lambda: states.count("live") >= 2)
        ingest.stop()
    assert states[:4] == ["connecting", "live", "waiting", "live"]
    stamps = [u.pts_us for u in units]
    assert stamps == sorted(stamps)
    assert sum(u.codec_changed for u in units) == 2


def test_a_lost_packet_drops_one_picture_and_is_told(synthetic, pictures):
    depacketizer = rtp.H264(90_000)
    whole, sequence = [], 0
    for number, picture in enumerate(pictures[:4]):
        payloads = list(synthetic.rtp_payloads(picture, 300))
        for at, payload in enumerate(payloads):
            sequence += 1
            if (number, at) != (1, 0):
                packet = rtp.Packet(at == len(payloads) - 1, 96, sequence, number * 3600, 5, payload)
                whole += depacketizer.push(packet)
    assert [(w.time_us, w.damaged) for w in whole] == [(0, False), (80_000, True), (120_000, False)]


def test_sender_reports_put_two_clocks_together():
    video, telemetry = rtp.H264(90_000), rtp.Klv(90_000)
    video.push(rtp.Packet(True, 96, 1, 1_000_000, 1, b"\x65\x80"))
    telemetry.push(rtp.Packet(True, 97, 1, 77, 2, b"k"))
    video.report, telemetry.report = (5_000_000, 1_000_000), (5_000_000, 77)
    moment = telemetry.utc_us(77 * 100 // 9)
    assert abs(video.time_us(moment) - 1_000_000 * 100 // 9) <= 1


@settings(max_examples=min(FUZZ, 200), deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 65535), st.integers(0, 2**32 - 1), st.binary(max_size=80)), max_size=30
    )
)
def test_any_packets_are_survived_within_bounds(packets):
    depacketizer = rtp.H264(90_000)
    for marker, sequence, stamp, payload in packets:
        for whole in depacketizer.push(rtp.Packet(marker, 96, sequence, stamp, 1, payload)):
            assert len(whole.data) <= depacketizer.limit


def test_an_endless_picture_is_dropped():
    depacketizer = rtp.H264(90_000)
    for number in range(20_000):
        depacketizer.push(rtp.Packet(False, 96, number & 0xFFFF, 7, 1, b"\x61" + b"x" * 1000))
        assert depacketizer._size <= depacketizer.limit + 2000


@settings(max_examples=FUZZ, deadline=None)
@given(st.binary(max_size=100))
def test_any_bytes_are_a_packet_or_none(data):
    rtp.parse(data)
    rtp.sender_report(data)


@settings(max_examples=FUZZ, deadline=None)
@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda b: b"RTSP/1.0 200 OK\r\n" + b + b"\r\n\r\n"))
def test_any_bytes_on_the_connection_are_survived(data):
    buffer = bytearray(data)
    try:
        while (item := rtsp.take(buffer)) is not None:
            assert isinstance(item, rtsp.Answer | tuple)
    except SourceError:
        return


LINES = ["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/0", "a=fmtp:96 sprop-parameter-sets=!,", "a=control:", "m=audio"]


@settings(max_examples=FUZZ, deadline=None)
@given(st.text(max_size=200) | st.lists(st.sampled_from(LINES), max_size=40).map("\n".join))
def test_any_description_is_read(text):
    media = sdp.parse(text)
    assert len(media) <= sdp.MAX_MEDIA
    assert all(m.clock_hz > 0 for m in media)


def test_control_addresses_are_joined():
    base = "rtsp://c/live/"
    assert sdp.control_url(base, "v") == "rtsp://c/live/v"
    assert sdp.control_url(base, "*") == base
    assert sdp.control_url(base, "rtsp://c/other") == "rtsp://c/other"
