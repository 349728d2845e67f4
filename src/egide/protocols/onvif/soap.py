"""The SOAP 1.2 requests that a camera is asked, and its answers.

Source: ONVIF Core (device), Media (ver10) and PTZ (ver20) specifications; WS-Security UsernameToken Profile 1.0: the pass word
never travels, its digest is Base64(SHA-1(nonce + created + pass word)), with the camera's own clock, which is often wrong.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from egide.protocols.safexml import XmlError, tree

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
DEVICE = "http://www.onvif.org/ver10/device/wsdl"
MEDIA = "http://www.onvif.org/ver10/media/wsdl"
PTZ = "http://www.onvif.org/ver20/ptz/wsdl"
SCHEMA = "http://www.onvif.org/ver10/schema"
_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
_PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
_NONCE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"
MAX_PROFILES = 32


class OnvifError(ValueError):
    """An answer that is none, or not ONVIF."""


class Fault(OnvifError):
    """The camera refuses; ``unauthorized`` when it does not know the user."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason or code or "the camera gives no reason")
        self.code = code
        self.unauthorized = "notauthorized" in code.lower() or "not authorized" in reason.lower()


class Token(NamedTuple):
    """Who asks: to be made anew for each request."""

    user: str
    digest: str
    nonce: str
    created: str


class Services(NamedTuple):
    """Addresses of a camera's services; "" where it has none."""

    media: str
    ptz: str


class Profile(NamedTuple):
    """A stream that the camera offers."""

    token: str
    name: str
    encoding: str
    width: int
    height: int
    ptz: bool


def token(user: str, password: str, now: datetime, nonce: bytes) -> Token:
    """The digest for a moment of the camera's clock; ``nonce``: 16 random bytes."""
    created = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    # SHA-1 is what the profile prescribes; with a nonce used once it hides the pass word from a reader, no more.
    digest = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False).digest()
    return Token(user, base64.b64encode(digest).decode(), base64.b64encode(nonce).decode(), created)


def document(body: str, head: str = "", namespaces: str = "") -> bytes:
    """A SOAP envelope."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{ENVELOPE}" {namespaces}>'
        f"<s:Header>{head}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _security(who: Token | None) -> str:
    if who is None:
        return ""
    return (
        f'<Security s:mustUnderstand="1" xmlns="{_WSSE}"><UsernameToken><Username>{escape(who.user)}</Username>'
        f'<Password Type="{_PROFILE}">{who.digest}</Password><Nonce EncodingType="{_NONCE}">{who.nonce}</Nonce>'
        f'<Created xmlns="{_WSU}">{who.created}</Created></UsernameToken></Security>'
    )


def get_system_date_and_time() -> bytes:
    """The camera's clock; asked without a user, to make a token by it."""
    return document(f'<GetSystemDateAndTime xmlns="{DEVICE}"/>')


def get_capabilities(who: Token | None) -> bytes:
    """Where its services are."""
    body = f'<GetCapabilities xmlns="{DEVICE}"><Category>All</Category></GetCapabilities>'
    return document(body, _security(who))


def get_profiles(who: Token | None) -> bytes:
    """Which streams it offers."""
    return document(f'<GetProfiles xmlns="{MEDIA}"/>', _security(who))


def get_stream_uri(who: Token | None, profile: str) -> bytes:
    """Where one stream is, by RTSP over TCP."""
    setup = (
        f'<StreamSetup><Stream xmlns="{SCHEMA}">RTP-Unicast</Stream>'
        f'<Transport xmlns="{SCHEMA}"><Protocol>RTSP</Protocol></Transport></StreamSetup>'
    )
    body = f'<GetStreamUri xmlns="{MEDIA}">{setup}<ProfileToken>{escape(profile)}</ProfileToken></GetStreamUri>'
    return document(body, _security(who))


def set_synchronization_point(who: Token | None, profile: str) -> bytes:
    """A key frame, please."""
    body = f'<SetSynchronizationPoint xmlns="{MEDIA}"><ProfileToken>{escape(profile)}</ProfileToken></SetSynchronizationPoint>'
    return document(body, _security(who))


