"""The schema goes up and down on both engines and is the one the code declares."""

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from migrations import schema


def test_a_fresh_database_reaches_the_head_and_agrees_with_the_code(database: Engine) -> None:
    assert schema.current(database) == schema.head()
    assert schema.differences(database) == []


def test_going_down_leaves_nothing_and_going_up_again_restores_everything(database: Engine) -> None:
    schema.downgrade(database, "base")
    assert set(sa.inspect(database).get_table_names()) <= {"schema_version"}
    schema.upgrade(database)
    assert schema.differences(database) == []


def test_revisions_continue_the_bots_numbering() -> None:
    assert schema.head() is not None
    assert int(schema.head() or 0) >= 16
