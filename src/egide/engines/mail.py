"""Mail by SMTP (RFC 5321): one message to one address, by the operator’s own relay; TLS, but on this machine.

    smtps://relay.example:465 · smtp://relay.example:587 (STARTTLS, RFC 3207) · smtp://127.0.0.1:25

With a name in the address (`smtp://name@relay…`) the relay is told who we are; the password lies in keys/mail.password.
"""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from egide.kernel.errors import StartupError, Text, Unavailable
from egide.kernel.keyfile import read_private

PASSWORD = "mail.password"  # noqa: S105 — a file name
TIMEOUT_S = 20.0  # s for each word of the exchange
PORTS = {"smtp": 587, "smtps": 465}


class SmtpMail:
    """Hands messages to one relay. Any thread may call; each call is a connection of its own."""

    def __init__(self, address: str, sender: str, keys: Path) -> None:
        """`address`: smtp(s)://[name@]host[:port]; `sender`: what the message says it is from. Raises `StartupError`."""
        parts = urlsplit(address)
        if parts.scheme not in PORTS or not parts.hostname or parts.path or "@" not in sender:
            raise StartupError(
                Text("Le relais de messagerie est mal donné.", "The mail relay is given wrongly."),
                Text(
                    "Donnez mail = smtp(s)://relais:port et mail_from = adresse.",
                    "Give mail = smtp(s)://relay:port and mail_from = address.",
                ),
                file="egide.toml",
            )
        self._host, self._port = parts.hostname, parts.port or PORTS[parts.scheme]
        self._wrapped = parts.scheme == "smtps"
        self._user, self._keys, self._sender = parts.username or "", keys, sender

    def send(self, to: str, subject: str, text: str) -> None:
        """Hands over one message in plain text. Raises `Unavailable`: try again later."""
        message = EmailMessage(policy=SMTP.clone(utf8=True))
        message["From"], message["To"], message["Subject"] = self._sender, to, subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=self._sender.rpartition("@")[2])
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic answer comes back
        message.set_content(text)
        try:
            with self._connected() as relay:
                if self._user:
                    relay.login(self._user, read_private(self._keys / PASSWORD).decode().strip())
                relay.send_message(message)
        except (OSError, smtplib.SMTPException) as error:
            # What the relay answers may hold the address: it is not passed on.
            raise Unavailable(
                Text("Le relais de messagerie ne prend pas le message.", "The mail relay does not take the message."),
                Text(f"Cause : {type(error).__name__}.", f"Cause: {type(error).__name__}."),
            ) from None

    def _connected(self) -> smtplib.SMTP:
        context = ssl.create_default_context()
        if self._wrapped:
            return smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_S, context=context)
        relay = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_S)
        if not _here(self._host):
            relay.starttls(context=context)
        return relay


def _here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
