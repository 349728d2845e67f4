"""The one door: validate → gather facts → decide → (refuse, naming every article) → compute → one durable transaction → reply →
publish.

`Kernel.perform` is the way in; what was decided elsewhere (a lease that ended) is only written down (`record`).
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy.exc import DatabaseError

from egide.kernel.act import Act, Ctx, Effect, Facts, Receipt
from egide.kernel.emergency import Journalled, NoStore
from egide.kernel.errors import (
    BadInput,
    Conflict,
    EgideError,
    Failed,
    NotFound,
    NotSignedIn,
    Refused,
    Text,
    TooLarge,
    TooMany,
    Unavailable,
)
from egide.kernel.guard import Decision
from egide.kernel.identity import ANONYMOUS, Principal
from egide.kernel.randomness import draw
from egide.kernel.repeats import Asked, kept
from egide.kernel.store import unavailable
from egide.kernel.together import Batch
from egide.kernel.work import Work

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.door")


@dataclass(slots=True)
class Outcome:
    """What `perform` gives back: the act's result and where it stands in the ledger (None for the open class)."""

    result: Any
    receipt: Receipt | None
    effect: Effect
    journal: Journalled | None = None  # where it stands until the ledger takes it

    def told(self) -> Any:
        """The result for who goes on listening: as it is now; as it was decided where the store does not answer."""
        if self.effect.latest is None:
            return self.result
        try:
            return self.effect.latest()
        except (EgideError, DatabaseError):
            return self.result


