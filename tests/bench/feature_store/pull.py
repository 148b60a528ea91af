"""Looks at feeds, from a local server into the archive: facts per second, the first time and when nothing has moved."""

import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import orjson
from sqlalchemy.engine import URL, make_url

from core.database.engines import open_database
from feature_store.sources.feeds.collection import collect_feed
from feature_store.sources.feeds.configuration import FeedConfiguration
from migrations import schema
from tests.feature_store.sources.feeds import api_sports, test_the_odds_api
from tests.feature_store.sources.feeds.service import LEAGUES, PlayedAnswer, PlayedFeed, Service, played_service
from tests.services import mariadb_server

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
GAMES, BOOKS, PER_PAGE = 380, 12, 10
FEEDS = {"the-odds-api": ("EPL", "soccer_epl"), "api-football": ("EPL", "39"), "nflverse": ("NFL", "NFL")}


def run(rounds: int = 3) -> None:
    with tempfile.TemporaryDirectory() as folder, mariadb_server() as mariadb, played_service() as service:
        _play(service)
        for name, address in (
            ("SQLite", lambda n: make_url(f"sqlite:///{folder}/{n}.db")),
            ("MariaDB", lambda n: mariadb.recreate(f"p{n}")),
        ):
            for feed in FEEDS:
                _measure(name, feed, service, Path(folder), address, rounds)


def _measure(
    database: str, name: str, service: Service, folder: Path, address: Callable[[str], URL], rounds: int
) -> None:
    league, named = FEEDS[name]
    configuration = FeedConfiguration(leagues={league: named}, address=service.address, calls_per_day=1_000_000)
    first, again, looks, facts = [], [], [], 0
    for number in range(rounds):
        feed = PlayedFeed(name, configuration, folder / f"{database}-{number}", "a key", time_limit=60)
        engine = open_database(address(f"{name.replace('-', '_')}{number}"))
        schema.upgrade(engine)
        took, report = _timed(partial(collect_feed, engine, LEAGUES, feed, NOW))
        first.append(took)
        facts = report.facts
        assert report.recorded[league].added == facts, (report.recorded, facts)
        took, report = _timed(partial(collect_feed, engine, LEAGUES, feed, NOW + timedelta(minutes=5)))
        again.append(took)
        assert report.recorded[league].added == 0
        looks.append(_timed(partial(feed.look, NOW + timedelta(minutes=10)))[0])
        engine.dispose()
    print(
        f"pull of {name} into {database}: {facts / median(first):,.0f} facts/s ({facts:,} facts, {median(first):.2f} s);"
        f" nothing moved {facts / median(again):,.0f} facts/s; asking and reading alone {median(looks):.2f} s"
    )


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def _play(service: Service) -> None:
    odds_api = test_the_odds_api
    events, fixtures = [], []
    for number in range(GAMES):
        sides, start = (f"Home {number}", f"Away {number}"), NOW + timedelta(hours=number + 3)
        shown = odds_api.market(
            "h2h", odds_api.outcome(sides[0], 1.95), odds_api.outcome(sides[1], 4.1), odds_api.outcome("Draw", 3.6)
        )
        total = odds_api.market("totals", odds_api.outcome("Over", 1.85, 2.5), odds_api.outcome("Under", 2.0, 2.5))
        books = [odds_api.bookmaker(f"book{book}", shown, total) for book in range(BOOKS)]
        named = {"home_team": sides[0], "away_team": sides[1], "commence_time": start.isoformat()}
        events.append(odds_api.event(id=f"e{number}", bookmakers=books, **named))
        teams = {"home": {"name": sides[0]}, "away": {"name": sides[1]}}
        fixtures.append(api_sports.fixture(number, date=start.isoformat(), teams=teams))
    header = "game_id,season,gameday,gametime,away_team,away_score,home_team,home_score,home_moneyline,away_moneyline\n"
    lines = [
        f"{season}_{number},{season},{NOW + timedelta(days=1):%Y-%m-%d},13:00,A{number},NA,B{number},NA,-140,120\n"
        for season in range(1999, 2027)
        for number in range(280)
    ]
    service.answers = {
        odds_api.ODDS: PlayedAnswer(orjson.dumps(events)),
        odds_api.SCORES: PlayedAnswer([]),
        "/fixtures": PlayedAnswer(orjson.dumps(api_sports.answer(*fixtures))),
        "/odds": _pages(service),
        "/data/games.csv": PlayedAnswer((header + "".join(lines)).encode()),
    }


def _pages(service: Service) -> Callable[[], PlayedAnswer]:
    """The pages of API-FOOTBALL's prices, made once."""
    shown = [
        api_sports.bookmaker(f"book{book}", api_sports.WINNER, api_sports.HANDICAP, api_sports.GOALS)
        for book in range(BOOKS)
    ]
    last = GAMES // PER_PAGE
    pages = {}
    for page in range(1, last + 1):
        numbers = range((page - 1) * PER_PAGE, page * PER_PAGE)
        entries = [api_sports.prices(*shown, number=number, place="fixture") for number in numbers]
        pages[page] = PlayedAnswer(orjson.dumps(api_sports.answer(*entries, page=page, pages=last)))
    return lambda: pages[int(service.requests[-1][1].get("page", "1"))]
