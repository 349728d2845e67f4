"""The officer's card, reached through the PKCS#11 module of this machine: the legal signature, inside the document.

Why here and not in the browser: a page reaches no card reader; no browser gives it one (WebAuthn speaks to security keys, not to
cards with certificates). So the reader hangs on the machine this process runs on, or its module is forwarded to it by the
operator (docs/documents.md). The key never leaves the card; the code is sent to it once, never again by itself, and kept nowhere:
cards lock themselves after a few wrong ones.

What is checked before the card is asked to sign: that there is a certificate for signing, in force, from an authority of the
operator's (`keys/card-roots.pem`), in the name of the officer who signs. Whether it was revoked is not: nothing is fetched.
Sources: OASIS PKCS #11 v3.1 §5.6 (sessions), ETSI EN 319 142-1 §5.3 (PAdES B-B), RFC 5280 §4.2.1.3 (key usage).
"""

from __future__ import annotations

import io
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pkcs11
from asn1crypto import x509
from pkcs11 import Attribute, ObjectClass, PKCS11Error
from pkcs11.constants import TokenFlag
from pkcs11.exceptions import PinIncorrect, PinInvalid, PinLenRange, PinLocked
from pyhanko.sign import fields, signers
from pyhanko.sign.general import SigningError
from pyhanko.sign.pkcs11 import PKCS11Signer
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathError, ValidationError

from egide.engines.pades_form import OFFICER
from egide.engines.pades_run import MAX_REASON, At, Writer, apart, card_roots
from egide.kernel.documents import CARD_ROOTS, CardTrouble
from egide.kernel.errors import Text, Unavailable

MAX_PIN = 64  # characters; cards take 4 to 16
WAIT_S = 10.0  # s for the reader while somebody else signs
MAX_CERTIFICATES = 32  # of a card that are looked at
WRONG = (PinIncorrect, PinInvalid, PinLenRange)


@dataclass(frozen=True, slots=True)
class _Found:
    """A card that can sign: its token, its certificate, what identifies its key, the other certificates on it."""

    token: Any
    certificate: x509.Certificate
    key: bytes
    others: tuple[x509.Certificate, ...]


class Card:
    """The reader of this machine. One signature at a time."""

    def __init__(self, module: str, keys: Path, *, lock: Any = None) -> None:
        """`module`: the library's path; `keys`: the folder of `card-roots.pem`; `lock`: of whoever uses the same library."""
        self._module, self._keys = module, keys
        self._alone = lock is None  # nobody else's sessions end when the library is started anew
        self._lock = lock or threading.RLock()

    def sign(self, pdf: bytes, *, pin: str, name: str, reason: str, at: datetime) -> bytes:
        """See `kernel.documents.CardSigner`. About 50 ms in SoftHSM, one to two seconds with a card."""
        if not 0 < len(pin) <= MAX_PIN:
            raise _wrong_pin()
        with self._turn():
            found = self._find(name, at)
            session = _login(found.token, pin)
            try:
                return apart(_signed(session, found, pdf, reason, at))
            except (PKCS11Error, SigningError) as error:
                raise _gone() from error
            finally:
                session.close()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=WAIT_S):
            raise Unavailable(
                Text("Quelqu’un d’autre signe avec ce lecteur.", "Somebody else is signing with this reader."),
                Text("Recommencez dans un instant.", "Try again in a moment."),
            )
        try:
            yield
        except PKCS11Error as error:
            raise _gone() from error
        finally:
            self._lock.release()

    def _find(self, name: str, at: datetime) -> _Found:
        """The officer's card among those in the readers. Raises `CardTrouble`: that of the card that came nearest."""
        library = self._library()
        cards = list(_cards(library))
        if not cards and self._alone:  # a reader that was plugged in meanwhile is seen by a library that starts anew
            library.reinitialize()
            cards = list(_cards(library))
        if not cards:
            raise CardTrouble(
                Text("Il n’y a pas de carte d’agent dans le lecteur.", "There is no officer’s card in the reader."),
                Text("Insérez la vôtre, puis signez de nouveau : rien n’est perdu.", "Insert yours, then sign again: nothing is lost."),
            )  # fmt: skip
        theirs = [one for one in cards if bears(one.certificate, name)]
        if not theirs:
            raise CardTrouble(
                Text("La carte dans le lecteur n’est pas la vôtre.", "The card in the reader is not yours."),
                Text("Signez avec votre carte, à votre nom.", "Sign with your own card, in your name."),
            )
        for one in theirs:
            if one.certificate.not_valid_before <= at <= one.certificate.not_valid_after:
                self._trusted(one, at)
                return one
        raise CardTrouble(
            Text("Le certificat de votre carte a expiré, ou n’est pas encore valable.", "Your card’s certificate has expired, or is not valid yet."),
            Text("Faites renouveler votre carte.", "Have your card renewed."),
        )  # fmt: skip

    def _library(self) -> Any:
        try:
            return pkcs11.lib(self._module)
        except (PKCS11Error, RuntimeError, OSError) as error:
            raise Unavailable(
                Text("Le lecteur de cartes ne répond pas.", "The card reader does not answer."),
                Text("L’administrateur vérifie le réglage « card_module ».", "The administrator checks the setting “card_module”."),
            ) from error  # fmt: skip

    def _trusted(self, found: _Found, at: datetime) -> None:
        context = ValidationContext(
            trust_roots=card_roots(self._keys), moment=at, allow_fetching=False, revocation_mode="soft-fail"
        )
        validator = CertificateValidator(
            found.certificate, intermediate_certs=list(found.others), validation_context=context
        )
        try:
            apart(validator.async_validate_usage({"non_repudiation"}))  # type: ignore[no-untyped-call]  # the library's has no types
        except (PathError, ValidationError) as error:
            raise CardTrouble(
                Text("Le certificat de cette carte vient d’une autorité inconnue ici.", "This card’s certificate comes from an authority not known here."),
                Text(f"L’administrateur ajoute sa racine à keys/{CARD_ROOTS}.", f"The administrator adds its root to keys/{CARD_ROOTS}."),
            ) from error  # fmt: skip


