"""`egide init`: the first administrator through the door, files private, nothing changed by a second run."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import tomllib
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from sqlalchemy import delete, select, update

from egide.app import build
from egide.gateways import certificate, defaults, doctor, phones, setup, standing, verify
from egide.gateways.certificate import Names, ensure, read
from egide.gateways.serve import serving
from egide.kernel import tables
from egide.kernel.checkpoint import parse_vkey
from egide.kernel.errors import Conflict, StartupError
from egide.kernel.identity import ANONYMOUS
from egide.kernel.kernel import Kernel
from egide.kernel.settings import Settings, load
from tests.gateways.conftest import Installed, content, heard
from tests.ports import free_port

NOW = datetime(2026, 11, 24, tzinfo=UTC)
NAMES = Names(("localhost", "post"), (ip_address("127.0.0.1"), ip_address("::1"), ip_address("192.168.1.20")))


def code(said: str) -> str:
    found = re.findall(r"invitation=([\w-]{43})", said)
    assert len(found) == 1
    return found[0]


def test_first_run(pristine: Installed) -> None:
    folder, said = pristine.folder, pristine.said
    assert folder.stat().st_mode & 0o777 == 0o700
    assert said.count(code(said)) == 2, "the code, and the address that carries it"
    assert re.search(r"^http://localhost:\d+/sign-in#invitation=", said, re.MULTILINE)
    for name in (
        "operator.token",
        "egide.toml",
        "tls/ca.key",
        "tls/server.key",
        "vault/kek.key",
        "keys/ledger-police.key",
    ):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name
    assert code(said) not in "".join(file.read_text("latin-1") for file in folder.rglob("*") if file.is_file())
    assert parse_vkey((folder / "ledger-police.vkey").read_text().strip()).name == "egide/police"
    with standing.store(Settings(data=str(folder))) as store:
        entries = (
            store.reader()
            .execute(
                select(tables.entry.c.act, tables.entry.c.outcome, tables.entry.c.actor).order_by(tables.entry.c.idx)
            )
            .all()
        )
    names = ("administration.unit.add", "administration.person.add", "administration.habilitation.grant")
    assert [tuple(row) for row in entries] == [(name, "allowed", "operator") for name in names]


def test_the_invitation_works(pristine: Installed, settings: Settings) -> None:
    async def begin() -> dict[str, object]:
        kernel, _ = build(settings)
        await kernel.start()
        given = json.dumps({"invitation": code(pristine.said)}).encode()
        outcome = await kernel.perform("administration.passkey.begin", given, ANONYMOUS)
        await kernel.stop()
        found: dict[str, object] = msgspec.to_builtins(outcome.result)
        return found

    options = asyncio.run(begin())["options"]
    assert isinstance(options, dict)
    assert options["user"]["displayName"] == "Ada Lovelace" or options["user"]["name"] == "Ada Lovelace"


def test_second_run_changes_nothing(settings: Settings) -> None:
    before = content(settings.folder)
    _, said = heard(lambda console: setup.initialise(settings, "Somebody Else", console))
    assert content(settings.folder) == before
    assert "déjà là" in said
    assert "Somebody" not in said
    assert "invitation" not in said


def test_settings_file_says_every_default(tmp_path: Path) -> None:
    text = defaults.text()
    assert tomllib.loads(text) == {}, "everything is commented"
    active = "\n".join(line.removeprefix("# ") for line in text.splitlines() if re.match(r"# (\w+ = |\[)", line))
    values = tomllib.loads(active)
    fields = {name: value for name, value in msgspec.structs.asdict(Settings()).items() if name != "data"}
    assert values == fields
    assert set(defaults.ABOUT) == set(fields)
    (tmp_path / "egide.toml").write_text(active)
    assert load(tmp_path) == Settings(data=str(tmp_path))


def test_a_run_cut_short_is_finished(settings: Settings) -> None:
    with standing.store(settings) as store, store.side() as db:
        db.execute(delete(tables.habilitation))
    _, said = heard(lambda console: setup.initialise(settings, "Ada", console))
    assert "n’était pas habilité" in said
    state = setup._state(settings)
    assert state.granted == state.reachable == frozenset(state.administrators)


def test_a_lost_invitation_is_told(settings: Settings) -> None:
    with standing.store(settings) as store, store.side() as db:
        db.execute(update(tables.invitation).values(until=1))
    _, said = heard(lambda console: setup.initialise(settings, "Ada", console))
    assert "egide act administration.person.invite --person" in said


def test_with_the_server_running(tmp_path: Path, composed: None) -> None:
    """init asks the server, doctor and export look beside it."""
    settings = Settings(data=str(tmp_path / "data"), port=free_port())
    said: dict[str, tuple[object, str]] = {}

    async def ready(kernel: Kernel, stop: asyncio.Event) -> None:
        said["init"] = await asyncio.to_thread(heard, lambda console: setup.initialise(settings, "Ada", console))
        said["again"] = await asyncio.to_thread(heard, lambda console: setup.initialise(settings, "Ada", console))
        said["doctor"] = await asyncio.to_thread(heard, lambda console: doctor.examine(settings, console))
        while kernel.latest_checkpoint() is None:  # signed within the second: a busy machine is late
            await asyncio.sleep(0.05)
        said["export"] = await asyncio.to_thread(
            heard, lambda console: verify.export_public(settings, tmp_path / "public", "public", console)
        )
        stranger = Settings(data=str(tmp_path / "other"), port=settings.port)
        with pytest.raises(Conflict):
            await asyncio.to_thread(heard, lambda console: setup.initialise(stranger, "Eve", console))
        stop.set()

    async def run() -> None:
        stop = asyncio.Event()
        await serving(settings, lambda kernel: ready(kernel, stop), stop=stop)

    asyncio.run(run())
    assert "Ouvrez :" in said["init"][1]
    assert code(said["init"][1])
    assert "Administrateurs : 1" in said["again"][1]
    assert said["doctor"][0] == 0, said["doctor"][1]
    assert "Serveur en marche" in said["doctor"][1]
    key = tmp_path / "data" / "ledger-police.vkey"
    assert heard(lambda console: verify.verify(tmp_path / "public", [key], console))[0] == 0
    assert not (tmp_path / "other" / "egide.db").exists()


# ── The certificate ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_certificate_form(tmp_path: Path) -> None:
    made = ensure(tmp_path, NAMES, NOW)
    assert (made.state, made.new_authority) == ("made", True)
    server, authority = read(tmp_path / "server.pem"), read(tmp_path / "ca.pem")
    assert server is not None
    assert authority is not None
    life = server.not_valid_after_utc - server.not_valid_before_utc + timedelta(seconds=1)
    assert life <= timedelta(days=397)
    held = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert held.get_values_for_type(x509.DNSName) == list(NAMES.dns)
    assert held.get_values_for_type(x509.IPAddress) == list(NAMES.addresses)
    assert list(server.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert authority.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    assert authority.extensions.get_extension_for_class(x509.NameConstraints).critical
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    assert certificate.fits(tmp_path)


def test_certificate_is_kept_then_renewed(tmp_path: Path) -> None:
    first = ensure(tmp_path, NAMES, NOW)
    before = content(tmp_path)
    more = Names((*NAMES.dns, "new.local"), NAMES.addresses)
    kept = ensure(tmp_path, more, first.until - timedelta(days=31))
    assert (kept.state, kept.missing) == ("kept", ("new.local",))
    assert content(tmp_path) == before
    renewed = ensure(tmp_path, NAMES, first.until - timedelta(days=29))
    assert (renewed.state, renewed.new_authority) == ("renewed", False), "phones need not be touched again"
    after = content(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {"server.pem"}
    assert certificate.fits(tmp_path)


def test_a_new_name_outside_the_constraints_needs_a_new_authority(tmp_path: Path) -> None:
    first = ensure(tmp_path, NAMES, NOW)
    more = Names((*NAMES.dns, "new.local"), NAMES.addresses)
    renewed = ensure(tmp_path, more, first.until)
    assert renewed.new_authority
    assert certificate.fits(tmp_path)


def handshake(context: ssl.SSLContext, folder: Path, name: str) -> None:
    """A TLS handshake in memory; raises what the client raises."""
    serving_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving_context.load_cert_chain(folder / "server.pem", folder / "server.key")
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(down, up, server_hostname=name)
    server = serving_context.wrap_bio(up, down, server_side=True)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.getpeercert()


def test_clients_accept_it_for_our_names_only(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    ensure(tmp_path, NAMES, now)
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    for name in ("localhost", "post", "127.0.0.1", "192.168.1.20"):
        handshake(context, tmp_path, name)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(context, tmp_path, "192.168.1.21")
    # Whoever steals ca.key cannot speak for another's name: the authority's constraints forbid it.
    authority = read(tmp_path / "ca.pem")
    signer = certificate._signer(tmp_path)
    assert authority is not None
    assert signer is not None
    forged = certificate._server(
        certificate._server_key(tmp_path), authority, signer, Names(("bank.example",), NAMES.addresses), now
    )
    (tmp_path / "server.pem").write_bytes(forged.public_bytes(serialization.Encoding.PEM))
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree"):
        handshake(context, tmp_path, "bank.example")


def test_bad_certificate_files(tmp_path: Path) -> None:
    ensure(tmp_path, NAMES, NOW)
    (tmp_path / "server.pem").write_text("not a certificate")
    with pytest.raises(StartupError):
        ensure(tmp_path, NAMES, NOW)
    (tmp_path / "server.pem").unlink()
    (tmp_path / "ca.key").chmod(0o644)
    with pytest.raises(StartupError, match="Other accounts"):
        ensure(tmp_path, NAMES, NOW)


def test_own_names_are_usable() -> None:
    names = certificate.own_names("Egide.Example")
    assert names.dns[0] == "localhost"
    assert "egide.example" in names.dns
    assert ip_address("127.0.0.1") in names.addresses
    assert ip_address("10.1.2.3") in certificate.own_names("10.1.2.3").addresses


def test_phones_get_an_address_and_a_fingerprint(tmp_path: Path) -> None:
    settings = Settings(data=str(tmp_path))
    _, said = heard(lambda console: phones.explain(settings, NAMES, "AB:CD", console))
    assert f"https://192.168.1.20:8620{phones.AUTHORITY_PATH}" in said
    assert "AB:CD" in said
    assert "█" in said
    _, said = heard(lambda console: phones.explain(settings, Names(("localhost",), ()), "AB:CD", console))
    assert "Aucune adresse" in said
