"""What a file is: by its first bytes, its declared type and the ending of its name, which must agree; and what it hides.

Why our own: there are eleven kinds (upload_kinds.toml), a general library guesses widely (one called a plain ZIP a .docx), and
what is asked here is narrow: is it this, and is it nothing else besides. Sources: JPEG ITU-T T.81 B.1.1.3, PNG ISO 15948 §5.2,
RIFF (WebP RFC 9649, WAVE), ISO/IEC 14496-12 §4.3 (brands of `ftyp`), ISO 23008-12 annex B (HEIF brands), Matroska RFC 9559 and
EBML RFC 8794, Ogg RFC 3533 §6, ID3v2 §3.1, PDF ISO 32000-2 §7.5.2, ZIP APPNOTE 4.3.16 (its end is what makes a ZIP).
"""

from __future__ import annotations

import codecs
import io
import tomllib
import zipfile
from functools import cache
from importlib.resources import files
from typing import IO, Literal

import msgspec

from egide.kernel.capability import Words
from egide.kernel.errors import BadInput, Text

HEAD = 4096  # bytes looked at from the beginning
PDF_REACH = 1024  # bytes in which readers look for a PDF's beginning, ISO 32000-1 annex H, note 13
BLOCK = 256 * 1024  # bytes of text looked at at once
UNDECLARED = frozenset({"", "application/octet-stream"})  # what a browser says that does not know
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
MPEG_SYNC = frozenset({0xFB, 0xFA, 0xF3, 0xF2, 0xE3, 0xE2})  # second byte of a layer III frame
Making = Literal["picture", "document", "film", "text", "none"]


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of file that people may send."""

    id: str
    title: Words
    media: tuple[str, ...]
    endings: tuple[str, ...]
    copy: Making
    max_mib: int


class _Kinds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: tuple[Kind, ...]


@cache
def kinds() -> dict[str, Kind]:
    """The kinds by id, read once."""
    text = (files("egide.services") / "upload_kinds.toml").read_text("utf-8")
    return {kind.id: kind for kind in msgspec.convert(tomllib.loads(text), _Kinds).kind}


def sniff(head: bytes) -> str | None:
    """The kind's id by the first bytes; text is what none of the others is and has no NUL; None: nothing that we take."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"%PDF-"):
        return "pdf"
    if head.startswith(b"OggS"):
        return "ogg"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "webm" if b"\x42\x82\x84webm" in head[:128] else None  # DocType, of four bytes
    if head.startswith(b"RIFF"):
        return {b"WEBP": "webp", b"WAVE": "wav"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _brand(head)
    if head.startswith(b"ID3") or (len(head) > 1 and head[0] == 0xFF and head[1] in MPEG_SYNC):
        return "mp3"
    return "text" if head and b"\0" not in head and not head.startswith((b"PK\x03\x04", b"MZ")) else None


def _brand(head: bytes) -> str | None:
    size = int.from_bytes(head[:4], "big")
    brands = {head[8:12]} | {head[at : at + 4] for at in range(16, min(size, len(head)) - 3, 4)}
    if head[8:12] in HEIF_BRANDS:
        return "heic"
    return None if brands & {b"avif", b"avis"} else "mp4"


def recognise(name: str, media: str, content: IO[bytes]) -> Kind:
    """The kind of a file whose content, declared type and name agree and that is nothing else besides. Raises `BadInput`."""
    content.seek(0)
    head = content.read(HEAD)
    kind = kinds().get(sniff(head) or "")
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if kind is None:
        raise _unknown()
    told = media.partition(";")[0].strip().lower()
    if ending not in kind.endings or (told not in UNDECLARED and told not in kind.media):
        raise _other(kind)
    if content.seek(0, io.SEEK_END) > kind.max_mib * 1024 * 1024:
        raise _large(kind)
    if _hides(kind, head, content):
        raise _double(kind)
    if kind.id == "text" and not is_text(content):
        raise _other(kind)
    return kind


def _hides(kind: Kind, head: bytes, content: IO[bytes]) -> bool:
    """Whether a reader of another kind would find something of its own in it: a ZIP's end, a PDF's beginning."""
    content.seek(0)
    if zipfile.is_zipfile(content):
        return True
    return kind.id not in ("pdf", "text") and b"%PDF-" in head[:PDF_REACH]


def is_text(content: IO[bytes]) -> bool:
    """Whether the whole is text in UTF-8, or in the old Windows encoding, without a NUL."""
    return encoding(content) is not None


def encoding(content: IO[bytes]) -> str | None:
    """In which encoding the whole is text; None: in none."""
    for name in ("utf-8-sig", "cp1252"):
        content.seek(0)
        decoder = codecs.getincrementaldecoder(name)()
        try:
            while block := content.read(BLOCK):
                if "\0" in decoder.decode(block):
                    return None
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            continue
        return name
    return None


def _accepted() -> Text:
    known = kinds().values()
    return Text(
        f"Envoyez l’un de ces formats : {', '.join(kind.title.fr for kind in known)}. Ce que vous avez écrit est gardé.",
        f"Send one of these formats: {', '.join(kind.title.en for kind in known)}. What you wrote is kept.",
    )


def _unknown() -> BadInput:
    return BadInput(
        Text("Ce format de fichier n’est pas accepté.", "This file format is not accepted."),
        _accepted(),
    )


def _other(kind: Kind) -> BadInput:
    return BadInput(
        Text(
            f"Le contenu de ce fichier ({kind.title.fr}) n’est pas ce que dit son nom ou son type.",
            f"The content of this file ({kind.title.en}) is not what its name or type says.",
        ),
        Text(
            f"Choisissez le fichier d’origine, ou donnez-lui la bonne terminaison (.{kind.endings[0]}). Ce que vous avez écrit est gardé.",
            f"Choose the original file, or give it the right ending (.{kind.endings[0]}). What you wrote is kept.",
        ),
    )


def _large(kind: Kind) -> BadInput:
    return BadInput(
        Text(
            f"Fichier trop volumineux pour un format « {kind.title.fr} » : {kind.max_mib} Mio au plus.",
            f"The file is too large for the format “{kind.title.en}”: {kind.max_mib} MiB at most.",
        ),
        Text(
            "Envoyez-le en plusieurs fichiers. Ce que vous avez écrit est gardé.",
            "Send it as several files. What you wrote is kept.",
        ),
    )


def _double(kind: Kind) -> BadInput:
    return BadInput(
        Text(
            f"Ce fichier ({kind.title.fr}) en contient un autre, caché.",
            f"This file ({kind.title.en}) contains another one, hidden.",
        ),
        Text(
            "Ouvrez-le, enregistrez-le de nouveau sous un autre nom et envoyez cette copie. Ce que vous avez écrit est gardé.",
            "Open it, save it again under another name and send that copy. What you wrote is kept.",
        ),
    )
