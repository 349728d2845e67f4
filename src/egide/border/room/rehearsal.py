"""A whole admission and its sealing, played once with keys drawn for it, before the room's door closes.

Why: libraries load parts of themselves at their first use, and after the door is closed nothing can be loaded. What is played
here is also what is quick when the traveller comes.
"""

from __future__ import annotations

from urllib.parse import urlencode

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import ECKey

from egide.border.room.admitting import QUERY, SECRET_BYTES, VCT, admit
from egide.border.room.messages import Admit, IssuerKey, StatusToken
from egide.border.room.sealed import SealError, opened, sealed
from egide.protocols.sdjwt.issue import issue
from egide.protocols.sdjwt.present import present
from egide.protocols.sdjwt.signing import jwk_of, kid_of, local
from egide.protocols.sdjwt.statuslist import StatusList
from egide.protocols.vapid import encoded

NOW = 1_800_000_000  # s; the rehearsal has a clock of its own
CLIENT, CLAIM, URI = "rehearsal", "flight", "rehearsal:status"


def rehearse(private: ECKey, public: dict[str, str]) -> None:
    """Plays an admission that succeeds, one that fails and a sealing. Raises `RuntimeError` where they come out otherwise."""
    authority, holder = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    kid, jwk = kid_of(authority.public_key()), jwk_of(authority.public_key())
    visible = {"iss": CLIENT, "vct": VCT, "exp": NOW + 60, "status": {"status_list": {"idx": 1, "uri": URI}}}
    token = issue(visible, {CLAIM: "-"}, jwk_of(holder.public_key()), local(authority), kid=kid)
    shown = present(token, (CLAIM,), "nonce", CLIENT, local(holder), NOW)
    told = {"vp_token": {QUERY: [shown]}, "state": "state", "egide_secret": encoded(bytes(SECRET_BYTES))}
    answer = urlencode({"response": sealed(msgspec.json.encode(told), public)}).encode()
    statuses = StatusList(1, 8).token(URI, local(authority), NOW, ttl=60, life=60, kid=kid)
    message = Admit(
        answer=answer, realm="", client=CLIENT, response_uri="", claims=(CLAIM,), issuers=(IssuerKey(kid, jwk.x, jwk.y),),
        lists=(StatusToken(URI, kid, statuses),), grace_s=60, now=NOW,
    )  # fmt: skip
    good, _held = admit(message, private, "nonce", "state")
    bad, _held = admit(message, private, "another", "state")
    try:
        opened(sealed(b"", public)[:-2], private)
    except SealError:
        torn = True
    else:
        torn = False
    if good.why or bad.why != "nonce" or not torn:
        raise RuntimeError("the rehearsal failed")
