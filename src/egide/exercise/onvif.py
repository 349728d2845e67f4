"""An ONVIF camera of the outside world: device, media and PTZ services over HTTP, WS-Discovery on one interface.

It points at an RTSP server (rtsp.py) for its pictures, keeps where it looks, and admits only who proves the pass word by a
WS-UsernameToken digest, each nonce once, by its own clock, which may be wrong as real cameras' are.
Source: ONVIF Core, Media, PTZ; WS-Discovery April 2005; WS-Security UsernameToken Profile 1.0.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from egide.protocols.onvif.discovery import GROUP
from egide.protocols.onvif.soap import DEVICE, ENVELOPE, MEDIA, PTZ, SCHEMA
from egide.protocols.safexml import MAX_BYTES, XmlError, tree

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

PROFILE = "main"
FRESH = timedelta(seconds=30)
"""How old a token may be, by the camera's clock."""
PRESETS = {"gate": (0.5, -0.25, 0.0)}
_DURATION = re.compile(r"PT(\d+(?:\.\d+)?)S")


@dataclass
class Head:
    """Where the camera looks (-1 to 1 each), how fast it turns, until when, and what it was asked."""

    pan: float = 0.0
    tilt: float = 0.0
    zoom: float = 0.0
    speeds: tuple[float, float, float] = (0.0, 0.0, 0.0)
    until: float = 0.0
    since: float = 0.0
    key_frames: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self, speeds: tuple[float, float, float] = (0.0, 0.0, 0.0), seconds: float = 0.0) -> None:
        """Ends the present move where it has come to, and begins another."""
        with self.lock:
            now = time.monotonic()
            turned = max(0.0, min(now, self.until) - self.since)
            self.pan, self.tilt, self.zoom = (
                max(-1.0, min(1.0, place + speed * turned))
                for place, speed in zip((self.pan, self.tilt, self.zoom), self.speeds, strict=True)
            )
            self.speeds, self.since, self.until = speeds, now, now + seconds

    @property
    def moving(self) -> bool:
        """Whether it turns now."""
        return any(self.speeds) and time.monotonic() < self.until


