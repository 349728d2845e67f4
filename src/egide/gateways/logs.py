"""Logs without personal data: JSON lines for machines, plain lines on a terminal, and a filter that lets only known words by.

Why a filter and not care: whoever writes a log line in a hurry passes what is at hand, and that is a name, an id, an address.
So a value gets through only if it is a whole number or a word the platform itself defines (an act, an activity, a rule, a kind
of error); all else becomes `…`. Our own messages are constants (tested); of other people's code only the place that spoke is
told. Errors are told by kind and place, never by their text. Sources: GDPR 5(1)(c), 25(1); CNIL, guide sur la journalisation.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from egide.kernel.errors import EgideError, StartupError, Text

OURS = "egide"
HIDDEN = "…"
MAX_FRAMES = 8  # of a traceback
Known = Callable[[str], bool]


class Words:
    """The words that may stand in a log: filled once the platform is built."""

    def __init__(self) -> None:
        self._known: frozenset[str] = frozenset()

    def learn(self, kernel: Any) -> None:
        """Acts, activities, rules and facts: names that the program defines, none of which anybody types."""
        self._known = frozenset((*kernel.acts, *kernel.activities, *kernel.book.rules, *kernel.book.facts))

    def __call__(self, word: str) -> bool:
        """Whether this very word may be told."""
        return word in self._known


class Clean(logging.Filter):
    """Makes each record safe before anything formats it; where the message came from outside, its place stands for it."""

    def __init__(self, known: Known) -> None:
        super().__init__()
        self._known = known

    def filter(self, record: logging.LogRecord) -> bool:
        """Always lets the record by, cleaned."""
        ours = record.name == OURS or record.name.startswith(f"{OURS}.")
        event = self._event(record) if ours else f"{record.module}:{record.lineno}"
        record.fault = _fault(record.exc_info[1]) if record.exc_info else None
        record.msg, record.args, record.exc_info, record.exc_text, record.stack_info = (
            event,
            (),
            None,
            None,
            None,
        )
        return True

    def _event(self, record: logging.LogRecord) -> str:
        if not isinstance(record.msg, str):
            return HIDDEN
        given = record.args if isinstance(record.args, tuple) else (record.args,) if record.args else ()
        if not given:
            return record.msg if "%" not in record.msg else record.msg.replace("%%", "%")
        try:
            return record.msg.replace("%r", "%s").replace("%d", "%s") % tuple(self._told(each) for each in given)
        except (TypeError, ValueError):
            return record.msg

    def _told(self, value: object) -> str:
        if isinstance(value, bool | int):
            return str(value)
        if isinstance(value, BaseException):
            return type(value).__name__
        if isinstance(value, str) and self._known(value):
            return value
        return HIDDEN


class Json(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, process: Callable[[], str]) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """`time`, `level`, `logger`, `event`, `process`, and of an error `error` and `where`."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(), "logger": record.name, "event": record.getMessage(), "process": self._process(),
        }  # fmt: skip
        return json.dumps(line | (getattr(record, "fault", None) or {}), ensure_ascii=False)


class Plain(logging.Formatter):
    """One line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """Level, logger, message, and of an error its kind and place."""
        fault = getattr(record, "fault", None)
        tail = f" [{fault['error']} {' < '.join(fault['where'])}]" if fault else ""
        return f"{record.levelname} {record.name}: {record.getMessage()}{tail}"


def configure(mode: str, *, level: int = logging.WARNING, stream: IO[str] | None = None) -> Words:
    """Sends every log of this process, ours and others', through the filter to `stream` (stderr). Raises `StartupError`."""
    if mode not in ("", "json", "plain"):
        raise StartupError(
            Text(f"Réglage « logs » inconnu : {mode}", f"Unknown setting “logs”: {mode}"),
            Text("Mettez json, plain, ou rien.", "Write json, plain, or nothing."),
            file="egide.toml",
        )
    out = stream or sys.stderr
    words = Words()
    handler = logging.StreamHandler(out)
    handler.addFilter(Clean(words))
    plain = mode == "plain" or (mode == "" and out.isatty())
    handler.setFormatter(Plain() if plain else Json(lambda: str(os.getpid())))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # what cannot be logged is not printed raw instead
    return words


def _fault(error: BaseException | None) -> dict[str, Any] | None:
    """An error by kind, and the places it went through, innermost first."""
    if error is None:
        return None
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    kind = f"{type(error).__name__}:{error.code}" if isinstance(error, EgideError) else type(error).__name__
    return {
        "error": kind,
        "where": [f"{Path(each.filename).name}:{each.lineno} {each.name}" for each in reversed(frames)],
    }
