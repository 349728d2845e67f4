"""A conversation that nobody ends, of which the person chose to keep something: after a day without a word it becomes its file.

Whoever is watched closes the window and does not come back, and the officer may wait for them. What was promised holds all the
same: number and code open a file, and who wanted to be called back is in the officers' queue. So the clock of silence stops for
such a conversation (chat.py) and this act, a job, looks after it instead. Of any other nothing is kept.
"""

from __future__ import annotations

from sqlalchemy import Connection, insert

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Nothing, act
from egide.kernel.errors import Text
from egide.kernel.retention import erase_at
from egide.services.chat import LAPSE, Lapsing, ended, lapsing
from egide.services.chat_board import PURPOSE, SILENCE, board, definition

SAID = Text(
    "La conversation s’est terminée d’elle-même : plus personne n’y a écrit.",
    "The conversation ended by itself: nobody wrote in it any more.",
)


@act(
    LAPSE, verb="erase", activity=PURPOSE, roles=["system"], system=True, duty=True, input=Lapsing,
    fr="Terminer une conversation où plus personne n’écrit", en="End a conversation in which nobody writes any more",
)  # fmt: skip
def lapse(ctx: Ctx, given: Lapsing) -> Effect:
    kernel, chat = ctx.kernel, board(ctx.kernel).find(given.chat)
    if chat is None:
        return Effect(Nothing())  # ended meanwhile
    last = max((line.at for line in chat.lines), default=0)
    due = erase_at(kernel, SILENCE, last)
    if ctx.now_us < due:

        def again(connection: Connection) -> None:
            connection.execute(insert(kernel_tables.job), lapsing(chat.id, f"{chat.number}.{last}", due))

        return Effect(Nothing(), apply=again)
    way = "hand_over" if chat.called_back else "close"
    step = next(one for one in definition(chat.version).transitions if one.id == way)
    effect = ended(ctx, chat, step, SAID.en if chat.lang == "en" else SAID.fr, "")
    effect.result, effect.actor = Nothing(), None
    return effect


ACTS: tuple[Act, ...] = (lapse,)
