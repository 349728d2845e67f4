"""What the seal and an officer's signature have in common: our clock, metadata left alone, a loop of its own for the library."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from asn1crypto import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificates
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.writer import BasePdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.signers.pdf_signer import PdfSigningSession

from egide.kernel.documents import CARD_ROOTS

MAX_REASON = 200  # characters
Given = TypeVar("Given")


class Writer(IncrementalPdfFileWriter):
    """Leaves the document's metadata as it is, byte for byte: it holds the claims of conformity, in their own form."""

    def _update_meta(self) -> None:
        pass


class At(signers.PdfSigner):
    """Signs at the time it is told: the platform's clock, not the machine's."""

    at: datetime

    def init_signing_session(self, pdf_out: BasePdfFileWriter, existing_fields_only: bool = False) -> PdfSigningSession:
        """As the library, with our time."""
        session = super().init_signing_session(pdf_out, existing_fields_only)
        session.system_time = self.at
        return session


def apart(work: Coroutine[Any, Any, Given]) -> Given:
    """Runs the library's coroutine in a thread's own loop: it must work beside the server's and without any."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def card_roots(folder: Path) -> list[x509.Certificate]:
    """The authorities of officers' cards, as the operator names them; none where there is no file, or none that can be read."""
    try:
        found = load_pem_x509_certificates((folder / CARD_ROOTS).read_bytes())
    except (OSError, ValueError):
        return []
    return [x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in found]
