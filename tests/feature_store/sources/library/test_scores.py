"""Seasons without prices come from the library's other sources, fetched from a server on this machine."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.errors import ExternalServiceError, ResourceNotFoundError
from feature_store.archive import store as archive
from feature_store.sources.published_seasons import backfill_scores
from tests.conftest import NOW

Serve = Callable[..., tuple[str, list[str]]]
SEASONS = "/v2/sports/basketball/leagues/nba/seasons?limit=100"
MONTHS = [(2022, month) for month in (9, 10, 11, 12)] + [(2023, month) for month in range(1, 8)]
LAST = {9: 30, 10: 31, 11: 30, 12: 31, 1: 31, 2: 28, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31}


def event(date: str, home: str, away: str, score: tuple[int, int] | None, season_type: int = 2) -> dict[str, object]:
    sides = [("home", home, 0), ("away", away, 1)]
    return {
        "date": date,
        "season": {"type": season_type},
        "competitions": [
            {
                "type": {"abbreviation": "STD"},
                "status": {"type": {"completed": score is not None}},
                "competitors": [
                    {"homeAway": side, "team": {"displayName": team}, "score": str(score[place]) if score else "0"}
                    for side, team, place in sides
                ],
            }
        ],
    }


def nba_pages(*events: dict[str, object]) -> dict[str, bytes | int]:
    base = "/apis/site/v2/sports/basketball/nba/scoreboard?dates="
    pages: dict[str, bytes | int] = {
        SEASONS: json.dumps({"items": [{"$ref": "http://nowhere/seasons/2023?lang=en"}]}).encode()
    }
    for year, month in MONTHS:
        own = [one for one in events if str(one["date"]).startswith(f"{year}-{month:02}")]
        pages[f"{base}{year}{month:02}01-{year}{month:02}{LAST[month]}&limit=1000"] = json.dumps(
            {"events": own}
        ).encode()
    return pages


PLAYED = event("2022-10-19T00:00Z", "Boston Celtics", "Philadelphia 76ers", (126, 117))
PRESEASON = event("2022-10-02T00:00Z", "Boston Celtics", "Charlotte Hornets", (134, 93), season_type=1)
TO_COME = event("2023-04-09T17:00Z", "Boston Celtics", "Atlanta Hawks", None)


def fetch(ours: Engine, leagues: Leagues, address: str, source: str = "nba", **changed: object) -> object:
    asked = {"name": "NBA", "season": 2022, "now": NOW, "address": address} | changed
    return backfill_scores(ours, leagues, source, **asked)  # type: ignore[arg-type]


def test_an_nba_season_is_read_month_by_month_without_pre_season_games(
    site: Serve,
    database: Engine,
    leagues: Leagues,
) -> None:
    address, asked = site(nba_pages(PLAYED, PRESEASON, TO_COME))
    fetch(database, leagues, address)
    fetch(database, leagues, address)
    assert asked[0] == SEASONS
    assert len(asked) == 2 * (1 + len(MONTHS))
    held = archive.load(database, leagues.get("NBA"), NOW)
    assert [(game.season, game.start_at, game.home_team, game.status) for game in held.games] == [
        (2022, datetime(2022, 10, 19, tzinfo=UTC), "Boston Celtics", "final"),
        (2022, datetime(2023, 4, 9, 17, tzinfo=UTC), "Boston Celtics", "unknown"),
    ]
    assert [(result.home_score, result.away_score) for result in held.results] == [(126, 117)]


def test_a_euroleague_season_is_one_page(
    site: Serve,
    sqlite_database: Engine,
    leagues: Leagues,
) -> None:
    from sportsbet.sources._stats import _euroleague

    sides = {
        side: {"club": {"name": team}, "score": score}
        for side, team, score in (("local", "Monaco", 91), ("road", "Zalgiris", 88))
    }
    game = {"utcDate": "2022-10-06T18:00:00Z", "played": True, **sides}
    root = _euroleague.URL.partition("://")[2].partition("/")[2]
    address, _ = site(
        {
            f"/{root}/seasons": json.dumps({"data": [{"year": 2022}]}).encode(),
            f"/{root}/seasons/E2022/games": json.dumps({"data": [game]}).encode(),
        }
    )
    fetch(sqlite_database, leagues, address, "euroleague", name="EUROLEAGUE")
    (result,) = archive.load(sqlite_database, leagues.get("EUROLEAGUE"), NOW).results
    assert (result.home_score, result.away_score) == (91, 88)


def test_what_is_not_there_or_cannot_be_read_is_named_and_nothing_is_written(
    site: Serve,
    sqlite_database: Engine,
    leagues: Leagues,
) -> None:
    address, asked = site(nba_pages(PLAYED))
    with pytest.raises(ResourceNotFoundError, match=r"nba has no seasons of EPL\. Nearest: NBA"):
        fetch(sqlite_database, leagues, address, name="EPL")
    assert asked == []
    with pytest.raises(ResourceNotFoundError, match=r"nba has no season 2031 of NBA\. It has 2022"):
        fetch(sqlite_database, leagues, address, season=2031)
    broken, _ = site({**nba_pages(PLAYED), SEASONS: b"<html>"})
    with pytest.raises(ExternalServiceError, match="the list of seasons cannot be read"):
        fetch(sqlite_database, leagues, broken)
    moved, _ = site({page: b"<html>" if "scoreboard" in page else body for page, body in nba_pages(PLAYED).items()})
    with pytest.raises(ExternalServiceError, match="the season's pages cannot be read"):
        fetch(sqlite_database, leagues, moved)
    assert archive.count_games(sqlite_database) == {}
