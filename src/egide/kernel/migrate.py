"""Brings a store to this version with Alembic: one history, whose newest revision must equal the declared tables (tested)."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from sqlalchemy import Engine, MetaData, inspect, text
from sqlalchemy.exc import OperationalError

HEAD = "0001"  # the newest revision; a test keeps it equal to the scripts'


def upgrade(engine: Engine, every: Iterable[MetaData]) -> None:
    """Runs the missing revisions; an up-to-date store costs two queries and no import of Alembic."""
    with engine.connect() as connection:
        try:
            current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except OperationalError:
            current = None
    if current != HEAD:
        _revise(engine)
    _complete(engine, every)


def _revise(engine: Engine) -> None:
    from alembic import command  # noqa: PLC0415 — 0.3 s to import and rarely needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(files("egide.kernel") / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _complete(engine: Engine, every: Iterable[MetaData]) -> None:
    """Makes what no revision of ours makes: the tables of plug-ins, once; changing them later is the plug-in's own affair."""
    names = set(inspect(engine).get_table_names())
    for metadata in every:
        missing = [table for table in metadata.sorted_tables if table.name not in names]
        if missing:
            metadata.create_all(engine, tables=missing, checkfirst=False)
