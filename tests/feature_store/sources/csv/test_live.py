"""``backfill --live``: what a file shows is known now, and the prices of games to come are those of the moment."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch
from feature_store.sources.csv.backfill import backfill

LEAGUES = Leagues(BUILT_IN)
NFL = LEAGUES.get("NFL")
NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
HOUR = timedelta(hours=1)
HEADER = (
    "league,game_id,kickoff_utc,home_team,away_team,home_score,away_score,odds_home_open,odds_away_open,"
    "odds_home,odds_away,odds_kind\n"
)
PLAYED = "NFL,1,2026-11-15T18:00,Gulls,Pilots,24,17,1.8,2.1,1.7,2.2,Bwin\n"
COMING = "NFL,2,2026-11-22T18:00,Pilots,Gulls,,,2.0,1.9,,,Bwin\n"
BEGUN = "NFL,3,2026-11-20T17:00,Terns,Gulls,,,2.0,1.9,,,Bwin\n"


def record(database: Engine, folder: Path, rows: str, now: datetime) -> FactBatch:
    path = folder / "games.csv"
    path.write_text(HEADER + rows)
    backfill(database, LEAGUES, [path], now=now, live=True)
    return archive.load(database, NFL)


def test_what_the_file_shows_is_known_from_the_look_on(sqlite_database: Engine, tmp_path: Path) -> None:
    facts = record(sqlite_database, tmp_path, PLAYED + COMING + BEGUN, NOW)
    assert [(game.game_id, game.status) for game in sorted(facts.games)] == [
        ("1", "final"),
        ("2", "scheduled"),
        ("3", "unknown"),
    ]
    assert {fact.known_at for fact in (*facts.games, *facts.results, *facts.quotes)} == {NOW}
    assert [(quote.game_id, quote.moment, quote.odds_home) for quote in sorted(facts.quotes)] == [
        ("1", "close", 1.7),
        ("1", "open", 1.8),
        ("2", "last", 2.0),
    ]
    assert [quote.quoted_at for quote in facts.quotes if quote.game_id == "2"] == [NOW]


def test_a_moved_price_is_a_further_version_and_the_closing_column_counts_before_the_opening_one(
    sqlite_database: Engine, tmp_path: Path
) -> None:
    record(sqlite_database, tmp_path, COMING, NOW)
    record(sqlite_database, tmp_path, COMING, NOW + HOUR)
    facts = record(sqlite_database, tmp_path, COMING.replace(",,,Bwin", ",2.2,1.75,Bwin"), NOW + 2 * HOUR)
    assert [(quote.known_at - NOW, quote.odds_home, quote.odds_away) for quote in facts.quotes] == [
        (0 * HOUR, 2.0, 1.9),
        (2 * HOUR, 2.2, 1.75),
    ]


def test_a_score_that_comes_later_is_known_later(sqlite_database: Engine, tmp_path: Path) -> None:
    record(sqlite_database, tmp_path, COMING, NOW)
    after = datetime(2026, 11, 23, 9, tzinfo=UTC)
    facts = record(sqlite_database, tmp_path, COMING.replace("Gulls,,", "Gulls,20,13"), after)
    assert [(result.home_score, result.known_at) for result in facts.results] == [(20, after)]
    assert facts.results[0].finished_at == datetime(2026, 11, 22, 22, tzinfo=UTC)
