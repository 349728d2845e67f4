"""Passive authentication (ICAO Doc 9303 part 11 §5.1, part 12): whether this data is what its state wrote, unaltered.

A list of findings, one for each question, and never a bare yes: whoever reads it sees what was asked. A question that could
not be answered (no revocation list) is neither: the officer decides. The questions that others forget are here too: that the
required groups are among the signed ones, that the state of the certificate is that of the zone, what a key may be used for,
and for which kinds of document it was made.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Literal

import msgspec

from egide.protocols import mrz
from egide.protocols.emrtd import lds, pki, sod
from egide.protocols.emrtd.countries import two_letters
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.trust import Trust
from egide.protocols.mrz.dates import expiry

Question = Literal[
    "security-object",  # EF.SOD can be read
    "attributes",  # the signed attributes speak of this content
    "signature",  # the signer's key signed them
    "algorithms",  # every hash, scheme, size and curve is accepted
    "hashes",  # each group that was read has the hash that was signed
    "required",  # the groups that are required were read
    "common",  # EF.COM names no group that was not signed
    "zone",  # the check digits of DG1 hold
    "chain",  # an authority of the trust store signed the signer's certificate
    "country",  # zone, signer and authority are of one state
    "document-type",  # the signer may sign this kind of document
    "key-usage",  # the signer's key may sign data, the authority's certificates
    "signer-validity",
    "authority-validity",
    "revocation-list",  # of the authority: there, and not stale
    "revocation",  # the signer is not on it
    "expiry",  # of the document
]
State = Literal["ok", "failed", "not-checkable"]
QUESTIONS: tuple[Question, ...] = Question.__args__  # type: ignore[attr-defined]


class Finding(msgspec.Struct, frozen=True):
    """The answer to one question; `why` is a word or two for logs and the officer, "" where there is nothing to add."""

    question: Question
    state: State
    why: str = ""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a control asks for, and how much it reads."""

    required: tuple[str, ...] = ("DG1", "DG2")
    total: int = 1 << 20  # bytes of all files together
    skew: int = 300  # s that two clocks may differ


