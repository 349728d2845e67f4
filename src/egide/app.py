"""The composition root: the one place that knows which engine serves which protocol and which capabilities there are."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from sqlalchemy.exc import SQLAlchemyError

from egide import administration, border, investigation, operations, oversight, services
from egide.border import presence
from egide.border.consortium import DEPLOYER
from egide.border.controls import COUNTRIES, Countries
from egide.border.keys import CONSORTIUM
from egide.gateways import border_cli, http
from egide.kernel import jobs
from egide.kernel.capability import Capability
from egide.kernel.clock import Clock
from egide.kernel.emergency import Emergency
from egide.kernel.engine import Engines
from egide.kernel.errors import EgideError, StartupError, Text, Unavailable
from egide.kernel.kernel import Kernel
from egide.kernel.keyfile import read_private
from egide.kernel.keys import KeyHolder, KeyRows
from egide.kernel.law import PACKS
from egide.kernel.objects import Objects
from egide.kernel.settings import Settings
from egide.kernel.store import Store
from egide.kernel.transport import Transport
from egide.protocols import ice

if TYPE_CHECKING:  # the machine of the contract is loaded where a consortium is configured
    from egide.border.ledger.model import Member
    from egide.gateways.consortium import Connected
    from egide.gateways.consortium_again import Store as ChainStore
    from egide.gateways.consortium_files import OfNode
    from egide.gateways.consortium_machines import Account, Machine

TOKEN = "operator.token"  # noqa: S105 — a file name; the token inside is generated at first start
LOW_DISK = 64 * 1024 * 1024  # bytes; below this the health page turns amber


def capabilities(settings: Settings) -> tuple[Capability, ...]:
    """Ours, then the operator's accepted plug-ins (allow-listed by hash)."""
    ours = (
        administration.capability(demo=settings.demo),
        operations.capability(),
        oversight.capability(),
        services.capability(),
        investigation.capability(),
        _border(settings),
    )
    return (*ours, *_plugins(settings))


def _border(settings: Settings) -> Capability:
    if not settings.consortium:
        return border.capability()
    from egide.gateways.consortium import beside  # noqa: PLC0415 — only where it is asked for

    return beside(border.capability())


def _plugins(settings: Settings) -> list[Capability]:
    found: list[Capability] = []
    if not settings.plugins:
        return found  # nobody need look through every package that is installed
    for point in entry_points(group="egide.capabilities"):
        expected = settings.plugins.get(point.name)
        if expected is None:
            continue  # installed is not accepted
        if fingerprint(point.module) != expected:
            raise StartupError(
                Text(
                    f"Le greffon « {point.name} » n’est pas celui que vous avez accepté.",
                    f"Plug-in “{point.name}” is not the one you accepted.",
                ),
                Text(
                    "Comparez-le, puis mettez son empreinte dans egide.toml.",
                    "Check it, then put its fingerprint in egide.toml.",
                ),
                file="egide.toml",
            )
        found.append(load(point.name, point.load))
    return found


def load(name: str, loader: Any) -> Capability:
    """Runs a plug-in's entry point; whatever it raises becomes a plain start-up refusal."""
    try:
        given = loader()
        capability = given() if callable(given) else given
    except Exception as error:
        # A plug-in is foreign code: any failure of it must become a sentence that names it, never a half-started platform.
        raise StartupError(
            Text(f"Le greffon « {name} » a échoué : {error}", f"Plug-in “{name}” crashed: {error}"), file=name
        ) from error
    if not isinstance(capability, Capability):
        raise StartupError(
            Text(f"Le greffon « {name} » ne donne pas de Capability.", f"Plug-in “{name}” gives no Capability."),
            file=name,
        )
    return capability


