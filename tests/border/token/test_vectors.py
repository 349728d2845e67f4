"""The pictures' format does not move: what was written down once is read the same, here and by wallets in other languages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, derive_private_key

from egide.border.token import qr
from egide.border.token.container import document_hash
from egide.border.token.profile import end, trusted
from egide.border.token.question import read
from egide.border.token.verify import verify_offline
from egide.protocols.sdjwt.freshness import StatusLists
from egide.protocols.sdjwt.signing import kid_of, local
from egide.protocols.sdjwt.statuslist import StatusList

URI = "https://airport.example/status/1"


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode((Path(__file__).parent / "vectors.json").read_bytes())
    return found


@pytest.fixture(scope="module")
def keys(vectors: dict[str, Any]) -> dict[str, EllipticCurvePrivateKey]:
    return {name: derive_private_key(int(scalar, 16), SECP256R1()) for name, scalar in vectors["private"].items()}


def test_keys_and_digests_have_the_names_they_had(
    vectors: dict[str, Any], keys: dict[str, EllipticCurvePrivateKey]
) -> None:
    for name, kid in vectors["kid"].items():
        assert kid_of(keys[name].public_key()) == kid
    sod, secret = bytes.fromhex(vectors["sod"]), bytes.fromhex(vectors["secret"])
    assert document_hash(sod, secret).hex() == vectors["doc_hash"]


def test_the_pictures_are_read_as_they_were(vectors: dict[str, Any], keys: dict[str, EllipticCurvePrivateKey]) -> None:
    now, data = vectors["now"], qr.bytes_of(vectors["question_text"], "question")
    assert data.hex() == vectors["question"]
    question = read(data, lambda kid: keys["gate"].public_key() if kid == vectors["kid"]["gate"] else None, now)
    asks = {
        "control": question.control,
        "claims": list(question.claims),
        "nonce": question.nonce.hex(),
        "until": question.until,
    }
    assert asks == vectors["asks"]
    answer = qr.bytes_of(vectors["answer_text"], "answer")
    assert answer.hex() == vectors["answer"]
    issuer = trusted("airport", "https://airport.example", keys["issuer"].public_key())
    lists = StatusLists()
    made = StatusList(1, 1_000_000).token(URI, local(keys["issuer"]), now, ttl=60, life=60)
    lists.put(made, URI, issuer, now)
    found = verify_offline(answer, question, keys["answer"], [issuer], lists, now)
    claims = found.claims
    assert (claims.name, claims.nationality, claims.doc_ok, claims.flight) == (
        "ERIKSSON<<ANNA<MARIA",
        "UTO",
        True,
        None,
    )
    assert (claims.face_t, claims.doc_hash, found.secret) == (
        bytes(range(128)),
        bytes.fromhex(vectors["doc_hash"]),
        bytes.fromhex(vectors["secret"]),
    )
    assert (found.until, found.beyond) == (end(now), ())
