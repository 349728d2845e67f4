"""`egide init`: prepares an installation, and tells once what is only told once.

The first administrator is added by the same acts as anyone later, performed by the operator and written in the ledger: the
installation's first entries say how it began. A second run says what exists and changes nothing, but for a certificate with
less than 30 days left, which it renews.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from sqlalchemy import select

from egide.administration.people import INVITATION_US
from egide.gateways import certificate, defaults, phones, standing
from egide.gateways.composition import composed
from egide.gateways.server_call import call
from egide.gateways.telling import raw, tell
from egide.kernel import tables
from egide.kernel.errors import Conflict, Text
from egide.kernel.identity import OPERATOR
from egide.kernel.keyfile import write_private
from egide.kernel.settings import FILE, Settings
from egide.kernel.store import has_table

UNIT = "Administration de la plateforme"
HABILITATION = timedelta(days=365)
DAY_US = 86_400_000_000  # µs
Perform = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class State:
    """Who there is already: ids only, names stay sealed."""

    unit: str | None = None
    administrators: tuple[str, ...] = ()
    granted: frozenset[str] = frozenset()  # ever habilitated
    reachable: frozenset[str] = frozenset()  # with a passkey, or an invitation that still works


def initialise(settings: Settings, name: str, console: Console) -> None:
    """Prepares `settings.folder` for an administrator called `name`; prints the invitation. Raises `EgideError`.

    Safe to repeat: each step looks whether it was done.
    """
    folder = settings.folder
    if folder.exists():
        tell(console, Text(f"Dossier des données : {folder}, déjà là.", f"Data folder: {folder}, already there."))
    else:
        folder.mkdir(parents=True, mode=0o700)
        tell(
            console, Text(f"Dossier des données créé : {folder} (0700).", f"Data folder made: {folder} (0700)."), "good"
        )
    _settings_file(folder / FILE, console)
    _administrator(settings, name, console)
    _public_key(settings, console)
    _certificate(settings, console)


def _settings_file(file: Path, console: Console) -> None:
    if file.exists():
        tell(console, Text(f"Réglages : {file}, gardés tels quels.", f"Settings: {file}, kept as they are."))
        return
    write_private(file, defaults.text().encode())
    tell(console, Text(f"Réglages par défaut écrits : {file}.", f"Default settings written: {file}."), "good")


def _administrator(settings: Settings, name: str, console: Console) -> None:
    running = standing.health(settings) is not None
    state = _state(settings)
    invited = ""
    if not state.administrators:
        _id, invited = _perform(settings, lambda perform: _add(perform, name, state.unit), running=running)
        tell(
            console,
            Text(
                f"Premier administrateur ajouté : {name}, habilité pour un an.",
                f"First administrator added: {name}, habilitated for a year.",
            ),
            "good",
        )
    elif not state.granted:  # a first run was cut short between two acts
        person = state.administrators[0]
        _perform(settings, lambda perform: _grant(perform, person), running=running)
        tell(
            console,
            Text(
                "L’administrateur n’était pas habilité : il l’est pour un an.",
                "The administrator had no habilitation: now for a year.",
            ),
            "good",
        )
    else:
        count = len(state.administrators)
        tell(console, Text(f"Administrateurs : {count}, déjà là.", f"Administrators: {count}, already there."))
    if invited:
        days = INVITATION_US // DAY_US
        console.print()
        tell(
            console,
            Text(
                f"Code d’invitation, montré cette seule fois, valable {days} jours — il enregistre votre clé d’accès :",
                f"Invitation code, shown this once only, good for {days} days — it registers your passkey:",
            ),
        )
        raw(console, invited)
        tell(
            console,
            Text("Lancez « egide serve », puis ouvrez :", "Run “egide serve”, then open:")
            if not running
            else Text("Ouvrez :", "Open:"),
        )
        raw(console, f"{settings.origin}/sign-in#invitation={invited}")
        console.print()
    elif not state.reachable:
        command = f"egide act administration.person.invite --person {state.administrators[0]}"
        tell(
            console,
            Text(
                "Aucun administrateur n’a de clé d’accès ni d’invitation valable.",
                "No administrator has a passkey or an invitation that works.",
            ),
            "note",
            Text(f"Serveur lancé, faites : {command}", f"With the server running: {command}"),
        )


def _state(settings: Settings) -> State:
    """Reads roles and rights, no name."""
    if not (settings.folder / "egide.db").exists():
        return State()
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    person, right, key, invitation, unit = (
        tables.person,
        tables.habilitation,
        tables.passkey,
        tables.invitation,
        tables.unit,
    )
    with standing.store(settings) as store:
        db = store.reader()
        if not has_table(db, "person"):
            return State()
        people = db.execute(select(person.c.id, person.c.roles).where(person.c.active).order_by(person.c.added))
        administrators = tuple(row.id for row in people if "administrator" in row.roles.split())
        granted = frozenset(db.execute(select(right.c.person).where(right.c.person.in_(administrators))).scalars())
        keyed = db.execute(select(key.c.person).where(key.c.revoked.is_(None))).scalars().all()
        waiting = (
            db.execute(select(invitation.c.person).where(invitation.c.used.is_(None), invitation.c.until > now))
            .scalars()
            .all()
        )
        found = db.execute(select(unit.c.id).where(unit.c.name == UNIT)).scalar()
    return State(found, administrators, granted, frozenset((*keyed, *waiting)) & frozenset(administrators))


def _perform(
    settings: Settings, steps: Callable[[Perform], Awaitable[tuple[str, str]]], *, running: bool
) -> tuple[str, str]:
    """Performs acts as the operator: by the running server, or by a platform started for this alone."""
    if running and not (settings.folder / "operator.token").exists():
        raise Conflict(
            Text(
                f"Sur le port {settings.port} répond une autre installation.",
                f"Another installation answers on port {settings.port}.",
            ),
            Text(
                f"Arrêtez-la, ou changez « port » dans {settings.folder / FILE}.",
                f"Stop it, or change “port” in {settings.folder / FILE}.",
            ),
        )

    async def remote(name: str, given: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = call(settings, name, given)["result"]
        return found

    async def alone() -> tuple[str, str]:
        kernel, _application = composed().build(settings)

        async def local(name: str, given: dict[str, Any]) -> dict[str, Any]:
            outcome = await kernel.perform(name, msgspec.json.encode(given), OPERATOR)
            found: dict[str, Any] = msgspec.to_builtins(outcome.result)
            return found

        await kernel.start()
        try:
            return await steps(local)
        finally:
            await kernel.stop()

    async def asked() -> tuple[str, str]:
        return await steps(remote)

    return asyncio.run(asked() if running else alone())


async def _add(perform: Perform, name: str, unit: str | None) -> tuple[str, str]:
    """(id, invitation code) of the first administrator."""
    if unit is None:
        unit = (await perform("administration.unit.add", {"name": UNIT}))["id"]
    person = await perform("administration.person.add", {"name": name, "unit": unit, "roles": ["administrator"]})
    await _grant(perform, person["id"])
    return person["id"], person["invitation"]


async def _grant(perform: Perform, person: str) -> tuple[str, str]:
    until = (datetime.now(UTC) + HABILITATION).isoformat(timespec="seconds")
    await perform("administration.habilitation.grant", {"person": person, "scope": "*", "until": until})
    return person, ""


def _public_key(settings: Settings, console: Console) -> None:
    """Writes the ledger's public key beside the data: what an inspector must get from elsewhere than the export."""
    file = settings.folder / f"ledger-{settings.realm}.vkey"
    if file.exists():
        return
    with standing.reading(settings) as kernel:
        vkey = kernel.key.vkey
    write_private(file, f"{vkey}\n".encode())
    tell(
        console,
        Text(
            f"Clé publique du registre ({file}), à remettre aux inspecteurs, qui vérifient les exports avec elle :",
            f"Public key of the ledger ({file}), to be given to inspectors, who verify exports with it:",
        ),
    )
    raw(console, vkey)
    console.print()


