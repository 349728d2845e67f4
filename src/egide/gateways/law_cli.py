"""`egide law`: replay the acts of a span under other law; check a pack before anyone relies on it.

Replay is an act (`oversight.law.replay`): the running server performs it for the operator, or, when none runs, a platform
started for this alone. This file reads the pack, asks page after page, and shows what came.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from egide.gateways import standing
from egide.gateways.composition import composed
from egide.gateways.server_call import call
from egide.gateways.telling import Mark, tell
from egide.kernel.errors import Conflict, Text
from egide.kernel.identity import OPERATOR
from egide.kernel.law import PACKS
from egide.kernel.law_cases import wrong_cases
from egide.kernel.law_overlay import other_law, packs_in
from egide.kernel.settings import FILE, Settings
from egide.kernel.times import parse

ACT = "oversight.law.replay"
LIMIT = 1_000  # entries listed by one page
SHOWN = 200  # rows of a table on the terminal; --json has all
WAITED_S = 2.0  # s from which on progress is shown
Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
_COUNTS: dict[str, tuple[str, str, Mark]] = {
    "still_allowed": ("permis, comme alors", "allowed, as then", "plain"),
    "still_refused": ("refusés, comme alors", "refused, as then", "plain"),
    "now_refused": ("seraient refusés", "would now be refused", "note"),
    "now_allowed": ("seraient permis", "would now be allowed", "note"),
    "other_obligations": ("permis, avec d’autres obligations", "allowed, with other obligations", "note"),
    "not_gathered": ("indécidables : fait non recueilli", "cannot say: fact not gathered", "note"),
    "erased": ("indécidables : effacés", "cannot say: erased", "note"),
    "unreadable": ("indécidables : illisibles", "cannot say: unreadable", "wrong"),
    "no_such_act": ("indécidables : acte disparu", "cannot say: the act no longer exists", "note"),
}


def replay(
    settings: Settings, pack: Path, since: str, until: str, motive: str, json_file: Path | None, console: Console
) -> int:
    """Replays and shows; 0 whatever it finds. Raises `EgideError`."""
    files = packs_in(pack)
    given = {
        "files": files,
        "since": since,
        "until": until or datetime.now(UTC).isoformat(),
        "motive": motive,
        "limit": LIMIT,
    }
    for each in ("since", "until"):
        parse(str(given[each]))
    found = _ask(settings, lambda ask: _pages(ask, given, console))
    if json_file is not None:
        json_file.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")
    _show(found, console)
    return 0


def check(pack: Path, jurisdiction: str, console: Console) -> int:
    """Loads a pack over our own and runs every case of what results; 0 when all answer as they say."""
    book = other_law(packs_in(pack), PACKS, jurisdiction, datetime.now(UTC))
    wrong = wrong_cases(book)
    for case, said in wrong:
        got = ", ".join(said) or "—"
        tell(
            console,
            Text(
                f"{case.file} : {case.rule}, « {case.name} » : attendu {case.expect}, obtenu {got}",
                f"{case.file}: {case.rule}, “{case.name}”: expected {case.expect}, got {got}",
            ),
            "wrong",
        )
    count = len(book.cases)
    tell(
        console,
        Text(
            f"{len(book.rules)} règles, {count - len(wrong)} cas sur {count} répondent comme écrit.",
            f"{len(book.rules)} rules, {count - len(wrong)} of {count} cases answer as written.",
        ),
        "wrong" if wrong else "good",
    )
    return 1 if wrong else 0


def _ask(settings: Settings, work: Callable[[Ask], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """Runs `work` with the act as the operator: by the running server, or by a platform started for this alone."""
    running = standing.health(settings) is not None
    if running and not (settings.folder / "operator.token").exists():
        raise Conflict(
            Text(
                f"Sur le port {settings.port} répond une autre installation.",
                f"Another installation answers on port {settings.port}.",
            ),
            Text(
                f"Arrêtez-la, ou changez « port » dans {settings.folder / FILE}.",
                f"Stop it, or change “port” in {settings.folder / FILE}.",
            ),
        )

    async def remote(given: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = (await asyncio.to_thread(call, settings, ACT, given))["result"]
        return found

    async def asked() -> dict[str, Any]:
        if running:
            return await work(remote)
        with standing.store(settings):  # an empty folder is not an installation: say so rather than make one
            pass
        kernel, _application = composed().build(settings)

        async def local(given: dict[str, Any]) -> dict[str, Any]:
            outcome = await kernel.perform(ACT, msgspec.json.encode(given), OPERATOR)
            found: dict[str, Any] = msgspec.to_builtins(outcome.result)
            return found

        await kernel.start()
        try:
            return await work(local)
        finally:
            await kernel.stop()

    return asyncio.run(asked())


async def _pages(ask: Ask, given: dict[str, Any], console: Console) -> dict[str, Any]:
    """All pages in one; a bar once it takes more than two seconds."""
    whole: dict[str, Any] = {"counts": Counter(), "changed": [], "untold": []}
    began, bar, task = asyncio.get_running_loop().time(), None, None
    with ExitStack() as shown:
        while True:
            page = await ask(given)
            whole["counts"].update(page["counts"])
            whole["changed"] += page["changed"]
            whole["untold"] += page["untold"]
            whole |= {name: page[name] for name in ("law", "first", "end")}
            if page["next"] is None:
                break
            given = given | {"cursor": page["next"]}
            if bar is None and asyncio.get_running_loop().time() - began > WAITED_S:
                bar = shown.enter_context(Progress(console=console, transient=True, disable=not console.is_terminal))
                task = bar.add_task("Rejeu / replay", total=page["end"] - page["first"])
            if bar is not None and task is not None:
                bar.update(task, completed=page["next"] - page["first"])
    whole["counts"] = dict(whole["counts"])
    return whole


def _show(found: dict[str, Any], console: Console) -> None:
    law = found["law"]
    total = sum(found["counts"].values())
    tell(
        console,
        Text(
            f"{total} actes rejoués comme si ce droit ({law['rules']} règles, tel qu’au {law['day']}) avait été en vigueur.",
            f"{total} acts replayed as if this law ({law['rules']} rules, as of {law['day']}) had been in force.",
        ),
    )
    for kind, (fr, en, mark) in _COUNTS.items():
        count = found["counts"].get(kind, 0)
        if count:
            tell(console, Text(f"{count} {fr}", f"{count} {en}"), mark)
    if found["changed"]:
        console.print(_table(found["changed"][:SHOWN]))
    grouped = Counter((each["act"], each["why"]["fr"], each["why"]["en"]) for each in found["untold"])
    for (act, fr, en), count in grouped.most_common(SHOWN):
        tell(console, Text(f"{count} × {act} — {fr}", f"{count} × {act} — {en}"), "note")
    left = len(found["changed"]) - SHOWN
    if left > 0:
        tell(console, Text(f"… et {left} autres : --json les donne tous.", f"… and {left} more: --json has all."))


def _table(changed: list[dict[str, Any]]) -> Table:
    table = Table("n°", "UTC", "acte / act", "agent / officer", "deviendrait / would become", "article")
    for each in changed:
        fr, en, _ = _COUNTS[each["kind"]]
        why = [f"{reason['text']} {reason['article']}\n{reason['fr']}\n{reason['en']}" for reason in each["reasons"]]
        why += [f"+ {duty['kind']} {duty['detail']}" for duty in each["more"]]
        why += [f"- {duty['kind']} {duty['detail']}" for duty in each["less"]]
        words = (str(each["index"]), each["at"], each["act"], each["actor"][:8], f"{fr}\n{en}", "\n".join(why))
        table.add_row(*(escape(word) for word in words))
    return table
