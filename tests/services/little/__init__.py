"""A small capability that has nothing but uploads: who may is said by the secret "right" of any owner, or an officer's rank."""

from __future__ import annotations

from egide.kernel.act import Ctx
from egide.kernel.capability import Capability
from egide.kernel.door import Kernel
from egide.services import upload_tables, uploads


def may(ctx: Ctx, owner: str, secret: str) -> bool:
    return owner.startswith("draft:") and (secret == "right" or (not secret and ctx.principal.kind == "person"))


async def start(kernel: Kernel) -> None:
    kernel.things[uploads.MAY] = may


def capability() -> Capability:
    return Capability(
        name="services", package="tests.services.little", acts=uploads.ACTS, tables=upload_tables.metadata, erasers=uploads.ERASERS,
        removers=uploads.REMOVERS, start=start,
    )  # fmt: skip
