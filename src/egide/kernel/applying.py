"""What acts do to the store, inside the writer's transaction: rows and changes, many acts with one statement, or an act alone.

An act is alone where it must be decided again (another act may have changed what it rests on), runs code of its own in the
transaction, or collided: then it has a savepoint, and only it fails.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, insert
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from egide.kernel import tables
from egide.kernel.act import Change, Ctx, Rows
from egide.kernel.errors import BadInput, Conflict, EgideError, Failed, Refused, Text
from egide.kernel.work import Work

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.writer")

_HANDLED = ("consumer", "seq")


class Apart(Exception):
    """A change of some act did not touch its row."""


class Applying:
    """Writes what the acts of a batch do."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def together(self, connection: Connection, works: list[Work]) -> None:
        """Writes what these acts do, each statement once for all. Raises `Apart` where one must be told from the others."""
        series: dict[tuple[Any, str], list[Callable[[int], None]]] = {}
        for work in works:
            numbered = work.effect.numbered if work.effect is not None else None
            if numbered is not None:
                series.setdefault((numbered.draw, numbered.series), []).append(numbered.told)
        for (draw_, name), told in series.items():
            for number, tell in enumerate(told, draw_(connection, name, len(told))):
                tell(number)
        rows: dict[tuple[Table, tuple[str, ...]], list[tuple[Any, ...]]] = {}
        changes: dict[tuple[int, bool], list[Change]] = {}
        for work in works:
            for table, row in self._rows(work, answered=True):
                rows.setdefault((table, tuple(row)), []).append(tuple(row.values()))
            for change in work.effect.changes if work.effect is not None else ():
                changes.setdefault((id(change.statement), change.missed is None), []).append(change)
        for (table, columns), values in rows.items():
            self._kernel.store.insert(connection, table, columns, values)
        for (_, lenient), same in changes.items():
            touched = self._kernel.store.change(connection, same[0].statement, [change.values for change in same])
            if not lenient and touched != len(same):
                raise Apart
        for work in works:
            self._shred(work)
        works.clear()

    def _shred(self, work: Work) -> None:
        for person, purpose in work.effect.shreds if work.effect is not None else ():
            self._kernel.vault.shred(person, purpose)

    def _rows(self, work: Work, *, answered: bool) -> Rows:
        """What an act inserts, and what says that it was done; `answered`: its result is known by now."""
        effect = work.effect
        rows: Rows = []
        if work.once is not None and once(work):
            rows.append((tables.handled, dict(zip(_HANDLED, work.once, strict=True))))
        if effect is None:
            return rows
        if work.asked is not None:
            known = effect if answered else None
            row = self._kernel.repeats.row(work.asked, work.id, work.ctx.now_us, known)
            rows.append((tables.client_act, row))
        return rows + effect.inserts

    def alone(self, connection: Connection, work: Work, epoch: int) -> bool:
        """Decides again on what may have changed, then writes under a savepoint; False when the act ends here with an error."""
        savepoint, condemned = connection.begin_nested(), self._kernel.vault.condemned

        def undone() -> None:
            savepoint.rollback()
            self._kernel.vault.spare(condemned)

        try:
            if not self._still_allowed(connection, work, epoch):
                undone()
                return True
            effect = work.effect
            if effect is not None and effect.numbered is not None:
                numbered = effect.numbered
                numbered.told(numbered.draw(connection, numbered.series, 1))
            for table, row in self._rows(work, answered=False):
                connection.execute(insert(table), row)
            if effect is not None:
                for change in effect.changes:
                    change.make(connection)
                self._shred(work)
                if effect.apply is not None:
                    effect.apply(connection)
                if work.asked is not None:
                    self._kernel.repeats.answer(connection, work.asked, effect)
        except DataError:
            undone()
            work.error = BadInput(
                Text(
                    "Une valeur donnée est trop longue ou ne s’écrit pas.",
                    "A given value is too long or cannot be written.",
                ),
                Text("Raccourcissez-la, puis renvoyez.", "Shorten it, then send again."),
            )
            return False
        except IntegrityError:
            undone()
            work.error = Conflict(
                Text("Cela existe déjà ou a changé entre-temps.", "This exists already or has changed meanwhile."),
                Text("Actualisez la page, puis recommencez.", "Refresh the page, then try again."),
            )
            return False
        except EgideError as error:
            undone()
            work.error = error
            return False
        except (SQLAlchemyError, OSError):
            raise  # the store's trouble, not this act's: the whole batch ends
        except Exception:
            # Foreign code inside the transaction: its mistake is its own act's end, and nobody else's.
            log.exception("%s failed while it was written", work.act.name)
            undone()
            work.error = Failed()
            return False
        savepoint.commit()
        return True

    def _still_allowed(self, connection: Connection, work: Work, epoch: int) -> bool:
        act = work.act
        if work.settled or (work.epoch == epoch and act.recheck is None):
            return True
        was = work.ctx
        ctx = Ctx(
            self._kernel, was.principal, act, was.now_us, connection, was.purpose, was.cause, consumer=was.consumer
        )
        if work.epoch != epoch or act.recheck is None:
            facts = self._kernel.facts(ctx, work.given, fresh=True)
        else:
            facts = work.facts | dict(act.recheck(ctx, work.given))
        if facts == work.facts:
            return True
        decision = self._kernel.guard.decide(act.name, facts)
        work.facts, work.decision = facts, decision
        if decision.allowed:
            return True
        work.effect, work.outcome = None, "refused"
        work.error = Refused(decision)
        return False


def once(work: Work) -> bool:
    """Whether it is written that this event was handled: also by a call for help that was refused (`Work.once`)."""
    return work.once is not None and (work.effect is not None or work.act.emergency)
