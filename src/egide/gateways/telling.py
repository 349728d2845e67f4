"""How the command line speaks: French, then English under it, with a mark that does not rest on colour alone.

Lines are never cut by the width of the terminal: an address or a key that is cut cannot be copied.
"""

from __future__ import annotations

from typing import Literal

from rich.console import Console
from rich.text import Text as Styled

from egide.kernel.errors import Text

Mark = Literal["good", "note", "wrong", "plain"]
MARKS: dict[Mark, tuple[str, str]] = {
    "good": ("✓ ", "green"),
    "note": ("• ", "yellow"),
    "wrong": ("✗ ", "bold red"),
    "plain": ("", ""),
}


def tell(console: Console, what: Text, mark: Mark = "plain", do: Text | None = None) -> None:
    """Prints what is, and under it what to do."""
    sign, style = MARKS[mark]
    indent = " " * len(sign)
    console.print(Styled.assemble((sign, style), what.fr), soft_wrap=True)
    if what.en != what.fr:
        console.print(Styled(indent + what.en, "dim"), soft_wrap=True)
    if do is not None:
        console.print(Styled(f"{indent}→ {do.fr}"), soft_wrap=True)
        if do.en != do.fr:
            console.print(Styled(f"{indent}→ {do.en}", "dim"), soft_wrap=True)


def raw(console: Console, line: str) -> None:
    """A line to copy: an address, a code, a key."""
    console.print(Styled(line, "bold"), soft_wrap=True)
