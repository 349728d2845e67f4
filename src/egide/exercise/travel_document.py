"""A traveller's passport from Utopia: its zone, its portrait, its chip's files, signed; and the ways in which one is false."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

from egide.exercise.csca import Signer
from egide.protocols import mrz
from egide.protocols.emrtd import lds, sod, tlv

Fault = Literal[
    "altered-name",  # DG1 is not what was signed
    "altered-portrait",  # nor is DG2
    "wrong-hash",  # a hash of the security object is another
    "missing-hash",  # DG2 is there, and nobody signed it
    "broken-signature",
    "bomb",  # DG2 says it is larger than memory
]
ERIKA = mrz.Mrz(
    format="TD3", code="P", state="UTO", number="L898902C3", surname="Eriksson", given="Anna Maria", nationality="UTO",
    birth="740812", sex="F", expiry="330415", optional="ZE184226B",
)  # fmt: skip


def files(
    signer: Signer,
    at: int,
    image: bytes,
    *,
    zone: mrz.Mrz = ERIKA,
    image_format: lds.ImageFormat = "jpeg",
    size: tuple[int, int] = (413, 531),
    more: Mapping[str, bytes] | None = None,
    fault: Fault | None = None,
) -> dict[str, bytes]:
    """The files of a chip ("COM", "SOD", "DG1", "DG2" and `more`), signed at a time (s since 1970), false if told to be.

    `image` is the portrait, JPEG or JPEG 2000; `size` what the record says of it (width, height, pixels).
    """
    groups = {
        "DG1": lds.written_zone(mrz.render(zone)),
        "DG2": lds.written_portrait(image, image_format, *size),
        **(more or {}),
    }
    hashes = {name: hashlib.sha256(data).digest() for name, data in groups.items()}
    if fault == "wrong-hash":
        hashes["DG2"] = bytes(32)
    elif fault == "missing-hash":
        del hashes["DG2"]
    message = signer.message(sod.SECURITY_OBJECT, sod.content("sha256", hashes), at)
    if fault == "broken-signature":
        message = message[:-1] + bytes([message[-1] ^ 1])
    elif fault == "altered-name":
        groups["DG1"] = groups["DG1"].replace(b"<<", b"<X", 1)
    elif fault == "altered-portrait":
        groups["DG2"] = groups["DG2"][:-1] + bytes([groups["DG2"][-1] ^ 1])
    elif fault == "bomb":
        groups["DG2"] = b"\x75\x84\x7f\xff\xff\xff" + groups["DG2"]
    tags = bytes(lds.TAG_OF[name] for name in groups)
    common = tlv.encode(0x60, tlv.encode(0x5F01, b"0107"), tlv.encode(0x5F36, b"040000"), tlv.encode(0x5C, tags))
    return {"COM": common, "SOD": tlv.encode(0x77, message), **groups}
