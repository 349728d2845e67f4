"""Peer: pyHanko as its manual shows it, with the same file, key, certificate and authority. Seals per CPU second.

python -m egide.bench.peers.pyhanko_alone PDF KEYS COUNT [STAMPS]    with an authority's address: B-LT, else B-B
"""

from __future__ import annotations

import io
import json
import logging
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Prints {"per_s": …}."""
    from pyhanko.keys import load_cert_from_pemder
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import fields, signers
    from pyhanko.sign.timestamps import HTTPTimeStamper
    from pyhanko_certvalidator import ValidationContext

    logging.disable(logging.CRITICAL)
    pdf, folder, count = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2]), int(sys.argv[3])
    stamps = sys.argv[4] if len(sys.argv) > 4 else ""
    signer = signers.SimpleSigner.load(str(folder / "seal.key"), str(folder / "seal.pem"))  # type: ignore[no-untyped-call]  # the library's has no types

    stamper, more = None, dict[str, Any]()
    if stamps:
        stamper = HTTPTimeStamper(stamps)
        roots = [load_cert_from_pemder(str(folder / name)) for name in ("seal-ca.pem", "tsa.pem")]  # type: ignore[no-untyped-call]  # as above
        lists = [(folder / "seal.crl").read_bytes()]
        context = ValidationContext(trust_roots=roots, crls=lists, allow_fetching=False)
        more = {"embed_validation_info": True, "validation_context": context}
    meta = signers.PdfSignatureMetadata(
        field_name="Seal", md_algorithm="sha256", reason="Bench", certify=True,
        subfilter=fields.SigSeedSubFilter.PADES, docmdp_permissions=fields.MDPPerm.NO_CHANGES, **more,
    )  # fmt: skip

    def seal() -> None:
        signers.PdfSigner(meta, signer=signer, timestamper=stamper).sign_pdf(IncrementalPdfFileWriter(io.BytesIO(pdf)))

    seal()
    before = time.process_time()
    for _ in range(count):
        seal()
    print(json.dumps({"per_s": count / (time.process_time() - before)}))


if __name__ == "__main__":
    main()
