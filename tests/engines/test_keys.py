"""The same vault over every engine of its rows and of its keys: files, PostgreSQL, a token."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pytest

from egide.app import _keys, _rows, build, capabilities, engines
from egide.gateways import standing
from egide.gateways.composition import Composition, compose
from egide.kernel import checkpoint
from egide.kernel.errors import StartupError, Unavailable
from egide.kernel.keys import KeyRows
from egide.kernel.settings import Settings
from egide.kernel.vault import OVERHEAD, Erased, Tampered, Vault
from tests.engines.postgres import Server, postgres
from tests.engines.softhsm import SoftHsm
from tests.world import World

KINDS = ("files", "postgres", "token")
OWNERS = 200


@pytest.fixture(scope="session")
def cluster() -> Iterator[Server]:
    """A PostgreSQL that lets old log segments go."""
    with postgres("-c wal_recycle=off") as server:
        yield server


@dataclass
class Place:
    """One installation's keys: opened as often as one likes, closed with the test."""

    settings: Settings
    disk: Path  # the folder that is searched for what should be gone
    server: Server | None = None
    opened: list[Vault] = field(default_factory=list)

    def rows(self) -> KeyRows:
        return _rows(self.settings)

    def vault(self, realm: str = "police", *, may_create: bool = True) -> Vault:
        changed = Settings(**{**_plain(self.settings), "realm": realm})
        made = Vault.open(self.rows(), _keys(changed), realm, may_create=may_create)
        self.opened.append(made)
        return made

    def found(self, needles: list[bytes]) -> int:
        """How many of these bytes are in some file on the disk."""
        left = set(needles)
        for file in self.disk.rglob("*"):
            if left and file.is_file():
                try:
                    content = file.read_bytes()
                except FileNotFoundError:  # the server removed it meanwhile
                    continue
                left -= {needle for needle in left if needle in content}
        return len(needles) - len(left)

    def settle(self) -> None:
        """Brings what is in memory to the files, for the positive control."""
        if self.server is not None:
            self.server.psql("CHECKPOINT")

    def change(self, words: str, *values: object) -> None:
        """A hand in the rows."""
        if self.server is not None:
            with psycopg.connect(self.settings.vault) as db:
                db.execute(words.replace("?", "%s").encode(), values)
            return
        import sqlite3

        db = sqlite3.connect(self.settings.folder / "vault" / "vault.db")
        db.execute(words, values)
        db.commit()
        db.close()


def _plain(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__struct_fields__}


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    data = tmp_path / "data"
    if request.param == "postgres":
        server: Server = request.getfixturevalue("cluster")
        dsn = server.dsn(f"vault_{os.urandom(6).hex()}")
        made = Place(Settings(data=str(data), vault=dsn), server.data, server)
    elif request.param == "token":
        setting = request.getfixturevalue("hsm").setting(data)
        made = Place(Settings(data=str(data), hsm=setting), data / "vault")
    else:
        made = Place(Settings(data=str(data)), data / "vault")
    yield made
    for each in made.opened:
        each.close()


@pytest.fixture
def token(hsm: SoftHsm, tmp_path: Path) -> Settings:
    data = tmp_path / "data"
    return Settings(data=str(data), hsm=hsm.setting(data))


# -- what every engine must do -----------------------------------------------------------------------------------------


def test_sealed_then_opened_also_after_a_restart(place: Place) -> None:
    vault = place.vault()
    sealed, subject = vault.seal("p1", "orders", b"the motive", b"act 1"), vault.subject_id("p1", "orders")
    assert vault.open_("p1", "orders", sealed, b"act 1") == b"the motive"
    assert len(sealed) == len(b"the motive") + OVERHEAD
    vault.close()
    vault.close()  # once more does no harm
    again = place.vault(may_create=False)
    assert again.open_("p1", "orders", sealed, b"act 1") == b"the motive"
    assert again.subject_id("p1", "orders") == subject


