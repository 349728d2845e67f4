"""Copies of films and sounds, and of pictures in odd forms; what a parser cannot finish is said, and ends nothing else."""

from __future__ import annotations

import io
import os
import zlib

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from egide.services import apart, cleaning, copies
from egide.services.sniffing import kinds, recognise, sniff
from tests.services.desk import MAKER, photo

CASES = int(os.environ.get("EGIDE_FUZZ", "200"))
TELLING = (b"SECRETTITLE", b"SECRETCOMMENT", b"SECRETHANDLER", b"SECRETTRACK", b"48.8577", b"SECRETCOVER")
FILMS = {
    "a.mp4": ("mp4", "libx264", "aac"), "a.mov": ("mov", "mpeg4", "aac"), "a.m4a": ("mp4", None, "aac"), "a.webm": ("webm", "libvpx", "libopus"),
    "a.mp3": ("mp3", None, "libmp3lame"), "a.wav": ("wav", None, "pcm_s16le"), "a.ogg": ("ogg", None, "libopus"),
}  # fmt: skip


def film(form: str, video: str | None, audio: str | None) -> bytes:
    """A second of film that tells its title, its place and its tracks."""
    out = io.BytesIO()
    with av.open(out, "w", format=form) as made:
        made.metadata.update({"title": "SECRETTITLE", "location": "+48.8577+002.295/", "comment": "SECRETCOMMENT"})
        if video:
            pictures = made.add_stream(video, rate=10)
            pictures.width = pictures.height = 64
            pictures.pix_fmt = "yuv420p"
            pictures.metadata["handler_name"] = "SECRETHANDLER"
        sounds = made.add_stream(audio, rate=48000)
        sounds.layout = "mono"
        sounds.metadata["title"] = "SECRETTRACK"
        for number in range(10 if video else 0):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), number * 20, np.uint8), format="rgb24")
            frame.pts = number
            made.mux(pictures.encode(frame))
        if video:
            made.mux(pictures.encode(None))
        for number in range(40):
            wave = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.int16), format="s16", layout="mono")
            wave.sample_rate, wave.pts = 48000, number * 960
            made.mux(sounds.encode(wave))
        made.mux(sounds.encode(None))
    return out.getvalue()


def shown(content: bytes) -> list[tuple[str, int]]:
    """How many packets each picture and sound has."""
    with av.open(io.BytesIO(content)) as opened:
        counted = {stream.index: 0 for stream in opened.streams}
        for packet in opened.demux():
            counted[packet.stream.index] += packet.size > 0
        return [(stream.type, counted[stream.index]) for stream in opened.streams]


@pytest.mark.parametrize("name", FILMS)
def test_copy_of_a_film_has_its_pictures_and_sounds_and_tells_nothing(name: str) -> None:
    original = film(*FILMS[name])
    assert any(word in original for word in TELLING)
    kind = recognise(name, "", io.BytesIO(original))
    made = b"".join(copies.copied(kind, io.BytesIO(original)))
    assert not [word for word in TELLING if word in made]
    assert sniff(made[:4096]) == kind.id
    assert shown(made) == shown(original)


def test_text_is_copied_in_one_encoding() -> None:
    content = "Déposé à Évry".encode("cp1252")
    kind = recognise("a.txt", "text/plain", io.BytesIO(content))
    assert b"".join(copies.copied(kind, io.BytesIO(content))).decode() == "Déposé à Évry"


def test_large_and_odd_pictures() -> None:
    told, made = apart.run("picture", io.BytesIO(photo(size=(5000, 2500))))
    assert (told["width"], told["height"]) == (2048, 4096)
    assert MAKER not in made
    for mode in ("P", "LA", "CMYK", "I;16", "1", "RGBA"):
        form = "JPEG" if mode == "CMYK" else "PNG"
        out = io.BytesIO()
        Image.new(mode, (20, 10)).save(out, form)
        told, made = cleaning.picture(out.getvalue())
        assert (told["width"], sniff(made[:4096])) == (20, form.lower())


