"""How an officer signs: with their passkey over the very document, with their card in it, or, having neither, by taking the step.

The passkey is step-up evidence: its challenge is the hash of what is signed, so that the evidence says which document was
validated, and whoever has the file verifies it later (`holds`, protocols/stepup.py). The card's is the legal signature (AdES,
engines/card.py). What is put before the officer is set first and set again when the answer comes: if anything changed meanwhile,
nothing is signed. Sources: CPP 801-1, A53-4; Regulation 910/2014, article 26.

    begun = await perform("services.signature.begin", {file, step, text, card})    → challenge
    await perform("services.<service>.<step>", {file, text, ceremony, credential, pin})
"""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any, ClassVar

import msgspec

from egide.kernel.act import Act, Ctx, Effect, Facts, Input, act
from egide.kernel.clock import from_us, iso
from egide.kernel.documents import CardSigner
from egide.kernel.errors import BadInput, Conflict, EgideError, NotFound, Text
from egide.kernel.passkeys import CEREMONY_US, Ceremonies, Ceremony, CeremonyShown, keys_of
from egide.kernel.randomness import draw
from egide.protocols import stepup
from egide.protocols.stepup import Evidence, NotProved
from egide.services import documents, tables, uploads
from egide.services.contents import BY_CARD, BY_KEY, Pending
from egide.services.definition import Transition
from egide.services.entitled import OUTBOX, works_on
from egide.services.filing import slug
from egide.services.holding import Signature, may_step, step, words_of
from egide.services.model import PURPOSE, EventBody, definition_of, events_of, file_owner, file_row

GROUP = "signed-act"  # of law/fr/cpp
CARD = "card"  # among the kernel's things: who signs with the officer's card (engines/card.py)


class Signing(Input):
    """What is about to be signed: a file's step, the words that go with it, and whether a card signs too."""

    file: str
    step: str
    text: str = ""
    card: bool = False


class SignedStep(Input):
    """A step that is signed: the answer of the officer's passkey, the code of their card; both may be missing."""

    unkept: ClassVar[frozenset[str]] = frozenset({"pin"})

    file: str
    text: str = ""
    staged: str = ""  # as of a step that is not (desk.py)
    client_id: str = ""
    made_at: str = ""
    ceremony: str = ""
    credential: dict[str, Any] = {}
    pin: str = ""


class About(msgspec.Struct, array_like=True):
    """What a challenge is about, sealed until it is answered. `at` (µs), `url`: as the document says them; `nonce`: of a key."""

    file: str
    step: str
    card: bool
    at: int
    url: str
    said: bytes
    nonce: bytes


class Said(msgspec.Struct, omit_defaults=True):
    """What is signed, as people can read it; hashes are SHA-256 in hexadecimal. `report`: the document before any seal."""

    what: str
    file: str
    service: str
    step: str
    officer: str
    at: str
    chain: str  # the file's last link before this step
    answers: str
    words: str
    attachments: str  # over the hashes of the files that were sent, in order
    report: str = ""
    bytes: int = 0  # of that document: the sealed one begins with them


class DocumentRef(Input):
    """One document."""

    document: str


class Proof(msgspec.Struct):
    """A document's step-up evidence, and whether it holds for this document and this file today."""

    evidence: Evidence
    holds: bool
    why: Text


# -- what the law asks ------------------------------------------------------------------------------------------------


def asks_key(ctx: Ctx, transition: Transition) -> bool:
    """Whether this officer signs this step with a passkey."""
    return transition.signed and (transition.step_up or bool(keys_of(ctx.db, ctx.principal.id)))


def facts_of(ctx: Ctx, given: SignedStep, row: Any | None, transition: Transition) -> Facts:
    """Whether the officer validated this very act. Of whom it is not the business nothing may be learnt.

    What came from a device without network was signed by the device, entry by entry (outbox_order.py).
    """
    if not transition.signed:
        return {}
    if row is None or ctx.consumer.startswith(f"{OUTBOX} "):
        return {"stepped_up": True}
    if not given.ceremony:
        return {"stepped_up": not asks_key(ctx, transition)}
    return {"stepped_up": _answered(ctx, given, transition) is not None}


