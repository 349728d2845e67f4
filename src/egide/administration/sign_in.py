"""Signing in with passkeys (W3C WebAuthn Level 3): the key never leaves the officer's device and only answers to our name.

The address is `localhost` or the operator's name, never an IP: passkeys are bound to a name. Ceremonies live two minutes;
a code of invitation is shown once and kept as its hash.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from egide.kernel import tables
from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.errors import BadInput, Conflict, Text
from egide.kernel.identity import ANONYMOUS, SESSION_S, digest, new_secret
from egide.kernel.passkeys import CEREMONY_US, Ceremonies, Ceremony, CeremonyShown


class PersonShown(msgspec.Struct):
    """A signed-in person as pages show them."""

    id: str
    name: str
    roles: list[str]
    unit: str


class SessionShown(msgspec.Struct):
    """Who is signed in, whether this is a demonstration, and what the platform can do: its capabilities by name.

    `time_zone`: of the law that applies (IANA); appointments are told and typed in it, whatever the device says.
    """

    signed_in: bool
    person: PersonShown | None
    demo: bool
    personas: list[dict[str, Any]]
    realm: str
    jurisdiction: str
    controller: str
    capabilities: list[str]
    time_zone: str


class SignedIn(msgspec.Struct):
    """The person a session was opened for."""

    person: PersonShown


class Answered(Input):
    """The authenticator's answer, as `PublicKeyCredential.toJSON()` gives it."""

    ceremony: str
    credential: dict[str, Any]
    label: str = ""


class Invited(Input):
    """A code of invitation."""

    invitation: str


class SignInName(Input):
    """A name the person typed; only their authenticator decides, so it is not looked up."""

    name: str = ""


@act(
    "administration.session.show", verb="view", activity="access", open=True, roles=["anyone"], output=SessionShown,
    fr="Voir qui est connecté", en="Show who is signed in",
)  # fmt: skip
def show_session(ctx: Ctx, _given: Nothing) -> Effect:
    kernel, who = ctx.kernel, ctx.principal
    person = (
        None if who is ANONYMOUS else PersonShown(who.id, who.name, sorted(who.roles), _unit_name(ctx.db, who.unit))
    )
    personas = kernel.things.get("personas", [])
    settings = kernel.settings
    return Effect(
        SessionShown(
            person is not None,
            person,
            settings.demo,
            personas,
            settings.realm,
            settings.jurisdiction,
            settings.controller,
            [each.name for each in kernel.capabilities],
            kernel.book.zone.key,
        )
    )


@act(
    "administration.sign_in.begin", verb="administer", activity="access", open=True, roles=["anyone"], input=SignInName, output=CeremonyShown,
    fr="Commencer une connexion", en="Begin signing in",
)  # fmt: skip
def begin_sign_in(ctx: Ctx, _given: SignInName) -> Effect:
    from webauthn import generate_authentication_options  # noqa: PLC0415 — 0.2 s to import, only sign-in needs it
    from webauthn.helpers import options_to_json_dict  # noqa: PLC0415
    from webauthn.helpers.structs import UserVerificationRequirement  # noqa: PLC0415

    options = generate_authentication_options(
        rp_id=ctx.kernel.settings.public_name, user_verification=UserVerificationRequirement.REQUIRED
    )
    ceremony = Ceremonies(ctx.kernel).open(Ceremony(options.challenge, ctx.now_us + CEREMONY_US))
    return Effect(CeremonyShown(ceremony, options_to_json_dict(options)))


