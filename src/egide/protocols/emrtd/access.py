"""How a chip may be opened: the security infos of EF.CardAccess and DG14 (ICAO Doc 9303 part 11 §9.2).

EF.CardAccess is read before anything is proved, by anyone. DG14 says the same again, and is signed: after passive
authentication the two are compared, so that nobody in between makes both sides agree on less.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from egide.protocols.emrtd import lds, tlv
from egide.protocols.emrtd.curves import BY_PARAMETER, Curve
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.keys import Suite

MAX_INFOS = 32
PACE = "0.4.0.127.0.7.2.2.4"  # id-PACE
# id-PACE-ECDH-GM-AES-CBC-CMAC-*: elliptic curves, generic mapping. What else there is, is left aside.
SUITES: dict[bytes, Suite] = {
    tlv.oid(f"{PACE}.2.2"): "aes-128",
    tlv.oid(f"{PACE}.2.3"): "aes-192",
    tlv.oid(f"{PACE}.2.4"): "aes-256",
}
VERSION = 2


class PaceInfo(msgspec.Struct, frozen=True):
    """A way to do PACE: the bytes of its OID, its version, the number of its domain parameters (None: told elsewhere)."""

    oid: bytes
    version: int
    parameter: int | None

    @property
    def suite(self) -> Suite | None:
        """The ciphers; None where we do not speak it."""
        return SUITES.get(self.oid) if self.version == VERSION else None

    @property
    def curve(self) -> Curve | None:
        """The curve; None where we do not have it."""
        return None if self.parameter is None else BY_PARAMETER.get(self.parameter)

    def encode(self) -> bytes:
        """The SecurityInfo."""
        more = b"" if self.parameter is None else tlv.encode(tlv.INTEGER, bytes([self.parameter]))
        return tlv.encode(
            tlv.SEQUENCE, tlv.encode(tlv.OID, self.oid), tlv.encode(tlv.INTEGER, bytes([self.version])), more
        )


def card_access(data: bytes) -> tuple[PaceInfo, ...]:
    """The ways to do PACE that EF.CardAccess offers. Raises `EmrtdError`."""
    return _infos(tlv.only(_bounded(data), tlv.SET))


def group14(data: bytes) -> tuple[PaceInfo, ...]:
    """The ways to do PACE that DG14 states. Raises `EmrtdError`."""
    return _infos(tlv.only(tlv.only(_bounded(data), 0x6E), tlv.SET))


def chosen(offered: Sequence[PaceInfo]) -> PaceInfo | None:
    """The strongest that we speak; None where there is none."""
    spoken = [each for each in offered if each.suite is not None and each.curve is not None]
    return max(spoken, key=lambda each: (each.suite or "", each.curve.p if each.curve else 0), default=None)


def confirmed(offered: Sequence[PaceInfo], stated: Sequence[PaceInfo]) -> bool:
    """Whether what was offered is what was signed (part 11 §9.2.11): nothing more, and nothing left out."""
    return set(offered) == set(stated)


def written(infos: Sequence[PaceInfo]) -> bytes:
    """EF.CardAccess of these; inside tag 6E it is DG14."""
    return tlv.encode(tlv.SET, *(each.encode() for each in infos))


def _infos(value: bytes) -> tuple[PaceInfo, ...]:
    listed = list(tlv.children(value))
    if len(listed) > MAX_INFOS:
        raise EmrtdError("too-large", f"more than {MAX_INFOS} security infos")
    found: list[PaceInfo] = []
    for each in listed:
        parts = list(tlv.children(each.value))
        if not parts or parts[0].tag != tlv.OID:
            raise EmrtdError("malformed", "a security info without its kind")
        # Domain parameters of PACE, chip authentication and the rest have OIDs of other lengths or beginnings.
        if not parts[0].value.startswith(tlv.oid(PACE)) or len(parts[0].value) != len(tlv.oid(PACE)) + 2:
            continue
        if len(parts) not in {2, 3} or any(part.tag != tlv.INTEGER for part in parts[1:]):
            raise EmrtdError("malformed", "a way to do PACE whose parts are others")
        parameter = tlv.number(parts[2].value) if len(parts) == 3 else None
        found.append(PaceInfo(parts[0].value, tlv.number(parts[1].value), parameter))
    return tuple(found)


def _bounded(data: bytes) -> bytes:
    if len(data) > lds.MAX_FILE:
        raise EmrtdError("too-large", f"a file of more than {lds.MAX_FILE} bytes")
    return data
