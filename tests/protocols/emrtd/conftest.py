"""Utopia's passport authority, drawn once; and documents that it, or somebody else, signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from egide.exercise.csca import Authority, Signer
from egide.exercise.travel_document import files
from egide.protocols.emrtd.trust import Trust

NOW = 1795780800  # 2026-11-27T12:00:00Z
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40 + b"\xff\xd9"  # its beginning and end alone are looked at here


class Utopia(msgspec.Struct, frozen=True):
    """An authority, its signer, the trust store that knows it, and its empty revocation list."""

    authority: Authority
    signer: Signer
    trust: Trust

    def document(self, **how: Any) -> dict[str, bytes]:
        signer = how.pop("signer", self.signer)
        return files(signer, NOW, JPEG, **how)


@pytest.fixture(scope="session")
def utopia() -> Utopia:
    authority = Authority(NOW)
    trust = Trust()
    trust.add(authority.certificate)
    trust.add_revocations(authority.revocations([]))
    return Utopia(authority, authority.signer(types=("P",)), trust)


@pytest.fixture(scope="session")
def trusting() -> Callable[..., Trust]:
    def made(*authorities: Authority, revoked: tuple[int, ...] = (), **how: Any) -> Trust:
        trust = Trust()
        for each in authorities:
            trust.add(each.certificate)
            trust.add_revocations(each.revocations(revoked, **how))
        return trust

    return made


@pytest.fixture(scope="session")
def document(utopia: Utopia) -> dict[str, bytes]:
    """One signed document, the same bytes for every case."""
    return utopia.document()
