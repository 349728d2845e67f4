"""The files of the chip (ICAO Doc 9303 part 10, LDS 1.7 and 1.8): their names, EF.COM, DG1, DG2. Nothing is decoded here.

DG2 holds a facial record of ISO/IEC 19794-5:2005 in the wrapping of ISO/IEC 7816-11 (CBEFF). Of the record only the picture is
taken: what it says besides of sex, eyes, hair and expression has no use here.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from egide.protocols.emrtd import tlv
from egide.protocols.emrtd.errors import EmrtdError

MAX_FILE = 256 * 1024  # bytes; a portrait of the largest advised size has 40 kB (part 9 §3.9.1 advises 15 to 20)
MAX_GROUPS = 16
MAX_FACES = 4
MAX_POINTS = 512  # feature points of one face
# The files of the application, their identifiers and outer tags (part 10 tables 36 and 40).
FILES: dict[str, int] = {"COM": 0x011E, "SOD": 0x011D} | {f"DG{each}": 0x0100 + each for each in range(1, 17)}
CARD_ACCESS = 0x011C  # beside the application
TAGS = {
    0x60: "COM", 0x77: "SOD", 0x61: "DG1", 0x75: "DG2", 0x63: "DG3", 0x76: "DG4", 0x65: "DG5", 0x66: "DG6", 0x67: "DG7", 0x68: "DG8",
    0x69: "DG9", 0x6A: "DG10", 0x6B: "DG11", 0x6C: "DG12", 0x6D: "DG13", 0x6E: "DG14", 0x6F: "DG15", 0x70: "DG16",
}  # fmt: skip
TAG_OF = {name: tag for tag, name in TAGS.items()}
# Length of the zone in DG1 to (lines, characters).
SHAPES = {88: (2, 44), 90: (3, 30), 72: (2, 36)}

ImageFormat = Literal["jpeg", "jpeg2000"]
MAGIC: tuple[tuple[bytes, ImageFormat], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jpeg2000"),
    (b"\xff\x4f\xff\x51", "jpeg2000"),  # a bare codestream
)


class Common(msgspec.Struct, frozen=True):
    """EF.COM, which nobody signs: the version of the LDS ("0107") and the data groups it says there are."""

    version: str
    groups: tuple[str, ...]


class Portrait(msgspec.Struct, frozen=True):
    """The picture as it is on the chip: its bytes, and the size that the record states (pixels; 0: not stated)."""

    image: bytes
    format: ImageFormat
    width: int
    height: int


def common(data: bytes) -> Common:
    """Reads EF.COM. Raises `EmrtdError`."""
    value = tlv.only(_bounded(data), 0x60)
    version, tags = tlv.first(value, 0x5F01), tlv.first(value, 0x5C)
    if len(version) != 4 or not version.isdigit() or len(tags) > MAX_GROUPS:
        raise EmrtdError("malformed", "a version or a list of groups that is none")
    unknown = [each for each in tags if TAGS.get(each, "COM") in {"COM", "SOD"}]
    if unknown:
        raise EmrtdError("malformed", "a data group that there is not")
    return Common(version.decode(), tuple(TAGS[each] for each in tags))


def zone(data: bytes) -> tuple[str, ...]:
    """The lines of the machine-readable zone in DG1. Raises `EmrtdError`."""
    text = tlv.first(tlv.only(_bounded(data), 0x61), 0x5F1F)
    if len(text) not in SHAPES or not text.isascii():
        raise EmrtdError("malformed", "a zone of a length that there is not")
    count, width = SHAPES[len(text)]
    return tuple(text[width * each : width * (each + 1)].decode() for each in range(count))


def written_zone(lines: tuple[str, ...]) -> bytes:
    """DG1 of a zone."""
    return tlv.encode(0x61, tlv.encode(0x5F1F, "".join(lines).encode("ascii")))


def portrait(data: bytes) -> Portrait:
    """The first picture in DG2. Raises `EmrtdError`."""
    group = tlv.first(tlv.only(_bounded(data), 0x75), 0x7F61)
    count = tlv.number(tlv.first(group, tlv.INTEGER), MAX_FACES)
    if count < 1:
        raise EmrtdError("malformed", "a portrait group without a portrait")
    template = tlv.first(group, 0x7F60)
    for each in tlv.children(template):
        if each.tag in {0x5F2E, 0x7F2E}:
            return _facial(each.value)
    raise EmrtdError("malformed", "a portrait without its record")


def written_portrait(image: bytes, format_: ImageFormat, width: int, height: int) -> bytes:
    """DG2 of one picture, with a facial record of 19794-5 that says nothing of the person."""
    block = bytes(14)  # feature points, sex, eyes, hair, features, expression, pose, its uncertainty: unspecified
    kind = b"\x01" + (b"\x00" if format_ == "jpeg" else b"\x01")  # full frontal, the image's coding
    information = kind + width.to_bytes(2, "big") + height.to_bytes(2, "big") + b"\x01\x00" + bytes(4)
    length = 20 + len(information) + len(image)
    face = length.to_bytes(4, "big") + bytes(2) + block + information + image
    record = b"FAC\x00010\x00" + (14 + len(face)).to_bytes(4, "big") + b"\x00\x01" + face
    # Patron header of CBEFF: version, type "facial features", format owner 0101, format type 0008.
    header = tlv.encode(0xA1, tlv.encode(0x80, b"\x01\x01"), tlv.encode(0x81, b"\x02"), tlv.encode(0x87, b"\x01\x01"), tlv.encode(0x88, b"\x00\x08"))  # fmt: skip
    template = tlv.encode(0x7F60, header, tlv.encode(0x5F2E, record))
    return tlv.encode(0x75, tlv.encode(0x7F61, tlv.encode(tlv.INTEGER, b"\x01"), template))


def _facial(record: bytes) -> Portrait:
    """ISO/IEC 19794-5:2005 §5: header of 14 bytes; each face 20 bytes, its feature points, 12 bytes of the image, the image."""
    if len(record) < 14 + 20 + 12 or not record.startswith(b"FAC\x00010\x00"):
        raise EmrtdError("malformed", "not a facial record of ISO/IEC 19794-5:2005")
    whole, faces = int.from_bytes(record[8:12], "big"), int.from_bytes(record[12:14], "big")
    length, points = int.from_bytes(record[14:18], "big"), int.from_bytes(record[18:20], "big")
    start = 14 + 20 + 8 * points
    if whole != len(record) or not 1 <= faces <= MAX_FACES or points > MAX_POINTS:
        raise EmrtdError("malformed", "a facial record whose counts do not hold")
    if not start + 12 < 14 + length <= whole:
        raise EmrtdError("malformed", "a face whose length does not hold")
    information, image = record[start : start + 12], record[start + 12 : 14 + length]
    found = next((format_ for magic, format_ in MAGIC if image.startswith(magic)), None)
    if found is None:
        raise EmrtdError("unsupported", "a portrait that is neither JPEG nor JPEG 2000")
    # The image tells its own coding; records that state the wrong one are in use.
    return Portrait(image, found, int.from_bytes(information[2:4], "big"), int.from_bytes(information[4:6], "big"))


def _bounded(data: bytes) -> bytes:
    if len(data) > MAX_FILE:
        raise EmrtdError("too-large", f"a file of more than {MAX_FILE} bytes")
    return data
