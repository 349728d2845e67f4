"""An officer's own passkeys, on their own page: those they have, and one more for another device or for signing.

Whoever has a key proves it when adding another: a session that was stolen must not make itself a key that signs. The first one
comes with an invitation (sign_in.py); only in a demonstration, whose people enter without any, is it made here.
Source: W3C WebAuthn Level 3, §7.1 (registering), §7.2 (proving).
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from egide.kernel import tables
from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, Text
from egide.kernel.passkeys import CEREMONY_US, MAX_KEYS, Ceremonies, Ceremony, counted, keys_of
from egide.kernel.randomness import draw

MAX_LABEL = 80  # characters
CHALLENGE = 32  # bytes


class KeyShown(msgspec.Struct):
    """A passkey, as its person sees it."""

    id: str
    label: str
    added: str


class Keys(msgspec.Struct):
    """One's own passkeys that were not revoked, the newest first."""

    keys: list[KeyShown]


class Adding(msgspec.Struct):
    """What the browser makes a key with; `proof`: what it first asks a key for that is there already."""

    ceremony: str
    options: dict[str, Any]
    proof: dict[str, Any] | None


class Added(Input):
    """The new key's answer, and the proof by an older one where there is one; both as `PublicKeyCredential.toJSON()`."""

    ceremony: str
    credential: dict[str, Any]
    proof: dict[str, Any] = {}
    label: str = ""


@act(
    "administration.key.list", verb="view", activity="access", roles=["self"], duty=True, output=Keys,
    fr="Voir ses clés d’accès", en="See one’s passkeys",
)  # fmt: skip
def list_keys(ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(Keys([KeyShown(one.id, one.label, iso(one.added)) for one in keys_of(ctx.db, ctx.principal.id)]))


@act(
    "administration.key.begin", verb="administer", activity="access", roles=["self"], duty=True, output=Adding,
    fr="Commencer à ajouter une clé d’accès", en="Begin to add a passkey",
)  # fmt: skip
def begin(ctx: Ctx, _given: Nothing) -> Effect:
    from webauthn import (  # noqa: PLC0415 — 0.2 s to import, only passkeys need it
        generate_authentication_options,
        generate_registration_options,
    )
    from webauthn.helpers import base64url_to_bytes, options_to_json_dict  # noqa: PLC0415 — as above
    from webauthn.helpers.structs import (  # noqa: PLC0415 — as above
        AttestationConveyancePreference,
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    person, name, rp = _person(ctx), ctx.principal.name, ctx.kernel.settings.public_name
    challenge = draw(CHALLENGE)
    held = [PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.id)) for one in keys_of(ctx.db, person)]
    if len(held) >= MAX_KEYS:
        raise Conflict(
            Text(f"Vous avez déjà {MAX_KEYS} clés.", f"You have {MAX_KEYS} keys already."),
            Text("Demandez à votre administrateur d’en révoquer une.", "Ask your administrator to revoke one."),
        )
    verified = UserVerificationRequirement.REQUIRED
    options = generate_registration_options(
        rp_id=rp, rp_name="Égide", user_id=person.encode(), user_name=name, user_display_name=name, challenge=challenge,
        attestation=AttestationConveyancePreference.NONE, exclude_credentials=held,
        authenticator_selection=AuthenticatorSelectionCriteria(resident_key=ResidentKeyRequirement.REQUIRED, user_verification=verified),
    )  # fmt: skip
    proof = generate_authentication_options(
        rp_id=rp, challenge=challenge, allow_credentials=held, user_verification=verified
    )
    ceremony = Ceremonies(ctx.kernel).open(Ceremony(challenge, ctx.now_us + CEREMONY_US, person, about=b"key"))
    return Effect(Adding(ceremony, options_to_json_dict(options), options_to_json_dict(proof) if held else None))


@act(
    "administration.key.add", verb="administer", activity="access", roles=["self"], duty=True, input=Added, output=Keys,
    fr="Ajouter une clé d’accès", en="Add a passkey",
)  # fmt: skip
def add(ctx: Ctx, given: Added) -> Effect:
    from webauthn import verify_registration_response  # noqa: PLC0415 — as above
    from webauthn.helpers import bytes_to_base64url  # noqa: PLC0415 — as above
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415 — as above

    person, settings = _person(ctx), ctx.kernel.settings
    ceremony = Ceremonies(ctx.kernel).take(given.ceremony, ctx.now_us, ctx.db)
    if ceremony.person != person or ceremony.about != b"key":
        raise _not_taken()
    proved = _proved(ctx, ceremony, given.proof)
    try:
        verified = verify_registration_response(
            credential=json.dumps(given.credential), expected_challenge=ceremony.challenge, expected_rp_id=settings.public_name,
            expected_origin=settings.origin, require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise _not_taken() from error
    made = KeyShown(
        bytes_to_base64url(verified.credential_id), given.label.strip()[:MAX_LABEL] or "Clé d’accès", iso(ctx.now_us)
    )
    row = {
        "id": made.id, "person": person, "public_key": verified.credential_public_key, "sign_count": verified.sign_count, "label": made.label,
        "added": ctx.now_us, "revoked": None,
    }  # fmt: skip

    def count(connection: Any) -> None:
        if proved is not None and not counted(connection, *proved):
            raise _not_taken()

    shown = [made] + [KeyShown(one.id, one.label, iso(one.added)) for one in keys_of(ctx.db, person)]
    return Effect(Keys(shown), rows=[Ceremonies.once(ceremony), (tables.passkey, row)], apply=count)


def _proved(ctx: Ctx, ceremony: Ceremony, proof: dict[str, Any]) -> tuple[str, int] | None:
    """(key, its new count) of the key that stands for the new one; None where the person has none. Raises `BadInput`."""
    from webauthn import verify_authentication_response  # noqa: PLC0415 — as above
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415 — as above

    held, settings = {one.id: one for one in keys_of(ctx.db, ceremony.person)}, ctx.kernel.settings
    if not held:
        return None
    key = held.get(str(proof.get("id", "")))
    if key is None:
        raise _not_taken()
    try:
        done = verify_authentication_response(
            credential=json.dumps(proof), expected_challenge=ceremony.challenge, expected_rp_id=settings.public_name,
            expected_origin=settings.origin, credential_public_key=key.public_key, credential_current_sign_count=key.sign_count,
            require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise _not_taken() from error
    return key.id, done.new_sign_count


def _person(ctx: Ctx) -> str:
    """Whose keys these are. Raises `BadInput` for who is no person."""
    if ctx.principal.kind != "person":
        raise BadInput(Text("Seule une personne a des clés d’accès.", "Only a person has passkeys."))
    return ctx.principal.id


def _not_taken() -> BadInput:
    return BadInput(
        Text("Cette clé d’accès n’a pas été acceptée.", "This passkey was not accepted."),
        Text(
            "Recommencez, avec une clé que vous avez déjà si on vous la demande.",
            "Begin again, with a key you have already if you are asked for one.",
        ),
    )


ACTS: tuple[Act, ...] = (list_keys, begin, add)
