"""Keys in a hardware security module, by PKCS#11 (OASIS PKCS #11 v3.1): they never leave it.

In the token, each bound to one realm by its label (CKA_SENSITIVE, not CKA_EXTRACTABLE):

    egide/<realm>/kek      AES-256: wraps the data keys with CKM_AES_GCM, bound to realm, key id, person and purpose
    egide/<realm>/ids      generic secret: CKM_SHA256_HMAC, for MACs of key ids
    egide/<realm>/ledger   Ed25519 (CKM_EDDSA): signs the ledger's checkpoints
    egide/<realm>/seal     P-256 (CKM_ECDSA): seals documents (pades.py); made when the first one is asked for

Why AES-GCM and not AES key wrap (RFC 5649) with a MAC: it binds to the owner in one call, where key wrap needs four (make an
object of the data key, wrap it, destroy the object, MAC): 28 µs against 186 µs in SoftHSM, bare calls. Data keys are drawn and
cached by the vault, so that the token is asked once per key, not once per value.

A session belongs to the process and a token is one device: one lock for all calls. A session that is lost (token removed, library
finalized elsewhere) is opened again once within the call; when that fails, `Unavailable`, and the next call tries anew. A refused
PIN is never sent twice: tokens lock themselves after a few.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import pkcs11
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import (
    NoSuchKey,
    PinIncorrect,
    PinInvalid,
    PinLenRange,
    PinLocked,
    PKCS11Error,
    UserAlreadyLoggedIn,
)

from egide.kernel.checkpoint import PUBLIC_KEY_SIZE, Signer, vkey_text
from egide.kernel.errors import StartupError, Text, Unavailable
from egide.kernel.keyfile import PRIVATE, read_private
from egide.kernel.keys import Wrapper

PREFIX = "pkcs11:"
PIN_FILE = "hsm.pin"
NONCE_SIZE, TAG_BITS = 12, 128  # NIST SP 800-38D §8.2, §5.2.1.2
ED25519 = bytes.fromhex("06032b6570")  # CKA_EC_PARAMS: the curve's object identifier 1.3.101.112 (RFC 8410), in DER
P256 = bytes.fromhex("06082a8648ce3d030107")  # likewise 1.2.840.10045.3.1.7 (RFC 5480)
WAIT_S = 5.0  # s for the token while others use it
PRIVATE_KEY = {Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True}
OURS = (
    ("kek", ObjectClass.SECRET_KEY),
    ("ids", ObjectClass.SECRET_KEY),
    ("ledger", ObjectClass.PRIVATE_KEY),
    ("ledger", ObjectClass.PUBLIC_KEY),
    ("seal", ObjectClass.PRIVATE_KEY),
    ("seal", ObjectClass.PUBLIC_KEY),
)
PAIRS = ("ledger", "seal")  # the others are secret keys
PIN_REFUSED = (PinIncorrect, PinInvalid, PinLenRange, PinLocked)

_lock = threading.RLock()  # one for the process: so is the library's state (C_Initialize, C_Login)
Given = TypeVar("Given")


def shared_lock() -> Any:
    """The lock of whoever uses the same library for something else (card.py)."""
    return _lock


class Token:
    """One token of one library, with the session of this process."""

    def __init__(self, setting: str, realm: str, pin: Path) -> None:
        library, _, query = setting.removeprefix(PREFIX).partition("?")
        self.name = dict(parse_qsl(query)).get("token", "")
        self.library = library
        self.place = f"{library}?token={self.name}"
        if not setting.startswith(PREFIX) or not library or not self.name:
            raise StartupError(
                Text("Réglage « hsm » illisible.", "Setting “hsm” cannot be read."),
                Text(
                    "Écrivez pkcs11:/chemin/de/la/bibliotheque.so?token=nom",
                    "Write pkcs11:/path/of/the/library.so?token=label",
                ),
                file="egide.toml",
            )
        self._pin = pin
        self._session: Any = None
        self._realm = realm
        self._keys: dict[tuple[str, ObjectClass], list[Any]] = {}
        self._refused = False

    def run(self, work: Callable[[], Given]) -> Given:
        """Runs calls to the token, again once in a new session when they fail. Raises the second `PKCS11Error`, `Unavailable`."""
        with self._alone():
            try:
                return work()
            except PKCS11Error:
                self.drop()
                return work()

    def label(self, name: str) -> str:
        """What a key of this realm is called in the token."""
        return f"egide/{self._realm}/{name}"

    def find(self, name: str, kind: ObjectClass) -> Any:
        """A key of the realm, as the session found it when it was opened. Raises `NoSuchKey`; the caller holds the lock."""
        self.session  # noqa: B018 — opens it where need be
        found = self._keys[name, kind]
        if not found:
            raise NoSuchKey(self.label(name))
        if len(found) > 1:
            raise StartupError(
                Text(
                    f"Le jeton a plusieurs clés « {self.label(name)} ».",
                    f"The token has several keys “{self.label(name)}”.",
                ),
                Text("Gardez celle de ce coffre, effacez l’autre.", "Keep this vault’s, delete the other."),
                file=self.place,
            )
        return found[0]

    @property
    def session(self) -> Any:
        """The session, opened and logged in by whoever asks first; the caller holds the lock."""
        if self._session is None:
            session = self._open()
            for name, kind in OURS:  # now, while the session is good: a search that breaks off is told to stderr
                wanted = {Attribute.LABEL: self.label(name), Attribute.CLASS: kind}
                self._keys[name, kind] = list(session.get_objects(wanted))
            self._session = session
        return self._session

    def drop(self) -> None:
        """Gives the session up."""
        with _lock:
            session, self._session = self._session, None
            self._keys.clear()
            if session is not None:
                with suppress(PKCS11Error):
                    session.close()

    def _open(self) -> Any:
        if self._refused:
            raise self._no_pin()
        pin = self._read_pin()
        try:
            library = pkcs11.lib(self.library)
            try:
                return self._login(library, pin)
            except PIN_REFUSED:
                raise
            except PKCS11Error:  # the token may have been taken out and put back: slots are counted again
                library.reinitialize()
                return self._login(library, pin)
        except PIN_REFUSED as error:
            self._refused = True
            raise self._no_pin() from error

    def _login(self, library: Any, pin: str) -> Any:
        token = library.get_token(token_label=self.name)
        try:
            return token.open(rw=True, user_pin=pin)
        except UserAlreadyLoggedIn:  # a login holds for the whole process: another session has done it
            return token.open(rw=True)

    def _read_pin(self) -> str:
        if not self._pin.exists():
            raise StartupError(
                Text("Le code du jeton manque.", "The token’s PIN is missing."),
                Text(f"Écrivez-le dans {self._pin} (chmod 600).", f"Write it to {self._pin} (chmod 600)."),
                file=str(self._pin),
            )
        return read_private(self._pin).decode("utf-8", "replace").strip()

    def _no_pin(self) -> StartupError:
        return StartupError(
            Text("Le jeton a refusé son code.", "The token refused its PIN."),
            Text(
                f"Corrigez {self._pin}, puis redémarrez : un code faux n’est envoyé qu’une fois, pour ne pas bloquer le jeton.",
                f"Correct {self._pin}, then restart: a wrong PIN is sent only once, so as not to lock the token.",
            ),
            file=str(self._pin),
        )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not _lock.acquire(timeout=WAIT_S):
            raise away()
        try:
            yield
        finally:
            _lock.release()


class TokenWrapper:
    """The key-encryption key in the token."""

    def __init__(self, token: Token) -> None:
        self._token = token
        self.name = token.label("kek")
        self.place = token.place

    def wrap(self, secret: bytes, aad: bytes) -> bytes:
        """Nonce ‖ ciphertext and tag; about 50 µs in SoftHSM."""
        nonce = os.urandom(NONCE_SIZE)
        with _unavailable():
            return nonce + self._token.run(lambda: self._encrypt(nonce, secret, aad))

    def unwrap(self, wrapped: bytes, aad: bytes) -> bytes | None:
        """The secret. Tokens do not agree on how to say that a tag is wrong: one that still works otherwise has said so."""
        if len(wrapped) < NONCE_SIZE + TAG_BITS // 8:
            return None
        try:
            return self._token.run(lambda: self._decrypt(wrapped, aad))
        except PKCS11Error:
            probe, about = os.urandom(32), b"egide probe"
            with _unavailable():
                made = self.wrap(probe, about)
                if self._token.run(lambda: self._decrypt(made, about)) != probe:
                    raise away() from None
            return None

    def derive(self, label: bytes) -> bytes:
        """HMAC-SHA-256 in the token."""
        with _unavailable():
            return self._token.run(
                lambda: bytes(
                    self._token.find("ids", ObjectClass.SECRET_KEY).sign(label, mechanism=Mechanism.SHA256_HMAC)
                )
            )

    def close(self) -> None:
        """Ends the session."""
        self._token.drop()

    def _encrypt(self, nonce: bytes, secret: bytes, aad: bytes) -> bytes:
        key = self._token.find("kek", ObjectClass.SECRET_KEY)
        parameters = pkcs11.GCMParams(nonce, aad, TAG_BITS)
        return bytes(key.encrypt(secret, mechanism=Mechanism.AES_GCM, mechanism_param=parameters))

    def _decrypt(self, wrapped: bytes, aad: bytes) -> bytes:
        key = self._token.find("kek", ObjectClass.SECRET_KEY)
        parameters = pkcs11.GCMParams(wrapped[:NONCE_SIZE], aad, TAG_BITS)
        return bytes(key.decrypt(wrapped[NONCE_SIZE:], mechanism=Mechanism.AES_GCM, mechanism_param=parameters))


class TokenSigner:
    """The ledger's Ed25519 key in the token."""

    def __init__(self, token: Token, name: str) -> None:
        self._token = token
        self.name = name
        point = token.run(lambda: bytes(token.find("ledger", ObjectClass.PUBLIC_KEY)[Attribute.EC_POINT]))
        self.vkey = vkey_text(name, public_key(point))

    def sign(self, message: bytes) -> bytes:
        """64-byte Ed25519 signature (RFC 8032); about 200 µs in SoftHSM. Raises `Unavailable`."""
        with _unavailable():
            return self._token.run(
                lambda: bytes(
                    self._token.find("ledger", ObjectClass.PRIVATE_KEY).sign(message, mechanism=Mechanism.EDDSA)
                )
            )


