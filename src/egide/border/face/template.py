"""The template in the token: 128 bytes that only its holder's secret makes comparable, made anew for every token.

An embedding of 128 numbers is turned in its space by an orthogonal matrix that follows from the secret, then rounded to int8.
Turning keeps every angle, so the comparison loses nothing but the rounding; two templates under two secrets are as strange to
each other as two people. It is no encryption: who has the secret and the template has the embedding (ISO/IEC 24745: renewability
and unlinkability by the secret, irreversibility not claimed). The secret is therefore the wallet's, one for each token.

**Profile, to the bit where bits matter** — the wallet computes the same in JavaScript:

1. `key` = HKDF-SHA-256 (RFC 5869) of the secret: salt `EGIDE-BT-1`, info `face-rotation`, 32 bytes.
2. `stream` = AES-256-CTR under `key` over 33,024 zero bytes, counter block 0: one call of WebCrypto.
3. The stream is read as 8,256 big-endian 32-bit words, two at a time, w and v: u = (w + 1) / 2^32, r = √(-2 ln u),
   a = v (2π / 2^32); they give the normals r cos a, then r sin a (Box and Muller 1958).
4. For k = 0 … 126 take the next 128 - k normals as x; s = 1 where x[0] ≥ 0, else -1; x[0] += s·‖x‖. Reflect the numbers
   from k on: e[k:] -= 2 x (x·e[k:]) / (x·x); remember d[k] = -s. The last normal gives d[127] = 1 where it is ≥ 0, else -1.
5. Rotated: e·d, number by number. Steps 4 and 5 are a matrix drawn evenly among the orthogonal ones (G. W. Stewart,
   SIAM J. Numer. Anal. 17, 1980); it is never written out.
6. Template: the rotated numbers times 127 / (largest absolute value), plus a half, rounded down: 128 × int8.

All in IEEE 754 double precision; another `ln` or `cos` in its last bit can move one number of a template by 1, in about one
template of 10^9. A comparison does not notice.
"""

from __future__ import annotations

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from egide.border.face.engine import SIZE, Embedding
from egide.border.face.wiping import wipe
from egide.kernel.errors import BadInput, Text

SECRET_BYTES = 16
TEMPLATE_BYTES = SIZE
SALT, INFO = b"EGIDE-BT-1", b"face-rotation"
NORMALS = SIZE * (SIZE + 1) // 2  # 8,256
FULL = 127  # largest absolute value of a number in a template
LEAST = 64  # no template of ours has a smaller largest value: it is FULL by construction; a torn one may

Rotated = NDArray[np.float64]


def protect(embedding: Embedding, secret: bytes | bytearray) -> bytes:
    """The template of an embedding (128 numbers) under a secret (16 bytes): 128 bytes. Raises `BadInput`."""
    rotated = rotate(embedding, secret)
    template = np.floor(rotated * (FULL / np.abs(rotated).max()) + 0.5).astype(np.int8)
    data: bytes = template.tobytes()
    wipe(rotated, template)
    return data


def similarity(template: bytes | bytearray, embedding: Embedding, secret: bytes | bytearray) -> float:
    """The cosine of what the template was made of and this embedding, -1 to 1, to ±0.002. Raises `BadInput`."""
    held = read(template)
    rotated = rotate(embedding, secret)
    cosine = float(held @ rotated / (np.linalg.norm(held) * np.linalg.norm(rotated)))
    wipe(held, rotated)
    return cosine


def read(template: bytes | bytearray) -> Rotated:
    """The numbers of a template that came from outside. Raises `BadInput`."""
    if len(template) != TEMPLATE_BYTES:
        raise _unreadable()
    held = np.frombuffer(template, dtype=np.int8).astype(np.float64)
    if np.abs(held).max() < LEAST:
        raise _unreadable()
    return held


def rotate(embedding: Embedding, secret: bytes | bytearray) -> Rotated:
    """An embedding turned by the secret (steps 1 to 5). Raises `BadInput`."""
    turned = np.array(embedding, dtype=np.float64)
    if turned.shape != (SIZE,) or not np.isfinite(turned).all() or not turned.any():
        raise BadInput(Text("Le visage n’a pas pu être mesuré.", "The face could not be measured."))
    normals = _normals(secret)
    signs = np.empty(SIZE)
    at = 0
    for k in range(SIZE - 1):
        mirror, at = normals[at : at + SIZE - k], at + SIZE - k
        sign = 1.0 if mirror[0] >= 0 else -1.0
        mirror[0] += sign * np.sqrt(mirror @ mirror)
        turned[k:] -= mirror * (2.0 * (mirror @ turned[k:]) / (mirror @ mirror))
        signs[k] = -sign
    signs[-1] = 1.0 if normals[at] >= 0 else -1.0
    turned *= signs
    wipe(normals, signs)
    return turned


def _normals(secret: bytes | bytearray) -> NDArray[np.float64]:
    """8,256 normal numbers that follow from the secret (steps 1 to 3)."""
    if len(secret) != SECRET_BYTES:
        raise _unreadable()
    key = HKDF(SHA256(), length=32, salt=SALT, info=INFO).derive(bytes(secret))
    stream = Cipher(AES(key), CTR(bytes(16))).encryptor().update(bytes(4 * NORMALS))
    words = np.frombuffer(stream, dtype=">u4").astype(np.float64)
    radius = np.sqrt(-2.0 * np.log((words[0::2] + 1.0) / 2.0**32))
    angle = words[1::2] * (2.0 * np.pi / 2.0**32)
    normals = np.empty(NORMALS)
    normals[0::2], normals[1::2] = radius * np.cos(angle), radius * np.sin(angle)
    wipe(words, radius, angle)
    return normals


def _unreadable() -> BadInput:
    return BadInput(
        Text("Ce jeton ne contient pas un visage que l’on puisse comparer.", "This token holds no face that can be compared."),
        Text("Adressez-vous à l’agent.", "Please ask the officer."),
    )  # fmt: skip
