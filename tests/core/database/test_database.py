"""Columns, transactions, locks and error texts mean the same on SQLite and MariaDB."""

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import Engine, make_url

from core.database.engines import open_database
from core.database.schema import COMPRESSED, LONGEST_PLAIN, SMALLEST_PACKET, LongText, UtcDateTime
from core.database.transactions import lock_name, reading, writing
from core.database.upserts import insert_new, upsert
from core.errors import DatabaseError, DependencyError, OperationTimeoutError
from tests.services import MariaDb, free_port

METADATA = sa.MetaData()
THINGS = sa.Table(
    "things",
    METADATA,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("label", sa.String(40), unique=True),
    sa.Column("moment", UtcDateTime),
    sa.Column("number", sa.Double),
    sa.Column("body", LongText),
)
MOMENT = datetime(2024, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def engine(bare_database: Engine) -> Engine:
    """An otherwise empty database with the table of things."""
    METADATA.create_all(bare_database)
    return bare_database


def put(engine: Engine, **thing: Any) -> None:
    with writing(engine) as connection:
        connection.execute(sa.insert(THINGS), [thing])


def things(engine: Engine) -> dict[str, sa.Row[Any]]:
    with reading(engine) as connection:
        return {row.name: row for row in connection.execute(sa.select(THINGS))}


@pytest.mark.parametrize(
    "moment",
    [
        MOMENT,
        MOMENT.astimezone(timezone(timedelta(hours=-4))),
        datetime(1871, 5, 4, tzinfo=UTC),
        datetime(2200, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ],
)
def test_a_moment_comes_back_in_utc_to_the_microsecond(engine: Engine, moment: datetime) -> None:
    put(engine, name="a", moment=moment)
    stored = things(engine)["a"].moment
    assert stored == moment
    assert stored.utcoffset() == timedelta(0)


def test_no_moment_stays_none(engine: Engine) -> None:
    put(engine, name="a", moment=None)
    assert things(engine)["a"].moment is None


def test_a_moment_without_a_zone_is_refused(engine: Engine) -> None:
    with pytest.raises(DatabaseError) as refused:
        put(engine, name="a", moment=MOMENT.replace(tzinfo=None))
    assert "without a time zone" in str(refused.value.__cause__)
    assert things(engine) == {}


def test_moments_compare_inside_the_database(engine: Engine) -> None:
    put(engine, name="a", moment=MOMENT)
    with reading(engine) as connection:
        found = [
            connection.scalar(
                sa.select(sa.func.count()).where(THINGS.c.moment <= MOMENT + timedelta(microseconds=step))
            )
            for step in (-1, 0, 1)
        ]
    assert found == [0, 1, 1]


@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False), min_size=20))
def test_a_number_comes_back_to_the_last_bit(engine: Engine, numbers: list[float]) -> None:
    with writing(engine) as connection:
        connection.execute(sa.delete(THINGS))
        insert_new(connection, THINGS, [{"name": str(at), "number": number} for at, number in enumerate(numbers)])
    stored = things(engine)
    assert [stored[str(at)].number for at in range(len(numbers))] == numbers


def test_long_text_is_not_cut(engine: Engine) -> None:
    body = "Atlético 🏈 " * 20_000
    put(engine, name="a", body=body)
    assert things(engine)["a"].body == body


def test_names_differ_by_case_and_accent(engine: Engine) -> None:
    for name in ("ajax", "Ajax", "Ájax"):
        put(engine, name=name)
    assert set(things(engine)) == {"ajax", "Ajax", "Ájax"}


def test_insert_new_leaves_what_is_there_untouched(engine: Engine) -> None:
    put(engine, name="a", label="one", number=1.0)
    with writing(engine) as connection:
        insert_new(
            connection,
            THINGS,
            [
                {"name": "a", "label": "two", "number": 2.0},
                {"name": "b", "label": "one", "number": 3.0},
                {"name": "c", "label": "three", "number": 4.0},
            ],
        )
        insert_new(connection, THINGS, [])
    assert {name: (row.label, row.number) for name, row in things(engine).items()} == {
        "a": ("one", 1.0),
        "c": ("three", 4.0),
    }


def test_insert_new_does_not_swallow_what_does_not_fit(mariadb: MariaDb) -> None:
    engine = open_database(mariadb.recreate("things"))
    METADATA.create_all(engine)
    with pytest.raises(DatabaseError, match="label"), writing(engine) as connection:
        insert_new(connection, THINGS, [{"name": "a", "label": "x" * 41}])
    assert things(engine) == {}
    engine.dispose()


def test_upsert_replaces_what_is_there_and_adds_the_rest(engine: Engine) -> None:
    put(engine, name="a", label="one", number=1.0)
    with writing(engine) as connection:
        upsert(connection, THINGS, [{"name": "a", "number": 2.0}, {"name": "b", "number": 3.0}])
        upsert(connection, THINGS, [])
    assert {name: (row.label, row.number) for name, row in things(engine).items()} == {
        "a": ("one", 2.0),
        "b": (None, 3.0),
    }


def test_a_failed_transaction_writes_nothing(engine: Engine) -> None:
    def write_and_fail() -> None:
        with writing(engine, alone="things") as connection:
            connection.execute(sa.insert(THINGS), [{"name": "a"}])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert things(engine) == {}
    with writing(engine, alone="things"):
        pass


