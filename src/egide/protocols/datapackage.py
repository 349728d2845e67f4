"""TAK data packages: a ZIP with `MANIFEST/manifest.xml`. Looked at before anybody else is handed one; nothing is unpacked.

What is refused: a directory larger than a package needs (Zip64 included, which 64 MiB never need), names that lead out of the
folder one unpacks into, the same name twice, a manifest that unpacks to more than 1 MiB or is no plain XML (a document type, and
with it entities, is none), contents that unpack to more than 512 MiB by their own word. Source: PKWARE APPNOTE 6.3.10 §4.3, 4.4.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO
from xml.parsers import expat

MAGIC = b"PK\x03\x04"
EMPTY = b"PK\x05\x06"
END = struct.Struct("<4sHHHHIIH")  # end of central directory, APPNOTE §4.3.16
END_MAGIC, LOCATOR_MAGIC = b"PK\x05\x06", b"PK\x06\x07"
LOCATOR_SIZE = 20  # bytes, APPNOTE §4.3.15
MAX_COMMENT = 65_535  # bytes
MAX_DIRECTORY = 2 * 1024 * 1024  # bytes; some 20,000 entries
MAX_ENTRIES = 10_000
MAX_MANIFEST = 1024 * 1024  # bytes, unpacked
MAX_UNPACKED = 512 * 1024 * 1024  # bytes; eight times what a package may weigh
MANIFEST = "manifest/manifest.xml"


class PackageError(ValueError):
    """The package must not be handed on; the words say why."""


@dataclass(frozen=True, slots=True)
class Package:
    """What a package says of itself."""

    name: str
    entries: tuple[str, ...]
    contents: tuple[str, ...]  # entries that the manifest lists


def is_zip(head: bytes) -> bool:
    """Whether a file that begins so is a ZIP."""
    return head[:4] in (MAGIC, EMPTY)


def look(file: IO[bytes]) -> Package:
    """Reads directory and manifest of a package. Raises `PackageError`."""
    _bounded(file)
    try:
        with zipfile.ZipFile(file) as package:
            entries = _entries(package.infolist())
            manifest = next((info for info in package.infolist() if info.filename.lower() == MANIFEST), None)
            if manifest is None:
                return Package("", entries, ())
            with package.open(manifest) as inside:
                text = inside.read(MAX_MANIFEST + 1)
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        struct.error,
        zlib.error,
    ) as error:
        raise PackageError(f"the archive is damaged: {error}") from error
    except (UnicodeDecodeError, ValueError) as error:
        if isinstance(error, PackageError):
            raise
        raise PackageError("the archive is damaged") from error
    if len(text) > MAX_MANIFEST:
        raise PackageError(f"its manifest unpacks to more than {MAX_MANIFEST} bytes")
    name, contents = _manifest(text)
    missing = [entry for entry in contents if entry not in entries]
    if missing:
        raise PackageError("its manifest names a file that is not in it")
    return Package(name, entries, contents)


def _bounded(file: IO[bytes]) -> None:
    """Looks at the directory's size before anybody reads the directory into memory."""
    size = file.seek(0, 2)
    start = max(0, size - MAX_COMMENT - END.size - LOCATOR_SIZE)
    file.seek(start)
    tail = b""
    while more := file.read(size - start - len(tail)):
        tail += more
    at = tail.rfind(END_MAGIC)
    if at < 0 or len(tail) - at < END.size:
        raise PackageError("the archive has no end")
    _magic, disk, _of, here, total, directory, _offset, _comment = END.unpack_from(tail, at)
    if tail[max(0, at - LOCATOR_SIZE) : at].startswith(LOCATOR_MAGIC) or disk or here != total:
        raise PackageError("the archive is of a kind that packages do not need")
    if directory > MAX_DIRECTORY or total > MAX_ENTRIES:
        raise PackageError(f"the archive has more than {MAX_ENTRIES} entries")


def _entries(infos: list[zipfile.ZipInfo]) -> tuple[str, ...]:
    names = tuple(info.filename for info in infos)
    if len(infos) > MAX_ENTRIES:
        raise PackageError(f"the archive has more than {MAX_ENTRIES} entries")
    if len(set(names)) != len(names):
        raise PackageError("the archive has the same name twice")
    for info in infos:
        # What stood there before zipfile made it harmless is what other programs will unpack.
        for name in (info.filename, info.orig_filename):
            if not safe(name):
                raise PackageError("the archive has a name that leads out of its folder")
    if sum(info.file_size for info in infos) > MAX_UNPACKED:
        raise PackageError(f"the archive unpacks to more than {MAX_UNPACKED} bytes")
    return names


def safe(name: str) -> bool:
    """Whether a file of this name stays inside the folder one unpacks into, on any system."""
    parts = name.replace("\\", "/").split("/")
    absolute = name.startswith(("/", "\\")) or (len(name) > 1 and name[1] == ":")
    return bool(name) and not absolute and ".." not in parts and name.isprintable()


def _manifest(text: bytes) -> tuple[str, tuple[str, ...]]:
    name, contents = "", []
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal name
        if tag == "Content":
            contents.append(attributes.get("zipEntry", ""))
        elif tag == "Parameter" and attributes.get("name") == "name":
            name = attributes.get("value", "")

    def doctype(*_told: object) -> None:
        raise PackageError("its manifest has a document type")

    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise PackageError(f"its manifest is no XML: {error}") from error
    if not all(safe(entry) for entry in contents):
        raise PackageError("its manifest names a file outside of it")
    return name[:200], tuple(contents)
