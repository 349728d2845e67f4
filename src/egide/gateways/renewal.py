"""A renewed HTTPS certificate is put to use without a restart, and our own authority's is renewed before it ends.

The file is looked at every few seconds: whoever renews it (`egide init`, certbot, acme.sh, this program) only has to put
server.pem and server.key in their place. The pair is tried apart first, so that half a renewal never breaks the running
server; new connections get the new certificate, open ones go on. A certificate that is not of our own authority is the
operator's affair: it is never replaced.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from egide.gateways import certificate
from egide.kernel.errors import EgideError
from egide.kernel.settings import Settings

log = logging.getLogger("egide.renewal")

LOOK_S = 2.0  # s between looks at the files
RENEW_S = 3600.0  # s between looks at how long the certificate still lives

Seen = tuple[tuple[int, int, int], ...]


class Renewal:
    """Watches one installation's certificate for one TLS context."""

    def __init__(self, settings: Settings, context: ssl.SSLContext) -> None:
        self._place = settings.folder / "tls"
        self._settings = settings
        self._context = context
        self._seen = self._files()
        self.renewed = 0  # times a new certificate was put to use
        self.current = context
        # Asked at each handshake, with or without a name. (Loading into the context itself would keep the old certificate
        # beside the new one when their keys are of different kinds, and go on showing it.)
        context.sni_callback = self._chosen

    async def run(self) -> None:
        """Looks until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            if loop.time() >= due:
                due = loop.time() + RENEW_S
                with suppress(EgideError, OSError):
                    await asyncio.to_thread(self.renew, datetime.now(UTC))
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> bool:
        """Takes over a changed pair of files, if certificate and key belong together."""
        found = self._files()
        if found == self._seen:
            return False
        certificate_file, key_file = str(self._place / "server.pem"), str(self._place / "server.key")
        try:
            fresh = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            fresh.options |= self._context.options
            fresh.minimum_version = self._context.minimum_version
            fresh.load_cert_chain(certificate_file, key_file)
        except (OSError, ssl.SSLError) as error:  # one of the two is still to come, or is wrong: the doctor says which
            log.warning("the new HTTPS certificate cannot be used yet: %s", error)
            return False
        self._seen = found
        self.current = fresh
        self.renewed += 1
        log.warning("a new HTTPS certificate is in use")
        return True

    def _chosen(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, context: ssl.SSLContext) -> None:
        if self.current is not context:
            connection.context = self.current

    def renew(self, now: datetime) -> bool:
        """Makes our own authority's certificate again when it has less than `certificate.RENEW` left."""
        if not certificate.is_own(self._place):
            return False
        made = certificate.ensure(
            self._place, certificate.own_names(self._settings.public_name), now, new_authority=False
        )
        return made.state == "renewed"

    def _files(self) -> Seen:
        return tuple(_about(self._place / name) for name in ("server.pem", "server.key"))


def start(settings: Settings, context: object) -> list[asyncio.Task[None]]:
    """The task that renews; none without TLS."""
    if not isinstance(context, ssl.SSLContext):
        return []
    return [asyncio.create_task(Renewal(settings, context).run(), name="renewal")]


def _about(file: Path) -> tuple[int, int, int]:
    try:
        found = file.stat()
    except OSError:
        return (0, 0, 0)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