def fingerprint(module: str) -> str:
    """SHA-256 over every file of a plug-in's whole package, each with its place and its length; "" when there is none."""
    from importlib.util import find_spec  # noqa: PLC0415 — plug-ins are rare

    spec = find_spec(module.partition(":")[0].partition(".")[0])
    if spec is None or spec.origin is None:
        return ""
    root = Path(spec.origin)
    files = sorted(root.parent.rglob("*")) if root.name == "__init__.py" else [root]
    digest = hashlib.sha256()
    for file in files:
        if file.is_file() and file.suffix != ".pyc":
            place, content = file.relative_to(root.parent).as_posix().encode(), file.read_bytes()
            digest.update(b"%d:%d:" % (len(place), len(content)) + place + content)
    return digest.hexdigest()


def engines(settings: Settings) -> Engines:
    """The engines that the settings ask for, opened. Each is imported only where it is asked for."""
    return Engines(
        store=_store(settings),
        objects=_objects(settings),
        rows=_rows(settings),
        keys=_keys(settings),
        transport=_transport(settings),
    )


def _transport(settings: Settings) -> Transport | None:
    if not settings.bus:
        return None
    if settings.bus.startswith(("nats://", "tls://")):
        from egide.engines.nats import NatsTransport  # noqa: PLC0415 — only where it is asked for

        return NatsTransport(settings.bus, settings.realm)
    raise StartupError(
        Text(f"Bus inconnu : {settings.bus}", f"Unknown bus: {settings.bus}"),
        Text("Donnez nats://…, ou rien.", "Give nats://…, or nothing."),
        file="egide.toml",
    )


def _store(settings: Settings) -> Store:
    if not settings.store:
        from egide.engines.sqlite import SqliteStore  # noqa: PLC0415

        return SqliteStore(settings.folder)
    if settings.store.startswith("postgresql://"):
        from egide.engines.postgres import PostgresStore  # noqa: PLC0415

        return PostgresStore(settings.store)
    raise StartupError(
        Text(f"Base inconnue : {settings.store}", f"Unknown store: {settings.store}"),
        Text("Donnez postgresql://…, ou rien.", "Give postgresql://…, or nothing."),
    )


def _objects(settings: Settings) -> Objects:
    given = settings.objects
    if given.startswith("s3://"):
        from egide.engines.s3 import S3Objects  # noqa: PLC0415

        return S3Objects(given)
    if given and not given.startswith("file:///"):
        raise StartupError(
            Text(f"Stockage d’objets inconnu : {given}", f"Unknown object store: {given}"),
            Text("Donnez s3://…, file:///…, ou rien.", "Give s3://…, file:///…, or nothing."),
        )
    from egide.engines.objects import FolderObjects  # noqa: PLC0415

    return FolderObjects(Path(unquote(urlsplit(given).path)) if given else settings.folder)


def _rows(settings: Settings) -> KeyRows:
    if not settings.vault:
        from egide.engines.sqlite_keys import SqliteKeys  # noqa: PLC0415 — as every engine

        return SqliteKeys(settings.folder / "vault")
    if settings.vault.startswith("postgresql://"):
        from egide.engines.postgres_keys import PostgresKeys  # noqa: PLC0415 — only where it is asked for

        return PostgresKeys(settings.vault, apart_from=settings.store)
    raise StartupError(
        Text("Coffre inconnu : le réglage « vault ».", "Unknown vault: the setting “vault”."),
        Text("Donnez postgresql://…, ou rien.", "Give postgresql://…, or nothing."),
        file="egide.toml",
    )


def _keys(settings: Settings) -> KeyHolder:
    if not settings.hsm:
        from egide.kernel.filekeys import FileKeys  # noqa: PLC0415 — as every engine

        return FileKeys(settings.folder, settings.realm)
    from egide.engines.pkcs11 import TokenKeys  # noqa: PLC0415 — only where it is asked for

    return TokenKeys(settings.hsm, settings.realm, settings.folder / "keys")


