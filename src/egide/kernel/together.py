"""Several acts of one person, asked for together: each validated, decided and recorded as its own, durable in one transaction.

Why: a device that was without network brings a day's acts at once. One by one, each would wait for a commit of its own. Here
every act goes through `perform` like any other (facts, guard, handler, ledger entry, refusal), and only what each hands to the
writer is held back until all of them are that far: the writer then takes them as one (group commit). One that is refused or
fails takes none of the others with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from egide.kernel.errors import EgideError

if TYPE_CHECKING:
    from egide.kernel.door import Outcome
    from egide.kernel.identity import Principal
    from egide.kernel.kernel import Kernel
    from egide.kernel.work import Work


@dataclass(frozen=True, slots=True)
class Call:
    """One act to perform, as `perform` takes it."""

    name: str
    given: msgspec.Struct
    once: tuple[str, int] | None = None


@dataclass(slots=True)
class Batch:
    """What is held back, and what the acts of one batch share (`Ctx.shared`)."""

    new: frozenset[str] = (
        frozenset()
    )  # ids of their device (`client_id`) of which none had been used when the batch began
    shared: dict[Any, Any] = field(default_factory=dict)
    held: list[Work] = field(default_factory=list)
    holding: bool = True


async def together(
    kernel: Kernel,
    calls: Sequence[Call],
    principal: Principal,
    *,
    cause: str = "",
) -> list[Outcome | EgideError]:
    """Performs them in this order and gives what became of each. Whoever calls has been counted and bounds how many there are."""
    batch = Batch(_new(kernel, calls, principal))
    running = [
        asyncio.ensure_future(
            kernel.perform(call.name, call.given, principal, cause=cause, once=call.once, batch=batch)
        )
        for call in calls
    ]  # fmt: skip
    await asyncio.sleep(0)  # each runs up to the writer, or to whatever it has to wait for: that one follows by itself
    batch.holding = False
    if batch.held:
        kernel.writer.submit(*batch.held)
    found: list[Outcome | EgideError] = []
    for done in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(done, BaseException) and not isinstance(done, EgideError):
            raise done
        found.append(done)
    return found


def _new(kernel: Kernel, calls: Sequence[Call], principal: Principal) -> frozenset[str]:
    clients = {client for call in calls if (client := getattr(call.given, "client_id", ""))}
    return frozenset(clients - kernel.repeats.known(principal.id, list(clients))) if clients else frozenset()
