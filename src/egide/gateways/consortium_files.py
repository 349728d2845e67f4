"""What connects a house to the consortium: its settings, the genesis file that all members have, the member's own key.

    consortium          genesis.json: a chain of the members' own; or https://node: a contract on an EVM node
    consortium_listen   host:port where the other authorities call
    consortium_peers    a member's name (or its address in hex) = host:port where it listens
    consortium_contract number of the EVM chain, “:”, the contract's address
    keys/consortium.key the member's key, PKCS#8 PEM, 0600: Ed25519 for a chain, secp256k1 for a node

Nothing here is secret but the key. What is wrong in a file stops the start, in words.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from egide.border.ledger.contract import MAX_MEMBERS
from egide.border.ledger.messages import Genesis
from egide.border.ledger.model import ADDRESS_BYTES, Member, address_of
from egide.border.ledger.tcp import Place
from egide.kernel.errors import StartupError, Text
from egide.kernel.keyfile import read_private, unusable, write_private
from egide.kernel.settings import FILE, Settings

KEY = Path("keys", "consortium.key")  # in the data folder
FOLDER = Path("consortium")  # in the data folder: the chain
MAX_FILE = 64 * 1024  # bytes; a genesis of 13 members has 2 kB
KEY_HEX = 64  # hex digits of an Ed25519 public key, 32 bytes


class Founder(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member of the beginning: how people call it, and its Ed25519 public key in hex."""

    name: str
    key: str

    def member(self) -> Member:
        """As the chain knows it. Raises ValueError for what is no key."""
        key = bytes.fromhex(self.key)
        if len(self.key) != KEY_HEX or not self.name or "+" in self.name:
            raise ValueError(self.key)
        return Member(address_of(key), key)


class GenesisFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """genesis.json: `at` in s since 1970."""

    version: int
    at: int
    members: tuple[Founder, ...]

    def genesis(self) -> Genesis:
        """The genesis, whose digest is the chain's name. Raises ValueError."""
        members = tuple(each.member() for each in self.members)
        distinct = len({each.address for each in members}) == len({each.name for each in self.members}) == len(members)
        if self.version != 1 or not distinct or not 0 < len(members) <= MAX_MEMBERS or not 0 <= self.at < 1 << 53:
            raise ValueError(self.version)
        return Genesis(members, self.at)

    def names(self) -> dict[bytes, str]:
        """What people call the first members, by address."""
        return {each.member().address: each.name for each in self.members}


class OfChain(msgspec.Struct, frozen=True):
    """All that runs one authority of the members' own chain; `names` by address."""

    genesis: Genesis
    names: dict[bytes, str]
    key: Ed25519PrivateKey
    listen: Place
    peers: dict[bytes, Place]
    folder: Path


class OfNode(msgspec.Struct, frozen=True):
    """All that writes to a contract on a node."""

    address: str
    chain: int
    contract: bytes
    key: EllipticCurvePrivateKey


def founder(line: str) -> Founder:
    """A member's line, `name+key in hex`, as `egide authority key` tells it. Raises ValueError."""
    name, _, key = line.strip().rpartition("+")
    found = Founder(name, key)
    found.member()
    return found


def line_of(name: str, key: Ed25519PrivateKey) -> str:
    """The line by which others know a member; public."""
    return f"{name}+{key.public_key().public_bytes_raw().hex()}"


def read_genesis(file: Path) -> GenesisFile:
    """A genesis file, checked. Raises `StartupError`."""
    try:
        with file.open("rb") as content:
            found = msgspec.json.decode(content.read(MAX_FILE), type=GenesisFile)
        found.genesis()
    except OSError as error:
        raise StartupError(
            Text("Le fichier de genèse ne se lit pas.", "The genesis file cannot be read."), file=str(file)
        ) from error
    except (ValueError, RecursionError) as error:
        raise StartupError(
            Text("Ce n’est pas un fichier de genèse.", "This is no genesis file."),
            Text("Demandez-le à un autre membre : tous ont le même.", "Ask another member for it: all have the same."),
            file=str(file),
        ) from error
    return found


