"""The servers by which two browsers find one another: STUN and TURN addresses, and a TURN server's passwords for an hour.

    stun:stun.example:3478 · turn:turn.example:3478?transport=udp · turns:turn.example:5349

Source: RFC 7064 and RFC 7065 (the addresses), W3C WebRTC RTCIceServer; the passwords are those of draft-uberti-behave-turn-rest,
which TURN servers know as a shared secret: the name is the second at which it ends, the password its HMAC-SHA-1.
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from typing import Any

ADDRESS = re.compile(r"(stuns?|turns?):(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?(\?transport=(udp|tcp))?")
LIFE_S = 3_600  # s a password lasts: the call that began with it goes on


def addresses(text: str) -> list[str]:
    """The addresses of a line, space-separated. Raises `ValueError` with the first that is none."""
    found = text.split()
    for one in found:
        match = ADDRESS.fullmatch(one)
        if match is None or (match[4] and match[1].startswith("stun")):
            raise ValueError(one)
    return found


def servers(found: list[str], secret: str, now_s: int) -> list[dict[str, Any]]:
    """What a browser is given; without a secret a TURN server is asked for nothing it would refuse, and left out."""
    stun = [one for one in found if one.startswith("stun")]
    turn = [one for one in found if one.startswith("turn")]
    given: list[dict[str, Any]] = [{"urls": stun}] if stun else []
    if turn and secret:
        name = str(now_s + LIFE_S)
        password = b64encode(hmac.digest(secret.encode(), name.encode(), "sha1")).decode()
        given.append({"urls": turn, "username": name, "credential": password})
    return given