@act(
    "administration.sign_in.finish", verb="administer", activity="access", roles=["anyone"], duty=True, input=Answered, output=SignedIn,
    fr="Se connecter avec une clé d’accès", en="Sign in with a passkey",
)  # fmt: skip
def finish_sign_in(ctx: Ctx, given: Answered) -> Effect:
    from webauthn import verify_authentication_response  # noqa: PLC0415
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    kernel = ctx.kernel
    ceremony = Ceremonies(kernel).take(given.ceremony, ctx.now_us, ctx.db)
    key = ctx.db.execute(
        select(tables.passkey).where(
            tables.passkey.c.id == str(given.credential.get("id", "")), tables.passkey.c.revoked.is_(None)
        )
    ).first()
    person = kernel.identity.person(key.person, ctx.db) if key is not None else None
    if key is None or person is None:
        raise _unknown_key()
    try:
        verified = verify_authentication_response(
            credential=json.dumps(given.credential), expected_challenge=ceremony.challenge, expected_rp_id=kernel.settings.public_name,
            expected_origin=kernel.settings.origin, credential_public_key=key.public_key, credential_current_sign_count=key.sign_count,
            require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise _unknown_key() from error

    def count(connection: Connection) -> None:
        held = tables.passkey
        counted = connection.execute(
            update(held).where(held.c.id == key.id, held.c.revoked.is_(None)).values(sign_count=verified.new_sign_count)
        )
        if counted.rowcount != 1:  # revoked since it answered
            raise _unknown_key()

    secret = new_secret()
    return Effect(
        SignedIn(PersonShown(person.id, person.name, sorted(person.roles), _unit_name(ctx.db, person.unit))),
        rows=[Ceremonies.once(ceremony), (tables.session, kernel.identity.session_row(person.id, secret, "passkey"))],
        apply=count,
        set_cookie=(secret, SESSION_S),
        actor=person.id,
    )


@act(
    "administration.passkey.begin", verb="administer", activity="access", open=True, roles=["anyone"], input=Invited, output=CeremonyShown,
    fr="Commencer à enregistrer une clé d’accès", en="Begin to register a passkey",
)  # fmt: skip
def begin_passkey(ctx: Ctx, given: Invited) -> Effect:
    from webauthn import generate_registration_options  # noqa: PLC0415
    from webauthn.helpers import options_to_json_dict  # noqa: PLC0415
    from webauthn.helpers.structs import (  # noqa: PLC0415
        AuthenticatorSelectionCriteria,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    person, hashed = _invited(ctx, given.invitation)
    name = ctx.kernel.identity.name(person)
    options = generate_registration_options(
        rp_id=ctx.kernel.settings.public_name, rp_name="Égide", user_id=person.encode(), user_name=name, user_display_name=name,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
    )  # fmt: skip
    ceremony = Ceremonies(ctx.kernel).open(Ceremony(options.challenge, ctx.now_us + CEREMONY_US, person, hashed))
    return Effect(CeremonyShown(ceremony, options_to_json_dict(options)))


@act(
    "administration.passkey.finish", verb="administer", activity="access", roles=["anyone"], duty=True, input=Answered, output=SignedIn,
    fr="Enregistrer une clé d’accès", en="Register a passkey",
)  # fmt: skip
def finish_passkey(ctx: Ctx, given: Answered) -> Effect:
    from webauthn import verify_registration_response  # noqa: PLC0415
    from webauthn.helpers import bytes_to_base64url  # noqa: PLC0415
    from webauthn.helpers.exceptions import WebAuthnException  # noqa: PLC0415

    kernel = ctx.kernel
    ceremony = Ceremonies(kernel).take(given.ceremony, ctx.now_us, ctx.db)
    person = kernel.identity.person(ceremony.person, ctx.db)
    if not ceremony.invitation or person is None:
        raise _unknown_key()
    try:
        verified = verify_registration_response(
            credential=json.dumps(given.credential), expected_challenge=ceremony.challenge, expected_rp_id=kernel.settings.public_name,
            expected_origin=kernel.settings.origin, require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise _unknown_key() from error

    def use(connection: Connection) -> None:
        used = connection.execute(
            update(tables.invitation)
            .where(tables.invitation.c.hash == ceremony.invitation, tables.invitation.c.used.is_(None))
            .values(used=ctx.now_us)
        )
        if used.rowcount != 1:
            raise Conflict(Text("Cette invitation a déjà servi.", "This invitation was used already."), _ask_new())

    secret = new_secret()
    row = {
        "id": bytes_to_base64url(verified.credential_id), "person": person.id, "public_key": verified.credential_public_key,
        "sign_count": verified.sign_count, "label": given.label.strip()[:80] or "Clé d’accès", "added": ctx.now_us, "revoked": None,
    }  # fmt: skip
    return Effect(
        SignedIn(PersonShown(person.id, person.name, sorted(person.roles), _unit_name(ctx.db, person.unit))),
        rows=[
            Ceremonies.once(ceremony),
            (tables.passkey, row),
            (tables.session, kernel.identity.session_row(person.id, secret, "passkey")),
        ],
        apply=use,
        set_cookie=(secret, SESSION_S),
        actor=person.id,
    )


@act(
    "administration.sign_out",
    verb="administer",
    activity="access",
    roles=["self"],
    duty=True,
    fr="Se déconnecter",
    en="Sign out",
)
def sign_out(ctx: Ctx, _given: Nothing) -> Effect:
    def end(connection: Connection) -> None:
        connection.execute(
            update(tables.session).where(tables.session.c.hash == ctx.principal.session).values(ended=ctx.now_us)
        )

    return Effect(
        Nothing(),
        apply=end,
        set_cookie=("", 0),
        rights_changed=True,
        events=[("right.changed", {"person": ctx.principal.id})],
    )


def _invited(ctx: Ctx, code: str) -> tuple[str, str]:
    hashed = digest(code.strip())
    row = ctx.db.execute(
        select(tables.invitation.c.person).where(
            tables.invitation.c.hash == hashed,
            tables.invitation.c.used.is_(None),
            tables.invitation.c.until > ctx.now_us,
        )
    ).first()
    if row is None:
        raise BadInput(
            Text(
                "Cette invitation est inconnue, déjà utilisée ou trop ancienne.",
                "This invitation is unknown, used or too old.",
            ),
            _ask_new(),
        )
    return str(row[0]), hashed


def _ask_new() -> Text:
    return Text("Demandez-en une nouvelle à votre administrateur.", "Ask your administrator for a new one.")


def _unknown_key() -> BadInput:
    return BadInput(
        Text("Cette clé d’accès n’est pas reconnue ici.", "This passkey is not recognised here."),
        Text(
            "Choisissez une autre clé, ou demandez une invitation à votre administrateur.",
            "Choose another key, or ask your administrator for an invitation.",
        ),
    )


def _unit_name(db: Connection, unit: str) -> str:
    return str(db.execute(select(tables.unit.c.name).where(tables.unit.c.id == unit)).scalar() or "")


ACTS: tuple[Act, ...] = (show_session, begin_sign_in, finish_sign_in, begin_passkey, finish_passkey, sign_out)
