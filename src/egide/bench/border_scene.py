"""What stands around a control in the measures: an issuer, gates, travellers with tokens, and a drawn face; nobody's data.

Tokens, answers and lists are made by the same code that issues them; only the travellers are made up.
"""

from __future__ import annotations

from io import BytesIO
from secrets import token_bytes
from typing import Any
from urllib.parse import urlencode

import msgspec
import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from numpy.typing import NDArray
from PIL import Image as Pillow

from egide.border.room.messages import Admit, IssuerKey, StatusToken
from egide.border.room.sealed import sealed
from egide.border.token.answer import seal
from egide.border.token.claims import Claims, controls
from egide.border.token.profile import QUERY, Issued, Slot, Terms, issue_batch, trusted
from egide.border.token.question import Question, ask, read
from egide.protocols.sdjwt.present import present
from egide.protocols.sdjwt.signing import Signer, jwk_of, kid_of, local
from egide.protocols.sdjwt.statuslist import StatusList
from egide.protocols.vapid import encoded
from egide.protocols.wallet.sdjwt import Asked

NOW = 1_800_000_000  # s; the measures have a clock of their own
TOKENS = 1_000_000  # in the status list (issue 6, “Speed”)
REVOKED = 10_000  # of them: one in a hundred
CONTROL = "boarding"
CLAIMS = ("flight", "doc_ok", "face_t")  # what boarding asks (border/points/boarding.toml)
ISS, URI = "https://airport.example", "https://airport.example/status/1"
CLIENT, ANSWERS = "facilitation:gate", "https://airport.example/border/answers/1"
NONCE = "n" * 32
REALM = "facilitation"


class Token(msgspec.Struct):
    """A token as its wallet holds it."""

    issued: Issued
    sign: Any  # Signer
    secret: bytes

    def shown(self, nonce: str, claims: tuple[str, ...] = CLAIMS) -> str:
        """A presentation."""
        return present(self.issued.credential, claims, nonce, CLIENT, self.sign, NOW)

    def answer(self, key: dict[str, str], nonce: str, state: str) -> bytes:
        """What the wallet posts, sealed to a room's key (OpenID4VP, `direct_post.jwt`)."""
        told = {"vp_token": {QUERY: [self.shown(nonce)]}, "state": state, "egide_secret": encoded(self.secret)}
        return urlencode({"response": sealed(msgspec.json.encode(told), key)}).encode()

    def picture(self, question: Question) -> bytes:
        """What the wallet's picture says to a gate without a network."""
        return seal(question, self.issued.cwt, self.secret, self.sign)


