"""The traveller's pass and the kiosk: what their pages are served with; and their code agrees with Egide's own, byte for byte.

The wallet's modules run in Node.js, bundled as Vite bundles them. Python is the oracle: what one writes the other reads.
"""

from __future__ import annotations

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import onnxruntime
import pytest
import zxingcpp
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey
from PIL import Image

from egide.border import erasure
from egide.border.face.aligning import align
from egide.border.face.models import browser_detector
from egide.border.face.template import protect
from egide.border.face.yunet import YuNet
from egide.border.room.issuing import Asking
from egide.border.room.opening import frames
from egide.border.room.sealed import opened
from egide.border.token import qr
from egide.border.token.profile import CONFIGURATION, trusted
from egide.border.token.question import ask, read
from egide.border.token.verify import verify_offline
from egide.kernel import merkle
from egide.protocols.openid4vci import Grants, Offer, PreAuthorized, Proofs, Wanted, invitation, proved
from egide.protocols.sdjwt.freshness import StatusLists
from egide.protocols.sdjwt.signing import compact, jwk_of, kid_of, local
from egide.protocols.sdjwt.statuslist import StatusList
from egide.protocols.vapid import decoded, encoded
from tests.border.face.drawn import landmarks, portrait
from tests.conftest import missing
from tests.gateways.browser import Browser
from tests.gateways.conftest import Node
from tests.world import World

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests" / "border" / "token" / "vectors.json").read_text("utf-8"))
STATUS = "https://airport.example/status/1"


def key(name: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int(VECTORS["private"][name], 16), ec.SECP256R1())


def shown(private: ec.EllipticCurvePrivateKey, role: str) -> dict[str, str]:
    jwk = jwk_of(private.public_key())
    return {"kid": kid_of(private.public_key()), "role": role, "kty": "EC", "crv": "P-256", "x": jwk.x, "y": jwk.y}


# -- the wallet's code ---------------------------------------------------------------------------------------------------


def test_the_phone_turns_a_face_as_the_server_does(node: Node) -> None:
    draw = np.random.default_rng(7)
    faces = draw.normal(size=(24, 128)).astype(np.float32)
    secrets = [draw.bytes(16) for _ in faces]
    made = node("templates", embeddings=faces.tolist(), secrets=[each.hex() for each in secrets])
    for template, face, secret in zip(made, faces, secrets, strict=True):
        mine = np.frombuffer(protect(face, secret), dtype=np.int8).astype(int)
        other = np.frombuffer(bytes.fromhex(template), dtype=np.int8).astype(int)
        assert np.abs(mine - other).max() <= 1  # template.py: the last bit of a cosine may move one number of a billion
        assert (mine != other).sum() <= 1


def test_the_phone_brings_a_face_where_the_network_looks(node: Node) -> None:
    picture, face = portrait(3), landmarks(yaw=8, roll=12, size=0.8, centre=(160, 150))
    rgba = np.dstack([picture, np.full(picture.shape[:2], 255, dtype=np.uint8)])
    told = node(
        "aligned", width=320, height=320, rgba=base64.b64encode(rgba.tobytes()).decode(), points=face.landmarks.tolist()
    )
    planes = np.frombuffer(base64.b64decode(told), dtype=np.uint8).reshape(3, 112, 112).transpose(1, 2, 0)
    away = np.abs(planes.astype(int) - align(picture, face).astype(int))
    assert away.mean() < 0.5  # OpenCV rounds places to 1/32 px
    assert away.max() <= 24


def test_the_phone_finds_the_faces_that_the_server_finds(node: Node) -> None:
    picture = portrait(3)
    session = onnxruntime.InferenceSession(browser_detector(320), providers=["CPUExecutionProvider"])
    planes = np.ascontiguousarray(picture[:, :, ::-1].transpose(2, 0, 1)[None], dtype=np.float32)  # BGR
    named = zip([each.name for each in session.get_outputs()], session.run(None, {"input": planes}), strict=True)
    told = node("faces", outputs={name: base64.b64encode(value.tobytes()).decode() for name, value in named})
    (face,) = YuNet().detect(picture)
    assert len(told) == 1
    assert np.allclose(told[0], [*face.box, *face.landmarks.ravel(), face.score], atol=0.01)


