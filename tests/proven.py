"""What of `make proof` has passed on this very tree: a run of hours that was cut goes on where it was.

`make proof` names two files: `PROOF_RECORD`, where each test that passed is written down as it ends, and `PROOF_BEFORE`, the
same file as it was when the run began (the lanes must all leave out the same tests). Both are named after git’s hash of the tree;
where anything differs from what is committed, there is no such name and everything runs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

RECORD = os.environ.get("PROOF_RECORD", "")
BEFORE = os.environ.get("PROOF_BEFORE", "")


class Proven:
    """The plugin; only where a record is kept."""

    def __init__(self, record: Path, before: Path) -> None:
        self._record = record
        self._known = frozenset(before.read_text("utf-8").splitlines()) if before.exists() else frozenset()
        self._calls: set[str] = set()

    @pytest.hookimpl(trylast=True)  # after `-m` chose
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leaves out what is known."""
        known = [item for item in items if item.nodeid in self._known]
        if known:
            items[:] = [item for item in items if item.nodeid not in self._known]
            config.hook.pytest_deselected(items=known)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Writes down what passed, once its end passed too."""
        if not report.passed:
            self._calls.discard(report.nodeid)
        elif report.when == "call":
            self._calls.add(report.nodeid)
        elif report.when == "teardown" and report.nodeid in self._calls:
            with self._record.open("a", encoding="utf-8") as out:
                out.write(report.nodeid + "\n")


def plugin(config: pytest.Config) -> None:
    """Registers it; in a lane it only leaves out, for the lanes' reports all reach the one process that writes."""
    if not RECORD or not BEFORE:
        return
    found = Proven(Path(RECORD), Path(BEFORE))
    if hasattr(config, "workerinput"):
        found._record = Path(os.devnull)
    config.pluginmanager.register(found, "proven")
