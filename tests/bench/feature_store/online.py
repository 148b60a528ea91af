"""A long league on MariaDB: the first build, the build after one more match day, and reading what is to come.

``make bench ARGS=online`` uses a million games; the archive takes a few minutes to fill.
"""

import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import median, quantiles
from tempfile import TemporaryDirectory

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, League, Leagues
from core.database.engines import open_database
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result
from feature_store.rows.build import build
from feature_store.rows.offline import materialize
from feature_store.rows.online import load_rows
from migrations import schema
from tests.services import mariadb_server

TEAMS = 800
"""Twice those that play on a day: a team that plays daily exceeds the bounds that serving accepts."""

GAMES_A_DAY = 200
COMING = 50
READS = 500
PORTION = 50_000
FIRST_DAY = datetime(2005, 1, 1, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)


def match_day(random: Random, day: int, games: int) -> FactBatch:
    """The facts of one day: a game a pair of teams, listed two weeks ahead, its closing price and its result."""
    batch = FactBatch()
    start = FIRST_DAY + timedelta(days=day)
    teams = random.sample(range(TEAMS), 2 * games)
    for number in range(games):
        game_id = f"d{day:05}n{number:03}"
        home, away = (f"Team {team:03}" for team in teams[2 * number : 2 * number + 2])
        listed = start - timedelta(days=14)
        batch.games.append(GameFact(game_id, listed, start.year, start, False, home, away, False, False, "scheduled"))
        odds = [round(1.2 + 4 * random.random(), 2) for _ in range(3)]
        shown = start - HOUR
        batch.quotes.append(
            Quote(game_id, "book", "close", shown, shown, *odds, total_line=2.5, odds_over=1.9, odds_under=1.9)
        )
        ended = start + 2 * HOUR
        batch.results.append(Result(game_id, ended, ended, random.randrange(5), random.randrange(4)))
    return batch


def fill(engine: Engine, league: League, games: int) -> int:
    """Archive so many games; returns the first day that is left."""
    random, held, days = Random(1), FactBatch(), games // GAMES_A_DAY
    for day in range(days):
        new = match_day(random, day, GAMES_A_DAY)
        held = FactBatch(held.games + new.games, held.results + new.results, held.quotes + new.quotes)
        if len(held.games) >= PORTION or day == days - 1:
            archive.record(engine, league, held, source="bench", recorded_at=FIRST_DAY)
            held = FactBatch()
    return days


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def peak() -> float:
    """Of this process, in MiB; the database server is another one."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(games: int = 1_000_000) -> None:
    league = Leagues(BUILT_IN).get("EPL")
    with mariadb_server() as server, TemporaryDirectory() as folder:
        engine = open_database(server.recreate("bench"))
        schema.upgrade(engine)
        began = time.perf_counter()
        day = fill(engine, league, games)
        print(f"archived {games:,} games of {TEAMS} teams on MariaDB: {time.perf_counter() - began:.0f} s", flush=True)
        random = Random(2)
        coming = match_day(random, day + 9, COMING)
        archive.record(
            engine, league, FactBatch(coming.games, [], coming.quotes), source="bench", recorded_at=FIRST_DAY
        )

        def brought_up(at: int) -> float:
            now = FIRST_DAY + timedelta(days=at, hours=12)
            return timed(lambda: (build(engine, league, now), materialize(engine, league, Path(folder), now)))

        build(engine, Leagues(BUILT_IN).get("NFL"), FIRST_DAY)  # the compiled code is loaded before the clock runs
        before = peak()
        full = brought_up(day - 1)
        print(f"peak memory {peak():.0f} MiB, {peak() - before:.0f} MiB more than before the first build", flush=True)
        steps = []
        for at in range(day, day + 5):
            archive.record(engine, league, match_day(random, at, GAMES_A_DAY), source="bench", recorded_at=FIRST_DAY)
            steps.append(brought_up(at))
        step = median(steps)
        print(
            f"first build, online and past rows: {full:.1f} s; after one more match day of {GAMES_A_DAY} games: ",
            end="",
        )
        print(
            f"{step * 1000:.0f} ms, {step / full:.2%} of it (rounds: {', '.join(f'{s * 1000:.0f}' for s in steps)} ms)"
        )
        read_online(engine, league)
        engine.dispose()


def read_online(engine: Engine, league: League) -> None:
    """How long reading the games to come takes, and in how many queries."""
    asked: list[str] = []
    sa.event.listen(engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2]))
    rows = load_rows(engine, [league.key])
    queries = len(asked)
    assert len(rows) == COMING, f"{len(rows)} games to come"
    times = [timed(lambda: load_rows(engine, [league.key])) * 1000 for _ in range(READS)]
    cut = quantiles(times, n=100)
    print(
        f"online features of {len(rows)} games to come: {queries} query, p50 {median(times):.2f} ms, p99 {cut[98]:.2f} ms"
    )


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
