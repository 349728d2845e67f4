"""Tokens: a presentation verified to its end (SD-JWT, key binding, status), and a status looked up among a million.

Beside: the reference implementation of SD-JWT by its authors (package sd-jwt), which verifies signatures, disclosures and key
binding of the same presentation, and looks up no status.
"""

from __future__ import annotations

import json

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from egide.bench.border_scene import NONCE, NOW, TOKENS, URI, Airport, asked
from egide.bench.measure import Bench, peer, per_cpu_s, row
from egide.border.token.verify import verify_online
from egide.protocols.sdjwt.freshness import StatusLists
from egide.protocols.sdjwt.signing import jwk_of
from egide.protocols.wallet.sdjwt import Reference
from egide.protocols.wallet.statuslist import opened

PRESENTATIONS = 200  # different ones: nothing is verified twice in a run


def verifying(bench: Bench) -> None:
    """What a gate does with an answer once it is decrypted."""
    count = 40 if bench.quick else PRESENTATIONS
    airport = Airport()
    tokens = [airport.token() for _ in range(count)]
    shown = [(token.shown(NONCE), token.secret) for token in tokens]
    lists = StatusLists()
    lists.put(airport.list, URI, airport.trusted, NOW)
    wanted = asked()

    def work() -> int:
        for text, secret in shown:
            verify_online(text, wanted, (airport.trusted,), lists, NOW, secret)
        return count

    value = 1000 / per_cpu_s(work)
    file = bench.folder / "presentations.json"
    told = {"key": msgspec.to_builtins(jwk_of(airport.public)), "audience": wanted.audience, "nonce": NONCE}
    file.write_text(json.dumps({**told, "presentations": [text for text, _ in shown]}), "utf-8")
    bench.say("peer: sd-jwt")
    theirs = peer("sdjwt_reference", str(file))
    found = row(
        "token_verify_ms", value, "CPU ms", "lower", target=0.5, peer="sd-jwt: without status",
        peer_value=theirs["ms"] if theirs else None,
    )  # fmt: skip
    limit = row(
        "token_verify_ms", value, "CPU ms", "lower", peer="limit: its two ES256 signatures, bare", peer_value=_bare()
    )
    bench.add(found, limit)
    ratio = "" if found.ratio is None else f" Wanted: 3×; found: {found.ratio:.3g}×."
    bench.note(
        f"token_verify: {count} different presentations of three claims, {len(shown[0][0])} characters each.{ratio} Both verify with "
        "the same library beneath; what of it is not ours to save is the limit."
    )


def _bare() -> float:
    """CPU ms of two signatures on P-256 verified by `cryptography`, of a known key and of a new one, and nothing else."""
    how = ec.ECDSA(SHA256())
    known, *others = (ec.generate_private_key(ec.SECP256R1()) for _ in range(1 + 100))
    issuer, signed = known.public_key(), known.sign(b"message", how)
    holders = [(each.public_key().public_numbers(), each.sign(b"message", how)) for each in others]

    def work() -> int:
        for numbers, signature in holders:
            issuer.verify(signed, b"message", how)
            numbers.public_key().verify(signature, b"message", how)
        return len(holders)

    return 1000 / per_cpu_s(work)


def status(bench: Bench) -> None:
    """A token's status in a list of a million, one in a hundred revoked: held open, and taken in anew once a minute."""
    airport = Airport()
    lists = StatusLists()
    lists.put(airport.list, URI, airport.trusted, NOW)
    reference = Reference(airport.place, URI)

    def look() -> int:
        for _ in range(2000):
            lists.check(reference, airport.trusted, NOW)
        return 2000

    def take() -> int:
        for _ in range(20):
            opened(airport.list, URI, airport.trusted, NOW)
        return 20

    bench.add(
        row("status_check_ms", 1000 / per_cpu_s(look), "CPU ms", "lower", target=1),
        row("status_list_ms", 1000 / per_cpu_s(take), "CPU ms", "lower", target=1),
    )
    bench.note(
        f"status: {TOKENS:,} tokens, 1 % revoked, {len(airport.list) / 1000:.1f} kB signed. status_list_ms verifies and unpacks the whole "
        "list and looks up one token: what a room does, which is given the list anew; status_check_ms is a look-up in an open one."
    )


MEASURES = (verifying, status)
