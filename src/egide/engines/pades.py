"""Seals on PDF files by pyHanko: PAdES B-B at once; B-T and B-LT where a time-stamping authority is configured.

Why so: everything the seal needs (certificate, revocation list, time stamp) goes into the one revision that it covers, so
that no byte of the file lies outside, and the seal certifies the file (DocMDP, no change allowed). Sources: ETSI EN 319 142-1
(PAdES), ISO 32000-2 §12.8 (signatures, DocMDP), RFC 5652 (CMS), RFC 3161 (time stamps). What a seal is worth is said by
pades_verify.py.

The seal's field has no appearance and lies outside the page, which both PDF/A-2 (§6.3.3) and PDF/UA-1 (§7.18.1) allow. The
metadata, which holds the document's claims of conformity, is not rewritten.

    sealer = Pades(data / "keys", "egide.example/police", now=clock.now)
    sealed = sealer.seal(pdf, reason="Récépissé", at=clock.now())
    sealer.verify(sealed).holds
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from asn1crypto import algos, cms, crl, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign import fields, signers
from pyhanko.sign.general import SigningError
from pyhanko.sign.signers.pdf_signer import (
    DSSContentSettings,
    SigDSSPlacementPreference,
)
from pyhanko.sign.timestamps.api import TimeStamper
from pyhanko.sign.timestamps.common_utils import TimestampRequestError
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.errors import ValidationError
from pyhanko_certvalidator.registry import SimpleCertificateStore

from egide.engines.pades_form import OFFICER, SEAL
from egide.engines.pades_run import MAX_REASON, At, Writer, apart, card_roots
from egide.engines.pades_verify import Trust, verify
from egide.engines.seal_keys import FileSealKey, SealAuthority, SealKey
from egide.kernel.documents import Level, SealReport, Unsealable
from egide.kernel.errors import Text, TooLarge, Unavailable
from egide.kernel.outward import Unreachable, post
from egide.kernel.stamping import MAX_ANSWER, QUERY_TYPE

# asn1crypto turns its names of attributes round once, when the first is used; `tsp` and pyHanko add theirs as they are imported.
# In a process that had read a passport's signature before, nothing could be sealed any more.
cms.CMSAttributeType._reverse_map = None  # noqa: SLF001 — there is no other way to have it turned round again
cms.CMSAttributeType()._setup()  # noqa: SLF001

MAX_PDF = 64 << 20  # bytes
SIGNATURE = bytes(72)  # the longest ECDSA signature over P-256, in DER


class Pades:
    """Seals with one key and verifies with the installation's roots."""

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        now: Callable[[], datetime],
        key: SealKey | None = None,
        stamps: str = "",
        stampers: Sequence[x509.Certificate] = (),
    ) -> None:
        """`folder`: keys and certificates; `key`: a token's, else the file's; `stamps`, `stampers`: the stamping authority."""
        for noisy in (
            "pyhanko",
            "pyhanko_certvalidator",
        ):  # what they warn of is a finding here, and holds what a file says
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
        self._folder = folder
        self._authority = SealAuthority(folder, name, now)
        self._key = FileSealKey.load_or_create(folder / "seal.key") if key is None else key
        self._stamps = stamps
        self._stampers = [_asn1(each) for each in stampers]
        self._stamper = _Authority(stamps, self._stampers)  # one: it learns the size of a stamp by asking for one more
        self._now = now

    @property
    def levels(self) -> Sequence[Level]:
        """B-LT only where the revocation list is ours to write."""
        if not self._stamps:
            return (Level.B,)
        if not self._authority.issued(self._certificate()):
            return (Level.B, Level.T)
        return (Level.B, Level.T, Level.LT)

    def seal(self, pdf: bytes, *, reason: str, at: datetime, level: Level = Level.B) -> bytes:
        """See `kernel.documents.Sealer`. A seal with a time stamp is verified before it is given out."""
        if len(pdf) > MAX_PDF:
            raise TooLarge(Text("Ce fichier est trop grand pour un cachet.", "This file is too large for a seal."))
        if level not in self.levels:
            raise Unsealable(
                Text(
                    f"Le niveau {level} demande une autorité d’horodatage.",
                    f"Level {level} needs a time-stamping authority.",
                ),
                Text("Donnez son adresse (réglage « stamps »).", "Give its address (setting “stamps”)."),
            )
        sealed = apart(self._seal(pdf, reason[:MAX_REASON], at, level))
        if level is not Level.B:
            report = self.verify(sealed)
            if not report.holds or report.level is not level:
                wrong = next((each.text for each in report.findings if each.good is False), None)
                raise _no_stamp(wrong.en if wrong else f"only level {report.level} was reached")
        return sealed

    def verify(self, pdf: bytes, *, expected: bytes | None = None) -> SealReport:
        """See `kernel.documents.Sealer`."""
        roots = tuple(_asn1(each) for each in self._authority.roots)
        cards = tuple(card_roots(self._folder))
        trust = Trust(roots=roots, stampers=tuple(self._stampers), cards=cards, now=self._now())
        return apart(verify(pdf, trust, expected))

    def _certificate(self) -> x509.Certificate:
        return self._authority.certificate_for(self._key)

    async def _seal(self, pdf: bytes, reason: str, at: datetime, level: Level) -> bytes:
        certificate = _asn1(self._certificate())
        long = level is Level.LT
        try:
            writer = Writer(io.BytesIO(pdf), strict=True)
            there = [each.field_name for each in writer.prev.embedded_signatures]
        except Exception as error:  # whatever the library says of bytes that are no PDF
            raise Unsealable(
                Text(f"Ce fichier n’est pas un PDF lisible : {error}", f"This file is no readable PDF: {error}")
            ) from error
        if there not in ([], [OFFICER]):
            raise Unsealable(Text("Ce fichier porte déjà un cachet.", "This file is sealed already."))
        meta = signers.PdfSignatureMetadata(
            field_name=SEAL, md_algorithm="sha256", reason=reason, name=certificate.subject.native["common_name"],
            subfilter=fields.SigSeedSubFilter.PADES,
            # A certification is a file's first signature (ISO 32000-2 §12.8.2.2): after an officer's the seal is none.
            certify=not there, docmdp_permissions=fields.MDPPerm.NO_CHANGES,
            embed_validation_info=long, validation_context=self._context(at) if long else None,
            dss_settings=DSSContentSettings(
                include_vri=False, placement=SigDSSPlacementPreference.TOGETHER_WITH_SIGNATURE
            ),
        )  # fmt: skip
        field = fields.SigFieldSpec(
            SEAL,
            readable_field_name="Cachet électronique / Electronic seal",
            invis_sig_settings=fields.InvisSigSettings(set_print_flag=True, box_out_of_bounds=True),
        )
        stamper = None if level is Level.B else self._stamper
        signer = At(meta, signer=_KeySigner(self._key, certificate), timestamper=stamper, new_field_spec=field)
        signer.at = at
        try:
            return bytes((await signer.async_sign_pdf(writer)).getvalue())
        except (TimestampRequestError, SigningError, ValidationError) as error:
            raise _no_stamp(str(error)) from error

    def _context(self, at: datetime) -> ValidationContext:
        """What goes into the file for later: our root, our revocation list, the authority's certificates."""
        listed = crl.CertificateList.load(self._authority.revocations().public_bytes(Encoding.DER))
        return ValidationContext(
            trust_roots=[_asn1(self._authority.certificate), *self._stampers],
            crls=[listed],
            moment=at,
            allow_fetching=False,
            retroactive_revinfo=True,
        )