class Airport:
    """An issuer with a status list of a million tokens, and a gate."""

    def __init__(self, tokens: int = TOKENS) -> None:
        issuer, gate = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        self.sign: Signer = local(issuer)
        self.gate_sign: Signer = local(gate)
        self.gate_public = gate.public_key()
        self.public = issuer.public_key()
        self.kid = kid_of(self.public)
        self.issuer_key, self.gate_key = _named(self.public), _named(self.gate_public)
        self.trusted = trusted("airport", ISS, self.public)
        self._tokens = tokens
        statuses = StatusList(1, tokens)
        dice = np.random.default_rng(1)
        for place in dice.choice(tokens - 1, tokens // (TOKENS // REVOKED), replace=False):
            statuses.set(int(place))
        self.list = statuses.token(URI, self.sign, NOW, ttl=60, life=86_400, kid=self.kid)
        self.place = tokens - 1  # never revoked

    def token(self, face: bytes | None = None, secret: bytes | None = None) -> Token:
        """One for a new key; `face`: its template under `secret`, else bytes that look like one."""
        holder = ec.generate_private_key(ec.SECP256R1())
        kept = secret or token_bytes(16)
        slot = Slot(
            control=CONTROL, claims=CLAIMS, holder=jwk_of(holder.public_key()), place=self.place,
            face_t=face or token_bytes(128),
        )  # fmt: skip
        terms = Terms(issuer=ISS, kid=self.kid, status=URI, until=NOW + 86_400)
        who = Claims(flight="EG 271", doc_ok=True, nationality="UTO", name="ERIKSSON ANNA MARIA")
        return Token(issue_batch(terms, who, (slot,), self.sign, token_bytes(32))[0], local(holder), kept)

    def admit(self, answer: bytes, question: bytes = b"") -> Admit:
        """What the platform asks a room."""
        return Admit(
            answer=answer, realm=REALM, client=CLIENT, gate=self.gate_key, response_uri=ANSWERS, question=question,
            control=CONTROL, claims=CLAIMS, issuers=(self.issuer_key,), lists=(StatusToken(URI, self.kid, self.list),),
            grace_s=1800, now=NOW,
        )  # fmt: skip

    def question(self, answer_key: ec.EllipticCurvePublicKey) -> tuple[bytes, Question]:
        """(what the gate's picture says, what the wallet reads in it)."""
        data = ask(CONTROL, CLAIMS, self.gate_public, self.gate_sign, answer_key, NOW)
        return data, read(data, lambda _kid: self.gate_public, NOW)


def asked(nonce: str = NONCE) -> Asked:
    """What a presentation must answer."""
    return Asked(nonce=nonce, audience=CLIENT, claims=CLAIMS, control=controls(CONTROL))


def _named(key: ec.EllipticCurvePublicKey) -> IssuerKey:
    jwk = jwk_of(key)
    return IssuerKey(kid_of(key), jwk.x, jwk.y)


def jpeg(picture: NDArray[np.uint8]) -> bytes:
    """As a gate's camera sends it: quality 85."""
    file = BytesIO()
    Pillow.fromarray(picture).save(file, "JPEG", quality=85)
    return file.getvalue()


def drawn(seed: int, width: int = 640, height: int = 480, scale: float = 1.6) -> NDArray[np.uint8]:
    """A face that nobody has (RGB, height × width × 3), in a picture as a gate takes it.

    Detectors find it and it passes the gate's demands; what it costs to compare is what any face costs.
    """
    draw = np.random.default_rng(seed)
    skin = np.array((205.0, 150.0, 120.0))
    shade, hair = skin * 0.75, np.array((50.0, 35.0, 25.0))
    canvas: NDArray[np.float64] = np.full((height, width, 3), (150.0, 165.0, 180.0))
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float64)
    middle = np.array((width / 2, height / 2)) + draw.uniform(-4, 4, 2)  # nobody stands quite still
    white, iris, lips = np.array((240.0, 240.0, 240.0)), np.array((60.0, 40.0, 30.0)), np.array((170.0, 70.0, 70.0))
    # x, y, half width and half height (px before `scale`), colour: from the back to the front
    blobs: list[tuple[float, float, float, float, NDArray[np.float64]]] = [
        (0, -30, 72, 80, hair),
        (0, 110, 35, 45, shade),
        (0, 0, 60, 80, skin),
    ]
    for side in (-1, 1):
        blobs += [(side * 25, -18, 15, 9, shade), (side * 25, -17, 11, 5.5, white), (side * 25, -17, 5, 5, iris)]
        blobs += [(side * 25, -34, 15, 3.5, hair), (side * 7, 22, 4, 3, shade * 0.6)]
    blobs += [(0, 8, 9, 22, np.minimum(skin * 1.08, 255)), (0, 45, 21, 6, lips), (0, 45, 18, 1.2, lips * 0.5)]
    for x, y, wide, high, colour in blobs:
        inside = ((xs - middle[0] - x * scale) / (wide * scale)) ** 2 + (
            (ys - middle[1] - y * scale) / (high * scale)
        ) ** 2
        share = 1 / (1 + np.exp(np.minimum((inside - 1) / 0.08, 50)))
        canvas = canvas * (1 - share[..., None]) + colour * share[..., None]
    canvas = canvas + draw.normal(0, 3, canvas.shape)  # a camera's noise
    return np.asarray(np.clip(canvas, 0, 255), dtype=np.uint8)