def test_a_gates_question_is_read_and_nobody_elses(node: Node) -> None:
    gate, other, now = key("gate"), ec.generate_private_key(ec.SECP256R1()), 1_800_000_000
    answer = key("answer").public_key()
    stranger = qr.text_of(ask("border", ("flight",), other.public_key(), local(other), answer, now), "question")
    forged = qr.text_of(ask("border", ("flight",), gate.public_key(), local(other), answer, now), "question")
    texts = [VECTORS["question_text"], stranger, forged, "EGIDE1Q:00", "EGIDE1A:00", "hello", "EGIDE1Q:" + "Z" * 3000]
    told = node("question", texts=texts, keys=[shown(gate, "verifier")], now=now)
    assert told[0] == {"kid": VECTORS["kid"]["gate"]} | VECTORS["asks"]
    assert [each["why"] for each in told[1:]] == ["verifier", "signature", "other", "other", "other", "other"]
    late = node("question", texts=texts[:1], keys=[shown(gate, "verifier")], now=now + 1000)
    assert late == [{"why": "expired"}]


def test_the_phones_answer_opens_at_its_gate(node: Node) -> None:
    now, holder = VECTORS["now"], ECKey.import_key(key("holder")).as_dict(private=True)
    holder = {name: holder[name] for name in ("kty", "crv", "x", "y", "d")}
    text = node(
        "answer", text=VECTORS["question_text"], keys=[shown(key("gate"), "verifier")], now=now, token=VECTORS["token"],
        secret=VECTORS["secret"], holder=holder,
    )  # fmt: skip
    question = read(bytes.fromhex(VECTORS["question"]), lambda _kid: key("gate").public_key(), now)
    issuer, lists = trusted("airport", "https://airport.example", key("issuer").public_key()), StatusLists()
    made = StatusList(1, 1_000_000).token(STATUS, local(key("issuer")), now, ttl=60, life=60)
    lists.put(made, STATUS, issuer, now)
    found = verify_offline(qr.bytes_of(text, "answer"), question, key("answer"), [issuer], lists, now)
    assert (found.claims.nationality, found.secret) == ("UTO", bytes.fromhex(VECTORS["secret"]))


def test_the_kiosk_lets_a_person_choose_where_the_zone_is_still_unclear(node: Node) -> None:
    """The lines as the room tells them: settled, unclear with two others, not read."""
    one, two, three = "L898902G36", "L898902636", "1898902G36"
    seen = [
        {"lines": ["P<", one], "why": "", "others": []},
        {"lines": ["P<", one], "why": "unclear", "others": [["P<", two], ["P<", three]]},
        {"lines": [], "why": "glare", "others": []},
    ]
    told = node("zones", seen=seen)
    assert [each["settled"] for each in told] == [True, False, False]
    assert [each["choices"] for each in told] == [[], [one, two, three], []]
    spelt = node("spelt", line=two, among=[one, two, three])
    assert [letter for letter, _, _ in spelt] == list("L89890263")
    assert [letter for letter, apart, _ in spelt if apart] == ["L", "6"]
    assert [letter for letter, _, digit in spelt if not digit] == ["L"]


def test_bytes_are_written_in_one_way(node: Node) -> None:
    good: list[Any] = [
        0,
        23,
        24,
        255,
        256,
        65_536,
        -1,
        -257,
        "é",
        b"\x00\xff",
        [1, [2, {}]],
        {1: True, -1: None, "a": b""},
    ]
    texts = [cbor2.dumps(each, canonical=True).hex() for each in good]
    assert node("cbor", texts=texts) == texts
    bad = [
        "",
        "1800",
        "5f4100ff",
        "a201000100",
        "a2020001 00".replace(" ", ""),
        "fb3ff0000000000000",
        "c100",
        "61ff",
        "9bffffffffffffffff",
    ]
    assert node("cbor", texts=[*bad, "81" * 200 + "00"]) == ["refused"] * (len(bad) + 1)
    draw = np.random.default_rng(1)
    pieces = [draw.bytes(size).hex() for size in (0, 1, 2, 3, 599)]
    assert node("base45", texts=pieces) == pieces


