"""``make bench ARGS=grading``: grading a prediction log on MariaDB, all of it and what is new.

Invented games with two quotes each; twenty answers per game, spread over the week before its start and served several
times each. What is new: 1,000 servings and one corrected result. A second, longer log shows what depends on its length.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random
from statistics import median
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.database.bulk_insert import insert_new_tuples
from core.database.engines import open_database
from core.database.transactions import writing
from feature_store.archive import store
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result
from feature_store.rows.build import build
from migrations import schema
from serving.monitoring.grading import GradingReport, grade
from serving.predictions.tables import answers, predictions
from tests.services import mariadb_server

LEAGUES: Final = Leagues(BUILT_IN)
EPL: Final = LEAGUES.get("EPL")
NOW: Final = datetime(2024, 5, 1, 12, tzinfo=UTC)
GAMES: Final = 1_500
ANSWERS: Final = 20
NEW: Final = 1_000
DAYS: Final = 36_500
TEAMS: Final = [f"Team {number}" for number in range(20)]
ANSWER_COLUMNS: Final = tuple(column.name for column in answers.columns)
SERVING_COLUMNS: Final = ("served_id", "answer_id", "request_id", "served_at", "cache", "key_id", "shadow")


def run() -> None:
    print(
        f"{'log':>10} {'answers':>8} {'all [s]':>8} {'answers/s':>10} {'rows/s':>9} {'nothing new':>12} {'1,000 new':>10}"
    )
    with mariadb_server() as mariadb:
        for servings in (5, 25):
            engine = open_database(mariadb.recreate("bench_grading"))
            schema.upgrade(engine)
            _measure(engine, servings)
            engine.dispose()


def _measure(engine: Engine, servings: int) -> None:
    facts = _facts()
    store.record(engine, EPL, facts, source="bench", recorded_at=NOW)
    build(engine, EPL, NOW)
    rows = _write_log(engine, facts, servings)
    seconds, report = _timed(lambda: grade(engine, LEAGUES, NOW, DAYS))
    assert (report.tallied, report.graded, report.answers) == (rows, GAMES, GAMES * ANSWERS)
    again = median(_timed(lambda: grade(engine, LEAGUES, NOW, DAYS))[0] for _ in range(5))
    new = median(_graded_again(engine, facts, rows, number) for number in range(3))
    print(
        f"{rows:>10,} {report.answers:>8,} {seconds:>8.1f} {report.answers / seconds:>10,.0f} {rows / seconds:>9,.0f} "
        f"{again * 1e3:>9.0f} ms {new:>8.2f} s"
    )


def _timed(work: Callable[[], GradingReport]) -> tuple[float, GradingReport]:
    began = time.monotonic()
    report = work()
    return time.monotonic() - began, report


def _graded_again(engine: Engine, facts: FactBatch, rows: int, number: int) -> float:
    """The time of a run after 1,000 servings of one game's answers and one corrected result."""
    result = facts.results[-1 - number]
    corrected = result._replace(known_at=NOW - timedelta(hours=1), home_score=9)
    store.record(engine, EPL, FactBatch(results=[corrected]), source="bench", recorded_at=NOW)
    _insert_servings(
        engine, [(f"new{number}-{place}", f"a{GAMES - 2 - number}-{place % ANSWERS}", NOW) for place in range(NEW)]
    )
    seconds, report = _timed(lambda: grade(engine, LEAGUES, NOW, DAYS))
    assert (report.tallied, report.graded) == (NEW, 2), (report, rows)
    return seconds


def _facts() -> FactBatch:
    random, facts = Random(1), FactBatch()
    for number in range(GAMES):
        start = NOW - timedelta(hours=12 * (GAMES - number))
        home, away = random.sample(TEAMS, 2)
        listed = start - timedelta(days=14)
        facts.games.append(
            GameFact(f"g{number}", listed, start.year, start, False, home, away, False, False, "scheduled")
        )
        ended = start + timedelta(hours=2)
        facts.results.append(Result(f"g{number}", ended, ended, random.randrange(5), random.randrange(4)))
        for moment, at in (("last", start - timedelta(days=5)), ("close", start)):
            odds = [round(1.5 + 3 * random.random(), 2) for _ in range(3)]
            facts.quotes.append(Quote(f"g{number}", "book", moment, at, at, *odds, 0.5, 2.5))  # type: ignore[arg-type]
    return facts


def _write_log(engine: Engine, facts: FactBatch, servings: int) -> int:
    random = Random(2)
    rows, said = [], []
    for number, game in enumerate(facts.games):
        for place in range(ANSWERS):
            home, draw = 0.2 + 0.4 * random.random(), 0.25
            at = game.start_at - timedelta(minutes=10 + 450 * place)
            key = (EPL.sport, EPL.key, game.game_id, "EPL-results", 1 + place % 2, "f", at)
            rows.append((f"a{number}-{place}", *key, home, draw, 1 - home - draw, 0.3, 2.6))
            said += [
                (f"s{number}-{place}-{time_}", f"a{number}-{place}", at + timedelta(minutes=time_))
                for time_ in range(servings)
            ]
    with writing(engine) as connection:
        insert_new_tuples(connection, answers, ANSWER_COLUMNS, rows)
    _insert_servings(engine, said)
    with engine.connect() as connection:
        connection.execute(sa.text("ANALYZE TABLE prediction_log, prediction_answers"))
    return len(said)


def _insert_servings(engine: Engine, said: list[tuple[str, str, datetime]]) -> None:
    with writing(engine) as connection:
        insert_new_tuples(
            connection,
            predictions,
            SERVING_COLUMNS,
            [(served, answer, "r", at, "local", None, False) for served, answer, at in said],
        )
