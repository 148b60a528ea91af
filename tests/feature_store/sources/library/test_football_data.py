"""A season is fetched from the library's source when asked for, from a server on this machine; failures have names."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.database.transactions import reading
from core.errors import DbsbmError, ExternalServiceError, NetworkError, OperationTimeoutError, ResourceNotFoundError
from feature_store.archive import store as archive
from feature_store.archive import tables
from feature_store.archive.store import Recorded
from feature_store.identity.team_aliases import record_alias
from feature_store.sources.csv.backfill import BackfillReport
from feature_store.sources.library import pages as library_pages
from feature_store.sources.published_seasons import backfill_season
from tests.conftest import NOW
from tests.services import free_port

LATER = NOW + timedelta(days=1)
INDEX = b'<a href="mmz4281/2324/E0.csv">2023/24</a> <a href="mmz4281/9293/E0.csv">1992/93</a> <a href="mmz4281/2324/E1.csv">2nd</a>'
PAGES = {"/englandm.php": INDEX}
SEASON = """\ufeffDiv,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HS,B365H,B365D,B365A,PSH,PSD,PSA,AvgH,AvgD,AvgA,AvgCH,AvgCD,AvgCA,AvgC>2.5,AvgC<2.5,AHh,AHCh
E0,11/08/2023,20:00,Burnley,Man City,0,3,A,6,8,5.5,1.33,8.2,5.6,1.36,8.1,5.4,1.35,9.02,5.35,1.35,1.65,2.27,1.5,1.25
E0,12/08/2023,12:30,Arsenal,Nott'm Forest,2,1,H,15,1.18,7,15,,,,1.19,7,15,11.8,7.64,15.67,1.42,2.85,-2,-2
E0,12/08/2023,15:00,Bournemouth,West Ham,one,1,D,14,2.7,3.4,2.55,2.69,3.5,2.7,2.7,3.4,2.6,2.7,3.4,2.6,1.9,1.9,0,0
E0,13/08/2023,14:00,Everton
"""
E0 = "/mmz4281/2324/E0.csv"


def fetch(
    ours: Engine, leagues: Leagues, address: str, *, league: str = "EPL", season: int = 2023, now: datetime = NOW
) -> BackfillReport:
    return backfill_season(ours, leagues, league, season, now=now, address=address)


def test_a_season_is_read_with_its_books_both_prices_and_lines(
    site: Callable[..., tuple[str, list[str]]], database: Engine, leagues: Leagues
) -> None:
    address, asked = site({**PAGES, E0: SEASON.encode()})
    report = fetch(database, leagues, address)
    assert asked == ["/englandm.php", E0]
    assert (report.files, report.rows, report.recorded["EPL"].games, report.recorded["EPL"].results) == (1, 4, 3, 2)
    batch = archive.load(database, leagues.get("EPL"), NOW)
    burnley = datetime(2023, 8, 11, 19, tzinfo=UTC)
    first = [quote for quote in batch.quotes if quote.game_id == "2023-08-11-Burnley-ManCity"]
    assert {(quote.book, quote.moment): quote[4:12] for quote in first} == {
        ("market_average", "close"): (burnley, 9.02, 5.35, 1.35, -1.25, 2.5, 1.65, 2.27),
        ("market_average", "open"): (burnley - timedelta(days=1), 8.1, 5.4, 1.35, -1.5, None, None, None),
        ("bet365", "open"): (burnley - timedelta(days=1), 8.0, 5.5, 1.33, None, None, None, None),
        ("pinnacle", "open"): (burnley - timedelta(days=1), 8.2, 5.6, 1.36, None, None, None, None),
    }
    assert [game.season for game in batch.games] == [2023] * 3


def test_what_is_damaged_in_the_file_is_quarantined_once_with_its_line(
    site: Callable[..., tuple[str, list[str]]], sqlite_database: Engine, leagues: Leagues
) -> None:
    address, _ = site({**PAGES, E0: SEASON.encode()})
    fetch(sqlite_database, leagues, address)
    kept = tables.quarantine.c
    with reading(sqlite_database) as connection:
        found = [
            tuple(row) for row in connection.execute(sa.select(kept.place, kept.fact, kept.reason).order_by(kept.place))
        ]
    place = "football-data-EPL-2023.csv"
    assert [(where, fact) for where, fact, _ in found] == [
        (f"{place}:3", "quote"), (f"{place}:4", "result"), (f"{place}:5", "row"),
    ]  # fmt: skip
    assert "moneyline 11.8, 7.64, 15.67: the overround -72.1%" in found[0][2]


def test_a_score_of_a_game_to_come_is_refused(
    site: Callable[..., tuple[str, list[str]]], sqlite_database: Engine, leagues: Leagues
) -> None:
    address, _ = site({**PAGES, E0: SEASON.encode()})
    report = fetch(sqlite_database, leagues, address, now=datetime(2023, 8, 12, 8, tzinfo=UTC))
    assert report.recorded["EPL"].results == 1
    assert "row: the game has a score, but starts in the future, at 2023-08-12 11:30" in report.reasons


def test_fetching_again_adds_nothing_and_an_alias_is_obeyed(
    site: Callable[..., tuple[str, list[str]]], sqlite_database: Engine, leagues: Leagues
) -> None:
    address, _ = site({**PAGES, E0: SEASON.encode()})
    fetch(sqlite_database, leagues, address)
    assert fetch(sqlite_database, leagues, address, now=LATER).added == 0
    record_alias(sqlite_database, leagues.get("EPL"), "Man City", "Manchester City", source="test", now=NOW)
    again = fetch(sqlite_database, leagues, address, now=LATER).recorded["EPL"]
    assert again == Recorded(games=1, corrections=1, unchanged=again.unchanged)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_both_of_the_sites_encodings_are_read(
    encoding: str, site: Callable[..., tuple[str, list[str]]], sqlite_database: Engine, leagues: Leagues
) -> None:
    text = SEASON.lstrip("\ufeff").replace("Burnley", "Atlético")
    address, _ = site({**PAGES, E0: text.encode(encoding)})
    fetch(sqlite_database, leagues, address)
    games = archive.load(sqlite_database, leagues.get("EPL"), NOW).games
    assert "Atlético" in {game.home_team for game in games}


def test_an_old_season_without_times_closing_prices_and_shots_is_read_as_far_as_it_goes(
    site: Callable[..., tuple[str, list[str]]], sqlite_database: Engine, leagues: Leagues
) -> None:
    old = b"Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\nE0,15/08/92,Arsenal,Norwich,2,4,A\n"
    address, _ = site({**PAGES, "/mmz4281/9293/E0.csv": old})
    fetch(sqlite_database, leagues, address, season=1992)
    batch = archive.load(sqlite_database, leagues.get("EPL"), NOW)
    assert [(game.season, game.date_only) for game in batch.games] == [(1992, True)]
    assert (len(batch.results), batch.quotes) == (1, [])


@pytest.mark.parametrize(
    ("pages", "error", "message"),
    [
        ({}, ExternalServiceError, "/englandm.php answered with status 404"),
        ({**PAGES, E0: 503}, ExternalServiceError, "/mmz4281/2324/E0.csv answered with status 503"),
        ({"/englandm.php": b"<p>closed</p>"}, ExternalServiceError, "the page at /englandm.php lists no seasons"),
        ({"/englandm.php": b'<a href="E0.csv">'}, ExternalServiceError, "the list of seasons cannot be read"),
        ({**PAGES, E0: b"<html>moved</html>"}, ExternalServiceError, "the season's file cannot be read"),
        ({**PAGES, E0: b""}, ExternalServiceError, "the season's file cannot be read"),
        ({"/englandm.php": 0}, OperationTimeoutError, "did not answer in time"),
    ],
)
def test_a_server_that_fails_is_named_and_nothing_is_written(
    pages: dict[str, bytes | int],
    error: type[DbsbmError],
    message: str,
    site: Callable[..., tuple[str, list[str]]],
    sqlite_database: Engine,
    leagues: Leagues,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(library_pages, "TIME_LIMIT", httpx.Timeout(0.5))
    address, _ = site(pages)
    with pytest.raises(error, match=message):
        fetch(sqlite_database, leagues, address)
    assert archive.count_games(sqlite_database) == {}


@pytest.mark.parametrize("address", ["http://127.0.0.1:{port}", "nowhere"])
def test_a_server_that_is_not_there_is_a_network_error(address: str, sqlite_database: Engine, leagues: Leagues) -> None:
    with pytest.raises(NetworkError, match="cannot be reached"):
        fetch(sqlite_database, leagues, address.format(port=free_port()))


def test_a_league_or_season_that_is_not_published_is_named_with_what_there_is(
    site: Callable[..., tuple[str, list[str]]], sqlite_database: Engine, leagues: Leagues
) -> None:
    address, asked = site(dict(PAGES))
    with pytest.raises(ResourceNotFoundError, match=r"has no season files of NFL\. Nearest: EPL"):
        fetch(sqlite_database, leagues, address, league="NFL")
    assert asked == []
    with pytest.raises(ResourceNotFoundError, match=r"has no season 2031 of EPL\. It has 1992, 2023"):
        fetch(sqlite_database, leagues, address, season=2031)


def test_without_the_library_its_extra_is_named(
    sqlite_database: Engine, leagues: Leagues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sportsbet.sources", None)
    with pytest.raises(ExternalServiceError, match="Install the extra `demo`"):
        fetch(sqlite_database, leagues, "http://127.0.0.1:9")
