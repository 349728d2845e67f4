"""The two applications: the port of enrolled devices, and the port of those that bring a token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from egide.operations.tak.marti import about, enrolment, missions, sync
from egide.operations.tak.marti.door import Door, by_certificate

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel


def marti(kernel: Kernel) -> Door:
    """For devices with a certificate of ours."""
    return Door(kernel, (*about.ROUTES, *sync.ROUTES, *missions.ROUTES, *enrolment.CONNECTED), by_certificate)


def enrolling(kernel: Kernel) -> Door:
    """For devices with a token."""
    return Door(kernel, enrolment.ROUTES, enrolment.by_token)