def test_every_changed_bit_is_tampering_never_erasure(place: Place) -> None:
    vault = place.vault()
    sealed = vault.seal("p1", "orders", b"the motive", b"act 1")
    for position in range(len(sealed)):
        changed = sealed[:position] + bytes([sealed[position] ^ (1 << position % 8)]) + sealed[position + 1 :]
        with pytest.raises(Tampered):
            vault.open_("p1", "orders", changed, b"act 1")
    for length in range(len(sealed)):
        with pytest.raises(Tampered):
            vault.open_("p1", "orders", sealed[:length], b"act 1")
    for person, purpose, aad in (("p2", "orders", b"act 1"), ("p1", "watch", b"act 1"), ("p1", "orders", b"act 2")):
        with pytest.raises(Tampered):
            vault.open_(person, purpose, sealed, aad)


@pytest.mark.parametrize("part", ["nonce", "secret", "tag", "cut", "empty", "subject", "other"])
def test_a_changed_row_is_tampering(place: Place, part: str) -> None:
    vault = place.vault()
    sealed = vault.seal("p1", "orders", b"x", b"")
    vault.seal("p2", "orders", b"x", b"")
    rows = place.rows()
    row, other = rows.of_owner("p1", "orders"), rows.of_owner("p2", "orders")
    rows.close()
    assert row is not None
    assert other is not None
    wrapped, subject = row.wrapped, row.subject
    match part:
        case "nonce":
            wrapped = bytes([wrapped[0] ^ 1]) + wrapped[1:]
        case "secret":
            wrapped = wrapped[:20] + bytes([wrapped[20] ^ 1]) + wrapped[21:]
        case "tag":
            wrapped = wrapped[:-1] + bytes([wrapped[-1] ^ 128])
        case "cut":
            wrapped = wrapped[:13]
        case "empty":
            wrapped = b""
        case "subject":
            subject = bytes([subject[0] ^ 1]) + subject[1:]
        case _:
            wrapped = other.wrapped
    place.change("UPDATE data_key SET wrapped = ?, subject = ? WHERE person = 'p1'", wrapped, subject)
    vault.forget()
    with pytest.raises(Tampered):
        vault.open_("p1", "orders", sealed, b"")
    assert vault.open_("p2", "orders", vault.seal("p2", "orders", b"y", b""), b"") == b"y"


def test_shredded_is_erased_and_only_that(place: Place) -> None:
    vault = place.vault()
    orders, watch = vault.seal("p1", "orders", b"x", b""), vault.seal("p1", "watch", b"y", b"")
    other = vault.seal("p2", "orders", b"z", b"")
    assert vault.shred("p1", "orders") == 1
    with pytest.raises(Erased):
        vault.open_("p1", "orders", orders, b"")
    assert vault.open_("p1", "watch", watch, b"") == b"y"
    vault.seal("p1", "orders", b"later", b"")  # a new key opens nothing old
    with pytest.raises(Erased):
        vault.open_("p1", "orders", orders, b"")
    assert vault.shred("p1") == 2
    assert vault.shred("p1") == 0
    assert vault.open_("p2", "orders", other, b"") == b"z"


def test_another_realm_or_another_key_stops_the_start(place: Place, request: pytest.FixtureRequest) -> None:
    place.vault().close()
    if not place.settings.hsm:
        with pytest.raises(StartupError, match="realm"):
            place.vault("judicial")
        kek = place.settings.folder / "vault" / "kek.key"
        kek.write_bytes(json.dumps({"version": 1, "key": "A" * 43 + "="}).encode())
        with pytest.raises(StartupError, match="not the key"):
            place.vault()
        kek.unlink()
        with pytest.raises(StartupError, match="missing"):
            place.vault()
        assert not kek.exists()
        return
    with pytest.raises(StartupError, match="does not have the key"):
        place.vault("judicial")
    place.settings = Settings(
        data=place.settings.data, hsm=request.getfixturevalue("hsm").setting(place.settings.folder)
    )
    with pytest.raises(StartupError, match="does not have the key"):
        place.vault()


