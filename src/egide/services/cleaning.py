"""Copies without what their makers did not mean to tell: pictures drawn anew, documents without metadata, scripts, attachments.

A photo says where and when it was taken and on which device (EXIF, XMP, maker notes, a thumbnail of what was cut away); a PDF
says who wrote it, and may act. Pure: bytes in, bytes out. Runs in a process apart (apart.py). Sources: Exif 3.0 (CIPA DC-008),
JPEG ITU-T T.81 B.1.1.3; PDF ISO 32000-2 §12.6 (actions), §7.11.4 (embedded files), §14.3 (metadata), §12.7.8 (XFA).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pikepdf
from PIL import Image, ImageCms, ImageOps

from egide.services.apart import MAX_POINTS

MAX_SIDE = 4096  # points of the copy's longer side
FORMATS = ("JPEG", "PNG", "WEBP")
ACTS = frozenset({
    "/JavaScript", "/Launch", "/ImportData", "/SubmitForm", "/GoToE", "/Rendition", "/RichMediaExecute", "/Movie", "/Sound",
})  # fmt: skip
CARRIERS = frozenset({"/FileAttachment", "/RichMedia", "/3D", "/Screen", "/Movie", "/Sound"})  # annotations
ACTIVE_KEYS = frozenset({"/JS", "/JavaScript", "/EmbeddedFiles", "/EF", "/XFA"})
TELLING_KEYS = frozenset({"/Metadata", "/PieceInfo", "/LastModified", "/Thumb", "/AF", "/RF", "/AA", "/SpiderInfo"})
JPEG = pikepdf.Name("/DCTDecode")
DEPTH = 64  # direct objects within one another

Told = tuple[dict[str, Any], bytes]


def measure_picture(content: bytes) -> Told:
    """How many points it has, from its header alone."""
    Image.MAX_IMAGE_PIXELS = None  # whoever asks decides; nothing is decoded here
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        return {"points": image.width * image.height}, b""


def picture(content: bytes) -> Told:
    """The picture drawn anew: upright, in sRGB, of `MAX_SIDE` at most, with nothing but its points. A moving one: its first."""
    Image.MAX_IMAGE_PIXELS = MAX_POINTS
    with Image.open(io.BytesIO(content), formats=FORMATS) as image:
        if image.width * image.height > MAX_POINTS:
            raise ValueError("too many points")
        form = image.format
        image.draft("RGB", (MAX_SIDE, MAX_SIDE))
        upright = _standard(ImageOps.exif_transpose(image))
    upright.thumbnail((MAX_SIDE, MAX_SIDE))
    clear = "RGBA" if "A" in upright.getbands() and form != "JPEG" else "RGB"
    drawn = Image.new(clear, upright.size)
    drawn.paste(upright.convert(clear))
    out = io.BytesIO()
    drawn.save(out, form, quality=88)
    return {"width": drawn.width, "height": drawn.height}, out.getvalue()


def _standard(image: Image.Image) -> Image.Image:
    """Its colours as a screen shows them: a device's colour profile goes, what it says is applied."""
    if "transparency" in image.info or image.mode == "P":
        image = image.convert("RGBA")
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "RGBA", "CMYK"):
        mode = "RGBA" if image.mode == "RGBA" else "RGB"
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            found = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode=mode)
        except (ImageCms.PyCMSError, OSError, ValueError):  # a profile that says nothing: the points as they are
            return image
        return image if found is None else found
    return image


def look_document(content: bytes) -> Told:
    """Whether it needs a password, and what in it acts or is a file of its own."""
    try:
        with pikepdf.open(io.BytesIO(content)) as pdf:
            return {"locked": False, "pages": len(pdf.pages), "active": sorted(_active(pdf))}, b""
    except pikepdf.PasswordError:
        return {"locked": True, "pages": 0, "active": []}, b""


def document(content: bytes) -> Told:
    """The document without metadata, scripts, attachments and forms that act, written anew, then looked at again."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(content)) as pdf:
        found = sorted(_active(pdf))
        for key in ("/Info", "/ID"):
            if key in pdf.trailer:
                del pdf.trailer[key]
        for each in _dictionaries(pdf):
            _quiet(each)
        pdf.save(out, fix_metadata_version=False, deterministic_id=True, encryption=False)
    with pikepdf.open(io.BytesIO(out.getvalue())) as again:
        if _active(again):
            raise ValueError("still acts")
    return {"removed": found}, out.getvalue()


def _active(pdf: pikepdf.Pdf) -> set[str]:
    found: set[str] = set()
    for each in _dictionaries(pdf):
        found |= ACTIVE_KEYS & set(each.keys())
        found |= {name for name in (_name(each, "/S"),) if name in ACTS}
        found |= {name for name in (_name(each, "/Subtype"),) if name in CARRIERS}
    return found


def _dictionaries(pdf: pikepdf.Pdf) -> Iterator[Any]:
    """Every dictionary there is, those within others too, and those of streams."""
    yield pdf.trailer
    for each in pdf.objects:
        yield from _within(each, DEPTH)


def _within(each: Any, depth: int) -> Iterator[Any]:
    if not depth:
        raise ValueError("too deep")
    if isinstance(each, pikepdf.Array):
        children = list(each)
    elif isinstance(each, pikepdf.Dictionary | pikepdf.Stream):
        yield each
        children = [each[key] for key in each.keys()]  # noqa: SIM118 — a PDF's dictionary iterates over nothing else
    else:
        return
    for child in children:
        if not getattr(child, "is_indirect", True):  # numbers and words come as Python's own
            yield from _within(child, depth - 1)


def _quiet(each: Any) -> None:
    """Takes out of one dictionary what acts and what tells; of a JPEG within, what its camera wrote."""
    for key in list(each.keys()):
        if key in ACTIVE_KEYS or key in TELLING_KEYS or (key != "/Length" and _acts(each[key])):
            del each[key]
        elif isinstance(each[key], pikepdf.Array) and any(_acts(child) for child in each[key]):
            each[key] = pikepdf.Array([child for child in each[key] if not _acts(child)])
    if isinstance(each, pikepdf.Stream) and each.get("/Filter") in (JPEG, pikepdf.Array([JPEG])):
        each.write(without_segments(each.read_raw_bytes()), filter=JPEG)


def _acts(value: Any) -> bool:
    if not isinstance(value, pikepdf.Dictionary | pikepdf.Stream):
        return False
    return _name(value, "/S") in ACTS or _name(value, "/Subtype") in CARRIERS


def _name(each: Any, key: str) -> str:
    found = each.get(key)
    return str(found) if isinstance(found, pikepdf.Name) else ""


def without_segments(jpeg: bytes) -> bytes:
    """A JPEG without its application segments and comments but Adobe's (APP14), which says how its colours are meant."""
    if not jpeg.startswith(b"\xff\xd8"):
        return jpeg
    kept, at = bytearray(jpeg[:2]), 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF and jpeg[at + 1] != 0xDA:  # until the picture's own data
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        marker = jpeg[at + 1]
        if not (0xE0 <= marker <= 0xEF or marker == 0xFE) or marker == 0xEE:
            kept += jpeg[at:end]
        at = end
    return bytes(kept + jpeg[at:])
