"""Back-fill and feature build: rows and games per second, beside a bare executemany and a bare read of the CSV."""

import csv
import gzip
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from statistics import median

import sqlalchemy as sa
from sqlalchemy.engine import Engine, make_url

from core.betting.leagues import BUILT_IN, League, Leagues
from core.database import INSERT_BATCH, open_database
from feature_store import archive, tables
from feature_store.backfill import backfill
from feature_store.facts import Batch
from feature_store.features import EVERYTHING
from feature_store.replay import past_rows
from feature_store.rows import Row
from migrations import schema
from tests.conftest import DEVELOPMENT_DATA
from tests.services import mariadb_server

NOW = datetime(2024, 5, 1, tzinfo=UTC)
LEAGUES = Leagues(BUILT_IN)
FILE = DEVELOPMENT_DATA / "NBA.csv.gz"


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
            backfills, bare = [], []
            for number in range(rounds):
                engine = open_database(address(number))
                schema.upgrade(engine)
                backfills.append(timed(partial(backfill, engine, LEAGUES, [FILE], now=NOW)))
                bare.append(bare_insert(engine))
                if number == rounds - 1:
                    feature_build(name, engine)
                engine.dispose()
            report_backfill(name, backfills, bare)


def bare_insert(engine: Engine) -> float:
    """The same rows, read back from the archive, by executemany into empty tables and nothing else."""
    contents = {}
    with engine.connect() as connection:
        for table in (tables.games, tables.results, tables.quotes):
            contents[table] = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
    with engine.begin() as connection:
        for table in contents:
            connection.execute(sa.delete(table))
    began = time.perf_counter()
    with engine.begin() as connection:
        for table, rows in contents.items():
            for start in range(0, len(rows), INSERT_BATCH):
                connection.execute(sa.insert(table), rows[start : start + INSERT_BATCH])
    return time.perf_counter() - began


def report_backfill(name: str, backfills: list[float], bare: list[float]) -> None:
    lines = _lines(FILE)
    ours, theirs = median(backfills), median(bare)
    read = median(timed(lambda: _lines(FILE)) for _ in range(3))
    print(
        f"back-fill into {name}: {lines / ours:,.0f} CSV rows/s ({lines:,} rows, {ours:.2f} s);"
        f" bare executemany of the same rows {theirs:.2f} s, ratio {theirs / ours:.2f}; reading the CSV {read:.2f} s"
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


def _all_rows(league: League, facts: Batch) -> list[Row]:
    return list(past_rows(league, facts, EVERYTHING))


def _lines(path: Path) -> int:
    with gzip.open(path, "rt", encoding="utf-8") as text:
        return sum(1 for _ in csv.DictReader(text))
