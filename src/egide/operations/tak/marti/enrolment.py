"""The enrolment port: no certificate yet, but a device's drawn name and its token (HTTP basic, RFC 7617).

The token signs once; until it ends it also fetches the profile, which clients ask for right after. Tries are counted by address.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from cryptography import x509

from egide.kernel.errors import BadInput, Text, TooMany
from egide.kernel.identity import Principal
from egide.kernel.limits import Buckets
from egide.operations.tak.authority import MAX_CSR, Authority
from egide.operations.tak.enrol import token_holder, used
from egide.operations.tak.identity import TakDevice, shown
from egide.operations.tak.marti.door import JSON, XML, ZIP, Answer, Request, Route, Scope, route, told
from egide.operations.tak.profile import enrolled

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

TRIES_PER_S, TRIES_AT_ONCE = 0.5, 20  # wrong or right, of one address
P12 = "application/octet-stream"
NAMES = (
    b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    b'<ns2:certificateConfig xmlns="http://bbn.com/marti/xml/config" xmlns:ns2="com.bbn.marti.config">'
    b'<nameEntries><nameEntry name="O" value="Egide"/><nameEntry name="OU" value="TAK"/></nameEntries></ns2:certificateConfig>\n'
)


def by_token(kernel: Kernel, scope: Scope, headers: dict[str, str]) -> tuple[TakDevice, Principal, str]:
    """The device whose token this is. Raises `NotSignedIn`, `TooMany`."""
    tries: Buckets = kernel.things.setdefault("tak-tries", Buckets(TRIES_PER_S, TRIES_AT_ONCE))
    client = scope.get("client")
    if not tries.take(client[0] if client else ""):
        raise TooMany(
            Text("Trop d’essais d’enrôlement.", "Too many tries to enrol."),
            Text("Attendez une minute.", "Wait a minute."),
        )
    word, _, given = headers.get("authorization", "").partition(" ")
    try:
        name, _, token = base64.b64decode(given, validate=True).decode().partition(":")
    except (ValueError, binascii.Error):
        raise used() from None
    db = kernel.store.reader()
    row = token_holder(db, name[:40], token[:100], kernel.clock.now_us()) if word.lower() == "basic" else None
    person = kernel.identity.person(row.person, db, strong=True) if row is not None else None
    if row is None or person is None:
        raise used()
    return shown(kernel, row), person, str(row.enrolment)


async def config(_request: Request) -> Answer:
    """Which names a request's subject has; ours replaces it anyway."""
    return Answer(body=NAMES, media_type=XML)


async def sign_v2(request: Request) -> Answer:
    """The certificate, JSON or XML as the client accepts."""
    made = await _signed(request)
    certificate, authority = (base64.b64encode(each).decode() for each in (made.certificate, made.authority))
    if XML in request.headers.get("accept", "") and JSON not in request.headers.get("accept", ""):
        text = f"<enrollment><signedCert>{escape(certificate)}</signedCert><ca>{escape(authority)}</ca></enrollment>"
        return Answer(body=f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode(), media_type=XML)
    return told({"signedCert": certificate, "ca0": authority})


async def sign_v1(request: Request) -> Answer:
    """The certificate as PKCS #12, for clients of the first protocol."""
    made = await _signed(request)
    store = Authority.of(request.kernel).key_store(x509.load_der_x509_certificate(made.certificate))
    return Answer(body=store, media_type=P12)


async def _signed(request: Request) -> Any:
    body = await request.body(MAX_CSR)
    try:
        asked = body.decode("ascii")
    except UnicodeDecodeError:
        raise BadInput(Text("Demande de certificat illisible.", "Unreadable certificate request.")) from None
    return await request.act("device.sign", device=request.device.id, request=asked, uid=request.one("clientUid"))


async def profile(request: Request) -> Answer:
    """Settings for the device that just got its certificate."""
    found = enrolled(request.kernel.settings, Authority.of(request.kernel), request.device.callsign)
    return Answer(body=found, media_type=ZIP, headers={"content-disposition": 'attachment; filename="egide.zip"'})


async def nothing_new(_request: Request) -> Answer:
    """What a device is told at each connection beyond its enrolment: nothing."""
    return Answer(204)


ROUTES: tuple[Route, ...] = (
    route("GET", "/Marti/api/tls/config", config),
    route("POST", "/Marti/api/tls/signClient", sign_v1),
    route("POST", "/Marti/api/tls/signClient/v2", sign_v2),
    route("GET", "/Marti/api/tls/profile/enrollment", profile),
)
# On the port for enrolled devices.
CONNECTED: tuple[Route, ...] = (
    route("GET", "/Marti/api/tls/profile/enrollment", profile),
    route("GET", "/Marti/api/device/profile/connection", nothing_new),
)
