"""How old the newest fact of every league and source is, and when that is too old."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact, Quote
from feature_store.archive.sources.freshness import Source, freshness, newest_facts
from tests.conftest import NOW

HOUR = timedelta(hours=1)


def game(start: datetime, game_id: str = "g1", known_at: datetime = NOW - 500 * HOUR, **changes: object) -> GameFact:
    usual = GameFact(game_id, known_at, 2023, start, False, "Arsenal", "Chelsea", False, False, "scheduled")
    return usual._replace(**changes)  # type: ignore[arg-type]


def tell(
    engine: Engine, leagues: Leagues, *facts: GameFact | Quote, source: str, ago: float, league: str = "EPL"
) -> None:
    batch = FactBatch(
        games=[fact for fact in facts if isinstance(fact, GameFact)],
        quotes=[fact for fact in facts if isinstance(fact, Quote)],
    )
    archive.record(engine, leagues.get(league), batch, source=source, recorded_at=NOW - ago * HOUR)


def test_every_source_of_every_league_has_its_own_age(database: Engine, leagues: Leagues) -> None:
    assert newest_facts(database) == {}
    tell(database, leagues, game(NOW), source="csv", ago=50)
    tell(database, leagues, Quote("g1", "book", "last", NOW, NOW, 2.0, 3.0, 4.0), source="bot", ago=3)
    tell(database, leagues, game(NOW), source="bot", ago=1)
    tell(database, leagues, game(NOW), source="csv", ago=2, league="NFL")
    assert newest_facts(database) == {
        Source("EPL", "csv"): NOW - 50 * HOUR,
        Source("EPL", "bot"): NOW - 3 * HOUR,
        Source("NFL", "csv"): NOW - 2 * HOUR,
    }


@pytest.mark.parametrize(
    ("start_in", "told_ago", "stale"),
    [(48, 25, ["EPL"]), (48, 23, []), (200, 25, []), (-3, 25, []), (167, 25, ["EPL"])],
)
def test_a_league_is_stale_when_games_are_due_and_nothing_new_was_told_for_a_day(
    start_in: int, told_ago: int, stale: list[str], sqlite_database: Engine, leagues: Leagues
) -> None:
    tell(sqlite_database, leagues, game(NOW + start_in * HOUR), source="bot", ago=told_ago)
    assert freshness(sqlite_database, [("soccer", "EPL"), ("baseball", "MLB")], NOW).stale(NOW) == stale


def test_a_game_called_off_or_moved_away_is_not_due(sqlite_database: Engine, leagues: Leagues) -> None:
    soon, later = NOW + 48 * HOUR, NOW + 1000 * HOUR
    tell(sqlite_database, leagues, game(soon), game(soon, "g2"), game(soon, "g3"), source="bot", ago=40)
    cancelled = NOW - 30 * HOUR
    called_off, moved = game(soon, known_at=cancelled, status="void"), game(later, "g2", known_at=cancelled)
    tell(sqlite_database, leagues, called_off, moved, source="bot", ago=30)
    assert freshness(sqlite_database, [("soccer", "EPL")], NOW).due == {"EPL": 1}