def continuous_move(who: Token | None, profile: str, pan: float, tilt: float, zoom: float, seconds: float) -> bytes:
    """Turn at these speeds (-1 to 1) for so long at most: the camera stops by itself should we be cut off."""
    speeds = (
        f'<Velocity><PanTilt xmlns="{SCHEMA}" x={quoteattr(f"{pan:.3f}")} y={quoteattr(f"{tilt:.3f}")}/>'
        f'<Zoom xmlns="{SCHEMA}" x={quoteattr(f"{zoom:.3f}")}/></Velocity>'
    )
    body = (
        f'<ContinuousMove xmlns="{PTZ}"><ProfileToken>{escape(profile)}</ProfileToken>{speeds}'
        f"<Timeout>PT{seconds:.1f}S</Timeout></ContinuousMove>"
    )
    return document(body, _security(who))


def stop(who: Token | None, profile: str) -> bytes:
    """Turn no more."""
    body = f'<Stop xmlns="{PTZ}"><ProfileToken>{escape(profile)}</ProfileToken><PanTilt>true</PanTilt><Zoom>true</Zoom></Stop>'
    return document(body, _security(who))


def goto_preset(who: Token | None, profile: str, preset: str) -> bytes:
    """Turn to a place that was stored in the camera."""
    body = (
        f'<GotoPreset xmlns="{PTZ}"><ProfileToken>{escape(profile)}</ProfileToken>'
        f"<PresetToken>{escape(preset)}</PresetToken></GotoPreset>"
    )
    return document(body, _security(who))


def body_of(data: bytes) -> Element:
    """The first element of an answer's body.  Raises Fault when the camera refuses, OnvifError when it is no answer."""
    try:
        root = tree(data)
    except XmlError as problem:
        raise OnvifError(str(problem)) from problem
    body = root.find(f"{{{ENVELOPE}}}Body")
    if root.tag != f"{{{ENVELOPE}}}Envelope" or body is None or len(body) == 0:
        raise OnvifError("not a SOAP 1.2 answer")
    if body[0].tag == f"{{{ENVELOPE}}}Fault":
        codes = [value.text or "" for value in body[0].iter(f"{{{ENVELOPE}}}Value")]
        raise Fault(" ".join(codes).strip(), body[0].findtext(f".//{{{ENVELOPE}}}Text", "").strip()[:200])
    return body[0]


def clock(data: bytes) -> datetime:
    """The camera's time in UTC.  Raises OnvifError."""
    utc = body_of(data).find(f".//{{{SCHEMA}}}UTCDateTime")
    if utc is None:
        raise OnvifError("the camera does not tell its time in UTC")
    names = ("Date/Year", "Date/Month", "Date/Day", "Time/Hour", "Time/Minute", "Time/Second")
    try:
        parts = [int(utc.findtext("/".join(f"{{{SCHEMA}}}{step}" for step in name.split("/")), "")) for name in names]
        return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type] # six whole numbers, by the list above
    except (ValueError, OverflowError) as problem:
        raise OnvifError("the camera's time is none") from problem


def capabilities(data: bytes) -> Services:
    """Where its services are.  Raises OnvifError."""
    body = body_of(data)

    def address(name: str) -> str:
        return body.findtext(f".//{{{SCHEMA}}}{name}/{{{SCHEMA}}}XAddr", "").strip()

    return Services(address("Media"), address("PTZ"))


def profiles(data: bytes) -> list[Profile]:
    """Its streams, at most MAX_PROFILES.  Raises OnvifError."""
    found = []
    for each in list(body_of(data).iter(f"{{{MEDIA}}}Profiles"))[:MAX_PROFILES]:
        encoder = each.find(f"{{{SCHEMA}}}VideoEncoderConfiguration")
        encoding = "" if encoder is None else encoder.findtext(f"{{{SCHEMA}}}Encoding", "").strip()
        size = [
            "" if encoder is None else encoder.findtext(f"{{{SCHEMA}}}Resolution/{{{SCHEMA}}}{side}", "")
            for side in ("Width", "Height")
        ]
        width, height = (int(text) if text.isdecimal() and len(text) < 6 else 0 for text in size)
        name = each.findtext(f"{{{SCHEMA}}}Name", "").strip()[:80]
        moves = each.find(f"{{{SCHEMA}}}PTZConfiguration") is not None
        if each.get("token"):
            found.append(Profile(each.get("token", ""), name, encoding, width, height, moves))
    return found


def stream_uri(data: bytes) -> str:
    """Where the stream is.  Raises OnvifError."""
    uri = body_of(data).findtext(f".//{{{SCHEMA}}}Uri", "").strip()
    if not uri.startswith("rtsp://"):
        raise OnvifError("the camera gives no RTSP address")
    return uri
