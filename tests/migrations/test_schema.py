"""The schema goes up and down on both engines and is the one the code declares."""

import ast
import re
import shutil
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.engine import Engine

from core.database.engines import open_database
from core.database.transactions import reading
from core.errors import DatabaseError
from migrations import schema
from migrations.tables import METADATA
from tests.migrations.filled import fill
from tests.services import MariaDb

FOLDER = Path(schema.__file__).parent
LAST_NUMBERED = "023"
COMMENTED = "20261128_column_comments"
LAST_DESCRIPTIVE = "20261128_text_charset"
"""From the last numbered revision to this one, no column of an older table changes but in its description."""


def test_a_fresh_database_reaches_the_head_and_agrees_with_the_code(bare_database: Engine) -> None:
    assert schema.upgrade(bare_database) == schema.head()
    assert schema.current(bare_database) == schema.head()
    assert schema.differences(bare_database) == []


def test_a_copy_of_a_migrated_database_agrees_with_the_code(database: Engine) -> None:
    assert schema.current(database) == schema.head()
    assert schema.differences(database) == []


def test_going_down_leaves_nothing_and_going_up_again_restores_everything(database: Engine) -> None:
    schema.downgrade(database, "base")
    assert set(sa.inspect(database).get_table_names()) <= {"schema_version"}
    schema.upgrade(database)
    assert schema.differences(database) == []


def files_by_revision() -> dict[str, Path]:
    """The files in the order in which they run."""
    scripts = ScriptDirectory(str(FOLDER)).walk_revisions()
    return {script.revision: Path(script.path) for script in reversed(list(scripts))}


def dated() -> dict[str, Path]:
    return {revision: file for revision, file in files_by_revision().items() if not revision.isdecimal()}


def test_numbered_revisions_continue_the_bots_and_later_ones_follow_by_date() -> None:
    numbered = [revision for revision in files_by_revision() if revision.isdecimal()]
    assert numbered == [f"{number:03}" for number in range(16, int(LAST_NUMBERED) + 1)]
    assert list(files_by_revision()) == [*numbered, *dated()]
    dates = [revision.partition("_")[0] for revision in dated()]
    assert dates == sorted(dates)


@pytest.mark.parametrize("revision", dated())
def test_a_dated_revision_is_named_by_day_and_change_and_imports_no_code_of_ours(revision: str) -> None:
    file = dated()[revision]
    assert file.stem == revision
    assert re.fullmatch(r"20\d{6}_[a-z0-9_]{3,23}", revision)
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert {(module or "").split(".")[0] for module in imported} <= {"alembic", "sqlalchemy", "re", "json"}
    assert ast.get_docstring(tree)


@pytest.mark.parametrize("revision", dated())
def test_a_dated_revision_limits_its_wait_for_locks_first(revision: str) -> None:
    tree = ast.parse(dated()[revision].read_text(encoding="utf-8"))
    steps = {node.name: node.body[0] for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert [ast.unparse(steps[name]) for name in ("upgrade", "downgrade")] == ["limit_lock_wait()"] * 2


def test_the_template_makes_a_revision_that_keeps_the_rules(tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "%%(rev)s")
    command.revision(config, message="Try the template", rev_id="20991231_try")
    text = (folder / "versions" / "20991231_try.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)) == "Try the template"
    assert f"down_revision = {schema.head()!r}" in text
    assert text.count("    limit_lock_wait()\n") == 2
    assert "SET SESSION lock_wait_timeout" in text


def test_every_column_has_a_comment_that_mysql_can_hold() -> None:
    columns = [column for table in METADATA.tables.values() for column in table.columns]
    assert [str(column) for column in columns if not column.comment] == []
    assert [str(column) for column in columns if len(str(column.comment)) > 1024] == []


def columns_of(engine: Engine, *, comments: bool) -> list[tuple[object, ...]]:
    """Everything that the server knows of our columns."""
    names = ["table_name", "column_name", "ordinal_position", "column_type", "is_nullable", "column_default",
             "extra", "character_set_name", "collation_name", "column_key"]  # fmt: skip
    table = sa.table("columns", *(sa.column(name) for name in (*names, "table_schema", "column_comment")))
    table.schema = "information_schema"
    wanted = [table.c[name] for name in names] + [table.c.column_comment] * comments
    with reading(engine) as connection:
        ours = sa.select(*wanted).where(table.c.table_schema == engine.url.database)
        return [tuple(row) for row in connection.execute(ours.order_by(table.c.table_name, table.c.ordinal_position))]


def rows_of(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the tables that are there, but for the note of the revision."""
    there = sa.MetaData()
    there.reflect(engine)
    with reading(engine) as connection:
        return {
            name: sorted(map(tuple, connection.execute(sa.select(table))), key=repr)
            for name, table in there.tables.items()
            if name != "schema_version"
        }


def test_comments_come_and_go_and_nothing_else_changes(mariadb: MariaDb) -> None:
    engine = open_database(mariadb.recreate("ours"))
    schema.upgrade(engine, COMMENTED)
    schema.downgrade(engine, LAST_NUMBERED)
    schema.upgrade(engine)
    fill(engine)
    schema.downgrade(engine, LAST_DESCRIPTIVE)
    rows, commented = rows_of(engine), columns_of(engine, comments=True)
    assert [row for row in commented if not row[-1] and row[0] != "schema_version"] == []
    older = [row[:-1] for row in commented if row[0] != "database_identity"]
    schema.downgrade(engine, LAST_NUMBERED)
    plain = columns_of(engine, comments=True)
    assert {row[-1] for row in plain} == {""}
    assert columns_of(engine, comments=False) == older
    assert rows_of(engine) == {table: of_table for table, of_table in rows.items() if table != "database_identity"}
    schema.upgrade(engine, LAST_DESCRIPTIVE)
    assert columns_of(engine, comments=True) == commented
    assert rows_of(engine) == {**rows, "database_identity": []}
    engine.dispose()


def test_a_migration_gives_up_behind_a_long_transaction_and_can_be_repeated(mariadb: MariaDb) -> None:
    engine = open_database(mariadb.recreate("ours"))
    schema.upgrade(engine, LAST_NUMBERED)
    with engine.connect() as reader:
        reader.execute(sa.select(sa.literal(1)).select_from(sa.table("model_versions"))).all()
        began = time.monotonic()
        with pytest.raises(DatabaseError, match="Lock wait timeout"):
            schema.upgrade(engine)
        assert time.monotonic() - began < 30
    schema.upgrade(engine)
    assert schema.current(engine) == schema.head()
    engine.dispose()