def draw_key(folder: Path) -> Ed25519PrivateKey:
    """The member's Ed25519 key of this data folder, drawn where there is none. Raises `StartupError`."""
    _draw(folder, Ed25519PrivateKey.generate)
    return member_key(folder)


def member_key(folder: Path) -> Ed25519PrivateKey:
    """The member's key for a chain. Raises `StartupError`."""
    found = _key(folder)
    if not isinstance(found, Ed25519PrivateKey):
        raise unusable(folder / KEY)
    return found


def given(settings: Settings) -> OfChain | OfNode:
    """What the settings say; `consortium` is not empty. Raises `StartupError`."""
    if settings.consortium.startswith(("http://", "https://")):
        return _of_node(settings)
    file = read_genesis(settings.folder / settings.consortium)
    names = file.names()
    by_name = {name: address for address, name in names.items()}
    peers = {_member(name, by_name): _place(place) for name, place in settings.consortium_peers.items()}
    listen = _place(settings.consortium_listen)
    return OfChain(file.genesis(), names, member_key(settings.folder), listen, peers, settings.folder / FOLDER)


def account_key(folder: Path) -> EllipticCurvePrivateKey:
    """The member's key for a node. Raises `StartupError`."""
    found = _key(folder)
    if not isinstance(found, EllipticCurvePrivateKey) or not isinstance(found.curve, SECP256K1):
        raise unusable(folder / KEY)
    return found


def draw_account(folder: Path) -> EllipticCurvePrivateKey:
    """The member's secp256k1 key of this data folder, drawn where there is none. Raises `StartupError`."""
    _draw(folder, lambda: generate_private_key(SECP256K1()))
    return account_key(folder)


def account_line(name: str, address: bytes, key: EllipticCurvePrivateKey) -> str:
    """The line by which others know a member on a node; its key there signs nothing and is the x of the account's."""
    return f"{name}+{address.hex()}+{key.public_key().public_numbers().x.to_bytes(32).hex()}"


def _draw(folder: Path, draw: Callable[[], Ed25519PrivateKey | EllipticCurvePrivateKey]) -> None:
    if not (folder / KEY).exists():
        write_private(folder / KEY, draw().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _of_node(settings: Settings) -> OfNode:
    key = account_key(settings.folder)
    chain, _, contract = settings.consortium_contract.partition(":")
    try:
        address = bytes.fromhex(contract.removeprefix("0x"))
    except ValueError:
        address = b""
    if not chain.isdecimal() or len(address) != ADDRESS_BYTES:
        raise _wrong("consortium_contract", settings.consortium_contract, "31337:0x…")
    return OfNode(settings.consortium, int(chain), address, key)


def _key(folder: Path) -> object:
    file = folder / KEY
    try:
        return load_pem_private_key(read_private(file), None)
    except FileNotFoundError as error:
        raise StartupError(
            Text("La clé du membre manque.", "The member’s key is missing."),
            Text("Lancez « egide authority key », ou remettez-la.", "Run “egide authority key”, or put it back."),
            file=str(file),
        ) from error
    except (ValueError, TypeError) as error:  # TypeError: it is under a passphrase
        raise unusable(file) from error


def _member(name: str, by_name: dict[str, bytes]) -> bytes:
    """The address of a member of the beginning by its name, of one who came later by its address in hex."""
    try:
        address = by_name[name] if name in by_name else bytes.fromhex(name)
    except ValueError:
        address = b""
    if len(address) != ADDRESS_BYTES:
        raise _wrong("consortium_peers", name, ", ".join(by_name))
    return address


def _place(text: str) -> Place:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 0xFFFF:
        raise _wrong("consortium_listen, consortium_peers", text, "192.0.2.7:7000")
    return host.strip("[]"), int(port)


def _wrong(setting: str, said: str, like: str) -> StartupError:
    return StartupError(
        Text(f"Réglage incorrect : {setting} = « {said} »", f"Wrong setting: {setting} = “{said}”"),
        Text(f"Par exemple : {like}", f"For example: {like}"),
        file=FILE,
    )