class TokenSealKey:
    """The seal's P-256 key in the token (seal_keys.py)."""

    def __init__(self, token: Token) -> None:
        self._token = token
        point = token.run(lambda: bytes(token.find("seal", ObjectClass.PUBLIC_KEY)[Attribute.EC_POINT]))
        self.public = p256_key(point)

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256; the digest is ours, since tokens differ in which they take. Raises `Unavailable`."""
        digest = sha256(message).digest()
        with _unavailable():
            pair = self._token.run(
                lambda: bytes(self._token.find("seal", ObjectClass.PRIVATE_KEY).sign(digest, mechanism=Mechanism.ECDSA))
            )
        half = len(pair) // 2  # r ‖ s (PKCS #11 v3.1 §6.3.12)
        return encode_dss_signature(int.from_bytes(pair[:half]), int.from_bytes(pair[half:]))


class TokenKeys:
    """The keys of one realm in a token."""

    def __init__(self, setting: str, realm: str, folder: Path) -> None:
        self._folder = folder
        self._token = Token(setting, realm, folder / PIN_FILE)

    def wrapper(self, *, may_create: bool) -> Wrapper:
        """The keys `kek` and `ids`."""
        with self._starting():
            self._have("kek", self._make_kek, may_create=may_create)
            self._have("ids", self._make_ids, may_create=may_create)
        return TokenWrapper(self._token)

    def signer(self, name: str, *, may_create: bool) -> Signer:
        """The key `ledger`, tried out once."""
        with self._starting():
            self._have("ledger", self._make_ledger, may_create=may_create)
            signer = TokenSigner(self._token, name)
            probe = os.urandom(32)
            try:
                point = self._token.find("ledger", ObjectClass.PUBLIC_KEY)[Attribute.EC_POINT]
                Ed25519PublicKey.from_public_bytes(public_key(bytes(point))).verify(signer.sign(probe), probe)
            except (InvalidSignature, ValueError) as error:
                raise self._unfit("ledger", "Ed25519") from error
        return signer

    def seal_key(self, *, may_create: bool) -> TokenSealKey:
        """The key `seal`, made first if there is none and there may be none. Raises `StartupError`."""
        with self._starting():
            self._have("seal", self._make_seal, may_create=may_create)
            try:
                return TokenSealKey(self._token)
            except ValueError as error:
                raise self._unfit("seal", "P-256") from error

    def absent(self) -> list[str]:
        """The keys that the token does not have."""
        try:
            with self._starting():
                return [self._token.label(name) for name in ("kek", "ids", "ledger") if not self._has(name)]
        finally:
            self._token.drop()

    def _unfit(self, name: str, kind: str) -> StartupError:
        return StartupError(
            Text("Le jeton signe mal.", "The token signs wrongly."),
            Text(
                f"Sa clé « {name} » n’est pas une clé {kind}, ou ses deux moitiés ne vont pas ensemble.",
                f"Its key “{name}” is no {kind} key, or its two halves do not belong together.",
            ),
            file=self._token.place,
        )

    def _has(self, name: str) -> bool:
        kind = ObjectClass.PRIVATE_KEY if name in PAIRS else ObjectClass.SECRET_KEY

        def look() -> bool:
            self._token.drop()  # a session that another part of this process logged out sees no private key
            try:
                self._token.find(name, kind)
            except NoSuchKey:
                return False
            return True

        return self._token.run(look)

    def _have(self, name: str, make: Callable[[str], None], *, may_create: bool) -> None:
        """Makes a key unless the token has it; one process of the machine at a time."""
        label = self._token.label(name)
        with self._one_process():
            if self._has(name):
                return
            if not may_create:
                raise StartupError(
                    Text(f"Le jeton n’a pas la clé « {label} ».", f"The token does not have the key “{label}”."),
                    Text(
                        "Branchez le jeton de cette installation ou restaurez-le : une autre clé n’ouvrirait rien de ce qui est scellé.",
                        "Connect this installation’s token or restore it: another key would open nothing of what is sealed.",
                    ),
                    file=self._token.place,
                )
            make(label)
            self._token.drop()  # the next session finds it

    def _make_kek(self, label: str) -> None:
        self._secret(label, KeyType.AES, MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT)

    def _make_ids(self, label: str) -> None:
        self._secret(label, KeyType.GENERIC_SECRET, MechanismFlag.SIGN)

    def _secret(self, label: str, kind: KeyType, uses: MechanismFlag) -> None:
        with _lock:
            self._token.session.generate_key(
                kind, 256, id=label.encode(), label=label, store=True, capabilities=uses, template=PRIVATE_KEY
            )

    def _make_ledger(self, label: str) -> None:
        self._pair(label, KeyType.EC_EDWARDS, ED25519, Mechanism.EC_EDWARDS_KEY_PAIR_GEN)

    def _make_seal(self, label: str) -> None:
        self._pair(label, KeyType.EC, P256, Mechanism.EC_KEY_PAIR_GEN)

    def _pair(self, label: str, kind: KeyType, curve: bytes, mechanism: Mechanism) -> None:
        with _lock:
            parameters = self._token.session.create_domain_parameters(kind, {Attribute.EC_PARAMS: curve}, local=True)
            parameters.generate_keypair(
                mechanism=mechanism, id=label.encode(), label=label, store=True,
                capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY, private_template=PRIVATE_KEY,
            )  # fmt: skip

    @contextmanager
    def _one_process(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._folder / "hsm.lock", os.O_CREAT | os.O_RDWR, PRIVATE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _starting(self) -> Iterator[None]:
        """Whatever the token or its library says at the start stops it, in a sentence."""
        try:
            yield
        except (PKCS11Error, OSError) as error:
            raise StartupError(
                Text(
                    f"Le jeton « {self._token.name} » ne répond pas : {_said(error)}",
                    f"Token “{self._token.name}” does not answer: {_said(error)}",
                ),
                Text(
                    "Vérifiez la bibliothèque, le jeton et son nom (réglage « hsm »).",
                    "Check the library, the token and its label (setting “hsm”).",
                ),
                file=self._token.place,
            ) from error


def public_key(point: bytes) -> bytes:
    """The 32 bytes of an Ed25519 key in CKA_EC_POINT: bare (v3.1), in an OCTET STRING (SoftHSM) or in a BIT STRING."""
    for head in (b"", b"\x04\x20", b"\x03\x21\x00"):
        if len(point) == len(head) + PUBLIC_KEY_SIZE and point.startswith(head):
            return point[len(head) :]
    raise ValueError("not the point of an Ed25519 key")


def p256_key(point: bytes) -> ec.EllipticCurvePublicKey:
    """The key in CKA_EC_POINT: an uncompressed point, bare or in an OCTET STRING. Raises `ValueError`."""
    bare = point[2:] if point.startswith(b"\x04\x41\x04") and len(point) == 67 else point
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bare)


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (PKCS11Error, StartupError) as error:
        raise away() from error


def away() -> Unavailable:
    """What to raise when the token does not answer."""
    return Unavailable(
        Text(
            "Le module de sécurité ne répond pas : rien n’a été fait.",
            "The security module does not answer: nothing was done.",
        ),
        Text("Réessayez dans un instant.", "Try again in a moment."),
    )


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
