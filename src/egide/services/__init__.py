"""Services (guichet): what the counter does, remotely and in the officer's pocket; each defined once (catalogue/)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from egide.kernel.capability import Capability

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel
    from egide.kernel.retention import Eraser


async def _start(kernel: Kernel) -> None:
    from egide.services import chat_board, hearing_room, recording_store  # noqa: PLC0415 — only a platform that starts needs it

    kernel.things[hearing_room.THING] = hearing_room.Rooms(kernel)
    hearing_room.rooms(kernel).start()
    kernel.things[recording_store.THING] = recording_store.Recordings(kernel)
    recording_store.recordings(kernel).start()
    kernel.things[chat_board.THING] = chat_board.Board(kernel)
    chat_board.board(kernel).start()


async def _stop(kernel: Kernel) -> None:
    for name in ("hearings", "recordings"):
        if name in kernel.things:
            await kernel.things[name].stop()
    press = kernel.things.get("press")
    if press is not None:
        press.close()


def capability() -> Capability:
    """The capability. Imported here and not above: the processes in which files are parsed (apart.py) load none of it."""
    from egide.services import (  # noqa: PLC0415 — see above
        chat,
        chat_desk,
        chat_lapse,
        desk,
        devices,
        documents,
        drafts,
        exports,
        field_pack,
        file_check,
        hearing_room,
        holding,
        identities,
        notices,
        outbox,
        outbox_attach,
        outbox_kept,
        own_rights,
        recording,
        recording_store,
        reviews,
        rounds,
        signing,
        tables,
        upload_acts,
        upload_examining,
        upload_reading,
        uploads,
        wallets,
    )
    from egide.services.definition import catalogue  # noqa: PLC0415 — see above
    from egide.services.filing import category  # noqa: PLC0415 — see above

    kept = {category(definition): desk.erase for definition in catalogue().versions.values()}
    acts = (
        *drafts.ACTS,
        *identities.ACTS,
        *wallets.ACTS,
        *upload_acts.ACTS,
        *upload_examining.ACTS,
        *upload_reading.ACTS,
        *holding.ACTS,
        *documents.ACTS,
        *exports.ACTS,
        *notices.ACTS,
        *desk.ACTS,
        *signing.ACTS,
        *desk.generated(),
        *own_rights.ACTS,
        *hearing_room.ACTS,
        *recording.ACTS,
        *chat.ACTS,
        *chat_desk.ACTS,
        *chat_lapse.ACTS,
        *devices.ACTS,
        *outbox.ACTS,
        *outbox_attach.ACTS,
        *field_pack.ACTS,
        *reviews.ACTS,
        *rounds.ACTS,
    )
    erasers: dict[str, Eraser] = {
        drafts.CATEGORY: drafts.erase,
        identities.CATEGORY: identities.erase,
        wallets.CATEGORY: wallets.erase,
        **uploads.ERASERS,
        **outbox_kept.ERASERS,
        **chat.ERASERS,
        recording_store.CATEGORY: recording_store.erase,
        **kept,
    }
    return Capability(
        name="services",
        package="egide.services",
        acts=acts,
        tables=tables.metadata,
        erasers=erasers,
        removers={**uploads.REMOVERS, recording_store.CATEGORY: recording_store.remove},
        start=_start,
        rights=file_check.check,
        stop=_stop,
    )