def build(
    settings: Settings, *, clock: Clock | None = None, law: Path = PACKS, extra: tuple[Capability, ...] = ()
) -> tuple[Kernel, Any]:
    """(kernel, ASGI application). The application's lifespan starts and stops the kernel."""
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings.folder.chmod(0o700)
    made = engines(settings)
    kernel = Kernel(settings, (*capabilities(settings), *extra), made, clock=clock, law=law)
    kernel.things["health"] = lambda: health(kernel)
    kernel.things["press"] = _press(kernel, made.keys)
    if settings.card_module:
        kernel.things["card"] = _card(settings)
    if settings.mail:
        from egide.engines.mail import SmtpMail  # noqa: PLC0415 — as every engine

        kernel.things["mail"] = SmtpMail(settings.mail, settings.mail_from, settings.folder / "keys")
    if settings.sms:
        from egide.engines.sms import HttpSms  # noqa: PLC0415 — as every engine

        kernel.things["sms"] = HttpSms(settings.sms, settings.sms_body, settings.sms_country, settings.folder / "keys")
    if settings.ice:
        kernel.things["ice"] = _ice(settings)
    authorities, revocations = border_cli.countries(settings)
    if authorities:
        kernel.things[COUNTRIES] = Countries(authorities, revocations)
    kernel.things[DEPLOYER] = _deployer(settings)
    if settings.consortium:
        from egide.gateways.consortium import Connected  # noqa: PLC0415 — only where it is asked for

        kernel.things[CONSORTIUM] = Connected(kernel, _consortium(settings, kernel.clock))
    return kernel, http.build(kernel, operator_token(settings))


