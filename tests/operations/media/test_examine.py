"""What `egide source check` says of a feed: each fault by its own sentence, and no secret in any of them."""

import dataclasses
import threading

import pytest
from tests.ports import free_port

from egide.exercise.links import TcpSink
from egide.operations.media import examine
from egide.operations.media.examine import kind_of, measure, shown
from egide.operations.media.remarks import judge, verdict
from egide.protocols import klv


@pytest.fixture
def look(tmp_path):
    def at(clip, seconds=1.0):
        path = tmp_path / "clip.ts"
        path.write_bytes(clip)
        found = measure(str(path), seconds)
        return found, {remark.code: remark for remark in judge(found)}

    return at


def test_a_good_feed_has_figures_and_nothing_wrong(look, with_klv):
    found, said = look(with_klv)
    assert (found.width, found.height, found.fps, found.key_gap_s) == (320, 240, 25.0, 0.4)
    assert found.container == "MPEG-TS"
    assert found.bit_rate > 50_000
    assert (found.pictures, found.klv, found.klv_errors, found.klv_timestamps) == (26, 26, 0, 26)
    assert {code for code, remark in said.items() if remark.mark == "note"} == {"klv_place"}
    assert verdict(list(said.values())) == 1


def test_nothing_but_good_remarks_is_a_good_source():
    found = examine.Measured(
        "x", "udp", "MPEG-TS / UDP", codec="avc1.42C01E", width=1280, height=720, fps=30.0, bit_rate=2_000_000
    )
    found = dataclasses.replace(
        found,
        pictures=90,
        key_frames=3,
        key_gap_s=1.0,
        first_picture_s=0.4,
        klv=90,
        klv_timestamps=90,
        klv_positions=90,
    )
    assert verdict(judge(found)) == 0
    late = judge(dataclasses.replace(found, klv_clock_off_s=-3600.0, first_picture_s=3.5, size_changes=2))
    assert {remark.code for remark in late if remark.mark == "note"} == {"klv_clock", "first_picture", "size_changes"}
    assert "-3600" in next(remark.en for remark in late if remark.code == "klv_clock")


def test_rare_key_frames_and_b_frames_are_told_with_their_consequence(look, synthetic):
    _found, said = look(synthetic.make_ts(90, gop=70, bframes=2), 3.5)
    assert said["key_gap"].mark == "note"
    assert "waits that long" in said["key_gap"].en
    assert "GOP" in said["key_gap"].do_fr
    assert said["b_frames"].mark == "note"
    assert said["klv"].mark == "note", "no telemetry is told too"


def test_sound_makes_it_unusable_and_names_the_law(look, with_audio):
    found, said = look(with_audio)
    assert found.has_audio
    assert "L242-4" in said["audio"].fr
    assert verdict(list(said.values())) == 2
    assert said["video"].mark == "good", "the rest is told all the same"


def test_losses_are_counted_by_the_continuity_counters(look, synthetic, with_klv):
    packets = synthetic.packets(with_klv)
    kept = b"".join(packet for number, packet in enumerate(packets) if number % 400 != 399)
    found, said = look(kept)
    assert 4 <= found.lost_packets <= len(packets) // 400
    assert said["loss"].mark == "note"
    worse = b"".join(packet for number, packet in enumerate(packets) if number % 20 != 19)
    _found, said = look(worse)
    assert {"loss", "no_key"} <= set(said), "why there is no picture is told as well"


def test_wrong_checksums_are_told_apart(look, with_klv):
    broken = bytearray(with_klv)
    for number, packet in enumerate(klv.split(with_klv)):
        if number % 2:
            broken[broken.find(packet) + len(packet) - 1] ^= 0xFF
    found, said = look(bytes(broken))
    assert found.klv_checksum_errors == found.klv_errors == 13
    assert "13" in said["klv_errors"].fr


def test_another_codec_and_no_video_and_nobody(look, synthetic):
    found, said = look(synthetic.make_ts(10, codec="libx265"))
    assert verdict(list(said.values())) == 2
    assert "H.265" in said["codec"].fr
    _found, said = look(b"\x00" * 5000)
    assert verdict(list(said.values())) == 2
    found = measure(f"tcp://127.0.0.1:{free_port()}", 1)
    assert [remark.code for remark in judge(found)] == ["unreachable"]


def test_a_live_feed_tells_its_first_picture_and_its_progress(with_klv):
    sink, stop, shares = TcpSink("127.0.0.1", 0, listen=True), threading.Event(), []

    def play():
        while not stop.is_set():
            for at in range(0, len(with_klv), 1316):
                if stop.wait(1.2 * 1316 / len(with_klv)):
                    return
                sink.write(with_klv[at : at + 1316])
                sink.send()

    thread = threading.Thread(target=play)
    thread.start()
    try:
        found = measure(f"tcp://127.0.0.1:{sink.port}", 1.0, shares.append)
    finally:
        stop.set()
        thread.join()
        sink.close()
    assert found.error is None
    assert 0 < found.first_picture_s < 3
    assert shares == sorted(shares)
    assert shares[-1] > 0.5
    assert found.klv_clock_off_s < -3600, "the clip is of 2023"


@pytest.mark.parametrize(
    ("url", "kind", "seen"),
    [
        ("rtsp://chef:s3same@198.51.100.7:8554/h264/ch1", "rtsp", "rtsp://198.51.100.7:8554/…"),
        ("srt://198.51.100.7:9000?passphrase=s3same-ouvre-toi", "srt", "srt://198.51.100.7:9000"),
        ("rtmps://[2001:db8::1]/live/s3same", "rtmp", "rtmps://[2001:db8::1]/…"),
        ("rtsp://[broken", "rtsp", "?"),
        ("videos/clip.ts", "file", "videos/clip.ts"),
    ],
)
def test_no_secret_is_shown(url, kind, seen):
    assert (kind_of(url), shown(url)) == (kind, seen)


def test_a_file_of_another_rate_keeps_it(synthetic, tmp_path):
    path = tmp_path / "slow.mp4"
    path.write_bytes(synthetic.make_ts(20, fps=10, container="mp4"))
    found = measure(str(path), 1.0)
    assert found.fps == pytest.approx(10)