def _answered(ctx: Ctx, given: SignedStep, transition: Transition) -> tuple[Ceremony, About, Evidence, int] | None:
    """The challenge, what it was about, the evidence and the key's new count; None where it proves nothing."""

    def read() -> tuple[Ceremony, About, Evidence, int] | None:
        try:
            ceremony = Ceremonies(ctx.kernel).take(given.ceremony, ctx.now_us, ctx.db)
            about = msgspec.msgpack.decode(ceremony.about, type=About)
            answer = stepup.read(given.credential)
        except (EgideError, msgspec.DecodeError, NotProved):
            return None
        who = ctx.principal.id
        if (ceremony.person, about.file, about.step) != (who, given.file, transition.id):
            return None
        key = next((one for one in keys_of(ctx.db, who) if one.id == _base64url(answer.credential)), None)
        if key is None or (answer.person and answer.person != who.encode()):
            return None
        settings = ctx.kernel.settings
        evidence = Evidence(
            said=about.said, nonce=about.nonce, credential=answer.credential, key=bytes(key.public_key),
            authenticator=answer.authenticator, client=answer.client, signature=answer.signature, rp=settings.public_name,
            origin=settings.origin,
        )  # fmt: skip
        try:
            return ceremony, about, evidence, stepup.check(evidence, before=key.sign_count)
        except NotProved:
            return None

    found: tuple[Ceremony, About, Evidence, int] | None = ctx.first("signing", read)
    return found


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


# -- what is signed ---------------------------------------------------------------------------------------------------


async def _put(ctx: Ctx, row: Any, transition: Transition, text: str, about: About) -> tuple[bytes, bytes]:
    """(the document that is put before the officer, b"" where the step makes none; what is signed)."""
    kernel, definition, who = ctx.kernel, definition_of(row), ctx.principal
    pdf = b""
    if transition.output is not None:
        how = [*([BY_KEY] if about.nonce else []), *([BY_CARD] if about.card else [])]
        told = Text(" ".join(one.fr for one in how), " ".join(one.en for one in how))
        pending = Pending(transition.id, who.id, about.at, text, told)
        pdf = await documents.set_(ctx, row, transition.output, about.url, about.at, pending)
    answers = kernel.vault.open_(file_owner(row.id), PURPOSE, row.body, row.id.encode())
    sent = [one.sha256 for one in uploads.files_of(kernel, ctx.db, file_owner(row.id))]
    said = Said(
        stepup.PREFIX.decode().rstrip("\0"), row.number, f"{definition.id}/{definition.version}", transition.id, who.id,
        iso(about.at), row.head, _hash(answers), _hash(text.encode()), _hash("\n".join(sent).encode()),
        _hash(pdf) if pdf else "", len(pdf),
    )  # fmt: skip
    return pdf, msgspec.json.encode(said)


def _hash(data: bytes) -> str:
    return sha256(data).hexdigest()


def _concerned(ctx: Ctx, given: Signing) -> Facts:
    row = ctx.db.execute(tables.file.select().where(tables.file.c.id == given.file)).first()
    return {"concerned": row is not None and works_on(ctx.principal, row)}


@act(
    "services.signature.begin", verb="consult", activity="service-desk", roles=["officer", "command"],
    groups=["need-to-know"], gather=_concerned, duty=True, input=Signing, output=CeremonyShown,
    fr="Préparer ce que l’on va signer", en="Prepare what one is about to sign",
)  # fmt: skip
async def begin(ctx: Ctx, given: Signing) -> Effect:
    from webauthn import generate_authentication_options  # noqa: PLC0415 — 0.2 s to import, only passkeys need it
    from webauthn.helpers import base64url_to_bytes, options_to_json_dict  # noqa: PLC0415 — as above
    from webauthn.helpers.structs import (  # noqa: PLC0415 — as above
        PublicKeyCredentialDescriptor,
        UserVerificationRequirement,
    )

    row = file_row(ctx.db, given.file)
    transition = _transition(row, given.step)
    may_step(row, transition)
    keys = keys_of(ctx.db, ctx.principal.id)
    if not keys:
        raise BadInput(
            Text("Vous n’avez pas encore de clé d’accès.", "You have no passkey yet."),
            Text(
                "Ajoutez-en une sur votre page « Appareils », puis signez.",
                "Add one on your page “Devices”, then sign.",
            ),
        )
    url = documents.proof(ctx.kernel, ctx.db, row)
    about = About(row.id, transition.id, given.card, ctx.now_us, url, b"", draw(stepup.NONCE))
    _pdf, about.said = await _put(ctx, row, transition, words_of(transition, given.text), about)
    challenge = stepup.challenge_of(about.said, about.nonce)
    options = generate_authentication_options(
        rp_id=ctx.kernel.settings.public_name, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED,
        allow_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.id)) for one in keys],
    )  # fmt: skip
    ceremony = Ceremony(
        challenge, ctx.now_us + CEREMONY_US, ctx.principal.id, about=msgspec.msgpack.encode(about)
    )  # fmt: skip
    sealed = Ceremonies(ctx.kernel).open(ceremony)
    return Effect(CeremonyShown(sealed, options_to_json_dict(options)), concerns=(file_owner(row.id),))


def _transition(row: Any, id_: str) -> Transition:
    for one in definition_of(row).transitions:
        if slug(one.id) == slug(id_) and one.signed:
            return one
    raise Conflict(Text("Cette étape ne se signe pas.", "This step is not signed."))


# -- signing ----------------------------------------------------------------------------------------------------------