class _KeySigner(signers.Signer):
    """pyHanko's signer over our key. Only the seal's own certificate goes into the signature: roots are the verifier's."""

    def __init__(self, key: SealKey, certificate: asn1_x509.Certificate) -> None:
        super().__init__(
            signature_mechanism=algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
            signing_cert=certificate,
            cert_registry=SimpleCertificateStore(),  # type: ignore[no-untyped-call]  # the library's has no types
            embed_roots=False,
        )
        self._key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        """ECDSA; `digest_algorithm` is the mechanism's."""
        del digest_algorithm
        return SIGNATURE if dry_run else self._key.sign(data)


class _Authority(TimeStamper):
    """The configured time-stamping authority, asked as ledger heads are: one bounded request, no redirect."""

    def __init__(self, address: str, certificates: Sequence[asn1_x509.Certificate]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the library's has no types
        self._address = address
        for each in certificates:
            self.cert_registry.register(each)

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        """Raises `Unavailable` when there is no answer or none that can be read."""
        try:
            reply = post(self._address, req.dump(), QUERY_TYPE, MAX_ANSWER)
            if reply.status != 200 or not reply.whole:
                raise _no_stamp(f"status {reply.status}")
            return tsp.TimeStampResp.load(reply.body, strict=True)
        except (Unreachable, ValueError) as error:
            raise _no_stamp(str(error)) from error


def _asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def _no_stamp(why: str) -> Unavailable:
    return Unavailable(
        Text(
            f"L’autorité d’horodatage n’a pas répondu comme il faut : {why}",
            f"The time-stamping authority did not answer as it should: {why}",
        ),
        Text("Le document sera scellé dès qu’elle répond.", "The document will be sealed once it answers."),
    )
