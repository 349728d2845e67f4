"""An officer's passkey over an act: what is challenged, what the browser answers, and whether that still holds years later.

    said       what is signed, as JSON that people can read
    challenge  SHA-256("egide-signing/1" ‖ NUL ‖ SHA-256(said) ‖ nonce)

The evidence holds all that a verifier needs but one thing: that this key is this officer's, which the house says. It is step-up
evidence, no qualified signature (Regulation 910/2014, article 3(12)). Source: W3C WebAuthn Level 3, §5.8.1 (client data), §6.1
(authenticator data), §7.2 (verifying an assertion).
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NoReturn

import msgspec

PREFIX = b"egide-signing/1\x00"  # so that no other challenge of ours is ever one of these
NONCE = 32  # bytes
HASH = 32  # bytes of a SHA-256
MAX_ID = 1023  # bytes of a credential's id (WebAuthn §4)
MAX_CLIENT = 4096  # bytes of client data; browsers write about 130
MAX_AUTHENTICATOR = 4096  # bytes of authenticator data; 37 without extensions
MAX_SIGNATURE = 1024  # bytes; RSA of 4096 bits has 512
MAX_KEY = 1024  # bytes of a public key in COSE
MAX_SAID = 65_536  # bytes
LEAST = 37  # bytes of authenticator data: hash, flags, count
PRESENT, VERIFIED = 0x01, 0x04  # flags (§6.1)


class NotProved(ValueError):
    """The answer cannot be read, or does not prove what it should."""


class Assertion(msgspec.Struct, frozen=True):
    """What an authenticator answered, in bytes."""

    credential: bytes
    authenticator: bytes
    client: bytes
    signature: bytes
    person: bytes = b""  # the user handle; "" where the authenticator gave none


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept with what was signed. `key`: COSE (RFC 9052); in JSON every field of bytes is base64."""

    said: bytes
    nonce: bytes
    credential: bytes
    key: bytes
    authenticator: bytes
    client: bytes
    signature: bytes
    rp: str
    origin: str


class _Client(msgspec.Struct, rename="camel"):
    type: str
    challenge: str
    origin: str
    cross_origin: bool = False


class _Response(
    msgspec.Struct, rename={"client": "clientDataJSON", "data": "authenticatorData", "handle": "userHandle"}
):
    client: str
    data: str
    signature: str
    handle: str | None = None


class _Credential(msgspec.Struct, rename={"raw": "rawId"}):
    id: str
    raw: str
    type: str
    response: _Response


def challenge_of(said: bytes, nonce: bytes) -> bytes:
    """What the authenticator is asked to sign for."""
    return sha256(PREFIX + sha256(said).digest() + nonce).digest()


def read(given: Mapping[str, Any]) -> Assertion:
    """The browser's `PublicKeyCredential.toJSON()`. Raises `NotProved`; memory is bounded by what was given."""
    try:
        found = msgspec.convert(dict(given), _Credential)
    except (msgspec.ValidationError, RecursionError, TypeError) as error:
        raise NotProved("not an assertion in JSON") from error
    if found.type != "public-key" or found.id != found.raw:
        _wrong("not a public key’s answer")
    return Assertion(
        _bytes(found.id, MAX_ID), _bytes(found.response.data, MAX_AUTHENTICATOR), _bytes(found.response.client, MAX_CLIENT),
        _bytes(found.response.signature, MAX_SIGNATURE), _bytes(found.response.handle or "", MAX_ID),
    )  # fmt: skip


def count_of(authenticator: bytes) -> int:
    """The signature counter in authenticator data that was read."""
    return int.from_bytes(authenticator[33:37], "big")


def check(evidence: Evidence, *, before: int = 0) -> int:
    """The key's new count, where the evidence proves that its key signed for `said`. Raises `NotProved`.

    `before`: the key's count until then; a count that did not grow is a copied key or an old answer (§7.2, step 22).
    """
    for part, most in (
        (evidence.said, MAX_SAID), (evidence.credential, MAX_ID), (evidence.key, MAX_KEY), (evidence.client, MAX_CLIENT),
        (evidence.authenticator, MAX_AUTHENTICATOR), (evidence.signature, MAX_SIGNATURE),
    ):  # fmt: skip
        if not 0 < len(part) <= most:
            _wrong("a part that is missing or too long")
    _client(evidence)
    data = evidence.authenticator
    if len(data) < LEAST or data[:HASH] != sha256(evidence.rp.encode()).digest():
        _wrong("an answer for another service")
    if data[HASH] & (PRESENT | VERIFIED) != PRESENT | VERIFIED:
        _wrong("the person was not verified")
    _signed(evidence)
    count = count_of(data)
    if (count or before) and count <= before:
        _wrong("the count did not grow")
    return count


def _client(evidence: Evidence) -> None:
    try:
        client = msgspec.json.decode(evidence.client, type=_Client)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise NotProved("client data cannot be read") from error
    if client.type != "webauthn.get" or client.cross_origin or client.origin != evidence.origin:
        _wrong("an answer to another page")
    if len(evidence.nonce) != NONCE or _bytes(client.challenge, HASH) != challenge_of(evidence.said, evidence.nonce):
        _wrong("an answer about something else")


def _signed(evidence: Evidence) -> None:
    from webauthn.helpers import (  # noqa: PLC0415 — 0.2 s to import, only signing needs it
        decode_credential_public_key,
        decoded_public_key_to_cryptography,
        verify_signature,
    )

    try:
        key = decode_credential_public_key(evidence.key)
        verify_signature(
            public_key=decoded_public_key_to_cryptography(key), signature_alg=key.alg, signature=evidence.signature,
            data=evidence.authenticator + sha256(evidence.client).digest(),
        )  # fmt: skip
    except Exception as error:  # a key and a signature from anybody: whatever the library stumbles over
        raise NotProved("the signature is not this key’s") from error


def _bytes(text: str, most: int) -> bytes:
    if len(text) > most * 4 // 3 + 4:
        _wrong("a part that is too long")
    try:
        found = b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotProved("not base64url") from error
    if len(found) > most:
        _wrong("a part that is too long")
    return found


def _wrong(why: str) -> NoReturn:
    raise NotProved(why)