class OnvifCamera:
    """Serves from `start` to `close`; `head` is where it looks."""

    def __init__(
        self, stream: str, *, user: str = "", password: str = "", name: str = "Exercise dome", clock_off: timedelta = timedelta(0),
        moves: bool = True,
    ) -> None:  # fmt: skip
        self.stream, self.user, self.password, self.name = stream, user, password, name
        self.clock_off, self.moves = clock_off, moves
        self.head = Head()
        self.requests: list[bytes] = []
        self._nonces: set[str] = set()
        self._server: ThreadingHTTPServer | None = None
        self._probes: socket.socket | None = None
        self._threads: list[threading.Thread] = []

    @property
    def port(self) -> int:
        """The port of its services."""
        return int(self._server.server_address[1]) if self._server else 0

    def start(self, host: str = "127.0.0.1", port: int = 0, *, discoverable: bool = True) -> None:
        """Listens; `discoverable` also answers probes on that interface. OSError when a port cannot be had."""
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "0")
                size = int(length) if length.isdecimal() and len(length) < 8 else MAX_BYTES + 1
                status, body = camera.answer(self.rfile.read(min(size, MAX_BYTES)), host)
                self.send_response(status)
                self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the library's name
                """Says nothing."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._spawn(self._server.serve_forever)
        if discoverable:
            self._probes = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._probes.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._probes.bind(GROUP)
            member = socket.inet_aton(GROUP[0]) + socket.inet_aton(host)
            self._probes.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            self._spawn(lambda: self._answer_probes(host))

    def close(self) -> None:
        """Ends it."""
        if self._probes is not None:
            with contextlib.suppress(OSError):
                self._probes.shutdown(socket.SHUT_RDWR)
            self._probes.close()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        for thread in self._threads:
            thread.join(2)

    def _spawn(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self._threads.append(thread)

    def answer(self, request: bytes, host: str) -> tuple[int, bytes]:
        """Status and body of the answer to a SOAP request."""
        self.requests.append(request)
        try:
            root = tree(request)
        except XmlError:
            return 400, _fault("Sender", "not well-formed")
        body = root.find(f"{{{ENVELOPE}}}Body")
        if body is None or len(body) == 0:
            return 400, _fault("Sender", "no request")
        asked = body[0]
        if asked.tag != f"{{{DEVICE}}}GetSystemDateAndTime" and not self._admits(root):
            return 400, _fault("Sender", "Sender not Authorized", "ter:NotAuthorized")
        made = self._made(asked, host)
        return (500, _fault("Receiver", "not supported")) if made is None else (200, _envelope(made))

    def _admits(self, root: Element) -> bool:
        if not self.user:
            return True
        said = {element.tag.rpartition("}")[2]: (element.text or "") for element in root.iter()}
        nonce, created = said.get("Nonce", ""), said.get("Created", "")
        try:
            age = datetime.now(UTC) + self.clock_off - datetime.fromisoformat(created)
            raw = base64.b64decode(nonce, validate=True)
        except (ValueError, TypeError):
            return False
        digest = hashlib.sha1(raw + created.encode() + self.password.encode(), usedforsecurity=False).digest()
        right = hmac.compare_digest(base64.b64encode(digest).decode(), said.get("Password", ""))
        fresh = abs(age) < FRESH and nonce not in self._nonces
        self._nonces.add(nonce)
        return right and fresh and said.get("Username") == self.user

    def _made(self, asked: Element, host: str) -> str | None:
        """The body of the answer; None for a request not known here."""
        name = asked.tag.rpartition("}")[2]
        base = f"http://{host}:{self.port}/onvif"
        if name == "GetSystemDateAndTime":
            return _clock(datetime.now(UTC) + self.clock_off)
        if name == "GetCapabilities":
            ptz = f"<tt:PTZ><tt:XAddr>{base}/ptz_service</tt:XAddr></tt:PTZ>" if self.moves else ""
            media = f"<tt:Media><tt:XAddr>{base}/media_service</tt:XAddr></tt:Media>"
            return f'<d:GetCapabilitiesResponse xmlns:d="{DEVICE}"><d:Capabilities>{media}{ptz}</d:Capabilities></d:GetCapabilitiesResponse>'
        if name == "GetProfiles":
            return self._profiles()
        if name == "GetStreamUri":
            uri = f"<m:MediaUri><tt:Uri>{escape(self.stream)}</tt:Uri></m:MediaUri>"
            return f'<m:GetStreamUriResponse xmlns:m="{MEDIA}">{uri}</m:GetStreamUriResponse>'
        if name == "SetSynchronizationPoint":
            self.head.key_frames += 1
            return f'<m:SetSynchronizationPointResponse xmlns:m="{MEDIA}"/>'
        return self._turned(name, asked)

    def _profiles(self) -> str:
        encoder = (
            "<tt:VideoEncoderConfiguration><tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>1280</tt:Width>"
            "<tt:Height>720</tt:Height></tt:Resolution></tt:VideoEncoderConfiguration>"
        )
        ptz = '<tt:PTZConfiguration token="ptz"/>' if self.moves else ""
        main = f'<m:Profiles token="{PROFILE}" fixed="true"><tt:Name>Main</tt:Name>{encoder}{ptz}</m:Profiles>'
        jpeg = '<m:Profiles token="jpeg"><tt:Name>Still</tt:Name>' + encoder.replace("H264", "JPEG") + "</m:Profiles>"
        return f'<m:GetProfilesResponse xmlns:m="{MEDIA}">{jpeg}{main}</m:GetProfilesResponse>'

    def _turned(self, name: str, asked: Element) -> str | None:
        if not self.moves or asked.findtext(f"{{{PTZ}}}ProfileToken") != PROFILE:
            return None
        if name == "ContinuousMove":
            turn, zoom = asked.find(f".//{{{SCHEMA}}}PanTilt"), asked.find(f".//{{{SCHEMA}}}Zoom")
            found = _DURATION.fullmatch(asked.findtext(f"{{{PTZ}}}Timeout", ""))
            if turn is None or zoom is None or found is None:
                return None
            speeds = (float(turn.get("x", "0")), float(turn.get("y", "0")), float(zoom.get("x", "0")))
            self.head.settle(speeds, float(found[1]))
        elif name == "Stop":
            self.head.settle()
        elif name == "GotoPreset" and (place := PRESETS.get(asked.findtext(f"{{{PTZ}}}PresetToken", ""))):
            self.head.settle()
            self.head.pan, self.head.tilt, self.head.zoom = place
        else:
            return None
        return f'<p:{name}Response xmlns:p="{PTZ}"/>'

    def _answer_probes(self, host: str) -> None:
        probes = self._probes
        while probes is not None:
            try:
                data, asker = probes.recvfrom(65_536)
            except OSError:
                return
            try:
                root = tree(data)
            except XmlError:
                continue
            question = next((e.text or "" for e in root.iter() if e.tag.endswith("}MessageID")), "")
            if not question:
                continue
            with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
                out.bind((host, 0))
                out.sendto(self._match(question, host), asker)

    def _match(self, question: str, host: str) -> bytes:
        scopes = f"onvif://www.onvif.org/type/ptz onvif://www.onvif.org/name/{self.name.replace(' ', '%20')} onvif://www.onvif.org/hardware/EX-1"
        addresses = f"http://{host}:{self.port}/onvif/device_service"
        match = f"<d:ProbeMatch><d:Scopes>{escape(scopes)}</d:Scopes><d:XAddrs>{addresses}</d:XAddrs></d:ProbeMatch>"
        return (
            f'<s:Envelope xmlns:s="{ENVELOPE}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
            f'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><s:Header><a:RelatesTo>{escape(question)}</a:RelatesTo>'
            f"</s:Header><s:Body><d:ProbeMatches>{match}</d:ProbeMatches></s:Body></s:Envelope>"
        ).encode()


def _clock(now: datetime) -> str:
    moment = (
        f"<tt:Time><tt:Hour>{now.hour}</tt:Hour><tt:Minute>{now.minute}</tt:Minute><tt:Second>{now.second}</tt:Second></tt:Time>"
        f"<tt:Date><tt:Year>{now.year}</tt:Year><tt:Month>{now.month}</tt:Month><tt:Day>{now.day}</tt:Day></tt:Date>"
    )
    inside = f"<d:SystemDateAndTime><tt:UTCDateTime>{moment}</tt:UTCDateTime></d:SystemDateAndTime>"
    return f'<d:GetSystemDateAndTimeResponse xmlns:d="{DEVICE}">{inside}</d:GetSystemDateAndTimeResponse>'


def _envelope(body: str) -> bytes:
    return f'<s:Envelope xmlns:s="{ENVELOPE}" xmlns:tt="{SCHEMA}"><s:Body>{body}</s:Body></s:Envelope>'.encode()


def _fault(code: str, reason: str, subcode: str = "") -> bytes:
    sub = f"<s:Subcode><s:Value>{subcode}</s:Value></s:Subcode>" if subcode else ""
    return _envelope(
        f"<s:Fault><s:Code><s:Value>s:{code}</s:Value>{sub}</s:Code><s:Reason><s:Text>{reason}</s:Text></s:Reason></s:Fault>"
    )
