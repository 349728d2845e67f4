"""The wallet's answer by network: it believes a request that asks what the picture asks, and a gate opens what it posts.

The wallet's modules run in Node.js; Python is the gate.
"""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from joserfc.jwk import ECKey

from egide.border.token import qr
from egide.border.token.claims import controls
from egide.border.token.online import asking
from egide.border.token.question import ask, name_of, read
from egide.border.token.verify import verify_online
from egide.protocols.sdjwt.signing import compact, jwk_of, kid_of, local
from egide.protocols.vapid import decoded, encoded
from egide.protocols.wallet.openid4vp import REQUEST_TYPE, answered, encryption_key, public_jwk, request_claims
from egide.protocols.wallet.sdjwt import Asked
from egide.protocols.wallet.tokens import header
from tests.border.token.scene import GATE, NOW, PLAN, THIEF, TRUSTED, Traveller, lists, verifiers
from tests.gateways.conftest import Node

KID, ORIGIN = kid_of(GATE.public_key()), "https://airport.example"
ALIX = Traveller()
BASIS = {"boarding": "eu/carriers 26(1)(b)", "security": ""}


class Control:
    """One control of a gate: its picture and its request, as the platform makes them."""

    def __init__(self, point: str = "boarding") -> None:
        self.point, self.private = point, encryption_key()
        room = self.private.public_key
        assert room is not None
        self.picture = ask(point, PLAN[point], GATE.public_key(), local(GATE), room, NOW)
        self.nonce = encoded(read(self.picture, verifiers, NOW).nonce)
        self.request = asking(
            PLAN[point], GATE.public_key(), control=point, name="Gate 12", response_uri=f"{ORIGIN}/border/answers/c-1", nonce=self.nonce,
            state="s" * 32, encryption=public_jwk(self.private),
        )  # fmt: skip

    def told(self) -> dict[str, Any]:
        border = {"point": self.point, "legal_basis": BASIS[self.point], "retention_s": 0, "realm": "facilitation"}
        return request_claims(self.request, NOW) | {"egide_border": border}

    def signed(self, change: dict[str, Any], key: EllipticCurvePrivateKey = GATE, typ: str = REQUEST_TYPE) -> str:
        return compact({"typ": typ, "kid": KID}, self.told() | change, local(key))


def listed(*keys: EllipticCurvePrivateKey) -> list[dict[str, str]]:
    found = [(kid_of(key.public_key()), jwk_of(key.public_key())) for key in keys]
    return [{"kid": kid, "role": "verifier", "kty": "EC", "crv": "P-256", "x": jwk.x, "y": jwk.y} for kid, jwk in found]


def asked(node: Node, control: Control, *requests: str, **more: Any) -> Any:
    """What the wallet makes of these requests, having read the control's picture."""
    point = control.point
    holder = ECKey.import_key(ALIX.keys[point]).as_dict(private=True)
    secret = ALIX.secrets[point].hex() if "face_t" in PLAN[point] else ""
    given = {
        "text": qr.text_of(control.picture, "question"), "requests": requests, "keys": listed(GATE, THIEF), "origin": ORIGIN,
        "now": NOW, "allowed": {"claims": PLAN[point], "legal_basis": BASIS[point]}, "secret": secret,
        "credential": ALIX.tokens[point].credential, "holder": {name: holder[name] for name in ("kty", "crv", "x", "y", "d")},
    }  # fmt: skip
    return node("network", **given | more)


@pytest.mark.parametrize("point", list(BASIS))
def test_a_gate_opens_what_the_wallet_posts(node: Node, point: str) -> None:
    control = Control(point)
    told = asked(node, control, control.signed({}))
    assert told["path"] == f"/border/requests/{name_of(control.picture)}"
    (found,) = told["read"]
    assert found["request"]["answers"] == "/border/answers/c-1"
    body: str = found["body"]
    assert b'"kid":' in decoded(body.removeprefix("response=").partition(".")[0])
    given = answered(body.encode(), control.request, control.private)
    expected = Asked(nonce=control.nonce, audience=KID, claims=PLAN[point], control=controls(point))
    holder = verify_online(given.presentation, expected, [TRUSTED], lists(), NOW, decoded(given.secret))
    assert (holder.claims.flight, holder.beyond) == ("AF 1234", ())
    assert given.secret == ("" if point == "security" else encoded(ALIX.secrets[point]))
    assert header(given.presentation.rpartition("~")[2], "kb+jwt").alg == "ES256"


