"""A receipt that anyone can verify without learning who: number, service, day, unit and the ledger's head, signed.

Why so little: whoever is shown a receipt (an insurer, a bank, an employer) needs to know that it is real, not whose it is.
The code travels in the fragment of an address, which browsers never send, so that no log holds it; it verifies offline with
the ledger's public key. Source: RFC 8032 (Ed25519, 128-bit security), RFC 4648 §5 (base64url), RFC 3986 §3.5 (fragments stay
in the browser).

    code    = base64url(signature (64 bytes) ‖ body), without padding
    body    = MessagePack array [1, number, service, day, unit, index, root]
    signed  = "egide-receipt/1" ‖ NUL ‖ body

The same key signs checkpoints: a checkpoint is lines of printable text, so that the NUL keeps the two apart for ever.

    receipt = Receipt(number=file_number(os.urandom(10)), service="Plainte vol", day=today, unit="A", index=17, root=root)
    url = address(origin, issue(receipt, kernel.key))     # for the QR code
    verify_receipt(url, [kernel.key.vkey])                # the receipt again, or ReceiptError
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from datetime import date

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from egide.kernel.checkpoint import SIGNATURE_SIZE, Signer, parse_vkey
from egide.kernel.errors import EgideError, Text
from egide.kernel.merkle import HASH_SIZE, MAX_SIZE

PATH = "/verify-receipt"
PREFIX = b"egide-receipt/1\0"
VERSION = 1
MAX_CODE = 1200  # characters; a QR code of 300 already asks for a good camera
MAX_FIELD = 80  # characters of the number, the service's title, the unit's name
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: nothing that is misread by eye or said alike
NUMBER_BYTES = 10  # 80 bits: who guesses a million numbers a second for a year finds none of a hundred million files

_CODE = re.compile(r"[A-Za-z0-9_-]*")


class ReceiptError(EgideError):
    """The code is no receipt of this service; the sentence says what is wrong with it."""

    code = "receipt"
    status = 422


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What a receipt says. Nothing in it names a person."""

    number: str  # of the file: random, see `file_number`
    service: str  # title, in the language in which it was given
    day: date
    unit: str  # name of the unit that answers
    index: int  # of the act's leaf in the ledger
    root: bytes  # of the ledger's tree when the receipt was given


class _Body(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    version: int
    number: str
    service: str
    day: str
    unit: str
    index: int
    root: bytes


def file_number(random: bytes) -> str:
    """Ten random bytes as `7K3M-9QXT-2VWH-4DCE`: says nothing of how many files there are, nor of the next one's number."""
    if len(random) != NUMBER_BYTES:
        raise ValueError(f"{NUMBER_BYTES} bytes are needed")
    value = int.from_bytes(random)
    letters = "".join(ALPHABET[value >> shift & 31] for shift in range(75, -1, -5))
    return "-".join(letters[start : start + 4] for start in range(0, 16, 4))


def fitting(name: str) -> str:
    """A name as a receipt has room for it: a unit may be called longer, and nobody may lose their file over that."""
    kept = " ".join("".join(one if one.isprintable() else " " for one in name).split()) or "—"
    return kept if len(kept) <= MAX_FIELD else f"{kept[: MAX_FIELD - 1].rstrip()}…"


def issue(receipt: Receipt, signer: Signer) -> str:
    """The code of a receipt, signed; about 50 µs with a key in a file. Raises `ReceiptError` for a receipt that cannot be."""
    body = msgspec.msgpack.encode(
        _Body(
            VERSION, receipt.number, receipt.service, receipt.day.isoformat(), receipt.unit, receipt.index, receipt.root
        )
    )
    _read(body)
    return _text(signer.sign(PREFIX + body) + body)


def address(origin: str, code: str) -> str:
    """What the QR code holds: the page that verifies, the code in the fragment."""
    return f"{origin}{PATH}#{code}"


def verify_receipt(text: str, vkeys: Iterable[str]) -> Receipt:
    """The receipt behind a code or its address, once one of these ledger keys signed it; offline. Raises `ReceiptError`."""
    signature, body = _split(_code(text))
    for vkey in vkeys:
        try:
            Ed25519PublicKey.from_public_bytes(parse_vkey(vkey).public_key).verify(signature, PREFIX + body)
        except InvalidSignature:
            continue
        return _read(body)
    raise _error(
        "la signature ne correspond pas : un caractère a été changé, ou ce n’est pas un récépissé de ce service",
        "the signature does not match: a character was changed, or it is no receipt of this service",
    )


def _code(text: str) -> str:
    """The code alone: people paste addresses, with the blanks and line ends of a mail around and inside."""
    if len(text) > 2 * MAX_CODE:
        raise _error("il est trop long", "it is too long")
    packed = "".join(text.split())
    before, separator, after = packed.rpartition("#")
    if separator and not before.endswith(PATH):
        raise _error(f"l’adresse ne finit pas par {PATH}", f"the address does not end with {PATH}")
    code = after if separator else packed
    good = _CODE.match(code)
    end = good.end() if good else 0
    if end < len(code):
        raise _error(
            f"le caractère {end + 1}, « {_shown(code[end])} », n’y a pas sa place",
            f"character {end + 1}, “{_shown(code[end])}”, does not belong there",
        )
    if len(code) > MAX_CODE:
        raise _error("il est trop long", "it is too long")
    return code


def _split(code: str) -> tuple[bytes, bytes]:
    try:
        raw = urlsafe_b64decode(code + "=" * (-len(code) % 4))
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) <= SIGNATURE_SIZE:
        raise _error("il est incomplet", "it is incomplete")
    if _text(raw) != code:  # two spellings of one value would let a changed character pass
        raise _error("son dernier caractère a été changé", "its last character was changed")
    return raw[:SIGNATURE_SIZE], raw[SIGNATURE_SIZE:]


def _read(body: bytes) -> Receipt:
    try:
        read = msgspec.msgpack.decode(body, type=_Body)
        day = date.fromisoformat(read.day)
    except (msgspec.DecodeError, ValueError):
        raise _unreadable() from None
    fields = (read.number, read.service, read.unit)
    good = all(0 < len(field) <= MAX_FIELD and field.isprintable() for field in fields)
    if not good or read.version != VERSION or not 0 <= read.index < MAX_SIZE or len(read.root) != HASH_SIZE:
        raise _unreadable()
    return Receipt(number=read.number, service=read.service, day=day, unit=read.unit, index=read.index, root=read.root)


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def _shown(character: str) -> str:
    return character if character.isprintable() else f"U+{ord(character):04X}"


def _unreadable() -> ReceiptError:
    return _error("son contenu n’a pas la forme d’un récépissé", "its content does not have the form of a receipt")


def _error(fr: str, en: str) -> ReceiptError:
    return ReceiptError(
        Text(f"Ce code n’est pas valide : {fr}.", f"This code is not valid: {en}."),
        Text(
            "Scannez à nouveau le code, ou copiez-le en entier. S’il reste refusé, ne vous fiez pas à ce récépissé.",
            "Scan the code again, or copy it whole. If it is still refused, do not rely on this receipt.",
        ),
    )
