"""Keys per person and purpose, in a store of their own: what is sealed with one is erased by destroying it.

Why: the ledger and its backups are append-only, so erasure (GDPR 17, LED 16) means that the only key to a person's sealed
content is gone, with every link from the person to their ledger leaves (EDPB 02/2025 §§102-104). Why a store apart: its
backups expire before those of the sealed content, else a restore would undo an erasure.

    kek.key     key-encryption key, 256 bits, mode 0600; sealed with scrypt (RFC 7914) when a passphrase is given
    vault.db    SQLite (WAL, FULL, secure_delete): one 256-bit data key per (person, purpose), wrapped with AES-256-GCM
                under the KEK and bound to realm, key id, person and purpose

A sealed value is version (1 byte) ‖ key id (12) ‖ nonce (12) ‖ AES-256-GCM ciphertext and tag (NIST SP 800-38D). The last
four bytes of a key id are a MAC of the first eight, so that a damaged id (tampered) is told from a shredded key (erased).

Limits, said plainly: Python cannot wipe memory, so a shredded key may linger in the process until its memory is reused;
and a disk that copies on write (SSD, snapshots) may keep an old block, which is worth nothing without `kek.key`.
"""

from __future__ import annotations

import hmac
import mmap
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from egide.kernel.checkpoint import vkey_text
from egide.kernel.errors import EgideError, StartupError, Text, Unavailable
from egide.kernel.keyfile import PRIVATE, load_kek, read_private, unusable, write_private
from egide.kernel.randomness import draw

VERSION = b"\x01"
KEY_SIZE = 32  # bytes, AES-256
NONCE_SIZE = 12  # bytes, NIST SP 800-38D §8.2
TAG_SIZE = 16  # bytes, NIST SP 800-38D §5.2.1.2
KEY_ID_RANDOM, KEY_ID_MAC = 8, 4  # bytes
SUBJECT_SIZE = 16  # bytes
KEY_ID_SIZE = KEY_ID_RANDOM + KEY_ID_MAC
HEADER_SIZE = 1 + KEY_ID_SIZE + NONCE_SIZE
OVERHEAD = HEADER_SIZE + TAG_SIZE  # bytes a sealed value has more than its plaintext
CACHED_KEYS = 4096  # unwrapped keys in memory, about 1 KB each
BUSY = 5.0  # s, how long a lock of another process is waited for

