"""What stands in a data folder, seen without changing it: the running server's health, and a kernel that only reads.

Why apart: `init`, `doctor` and `ledger export` look at an installation that may be running. They never start a second
writer; a kernel opened here is not started, so that it can perform no act, and nothing that is missing is created.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DatabaseError

from egide.gateways import certificate
from egide.gateways.composition import composed
from egide.kernel import tables
from egide.kernel.capability import Capability
from egide.kernel.errors import EgideError, StartupError, Text
from egide.kernel.kernel import Kernel
from egide.kernel.migrate import behind
from egide.kernel.settings import Settings
from egide.kernel.store import Store, has_table, unavailable

HEALTH_S = 5.0  # s the running server has to answer
MAX_HEALTH = 64 * 1024  # bytes of its answer; it has about 600
MOVING = 5  # times the ledger is read again when the running server appended meanwhile


def trust(settings: Settings) -> ssl.SSLContext | None:
    """What to trust when talking to our own server on this machine: our own authority; None without TLS."""
    place = settings.folder / "tls"
    authority, server = place / "ca.pem", place / "server.pem"
    if not settings.tls:
        return None
    if server.exists() and not certificate.is_own(place):
        # The operator's own certificate names the public name, not this address: trust that very certificate instead.
        context = ssl.create_default_context(cafile=str(server))
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context
    return ssl.create_default_context(cafile=str(authority) if authority.exists() else None)


def health(settings: Settings) -> dict[str, Any] | None:
    """What the server on our port says of itself; None when nothing answers there, or something that is not Égide."""
    scheme = "https" if settings.tls else "http"
    handlers: list[urllib.request.BaseHandler] = [
        urllib.request.ProxyHandler({})
    ]  # this machine: never through a proxy
    if settings.tls:
        handlers.append(urllib.request.HTTPSHandler(context=trust(settings)))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(f"{scheme}://127.0.0.1:{settings.port}/healthz", timeout=HEALTH_S) as answer:
            said = answer.read(MAX_HEALTH)
    except urllib.error.HTTPError as error:  # 503: it runs, and is not well
        with error:
            said = error.read(MAX_HEALTH)
    except (OSError, ValueError):  # URLError is an OSError; http.client raises ValueErrors on what is not HTTP
        return None
    try:
        found = json.loads(said)
    except ValueError:
        return None
    return found if isinstance(found, dict) and {"ok", "entries", "parts"} <= found.keys() else None


@contextmanager
def store(settings: Settings) -> Iterator[Store]:
    """The store's readers. Raises `StartupError` when there is no store yet."""
    if not settings.store and not (settings.folder / "egide.db").exists():
        raise StartupError(
            Text(
                f"Rien n’est encore installé dans {settings.folder}.", f"Nothing is installed in {settings.folder} yet."
            ),
            Text("Lancez « egide init ».", "Run “egide init”."),
        )
    opened = composed().engines(settings).store
    try:
        yield opened
    finally:
        opened.close()


def revision(db: Connection) -> str | None:
    """Revision of the stored tables; None while there are none."""
    return (
        db.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if has_table(db, "alembic_version")
        else None
    )


@contextmanager
def reading(settings: Settings) -> Iterator[Kernel]:
    """A kernel over what is there, not started; the server need not be stopped.

    Raises `StartupError` when something is missing (it would be created) or older than this program (it would be
    upgraded), and what the kernel raises when law, vault, keys or ledger are not as they should be.
    """
    with store(settings) as opened:
        try:
            db = opened.reader()
            current = revision(db)
            stored = set(inspect(db).get_table_names())
        except DatabaseError as error:
            raise unavailable(error) from error
    capabilities = composed().capabilities(settings)
    wanted = {
        name
        for each in (tables.metadata, *(c.tables for c in capabilities if c.tables is not None))
        for name in each.tables
    }
    if behind(current) or not wanted <= stored:
        raise StartupError(
            Text("La base n’est pas à la version de ce programme.", "The database is not at this program’s version."),
            Text("Lancez « egide serve » : il la met à niveau.", "Run “egide serve”: it upgrades it."),
            file=opened.name,
        )
    engines = composed().engines(settings)
    try:
        absent = engines.absent()
    finally:
        engines.store.close()
        engines.rows.close()
    if absent:
        raise StartupError(
            Text(f"Il manque {absent[0]}.", f"{absent[0]} is missing."),
            Text("Remettez-le depuis la sauvegarde.", "Put it back from the backup."),
            file=str(settings.folder),
        )
    kernel = _kernel(settings, capabilities)
    try:
        yield kernel
    finally:
        kernel.store.close()
        kernel.vault.close()


def _kernel(settings: Settings, capabilities: tuple[Capability, ...]) -> Kernel:
    """A running server may append between the count of the entries and the reading of the tiles: then look again."""
    for left in range(MOVING, -1, -1):
        try:
            return Kernel(settings, capabilities, composed().engines(settings))
        except EgideError as error:
            if error.code != "ledger-damaged" or not left or health(settings) is None:
                raise
            sleep(0.05)
    raise AssertionError("the last turn returns or raises")
