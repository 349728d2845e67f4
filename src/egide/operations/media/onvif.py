"""A camera found and moved by ONVIF: `onvif://user:password@host:port`, with `?profile=token` for another stream than the first.

The camera's answers are a stranger's: whatever addresses they hold, only the host that the operator wrote is spoken to, its
answers are bounded (256 KiB) and waited for 5 s at most. The pass word goes out as a digest (protocols/onvif/soap.py).
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import secrets
import socket
import struct
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

from egide.operations.media.errors import source_error
from egide.protocols import onvif
from egide.protocols.onvif.discovery import GROUP
from egide.protocols.safexml import MAX_BYTES

T = TypeVar("T")
Found = list[tuple[str, onvif.Match]]
"""(onvif:// address, what it says) of each camera."""

ANSWER_S: Final = 5.0
"""Seconds a camera may take to answer."""
DEVICE_PATH: Final = "/onvif/device_service"
"""Where every ONVIF device listens (Core Specification, 5.1.1)."""
MAX_FOUND: Final = 64
MAX_INTERFACES: Final = 8
_SIOCGIFADDR: Final = 0x8915
"""Linux, netdevice(7): the IPv4 address of an interface, at bytes 20 to 23 of its `struct ifreq`."""
MAX_ANSWERS: Final = 512
"""Datagrams looked at in one discovery."""


class Camera:
    """One camera.  Every method raises SourceError: address, unreachable, refused, onvif, no_move."""

    def __init__(self, url: str, timeout_s: float = ANSWER_S) -> None:
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port or 80
            asked = dict(parse_qsl(parts.query, max_num_fields=4))
        except ValueError as problem:
            raise source_error("address") from problem
        if parts.scheme != "onvif" or not self._host or parts.path not in ("", "/") or set(asked) - {"profile"}:
            raise source_error("address")
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._profile = asked.get("profile", "")
        self._timeout = min(timeout_s, ANSWER_S)
        self._ahead: timedelta | None = None
        self._services: onvif.Services | None = None

    def stream(self) -> str:
        """The RTSP address of the stream, with the user and pass word of this one."""
        chosen = self._chosen(moving=False)
        uri = _read(onvif.stream_uri, self._ask(self._media(), onvif.get_stream_uri(self._who(), chosen.token)))
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError as problem:
            raise source_error("onvif") from problem
        host = f"[{self._host}]" if ":" in self._host else self._host
        known = f"{quote(self._user, safe='')}:{quote(self._password, safe='')}@" if self._user else ""
        return urlunsplit(("rtsp", f"{known}{host}" + (f":{port}" if port else ""), parts.path, parts.query, ""))

    def move(self, pan: float, tilt: float, zoom: float, seconds: float) -> None:
        """Turns at these speeds (-1 to 1), for so long."""
        profile = self._chosen(moving=True).token
        self._ask(self._ptz(), onvif.continuous_move(self._who(), profile, pan, tilt, zoom, seconds))

    def stop(self) -> None:
        """Turns no more."""
        self._ask(self._ptz(), onvif.stop(self._who(), self._chosen(moving=True).token))

    def go_to(self, preset: str) -> None:
        """Turns to a stored place."""
        self._ask(self._ptz(), onvif.goto_preset(self._who(), self._chosen(moving=True).token, preset))

    def key_frame(self) -> None:
        """Asks for a key frame."""
        profile = self._chosen(moving=False).token
        self._ask(self._media(), onvif.set_synchronization_point(self._who(), profile))

    def profiles(self) -> list[onvif.Profile]:
        """The streams it offers."""
        return _read(onvif.profiles, self._ask(self._media(), onvif.get_profiles(self._who())))

    def _chosen(self, *, moving: bool) -> onvif.Profile:
        """The profile asked for; else the first in H.264, that moves if it must."""
        offered = self.profiles()
        if self._profile:
            offered = [each for each in offered if each.token == self._profile]
        fitting = [each for each in offered if (each.ptz if moving else each.encoding in ("H264", ""))]
        if not fitting:
            raise source_error("no_move" if moving else "no_video")
        return fitting[0]

    def _found(self) -> onvif.Services:
        if self._services is None:
            answer = self._ask(DEVICE_PATH, onvif.get_capabilities(self._who()))
            self._services = _read(onvif.capabilities, answer)
        return self._services

    def _media(self) -> str:
        return _path(self._found().media) or DEVICE_PATH

    def _ptz(self) -> str:
        path = _path(self._found().ptz)
        if not path:
            raise source_error("no_move")
        return path

    def _who(self) -> onvif.Token | None:
        """A token by the camera's clock; none when no user was given."""
        if not self._user:
            return None
        if self._ahead is None:
            said = _read(onvif.clock, self._ask(DEVICE_PATH, onvif.get_system_date_and_time()))
            self._ahead = said - datetime.now(UTC)
        return onvif.token(self._user, self._password, datetime.now(UTC) + self._ahead, secrets.token_bytes(16))

    def _ask(self, path: str, request: bytes) -> bytes:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        headers = {"Content-Type": "application/soap+xml; charset=utf-8", "Connection": "close"}
        try:
            connection.request("POST", path, request, headers)
            with connection.getresponse() as answer:
                data = answer.read(MAX_BYTES + 1)
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise source_error("unreachable") from problem
        finally:
            connection.close()
        if answer.status in (401, 403):
            raise source_error("refused")
        if len(data) > MAX_BYTES:
            raise source_error("hostile")
        if answer.status == 200:
            return data
        _read(onvif.capabilities, data)  # a fault tells more than the status
        raise source_error("onvif")


def _read(reader: Callable[[bytes], T], data: bytes) -> T:
    try:
        return reader(data)
    except onvif.Fault as fault:
        raise source_error("refused" if fault.unauthorized else "onvif") from fault
    except onvif.OnvifError as problem:
        raise source_error("onvif") from problem


def _path(address: str) -> str:
    """The path of a service's address, whatever host it names: only the operator's is spoken to."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return (
        urlunsplit(("", "", parts.path, parts.query, "")) if parts.path.startswith("/") and parts.path.isascii() else ""
    )


def interfaces() -> list[str]:
    """The IPv4 addresses of this machine's network interfaces, MAX_INTERFACES at most."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for _number, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # an interface without an IPv4 address
                answer = fcntl.ioctl(sock, _SIOCGIFADDR, struct.pack("256s", name.encode()))
                found.append(socket.inet_ntoa(answer[20:24]))
    return found[:MAX_INTERFACES]


def discover(interface: str, seconds: float, group: tuple[str, int] = GROUP) -> Found:
    """Each camera that answers on one interface of this machine, given by its address.

    Only the host that answered is taken for the camera's, so that no answer can name another. Raises SourceError interface.
    """
    question = str(uuid.uuid4())
    found: dict[str, onvif.Match] = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(interface))
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            sock.bind((interface, 0))
            sock.sendto(onvif.probe(question), group)
        except OSError as problem:
            raise source_error("interface") from problem
        until = time.monotonic() + seconds
        for _ in range(MAX_ANSWERS):
            left = until - time.monotonic()
            if left <= 0 or len(found) >= MAX_FOUND:
                break
            sock.settimeout(left)
            try:
                data, (host, _port) = sock.recvfrom(65_536)
                answers = onvif.matches(data, question)
            except (TimeoutError, onvif.OnvifError):
                continue
            for match in answers:
                port = urlsplit(match.address).port
                found.setdefault(f"onvif://{host}" + (f":{port}" if port else ""), match)
    return list(found.items())


def stream_of(url: str, timeout_s: float) -> str:
    """The RTSP address behind an onvif:// one.  Raises SourceError."""
    return Camera(url, timeout_s).stream()