Row = tuple[bytes, str, str, bytes, bytes]  # id, person, purpose, subject, wrapped
SELECT_OWNED = "SELECT id, person, purpose, subject, wrapped FROM data_key WHERE person=? AND purpose=?"
SELECT_PERSON = "SELECT id, person, purpose, subject, wrapped FROM data_key WHERE person=?"
SELECT_ID = "SELECT id, person, purpose, subject, wrapped FROM data_key WHERE id=?"
SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS data_key (
  id BLOB PRIMARY KEY, person TEXT NOT NULL, purpose TEXT NOT NULL, subject BLOB NOT NULL, wrapped BLOB NOT NULL,
  UNIQUE (person, purpose)
);
"""


class VaultError(EgideError):
    """The vault cannot seal or open."""

    code = "vault"


class Erased(VaultError):
    """The key was destroyed: what it sealed is erased."""

    code = "erased"
    status = 410


class Tampered(VaultError):
    """The sealed bytes are not those that were sealed, or not for this person, purpose and context."""

    code = "tampered"


class _Key(NamedTuple):
    """An unwrapped data key, ready to use."""

    cipher: AESGCM
    head: bytes  # version ‖ key id
    bound: bytes  # what each sealed value is bound to besides the caller's aad
    person: str
    purpose: str
    subject: str


class Vault:
    """One realm's keys. Any thread may use it; each realm has a folder of its own, opened once, by one process.

    (A second process would keep a key in its memory that the first has shredded.)
    """

    def __init__(self, folder: Path, realm: str, kek: bytes, database: sqlite3.Connection, file: int) -> None:
        self._folder = folder
        self._realm = realm
        self._kek = AESGCM(kek)
        self._id_key = hmac.digest(kek, b"egide vault key id " + realm.encode(), "sha256")
        self._database = database
        self._file = file  # kept open: closing any descriptor of the file would drop SQLite's POSIX locks on it
        self._lock = threading.RLock()
        self._by_owner: dict[tuple[str, str], _Key] = {}
        self._by_head: dict[bytes, _Key] = {}
        self._remains: list[bytes] = []  # of deleted rows, until the files are seen to be free of them

    @classmethod
    def open(cls, folder: Path, realm: str, passphrase: bytes | None = None) -> Vault:
        """Opens the vault of a realm, creating key and store at the first start.

        Raises `StartupError` when the key file is missing, readable by others, or not the one the store was made with.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = folder / "vault.db"
        kek = load_kek(folder / "kek.key", passphrase, may_create=not file.exists())
        descriptor = os.open(file, os.O_CREAT | os.O_RDONLY, PRIVATE)
        database = sqlite3.connect(file, check_same_thread=False, isolation_level=None, timeout=BUSY)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "temp_store=MEMORY"):
            database.execute(f"PRAGMA {pragma}")
        database.executescript(SCHEMA)
        vault = cls(folder, realm, kek, database, descriptor)
        try:
            vault.check_realm()
        except BaseException:
            vault.close()
            raise
        return vault

    def close(self) -> None:
        """Forgets the keys and closes the store."""
        with self._lock:
            self._by_owner.clear()
            self._by_head.clear()
            self._database.close()
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def seal(self, person: str, purpose: str, plaintext: bytes, aad: bytes) -> bytes:
        """Seals under the key of (person, purpose), made durable first if it is new; adds `OVERHEAD` bytes.

        `aad` is what the value is bound to (its place: the act's id, the table and column): needed again to open.
        """
        key = self._by_owner.get((person, purpose)) or self._key(person, purpose)
        nonce = draw(NONCE_SIZE)
        return key.head + nonce + key.cipher.encrypt(nonce, plaintext, key.bound + aad)

    def open_(self, person: str, purpose: str, sealed: bytes, aad: bytes) -> bytes:
        """The plaintext. Raises `Erased` when the key was shredded, `Tampered` when anything does not fit."""
        head = sealed[: 1 + KEY_ID_SIZE]
        key = self._by_head.get(head) or self._key_of(head)
        if key.person != person or key.purpose != purpose or len(sealed) < OVERHEAD:
            raise _tampered()
        try:
            return key.cipher.decrypt(sealed[1 + KEY_ID_SIZE : HEADER_SIZE], sealed[HEADER_SIZE:], key.bound + aad)
        except InvalidTag:
            raise _tampered() from None

    def subject_id(self, person: str, purpose: str) -> str:
        """A random id (32 hex digits) that stands for the person in ledger leaves of this purpose.

        Stable until the key is shredded; then a new one is drawn, and nothing ties the old one to the person any more.
        """
        return (self._by_owner.get((person, purpose)) or self._key(person, purpose)).subject

    def ensure(self, owners: Iterable[tuple[str, str]]) -> None:
        """Makes the missing keys of many (person, purpose) in one durable transaction (one fsync instead of many)."""
        with self._lock, self._transaction():
            for owner in owners:
                if self._one(SELECT_OWNED, owner) is None:
                    self._insert(*owner)

    def shred(self, person: str, purpose: str | None = None) -> int:
        """Destroys the person's keys, of one purpose or of all, and returns how many there were.

        On return no copy of the wrapped keys, of their ids or of the subject ids is left in the store's files. Raises
        `Unavailable` when another process is reading: the keys are deleted all the same, and a repeat finishes the work.
        """
        with self._lock:
            with self._transaction():
                rows: list[Row] = self._database.execute(SELECT_PERSON, (person,)).fetchall()
                rows = [row for row in rows if purpose is None or row[2] == purpose]
                self._database.executemany("DELETE FROM data_key WHERE id=?", [(row[0],) for row in rows])
            for identity, _, owned, subject, wrapped in rows:
                self._by_owner.pop((person, owned), None)
                self._by_head.pop(VERSION + identity, None)
                self._remains += [identity, subject, wrapped]
            self._wipe()
        return len(rows)

    def _wipe(self) -> None:
        """Makes sure that what was deleted is nowhere in the files: looks, instead of trusting the engine.

        secure_delete zeroes deleted rows, not the gap that a row left when a page was split long ago; VACUUM does.
        """
        self._truncate_log()
        if self._leaves_traces():
            try:
                self._database.execute("VACUUM")
            except sqlite3.Error as problem:
                raise _unavailable() from problem
            self._truncate_log()
            if self._leaves_traces():
                raise VaultError(
                    Text(
                        "La clé détruite laisse une trace dans le coffre.",
                        "The destroyed key left a trace in the vault.",
                    ),
                    Text(
                        "Prévenez l’administrateur : vault.db doit être refait.",
                        "Tell the administrator: rebuild vault.db.",
                    ),
                )
        self._remains.clear()

    def _leaves_traces(self) -> bool:
        if not self._remains:
            return False
        with mmap.mmap(self._file, 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(needle) >= 0 for needle in self._remains)

    # ── Keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _key(self, person: str, purpose: str) -> _Key:
        """The key of (person, purpose), made and committed if there is none."""
        with self._lock:
            row = self._one(SELECT_OWNED, (person, purpose))
            if row is None:
                with self._transaction():  # inside it no other process can be faster
                    row = self._one(SELECT_OWNED, (person, purpose))
                    row = row or self._insert(person, purpose)
            return self._unwrap(row)

    def _key_of(self, head: bytes) -> _Key:
        """The key that a sealed value names."""
        identity = head[1:]
        if head[:1] != VERSION or len(identity) != KEY_ID_SIZE:
            raise _tampered()
        if not hmac.compare_digest(self._id_mac(identity[:KEY_ID_RANDOM]), identity[KEY_ID_RANDOM:]):
            raise _tampered()
        with self._lock:
            row = self._one(SELECT_ID, (identity,))
            if row is None:
                raise Erased(
                    Text("Ce contenu a été effacé.", "This content was erased."),
                    Text(
                        "Le registre prouve qu’il a existé et quand il a été effacé.",
                        "The ledger proves that it existed and when it was erased.",
                    ),
                )
            return self._unwrap(row)

    def _insert(self, person: str, purpose: str) -> Row:
        random = os.urandom(KEY_ID_RANDOM)
        identity = random + self._id_mac(random)
        nonce, subject = os.urandom(NONCE_SIZE), os.urandom(SUBJECT_SIZE)
        bound = self._bound(person, purpose, identity)
        wrapped = nonce + self._kek.encrypt(nonce, AESGCM.generate_key(8 * KEY_SIZE), b"wrap" + bound + subject)
        row = (identity, person, purpose, subject, wrapped)
        self._database.execute("INSERT INTO data_key VALUES (?, ?, ?, ?, ?)", row)
        return row

    def _unwrap(self, row: Row) -> _Key:
        """Unwraps and remembers; the caller holds the lock, so that a shredded key never comes back."""
        identity, person, purpose, subject, wrapped = row
        bound = self._bound(person, purpose, identity)
        try:
            secret = self._kek.decrypt(wrapped[:NONCE_SIZE], wrapped[NONCE_SIZE:], b"wrap" + bound + subject)
        except InvalidTag:
            raise Tampered(
                Text("Une clé du coffre a été modifiée.", "A key of the vault was changed."),
                Text("Restaurez le coffre depuis sa sauvegarde.", "Restore the vault from its backup."),
            ) from None
        key = _Key(AESGCM(secret), VERSION + identity, b"seal" + bound, person, purpose, subject.hex())
        self._by_owner[person, purpose] = key
        self._by_head[key.head] = key
        while len(self._by_owner) > CACHED_KEYS:  # the oldest goes; dicts keep their order
            oldest = self._by_owner.pop(next(iter(self._by_owner)))
            self._by_head.pop(oldest.head, None)
        return key

    def _bound(self, person: str, purpose: str, identity: bytes) -> bytes:
        """32 bytes that stand for realm, person, purpose and key; length prefixes keep the fields apart."""
        fields = [self._realm.encode(), person.encode(), purpose.encode(), identity]
        return sha256(b"".join(len(each).to_bytes(4, "big") + each for each in fields)).digest()

    def _id_mac(self, random: bytes) -> bytes:
        return hmac.digest(self._id_key, random, "sha256")[:KEY_ID_MAC]

    # ── Store ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _one(self, query: str, values: tuple[object, ...]) -> Row | None:
        try:
            row: Row | None = self._database.execute(query, values).fetchone()
        except sqlite3.Error as problem:
            raise _unavailable() from problem
        return row

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            yield
            self._database.execute("COMMIT")
        except BaseException as problem:
            with suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            if isinstance(problem, sqlite3.Error):
                raise _unavailable(problem) from problem
            raise

    def _truncate_log(self) -> None:
        """Moves the write-ahead log into the database and cuts it to nothing: it held the rows as they were."""
        try:
            busy, _, _ = self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as problem:
            raise _unavailable() from problem
        if busy:
            raise _unavailable()

    def check_realm(self) -> None:
        """Raises `StartupError` for a wrong key or another realm's vault: the realm is kept sealed under the KEK."""
        row = self._database.execute("SELECT value FROM about WHERE name='realm'").fetchone()
        if row is None:
            nonce = os.urandom(NONCE_SIZE)
            value = nonce + self._kek.encrypt(nonce, self._realm.encode(), b"egide vault realm")
            with self._transaction():
                self._database.execute("INSERT OR IGNORE INTO about VALUES ('realm', ?)", (value,))
            return
        try:
            realm = self._kek.decrypt(row[0][:NONCE_SIZE], row[0][NONCE_SIZE:], b"egide vault realm").decode()
        except InvalidTag:
            raise StartupError(
                Text("kek.key n’est pas la clé de ce coffre.", "kek.key is not the key of this vault."),
                Text("Remettez le fichier de clé d’origine.", "Put the original key file back."),
                file=str(self._folder / "kek.key"),
            ) from None
        if realm != self._realm:
            raise StartupError(
                Text(f"Ce coffre est celui du domaine « {realm} ».", f"This vault belongs to realm “{realm}”."),
                Text("Donnez à chaque domaine son dossier.", "Give each realm a folder of its own."),
                file=str(self._folder),
            )


