"""What a look at a source tells, in figures or in one plain sentence."""

import time

import pytest
from tests.ports import free_port

from egide.operations.media.errors import _SENTENCES, SourceError, source_error
from egide.operations.media.source import SourceSpec, Track, probe


def write(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return SourceSpec("s", "file", str(path))


def code_of(spec, timeout=2.0):
    began = time.monotonic()
    with pytest.raises(SourceError) as caught:
        probe(spec, timeout)
    assert time.monotonic() - began < timeout + 1.5
    assert caught.value.fr != caught.value.en
    return caught.value.code


@pytest.mark.parametrize("container", ["mpegts", "mp4", "matroska", "avi"])
def test_a_file_tells_its_facts(synthetic, tmp_path, container):
    buffer = tmp_path / "clip"
    if container == "mp4":  # its multiplexer must seek back, and is given a real file name by that
        container = "mov"
    spec = write(tmp_path, buffer.name, synthetic.make_ts(20, container=container))
    facts = probe(spec)
    assert (facts.width, facts.height, facts.fps) == (320, 240, 25.0)
    assert facts.codec.startswith("avc1.")
    assert (facts.has_audio, facts.has_klv) == (False, False)
    assert facts.tracks == (Track("video", "h264"),)


def test_klv_and_sound_are_reported(tmp_path, with_klv, with_audio):
    assert probe(write(tmp_path, "k.ts", with_klv)).has_klv
    facts = probe(write(tmp_path, "a.ts", with_audio))
    assert facts.has_audio
    assert Track("audio", "aac") in facts.tracks


def test_a_real_camera_file_is_reported_with_its_sound(shared_data):
    facts = probe(SourceSpec("car", "file", str(shared_data / "video" / "car-detection.mp4")))
    assert (facts.codec, facts.width, facts.height, facts.fps) == ("avc1.428016", 768, 432, 12.5)
    assert facts.has_audio


def test_a_listened_port_tells_its_facts(synthetic, with_klv):
    port = free_port()
    with synthetic.Sender(port, [with_klv, with_klv], seconds=1.2):
        facts = probe(SourceSpec("drone", "udp", f"udp://127.0.0.1:{port}"), 4.0)
    assert (facts.width, facts.has_klv) == (320, True)


@pytest.mark.parametrize(
    ("kind", "url", "code"),
    [
        ("file", "/nowhere/at/all.mp4", "file"),
        ("file", "/dev/zero", "file"),
        ("file", "bad\x00name", "file"),
        ("udp", "udp://127.0.0.1", "address"),
        ("udp", "udp://127.0.0.1:99999", "address"),
        ("udp", "rtsp://127.0.0.1:5000", "address"),
        ("udp", "udp://192.0.2.1:5000", "port"),
        ("rtsp", "http://127.0.0.1/", "address"),
        ("rtsp", "rtsp://127.0.0.1:1/x", "unreachable"),
    ],
)
def test_a_wrong_address_is_told(kind, url, code):
    assert code_of(SourceSpec("s", kind, url)) == code


def test_a_silent_port_is_told_in_time(synthetic):
    assert code_of(SourceSpec("s", "udp", f"udp://127.0.0.1:{free_port()}"), 0.6) == "silent"


def test_a_port_already_taken_is_told(synthetic):
    port = free_port()
    with synthetic.Receiver(port):
        assert code_of(SourceSpec("s", "udp", f"udp://127.0.0.1:{port}")) == "port"


def test_bad_files_are_told(synthetic, tmp_path, plain):
    assert code_of(write(tmp_path, "empty", b"")) == "truncated"
    assert code_of(write(tmp_path, "text.mp4", b"this is no video at all\n" * 50)) == "truncated"
    assert code_of(write(tmp_path, "short.ts", plain[: 188 * 6])) == "truncated"
    assert code_of(write(tmp_path, "sound", synthetic.make_ts(5, codec="mpeg2video"))) == "codec"
    assert code_of(write(tmp_path, "mpeg2.mov", synthetic.make_ts(5, codec="mpeg4", container="mov"))) == "codec"
    whole = synthetic.make_ts(20, container="mov")
    assert code_of(write(tmp_path, "cut.mov", whole[: len(whole) // 2])) == "truncated"


def test_a_playlist_cannot_open_another_file(tmp_path, plain):
    write(tmp_path, "clip.ts", plain)
    lists = {
        "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\nclip.ts\n#EXT-X-ENDLIST\n",
        "list.ffconcat": "ffconcat version 1.0\nfile clip.ts\n",
    }
    for name, text in lists.items():
        assert code_of(write(tmp_path, name, text.encode())) == "truncated"


def test_every_sentence_says_what_and_what_to_do():
    for code in _SENTENCES:
        error = source_error(code, url="x", port=1, codec="x")
        for text in error.text:
            assert text.count(".") >= 2, code
            assert "{" not in text
