"""`egide doctor` finds the rows that somebody edited to get in; and a certificate is worth nothing on another's row."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from sqlalchemy import update

from egide.kernel.rights_check import faults
from egide.operations.tak import tables
from egide.operations.tak.identity import device_of
from tests.operations.tak.marti.ports import TakWorld

pytestmark = pytest.mark.anyio


def found(tak: TakWorld) -> list[str]:
    return [each.where for _acts, told in faults(tak.kernel) for each in told]


def edit(tak: TakWorld, table: Any, id_: str, **values: Any) -> None:
    with tak.kernel.store.side() as connection:
        connection.execute(update(table).where(table.c.id == id_).values(**values))


async def test_edited_rows_are_found(tak: TakWorld) -> None:
    one, two = await tak.device("officer", "A"), await tak.device("command", "B")
    der = one.certificate.public_bytes(serialization.Encoding.DER)
    told = await tak.act("administrator", "operations.tak.peers")
    assert told["peers"] == []
    assert found(tak) == []
    edit(tak, tables.device, one.name, person="prefect")
    assert found(tak) == [f"tak_device {one.name}"]
    edit(tak, tables.device, one.name, person="officer")
    await tak.act("officer", "operations.tak.device.revoke", device=one.name, reason="Perdu")
    assert found(tak) == []
    edit(tak, tables.device, one.name, revoked=None)
    assert device_of(tak.kernel, der) is not None
    assert found(tak) == [f"tak_device {one.name}"]
    # Another's row with one's own certificate: the authority's word names the first.
    edit(tak, tables.device, one.name, fingerprint=None)
    edit(tak, tables.device, two.name, fingerprint=sha256(der).hexdigest())
    assert device_of(tak.kernel, der) is None
