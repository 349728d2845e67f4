"""Checks of what Égide keeps: folder, keys, law, database, ledger, vault.

The ledger is judged from its leaves: the tree is grown again from every entry and its root compared with the newest signed
head, so that neither stored tiles nor stored hashes are taken on trust (RFC 9162 §2.1.1).
"""

from __future__ import annotations

import os
from datetime import UTC, datetime

from sqlalchemy import Connection, select
from sqlalchemy.exc import DatabaseError

from egide.gateways import standing
from egide.gateways.findings import Count, Finding, Findings, failed, same
from egide.kernel import checkpoint, cosignature, merkle, tables
from egide.kernel.checkpoint import Checkpoint, CheckpointError
from egide.kernel.clock import TOLERATED_STEP_BACK_US, iso
from egide.kernel.cosignature import CosignatureVerifier
from egide.kernel.errors import EgideError, StartupError, Text, Unavailable
from egide.kernel.kernel import Kernel
from egide.kernel.law import PACKS, LawBook
from egide.kernel.merkle import ProofError
from egide.kernel.settings import Settings
from egide.kernel.store import has_table

OTHERS = 0o077  # mode bits that let other accounts in
PAGE = 4096  # leaves read at once
SECRETS = ("operator.token", "vault/kek.key", "vault/vault.db", "keys/*.key", "keys/hsm.pin", "tls/*.key")


def folder(settings: Settings, _count: Count) -> Findings:
    """The data folder is ours alone, and so is every key file."""
    place = settings.folder
    if not place.is_dir():
        yield Finding(
            "wrong",
            Text(f"Le dossier des données n’existe pas : {place}", f"The data folder does not exist: {place}"),
            Text("Lancez « egide init ».", "Run “egide init”."),
        )
        return
    about = place.stat()
    if about.st_mode & OTHERS:
        yield Finding(
            "wrong",
            Text(f"D’autres comptes peuvent ouvrir {place}.", f"Other accounts can open {place}."),
            same(f"chmod 700 {place}"),
        )
    elif about.st_uid != os.geteuid():
        yield Finding(
            "wrong",
            Text(f"{place} appartient à un autre compte.", f"{place} belongs to another account."),
            Text(
                "Lancez Égide sous ce compte, ou rendez-lui le dossier (chown).",
                "Run Égide under that account, or give the folder back (chown).",
            ),
        )
    else:
        yield Finding("good", Text(f"Dossier des données privé : {place}", f"Data folder private: {place}"))
    secrets = [file for pattern in SECRETS for file in sorted(place.glob(pattern))]
    open_ones = [file for file in secrets if file.stat().st_mode & OTHERS]
    for file in open_ones:
        yield Finding(
            "wrong",
            Text(f"D’autres comptes peuvent lire {file}.", f"Other accounts can read {file}."),
            same(f"chmod 600 {file}"),
        )
    if secrets and not open_ones:
        yield Finding("good", Text(f"Fichiers de clés privés : {len(secrets)}", f"Key files private: {len(secrets)}"))


def law(settings: Settings, _count: Count) -> Findings:
    """The law packs load."""
    try:
        book = LawBook.load(PACKS, settings.jurisdiction, datetime.now(UTC))
    except StartupError as error:
        yield failed(error)
        return
    yield Finding(
        "good",
        Text(
            f"Droit « {book.jurisdiction} » : {len(book.rules)} règles de {len(book.texts)} textes en vigueur",
            f"Law “{book.jurisdiction}”: {len(book.rules)} rules of {len(book.texts)} texts in force",
        ),
    )


def store(settings: Settings, _count: Count) -> Findings:
    """The database opens and is whole; its last entry does not come from the future."""
    try:
        with standing.store(settings) as opened:
            db = opened.reader()
            problems = ["ok"]
            if not settings.store:  # a server checks its own pages
                problems = [str(row[0]) for row in db.exec_driver_sql("PRAGMA integrity_check(5)")]
            last = opened.last_entry(settings.realm)[1] if has_table(db, "entry") else 0
    except (StartupError, Unavailable) as error:
        yield failed(error)
        return
    except DatabaseError as error:
        problems, last = [str(error.orig)], 0
    if problems != ["ok"]:
        yield Finding(
            "wrong",
            Text(f"La base est abîmée : {'; '.join(problems)}", f"The database is damaged: {'; '.join(problems)}"),
            Text(
                "Arrêtez le serveur, mettez egide.db* de côté, restaurez la sauvegarde, relancez « egide doctor ».",
                "Stop the server, put egide.db* aside, restore the backup, run “egide doctor” again.",
            ),
        )
        return
    yield Finding("good", Text("Base : elle s’ouvre, elle est entière", "Database: opens, whole"))
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    if last > now + TOLERATED_STEP_BACK_US:
        yield Finding(
            "wrong",
            Text(
                f"La dernière inscription est du {iso(last)}, l’horloge dit {iso(now)} : elle a reculé.",
                f"The last entry is of {iso(last)}, the clock says {iso(now)}: it went backwards.",
            ),
            Text("Remettez l’horloge à l’heure (NTP).", "Set the clock right (NTP)."),
        )
    else:
        yield Finding(
            "good",
            Text(f"Horloge : {iso(now)}, après la dernière inscription", f"Clock: {iso(now)}, after the last entry"),
        )


