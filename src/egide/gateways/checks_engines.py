"""Checks of what stands behind Égide: PostgreSQL, NATS, the witnesses, the backups, the emergency journal, the version.

Each is asked the least that tells: a connection, a greeting, a setting, a file's age. Nothing is written.
"""

from __future__ import annotations

import re
import socket
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from egide.gateways import standing
from egide.gateways.findings import Count, Finding, Findings, failed, same
from egide.gateways.oidc_setup import relying
from egide.gateways.wallet_setup import verifier
from egide.kernel import outward
from egide.kernel.backup_sets import places, sets
from egide.kernel.clock import to_us
from egide.kernel.dumps import PostgresDatabase
from egide.kernel.erasure import backup_due
from egide.kernel.errors import EgideError, StartupError, Text
from egide.kernel.migrate import HEAD
from egide.kernel.outward import Unreachable
from egide.kernel.settings import Settings
from egide.protocols.oidc import WELL_KNOWN, OidcError, discovery
from egide.protocols.oidc.provider import MAX_DOCUMENT

NATS_PORT = 4222
ANSWER_S = 3.0  # s another program has to answer
CERTIFICATE = timedelta(days=30)  # before its end, that one is told
OLD = timedelta(days=2)  # of the newest backup; one is taken every night
STAMP = re.compile(r"-(\d{8}T\d{6})\.\d+Z$")
JOURNAL = "emergency"


def version(settings: Settings, _count: Count) -> Findings:
    """The stored tables are neither newer than this program nor older."""
    try:
        with standing.store(settings) as opened:
            found = standing.revision(opened.reader())
    except (StartupError, SQLAlchemyError, EgideError):
        return  # there is no store, or it does not open: `store` said so
    if found is None or found == HEAD:
        return
    if found > HEAD:
        yield Finding(
            "wrong",
            Text(
                f"La base ({found}) est plus récente que ce programme ({HEAD}).",
                f"The database ({found}) is newer than this program ({HEAD}).",
            ),
            Text("Réinstallez la version d’Égide qui l’a écrite.", "Install the version of Égide that wrote it again."),
        )
        return
    yield Finding(
        "wrong",
        Text(
            f"La base ({found}) est plus ancienne que ce programme ({HEAD}).",
            f"The database ({found}) is older than this program ({HEAD}).",
        ),
        Text(
            "Lancez « egide backup », puis « egide serve » : il la met à niveau.",
            "Run “egide backup”, then “egide serve”: it upgrades it.",
        ),
    )


def postgres(settings: Settings, _count: Count) -> Findings:
    """PostgreSQL answers, and does not keep erased bytes in old log segments."""
    for name, dsn in (("store", settings.store), ("vault", settings.vault)):
        if not dsn.startswith("postgresql:"):
            continue
        try:
            with PostgresDatabase(dsn).open() as db:
                recycles = str(db.execute(text("SHOW wal_recycle")).scalar()) == "on"
        except (EgideError, SQLAlchemyError):
            yield Finding(
                "wrong",
                Text(f"PostgreSQL ({name}) ne répond pas.", f"PostgreSQL ({name}) does not answer."),
                Text(
                    "Démarrez-le (systemctl start postgresql), vérifiez l’adresse.",
                    "Start it (systemctl start postgresql), check the address.",
                ),
            )
            continue
        if recycles:
            yield Finding(
                "wrong",
                Text(
                    f"PostgreSQL ({name}) réutilise ses vieux journaux (wal_recycle) : de l’effacé y reste lisible.",
                    f"PostgreSQL ({name}) recycles old log segments (wal_recycle): erased bytes stay readable there.",
                ),
                same("ALTER SYSTEM SET wal_recycle = off; SELECT pg_reload_conf();"),
            )
        else:
            yield Finding("good", Text(f"PostgreSQL ({name}) répond", f"PostgreSQL ({name}) answers"))


def bus(settings: Settings, _count: Count) -> Findings:
    """NATS greets (its first line is INFO)."""
    if not settings.bus:
        return
    place = urlsplit(settings.bus)
    try:
        with socket.create_connection((place.hostname or "", place.port or NATS_PORT), timeout=ANSWER_S) as asking:
            greets = asking.recv(16).startswith(b"INFO ")
    except (OSError, ValueError):
        greets = False
    if greets:
        yield Finding("good", Text("NATS répond", "NATS answers"))
    else:
        yield Finding(
            "wrong",
            Text(
                "NATS ne répond pas : chaque processus n’entend que lui.",
                "NATS does not answer: each process hears itself only.",
            ),
            Text(
                "Démarrez-le (systemctl start nats-server), vérifiez « bus ».",
                "Start it (systemctl start nats-server), check “bus”.",
            ),
        )


