"""SMS by an operator's gateway: one JSON request over HTTPS for one message, in the form that the gateway wants.

There is no standard that gateways share, so the body is a template of the operator's (`sms_body`): any JSON in whose strings
`{to}` and `{text}` stand for number and message. It is read as JSON before they are put in, so that no message can add a field.
The gateway learns a number and that there is news, nothing else. Source: ITU-T E.164 (numbers), 3GPP TS 23.038 (160 letters).

    sms = "https://gateway.example/messages"      keys/sms.header: "Authorization: Bearer …" (mode 0600)
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from egide.kernel.errors import StartupError, Text, Unavailable
from egide.kernel.keyfile import read_private
from egide.kernel.outward import Unreachable, post

log = logging.getLogger("egide.sms")

HEADER = "sms.header"
MAX_ANSWER = 4096  # bytes; only its status counts
# The gateway has read the request and will never take this number: asked again it says the same.
NEVER = frozenset({400, 404, 410, 422})
OK = range(200, 300)
_FIELD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[\x21-\x7e][\x20-\x7e]*")  # RFC 9110 §5


class HttpSms:
    """Hands messages to one gateway."""

    def __init__(self, address: str, body: str, country: str, keys: Path) -> None:
        """`country`: the prefix of numbers that are given without one, "+33". Raises `StartupError`."""
        parts = urlsplit(address)
        secure = parts.scheme == "https" or (parts.scheme == "http" and _here(parts.hostname or ""))
        if not secure or not parts.hostname or parts.username or not re.fullmatch(r"\+[0-9]{1,3}", country):
            raise _wrong("sms = https://…, sms_country = +33")
        try:
            self._body: Any = json.loads(body)
        except ValueError as error:
            raise _wrong('sms_body = {"to": "{to}", "text": "{text}"}') from error
        if "{to}" not in body or "{text}" not in body:
            raise _wrong("{to}, {text}")
        self._address, self._country, self._keys = address, country, keys

    def send(self, to: str, text: str) -> None:
        """Hands over one message. Raises `Unavailable`: try again later."""
        filled = _filled(self._body, {"{to}": _number(to, self._country), "{text}": text})
        try:
            answer = post(self._address, json.dumps(filled).encode(), "application/json", MAX_ANSWER, self._headers())
        except Unreachable as error:
            log.warning("the SMS gateway does not answer: %s", error)
            raise _away("—") from None
        if answer.status in NEVER:
            log.warning("the SMS gateway will not take a message: HTTP %d", answer.status)
        elif answer.status not in OK:
            raise _away(str(answer.status))

    def _headers(self) -> dict[str, str]:
        """The credential's header, read each time: it may be changed while the platform runs."""
        file = self._keys / HEADER
        if not file.exists():
            return {}
        line = read_private(file).decode("ascii", "replace").strip()
        if not _FIELD.fullmatch(line):
            raise _away(HEADER)
        name, _, value = line.partition(":")
        return {name: value.strip()}


def _filled(template: Any, values: Mapping[str, str]) -> Any:
    if isinstance(template, str):
        return re.sub(r"\{to\}|\{text\}", lambda found: values[found[0]], template)
    if isinstance(template, list):
        return [_filled(one, values) for one in template]
    if isinstance(template, dict):
        return {name: _filled(one, values) for name, one in template.items()}
    return template


def _number(typed: str, country: str) -> str:
    """A number as gateways take it (E.164): plus, country, digits."""
    digits = "".join(one for one in typed.replace("(0)", "") if one.isascii() and one.isdigit())
    if typed.strip().startswith("+"):
        return f"+{digits}"
    if digits.startswith("00"):
        return f"+{digits[2:]}"
    return country + digits.removeprefix("0")


def _here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _wrong(example: str) -> StartupError:
    return StartupError(
        Text("La passerelle de SMS est mal donnée.", "The SMS gateway is given wrongly."),
        Text(f"Par exemple : {example}.", f"For example: {example}."),
        file="egide.toml",
    )


def _away(cause: str) -> Unavailable:
    return Unavailable(
        Text("La passerelle de SMS ne prend pas le message.", "The SMS gateway does not take the message."),
        Text(f"Cause : {cause}.", f"Cause: {cause}."),
    )
