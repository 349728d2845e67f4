"""`egide source check URL`: what is wrong with a feed, in plain words, before anyone relies on it in the field.

Exit codes: 0 fine, 1 usable with remarks, 2 unusable. The address is shown without user, pass word, path and parameters.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields

from rich.console import Console
from rich.progress import Progress

from egide.gateways.telling import tell
from egide.kernel.errors import Text
from egide.operations.media.examine import Measured, measure
from egide.operations.media.remarks import Remark, judge, verdict

_VERDICTS = (
    Text("Bonne source.", "A good source."),
    Text("Utilisable, avec ces remarques.", "Usable, with these remarks."),
    Text("Inutilisable en l’état.", "Unusable as it is."),
)
_WORDS = ("fine", "remarks", "unusable")


def check(url: str, seconds: float, as_json: bool, console: Console, errors: Console) -> int:
    """Looks, tells, and gives the exit code."""
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("Réception / receiving", total=1.0)
        found = measure(url, seconds, lambda share: bar.update(task, completed=share))
    said = judge(found)
    code = verdict(said)
    if as_json:
        console.print_json(json.dumps(_plain(found, said, code)))
        return code
    tell(console, Text(found.address, found.address))
    for remark in said:
        do = Text(remark.do_fr, remark.do_en) if remark.do_fr else None
        tell(console, Text(remark.fr, remark.en), remark.mark, do)
    console.print()
    tell(console, _VERDICTS[code], ("good", "note", "wrong")[code])
    return code


def _plain(found: Measured, said: list[Remark], code: int) -> dict[str, object]:
    measured = {each.name: getattr(found, each.name) for each in fields(found)}
    measured["error"] = found.error.code if found.error else None
    return {"verdict": _WORDS[code], "exit": code, "measured": measured, "remarks": [asdict(remark) for remark in said]}
