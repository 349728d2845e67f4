"""Settings: `egide.toml` in the data folder, overridden by `EGIDE_*` variables; a wrong name or type stops the start.

Every setting has a safe default, so an empty folder starts; secrets are never settings (they are generated at first start).
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from egide.kernel.errors import StartupError, Text

FILE = "egide.toml"
PREFIX = "EGIDE_"
# Variables with our prefix that belong to tests and tools, not to the platform.
FOREIGN = frozenset(
    {
        "EGIDE_REQUIRED",
        "EGIDE_FUZZ",
        "EGIDE_SHARED_DATA",
        "EGIDE_TOWN",
        "EGIDE_CHROMIUM",
        "EGIDE_NODE",
        "EGIDE_PROOF",
        "EGIDE_REPORTS",
        "EGIDE_SOAK_S",
    }
)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an operator may set. Units are in the names."""

    data: str = "var"
    host: str = "127.0.0.1"
    port: int = 8620
    # The name people type: passkeys are bound to it (WebAuthn rp id), so it is `localhost`, never 127.0.0.1.
    public_name: str = "localhost"
    tls: bool = False
    jurisdiction: str = "fr"
    realm: str = "police"
    controller: str = "Préfecture — service de police (exercice)"
    service: str = "police"
    demo: bool = False
    # Cameras in the air at once, all services of the department together (annex of the order of 19 April 2023).
    department_cap: int = 4
    acts_per_s: int = 200
    rtsp_port: int = 0  # video for ATAK; 0: none. Several processes take the ports after it, one each
    town: str = ""
    # Where TAK clients connect over mutual TLS (8089 by custom); 0: nowhere.
    tak_port: int = 0
    # What stands behind the kernel (docs/decisions/0015). Empty: everything lies in the data folder, one process suffices.
    store: str = ""  # postgresql://… : the acts, the ledger, the rows
    vault: str = ""  # postgresql://… of another database than `store`: the wrapped data keys
    bus: str = ""  # nats://… : events between processes
    objects: str = ""  # s3://bucket/prefix or file:///… : recordings and documents, sealed
    hsm: str = ""  # pkcs11:<library>?token=<label> : the key-encryption key and the ledger's signing key
    card_module: str = (
        ""  # the PKCS#11 library of the readers of officers' cards on this machine; empty: nobody signs by card
    )
    # Who cosigns the ledger's checkpoints, and who stamps them with the time (RFC 3161).
    witnesses: dict[str, str] = {}  # "https://witness.example" = its verifier key
    stamps: str = ""  # address of the time-stamping authority; its certificate: keys/stamp-authority.pem
    witness_every_s: int = 10
    stamp_every_s: int = 3600
    # Push services that may be asked to wake terminals, by host, space-separated; empty: none is (docs/decisions/0046).
    push: str = ""
    # How residents sign in (docs/identity.md): a preset, or the path of an operator's own; empty: by no account at all.
    identity: str = ""
    identity_issuer: str = ""  # the provider's address where it is not the preset's
    identity_client: str = ""  # our client id there; its secret: keys/identity-client.key
    # Which wallets prove who a resident is (docs/identity.md): "development", or the path of the operator's file; empty: none.
    wallet: str = ""
    wallet_address: str = ""  # the scheme or address that opens a wallet, where it is not the file's
    backups: str = ""  # where `egide backup` writes unless told otherwise; erasure reaches there
    # The rest of TAK; 0: switched off. By custom:
    tak_marti_port: int = 0  # 8443, HTTPS for enrolled devices
    tak_enrol_port: int = 0  # 8446, HTTPS for devices that bring a token
    tak_federation_port: int = 0  # 9001, TLS for partner installations
    tak_package_max_mib: int = 64  # of one data package
    logs: str = ""  # json or plain; empty: plain on a terminal, JSON lines elsewhere
    # The scanner of files that people send, unix:/run/clamav/clamd.ctl or tcp:host:port; empty: files stay "not scanned".
    clamav: str = ""
    # The relay through which people are told that there is news in their file, smtps://relay:465; empty: nobody is told.
    mail: str = ""
    mail_from: str = ""
    # The same by SMS: the address to which a gateway takes one JSON request for each message; empty: nobody is.
    sms: str = ""
    sms_body: str = '{"to": "{to}", "text": "{text}"}'  # in whose strings {to} and {text} are number and message
    sms_country: str = "+33"  # of numbers that are given without a country
    # The public payment service to which notices of fines lead, an https address; empty: the page says where else to pay.
    fine_payment: str = ""
    # STUN and TURN servers of hearings by video, space-separated; empty: browsers meet on the same network alone. A TURN
    # server's shared secret: keys/turn.secret.
    ice: str = ""
    # Services whose hearings by video may be recorded, with both agreements (docs/decisions/0064), space-separated; empty: none.
    record_hearings: str = ""
    # Where the quick exit of the help page leads, an https address of the operator's choice; empty: a calendar of our own.
    chat_exit: str = ""
    # The consortium's ledger (docs/consortium.md): a genesis file, or the https address of an EVM node; empty: this platform's
    # own list of keys has the last word. The member's key: keys/consortium.key.
    consortium: str = ""
    consortium_listen: str = ""  # host:port where the other authorities call
    consortium_contract: str = ""  # on a node: the chain's number, ":", the contract's address
    consortium_peers: dict[str, str] = {}  # a member's name, or its address in hex = host:port
    # Accepted plug-ins: "entry point name" = "sha256 of its distribution".
    plugins: dict[str, str] = {}

    @property
    def folder(self) -> Path:
        """The data folder."""
        return Path(self.data)

    @property
    def origin(self) -> str:
        """The only origin from which a browser may act."""
        return f"{'https' if self.tls else 'http'}://{self.public_name}:{self.port}"


def load(folder: Path | None = None, **given: Any) -> Settings:
    """Reads `egide.toml` in `folder` (or `$EGIDE_DATA`, or ./var), then variables, then `given`. Raises `StartupError`."""
    names = {field.name: field for field in msgspec.structs.fields(Settings)}
    place = folder or Path(os.environ.get(PREFIX + "DATA", "var"))
    values: dict[str, Any] = {}
    file = place / FILE
    if file.exists():
        try:
            values = tomllib.loads(file.read_text("utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise StartupError(
                Text(f"Réglages illisibles : {error}", f"Unreadable settings: {error}"), file=str(file)
            ) from error
    for variable, value in os.environ.items():
        if variable.startswith(PREFIX) and variable not in FOREIGN:
            values[variable.removeprefix(PREFIX).lower()] = value
    values |= {"data": str(place)} | {name: value for name, value in given.items() if value is not None}
    for name in values:
        if name not in names:
            near = difflib.get_close_matches(name, names, 1)
            raise StartupError(
                Text(f"Réglage inconnu : {name}", f"Unknown setting: {name}"),
                file=str(file),
                suggestion=near[0] if near else None,
            )
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise StartupError(Text(f"Réglage incorrect : {error}", f"Wrong setting: {error}"), file=str(file)) from error