def test_what_crashes_or_never_ends_is_unreadable_and_ends_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for task, content in (
        ("picture", b"\xff\xd8\xff" + bytes(99)),
        ("document", b"%PDF-1.4 none"),
        ("no such task", b""),
    ):
        with pytest.raises(apart.Unreadable):
            apart.run(task, io.BytesIO(content))
    monkeypatch.setattr(apart, "WAIT_S", 0.001)
    with pytest.raises(apart.Unreadable):
        apart.run("picture", io.BytesIO(photo()))
    with pytest.raises(apart.Unreadable):
        list(copies.copied(kinds()["mp4"], io.BytesIO(b"\0\0\0\x18ftypisom" + bytes(500))))


def inflating(blocks: int) -> bytes:
    """An empty document whose objects are followed by so many blocks of 16 MiB of nothing."""
    catalog, pages = b"<</Type/Catalog/Pages 4 0 R>> ", b"<</Type/Pages/Kids[]/Count 0>> "
    numbers = b"3 0 4 %d " % len(catalog)
    packer = zlib.compressobj(9)
    begin = packer.compress(numbers + catalog + pages) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1 << 24)) + packer.flush(zlib.Z_FULL_FLUSH)  # flushed blocks stand alone
    stream = begin + block * blocks + packer.compress(b" ") + b"\x03\0"
    head = b"%PDF-1.5\n"
    packed = b"1 0 obj\n<</Type/ObjStm/N 2/First %d/Filter/FlateDecode/Length %d>>\nstream\n" % (
        len(numbers),
        len(stream),
    )
    body = head + packed + stream + b"\nendstream\nendobj\n"
    rows = [(1, len(head), 0), (1, len(body), 0), (2, 1, 0), (2, 1, 1)]
    index = b"".join(bytes([kind]) + place.to_bytes(4, "big") + bytes([number]) for kind, place, number in rows)
    table = b"2 0 obj\n<</Type/XRef/Size 5/Index[1 4]/W[1 4 1]/Root 3 0 R/Length %d>>\nstream\n" % len(index)
    return body + table + index + b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % len(body)


def test_document_that_inflates_without_end_ends_in_its_own_process() -> None:
    assert apart.run("look-document", io.BytesIO(inflating(1)))[0]["active"] == []
    bomb = inflating(128)
    assert len(bomb) < 4 * 1024 * 1024
    with pytest.raises(apart.Unreadable):
        apart.run("look-document", io.BytesIO(bomb))


@settings(max_examples=CASES, deadline=None)
@given(content=st.one_of(st.binary(max_size=200), st.sampled_from([b"\xff\xd8\xff", b"RIFF", b"ID3", b"OggS", b"\0\0\0\x20ftyp"]).flatmap(
    lambda head: st.binary(max_size=100).map(lambda rest: head + rest))))  # fmt: skip
def test_any_bytes_are_of_one_kind_or_none(content: bytes) -> None:
    found = sniff(content)
    assert found is None or found in kinds()


@settings(max_examples=CASES, deadline=None)
@given(content=st.binary(max_size=300))
def test_segments_of_any_jpeg(content: bytes) -> None:
    for jpeg in (content, b"\xff\xd8" + content, b"\xff\xd8\xff\xe1" + content):
        assert len(cleaning.without_segments(jpeg)) <= len(jpeg)
    clean = cleaning.without_segments(photo())
    with Image.open(io.BytesIO(clean)) as image:
        image.load()
        assert image.size == (300, 200)
    assert MAKER not in clean


def test_brands() -> None:
    def box(*brands: bytes) -> bytes:
        inside = brands[0] + bytes(4) + b"".join(brands)
        return (8 + len(inside)).to_bytes(4, "big") + b"ftyp" + inside

    assert [sniff(box(brand)) for brand in (b"heic", b"mif1", b"qt  ", b"isom", b"M4A ", b"avif")] == [
        "heic",
        "heic",
        "mp4",
        "mp4",
        "mp4",
        None,
    ]
    assert sniff(box(b"mif1", b"avif")) == "heic"
