"""`egide doctor`: looks at an installation, running or not, and says in plain words what is well, what is not, what to do.

Reads only: what a check changed would be lost to whoever has to understand what happened.
"""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress

from egide.gateways import checks_cards, checks_consortium, checks_data, checks_engines, checks_machine, checks_stored
from egide.gateways.findings import Count
from egide.gateways.telling import tell
from egide.kernel.errors import Text
from egide.kernel.settings import Settings

CHECKS = (
    checks_machine.machine, checks_data.folder, checks_data.law, checks_engines.postgres, checks_data.store, checks_engines.version,
    checks_data.ledger, checks_data.whole, checks_stored.stored, checks_data.witnesses, checks_engines.bus, checks_engines.witnesses, checks_engines.saved, checks_engines.journal, checks_engines.identity, checks_engines.wallet,
    checks_cards.cards, checks_consortium.consortium,
    checks_machine.pages, checks_machine.video, checks_machine.transport, checks_machine.port,
)  # fmt: skip


def examine(settings: Settings, console: Console) -> int:
    """Tells each finding as it is made; 0 if all is well (remarks do not count), else 1."""
    wrong = 0
    for check in CHECKS:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            found = list(check(settings, _counter(bar)))
        for finding in found:
            tell(console, finding.what, finding.mark, finding.do)
            wrong += finding.mark == "wrong"
    console.print()
    if wrong:
        tell(console, Text(f"À corriger : {wrong}.", f"To put right: {wrong}."), "wrong")
        return 1
    tell(console, Text("Tout va bien.", "All is well."), "good")
    return 0


def _counter(bar: Progress) -> Count:
    def count(done: int, total: int) -> None:
        task = bar.task_ids[0] if bar.task_ids else bar.add_task("Registre / ledger")
        bar.update(task, completed=done, total=total)

    return count
