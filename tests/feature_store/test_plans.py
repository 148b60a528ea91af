"""On MariaDB every query by which features, rows and freshness are read goes by an index."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.database import reading
from feature_store import archive, online, snapshot_diff, snapshot_manifest, tables
from feature_store.building import build
from feature_store.freshness import freshness, newest_facts
from feature_store.offline import materialize
from tests.crowded import crowded_facts
from tests.generated import FIRST_DAY

LEAGUES = Leagues(BUILT_IN)
EPL = LEAGUES.get("EPL")
MOMENT = FIRST_DAY + timedelta(days=5)
END = FIRST_DAY + timedelta(days=900)
FILLED = list(LEAGUES)[:16]
Query = tuple[str, Any]


@pytest.fixture
def filled(mariadb_database: Engine) -> Engine:
    """Sixteen leagues with rows and states, so that one of them is a small part of each table."""
    for number, league in enumerate(FILLED):
        facts = crowded_facts(number, games=120)
        archive.record(mariadb_database, league, facts, source=f"source {number % 3}", recorded_at=FIRST_DAY)
        build(mariadb_database, league, MOMENT)
        made = snapshot_manifest.manifest_of(facts)
        snapshot_manifest.keep(mariadb_database, league, made, known_by=END, recorded_at=END)
    with mariadb_database.connect() as connection:
        for table in (
            tables.games,
            tables.results,
            tables.quotes,
            tables.rows,
            tables.states,
            tables.snapshot_manifests,
        ):
            connection.execute(sa.text(f"ANALYZE TABLE {table.name}"))
    return mariadb_database


@contextmanager
def selects(engine: Engine) -> Iterator[list[Query]]:
    """Every SELECT sent to the database meanwhile, with its parameters."""
    seen: list[Query] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if statement.startswith("SELECT") and "_LOCK(" not in statement:
            seen.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(engine, "before_cursor_execute", note)


def explain(engine: Engine, query: Query) -> list[dict[str, Any]]:
    with reading(engine) as connection:
        found = connection.exec_driver_sql(f"EXPLAIN {query[0]}", query[1]).mappings()
        return [dict(row) for row in found if row["table"] is not None and not str(row["table"]).startswith("<")]


READING: dict[str, Callable[[Engine, datetime], object]] = {
    "facts": lambda engine, now: archive.load(engine, EPL, now),
    "games held": lambda engine, _now: archive.count_games(engine),
    "record": lambda engine, now: archive.record(engine, EPL, crowded_facts(0, games=12), source="s", recorded_at=now),
    "build": lambda engine, now: build(engine, EPL, now),
    "past rows": lambda engine, now: materialize_twice(engine, now),
    "rows": lambda engine, _now: online.load_rows(engine, ["EPL"]),
    "state": lambda engine, _now: online.load_state(engine, EPL),
    "newest facts": lambda engine, _now: newest_facts(engine),
    "freshness": lambda engine, now: freshness(engine, [("soccer", "EPL")], now),
    "snapshot by day": lambda engine, now: snapshot_diff.find_snapshot(engine, LEAGUES, f"{now:%Y-%m-%d}", "EPL"),
    "snapshot by hash": lambda engine, _now: snapshot_diff.find_snapshot(engine, LEAGUES, HASH),
}


def materialize_twice(engine: Engine, now: datetime) -> None:
    """The second time it looks for what has changed since the first."""
    with TemporaryDirectory() as folder:
        materialize(engine, EPL, Path(folder), now)
        archive.record(engine, EPL, crowded_facts(1, games=12), source="s", recorded_at=now)
        materialize(engine, EPL, Path(folder), now)


HASH = snapshot_manifest.manifest_of(crowded_facts(0, games=120)).sha256


def test_every_query_of_the_reading_path_goes_by_an_index(filled: Engine) -> None:
    for name, work in READING.items():
        with selects(filled) as queries:
            work(filled, MOMENT)
        assert queries, name
        for query in queries:
            for step in explain(filled, query):
                assert step["key"] is not None, (name, query[0], step)
                assert step["type"] != "ALL", (name, query[0], step)


def test_the_newest_facts_are_found_by_jumping_from_source_to_source(filled: Engine) -> None:
    with selects(filled) as queries:
        newest_facts(filled)
    [query] = queries
    steps = explain(filled, query)
    assert len(steps) == 3
    assert all("Using index for group-by" in step["Extra"] for step in steps), steps


def test_a_scan_of_a_whole_table_would_be_noticed(filled: Engine) -> None:
    """The law above is not empty."""
    everything = str(
        sa.select(tables.quotes).where(tables.quotes.c.odds_home > 2).compile(compile_kwargs={"literal_binds": True})
    )
    assert [(step["key"], step["type"]) for step in explain(filled, (everything, ()))] == [(None, "ALL")]
