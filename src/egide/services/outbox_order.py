"""Where each entry of a batch stands in its device's chain: next, there already, after a gap, or not of this chain at all.

Batches come doubled, late and in any order; judged by place, hash and signature, what is asked twice is seen to be the same.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from egide.protocols.outbox_chain import START, holds, link, message

MAX_BODY = 256 * 1024  # characters of an entry
MAX_SEQ = 2**53 - 1  # the largest whole number that every browser writes exactly
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)  # UUID, RFC 9562
_HASH = re.compile(r"[0-9a-f]{64}", re.ASCII)

# next: it follows what is known. again: it is known. gap: what it names is not known. The others are refused: form, signature,
# taken (another entry has its place), broken (it names another entry than the one before it).
Verdict = Literal["next", "again", "gap", "form", "signature", "taken", "broken"]


class Sent(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """An entry as a device sends it: its id (UUID), place, the hash of the one before, content (JSON), signature (base64).

    `without`, beside the chain: those of its files that were refused when they were sent.
    """

    id: str
    seq: int
    prev: str
    body: str
    sig: str
    without: list[str] = []


@dataclass(frozen=True, slots=True)
class Place:
    """An entry that is known."""

    hash: str
    made: int  # µs


@dataclass(frozen=True, slots=True)
class Judged:
    """An entry, its hash, and where it stands."""

    sent: Sent
    hash: str
    verdict: Verdict


def judged(device: str, key: EllipticCurvePublicKey, known: Mapping[int, Place], sent: Iterable[Sent]) -> list[Judged]:
    """Every entry once, in the order of the chain, with where it stands."""
    hashes = {seq: place.hash for seq, place in known.items()}
    found: list[Judged] = []
    for one in sorted(sent, key=lambda entry: entry.seq):
        if not _formed(one):
            found.append(Judged(one, "", "form"))
            continue
        signed = message(device, one.id, one.seq, one.prev, one.body.encode())
        here = link(signed)
        if any(other.hash == here for other in found if other.sent.seq == one.seq):
            continue  # the same twice in one batch
        verdict = _verdict(one, here, hashes, signed, key)
        if verdict in ("next", "gap"):
            hashes[one.seq] = here
        found.append(Judged(one, here, verdict))
    return found


def _formed(one: Sent) -> bool:
    try:
        one.body.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return bool(
        _ID.fullmatch(one.id) and _HASH.fullmatch(one.prev) and 1 <= one.seq <= MAX_SEQ and len(one.body) <= MAX_BODY
    )


def _verdict(
    one: Sent, here: str, hashes: Mapping[int, str], signed: bytes, key: EllipticCurvePublicKey
) -> Verdict:  # fmt: skip
    try:
        signature = b64decode(one.sig, validate=True)
    except (binascii.Error, ValueError):
        return "signature"
    if not holds(key, signed, signature):
        return "signature"
    there = hashes.get(one.seq)
    if there is not None:
        return "again" if there == here else "taken"
    before = START if one.seq == 1 else hashes.get(one.seq - 1)
    if before is None:
        return "gap"
    return "next" if before == one.prev else "broken"


def linked(one: Sent, known: Mapping[int, Place]) -> bool:
    """Whether what an entry names is known by now: the gap before it is filled."""
    before = START if one.seq == 1 else (known[one.seq - 1].hash if one.seq - 1 in known else "")
    return before == one.prev
