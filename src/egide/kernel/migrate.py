"""Brings a store to this version with Alembic: one history, whose newest revision must equal the declared tables (tested)."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from sqlalchemy import Engine, MetaData, text
from sqlalchemy.exc import OperationalError

HEAD = "0001"  # the newest revision; a test keeps it equal to the scripts'


def upgrade(engine: Engine, _every: Iterable[MetaData]) -> None:
    """Runs the missing revisions; an up-to-date store costs one query and no import of Alembic."""
    with engine.connect() as connection:
        try:
            current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        except OperationalError:
            current = None
    if current == HEAD:
        return
    from alembic import command  # noqa: PLC0415 — 0.3 s to import and rarely needed
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(files("egide.kernel") / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
