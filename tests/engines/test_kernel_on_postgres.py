"""The kernel's and operations' own tests once more, on PostgreSQL: one contract, every engine.

Left out are those that look into SQLite's file or bend its pragmas; what they show is shown for PostgreSQL in test_postgres.py.
"""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.kernel import (
    conftest,
    test_door,
    test_erasure,
    test_events,
    test_identity,
    test_jobs,
    test_leases,
    test_ledger_export,
    test_orders,
    test_retention,
    test_writer,
)
from tests.operations import test_watching

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("on_postgres")]

SQLITE_ONLY = {
    "test_a_full_disk_refuses_with_the_reason_and_recovers",  # bends a pragma
    "test_a_restart_after_a_full_disk_finds_a_whole_ledger",  # the same
    "test_a_store_that_another_process_holds_refuses_and_recovers",  # locks SQLite's file
    "test_names_are_sealed_with_a_key_of_their_own",  # reads the file's bytes
    "test_what_is_said_is_sealed",  # the same
}


def _again(module: ModuleType) -> None:
    """Makes the module's tests and fixtures this module's."""
    short = module.__name__.rpartition(".test_")[2]
    for name, thing in vars(module).items():
        if name.startswith("test_") and callable(thing) and name not in SQLITE_ONLY:
            globals()[f"test_{short}_{name.removeprefix('test_')}"] = thing
        elif type(thing).__name__ == "FixtureFunctionDefinition":
            globals().setdefault(name, thing)


for each in (
    conftest,
    test_door,
    test_erasure,
    test_events,
    test_identity,
    test_jobs,
    test_leases,
    test_ledger_export,
    test_orders,
    test_retention,
    test_watching,
    test_writer,
):
    _again(each)