class Passive(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `zone` is what DG1 says, believed or not; None where it cannot be read."""

    findings: tuple[Finding, ...]
    zone: mrz.Mrz | None = None
    digest: bytes = b""  # SHA-256 of EF.SOD: names this document among all without saying whose it is

    def of(self, question: Question) -> Finding:
        """The answer to a question."""
        return next(each for each in self.findings if each.question == question)

    @property
    def failed(self) -> tuple[Question, ...]:
        """The questions whose answer is no."""
        return tuple(each.question for each in self.findings if each.state == "failed")

    @property
    def verdict(self) -> Literal["proved", "refuted", "open"]:
        """`proved`: every question answered, and well. `refuted`: one badly. `open`: one not at all."""
        if self.failed:
            return "refuted"
        return "proved" if all(each.state == "ok" for each in self.findings) else "open"


class _Answers:
    """Findings as they come; what is never reached is not checkable."""

    def __init__(self) -> None:
        self._found: dict[Question, Finding] = {}

    def say(self, question: Question, good: bool | None, why: str = "") -> None:
        state: State = "not-checkable" if good is None else "ok" if good else "failed"
        self._found[question] = Finding(question, state, why)

    def all(self) -> tuple[Finding, ...]:
        return tuple(self._found.get(each, Finding(each, "not-checkable", "not reached")) for each in QUESTIONS)


def authenticate(files: Mapping[str, bytes], trust: Trust, at: int, limits: Limits | None = None) -> Passive:
    """Judges the files of a chip ("COM", "SOD", "DG1"…) at a time (s since 1970). Never raises for what a chip holds."""
    limits = limits or Limits()
    answers = _Answers()
    if sum(map(len, files.values())) > limits.total or len(files) > len(lds.FILES):
        answers.say("security-object", False, "too large")
        return Passive(findings=answers.all())
    zone = _judge_zone(files.get("DG1"), answers, at)
    try:
        signed = sod.read(files.get("SOD", b""))
    except EmrtdError as error:
        answers.say("security-object", False, error.why)
        return Passive(findings=answers.all(), zone=zone)
    answers.say("security-object", True)
    _judge_groups(files, signed, limits, answers)
    _judge_signature(signed, answers)
    if signed.signed.signer is not None:
        _judge_signer(signed.signed.signer, trust, zone, at, limits, answers)
    return Passive(findings=answers.all(), zone=zone, digest=sha256(files["SOD"]).digest())


def _judge_zone(group: bytes | None, answers: _Answers, at: int) -> mrz.Mrz | None:
    """DG1: its check digits, and whether the document has expired at the end of its last day."""
    if group is None:
        return None
    try:
        zone, wrong = mrz.inspect(lds.zone(group))
    except ValueError as error:
        answers.say("zone", False, getattr(error, "why", "malformed"))
        return None
    answers.say("zone", not wrong, ", ".join(wrong))
    now = datetime.fromtimestamp(at, UTC)
    try:
        last = expiry(zone.expiry, now.date())
    except mrz.MrzError:
        answers.say("expiry", False, "no date")
        return zone
    answers.say("expiry", last is None or now.date() <= last, "none stated" if last is None else "")
    return zone


def _judge_groups(files: Mapping[str, bytes], signed: sod.SecurityObject, limits: Limits, answers: _Answers) -> None:
    missing = [each for each in limits.required if each not in files or each not in signed.hashes]
    answers.say("required", not missing, ", ".join(missing))
    groups = {name: data for name, data in files.items() if name.startswith("DG")}
    if signed.digest:
        wrong = [
            name
            for name, data in groups.items()
            if not hmac.compare_digest(signed.hashes.get(name, b""), pki.digest(signed.digest, data))
        ]
        answers.say("hashes", not wrong and bool(groups), ", ".join(wrong))
    if "COM" not in files:
        answers.say("common", True, "not there")  # newer chips may do without (part 10 §3.11.1)
        return
    try:
        more = [each for each in lds.common(files["COM"]).groups if each not in signed.hashes]
    except EmrtdError as error:
        answers.say("common", False, error.why)
        return
    answers.say("common", not more, ", ".join(more))


def _judge_signature(signed: sod.SecurityObject, answers: _Answers) -> None:
    message = signed.signed
    answers.say("attributes", message.coherent())
    if message.signer is None:
        answers.say("signature", False, "no certificate of the signer")
    else:
        answers.say("signature", message.verified())
    known = bool(signed.digest) and bool(message.digest) and message.algorithm is not None
    spelt = message.signer is not None and message.signer.explicit
    answers.say("algorithms", known, ("a curve spelt out" if spelt else "") if known else "of the security object")


def _judge_signer(
    signer: pki.Certificate, trust: Trust, zone: mrz.Mrz | None, at: int, limits: Limits, answers: _Answers
) -> None:
    answers.say("signer-validity", _valid(signer, at, limits.skew))
    kinds = signer.document_types
    if zone is not None:
        answers.say("document-type", not kinds or zone.code in kinds, "" if kinds else "not stated")
    if signer.algorithm is None:
        answers.say("algorithms", False, "of the signer's certificate")
    authority = trust.issuer_of(signer)
    if authority is None:
        known = bool(trust.candidates(signer))
        answers.say("chain", False, "signature" if known else "nobody known")
        answers.say("country", None, "no authority")
        return
    answers.say("chain", True)
    answers.say("authority-validity", _valid(authority, at, limits.skew))
    signs_data = signer.usage is not None and "digital_signature" in signer.usage and not signer.authority
    signs_keys = authority.usage is not None and "key_cert_sign" in authority.usage and authority.authority
    answers.say("key-usage", signs_data and signs_keys, "" if signs_data else "signer")
    if zone is not None:
        state = two_letters(zone.state)
        same = state is not None and state == signer.country == authority.country
        answers.say("country", same, "" if state else "no state that we know")
    _judge_revocation(signer, trust, at, limits, answers)


def _judge_revocation(signer: pki.Certificate, trust: Trust, at: int, limits: Limits, answers: _Answers) -> None:
    """A certificate on a stale list stays revoked; one that is not on it may have come since."""
    listed = trust.revocations(signer.issuer)
    if listed is None:
        answers.say("revocation-list", None, "none held")
        answers.say("revocation", None, "no list")
        return
    why = _stale(listed, at, limits.skew)
    answers.say("revocation-list", None if why else True, why)
    if signer.serial in listed.revoked:
        answers.say("revocation", False)
    else:
        answers.say("revocation", None if why else True, why)


def _stale(listed: pki.Crl, at: int, skew: int) -> str:
    if listed.number is None:
        return "without a number"  # which part 12 §7.2 asks for: what is without may be played again
    if listed.this_update > at + skew:
        return "of the future"
    if listed.next_update is None or listed.next_update + skew < at:
        return "expired"
    return ""


def _valid(certificate: pki.Certificate, at: int, skew: int) -> bool:
    return certificate.not_before - skew <= at <= certificate.not_after + skew