class SigningKey:
    """An Ed25519 key in a file (PKCS #8 PEM, mode 0600), with the name it signs under (C2SP signed-note)."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        self.name = name
        self._key = key
        public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        self.vkey = vkey_text(name, public)

    @classmethod
    def load_or_create(cls, path: Path, name: str, passphrase: bytes | None = None) -> SigningKey:
        """Reads the key, or draws one at the first start. `StartupError` when the file is unusable or open to others."""
        if not path.exists():
            fresh = Ed25519PrivateKey.generate().private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption(),
            )
            write_private(path, fresh)
        try:
            key = serialization.load_pem_private_key(read_private(path), passphrase)
        except (ValueError, TypeError):
            raise unusable(path) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise unusable(path)
        return cls(name, key)

    def sign(self, message: bytes) -> bytes:
        """64-byte Ed25519 signature (RFC 8032), about 40 µs."""
        return self._key.sign(message)


def _tampered() -> Tampered:
    return Tampered(
        Text("Ce contenu scellé a été modifié ou déplacé.", "This sealed content was changed or moved."),
        Text("Ne vous y fiez pas ; prévenez l’administrateur.", "Do not rely on it; tell the administrator."),
    )


def _unavailable(problem: sqlite3.Error | None = None) -> Unavailable:
    if problem is not None and "full" in str(problem):
        return Unavailable(
            Text(
                "Le disque est plein : le coffre des clés ne peut pas écrire, rien n’a été fait.",
                "The disk is full: the key vault cannot write, nothing was done.",
            ),
            Text("Libérez de la place, puis réessayez.", "Free some space, then try again."),
        )
    return Unavailable(
        Text("Le coffre des clés est occupé ou inaccessible.", "The key vault is busy or cannot be reached."),
        Text("Réessayez dans un instant.", "Try again in a moment."),
    )
