"""Hardware that tells flesh from paper (depth, near infrared), where a point has it: the slot for a laboratory-tested one.

A point names its device (`[face] device`); a plug-in brings the driver when it starts, under that name:

    kernel.things.setdefault("border-pads", {})["acme-depth"] = Driver()

It is asked last, for a face that is alike already. It may refuse what everything else let pass, and never lets anybody pass by
itself. Where it says nothing, nothing is known and an officer decides; where nobody brought it, the gate opens no control.

Source: ISO/IEC 30107-1, presentation attack detection at the capture device.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from egide.border import control_points
from egide.border.control_points import Point
from egide.kernel.errors import Text, Unavailable
from egide.kernel.randomness import draw

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.border")

PADS = "border-pads"  # among the kernel's things: drivers by the name of their device
WITHIN_S = 2.0  # s a device has for its word
NONCE_BYTES = 16


class PadDriver(Protocol):
    """A kind of device, one of which stands at each gate."""

    async def present(self, gate: str, nonce: bytes) -> bool | None:
        """Whether a person stands at this gate (its key's id) now; None where the device cannot tell. `nonce`: of this asking."""


def ready(kernel: Kernel, point: Point, *, external: bool) -> None:
    """Raises `Unavailable` where the point's device is needed and nobody brought its driver."""
    name = _device(point, external=external)
    if name and name not in kernel.things.get(PADS, {}):
        raise Unavailable(
            Text(
                f"Le dispositif « {name} » de ce point de contrôle n’est pas là.",
                f"The device “{name}” of this control point is not there.",
            ),
            Text(
                "Chargez le greffon qui l’apporte. La voie sans biométrie reste ouverte.",
                "Load the plug-in that brings it. The lane without biometrics stays open.",
            ),
        )


def missing(kernel: Kernel) -> list[str]:
    """Devices that a control point names and nobody brought: for the health page."""
    named = {point.face.device for point in control_points.points().values() if point.face is not None}
    return sorted(named - {"", *kernel.things.get(PADS, {})})


async def somebody(kernel: Kernel, point: Point, gate: str, *, external: bool) -> bool | None:
    """What the device at this gate says; True where the point has none, None where it did not say."""
    name = _device(point, external=external)
    if not name:
        return True
    driver: PadDriver | None = kernel.things.get(PADS, {}).get(name)
    if driver is None:
        return None
    try:
        async with asyncio.timeout(WITHIN_S):
            said = await driver.present(gate, draw(NONCE_BYTES))
    except Exception as error:  # noqa: BLE001 — a maker's code: whatever it raises, nothing is known
        log.warning("device %s at gate %s: %s", name, gate, error)
        return None
    return said if isinstance(said, bool) else None


def _device(point: Point, *, external: bool) -> str:
    return point.face.device if point.face is not None and point.looks(external=external) else ""