class Door:
    """The way of every act through one process."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    async def perform(
        self,
        name: str,
        raw: bytes | msgspec.Struct,
        principal: Principal,
        *,
        cause: str,
        channel: Any,
        address: str,
        once: tuple[str, int] | None,
        batch: Batch | None,
    ) -> Outcome:
        """See `Kernel.perform`."""
        act = self._admitted(name, principal, channel)
        if act.name != name:
            raw = b"{}"  # what is never done reads nothing, and keeps nothing of what it was given
        if batch is None:
            self._within_limits(principal, address)
        given, raw = _read(act, raw)
        if principal is ANONYMOUS and "anyone" not in act.roles and not act.open:
            raise NotSignedIn(
                Text(
                    "Vous n’êtes pas connecté, ou votre session est terminée.",
                    "You are not signed in, or your session has ended.",
                ),
                Text("Connectez-vous, puis recommencez.", "Sign in, then try again."),
            )
        ctx = self._ctx(act, principal, cause, channel, address)
        ctx.shared = batch.shared if batch is not None else None
        ctx.consumer = once[0] if once is not None else ""
        if act.open:
            return await self._open(act, ctx, given)
        activity = self._kernel.activities[act.activity]
        ctx.purpose = (
            getattr(given, "purpose", None) if getattr(given, "says_purpose", True) else None
        ) or activity.purposes[0].id
        if act.emergency:
            return await self._urgent(act, ctx, given, raw)
        return await self._ordinary(act, ctx, given, raw, once, batch)

    def _admitted(self, name: str, principal: Principal, channel: Any) -> Act:
        """The act of this name, where it exists for who asks and for the way they ask."""
        act = self._kernel.act_of(name)
        if act is None or (act.system and principal.kind != "system") or (act.live and channel is None):
            name = name if act is None else act.name
            raise NotFound(Text(f"Cet acte n’existe pas ici : {name}.", f"There is no such act here: {name}."))
        return act

    def _within_limits(self, principal: Principal, address: str) -> None:
        if principal.kind != "system" and not self._kernel.buckets.take(principal.id or address):
            raise TooMany(
                Text("Trop de demandes en peu de temps.", "Too many requests in a short time."),
                Text("Attendez quelques secondes.", "Wait a few seconds."),
            )

    async def _open(self, act: Act, ctx: Ctx, given: Any) -> Outcome:
        """An act of the open class: it touches nobody, is decided by no rule, and only counted."""
        counted = self._kernel.counted
        counted[act.name] = counted.get(act.name, 0) + 1
        try:
            effect = await _resolved(act.handler(ctx, given))
        except EgideError:
            raise
        except Exception as error:  # an act's own code: whatever it raises reaches people as a sentence
            raise _plain(act.name, error) from error
        return Outcome(effect.result, None, effect)

    async def _ordinary(
        self, act: Act, ctx: Ctx, given: Any, raw: bytes, once: tuple[str, int] | None, batch: Batch | None
    ) -> Outcome:
        """Decided, done and durable; or done before, where a device asks again."""
        asked = self._kernel.repeats.asked(act, ctx.principal, given)
        # Used meanwhile all the same, it collides when it is written.
        again = None if asked is None or (batch is not None and asked.client in batch.new) else self._again(asked)
        if again is not None:
            return again
        try:
            if act.prepare is not None:
                await act.prepare(ctx, given)
            epoch = self._epoch_of(ctx.principal)
            facts = self._kernel.facts(ctx, given)
            decision = self._kernel.guard.decide(act.name, facts)
            computed = await _resolved(act.handler(ctx, given)) if decision.allowed else None
        except EgideError:
            again = self._again(asked)  # what refuses it may be that it was done a moment ago
            if again is None:
                raise
            return again
        except Exception as error:  # as above; nothing has been done yet
            raise _plain(act.name, error) from error
        try:
            receipt = await self._record(
                act, ctx, given, raw, facts, decision, computed, epoch, once=once, asked=asked, batch=batch
            )
        except Conflict:
            again = self._again(asked)  # the same was on its way already
            if again is None:
                raise
            return again
        effect = computed or Effect()
        try:
            await _carried_out(effect, receipt)
        except (EgideError, OSError):
            # The decision is in the ledger; that its effect did not happen must be there too (two commits, design §2).
            ctx.cause = receipt.id
            await self._record(
                act, ctx, given, raw, facts, decision, Effect(order=effect.order), epoch, outcome="failed"
            )
            raise
        return Outcome(effect.result, receipt, effect)

    def _again(self, asked: Asked | None) -> Outcome | None:
        """The first outcome of what a device asks again."""
        done = self._kernel.repeats.done(asked) if asked is not None else None
        return Outcome(done[0], done[1], Effect(done[0])) if done is not None else None

    def _ctx(self, act: Act, principal: Principal, cause: str, channel: Any, address: str) -> Ctx:
        if act.emergency:  # neither the store nor a wrong clock may keep it
            return Ctx(
                self._kernel, principal, act, self._kernel.clock.latest_us(), NoStore.connection(), cause=cause, channel=channel, address=address,
                seed=draw(32),
            )  # fmt: skip
        return Ctx(
            self._kernel,
            principal,
            act,
            self._kernel.clock.now_us(),
            self._kernel.store.reader(),
            cause=cause,
            channel=channel,
            address=address,
        )

    async def _urgent(self, act: Act, ctx: Ctx, given: Any, raw: bytes) -> Outcome:
        """An emergency act: decided from memory, into the ledger where it answers in time, else into the emergency journal."""
        try:
            epoch = self._epoch_of(ctx.principal)
            facts = self._kernel.facts(ctx, given)
            decision = self._kernel.guard.decide(act.name, facts)
            computed = await _resolved(act.handler(ctx, given)) if decision.allowed else None
        except EgideError:
            raise
        except Exception as error:  # as in `perform`: an act's own code
            raise _plain(act.name, error) from error
        receipt, journal = await self._kernel.emergency.keep(
            self._work(act, ctx, given, raw, facts, decision, computed, epoch, "allowed")
        )
        effect = computed or Effect()
        await _carried_out(effect, receipt)
        return Outcome(effect.result, None if journal else receipt, effect, journal)

    async def _record(
        self,
        act: Act,
        ctx: Ctx,
        given: Any,
        raw: bytes,
        facts: Facts,
        decision: Decision,
        effect: Effect | None,
        epoch: int,
        *,
        outcome: str = "allowed",
        once: tuple[str, int] | None = None,
        asked: Asked | None = None,
        batch: Batch | None = None,
    ) -> Receipt:
        """Hands the decided act to the writer and waits until it is durable; raises the refusal or the failure."""
        work = self._work(act, ctx, given, raw, facts, decision, effect, epoch, outcome)
        work.once, work.asked = once, asked
        if batch is not None and batch.holding:
            batch.held.append(work)
        else:
            self._kernel.writer.submit(work)
        receipt: Receipt = await work.future
        return receipt

    def _work(
        self, act: Act, ctx: Ctx, given: Any, raw: bytes, facts: Facts, decision: Decision, effect: Effect | None,
        epoch: int, outcome: str,
    ) -> Work:  # fmt: skip
        if self._kernel.loop is None:
            raise Unavailable(Text("La plateforme n’est pas démarrée.", "The platform is not started."))
        if getattr(given, "unkept", None):
            raw = kept(given)
        work = Work(
            act, ctx, given, raw, facts, decision, effect, outcome if decision.allowed else "refused",
            epoch, draw(16).hex(), self._kernel.loop.create_future(),
        )  # fmt: skip
        self._kernel.bus.expect(work.id)
        if not decision.allowed:
            work.error = Refused(decision)
        return work

    async def record(
        self, name: str, given: Any, principal: Principal, decision: Decision, facts: Facts, *, cause: str
    ) -> Receipt:
        """Writes down a decision that was taken elsewhere than at `perform`: a lease that ended, an effect's outcome."""
        act = self._kernel.acts[name]
        ctx = Ctx(self._kernel, principal, act, self._kernel.clock.now_us(), self._kernel.store.reader(), cause=cause)
        try:
            return await self._record(
                act, ctx, given, msgspec.json.encode(given), facts, decision, None, self._kernel.epoch
            )
        except Refused as refusal:
            realm, index = refusal.receipt or (self._kernel.settings.realm, -1)
            return Receipt(realm, index, "")

    def committed(self, batch: list[Work]) -> None:
        """A batch is durable (or failed): answers its callers on the event loop and publishes. Called by the writer's thread."""
        if self._kernel.loop is None or self._kernel.loop.is_closed():
            return
        self._kernel.loop.call_soon_threadsafe(self._answer, batch)

    def _answer(self, batch: list[Work]) -> None:
        if any(work.error is None and work.effect is not None and work.effect.rights_changed for work in batch):
            self._kernel.forget()
        for work in batch:
            if isinstance(work.error, Refused) and work.receipt is not None:
                work.error.receipt = (work.receipt.realm, work.receipt.index)
            if not work.future.done():
                if work.error is not None:
                    work.future.set_exception(work.error)
                else:
                    work.future.set_result(work.receipt)
        self._kernel.measures.answered(batch, self._kernel.clock.read_us())
        self._kernel.bus.publish(batch)

    def _epoch_of(self, principal: Principal) -> int:
        """Of the rights that a decision rests on: whoever waited with a request holds older ones than this process knows."""
        return self._kernel.epoch if principal.epoch is None else min(self._kernel.epoch, principal.epoch)