def test_an_empty_vault_beside_a_full_ledger_stops_the_start(place: Place) -> None:
    with pytest.raises(StartupError, match="empty although the ledger is not"):
        place.vault(may_create=False)


def test_many_keys_in_one_transaction(place: Place) -> None:
    vault = place.vault()
    first = vault.subject_id("p0", "orders")
    vault.ensure([(f"p{number % 1500}", "orders") for number in range(3000)])
    assert vault.subject_id("p0", "orders") == first
    assert len({vault.subject_id(f"p{number}", "orders") for number in range(1500)}) == 1500
    vault.ensure([])


# -- nothing is left ---------------------------------------------------------------------------------------------------


def test_nothing_of_a_shredded_key_is_left_on_the_disk(place: Place) -> None:
    vault = place.vault()
    people = [f"person-{number:04}" for number in range(400)]
    vault.ensure((person, purpose) for person in people for purpose in ("orders", "watch"))
    rows = place.rows()
    gone = [rows.of_owner(person, purpose) for person in people[::150] for purpose in ("orders", "watch")]
    kept = rows.of_owner(people[1], "orders")
    rows.close()
    needles = [part for row in gone if row is not None for part in (row.id, row.subject, row.wrapped)]
    assert len(needles) == 18
    assert kept is not None
    if place.server is not None:  # statistics hold samples of the values, unless they are told not to
        with psycopg.connect(place.settings.vault, autocommit=True) as db:
            db.execute("ANALYZE data_key")
    place.settle()
    assert place.found(needles) == len(needles)  # the search does find them
    for person in people[::150]:
        assert vault.shred(person) == 2
    vault.wipe()
    assert place.found(needles) == 0
    assert place.found([kept.wrapped]) == 1
    assert vault.open_(people[1], "watch", vault.seal(people[1], "watch", b"x", b""), b"") == b"x"


