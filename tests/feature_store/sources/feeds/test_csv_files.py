"""Files on the network, read by the ready mappings: finals, and games to come with prices as old as the file."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from feature_store.archive import store as archive
from feature_store.archive.facts import Quote
from feature_store.sources.csv.backfill import backfill
from feature_store.sources.csv.mapping_file import find_mapping
from feature_store.sources.feeds.collection import collect_feed
from feature_store.sources.feeds.configuration import FeedConfiguration
from tests.feature_store.sources.feeds.csv_files import (
    COMING_FILE,
    EXTRA_COMING_FILE,
    EXTRA_FILE,
    NFL_FILE,
    SEASON_FILE,
)  # fmt: skip
from tests.feature_store.sources.feeds.service import LEAGUES, PlayedAnswer, PlayedFeed, Service, played_service

NOW = datetime(2026, 11, 20, 18, tzinfo=UTC)
CHANGED = datetime(2026, 11, 20, 14, tzinfo=UTC)
SEASON, COMING = "/mmz4281/2627/E0.csv", "/fixtures.csv"


@pytest.fixture
def service() -> Iterator[Service]:
    with played_service() as service:
        changed = {"last-modified": "Fri, 20 Nov 2026 14:00:00 GMT"}
        service.answers = {
            SEASON: PlayedAnswer(SEASON_FILE.encode()),
            COMING: PlayedAnswer(COMING_FILE.encode(), headers=dict(changed)),
            "/new/USA.csv": PlayedAnswer(EXTRA_FILE.encode()),
            "/new_league_fixtures.csv": PlayedAnswer(EXTRA_COMING_FILE.encode()),
            "/data/games.csv": PlayedAnswer(NFL_FILE.encode(), headers=dict(changed)),
        }
        yield service


def feed_of(service: Service, folder: Path, name: str = "football-data", **leagues: str) -> PlayedFeed:
    leagues = leagues or {"EPL": "E0"}
    configuration = FeedConfiguration(leagues=leagues, address=service.address, calls_per_day=100)
    return PlayedFeed(name, configuration, folder)


def test_a_coming_game_has_the_prices_of_each_book_as_old_as_the_file(service: Service, tmp_path: Path) -> None:
    look = feed_of(service, tmp_path).look(NOW)
    batch = look.batches["EPL"]
    assert [(item.reason, item.content) for item in (*look.rejected, *batch.rejected)] == []
    assert {game.game_id: (game.status, game.season, game.known_at) for game in batch.games} == {
        "2026-11-15-Chelsea-Fulham": ("final", 2026, NOW),
        "2026-11-21-Arsenal-Everton": ("scheduled", 2026, NOW),
    }
    (result,) = batch.results
    assert (result.home_score, result.away_score, result.known_at, result.home_shots) == (2, 1, NOW, 12)
    coming = [quote for quote in batch.quotes if quote.moment == "last"]
    game = "2026-11-21-Arsenal-Everton"
    assert sorted(coming) == [
        Quote(game, "bet365", "last", NOW, CHANGED, 1.3, 5.5, 9.5),
        Quote(game, "market_average", "last", NOW, CHANGED, 1.31, 5.4, 9.4, 1.5),
    ]
    closing = {quote.book: quote for quote in batch.quotes if quote.moment == "close"}
    start = datetime(2026, 11, 15, 15, tzinfo=UTC)
    assert closing["bet365"] == Quote("2026-11-15-Chelsea-Fulham", "bet365", "close", NOW, start, 1.5, 4.4, 6.5)


def test_one_file_of_coming_games_is_asked_once_for_all_leagues(service: Service, tmp_path: Path) -> None:
    service.answers["/mmz4281/2627/SP1.csv"] = PlayedAnswer(SEASON_FILE.splitlines(keepends=True)[0].encode())
    feed = feed_of(service, tmp_path, EPL="E0", LALIGA="SP1")
    look = feed.look(NOW)
    assert service.paths().count(COMING) == 1
    assert (look.calls, feed.calls_per_look(NOW)) == (3, 3)
    assert [game.home_team for game in look.batches["LALIGA"].games] == ["Betis"]


def test_a_league_with_one_file_of_all_seasons_gives_the_present_one(service: Service, tmp_path: Path) -> None:
    look = feed_of(service, tmp_path, MLS="USA").look(NOW)
    batch = look.batches["MLS"]
    assert [(game.season, game.home_team) for game in batch.games] == [(2026, "LA Galaxy"), (2026, "Inter Miami")]
    assert len(batch.results) == 1
    assert look.rejected == batch.rejected == []


def test_nflverse_gives_this_seasons_games_and_lines(service: Service, tmp_path: Path) -> None:
    look = feed_of(service, tmp_path, "nflverse", NFL="NFL").look(NOW)
    batch = look.batches["NFL"]
    assert [game.game_id for game in batch.games] == ["2026_11_DET_KC", "2026_12_KC_BUF", "2026_13_BUF_KC"]
    assert [(result.game_id, result.home_score) for result in batch.results] == [("2026_11_DET_KC", 20)]
    (line,) = [quote for quote in batch.quotes if quote.moment == "last"]
    assert (line.game_id, line.book, line.quoted_at) == ("2026_12_KC_BUF", "nflverse", CHANGED)
    assert (line.spread_line, line.total_line, line.odds_away) == (2.5, 48.5, 2.2)
    assert look.rejected == batch.rejected == []


def test_unchanged_files_are_asked_for_conditionally_and_add_nothing(
    service: Service, tmp_path: Path, sqlite_database: Engine
) -> None:
    feed = feed_of(service, tmp_path)
    assert collect_feed(sqlite_database, LEAGUES, feed, NOW).recorded["EPL"].added > 0
    service.answers[COMING] = PlayedAnswer(b"", 304)
    again = collect_feed(sqlite_database, LEAGUES, feed, NOW + timedelta(hours=1))
    assert (again.recorded["EPL"].added, again.unchanged) == (0, 1)
    assert service.requests[-1][2]["if-modified-since"] == "Fri, 20 Nov 2026 14:00:00 GMT"


def test_a_game_begun_without_a_score_keeps_its_last_price(
    service: Service, tmp_path: Path, sqlite_database: Engine
) -> None:
    feed = feed_of(service, tmp_path)
    collect_feed(sqlite_database, LEAGUES, feed, NOW)
    during = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)
    collect_feed(sqlite_database, LEAGUES, feed, during)
    facts = archive.load(sqlite_database, LEAGUES.get("EPL"))
    status = [game.status for game in facts.games if game.home_team == "Arsenal"]
    assert status == ["scheduled", "unknown"]
    assert {quote.known_at for quote in facts.quotes if quote.moment == "last"} == {NOW}


def test_the_same_season_by_a_back_fill_is_the_same_games(
    service: Service, tmp_path: Path, sqlite_database: Engine
) -> None:
    path = tmp_path / "E0.csv"
    path.write_text(SEASON_FILE)
    backfill(sqlite_database, LEAGUES, [path], now=NOW, mapping=find_mapping("football-data"))
    collected = collect_feed(sqlite_database, LEAGUES, feed_of(service, tmp_path), NOW)
    assert (collected.recorded["EPL"].games, collected.recorded["EPL"].results) == (1, 0)


CUT = {
    "in a number": (COMING_FILE.encode()[:-3], "ends without a line break"),
    "to its header": (COMING_FILE.encode()[:60], "= 'Div': football-data-EPL.csv: column Div is missing"),
    "a new shape": (COMING_FILE.replace("HomeTeam", "Home Side").encode(), "column HomeTeam or HT is missing"),
    "wrong types": (COMING_FILE.replace("21/11/2026", "next week").encode(), "next week"),
    "odds of no price": (COMING_FILE.replace("1.3,5.5", "abc,5.5").encode(), "odds_home_open: expected a"),
    "a column twice": (COMING_FILE.replace("Referee", "HomeTeam").encode(), "HomeTeam is twice"),
}


@pytest.mark.parametrize("name", CUT)
def test_a_damaged_file_gives_no_wrong_fact(name: str, service: Service, tmp_path: Path) -> None:
    content, reason = CUT[name]
    service.answers[COMING] = PlayedAnswer(content)
    whole = {"2026-11-15-Chelsea-Fulham", "2026-11-21-Arsenal-Everton"}
    look = feed_of(service, tmp_path, EPL="E0").look(NOW)
    batch = look.batches["EPL"]
    assert {game.game_id for game in batch.games} <= whole
    assert [quote for quote in batch.quotes if quote.odds_home not in (1.3, 1.31, 1.5, 1.52, 1.55)] == []
    assert [item for item in (*look.rejected, *batch.rejected) if reason in item.reason]
    assert all(item.source == "feed:football-data" for item in (*look.rejected, *batch.rejected))
