"""Time stamps by a third party: what to ask an authority, and whether its answer stamps our head (RFC 3161).

Why: a ledger's own clock proves nothing to others; a qualified authority's stamp is presumed right (eIDAS, Regulation 910/2014,
article 41). What is stamped is the checkpoint's body: origin, size, root. Nothing else leaves the house.
"""

from __future__ import annotations

from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from egide.kernel.errors import EgideError, StartupError, Text

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

AUTHORITY = "stamp-authority.pem"  # in <data>/keys: the authority's certificate, or its root's
QUERY_TYPE = "application/timestamp-query"
MAX_ANSWER = 64 * 1024  # bytes; a token with its certificates has 2 to 6 KB
MAX_PEM = 256 * 1024  # bytes


class StampRefused(EgideError):
    """The authority's answer does not stamp what was asked, or not by a certificate that we know."""

    code = "stamp"
    status = 502


class Question:
    """One request: its bytes, and the number by which the answer is known to be new."""

    def __init__(self, body: bytes) -> None:
        from rfc3161_client import HashAlgorithm, TimestampRequestBuilder  # noqa: PLC0415 — extra `engines`, rarely used

        self.body = body
        built = TimestampRequestBuilder().data(body).hash_algorithm(HashAlgorithm.SHA256).nonce(nonce=True).build()
        self.nonce = built.nonce
        self.encoded: bytes = built.as_bytes()


def certificates(folder: Path) -> list[Certificate]:
    """The certificates of the configured authority. Raises `StartupError` when there is none."""
    return read_certificates(folder / "keys" / AUTHORITY)


def read_certificates(file: Path) -> list[Certificate]:
    """The certificates in a PEM file. Raises `StartupError` when there is none."""
    from cryptography import x509  # noqa: PLC0415 — 30 ms, and only where stamps are configured

    try:
        found = x509.load_pem_x509_certificates(file.read_bytes()[:MAX_PEM])
    except (OSError, ValueError) as error:
        raise StartupError(
            Text(
                "Le certificat de l’autorité d’horodatage manque ou est illisible.",
                "The time-stamping authority’s certificate is missing or unreadable.",
            ),
            Text(f"Mettez-le en PEM dans {file}.", f"Put it as PEM into {file}."),
            file=str(file),
        ) from error
    return found


def verify(token: bytes, body: bytes, trusted: list[Certificate], nonce: int | None = None) -> int:
    """The authority's time in µs, once its token stamps exactly `body` under a trusted certificate. Raises `StampRefused`."""
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response  # noqa: PLC0415 — as above

    if len(token) > MAX_ANSWER:
        raise _refused("trop longue", "too long")
    builder = VerifierBuilder(roots=list(trusted), nonce=nonce)
    try:
        answer = decode_timestamp_response(token)
        builder.build().verify_message(answer, body)
        made = answer.tst_info.gen_time
    except VerificationError as error:
        raise _refused(f"elle ne tient pas ({error})", f"it does not hold ({error})") from error
    except (
        ValueError,
        TypeError,
        AssertionError,
        OverflowError,
    ) as error:  # what the decoder says of bytes that are none
        raise _refused("illisible", "unreadable") from error
    return int(made.replace(tzinfo=made.tzinfo or UTC).timestamp() * 1_000_000)


def _refused(fr: str, en: str) -> StampRefused:
    return StampRefused(
        Text(
            f"La réponse de l’autorité d’horodatage est refusée : {fr}.",
            f"The time-stamping authority’s answer is rejected: {en}.",
        ),
        Text(
            f"Vérifiez l’adresse, et que keys/{AUTHORITY} est son certificat.",
            f"Check the address, and that keys/{AUTHORITY} is its certificate.",
        ),
    )