def test_what_the_phone_asks_the_room_can_read(node: Node) -> None:
    private, face = ECKey.generate_key("P-256"), np.random.default_rng(5).normal(size=128).astype(np.float32)
    room = {"key": private.as_dict(private=False), "issuer": "https://airport.example", "nonce": "n" * 24, "tokens": 6}
    told = node("ask", room=room, embedding=face.tolist(), flight="EG 271", now=1_800_000_000)
    asking = json.loads(opened(told["sealed"], private))
    assert asking.keys() == set(Asking.__struct_fields__)
    proofs = Wanted(CONFIGURATION, Proofs(tuple(asking["proofs"])))
    assert len(proved(proofs, "https://airport.example", "n" * 24, 1_800_000_000)) == 6
    secrets = [decoded(text) for text in asking["secrets"]]
    assert len(set(secrets)) == 6
    assert [decoded(text) for text in asking["templates"]] == [protect(face, secret) for secret in secrets]
    (frame,) = frames([told["frame"]], private)
    assert (frame.at_ms, bytes(frame.data)) == (1235, b"\xca\xfe")


def test_the_phone_checks_an_erasure_and_believes_nothing(node: Node) -> None:
    issuer, other, now = key("issuer"), ec.generate_private_key(ec.SECP256R1()), 1_800_000_000
    kid, sign = kid_of(issuer.public_key()), local(issuer)
    body = {"at": now, "reason": "withdrawn", "statuses": [5, 77], "uri": STATUS, "nonce": "AAAA"}
    receipt = compact({"typ": erasure.TYPE, "kid": kid}, body, sign)
    leaves = sorted([erasure.leaf_of(receipt), *(bytes([n]) * 32 for n in range(63))])
    place = leaves.index(erasure.leaf_of(receipt))
    path = merkle.inclusion_path(
        place, 64, lambda height, index: merkle.perfect_root(leaves[index << height : (index + 1) << height])
    )
    proof = {
        "leaf": leaves[place].hex(), "index": place, "size": 64, "path": [each.hex() for each in path],
        "root": merkle.perfect_root(leaves).hex(), "at": "", "anchored": "",
    }  # fmt: skip
    revoked, living = StatusList(1, 1024), StatusList(1, 1024)
    for index in (5, 77):
        revoked.set(index)
    living.set(5)
    far = 4_000_000_000  # s: the phone's clock is today's
    list_, half, stranger = (
        made.token(STATUS, by, now, ttl=60, life=far - now, kid=name)
        for made, by, name in ((revoked, sign, kid), (living, sign, kid), (revoked, local(other), kid))
    )
    forged = compact({"typ": erasure.TYPE, "kid": kid}, body, local(other))
    cases = [
        {"receipt": receipt, "proof": proof, "list": list_},
        {"receipt": receipt, "proof": proof, "list": half},
        {"receipt": receipt, "proof": proof, "list": stranger},
        {"receipt": forged, "proof": proof, "list": list_},
        {"receipt": receipt, "proof": proof | {"index": (place + 1) % 64}, "list": list_},
        {"receipt": receipt, "proof": proof | {"root": "00" * 32}, "list": list_},
    ]
    told = node("erasure", cases=cases, keys=[shown(issuer, "issuer")])
    assert told == [
        [5, 77], "a token still counts", "the signature does not hold", "the signature does not hold",
        "the receipt is not in the tree", "the receipt is not in the tree",
    ]  # fmt: skip


def test_pictures_are_read_and_carried_over(node: Node) -> None:
    code = "abcDEF_-0123456789abc"
    link = invitation(Offer("https://airport.example", (CONFIGURATION,), Grants(PreAuthorized(code=code))))
    assert node("offers", texts=[link, code, "hello", "openid-credential-offer://?credential_offer=%7B", ""]) == [
        code, code, None, None, None,
    ]  # fmt: skip
    given = {"consent": "c" * 32, "secret": encoded(bytes(32))}
    assert node("consent", **given) == given
    texts = [link, VECTORS["answer_text"]]
    for text, drawn in zip(texts, node("pictures", texts=texts), strict=True):
        side = drawn["side"]
        modules = np.full((side, side), 255, dtype=np.uint8)
        for step in drawn["path"].split("M")[1:]:
            x, y = step.split("h")[0].split(" ")
            modules[int(y), int(x)] = 0
        found = zxingcpp.read_barcodes(
            np.kron(modules, np.ones((4, 4), dtype=np.uint8)), formats=zxingcpp.BarcodeFormat.QRCode
        )
        assert [each.text for each in found] == [text]