def test_who_still_sees_the_rows_is_waited_for(
    cluster: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from egide.engines import postgres_wipe

    place = Place(Settings(data=str(tmp_path), vault=cluster.dsn("seen")), cluster.data, cluster)
    vault = place.vault()
    vault.seal("p1", "orders", b"x", b"")
    rows = place.rows()
    row = rows.of_owner("p1", "orders")
    rows.close()
    assert row is not None
    monkeypatch.setattr(postgres_wipe, "SEEN_S", 0.3)
    with psycopg.connect(place.settings.vault) as reader:
        reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        reader.execute("SELECT count(*) FROM about")
        assert vault.shred("p1") == 1
        with pytest.raises(Unavailable):
            vault.wipe()
    place.settle()
    assert place.found([row.wrapped]) == 1
    vault.wipe()
    assert place.found([row.wrapped]) == 0
    vault.close()


# -- several at once ---------------------------------------------------------------------------------------------------


def test_two_at_once_make_one_key_each(place: Place) -> None:
    vaults = [place.vault(), place.vault()]
    start = threading.Barrier(2)
    found: list[list[str]] = [[], []]
    sealed: list[list[bytes]] = [[], []]

    def work(which: int) -> None:
        start.wait()
        for number in range(OWNERS):
            sealed[which].append(vaults[which].seal(f"p{number}", "orders", b"x", b""))
            found[which].append(vaults[which].subject_id(f"p{number}", "orders"))

    threads = [threading.Thread(target=work, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found[0])) == OWNERS
    assert found[0] == found[1]
    for number in range(OWNERS):
        assert vaults[1].open_(f"p{number}", "orders", sealed[0][number], b"") == b"x"


CHILD = """
import json, sys
from egide.app import _keys, _rows, build, capabilities, engines
from egide.kernel.settings import Settings
from egide.kernel.vault import Vault
settings = Settings(**json.loads(sys.argv[1]))
vault = Vault.open(_rows(settings), _keys(settings), settings.realm)
print(json.dumps([vault.subject_id(f"p{number}", "orders") for number in range(100)]))
vault.close()
"""


def test_two_processes_that_start_at_once_share_keys(place: Place) -> None:
    given = json.dumps({name: getattr(place.settings, name) for name in ("data", "vault", "hsm")})
    children = [
        subprocess.Popen([sys.executable, "-c", CHILD, given], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [json.loads(child.communicate(timeout=60)[0]) for child in children]
    assert said[0] == said[1]
    vault = place.vault(may_create=False)
    assert [vault.subject_id(f"p{number}", "orders") for number in range(100)] == said[0]


def test_what_another_destroyed_does_not_outlive_forget(place: Place) -> None:
    one, two = place.vault(), place.vault()
    sealed = one.seal("p1", "orders", b"x", b"")
    kept = one.seal("p2", "orders", b"y", b"")
    assert two.open_("p1", "orders", sealed, b"") == b"x"
    assert one.shred("p1") == 1
    assert two.open_("p1", "orders", sealed, b"") == b"x"  # it has not heard of it: that is what `forget` is for
    two.forget()
    with pytest.raises(Erased):
        two.open_("p1", "orders", sealed, b"")
    assert two.open_("p2", "orders", kept, b"") == b"y"
    assert two.subject_id("p1", "orders") == one.subject_id("p1", "orders")


def test_shredding_under_load_is_final(place: Place) -> None:
    vaults = [place.vault(), place.vault()]
    wrong: list[Exception] = []
    sealed: list[tuple[str, bytes]] = []

    def work(vault: Vault) -> None:
        try:
            sealed.extend((f"p{number}", vault.seal(f"p{number}", "orders", b"x", b"")) for number in range(60))
        except Exception as problem:  # noqa: BLE001 — handed to the test's own thread
            wrong.append(problem)

    threads = [threading.Thread(target=work, args=(vault,)) for vault in vaults]
    for thread in threads:
        thread.start()
    for number in range(0, 60, 3):
        vaults[0].shred(f"p{number}")
    for thread in threads:
        thread.join()
    for number in range(0, 60, 3):
        vaults[0].shred(f"p{number}")
    for vault in vaults:
        vault.forget()
    assert not wrong
    for person, value in sealed:
        if int(person[1:]) % 3 == 0:
            with pytest.raises(Erased):
                vaults[1].open_(person, "orders", value, b"")
        else:
            assert vaults[1].open_(person, "orders", value, b"") == b"x"


# -- a whole platform --------------------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_a_platform_lives_on_them(place: Place) -> None:
    world = World(place.settings.folder, vault=place.settings.vault, hsm=place.settings.hsm)
    await world.start()
    try:
        order = await world.order()
        await world.until(lambda: (world.kernel.latest_checkpoint() or (0,))[0] == world.kernel.log.size)
        vkey = world.kernel.key.vkey
    finally:
        await world.stop()
    await world.start()
    try:
        assert world.kernel.key.vkey == vkey
        newest = world.kernel.latest_checkpoint()
        assert newest is not None
        assert newest[0] > 0
        checkpoint.Verifier([vkey]).verify(newest[1])
        assert world.person("prefect").name  # sealed under a key of the vault
        await world.mission(order)
    finally:
        await world.stop()
    compose(Composition(build, engines, capabilities, lambda *_: 0))
    with standing.reading(world.settings) as kernel:  # what `doctor` and `ledger export` look through
        assert kernel.key.vkey == vkey
    if world.settings.hsm:
        (world.folder / "keys" / "hsm.pin").unlink()
    else:
        (world.folder / "keys" / "ledger-police.key").unlink()
    before = sorted(path.name for path in world.folder.rglob("*"))
    with pytest.raises(StartupError, match="missing"), standing.reading(world.settings):
        raise AssertionError
    assert sorted(path.name for path in world.folder.rglob("*")) == before


# -- PostgreSQL --------------------------------------------------------------------------------------------------------


def test_the_vault_may_not_be_in_the_store_s_database(cluster: Server, tmp_path: Path) -> None:
    dsn = cluster.dsn("both")
    with pytest.raises(StartupError, match="same database"):
        _rows(Settings(data=str(tmp_path), store=dsn, vault=dsn.replace("egide@", "someone@")))
    with psycopg.connect(dsn) as db:
        db.execute("CREATE TABLE entry (x int)")
    rows = _rows(Settings(data=str(tmp_path), vault=dsn))
    with pytest.raises(StartupError, match="same database"):
        rows.about("realm")
    rows.close()
    with pytest.raises(StartupError, match="cannot be read") as caught:
        _rows(Settings(data=str(tmp_path), vault="postgresql://egide:secret@host:port:no/%zz"))
    assert "secret" not in str(caught.value)
    with pytest.raises(StartupError, match="Unknown vault"):
        _rows(Settings(data=str(tmp_path), vault="mysql://x"))


def test_a_restarted_server_is_found_again_and_a_stopped_one_is_not_waited_for(tmp_path: Path) -> None:
    with postgres() as server:
        place = Place(Settings(data=str(tmp_path), vault=server.dsn("vault")), server.data, server)
        vault = place.vault()
        sealed = vault.seal("p1", "orders", b"x", b"")
        server.restart()
        vault.forget()
        assert vault.open_("p1", "orders", sealed, b"") == b"x"
        server.restart()
        assert vault.shred("nobody") == 0
        server.stop()
        with pytest.raises(Unavailable):
            vault.seal("p2", "orders", b"x", b"")
        assert vault.open_("p1", "orders", sealed, b"") == b"x"  # known keys need no server
        server.start()
        sleep(0.6)
        vault.seal("p2", "orders", b"x", b"")
        server.pause()
        began = monotonic()
        with pytest.raises(Unavailable):
            vault.seal("p3", "orders", b"x", b"")
        with pytest.raises(Unavailable):
            vault.shred("p1")
        assert monotonic() - began < 8
        server.resume()
        sleep(0.6)
        assert vault.shred("p1") == 1
        vault.close()


def test_what_the_server_keeps_is_said(cluster: Server, tmp_path: Path) -> None:
    kept = _rows(Settings(data=str(tmp_path), vault=cluster.dsn("advice")))
    assert kept.advice() == []
    kept.close()
    cluster.psql("CREATE ROLE clerk LOGIN")
    cluster.psql("GRANT ALL ON SCHEMA public TO clerk", "advice")
    clerk = _rows(Settings(data=str(tmp_path), vault=f"postgresql://clerk@/advice?host={cluster.folder}"))
    clerk.about("realm")
    assert ["GRANT" in remedy.en for _, remedy in clerk.advice()] == [True]
    with pytest.raises(Unavailable, match="does not let"):
        clerk.wipe()
    clerk.close()
    with postgres() as server:
        rows = _rows(Settings(data=str(tmp_path), vault=server.dsn("v")))
        assert ["wal_recycle" in remedy.en for _, remedy in rows.advice()] == [True]
        rows.close()


# -- the token ---------------------------------------------------------------------------------------------------------


def test_a_lost_token_is_unavailable_and_a_retry_works(token: Settings, hsm: SoftHsm) -> None:
    import pkcs11

    holder = _keys(token)
    vault = Vault.open(_rows(token), holder, "police")
    signer = holder.signer("egide/police", may_create=True)
    sealed = vault.seal("p1", "orders", b"x", b"")
    library = pkcs11.lib(hsm.library)

    library.finalize()  # the session is gone; the token is there: nobody notices
    vault.forget()
    assert vault.open_("p1", "orders", sealed, b"") == b"x"
    library.finalize()
    assert len(signer.sign(b"x")) == 64

    aside = hsm.tokens.with_name("aside")
    hsm.tokens.rename(aside)  # the token is pulled out
    hsm.tokens.mkdir()
    library.finalize()
    vault.forget()
    for _ in range(2):
        with pytest.raises(Unavailable, match="security module"):
            vault.open_("p1", "orders", sealed, b"")
        with pytest.raises(Unavailable, match="security module"):
            signer.sign(b"x")
    hsm.tokens.rmdir()
    aside.rename(hsm.tokens)
    library.finalize()
    assert vault.open_("p1", "orders", sealed, b"") == b"x"
    assert len(signer.sign(b"x")) == 64
    vault.close()


def test_keys_do_not_leave_the_token(token: Settings) -> None:
    from pkcs11 import Attribute, ObjectClass
    from pkcs11.exceptions import AttributeSensitive

    holder = _keys(token)
    vault = Vault.open(_rows(token), holder, "police")
    signer = holder.signer("egide/police", may_create=True)
    checkpoint.Verifier([signer.vkey]).verify(
        checkpoint.sign(checkpoint.Checkpoint("egide/police", 1, b"x" * 32), [signer])
    )
    for name, kind in (
        ("kek", ObjectClass.SECRET_KEY),
        ("ids", ObjectClass.SECRET_KEY),
        ("ledger", ObjectClass.PRIVATE_KEY),
    ):
        key = holder._token.find(name, kind)
        assert key[Attribute.SENSITIVE] is True
        assert key[Attribute.EXTRACTABLE] is False
        with pytest.raises(AttributeSensitive):
            key[Attribute.VALUE]
    assert sorted(path.name for path in (token.folder / "keys").iterdir()) == ["hsm.lock", "hsm.pin"]
    assert [path.name for path in (token.folder / "vault").glob("*.key")] == []
    vault.close()


def test_a_wrong_pin_is_sent_once_and_never_shown(token: Settings, hsm: SoftHsm) -> None:
    hsm.pin(token.folder, "99999-wrong")
    holder = _keys(token)
    for _ in range(10):  # a token locks itself after a few: this does not come to that
        with pytest.raises(StartupError, match="refused its PIN") as caught:
            holder.signer("egide/police", may_create=True)
        assert "99999" not in str(caught.value)
    hsm.pin(token.folder)
    (token.folder / "keys" / "hsm.pin").chmod(0o640)
    with pytest.raises(StartupError, match="Other accounts"):
        _keys(token).signer("egide/police", may_create=True)
    (token.folder / "keys" / "hsm.pin").unlink()
    with pytest.raises(StartupError, match="PIN is missing"):
        _keys(token).signer("egide/police", may_create=True)
    hsm.pin(token.folder)
    assert _keys(token).signer("egide/police", may_create=True).vkey


@pytest.mark.parametrize(
    "setting", ["softhsm", "pkcs11:", "pkcs11:/x.so", "pkcs11:/x.so?label=egide", "pkcs11:?token=egide"]
)
def test_a_setting_that_names_no_token(setting: str, tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="cannot be read"):
        _keys(Settings(data=str(tmp_path), hsm=setting))


def test_no_library_and_no_such_token(token: Settings, hsm: SoftHsm) -> None:
    for setting in ("pkcs11:/nowhere/lib.so?token=egide", f"pkcs11:{hsm.library}?token=nobody"):
        with pytest.raises(StartupError, match="does not answer"):
            _keys(Settings(data=token.data, hsm=setting)).wrapper(may_create=True)


def test_a_ledger_key_is_not_made_twice(token: Settings) -> None:
    with pytest.raises(StartupError, match="does not have the key"):
        _keys(token).signer("egide/police", may_create=False)
    first = _keys(token).signer("egide/police", may_create=True).vkey
    assert _keys(token).signer("egide/police", may_create=True).vkey == first
    assert _keys(token).absent() == ["egide/police/kek", "egide/police/ids"]


def test_a_public_key_in_each_of_its_wrappings() -> None:
    from egide.engines.pkcs11 import public_key

    raw = bytes(range(32))
    for point in (raw, b"\x04\x20" + raw, b"\x03\x21\x00" + raw):
        assert public_key(point) == raw
    for wrong in (b"", raw[:31], b"\x04\x21" + raw, b"\x04\x20" + raw + b"\x00", b"\x04" + raw):
        with pytest.raises(ValueError, match="Ed25519"):
            public_key(wrong)
