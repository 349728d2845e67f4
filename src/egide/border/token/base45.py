"""Base45 (RFC 9285): bytes in the alphabet of a QR code's alphanumeric mode.

Bytes in a QR code's own byte mode come out of browsers as text in a guessed character set; these come out as they went in, and
cost 3 % more modules.
"""

from __future__ import annotations

from egide.protocols.wallet.errors import WalletError

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
VALUES = {letter: value for value, letter in enumerate(ALPHABET)}


def encode(data: bytes) -> str:
    """Two bytes in three letters, a last one in two."""
    text = []
    for at in range(0, len(data) - 1, 2):
        high, rest = divmod(data[at] * 256 + data[at + 1], 45 * 45)
        text += [ALPHABET[rest % 45], ALPHABET[rest // 45], ALPHABET[high]]
    if len(data) % 2:
        text += [ALPHABET[data[-1] % 45], ALPHABET[data[-1] // 45]]
    return "".join(text)


def decode(text: str) -> bytes:
    """Raises `WalletError` (malformed)."""
    values = [VALUES.get(letter, -1) for letter in text]
    if len(values) % 3 == 1 or -1 in values:
        raise WalletError("malformed", "not base45")
    data = bytearray()
    for at in range(0, len(values), 3):
        group = values[at : at + 3]
        size = len(group) - 1
        number = sum(value * 45**place for place, value in enumerate(group))
        if number >= 256**size:
            raise WalletError("malformed", "not base45")
        data += number.to_bytes(size, "big")
    return bytes(data)
