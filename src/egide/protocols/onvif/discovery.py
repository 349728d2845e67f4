"""WS-Discovery as ONVIF cameras answer it: one probe by UDP multicast, one answer from each camera.

Source: WS-Discovery (April 2005), the version that the ONVIF Core Specification asks for, 7.3; group 239.255.255.250, port 3702.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

from egide.protocols.safexml import XmlError, tree

from .soap import OnvifError, document

GROUP = ("239.255.255.250", 3702)
_D = "http://schemas.xmlsoap.org/ws/2005/04/discovery"
_A = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
_SCOPE = "onvif://www.onvif.org/"
_WORDS = 120
"""Characters kept of a camera's own words."""


class Match(NamedTuple):
    """A camera that answered: its device service, and what it says of itself."""

    address: str
    name: str
    hardware: str
    location: str


def probe(message_id: str) -> bytes:
    """The question, for network video transmitters."""
    head = (
        f"<a:Action>{_D}/Probe</a:Action><a:MessageID>uuid:{escape(message_id)}</a:MessageID>"
        "<a:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</a:To>"
    )
    body = '<d:Probe><d:Types xmlns:dn="http://www.onvif.org/ver10/network/wsdl">dn:NetworkVideoTransmitter</d:Types></d:Probe>'
    return document(body, head, f'xmlns:a="{_A}" xmlns:d="{_D}"')


def matches(data: bytes, message_id: str) -> list[Match]:
    """The cameras of one answer to our question, those with an http address only.  Raises OnvifError."""
    try:
        root = tree(data)
    except XmlError as problem:
        raise OnvifError(str(problem)) from problem
    related = root.findtext(f".//{{{_A}}}RelatesTo", "").strip()
    if related != f"uuid:{message_id}":
        raise OnvifError("not an answer to this question")
    found = []
    for match in root.iter(f"{{{_D}}}ProbeMatch"):
        addresses = match.findtext(f"{{{_D}}}XAddrs", "").split()
        address = next((each for each in addresses if _plain(each)), None)
        if address is None:
            continue
        scopes = match.findtext(f"{{{_D}}}Scopes", "").split()
        found.append(Match(address, _scope(scopes, "name/"), _scope(scopes, "hardware/"), _scope(scopes, "location/")))
    return found


def _plain(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme == "http" and bool(parts.hostname) and (parts.port or 80) > 0
    except ValueError:
        return False


def _scope(scopes: list[str], kind: str) -> str:
    prefix = _SCOPE + kind
    said = next((scope.removeprefix(prefix) for scope in scopes if scope.startswith(prefix)), "")
    words = unquote(said, errors="replace")
    return "".join(letter for letter in words if letter.isprintable())[:_WORDS].strip()
