"""A real serving process for the hard proofs: the platform with a capability that counts, and a clock that signals move.

`python -m tests.attacks.child FOLDER PORT [--join]`; SIGUSR1 moves its clock an hour on, SIGUSR2 an hour back.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import uvloop
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table

from egide.app import build, capabilities, engines
from egide.gateways.composition import Composition, compose
from egide.gateways.serve import serving
from egide.kernel import erasure
from egide.kernel.act import Ctx, Effect, Input, Nothing, act
from egide.kernel.capability import Capability
from egide.kernel.clock import Clock
from egide.kernel.listeners import Independent
from egide.kernel.settings import Settings, load

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

metadata = MetaData()
ROW = BigInteger().with_variant(Integer, "sqlite")
# No number is unique here: what is done twice stands twice.
mark = Table("proof_mark", metadata, Column("row", ROW, primary_key=True), Column("number", BigInteger, nullable=False))
echo = Table("proof_echo", metadata, Column("row", ROW, primary_key=True), Column("number", BigInteger, nullable=False))


class Mark(Input):
    """A number the client has drawn and sends once."""

    number: int


@act(
    "proof.mark", verb="collect", activity="works-items", roles=["officer"], duty=True, input=Mark, fr="Compter", en="Count",
)  # fmt: skip
def add_mark(_ctx: Ctx, given: Mark) -> Effect:
    return Effect(Nothing(), rows=[(mark, {"number": given.number})], events=[("mark.made", {"number": given.number})])


@act(
    "proof.echo", verb="alter", activity="works-items", roles=["system"], system=True, duty=True, input=Mark, fr="Suivre", en="Follow",
)  # fmt: skip
def add_echo(_ctx: Ctx, given: Mark) -> Effect:
    return Effect(Nothing(), rows=[(echo, {"number": given.number})])


async def follow(kernel: Kernel, told: dict[str, Any]) -> None:
    given = msgspec.json.encode({"number": told["number"]})
    await kernel.perform("proof.echo", given, kernel.system("works-items"), cause=told["cause"], once=told["once"])


def capability() -> Capability:
    return Capability(
        name="proof",
        package="tests.plugins.works",
        acts=(add_mark, add_echo),
        tables=metadata,
        listeners={"mark.made": Independent(follow)},
    )


def die_in(step: str) -> None:
    """Kills this process, as `kill -9` does, when the work of this step of an erasure is done and not yet written down."""
    keep = erasure.Erasures._keep

    def dies(self: erasure.Erasures, id_: str, **values: Any) -> str:
        if values["state"] == erasure.STEPS[erasure.STEPS.index(step) + 1]:
            os.kill(os.getpid(), signal.SIGKILL)
        return keep(self, id_, **values)

    erasure.Erasures._keep = dies  # type: ignore[method-assign]  # this child is made to die


def main() -> None:
    if os.environ.get("PROOF_DIES"):
        die_in(os.environ["PROOF_DIES"])
    folder, port, *flags = sys.argv[1:]
    os.umask(0o077)
    clock = Clock()

    def made(settings: Settings) -> tuple[Any, Any]:
        return build(settings, clock=clock, extra=(capability(),))

    compose(Composition(made, engines, capabilities, lambda _capability, _quick, _file: 0))
    settings = load(Path(folder), port=int(port), demo=True, acts_per_s=1_000_000)

    def ready(kernel: Any) -> None:
        (settings.folder / "ledger.vkey").write_text(kernel.key.vkey)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, clock.shift, timedelta(hours=1))
        loop.add_signal_handler(signal.SIGUSR2, clock.shift, timedelta(hours=-1))
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    uvloop.run(serving(settings, ready, join="--join" in flags))


if __name__ == "__main__":
    main()