def test_only_what_was_asked_is_disclosed(node: Node) -> None:
    control = Control("security")
    told = asked(
        node, control, control.signed({}), credential=ALIX.tokens["spare-2"].credential,
        holder={
            name: value for name, value in ECKey.import_key(ALIX.keys["spare-2"]).as_dict(private=True).items()
            if name in ("kty", "crv", "x", "y", "d")
        },
    )  # fmt: skip
    given = answered(told["read"][0]["body"].encode(), control.request, control.private)
    assert given.presentation.count("~") == 2  # token, one disclosure, key binding


def test_a_request_that_is_not_the_pictures_own_counts_as_if_it_had_not_come(node: Node) -> None:
    control, other = Control(), Control("boarding")
    right = control.told()
    query = right["dcql_query"]["credentials"][0]
    border, metadata = right["egide_border"], right["client_metadata"]

    def credentials(*these: dict[str, Any]) -> dict[str, Any]:
        return {"dcql_query": {"credentials": list(these)}}

    foreign = metadata | {"jwks": {"keys": [public_jwk(other.private)]}}
    cases: dict[str, list[str]] = {
        "not what the picture asks: client": [
            control.signed({"client_id": "other"}), control.signed({"client_id": f"facilitation:{KID}"}),
            control.signed({"aud": "https://elsewhere.example"}),
        ],
        "not what the picture asks: time": [control.signed({"exp": NOW - 61}), control.signed({"exp": NOW + 9000})],
        "not what the picture asks: answer": [
            control.signed({"response_mode": "direct_post"}), control.signed({"response_type": "code"}),
        ],
        "not what the picture asks: nonce": [other.signed({}), control.signed({"nonce": "AAAA"}), control.signed({"state": 1})],
        "not what the picture asks: key": [control.signed({"client_metadata": foreign})],
        "not what the picture asks: cipher": [
            control.signed({"client_metadata": metadata | {"encrypted_response_enc_values_supported": ["A128GCM"]}})
        ],
        "not what the picture asks: kind": [
            control.signed(credentials(query | {"format": "mso_mdoc"})),
            control.signed(credentials(query | {"meta": {"vct_values": ["urn:eudi:pid:1"]}})),
        ],
        "not what the picture asks: claims": [
            control.signed(credentials(query | {"claims": [*query["claims"], {"path": ["name"]}]})),
            control.signed(credentials(query | {"claims": query["claims"][1:]})),
            control.signed(credentials(query | {"claims": [{"path": ["flight", "x"]}, *query["claims"][1:]]})),
        ],
        "not what the picture asks: control": [
            control.signed(credentials(query | {"claims": [{"path": ["control"], "values": ["border", "spare"]}, *query["claims"][:-1]]})),
            control.signed(credentials(query | {"claims": [*query["claims"], query["claims"][-1]]})),
            control.signed(credentials(query | {"claims": query["claims"][:-1]})),
        ],
        "not what the picture asks: point": [
            control.signed({"egide_border": border | {"point": "border"}}),
            control.signed({"egide_border": border | {"retention_s": 1}}),
        ],
        "not what the picture asks: basis": [control.signed({"egide_border": border | {"legal_basis": ""}})],
        "not what the picture asks: address": [
            control.signed({"response_uri": "https://thief.example/border/answers/c-1"}),
            control.signed({"response_uri": f"{ORIGIN}/api/acts/x"}),
            control.signed({"response_uri": f"{ORIGIN}/border/answers/c-1?x=1"}),
        ],
        "more than one thing is asked": [control.signed(credentials(query, query)), control.signed(credentials())],
        "the signature does not hold": [control.signed({}, THIEF)],
        "not signed by anybody who is trusted": [
            control.signed({}, typ="JWT"), compact({"typ": REQUEST_TYPE, "kid": listed(THIEF)[0]["kid"]}, right, local(THIEF)),
        ],
        "a request that is too long": ["a" * 20_000],
    }  # fmt: skip
    for why, requests in cases.items():
        assert asked(node, control, *requests)["read"] == [{"why": why}] * len(requests), why
    nothing = asked(node, control, "", "a.b", "<html>", control.signed({"egide_border": None}))["read"]
    assert all(set(each) == {"why"} for each in nothing)


def test_a_control_asks_nothing_that_its_point_may_not(node: Node) -> None:
    control = Control()
    less = {"claims": ["flight", "doc_ok"], "legal_basis": BASIS["boarding"]}
    told = asked(node, control, control.signed({}), allowed=less)
    assert told["read"] == [{"why": "not what the picture asks: claims"}]


def test_a_token_that_does_not_say_what_is_asked_goes_nowhere(node: Node) -> None:
    control = Control()
    told = asked(node, control, control.signed({}), credential=ALIX.tokens["security"].credential)
    assert told["read"] == [{"why": "the token does not say what is asked"}]
