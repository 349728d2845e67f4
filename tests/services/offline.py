"""An officer's device without network, as a browser would be one: a key that signs, a chain, entries; and what it sends."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from egide.protocols.outbox_chain import START, link, message
from egide.services.definition import catalogue
from egide.services.quarantine import quarantine
from tests.services.filings import lawful
from tests.services.forms import typed
from tests.world import World

REPORT = catalogue().find("field-report")
assert REPORT is not None
WHO = {"given_name": "Claire", "family_name": "Petit", "birthdate": "29/02/1988", "document": "CNI"}
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def signature(key: ec.EllipticCurvePrivateKey, signed: bytes) -> str:
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(SHA256())))
    return b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big")).decode()


def report(made: str, **changed: Any) -> dict[str, Any]:
    """A field report as it is written down, made at a time (ISO 8601)."""
    form = typed(REPORT, lawful(REPORT))
    return {
        "act": "take", "service": "field-report", "version": REPORT.version, "digest": REPORT.digest, "form": form, "who": WHO, "lang": "fr",
        "made": made, "files": [],
    } | changed  # fmt: skip


class Chain:
    """A chain and the key that signs it."""

    def __init__(self, device: str = "d" * 32) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.device, self.seq, self.head = device, 0, START

    def add(self, content: dict[str, Any] | str, **changed: Any) -> dict[str, Any]:
        """The next entry, signed; `changed` after it was signed."""
        body = content if isinstance(content, str) else json.dumps(content)
        self.seq += 1
        one = {"id": str(uuid4()), "seq": self.seq, "prev": self.head, "body": body}
        signed = message(self.device, one["id"], self.seq, self.head, body.encode())
        self.head = link(signed)
        return one | {"sig": signature(self.key, signed)} | changed


class Device(Chain):
    """An enrolled device of a persona's."""

    def __init__(self, world: World, persona: str = "officer") -> None:
        super().__init__()
        self.world, self.persona = world, persona
        self.lease: dict[str, Any] = {}

    async def enrol(self) -> Device:
        given = {"label": "Téléphone", "public": b64encode(point(self.key)).decode()}
        self.lease = await self.world.act(self.persona, "services.device.enrol", **given)
        self.device = self.lease["device"]
        return self

    def made(self, **by: float) -> str:
        now = datetime.fromtimestamp(self.world.clock.now_us() / 1e6, UTC) + timedelta(**by)
        return now.isoformat().replace("+00:00", "Z")

    def report(self, **changed: Any) -> dict[str, Any]:
        """A field report as it is written down."""
        return report(**{"made": self.made()} | changed)

    async def sync(self, *entries: dict[str, Any], persona: str = "") -> list[dict[str, Any]]:
        done = await self.world.act(
            persona or self.persona, "services.outbox.sync", device=self.device, entries=list(entries)
        )
        found: list[dict[str, Any]] = done["entries"]
        return found

    async def send(self, entry_id: str, content: bytes, persona: str = "") -> dict[str, str]:
        """A file, sealed before the act that names it; gives how the act names it."""
        named = {"id": str(uuid4()), "sha256": sha256(content).hexdigest()}
        given = {
            "owner": f"entry:{self.device}.{entry_id}", "name": "note.txt", "media": "text/plain", "bytes": len(content),
            "sha256": named["sha256"], "client_id": named["id"],
        }  # fmt: skip
        opened = await self.world.act(persona or self.persona, "services.upload.open", **given)
        again = await self.world.act(persona or self.persona, "services.upload.open", **given)
        assert opened == again, "a lost answer gives the same grant"
        quarantine(self.world.kernel).take(opened["id"], opened["secret"], 0, content)
        await self.world.act(
            persona or self.persona, "services.upload.seal", upload=opened["id"], secret=opened["secret"], sha256=named["sha256"]
        )  # fmt: skip
        return named

    async def notes(self, entry: dict[str, Any], number: int) -> list[dict[str, str]]:
        """Texts, which take no process apart to be looked at; photos are a story of their own (stories/test_field.py)."""
        return [await self.send(entry["id"], f"Note {at}".encode()) for at in range(number)]


def again(device: Chain, entry: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """The same place with other content, signed anew."""
    body = json.dumps(content)
    signed = message(device.device, entry["id"], entry["seq"], entry["prev"], body.encode())
    return entry | {"body": body, "sig": signature(device.key, signed)}
