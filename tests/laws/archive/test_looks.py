"""After any series of looks at the bot's table the archive tells what the last look saw, and of each moment what it saw then."""

from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.engine import Engine, make_url

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from core.database.transactions import writing
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.sources.bot.schema import NEEDED
from feature_store.sources.bot.snapshot import snapshot
from tests.bot_database import insert, soccer, soccer_record
from tests.conftest import NOW

LEAGUES = Leagues(BUILT_IN)
EPL = LEAGUES.get("EPL")
STATUSES = ("Not Started", "First Half", "Match Finished", "Match Postponed")
ARCHIVE = (tables.games, tables.results, tables.quotes, tables.changes, tables.quarantine)
Seen = dict[str, tuple[Any, ...]]
"""By game id: day of the start, status and score."""


@pytest.fixture(scope="module")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The bot's feed in SQLite: thousands of looks in a minute, and a writer that stores all as text."""
    engine = open_database(make_url(f"sqlite:///{tmp_path_factory.mktemp('bot')}/bot.db"))
    with writing(engine) as connection:
        connection.execute(sa.text(f"CREATE TABLE api_games ({', '.join(f'{name} TEXT' for name in NEEDED)})"))
    return engine


def shown(random: Random, game_id: str) -> dict[str, Any]:
    """A row as the bot may have it at some look; each value is one of few, so that it soon returns."""
    raw = soccer_record(random.choice(((1, 0), (2, 2))))
    status = random.choice(STATUSES)
    start = f"2024-04-{random.choice((28, 29))}T19:00:00"
    row = soccer(game_id, raw_json=raw, status=status, start_time=start)
    return {**row, "fetched_at": "2024-04-30T20:00:00"}


def of_row(row: dict[str, Any], before: tuple[Any, ...] | None) -> tuple[Any, ...]:
    """What the archive should say of the game after a look at the row."""
    status = ("scheduled", "live", "final", "void")[STATUSES.index(row["status"])]
    score = before[2] if before is not None else None
    if status == "final":
        goals = row["raw_json"]["goals"]
        score = (goals["home"], goals["away"])
    elif status == "void":
        score = None
    return row["start_time"][:10], status, score


def recorded_by(ours: Engine, moment: datetime) -> Seen:
    facts = archive.load(ours, EPL, moment)
    scores = {one.game_id: (one.home_score, one.away_score) for one in facts.results}
    scores = {game_id: score for game_id, score in scores.items() if score != (None, None)}
    return {game.game_id: (f"{game.start_at:%Y-%m-%d}", game.status, scores.get(game.game_id)) for game in facts.games}


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), looks=st.integers(1, 8))
def test_each_look_is_known_from_its_moment_on_and_one_that_waited_comes_after_the_one_before(
    seed: int, looks: int, bot: Engine, sqlite_database: Engine
) -> None:
    """Rows change, return to what they were, are deleted and come back; looks repeat, and clocks of two of them cross."""
    random = Random(seed)
    with writing(sqlite_database) as connection:
        for table in ARCHIVE:
            connection.execute(sa.delete(table))
    known: Seen = {}
    expected: dict[datetime, Seen] = {}
    latest = NOW
    for number in range(looks):
        with writing(bot) as connection:
            connection.execute(sa.text("DELETE FROM api_games"))
        rows = [shown(random, str(game)) for game in range(4) if random.random() < 0.8]
        for row in rows:
            insert(bot, "api_games", **row)
            known[row["api_game_id"]] = of_row(row, known.get(row["api_game_id"]))
        now = NOW + timedelta(minutes=random.choice((number, number, number - 2)))
        looks_now = [snapshot(bot, sqlite_database, LEAGUES, now=now) for _ in range(random.choice((1, 2)))]
        if any(recorded.added for look in looks_now for recorded in look.recorded.values()):
            latest = max(latest, now)  # one that saw nothing new leaves nothing that a later one could contradict
        expected[latest] = dict(known)
        assert recorded_by(sqlite_database, datetime.max.replace(tzinfo=NOW.tzinfo)) == known
    for moment, then in expected.items():
        assert recorded_by(sqlite_database, moment + timedelta(milliseconds=1)) == then
    assert recorded_by(sqlite_database, min(expected) - timedelta(minutes=3)) == {}