def _certificate(settings: Settings, console: Console) -> None:
    names = certificate.own_names(settings.public_name)
    made = certificate.ensure(settings.folder / "tls", names, datetime.now(UTC))
    until = f"{made.until:%Y-%m-%d}"
    if made.state == "kept":
        tell(
            console,
            Text(
                f"Certificat HTTPS : valable jusqu’au {until}, gardé.", f"HTTPS certificate: good until {until}, kept."
            ),
        )
        if made.missing:
            listed = ", ".join(made.missing)
            file = settings.folder / "tls" / "server.pem"
            tell(
                console,
                Text(f"Il ne nomme pas : {listed}.", f"It does not name: {listed}."),
                "note",
                Text(
                    f"S’il le faut : écartez {file}, relancez « egide init ».",
                    f"If you need it: move {file} away, run “egide init” again.",
                ),
            )
        return
    done = Text("renouvelé", "renewed") if made.state == "renewed" else Text("créé", "made")
    tell(
        console,
        Text(
            f"Certificat HTTPS {done.fr}, valable jusqu’au {until}.",
            f"HTTPS certificate {done.en}, good until {until}.",
        ),
        "good",
    )
    if made.state == "renewed":
        tell(console, Text("Relancez « egide serve » pour qu’il serve.", "Restart “egide serve” to put it to use."))
    if made.new_authority:
        phones.explain(settings, names, made.fingerprint, console)