# -- what the pages are served with --------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_the_pages_may_look_and_only_one_computes(world: World) -> None:
    browser = Browser(world)
    for path in ("/pass", "/pass/enrol", "/kiosk"):
        answer = await browser.get(path)
        if answer.status_code == 503:
            missing("the pages are not built: run “make setup”")
        assert "camera=(self), microphone=()" in answer.headers["permissions-policy"]
        policy = answer.headers["content-security-policy"]
        assert ("'wasm-unsafe-eval'" in policy) is (path == "/pass/enrol")
        assert "'unsafe-eval'" not in policy
        assert "connect-src 'self'" in policy
    assert "camera=()" in (await browser.get("/")).headers["permissions-policy"]
    worker = await browser.get("/pass-worker.js")
    assert worker.status_code == 200
    assert ".wasm" not in worker.text, "what computes a face is not kept on the phone"
    await browser.close()


@pytest.mark.anyio
async def test_everybody_may_read_the_points_and_the_equal_lane_of_each(world: World) -> None:
    browser = Browser(world)
    answer = await browser.get("/pass/points.json")
    assert answer.headers["egide-zone"] == "Europe/Paris", "the departure is typed on the airport’s clock"
    told = {each["id"]: each for each in answer.json()}
    assert {"bag-drop", "security", "boarding", "border"} <= told.keys()
    assert all(each["equal"]["fr"] and each["equal"]["en"] for each in told.values())
    assert told["boarding"]["face"]
    assert told["boarding"]["external_only"]
    assert (told["security"]["face"], told["security"]["legal_basis"], told["security"]["basis"]) == (False, "", None)
    border = told["border"]["basis"]
    assert (border["title"]["fr"], border["article"]) == ("Code frontières Schengen", "8(2)")
    assert border["says"]["fr"] == "Vérifier une personne à la frontière extérieure."
    await browser.close()


@pytest.mark.anyio
async def test_models_are_out_of_the_package_and_asked_for_once(world: World) -> None:
    browser = Browser(world)
    answer = await browser.get("/pass/models/detector")
    assert answer.content == browser_detector(320)
    again = await browser.get("/pass/models/detector", if_none_match=answer.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert (await browser.get("/pass/models/..%2Fsecret")).status_code == 404
    await browser.close()


@pytest.mark.anyio
async def test_the_simulated_reader_opens_a_chip_with_its_zone_alone(world: World) -> None:
    browser = Browser(world)
    jpeg = drawn_jpeg()

    async def post(path: str, **given: str) -> Any:
        return await browser.client.post(path, content=json.dumps(given), headers=browser.headers())

    assert (await browser.get("/kiosk/reader")).json() == {"kind": "simulator", "zone": []}
    assert (await post("/kiosk/chip")).status_code == 404
    assert (await post("/kiosk/specimen", portrait="AAAA")).status_code == 422
    lines = (await post("/kiosk/specimen", portrait=encoded(jpeg))).json()["zone"]
    assert [len(line) for line in lines] == [44, 44]
    second = lines[1]
    given = {"number": second[:9].rstrip("<"), "birth": second[13:19], "expiry": second[21:27]}
    assert (await post("/kiosk/chip", **given | {"number": "X00000000"})).status_code == 422
    read_ = (await post("/kiosk/chip", **given)).json()["files"]
    assert {"COM", "SOD", "DG1", "DG2"} <= read_.keys()
    assert (await post("/kiosk/chip")).json()["files"] == read_, "the reader's own camera has read the zone"
    assert (await post("/kiosk/chip", nonsense="")).status_code == 422
    await browser.close()


def drawn_jpeg() -> bytes:
    file = BytesIO()
    Image.fromarray(portrait(3)).save(file, "JPEG")
    return file.getvalue()
