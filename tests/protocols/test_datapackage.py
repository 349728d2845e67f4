"""Data packages: what a good one says, and that nothing else than `PackageError` comes of anything at all."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from egide.protocols.datapackage import MAX_MANIFEST, MAX_UNPACKED, PackageError, is_zip, look, safe

CASES = int(os.environ.get("EGIDE_FUZZ", "150"))
MANIFEST = b'<MissionPackageManifest version="2"><Configuration><Parameter name="name" value="Plan"/></Configuration><Contents><Content zipEntry="a/b.jpg"/></Contents></MissionPackageManifest>'


def package(**files: bytes) -> bytes:
    """A ZIP; the names have their slash written as two underscores."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(name.replace("__", "/"), content)
    return made.getvalue()


GOOD = package(MANIFEST__manifest_xml=b"", a__b=b"x")


def with_manifest(manifest: bytes, name: str = "MANIFEST/manifest.xml") -> bytes:
    """A package with this manifest and one file."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(name, manifest)
        out.writestr("a/b.jpg", b"x")
    return made.getvalue()


def test_a_good_one() -> None:
    for name in ("MANIFEST/manifest.xml", "manifest/MANIFEST.XML"):
        found = look(io.BytesIO(with_manifest(MANIFEST, name)))
        assert (found.name, found.contents) == ("Plan", ("a/b.jpg",))
    assert look(io.BytesIO(package(a=b"x"))).contents == ()
    assert is_zip(with_manifest(MANIFEST))
    assert not is_zip(b"<kml/>")


@pytest.mark.parametrize(
    ("name", "good"),
    [("a/b", True), ("a..b", True), ("", False), ("..", False), ("a/../b", False), ("/a", False), ("\\a", False), ("a\\..\\b", False), ("C:a", False), ("a\x00", False)],
)  # fmt: skip
def test_names(name: str, good: bool) -> None:
    assert safe(name) is good


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (b"", "no XML"),
        (b"<M>" + b"x" * MAX_MANIFEST + b"</M>", "unpacks to more"),
        (b'<!DOCTYPE M SYSTEM "file:///etc/passwd"><M/>', "document type"),
        (b'<M><Content zipEntry="gone"/></M>', "not in it"),
        (b'<M><Content zipEntry="../x"/></M>', "outside"),
        (b"<M/>" * 2, "no XML"),
    ],
)
def test_manifests(manifest: bytes, why: str) -> None:
    with pytest.raises(PackageError, match=why):
        look(io.BytesIO(with_manifest(manifest)))


def test_the_same_name_twice() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        out.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            out.writestr("a", b"2")
    with pytest.raises(PackageError, match="twice"):
        look(made)


def test_what_it_unpacks_to_by_its_own_word() -> None:
    content = bytearray(package(a=b"x"))
    at = content.rfind(b"PK\x01\x02")
    struct.pack_into("<I", content, at + 24, MAX_UNPACKED + 1)
    with pytest.raises(PackageError, match="unpacks to more"):
        look(io.BytesIO(bytes(content)))


def test_zip64_and_giant_directories() -> None:
    content = bytearray(package(a=b"x"))
    at = content.rfind(b"PK\x05\x06")
    for offset, kind, value in ((12, "<I", 1 << 31), (10, "<H", 0xFFFF), (4, "<H", 1)):
        wrong = bytearray(content)
        struct.pack_into(kind, wrong, at + offset, value)
        with pytest.raises(PackageError):
            look(io.BytesIO(bytes(wrong)))
    with pytest.raises(PackageError, match="kind"):
        look(io.BytesIO(bytes(content[:at]) + b"PK\x06\x07" + bytes(16) + bytes(content[at:])))


@settings(max_examples=CASES)
@given(some.binary(max_size=300), some.integers(0, len(GOOD)), some.integers(0, 40))
def test_anything_may_come(noise: bytes, at: int, cut: int) -> None:
    for content in (noise, GOOD[:at] + noise + GOOD[at + cut :], b"PK\x03\x04" + noise):
        with suppress(PackageError):
            look(io.BytesIO(content))
