"""Administration: who may act (sign-in, officers, habilitations), under which order, and until when anything is kept."""

from __future__ import annotations

from egide.administration import erasure, orders, own_keys, people, personas, retention, rights, sign_in
from egide.kernel.capability import Capability
from egide.kernel.jobs import Runner
from egide.kernel.kernel import Kernel
from egide.kernel.retention import Keeper


async def _start(kernel: Kernel) -> None:
    kernel.things["keeper"] = Keeper(kernel, "retention.erase")
    kernel.things["jobs"] = Runner(kernel)
    await kernel.things["keeper"].start()
    await kernel.things["jobs"].start()


async def _start_demo(kernel: Kernel) -> None:
    await kernel.perform(personas.SEED, b"{}", kernel.system("access"))
    personas.announce(kernel)
    kernel.bus.watch(lambda name, _told: personas.announce(kernel) if name == "person.erased" else None)
    await _start(kernel)


async def _stop(kernel: Kernel) -> None:
    await kernel.things["jobs"].stop()
    await kernel.things["keeper"].stop()


def capability(*, demo: bool) -> Capability:
    """The capability; the demonstration's acts exist only in demo mode."""
    acts = (
        *sign_in.ACTS,
        *own_keys.ACTS,
        *people.ACTS,
        *orders.ACTS,
        *retention.ACTS,
        *erasure.ACTS,
        *(personas.ACTS if demo else ()),
    )
    return Capability(
        name="administration",
        package="egide.administration",
        acts=acts,
        rights=rights.check,
        start=_start_demo if demo else _start,
        stop=_stop,
    )
