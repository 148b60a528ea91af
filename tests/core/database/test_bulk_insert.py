"""Many rows at once arrive as they were, on SQLite and MariaDB."""

from datetime import UTC, datetime, timedelta, timezone
from math import inf, nan
from typing import Any

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine

from core.database.bulk_insert import add_tuples, has_json_table, insert_new_json, insert_new_tuples
from core.database.engines import open_database
from core.database.schema import TABLE_OPTIONS, LongText, UtcDateTime
from core.database.transactions import reading, writing
from core.database.upserts import INSERT_BATCH
from core.errors import DatabaseError, DataIntegrityError
from tests.services import MariaDb

METADATA = sa.MetaData()
THINGS = sa.Table(
    "bulk_things",
    METADATA,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("label", sa.String(40), unique=True),
    sa.Column("moment", UtcDateTime),
    sa.Column("number", sa.Double),
    sa.Column("whole", sa.BigInteger),
    sa.Column("yes", sa.Boolean),
    sa.Column("body", LongText),
    **TABLE_OPTIONS,
)
COLUMNS = tuple(column.name for column in THINGS.columns)
MOMENT = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
MOMENTS = st.datetimes(datetime(1500, 1, 1), datetime(9000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - aware by timezones
WHOLE = st.integers(-(2**63), 2**63 - 1)


@pytest.fixture
def engine(bare_database: Engine) -> Engine:
    """An otherwise empty database with the table of things."""
    METADATA.create_all(bare_database)
    return bare_database


def insert(engine: Engine, *rows: tuple[Any, ...], columns: tuple[str, ...] = COLUMNS) -> None:
    with writing(engine) as connection:
        insert_new_tuples(connection, THINGS, columns, rows)


def stored(engine: Engine) -> list[tuple[Any, ...]]:
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(sa.select(THINGS).order_by(THINGS.c.name))]


def row(name: str, **values: Any) -> tuple[Any, ...]:
    return tuple({"name": name, **values}.get(column) for column in COLUMNS)


@given(
    st.lists(
        st.tuples(
            st.none(), MOMENTS | st.none(), NUMBERS | st.none(), WHOLE | st.none(), st.booleans() | st.none(), TEXTS
        ),
        max_size=10,
    )
)
def test_what_is_inserted_comes_back_to_the_last_bit(engine: Engine, values: list[tuple[Any, ...]]) -> None:
    with writing(engine) as connection:
        connection.execute(sa.delete(THINGS))
    rows = [(f"n{at:02}", *others) for at, others in enumerate(values)]
    insert(engine, *rows)
    assert stored(engine) == rows


@pytest.mark.parametrize(
    "text", ["", "null", "'", '"', "\\", "%s %(x)s :rows", "a\x00b\n\t", "Atlético 🏈", "[1]", "{}"]
)
def test_no_text_is_taken_for_anything_else(engine: Engine, text: str) -> None:
    insert(engine, row("a", label=text, body=text * 1_000))
    assert stored(engine) == [row("a", label=text, body=text * 1_000)]


def test_rows_that_are_json_already_arrive_alike(engine: Engine) -> None:
    rows = [
        row("a", label="'\"\\", moment=MOMENT, number=0.1, whole=-(2**63), yes=True, body="Atlético 🏈"),
        row("b", moment=datetime(2024, 5, 1, tzinfo=UTC), yes=False),
    ]
    written = [orjson.dumps(one, option=orjson.OPT_UTC_Z) for one in rows]
    for _ in range(2):
        with writing(engine) as connection:
            insert_new_json(connection, THINGS, COLUMNS, written)
    assert stored(engine) == rows


def test_what_has_its_key_already_stays_as_it_is(engine: Engine) -> None:
    insert(engine, row("a", label="one", number=1.0))
    insert(engine, row("a", label="two", number=2.0), row("b", label="one"), row("c", label="three", number=4.0))
    insert(engine)
    assert stored(engine) == [row("a", label="one", number=1.0), row("c", label="three", number=4.0)]


def test_columns_may_come_in_any_order_and_in_part(engine: Engine) -> None:
    insert(engine, (3.5, "a", MOMENT), columns=("number", "name", "moment"))
    assert stored(engine) == [row("a", number=3.5, moment=MOMENT)]


def test_more_rows_than_a_batch_all_arrive(engine: Engine) -> None:
    rows = [row(f"n{number:06}", whole=number) for number in range(2 * INSERT_BATCH + 1)]
    insert(engine, *rows)
    assert stored(engine) == rows


@pytest.mark.parametrize("moment", [MOMENT, MOMENT.astimezone(timezone(timedelta(hours=-4))), MOMENT.replace(fold=1)])
def test_a_moment_of_any_zone_comes_back_in_utc(engine: Engine, moment: datetime) -> None:
    insert(engine, row("a", moment=moment), row("b", moment=MOMENT), row("c"))
    assert stored(engine) == [row("a", moment=MOMENT), row("b", moment=MOMENT), row("c")]


def test_a_moment_of_no_zone_is_refused(engine: Engine) -> None:
    with pytest.raises((DataIntegrityError, ValueError), match="without a time zone"):
        insert(engine, row("a", moment=MOMENT.replace(tzinfo=None)))
    assert stored(engine) == []


def test_a_server_without_json_table_is_recognised(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_json_table(engine)
    monkeypatch.setattr(type(engine.dialect), "name", "mysql")
    assert has_json_table(engine) == (engine.dialect.driver == "pymysql"), "SQLite stands for a server of former days"


@pytest.mark.parametrize("number", [nan, inf, -inf])
def test_a_number_that_is_none_is_refused_by_its_column(engine: Engine, number: float) -> None:
    with pytest.raises(DataIntegrityError, match=r"bulk_things\.number"):
        insert(engine, row("a", number=1.0), row("b", number=number))
    assert stored(engine) == []


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"label": "x" * 41}, "label"), ({"whole": 2**70}, "64-bit"), ({"body": "half of a \ud800"}, "bulk_things")],
)
def test_what_does_not_fit_is_not_swallowed(mariadb: MariaDb, wrong: dict[str, Any], named: str) -> None:
    engine = open_database(mariadb.recreate("bulk_things"))
    METADATA.create_all(engine)
    with pytest.raises((DatabaseError, DataIntegrityError), match=named):
        insert(engine, row("a"), row("b", **wrong))
    assert stored(engine) == []
    engine.dispose()


SUMS = sa.Table(
    "bulk_sums",
    METADATA,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("part", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("points", sa.BigInteger, nullable=False),
    **TABLE_OPTIONS,
)


def test_numbers_are_added_to_those_of_the_same_key(bare_database: Engine) -> None:
    METADATA.create_all(bare_database)
    with writing(bare_database) as connection:
        add_tuples(connection, SUMS, [("a", 1, 2, 2**60), ("a", 2, 1, 5)])
        add_tuples(connection, SUMS, [("a", 1, -3, 1), ("é", 1, 1, -7), ("a", 2, -1, -5)])
        add_tuples(connection, SUMS, [])
    with reading(bare_database) as connection:
        rows = [tuple(row) for row in connection.execute(sa.select(SUMS).order_by(SUMS.c.name, SUMS.c.part))]
    assert rows == [("a", 1, -1, 2**60 + 1), ("a", 2, 0, 0), ("é", 1, 1, -7)]
