"""What a seal on a PDF is worth, in sentences that anyone understands: intact, by whom, when, how long, qualified or not.

The file comes from anybody: whatever the library says of it is a finding, never an error. Sources: ETSI EN 319 102-1
(validation), ISO 32000-2 §12.8.2.2 (DocMDP), ETSI EN 319 412-5 (QcStatements).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256

import msgspec
from asn1crypto import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.qualified_asn1 import get_qc_statements
from pyhanko.sign.validation import DocumentSecurityStore, async_validate_pdf_signature
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import PdfSignatureStatus, SignatureCoverageLevel
from pyhanko_certvalidator import ValidationContext

from egide.engines.pades_form import OFFICER, SEAL, is_exact
from egide.kernel.documents import Finding, Level, SealReport
from egide.kernel.errors import Text

MAX_PDF = 64 << 20  # bytes
QUALIFIED = {
    "qc_compliance",
    "qc_sscd",
}  # ETSI EN 319 412-5 §4.2.1, §4.2.2: issued as qualified, key in a qualified device
USAGE = KeyUsageConstraints(key_usage={"non_repudiation"})


@dataclass(frozen=True)
class Trust:
    """Whose seals and whose time stamps are believed, and what time it is."""

    roots: tuple[x509.Certificate, ...]
    stampers: tuple[x509.Certificate, ...]
    cards: tuple[x509.Certificate, ...]
    now: datetime


async def verify(pdf: bytes, trust: Trust, expected: bytes | None) -> SealReport:
    """The report on one file; `expected` is its SHA-256, where somebody kept it."""
    first = [] if expected is None else [_same_file(sha256(pdf).digest() == expected)]
    if len(pdf) > MAX_PDF:
        return SealReport(
            findings=(*first, _finding("unreadable", False, "Ce fichier est trop grand.", "This file is too large."))
        )
    try:
        report = await _report(pdf, trust)
    except Exception:  # noqa: BLE001 — bytes from anybody: whatever the library stumbles over is the finding
        report = SealReport(
            findings=(
                _finding(
                    "unreadable", False,
                    "Ce fichier ou son cachet est abîmé et ne se lit pas.",
                    "This file or its seal is damaged and cannot be read.",
                ),
            )
        )  # fmt: skip
    broken = any(each.good is False for each in first)
    return SealReport(
        sealed=report.sealed, intact=report.intact and not broken, trusted=report.trusted, signer=report.signer,
        reason=report.reason, claimed=report.claimed, stamped=report.stamped, level=report.level,
        qualified=report.qualified, whole=report.whole, revisions=report.revisions, officer=report.officer,
        officer_holds=report.officer_holds and not broken, officer_qualified=report.officer_qualified,
        findings=(*first, *report.findings),
    )  # fmt: skip


async def _report(pdf: bytes, trust: Trust) -> SealReport:
    reader = PdfFileReader(io.BytesIO(pdf), strict=True)
    seals = reader.embedded_regular_signatures
    if not seals:
        return SealReport(
            findings=(_finding("unsealed", False, "Ce fichier ne porte aucun cachet.", "This file carries no seal."),)
        )
    # Ours is the only one, or follows the officer's alone: it covers the whole file, so that whatever follows it is a change.
    seal = next((each for each in seals if each.field_name == SEAL), seals[0])
    status = await _status(seal, trust, trust.now)
    stamp = status.timestamp_validity
    stamped = stamp.timestamp if stamp is not None and stamp.valid and stamp.trusted else None
    if (
        not status.trusted and stamped is not None
    ):  # the certificate may have ended since: it counts when the seal was made
        status = await _status(seal, trust, stamped)
    revisions = reader.xrefs.total_revisions - seal.signed_revision - 1
    whole = status.coverage is SignatureCoverageLevel.ENTIRE_FILE
    intact = bool(status.intact and status.valid and status.docmdp_ok and is_exact(pdf, seal))
    level = _level(reader, seal, stamped is not None)
    certificate = status.signing_cert
    sealed = seal.sig_object
    report = SealReport(
        sealed=True,
        intact=intact,
        trusted=bool(status.trusted),
        signer=str(certificate.subject.native.get("common_name", certificate.subject.human_friendly)),
        reason=str(sealed.get("/Reason", "")),
        claimed=seal.self_reported_timestamp,
        stamped=stamped,
        level=level if intact else None,
        qualified=bool(status.trusted) and _says_qualified(certificate),
        whole=whole,
        revisions=max(0, revisions),
    )
    told = tuple(_told(report, status, stamp is not None))
    officers = next((each for each in seals if each.field_name == OFFICER and each is not seal), None)
    if officers is None:
        return msgspec.structs.replace(report, findings=told)
    return await _with_officer(msgspec.structs.replace(report, findings=told), officers, trust)


async def _with_officer(report: SealReport, signature: EmbeddedPdfSignature, trust: Trust) -> SealReport:
    """The same with what the officer's own signature is worth: the seal covers it, so that its time is the service's word."""
    sure = report.stamped or (report.claimed if report.holds else None)
    status = await _status(signature, replace(trust, roots=trust.cards), sure or trust.now)
    certificate = status.signing_cert
    name = str(certificate.subject.native.get("common_name", certificate.subject.human_friendly))
    intact = bool(status.intact and status.valid and status.docmdp_ok) and report.intact
    found = msgspec.structs.replace(
        report, officer=name, officer_holds=intact and bool(status.trusted),
        officer_qualified=intact and bool(status.trusted) and _says_qualified(certificate),
    )  # fmt: skip
    return msgspec.structs.replace(found, findings=(*report.findings, *_told_of_officer(found, intact)))


def _told_of_officer(report: SealReport, intact: bool) -> Iterator[Finding]:
    name = report.officer
    if report.officer_holds:
        yield _finding(
            "officer",
            True,
            f"Signé par « {name} » avec sa carte, avant le cachet.",
            f"Signed by “{name}” with their card, before the seal.",
        )
    elif intact:
        yield _finding(
            "officer", False,
            f"Signé au nom de « {name} », mais rien ne prouve que c’est lui : autorité inconnue d’ici, ou certificat échu.",
            f"Signed in the name of “{name}”, but nothing proves it: an authority not known here, or a certificate that had ended.",
        )  # fmt: skip
    else:
        yield _finding(
            "officer", False,
            f"La signature au nom de « {name} » ne tient pas : le document n’est pas celui qui a été signé.",
            f"The signature in the name of “{name}” does not hold: the document is not the one that was signed.",
        )  # fmt: skip
    if report.officer_qualified:
        yield _finding(
            "officer-qualified",
            None,
            "Le certificat de la carte se dit qualifié ; la liste de confiance européenne le confirme ou non.",
            "The card’s certificate says that it is qualified; the European trusted list confirms it or not.",
        )
    else:
        yield _finding(
            "officer-qualified",
            None,
            "Signature de l’agent non qualifiée au sens du règlement eIDAS.",
            "The officer’s signature is not qualified in the sense of the eIDAS regulation.",
        )


async def _status(seal: EmbeddedPdfSignature, trust: Trust, moment: datetime) -> PdfSignatureStatus:
    def context(roots: tuple[x509.Certificate, ...]) -> ValidationContext:
        return ValidationContext(
            trust_roots=list(roots), moment=moment, allow_fetching=False, revocation_mode="soft-fail"
        )

    return await async_validate_pdf_signature(
        seal, context(trust.roots), ts_validation_context=context(trust.stampers), key_usage_settings=USAGE
    )


def _told(report: SealReport, status: PdfSignatureStatus, has_stamp: bool) -> Iterator[Finding]:
    """The sentences, most important first."""
    if report.intact:
        yield _finding("intact", True, "Rien n’a été changé depuis le cachet.", "Nothing was changed since the seal.")
    elif not status.intact:
        yield _finding(
            "changed", False, "Le contenu a été changé après le cachet.", "The content was changed after the seal."
        )
    elif not status.valid:
        yield _finding(
            "signature",
            False,
            "Le cachet lui-même a été changé : sa signature est fausse.",
            "The seal itself was changed: its signature is false.",
        )
    elif not report.whole or not status.docmdp_ok:
        yield _finding(
            "added",
            False,
            "Quelque chose a été ajouté au fichier après le cachet.",
            "Something was added to the file after the seal.",
        )
    else:
        yield _finding(
            "form", False,
            "Les données du cachet n’ont pas la forme que ce service leur donne : elles ont été changées, ou viennent d’un autre programme.",
            "The seal’s own data does not have the form this service gives it: it was changed, or comes from another program.",
        )  # fmt: skip
    if report.trusted:
        yield _finding("signer", True, f"Scellé par « {report.signer} ».", f"Sealed by “{report.signer}”.")
    else:
        yield _finding(
            "signer", False,
            f"Scellé au nom de « {report.signer} », mais rien ne prouve que c’est lui : certificat inconnu d’ici, changé ou échu.",
            f"Sealed in the name of “{report.signer}”, but nothing proves it: a certificate not known here, changed or ended.",
        )  # fmt: skip
    if report.stamped is not None:
        at = f"{report.stamped:%Y-%m-%d %H:%M:%S} UTC"
        yield _finding("time", True, f"Horodaté par une autorité le {at}.", f"Stamped by an authority on {at}.")
    elif has_stamp:
        yield _finding(
            "time",
            False,
            "L’horodatage ne tient pas, ou son autorité est inconnue ici.",
            "The time stamp does not hold, or its authority is not known here.",
        )
    elif report.claimed is not None:
        at = f"{report.claimed:%Y-%m-%d %H:%M:%S %Z}"
        yield _finding(
            "time", None, f"Date selon l’horloge du service : {at}.", f"Date by the service’s own clock: {at}."
        )
    if report.level is not None:
        yield _finding("level", None, f"Niveau PAdES {report.level}.", f"PAdES level {report.level}.")
    if report.qualified:
        yield _finding(
            "qualified",
            None,
            "Le certificat se dit qualifié ; la liste de confiance européenne le confirme ou non.",
            "The certificate says that it is qualified; the European trusted list confirms it or not.",
        )
    else:
        yield _finding(
            "qualified",
            None,
            "Cachet non qualifié au sens du règlement eIDAS.",
            "The seal is not qualified in the sense of the eIDAS regulation.",
        )
    if report.whole:
        yield _finding("whole", True, "Le cachet couvre tout le fichier.", "The seal covers the whole file.")
    else:
        yield _finding(
            "whole",
            False,
            f"Le cachet ne couvre pas tout le fichier ; révisions ajoutées ensuite : {report.revisions}.",
            f"The seal does not cover the whole file; revisions added later: {report.revisions}.",
        )


def _level(reader: PdfFileReader, seal: EmbeddedPdfSignature, stamped: bool) -> Level:
    """B-LT when a time stamp holds and the file carries a revocation list of the certificate's issuer."""
    if not stamped:
        return Level.B
    if "/DSS" not in reader.root:
        return Level.T
    store = DocumentSecurityStore.read_dss(reader)
    issuer = seal.signer_cert.issuer
    lists = [each.get_object().data for each in store.crls]
    return Level.LT if any(_issued_by(each, issuer) for each in lists) else Level.T


def _issued_by(encoded: bytes, issuer: x509.Name) -> bool:
    from asn1crypto import crl  # noqa: PLC0415 — only for a file that carries one

    return bool(crl.CertificateList.load(encoded).issuer == issuer)


def _says_qualified(certificate: x509.Certificate) -> bool:
    said = {each["statement_id"].native for each in get_qc_statements(certificate)}
    return said >= QUALIFIED


def _same_file(same: bool) -> Finding:
    if same:
        return _finding(
            "file",
            True,
            "C’est, octet pour octet, le fichier inscrit au registre.",
            "It is, byte for byte, the file recorded in the ledger.",
        )
    return _finding(
        "file",
        False,
        "Ce n’est pas, octet pour octet, le fichier inscrit au registre.",
        "It is not, byte for byte, the file recorded in the ledger.",
    )


def _finding(code: str, good: bool | None, fr: str, en: str) -> Finding:
    return Finding(code, good, Text(fr, en))
