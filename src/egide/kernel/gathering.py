"""The facts of an act: what the activity declares, what the kernel knows, what the act gathers — in that order.

Python gathers, it does not judge: booleans, counts and words from lists (the packs’ `text.toml`), never a time, a name, a place.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

from egide.kernel.act import Act, Ctx, Fact, Facts, no_facts
from egide.kernel.capability import Activity
from egide.kernel.clock import from_us, to_us
from egide.kernel.errors import StartupError, Text
from egide.kernel.identity import ANONYMOUS, Principal
from egide.kernel.law_model import legal_day

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from egide.kernel.guard import Guard
    from egide.kernel.kernel import Kernel

CONTROLS_S = 1.0  # s between looks at the controls of article 29(2)


class Gathering:
    """Knows which rule groups an act falls under, and supplies every fact they ask for."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._today: tuple[int, int, dict[str, Facts]] = (0, 0, {})  # from, until (µs); by act what holds all day
        self._controls: tuple[float, bool] = (float("-inf"), False)  # when last looked, what was seen

    def groups(self, act: Act) -> tuple[str, ...]:
        """The rule groups that apply: the act's own, its activity's regime and its verb's."""
        regime = self._kernel.activities[act.activity].regime
        found = ["ai", *act.groups]
        if regime != "none":
            found += ["personal-data", regime.lower()]
            if act.verb in ("consult", "disclose", "export"):
                found.append("consult-disclose")
        if act.verb == "decide":
            found.append("decision")
        return tuple(dict.fromkeys(found))

    def check(self, guard: Guard) -> None:
        """Every fact the law asks of an act must have somebody who supplies it. Raises `StartupError`."""
        sample = self._kernel_facts(ANONYMOUS, None, None, "", "", 0)
        for name, act in self._kernel.acts.items():
            if act.open:
                continue
            own = self._kernel.activities[act.activity].facts
            for fact in guard.required_facts(name):
                provider = guard.book.facts[fact].provider
                if provider == "kernel" and fact not in sample:
                    raise StartupError(
                        Text(f"Le noyau ne sait pas établir « {fact} ».", f"The kernel cannot establish “{fact}”."),
                        file="law",
                    )
                supplied = fact in own or fact in sample or fact in guard.book.groups["ai"].facts
                if not supplied and act.gather is no_facts:
                    raise StartupError(
                        Text(
                            f"L’activité « {act.activity} » ne dit rien de « {fact} », que la loi demande pour {name}.",
                            f"Activity “{act.activity}” says nothing of “{fact}”, which the law asks for {name}.",
                        ),
                        file="activities.toml",
                    )

    def forget(self) -> None:
        """The law is another: what held all day may not hold any more."""
        self._today = (0, 0, {})

    def facts(self, ctx: Ctx, given: Any, *, fresh: bool = False) -> Facts:
        """Activity constants, what the kernel knows, what the act gathers; in that order, the act's word last."""
        act = ctx.act
        principal = self._kernel.identity.again(ctx.principal, ctx.db) if fresh else ctx.principal
        motive = "duty" if act.duty else (getattr(given, "motive", None) or getattr(given, "reason", None) or "")
        found = self._standing(act, ctx.now_us).copy()
        found.update(
            self._passing(principal, act, self._kernel.activities[act.activity], ctx.purpose, motive, ctx.now_us)
        )
        found.update(act.gather(ctx, given))
        return {name: found[name] for name in self._kernel.guard.required_facts(act.name) if name in found}

    def _standing(self, act: Act, now_us: int) -> Facts:
        """The facts of an act that hold all day, put together once a day."""
        if not self._today[0] <= now_us < self._today[1]:
            self._today = (*day_of(now_us, self._kernel.book.zone), {})
        known = self._today[2]
        found = known.get(act.name)
        if found is None:
            activity = self._kernel.activities[act.activity]
            found = dict.fromkeys(self._kernel.book.groups["ai"].facts, False)
            found.update(dict.fromkeys(activity.ai, True))
            found.update(activity.facts)
            found.update(self._of_activity(activity, now_us))
            known[act.name] = found
        return found

    def _kernel_facts(
        self, principal: Principal, act: Act | None, activity: Activity | None, purpose: str, motive: str, now_us: int
    ) -> dict[str, Fact]:
        return self._of_activity(activity, now_us) | self._passing(principal, act, activity, purpose, motive, now_us)

    def _of_activity(self, activity: Activity | None, now_us: int) -> dict[str, Fact]:
        """What the kernel knows of the processing itself; it changes with the day at most."""
        return {
            "record_complete": activity is not None and activity.complete,
            "retention_rule": activity is not None and bool(activity.retention),
            "basis_in_force": activity is not None and self._based(activity, now_us),
            "basis_kind": activity.bases[0].kind if activity is not None and activity.bases else "none",
            "dpia_current": activity is not None and _recent(activity.dpia, now_us),
            "engagement_sent": activity is not None and activity.engagement is not None,
            "data_contested": False,
            "discriminatory_profiling": False,
        }

    def _based(self, activity: Activity, now_us: int) -> bool:
        book = self._kernel.book
        return activity.basis_in_force(book, legal_day(from_us(now_us), book.zone).isoformat())

    def _passing(
        self, principal: Principal, act: Act | None, activity: Activity | None, purpose: str, motive: str, now_us: int
    ) -> dict[str, Fact]:
        """What the kernel knows of this one request."""
        return {
            "habilitated": act is not None and principal.may(act, now_us),
            "strong_sign_in": principal.strong or (act is not None and "anyone" in act.roles),
            "purpose_listed": activity is not None and any(purpose == listed.id for listed in activity.purposes),
            # What must not wait for the ledger has the emergency journal.
            "ledger_ready": activity is not None
            and (self._kernel.writer.failed is None or (act is not None and act.emergency)),
            "motive_given": bool(motive.strip()),
            # Acts are performed by people; what the platform does by itself decides about nobody.
            "automated_decision": principal.kind != "person",
            "controls_ready": True if activity is None else self._controls_ready(),
        }

    def _controls_ready(self) -> bool:
        """Self-check of the controls of article 29(2): keys private, ledger writing, law loaded; looked at once a second."""
        now = monotonic()
        if now - self._controls[0] > CONTROLS_S:
            self._controls = (
                now,
                bool(self._kernel.book.rules) and self._kernel.settings.folder.stat().st_mode & 0o077 == 0,
            )
        return self._controls[1]


def day_of(now_us: int, zone: ZoneInfo) -> tuple[int, int]:
    """The jurisdiction's day in which a moment lies: from, until (µs). Laws and assessments come and go by it."""
    day = legal_day(from_us(now_us), zone)
    start, end = (datetime.combine(each, time.min, zone) for each in (day, day + timedelta(days=1)))
    return to_us(start), to_us(end)


def _recent(date: str | None, now_us: int) -> bool:
    """An impact assessment counts for three years (GDPR 35(11); the figure is ours)."""
    if date is None:
        return False
    made = datetime.fromisoformat(date).replace(tzinfo=UTC)
    return now_us / 1_000_000 - made.timestamp() < 3 * 365.25 * 86_400