def witnesses(settings: Settings, _count: Count) -> Findings:
    """Each witness answers; what it says does not matter here."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for address in settings.witnesses:
        try:
            with opener.open(urllib.request.Request(address, method="HEAD"), timeout=ANSWER_S):  # noqa: S310 — the operator's own setting
                pass
        except urllib.error.HTTPError as error:  # it answers
            error.close()
        except (OSError, ValueError):
            yield Finding(
                "wrong",
                Text(f"Le témoin ne répond pas : {address}", f"The witness does not answer: {address}"),
                Text(
                    "Les têtes ne sont plus cosignées. Prévenez qui le tient.",
                    "Heads are no longer cosigned. Tell whoever runs it.",
                ),
            )
            continue
        yield Finding("good", Text(f"Témoin joint : {address}", f"Witness reached: {address}"))


def saved(settings: Settings, _count: Count) -> Findings:
    """There is a backup, it is not old, and its keys are newer than the last erasure."""
    place, apart = places(settings)
    yield from _keys_due(settings, [place, apart])
    do = Text("Lancez « egide backup » ; activez egide-backup.timer.", "Run “egide backup”; enable egide-backup.timer.")
    found = [when for when in map(_taken, sets(place, "data", settings.realm)) if when is not None]
    if not found:
        if settings.backups:
            yield Finding("wrong", Text(f"Aucune sauvegarde dans {place}.", f"No backup in {place}."), do)
        else:
            yield Finding("note", Text("Aucune sauvegarde connue.", "No backup is known."), do)
        return
    age = datetime.now(UTC) - max(found)
    days = Text(f"Dernière sauvegarde : il y a {max(age.days, 0)} jours", f"Last backup: {max(age.days, 0)} days ago")
    yield Finding("wrong", days, do) if age > OLD else Finding("good", days)


def _keys_due(settings: Settings, where: list[Path]) -> Findings:
    """An erasure destroyed the sets of keys: until there is a new one, no backup can be opened."""
    try:
        with standing.store(settings) as opened:
            erased = backup_due(opened.reader(), settings.realm)
    except EgideError:
        return  # another check says that the store does not answer
    newest = max(
        (when for place in where for when in map(_taken, sets(place, "keys", settings.realm)) if when), default=None
    )
    if erased is not None and (newest is None or to_us(newest) + 1_000_000 < erased):
        yield Finding(
            "wrong",
            Text(
                "Une personne a été effacée : les clés sauvegardées avant ont été détruites, aucune ne les remplace ici.",
                "A person was erased: the keys backed up before were destroyed, and none here replaces them.",
            ),
            Text(
                "Lancez « egide backup » ; détruisez vous-même les copies de clés gardées ailleurs.",
                "Run “egide backup”; destroy copies of keys kept elsewhere yourself.",
            ),
        )


def journal(settings: Settings, _count: Count) -> Findings:
    """No alert waits in the emergency journal: what waits there is not in the ledger yet."""
    place = settings.folder / JOURNAL
    if place.is_dir() and any(_holds(file) for file in place.glob("*.journal")):
        yield Finding(
            "wrong",
            Text(
                "Le journal d’urgence contient des alertes qui ne sont pas encore au registre.",
                "The emergency journal holds alerts that are not in the ledger yet.",
            ),
            Text(
                "Rétablissez le registre, lancez « egide serve » : il les y porte.",
                "Bring the ledger back, run “egide serve”: it appends them.",
            ),
        )


def identity(settings: Settings, _count: Count) -> Findings:
    """Residents' sign-in: set up whole, and its provider answers for itself. Draws no key."""
    if not settings.identity:
        return
    try:
        found = relying(settings, may_draw=False)
    except StartupError as error:
        yield failed(error)
        return
    if found is None:
        return
    title = found.preset.title
    try:
        reply = outward.get(found.issuer.rstrip("/") + WELL_KNOWN, MAX_DOCUMENT)
        discovery(reply.body if reply.status == 200 and reply.whole else b"", found.issuer)
    except (Unreachable, OidcError) as error:
        yield Finding(
            "wrong",
            Text(f"{title} ne répond pas comme il doit : {error}", f"{title} does not answer as it should: {error}"),
            Text("Vérifiez « identity_issuer » et la sortie vers Internet.", "Check “identity_issuer” and the way out to the Internet."),
        )  # fmt: skip
        return
    levels = ", ".join(str(level) for level in sorted(set(found.preset.levels.values())))
    yield Finding(
        "good",
        Text(f"Connexion des usagers : {title}, niveaux {levels}", f"Residents’ sign-in: {title}, levels {levels}"),
    )


def wallet(settings: Settings, _count: Count) -> Findings:
    """Wallets: set up whole, and for how long the access certificate and the anchors last. Draws no key."""
    try:
        found = verifier(settings, may_draw=False)
    except StartupError as error:
        yield failed(error)
        return
    if found is None:
        return
    anchors = [anchor for issuer in found.issuers for anchor in issuer.anchors]
    left = min(each.not_valid_after_utc for each in (*found.certificates, *anchors)) - datetime.now(UTC)
    if left < CERTIFICATE:
        yield Finding(
            "wrong" if left < timedelta(0) else "note",
            Text(f"Portefeuilles : un certificat ou une ancre expire dans {left.days} jours.", f"Wallets: a certificate or an anchor expires in {left.days} days."),
            Text("Renouvelez keys/wallet-access.pem, ou les ancres du fichier « wallet ».", "Renew keys/wallet-access.pem, or the anchors of the file “wallet”."),
        )  # fmt: skip
        return
    names = ", ".join(f"{each.name} ({each.level})" for each in found.issuers)
    yield Finding("good", Text(f"Portefeuilles : {names}", f"Wallets: {names}"))


def _holds(file: Path) -> bool:
    """Whether a journal holds anything: an empty one is its reserve of zeros."""
    with file.open("rb") as content:
        return any(content.read(4096))


def _taken(file: Path) -> datetime | None:
    """When a set was written, as its name says."""
    found = STAMP.search(file.stem)
    return datetime.strptime(found.group(1), "%Y%m%dT%H%M%S").replace(tzinfo=UTC) if found else None
