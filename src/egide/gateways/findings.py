"""What an examination finds: a mark, a sentence, what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from egide.gateways.telling import Mark
from egide.kernel.errors import EgideError, StartupError, Text


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination; only `wrong` makes it fail."""

    mark: Mark
    what: Text
    do: Text | None = None


Findings = Iterator[Finding]
Count = Callable[[int, int], None]  # (done, total), for the bar of a long check


def failed(error: EgideError) -> Finding:
    """An error as a finding, with file, line and what was probably meant."""
    if not isinstance(error, StartupError):
        return Finding("wrong", error.what, error.do)
    place = f"{error.file}:{error.line} : " if error.line is not None else (f"{error.file} : " if error.file else "")
    meant_fr = f" Vouliez-vous dire « {error.suggestion} » ?" if error.suggestion else ""
    meant_en = f" Did you mean “{error.suggestion}”?" if error.suggestion else ""
    return Finding("wrong", Text(f"{place}{error.what.fr}{meant_fr}", f"{place}{error.what.en}{meant_en}"), error.do)


def same(text: str) -> Text:
    """A command, the same in every language."""
    return Text(text, text)


def size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
