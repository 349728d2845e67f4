"""Services (guichet): what the counter does, remotely and in the officer's pocket; each defined once (catalogue/)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from egide.kernel.capability import Capability

if TYPE_CHECKING:
    from egide.kernel.door import Kernel


async def _start(kernel: Kernel) -> None:
    from egide.services import chat_board  # noqa: PLC0415 — only a platform that starts needs it

    kernel.things[chat_board.THING] = chat_board.Board(kernel)
    chat_board.board(kernel).start()


async def _stop(kernel: Kernel) -> None:
    press = kernel.things.get("press")
    if press is not None:
        press.close()


def capability() -> Capability:
    """The capability. Imported here and not above: the processes in which files are parsed (apart.py) load none of it."""
    from egide.services import (  # noqa: PLC0415 — see above
        chat,
        chat_desk,
        desk,
        documents,
        drafts,
        holding,
        identities,
        tables,
        uploads,
    )
    from egide.services.definition import catalogue  # noqa: PLC0415 — see above
    from egide.services.filing import category  # noqa: PLC0415 — see above

    kept = {category(definition): desk.erase for definition in catalogue().versions.values()}
    acts = (
        *drafts.ACTS,
        *identities.ACTS,
        *uploads.ACTS,
        *holding.ACTS,
        *documents.ACTS,
        *desk.ACTS,
        *desk.generated(),
        *chat.ACTS,
        *chat_desk.ACTS,
    )
    erasers = {
        drafts.CATEGORY: drafts.erase,
        identities.CATEGORY: identities.erase,
        **uploads.ERASERS,
        **chat.ERASERS,
        **kept,
    }
    return Capability(
        name="services",
        package="egide.services",
        acts=acts,
        tables=tables.metadata,
        erasers=erasers,
        removers=uploads.REMOVERS,
        start=_start,
        stop=_stop,
    )