def bears(certificate: x509.Certificate, name: str) -> bool:
    """Whether a certificate is in this name: every word of it stands in the subject's, whatever the case, accent and order."""
    subject = certificate.subject.native
    given = " ".join(str(subject.get(part, "")) for part in ("given_name", "surname"))
    wanted = words(name)
    return bool(wanted) and wanted <= words(given if given.strip() else str(subject.get("common_name", "")))


def words(name: str) -> set[str]:
    """A name's words without case and accents."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(one))
    return set("".join(one if one.isalpha() else " " for one in plain).split())


def _cards(library: Any) -> Iterator[_Found]:
    for slot in library.get_slots(token_present=True):
        try:
            token = slot.get_token()
            with token.open() as session:
                held = [
                    (bytes(one[Attribute.ID]), x509.Certificate.load(bytes(one[Attribute.VALUE])))
                    for one, _ in zip(
                        session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}), range(MAX_CERTIFICATES), strict=False
                    )
                ]  # fmt: skip
        except (PKCS11Error, ValueError):
            continue  # an empty token, another kind of card
        for key, certificate in held:
            if _signs(certificate):
                others = tuple(one for _, one in held if one is not certificate and one.ca)
                yield _Found(token, certificate, key, others)


def _signs(certificate: x509.Certificate) -> bool:
    usage = certificate.key_usage_value
    return usage is not None and "non_repudiation" in usage.native and not certificate.ca


def _login(token: Any, pin: str) -> Any:
    try:
        return token.open(user_pin=pin)
    except PinLocked as error:
        raise _locked() from error
    except WRONG as error:
        flags = token.slot.get_token().flags  # as they are now
        if flags & TokenFlag.USER_PIN_LOCKED:
            raise _locked() from error
        raise _wrong_pin(last=bool(flags & TokenFlag.USER_PIN_FINAL_TRY)) from error


async def _signed(session: Any, found: _Found, pdf: bytes, reason: str, at: datetime) -> bytes:
    certificate = found.certificate
    meta = signers.PdfSignatureMetadata(
        field_name=OFFICER, md_algorithm="sha256", reason=reason[:MAX_REASON],
        name=str(certificate.subject.native.get("common_name", "")), subfilter=fields.SigSeedSubFilter.PADES,
    )  # fmt: skip
    field = fields.SigFieldSpec(
        OFFICER,
        readable_field_name="Signature de l’agent / Officer’s signature",
        invis_sig_settings=fields.InvisSigSettings(set_print_flag=True, box_out_of_bounds=True),
    )
    card = PKCS11Signer(
        session, signing_cert=certificate, ca_chain=found.others, key_id=found.key, embed_roots=False,
        use_raw_mechanism=certificate.public_key.algorithm == "ec",
    )  # fmt: skip
    signer = At(meta, signer=card, new_field_spec=field)
    signer.at = at
    return bytes((await signer.async_sign_pdf(Writer(io.BytesIO(pdf), strict=True))).getvalue())


def _wrong_pin(*, last: bool = False) -> CardTrouble:
    do = Text(
        "Vérifiez-le avant de recommencer : après quelques codes faux, la carte se bloque.",
        "Check it before you try again: after a few wrong PINs the card locks itself.",
    )
    if last:
        do = Text(
            "Il reste un seul essai avant que la carte se bloque.", "One try is left before the card locks itself."
        )
    return CardTrouble(Text("La carte a refusé ce code.", "The card refused this PIN."), do)


def _locked() -> CardTrouble:
    return CardTrouble(
        Text("La carte est bloquée : trop de codes faux.", "The card is locked: too many wrong PINs."),
        Text(
            "Faites-la débloquer par qui délivre les cartes. D’ici là, signez sans elle.",
            "Have it unlocked by whoever issues the cards. Until then, sign without it.",
        ),
    )


def _gone() -> CardTrouble:
    return CardTrouble(
        Text("La carte a été retirée, ou ne répond plus : rien n’a été signé.", "The card was removed, or no longer answers: nothing was signed."),
        Text("Remettez-la, puis signez de nouveau.", "Put it back, then sign again."),
    )  # fmt: skip