def test_two_writers_of_one_name_take_turns(engine: Engine) -> None:
    inside, most, count = 0, 0, threading.Lock()

    def add_one(_round: int) -> None:
        nonlocal inside, most
        with writing(engine, alone="counter") as connection:
            with count:
                inside += 1
                most = max(most, inside)
            number = connection.scalar(sa.select(sa.func.max(THINGS.c.number))) or 0.0
            connection.execute(sa.insert(THINGS), [{"name": f"n{number}", "number": number + 1}])
            with count:
                inside -= 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add_one, range(20)))
    assert most == 1
    assert max(row.number for row in things(engine).values()) == 20


def test_a_writer_that_waits_too_long_says_who_it_waited_for(mariadb: MariaDb) -> None:
    engine = open_database(mariadb.recreate("things"))
    with (
        writing(engine, alone="archive EPL"),
        pytest.raises(OperationTimeoutError, match="archive EPL"),
        writing(engine, alone="archive EPL", lock_seconds=0),
    ):
        pass
    with writing(engine, alone="archive EPL"), writing(engine, alone="archive NFL", lock_seconds=0):
        pass
    engine.dispose()


def test_a_refused_password_stands_nowhere(mariadb: MariaDb) -> None:
    engine = open_database(mariadb.address("things").set(username="stranger", password="hunter2"))
    with pytest.raises(DatabaseError, match="stranger:\\*\\*\\*@") as refused, reading(engine):
        pass
    assert "hunter2" not in "".join(traceback.format_exception(refused.value))
    engine.dispose()


def test_a_server_that_is_away_is_a_dependency_that_is_down() -> None:
    engine = open_database(make_url(f"mysql+pymysql://u:hunter2@127.0.0.1:{free_port()}/db"))
    with pytest.raises(DependencyError, match="OperationalError 2003") as refused, reading(engine):
        pass
    assert "dbsbm doctor" in refused.value.hint
    assert "hunter2" not in str(refused.value)
    engine.dispose()


@pytest.mark.parametrize(
    "thing",
    [
        {"name": "private"},
        {"name": "other", "label": "private"},
        {"name": "it's private' for", "label": "private"},
    ],
)
def test_an_error_holds_no_statement_and_no_value(engine: Engine, thing: dict[str, Any]) -> None:
    put(engine, name="private", label="private")
    with pytest.raises(DatabaseError) as refused:
        put(engine, **thing)
    assert "private" not in str(refused.value)
    assert "INSERT" not in str(refused.value)


def test_a_statement_that_does_not_parse_is_not_repeated(engine: Engine) -> None:
    with pytest.raises(DatabaseError) as refused, reading(engine) as connection:
        connection.execute(sa.text("SELEC private FROM things"))
    assert "private" not in str(refused.value)
    assert "SELEC" not in str(refused.value)


def test_a_missing_table_is_named(engine: Engine) -> None:
    with pytest.raises(DatabaseError, match="nothings"), reading(engine) as connection:
        connection.execute(sa.text("SELECT 1 FROM nothings"))


def test_locks_of_databases_with_long_names_are_different_ones() -> None:
    databases = ["d" * 60 + end for end in ("1", "2")] + ["d" * 100]
    names = [lock_name(database, name) for database in databases for name in ("snapshot", "archive EPL", "archive NFL")]
    assert len(set(names)) == len(names)
    assert {len(name) for name in names} == {64}
    assert lock_name("ours", "archive EPL") == "ours.archive EPL"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "short",
        COMPRESSED,
        f"{COMPRESSED} not really",
        "x" * (LONGEST_PLAIN + 1),
        "日🏀" * LONGEST_PLAIN,
        "'\\\"\n" * LONGEST_PLAIN,
    ],
)
def test_a_long_text_comes_back_whatever_its_length(engine: Engine, text: str) -> None:
    put(engine, name="a", body=text)
    assert things(engine)["a"].body == text


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=50), st.sampled_from(["", COMPRESSED]))
def test_any_text_comes_back(engine: Engine, text: str, mark: str) -> None:
    with writing(engine) as connection:
        connection.execute(sa.delete(THINGS))
    put(engine, name="a", body=mark + text)
    assert things(engine)["a"].body == mark + text


def test_a_long_text_fits_into_the_smallest_packet(mariadb: MariaDb) -> None:
    """Ids and losses of 70,000 games, over 2 MB, as they are registered."""
    text = ",".join(f'"2016-04-{number:06}-PIT-STL",{number * 7919 % 999983 / 1e6:.6f}' for number in range(70_000))
    engine = open_database(mariadb.recreate("things"))
    METADATA.create_all(engine)
    with reading(engine) as connection:
        before = connection.exec_driver_sql("SELECT @@GLOBAL.max_allowed_packet").scalar()
    engine.dispose()
    mariadb.execute(f"SET GLOBAL max_allowed_packet = {SMALLEST_PACKET}")
    try:
        put(engine, name="a", body=text)
        assert len(text) > 2 * SMALLEST_PACKET
        assert things(engine)["a"].body == text
    finally:
        mariadb.execute(f"SET GLOBAL max_allowed_packet = {before}")
        engine.dispose()