def _read(act: Act, raw: bytes | msgspec.Struct) -> tuple[Any, bytes]:
    """What an act is given, and its bytes as they are kept."""
    if isinstance(raw, msgspec.Struct):
        return raw, msgspec.json.encode(raw)
    if len(raw) > act.max_bytes:
        raise TooLarge(
            Text(
                f"Trop volumineux : {len(raw)} octets pour {act.max_bytes} au plus.",
                f"Too large: {len(raw)} bytes, {act.max_bytes} at most.",
            )
        )
    try:
        return act.decoder.decode(raw or b"{}"), raw
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(
            Text(
                f"La demande n’a pas la forme attendue : {error}",
                f"The request does not have the expected form: {error}",
            ),
            Text("Corrigez le champ nommé, puis renvoyez.", "Correct the field named, then send again."),
        ) from error


def _plain(act: str, error: Exception) -> EgideError:
    """What an act's code raised, as an error for people."""
    if isinstance(error, OverflowError):
        return BadInput(Text("Un nombre donné est trop grand.", "A given number is too large."))
    if isinstance(error, DatabaseError):
        return unavailable(error)
    log.error("%s failed", act, exc_info=error)
    return Failed()


async def _resolved(value: Effect | Awaitable[Effect]) -> Effect:
    return value if isinstance(value, Effect) else await value


async def _carried_out(effect: Effect, receipt: Receipt) -> None:
    """What an act does once it is durable."""
    if effect.after is not None:
        done = effect.after(receipt)
        if inspect.isawaitable(done):
            await done
