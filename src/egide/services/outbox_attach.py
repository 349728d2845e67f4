"""Files for a file, from an officer's device: they came before this act, and are the file's in its transaction, as one event."""

from __future__ import annotations

from sqlalchemy import Connection

from egide.kernel.act import Act, Ctx, Effect, Facts, act
from egide.services.desk import concerned, with_files
from egide.services.filing import OFFICERS
from egide.services.holding import ATTACHED, StepDone
from egide.services.model import EventBody, bound, file_owner, file_row, note
from egide.services.outbox_entries import ATTACH, AttachTo


def _gather_attach(ctx: Ctx, given: AttachTo) -> Facts:
    return concerned(ctx, given)


@act(
    ATTACH, verb="alter", activity="service-uploads", roles=OFFICERS, groups=["need-to-know"], gather=_gather_attach, duty=True,
    input=AttachTo, output=StepDone, fr="Joindre à un dossier les fichiers d’un envoi", en="Attach an entry’s files to a file",
)  # fmt: skip
def attach(ctx: Ctx, given: AttachTo) -> Effect:
    row, kernel, who = file_row(ctx.db, given.file), ctx.kernel, ctx.principal.id
    done = StepDone(row.number, row.state)

    def apply(connection: Connection) -> None:
        written = note(kernel, connection, row.id, ATTACHED, ctx.now_us, EventBody(made=given.made_at), who)
        done.event, effect.bulk = written.number, bound([written.hash])

    effect = Effect(done, apply=apply, concerns=(file_owner(row.id),))
    return with_files(ctx, given.staged, row.id, effect)


ACTS: tuple[Act, ...] = (attach,)
