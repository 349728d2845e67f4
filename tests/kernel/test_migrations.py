"""One history of the store, whose newest revision is exactly what the code declares."""

from __future__ import annotations

import ast
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, MetaData, inspect, text

from egide.app import capabilities
from egide.engines.sqlite import SqliteStore
from egide.kernel import migrate, tables
from egide.kernel.migrate import HEAD, upgrade
from egide.kernel.settings import Settings
from tests.plugins import works

OURS = (tables.metadata, *(each.tables for each in capabilities(Settings()) if each.tables is not None))


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return SqliteStore(tmp_path)._write_engine


def shape(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return sorted(
            str(row[0]) for row in connection.execute(text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"))
        )


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(files("egide.kernel") / "migrations"))
    return ScriptDirectory.from_config(config)


def test_the_constant_is_the_newest_revision() -> None:
    assert scripts().get_heads() == [HEAD]


def test_history_and_declarations_do_not_drift(engine: Engine) -> None:
    upgrade(engine, ())
    declared = MetaData()
    for metadata in OURS:
        for table in metadata.tables.values():
            table.to_metadata(declared)

    def ours(name: str | None, kind: str, _parents: Any) -> bool:
        return kind != "table" or name != "alembic_version"

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": ours})
        assert compare_metadata(context, declared) == []
    fresh = MetaData()
    fresh.reflect(engine)
    assert set(fresh.tables) == set(declared.tables) | {"alembic_version"}
    for name, table in declared.tables.items():
        assert {c.name: c.nullable for c in table.columns} == {
            c.name: c.nullable for c in fresh.tables[name].columns
        }, name
        assert [c.name for c in table.primary_key] == [c.name for c in fresh.tables[name].primary_key], name
        assert {i.name for i in table.indexes} == {i.name for i in fresh.tables[name].indexes}, name


ADDING = {"create_table", "create_index", "add_column", "batch_alter_table"}


def additions_only(source: str) -> list[str]:
    """What a revision does beyond adding tables, columns that need no value from an older program, and indexes."""
    wrong = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, whose = node.func.attr, ast.unparse(node.func.value)
        if whose not in ("op", "batch_op"):
            continue
        if name not in ADDING:
            wrong.append(f"{whose}.{name}")
        if name == "add_column":
            column = next(each for each in node.args if isinstance(each, ast.Call))
            told = {each.arg: ast.unparse(each.value) for each in column.keywords}
            if told.get("nullable") != "True" and "server_default" not in told:
                wrong.append(f"{ast.unparse(column.args[0])} must be nullable or have a server_default")
    return wrong


def test_revisions_only_add() -> None:
    """An older program goes on writing beside the newer one (docs/decisions/0024)."""
    for script in scripts().walk_revisions():
        if script.revision != "0001":
            assert additions_only(Path(script.path).read_text("utf-8")) == [], script.path
            assert script.revision.isdecimal(), "numbers are compared"
            assert len(script.revision) == 4


@pytest.mark.parametrize(
    ("done", "wrong"),
    [
        ("op.drop_table('note')", 1),
        ("batch_op.alter_column('text', nullable=False)", 1),
        ("op.execute('UPDATE note SET text = 1')", 1),
        ("op.add_column('note', sa.Column('a', sa.String(), nullable=False))", 1),
        ("op.add_column('note', sa.Column('a', sa.String(), nullable=False, server_default=''))", 0),
        ("batch_op.add_column(sa.Column('a', sa.String(), nullable=True))", 0),
    ],
)
def test_what_does_more_than_add_is_seen(done: str, wrong: int) -> None:
    assert len(additions_only(done)) == wrong


def test_a_newer_store_is_left_as_it_is(engine: Engine) -> None:
    upgrade(engine, OURS)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("CREATE TABLE of_the_future (id INTEGER)"))
    before = shape(engine)
    upgrade(engine, OURS)
    assert shape(engine) == before


def test_running_twice_changes_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade(engine, OURS)
    before = shape(engine)

    def never(_engine: Engine) -> None:
        raise AssertionError("an up-to-date store runs no revision")

    monkeypatch.setattr(migrate, "_revise", never)
    upgrade(engine, OURS)
    assert shape(engine) == before


def test_a_plug_ins_tables_are_made_once(engine: Engine) -> None:
    upgrade(engine, OURS)
    assert "works_item" not in inspect(engine).get_table_names()
    upgrade(engine, (*OURS, works.metadata))
    assert "works_item" in inspect(engine).get_table_names()
    with engine.begin() as connection:
        connection.execute(works.item.insert(), {"word": "kept", "filler": b""})
    upgrade(engine, (*OURS, works.metadata))
    assert count(engine) == 1


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM works_item")).scalar_one())


def test_a_revision_that_fails_leaves_the_store_as_it_was(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Exception):
        pass

    def broken(_connection: Connection) -> None:
        raise Broken

    from alembic.operations import Operations

    real = Operations.create_table
    made: list[str] = []

    def third(self: Any, name: str, *rest: Any, **more: Any) -> Any:
        made.append(name)
        if len(made) == 3:
            raise Broken
        return real(self, name, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr("alembic.op.create_table", lambda *a, **k: third(Operations.context, *a, **k))
        patched.setattr(Operations, "create_table", third)
        with pytest.raises((Broken, AttributeError)):
            upgrade(engine, OURS)
    assert shape(engine) == []
    upgrade(engine, OURS)
    assert shape(engine)
