"""A whole admission and its sealing, played once with keys drawn for it, before the room's door closes.

Why: libraries load parts of themselves at their first use, and after the door is closed nothing can be loaded. What is played
here is also what is quick when the traveller comes.
"""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from egide.border.room.admitting import admit
from egide.border.room.messages import Admit, IssuerKey, StatusToken
from egide.border.room.sealed import SealError, opened, sealed
from egide.border.token import question
from egide.border.token.answer import seal
from egide.border.token.claims import Claims
from egide.border.token.profile import QUERY, Slot, Terms, issue_batch
from egide.protocols.sdjwt.present import present
from egide.protocols.sdjwt.signing import jwk_of, kid_of, local, public_of
from egide.protocols.sdjwt.statuslist import StatusList
from egide.protocols.wallet.tokens import Jwk

NOW = 1_800_000_000  # s; the rehearsal has a clock of its own
CLIENT, CLAIM, URI = "rehearsal", "flight", "rehearsal:status"


def rehearse(private: ECKey, public: dict[str, str]) -> None:
    """Plays two admissions that succeed, one that fails and a torn seal. Raises `RuntimeError` where they end otherwise."""
    authority, holder = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    kid, jwk, sign = kid_of(authority.public_key()), jwk_of(authority.public_key()), local(authority)
    terms = Terms(issuer=CLIENT, kid=kid, status=URI, until=NOW + 60)
    slot = Slot(control=CLIENT, claims=(CLAIM,), holder=jwk_of(holder.public_key()), place=1)
    token = issue_batch(terms, Claims(flight="XX 1"), (slot,), sign, bytes(32))[0]
    shown = present(token.credential, (CLAIM,), "nonce", CLIENT, local(holder), NOW)
    told = {"vp_token": {QUERY: [shown]}, "state": "state"}
    answer = urlencode({"response": sealed(msgspec.json.encode(told), public)}).encode()
    statuses = StatusList(1, 8).token(URI, sign, NOW, ttl=60, life=60, kid=kid)
    key = IssuerKey(kid, jwk.x, jwk.y)
    message = Admit(
        answer=answer, realm="", client=CLIENT, gate=key, response_uri="", question=b"", control=CLIENT, claims=(CLAIM,),
        issuers=(key,), lists=(StatusToken(URI, kid, statuses),), grace_s=60, now=NOW,
    )  # fmt: skip
    own = public_of(Jwk("EC", "P-256", public["x"], public["y"]))
    picture = question.ask(CLIENT, (CLAIM,), authority.public_key(), sign, own, NOW)
    read = question.read(picture, lambda _kid: authority.public_key(), NOW)
    offline = msgspec.structs.replace(message, question=picture, answer=seal(read, token.cwt, b"", local(holder)))
    words = [admit(each, private, "nonce", "state")[0].why for each in (message, offline)]
    words.append(admit(message, private, "another", "state")[0].why)
    if words != ["", "", "nonce"] or not _torn(private, public):
        raise RuntimeError("the rehearsal failed")


def _torn(private: ECKey, public: dict[str, str]) -> bool:
    try:
        opened(sealed(b"-", public)[:-2], private)
    except SealError:
        return True
    return False