def _ice(settings: Settings) -> Callable[[int], list[dict[str, Any]]]:
    """The servers by which browsers find one another; a TURN server's shared secret lies in keys/turn.secret."""
    try:
        found = ice.addresses(settings.ice)
    except ValueError as error:
        raise StartupError(
            Text(f"Adresse STUN ou TURN incorrecte : {error}", f"Wrong STUN or TURN address: {error}"),
            file="egide.toml",
        ) from error
    file = settings.folder / "keys" / "turn.secret"
    secret = read_private(file).decode().strip() if file.exists() else ""
    return lambda now_us: ice.servers(found, secret, now_us // 1_000_000)


def chain(folder: Path) -> ChainStore:
    """Where an authority of the consortium keeps its blocks."""
    from egide.engines.chain_store import SqliteChainStore  # noqa: PLC0415 — as every engine

    return SqliteChainStore(folder)


def _consortium(settings: Settings, clock: Clock) -> Machine:
    from egide.gateways import consortium_files  # noqa: PLC0415 — only where it is asked for

    try:
        from egide.gateways.consortium_machines import OnNode, OwnChain  # noqa: PLC0415 — as above
    except ImportError as error:
        raise StartupError(
            Text("Le registre du consortium ne peut pas tourner ici.", "The consortium’s ledger cannot run here."),
            Text("Installez « egide[border] ».", "Install “egide[border]”."),
        ) from error

    def seconds() -> float:
        try:
            return clock.now_us() / 1_000_000
        except (
            Unavailable
        ):  # acts wait until the machine's clock is right again; an authority that stopped would not come back
            return time.time()

    given = consortium_files.given(settings)
    if isinstance(given, consortium_files.OfChain):
        return OwnChain(given, chain(given.folder), seconds)
    account = node(given)
    return OnNode(account, account.account, seconds)


def node(given: OfNode) -> Account:
    """An EVM node, seen from the account of a member's key."""
    from egide.engines.evm_node import EvmNode  # noqa: PLC0415 — as every engine

    return EvmNode(given.address, given.chain, given.key, given.contract)


def _deployer(settings: Settings) -> Callable[[str, int, tuple[Member, ...]], bytes]:
    """Creates the consortium's contract, in the name of the member's key of this folder. Raises `EgideError`."""

    def create(address: str, number: int, members: tuple[Member, ...]) -> bytes:
        from egide.border.ledger.contract import creation  # noqa: PLC0415 — only where it is asked for
        from egide.gateways.consortium_files import OfNode, account_key  # noqa: PLC0415 — as above

        return node(OfNode(address, number, b"", account_key(settings.folder))).deploy(creation(members))

    return create


def _press(kernel: Kernel, keys: KeyHolder) -> Any:
    from egide.engines.press import Press  # noqa: PLC0415 — as every engine

    settings = kernel.settings
    key = None
    if settings.hsm:
        from egide.engines.pkcs11 import TokenKeys  # noqa: PLC0415 — only where it is asked for

        if isinstance(keys, TokenKeys):
            key = partial(keys.seal_key, may_create=True)
    templates = Path(str(files("egide.services"))) / "templates"
    return Press(
        templates, settings.folder / "keys", kernel.origin, now=kernel.clock.now, key=key, stamps=settings.stamps
    )


def _card(settings: Settings) -> Any:
    from egide.engines.card import Card  # noqa: PLC0415 — as every engine
    from egide.engines.pkcs11 import PREFIX, shared_lock  # noqa: PLC0415 — as above

    same = settings.hsm.removeprefix(PREFIX).partition("?")[0] == settings.card_module
    return Card(settings.card_module, settings.folder / "keys", lock=shared_lock() if same else None)


def operator_token(settings: Settings) -> str:
    """The operator's token: generated at first start, readable by the operator's account only."""
    file = settings.folder / TOKEN
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(secrets.token_urlsafe(32))
    return file.read_text().strip()


def health(kernel: Kernel) -> dict[str, Any]:
    """What the health page says: each part with a word and, where something is wrong, what to do."""
    free = shutil.disk_usage(kernel.settings.folder).free
    waits = kernel.emergency
    parts = [
        _part("ledger", "Registre", "Ledger", kernel.writer.failed is None, kernel.writer.failed),
        _part("law", "Droit", "Law", *_law(kernel)),
        _part("disk", "Disque", "Disk", free > LOW_DISK, f"{free // 1_048_576} MiB"),
        _part("jobs", "Tâches", "Jobs", *_jobs(kernel)),
        _part(
            "journal", "Journal d’urgence", "Emergency journal", not waits.waiting and not waits.faults, _journal(waits)
        ),
    ]
    if kernel.settings.bus:
        trouble = kernel.bus.transport.trouble()
        words = f"{trouble.fr} · {trouble.en}" if trouble else None
        parts.append(_part("bus", "Événements", "Events", trouble is None, words))
    connected: Connected | None = kernel.things.get(CONSORTIUM)
    if connected is not None:
        parts.append(_part("consortium", "Consortium", "Consortium", *_connected(connected)))
    if missing := presence.missing(kernel):
        parts.append(_part("devices", "Capteurs des portes", "Gates’ sensors", False, ", ".join(missing)))
    for name, refuses, what in kernel.witnessing.told():
        # One that is away stops nobody here: the page says so. One that refuses our history is grave.
        parts.append(
            {
                "id": "outside",
                "name": {"fr": name, "en": name},
                "ok": not refuses,
                "detail": what.fr,
                "told": {"fr": what.fr, "en": what.en},
            }
        )
    return {
        "ok": all(part["ok"] for part in parts),
        "demo": kernel.settings.demo,
        "entries": kernel.log.size,
        "process": kernel.process,
        "parts": parts,
    }


def _law(kernel: Kernel) -> tuple[bool, str | None]:
    trouble = kernel.law_clock.trouble
    words = f"{trouble.fr} · {trouble.en}" if trouble is not None else None
    return bool(kernel.book.rules) and trouble is None, words


def _jobs(kernel: Kernel) -> tuple[bool, str | None]:
    try:
        return jobs.failed(kernel.store.reader()) == 0, None
    except (SQLAlchemyError, EgideError) as error:  # the health page answers above all when the database does not
        return False, str(error)


def _connected(connected: Connected) -> tuple[bool, str]:
    try:
        well, what = connected.told()
    except (SQLAlchemyError, EgideError) as error:  # as above
        return False, str(error)
    return well, f"{what.fr} · {what.en}"


def _journal(emergency: Emergency) -> str | None:
    told = [f"{emergency.waiting} en attente · waiting"] if emergency.waiting else []
    return " ; ".join([*told, *emergency.faults]) or None


def _part(id_: str, fr: str, en: str, ok: bool, detail: str | None) -> dict[str, Any]:
    return {"id": id_, "name": {"fr": fr, "en": en}, "ok": ok, "detail": detail}
