"""Back-fill and feature build: rows and games per second, beside the driver's bare executemany."""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from statistics import median
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from core.betting.leagues import BUILT_IN, League, Leagues
from core.database.engines import open_database
from core.database.upserts import INSERT_BATCH
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.archive.facts import FactBatch
from feature_store.features.sets import EVERYTHING
from feature_store.rows.replay import past_rows
from feature_store.rows.row import Row
from feature_store.sources.csv.backfill import backfill
from migrations import schema
from tests.conftest import DEVELOPMENT_DATA
from tests.services import mariadb_server

NOW = datetime(2024, 5, 1, tzinfo=UTC)
LEAGUES = Leagues(BUILT_IN)
WRITTEN = (tables.games, tables.results, tables.quotes, tables.changes)


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def run(rounds: int = 3) -> None:
    if not DEVELOPMENT_DATA.is_dir():
        print(f"back-fill and features: skipped, no development data at {DEVELOPMENT_DATA}")
        return
    with tempfile.TemporaryDirectory() as folder, mariadb_server() as mariadb:
        for name, address in (
            ("SQLite", lambda n: make_url(f"sqlite:///{folder}/{n}.db")),
            ("MariaDB", lambda n: mariadb.recreate(f"b{n}")),
        ):
            backfills, bare, lines, facts = [], [], 0, 0
            for number in range(rounds):
                engine, yardstick = open_database(address(2 * number)), open_database(address(2 * number + 1))
                schema.upgrade(engine)
                schema.upgrade(yardstick)
                began = time.perf_counter()
                report = backfill(engine, LEAGUES, [DEVELOPMENT_DATA], now=NOW)
                backfills.append(time.perf_counter() - began)
                lines, facts = report.rows, report.added
                bare.append(bare_insert(engine, yardstick))
                again = backfill(engine, LEAGUES, [DEVELOPMENT_DATA], now=NOW).added
                assert again == 0, f"a second back-fill added {again} facts"
                if number == rounds - 1:
                    feature_build(name, engine)
                engine.dispose()
                yardstick.dispose()
            report_backfill(name, lines, facts, backfills, bare)


def bare_insert(engine: Engine, yardstick: Engine) -> float:
    """The same rows by the driver's executemany into empty tables, in as many transactions, and nothing else."""
    positional = type(engine.dialect)(paramstyle="qmark" if engine.name == "sqlite" else "format")

    def driver_sql(statement: sa.Select[Any] | sa.Insert) -> str:
        return str(statement.compile(dialect=positional))

    batches = []
    with engine.connect() as connection:
        for league in connection.scalars(sa.select(sa.distinct(tables.games.c.league))).all():
            for table in WRITTEN:
                query = driver_sql(sa.select(table).where(table.c.league == league))
                batches.append((league, table, [tuple(row) for row in connection.exec_driver_sql(query, (league,))]))
    began = time.perf_counter()
    with yardstick.execution_options(writes=True).connect() as connection:
        for _, of_league in groupby(batches, key=itemgetter(0)):
            with connection.begin():
                for _, table, rows in of_league:
                    insert = driver_sql(sa.insert(table))
                    for start in range(0, len(rows), INSERT_BATCH):
                        connection.exec_driver_sql(insert, rows[start : start + INSERT_BATCH])
    return time.perf_counter() - began


def report_backfill(name: str, lines: int, facts: int, backfills: list[float], bare: list[float]) -> None:
    ours, theirs = median(backfills), median(bare)
    ratio = median(theirs / ours for ours, theirs in zip(backfills, bare, strict=True))
    print(
        f"back-fill into {name}: {lines / ours:,.0f} CSV rows/s, {facts / ours:,.0f} facts/s"
        f" ({lines:,} rows, {facts:,} facts, {ours:.2f} s); the driver's bare executemany of the same rows {theirs:.2f} s,"
        f" ratio {ratio:.2f}; a second back-fill added 0"
    )


def feature_build(name: str, engine: Engine) -> None:
    league = LEAGUES.get("NBA")
    loads, builds = [], []
    for _ in range(3):
        loads.append(timed(lambda: archive.load(engine, league, NOW)))
        facts = archive.load(engine, league, NOW)
        builds.append(timed(partial(_all_rows, league, facts)))
    games = len(facts.games)
    print(
        f"feature build from {name}: {games / median(builds):,.0f} games/s ({len(EVERYTHING.names)} features,"
        f" {games:,} games, {median(builds):.2f} s); reading the facts {median(loads):.2f} s"
    )


def _all_rows(league: League, facts: FactBatch) -> list[Row]:
    return list(past_rows(league, facts, EVERYTHING))