def ledger(settings: Settings, count: Count) -> Findings:
    """The tree grown again from every leaf has the root of the newest signed head."""
    try:
        with standing.store(settings) as opened:
            db = opened.reader()
            newest = _newest(db, settings.realm) if has_table(db, "checkpoint") else None
            if newest is None:
                yield Finding(
                    "note", Text("Registre vide : aucune tête signée encore", "Ledger empty: no signed head yet")
                )
                return
            size, note = newest
            signed = checkpoint.parse(note).checkpoint
            root, leaves = _regrown(db, settings.realm, size, count)
    except (StartupError, Unavailable):
        return  # there is no store, or it does not answer, and `store` said so
    except CheckpointError as error:
        yield failed(error)
        return
    except DatabaseError as error:
        yield Finding(
            "wrong", Text(f"Registre illisible : {error.orig}", f"Ledger unreadable: {error.orig}"), _restore()
        )
        return
    if (signed.size, signed.root) != (size, root) or leaves != size:
        yield Finding(
            "wrong",
            Text(
                f"Le registre a été changé : ses {leaves} inscriptions ne donnent pas la racine signée pour {size}.",
                f"The ledger was changed: its {leaves} entries do not give the root that was signed for {size}.",
            ),
            _restore(),
        )
        return
    yield Finding(
        "good",
        Text(
            f"Registre : {size} inscriptions, recalculées, donnent la racine signée",
            f"Ledger: {size} entries, computed again, give the signed root",
        ),
    )


def whole(settings: Settings, _count: Count) -> Findings:
    """Vault, keys and stored tiles: the kernel opens on them, and the newest signed head is the key's."""
    if not settings.store and not (settings.folder / "egide.db").exists():
        return
    try:
        with standing.reading(settings) as kernel:
            yield Finding("good", Text("Coffre des clés : il s’ouvre", "Key vault: opens"))
            for what, remedy in kernel.vault.advice():
                yield Finding("note", what, remedy)
            newest = kernel.latest_checkpoint()
            if newest is None:
                return
            checkpoint.Verifier([kernel.key.vkey]).verify(newest[1])
            yield Finding(
                "good",
                Text(
                    "Tête du registre : signature juste, arbre enregistré juste",
                    "Ledger head: signature right, stored tree right",
                ),
            )
    except EgideError as error:
        yield failed(error)


def witnesses(settings: Settings, _count: Count) -> Findings:
    """Each witness's newest cosignature holds over the tree as it is stored; what the running server says of those outside."""
    if not settings.witnesses or not (settings.store or (settings.folder / "egide.db").exists()):
        return
    said = standing.health(settings) or {}
    for part in said.get("parts", []):
        if isinstance(part, dict) and part.get("id") == "outside" and isinstance(part.get("told"), dict):
            yield Finding("note" if part.get("ok") else "wrong", Text(str(part["told"]["fr"]), str(part["told"]["en"])))
    try:
        with standing.reading(settings) as kernel:
            for address, vkey in settings.witnesses.items():
                yield _cosigned(kernel, address, vkey)
    except EgideError as error:
        yield failed(error)


def _cosigned(kernel: Kernel, address: str, vkey: str) -> Finding:
    table, name = tables.cosignature, cosignature.parse_vkey(vkey).name
    db, realm = kernel.store.reader(), kernel.settings.realm
    newest = db.execute(
        select(table.c.size, table.c.at, table.c.line)
        .where(table.c.realm == realm, table.c.witness == name)
        .order_by(table.c.size.desc())
        .limit(1)
    ).first()
    if newest is None:
        return Finding(
            "note",
            Text(
                f"Témoin {name} : rien de cosigné encore ({address}).",
                f"Witness {name}: nothing cosigned yet ({address}).",
            ),
            Text(
                f"Que son opérateur lance : egide witness trust {kernel.key.vkey}",
                f"Its operator should run: egide witness trust {kernel.key.vkey}",
            ),
        )
    size, at, line = int(newest[0]), int(newest[1]), str(newest[2])
    try:  # over the root that the stored tree gives: a rewritten history does not carry the witness's signature
        body = Checkpoint(kernel.origin, size, kernel.log.root(size)).body()
        held = bool(CosignatureVerifier([vkey]).among(cosignature.read_lines(line, body), body))
    except (CheckpointError, ProofError):
        held = False
    if not held:
        return Finding(
            "wrong",
            Text(
                f"Le registre n’est pas celui que {name} a cosigné à {size} inscriptions : il a été réécrit.",
                f"The ledger is not the one that {name} cosigned at {size} entries: it was rewritten.",
            ),
            _restore(),
        )
    return Finding(
        "good",
        Text(
            f"Témoin {name} : {size} inscriptions cosignées, le {iso(at)}",
            f"Witness {name}: {size} entries cosigned, on {iso(at)}",
        ),
    )


def _newest(db: Connection, realm: str) -> tuple[int, str] | None:
    table = tables.checkpoint
    found = db.execute(
        select(table.c.size, table.c.note).where(table.c.realm == realm).order_by(table.c.size.desc()).limit(1)
    ).first()
    return (int(found[0]), str(found[1])) if found else None


def _regrown(db: Connection, realm: str, size: int, count: Count) -> tuple[bytes, int]:
    """(root, number of leaves) of the first `size` entries, in constant memory; about 200,000 entries a second."""
    table, tree = tables.entry, merkle.Frontier()
    for start in range(0, size, PAGE):
        query = (
            select(table.c.leaf)
            .where(table.c.realm == realm, table.c.idx >= start, table.c.idx < min(size, start + PAGE))
            .order_by(table.c.idx)
        )
        tree.extend(merkle.leaf_hashes(bytes(leaf) for leaf in db.execute(query).scalars()))
        count(tree.size, size)
    return tree.root(), tree.size


def _restore() -> Text:
    return Text(
        "N’écrivez plus rien ; gardez ce dossier comme preuve, prévenez le délégué à la protection des données, restaurez la sauvegarde.",
        "Write nothing more; keep this folder as evidence, tell the data protection officer, restore the backup.",
    )
