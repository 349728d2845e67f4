"""Evidence that a passkey signed for these bytes: it holds for them alone, and nothing that a browser sends breaks the reader."""

from __future__ import annotations

import json
import os
from typing import Any

import cbor2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.protocols import stepup
from egide.protocols.stepup import Evidence, NotProved
from tests.passkeys import Passkey, b64

CASES = int(os.environ.get("EGIDE_FUZZ", "100"))
ORIGIN, SAID, NONCE = "http://localhost:8620", b'{"what":"a report"}', bytes(range(32))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def key_of(key: Passkey) -> bytes:
    """The public half as it is registered (COSE)."""
    answer = key.register({"challenge": b64(b"x")})["response"]["attestationObject"]
    data = cbor2.loads(stepup._bytes(answer, 4096))["authData"]
    return bytes(data[37 + 18 + len(key.id) :])


def evidence(key: Passkey, **changed: Any) -> Evidence:
    answer = stepup.read(key.sign_in({"challenge": b64(stepup.challenge_of(SAID, NONCE))}))
    found = Evidence(
        said=SAID, nonce=NONCE, credential=answer.credential, key=key_of(key), authenticator=answer.authenticator,
        client=answer.client, signature=answer.signature, rp="localhost", origin=ORIGIN,
    )  # fmt: skip
    return msgspec.structs.replace(found, **changed)


def test_it_holds_for_what_was_signed_and_survives_being_kept() -> None:
    made = evidence(Passkey(ORIGIN))
    assert stepup.check(made) == 1
    again = msgspec.json.decode(msgspec.json.encode(made), type=Evidence)
    assert stepup.check(again, before=0) == 1


@pytest.mark.parametrize("part", ["said", "nonce", "key", "authenticator", "client", "signature"])
def test_one_byte_of_any_part_changed_is_found(part: str) -> None:
    made = evidence(Passkey(ORIGIN))
    whole: bytes = getattr(made, part)
    for at in {0, len(whole) // 2, len(whole) - 1}:
        changed = bytearray(whole)
        changed[at] ^= 1
        with pytest.raises(NotProved):
            stepup.check(msgspec.structs.replace(made, **{part: bytes(changed)}))


def test_an_answer_for_another_place_person_or_time_is_refused() -> None:
    key = Passkey(ORIGIN)
    with pytest.raises(NotProved, match="another service"):
        stepup.check(evidence(key, rp="example.org"))
    with pytest.raises(NotProved, match="another page"):
        stepup.check(evidence(key, origin="http://localhost:1"))
    with pytest.raises(NotProved, match="something else"):
        stepup.check(evidence(key, said=b"{}"))
    with pytest.raises(NotProved, match="not verified"):
        stepup.check(evidence(Passkey(ORIGIN, verified=False)))
    with pytest.raises(NotProved, match="count"):
        stepup.check(evidence(key), before=key.count + 1)
    with pytest.raises(NotProved, match="this key"):
        stepup.check(msgspec.structs.replace(evidence(key), key=key_of(Passkey(ORIGIN))))
    framed = json.dumps(
        {
            "type": "webauthn.get",
            "challenge": b64(stepup.challenge_of(SAID, NONCE)),
            "origin": ORIGIN,
            "crossOrigin": True,
        }
    )
    with pytest.raises(NotProved, match="another page"):
        stepup.check(evidence(key, client=framed.encode()))


@given(st.dictionaries(st.sampled_from(["id", "rawId", "type", "response", "more"]), JSON, max_size=5))
@settings(max_examples=CASES)
def test_whatever_comes_is_read_or_refused(sent: dict[str, Any]) -> None:
    try:
        stepup.read(sent)
    except NotProved:
        return


@given(st.data())
@settings(max_examples=CASES)
def test_whatever_is_changed_in_an_answer_is_read_or_refused(data: st.DataObject) -> None:
    answer = Passkey(ORIGIN).sign_in({"challenge": b64(stepup.challenge_of(SAID, NONCE))})
    where = data.draw(st.sampled_from(["clientDataJSON", "authenticatorData", "signature", "userHandle"]))
    answer["response"][where] = data.draw(st.binary(max_size=6000).map(b64) | JSON)
    try:
        found = stepup.read(answer)
    except NotProved:
        return
    assert len(found.client) <= stepup.MAX_CLIENT
    made = Evidence(
        said=SAID, nonce=NONCE, credential=found.credential, key=data.draw(st.binary(max_size=200)), authenticator=found.authenticator,
        client=found.client, signature=found.signature, rp="localhost", origin=ORIGIN,
    )  # fmt: skip
    with pytest.raises(NotProved):
        stepup.check(made)