async def signed(ctx: Ctx, row: Any, transition: Transition, given: SignedStep, **taken: Any) -> Effect:
    """The effect of a signed step. The document is made here where it is signed itself, by a job where it is not.

    Raises `Conflict` where the file is not what was put before the officer, `CardTrouble`.
    """
    who, text = ctx.principal, words_of(transition, given.text)
    answered = _answered(ctx, given, transition) if given.ceremony else None
    if answered is None and not given.pin:
        return step(ctx, row, transition, given.text, who.id, **taken)
    may_step(row, transition)
    ceremony, about, proof, count = answered or (None, None, None, 0)
    if about is None:
        url = documents.proof(ctx.kernel, ctx.db, row)
        about = About(row.id, transition.id, True, ctx.now_us, url, b"", b"")
    if about.card != bool(given.pin):
        raise Conflict(
            Text("Avec ou sans carte : ce n’est plus ce qui a été validé.", "With or without a card: this is not what was validated."),
            Text("Recommencez la signature.", "Sign again."),
        )  # fmt: skip
    pdf, said = await _put(ctx, row, transition, text, about)
    if proof is not None and said != about.said:
        raise Conflict(
            Text("Le dossier a changé depuis que vous l’avez relu.", "The file has changed since you read it."),
            Text("Relisez-le, puis signez de nouveau.", "Read it again, then sign again."),
        )
    signature = Signature(
        proof=proof, key=(_base64url(proof.credential), count) if proof is not None else None,
        once=Ceremonies.once(ceremony) if ceremony is not None else None, card=about.card,
        document=await _document(ctx, row, transition, pdf, given.pin),
    )  # fmt: skip
    return step(ctx, row, transition, given.text, who.id, signature=signature, **taken)


async def _document(ctx: Ctx, row: Any, transition: Transition, pdf: bytes, pin: str) -> documents.Kept | None:
    """The document signed by the officer's card where there is a code, then sealed; None of a step that makes none."""
    card: CardSigner | None = ctx.kernel.things.get(CARD)
    if transition.output is None or (pin and card is None):
        if pin:
            raise BadInput(Text("Aucune carte ne peut signer ceci ici.", "No card can sign this here."))
        return None
    if pin and card is not None:
        title = documents.title_of(row, transition.output)
        pdf = await asyncio.to_thread(
            card.sign, pdf, pin=pin, name=ctx.principal.name, reason=title, at=from_us(ctx.now_us)
        )
    return await documents.sealed(ctx, row, transition.output, pdf)


# -- verifying later --------------------------------------------------------------------------------------------------


def holds(evidence: Evidence, report: bytes) -> None:
    """Whether this key signed for this document, whoever asks and whenever. Raises `NotProved`, which says why not."""
    stepup.check(evidence)
    try:
        said = msgspec.json.decode(evidence.said, type=Said)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise NotProved("what was signed cannot be read") from error
    if said.report != (_hash(report[: said.bytes]) if said.bytes else ""):
        raise NotProved("another document was signed")


def _concerned_by_document(ctx: Ctx, given: DocumentRef) -> Facts:
    row = ctx.db.execute(tables.document.select().where(tables.document.c.id == given.document)).first()
    file = None if row is None else file_row(ctx.db, row.file)
    return {"concerned": file is not None and works_on(ctx.principal, file)}


@act(
    "services.signature.verify", verb="consult", activity="service-desk", roles=["officer", "command"], groups=["need-to-know"],
    gather=_concerned_by_document, duty=True, input=DocumentRef, output=Proof, fr="Vérifier la signature d’un document", en="Verify a document’s signature",
)  # fmt: skip
def verify(ctx: Ctx, given: DocumentRef) -> Effect:
    kernel, table = ctx.kernel, tables.document
    kept = ctx.db.execute(table.select().where(table.c.id == given.document)).one()
    row = file_row(ctx.db, kept.file)
    _rows, words = events_of(kernel, ctx.db, row.id)
    bodies = [msgspec.json.decode(one, type=EventBody) for one in words if one]
    proof = next((one.proof for one in bodies if one.document == kept.id and one.proof is not None), None)
    if proof is None:
        raise NotFound(
            Text("Ce document n’a pas été signé avec une clé d’accès.", "This document was not signed with a passkey.")
        )
    try:
        holds(proof, kernel.vault.open_(file_owner(row.id), PURPOSE, kept.body, f"document.{kept.id}".encode()))
        good, why = True, Text("La clé d’accès a signé ce document même.", "The passkey signed this very document.")
    except (NotProved, EgideError):
        good, why = (
            False,
            Text("La preuve ne va pas avec ce document.", "The evidence does not belong to this document."),
        )
    return Effect(Proof(proof, good, why), concerns=(file_owner(row.id),))


ACTS: tuple[Act, ...] = (begin, verify)
