"""Brings a store to this version with Alembic: one history, whose newest revision must equal the declared tables (tested).

After 0001 revisions only add (tested, docs/decisions/0024): an older program goes on beside a newer one, and may start again
on the store that the newer one has revised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.resources import files

from sqlalchemy import Connection, Engine, MetaData, Table, inspect, text

HEAD = "0018"  # the newest revision; a test keeps it equal to the scripts'


def upgrade(engine: Engine, every: Iterable[MetaData], lead: Callable[[Connection], None] | None = None) -> None:
    """Runs the missing revisions; an up-to-date store costs two looks and no import of Alembic.

    `lead` keeps two processes that start together from upgrading both.
    """
    every = tuple(every)
    with engine.connect() as connection:
        if not behind(current(connection)) and not _missing(connection, every):
            return
    with engine.begin() as connection:
        if lead is not None:
            lead(connection)
        if behind(current(connection)):
            _revise(connection)
        for metadata, absent in _missing(connection, every):
            metadata.create_all(connection, tables=absent, checkfirst=False)


def behind(found: str | None) -> bool:
    """Whether a store at this revision lacks something that this program needs. Revisions are numbered, four digits each."""
    return found is None or found < HEAD


def current(connection: Connection) -> str | None:
    """Revision of the stored tables; None while there are none."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(found) if found is not None else None


def _revise(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 — 0.3 s to import and rarely needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(files("egide.kernel") / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _missing(connection: Connection, every: Iterable[MetaData]) -> list[tuple[MetaData, list[Table]]]:
    """What no revision of ours makes: the tables of plug-ins, made once; changing them later is the plug-in's own affair."""
    names = set(inspect(connection).get_table_names())
    found = []
    for metadata in every:
        absent = [table for table in metadata.sorted_tables if table.name not in names]
        if absent:
            found.append((metadata, absent))
    return found
