"""The Odds API's documented answers become games, results and quotes known from the look on; broken ones none."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import Engine

from core.errors import RateLimitError
from feature_store.archive import store as archive
from feature_store.archive.facts import GameFact, Result
from feature_store.archive.sources.terms import hidden_sources, unpublished_sources
from feature_store.sources.feeds.collection import collect_feed
from feature_store.sources.feeds.configuration import FeedConfiguration
from feature_store.sources.seasons import UNSTATED
from tests.feature_store.sources.feeds.service import LEAGUES, PlayedAnswer, PlayedFeed, Service, played_service

EPL, NFL = LEAGUES.get("EPL"), LEAGUES.get("NFL")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = "a key that stands nowhere"
ODDS, SCORES = "/v4/sports/soccer_epl/odds", "/v4/sports/soccer_epl/scores"


def event(**more: Any) -> dict[str, Any]:
    return {
        "id": "e1",
        "sport_key": "soccer_epl",
        "sport_title": "EPL",
        "commence_time": "2026-11-21T15:00:00Z",
        "home_team": "Northbridge United",
        "away_team": "Southport Rovers",
        **more,
    }


def bookmaker(key: str, *markets: dict[str, Any]) -> dict[str, Any]:
    return {"key": key, "title": key.title(), "last_update": "2026-11-21T11:58:00Z", "markets": list(markets)}


def market(key: str, *outcomes: dict[str, Any], at: str = "2026-11-21T11:57:30Z") -> dict[str, Any]:
    return {"key": key, "last_update": at, "outcomes": list(outcomes)}


def outcome(name: str, price: Any, point: float | None = None) -> dict[str, Any]:
    return {"name": name, "price": price} | ({} if point is None else {"point": point})


MONEYLINE = market("h2h", outcome("Northbridge United", 1.95), outcome("Southport Rovers", 4.1), outcome("Draw", 3.6))
SPREAD = market("spreads", outcome("Northbridge United", 1.9, -0.5), outcome("Southport Rovers", 1.95, 0.5))
TOTAL = market("totals", outcome("Over", 1.85, 2.5), outcome("Under", 2.0, 2.5), at="2026-11-21T11:40:00Z")


@pytest.fixture
def service() -> Iterator[Service]:
    with played_service() as service:
        service.answers = {
            ODDS: PlayedAnswer([event(bookmakers=[bookmaker("bookone", MONEYLINE, SPREAD, TOTAL)])]),
            SCORES: PlayedAnswer([event(completed=False, scores=None, last_update=None)]),
        }
        yield service


@pytest.fixture
def feed(service: Service, tmp_path: Path) -> PlayedFeed:
    return make_feed(service, tmp_path)


def make_feed(service: Service, folder: Path, **settings: Any) -> PlayedFeed:
    configuration = FeedConfiguration(
        leagues={"EPL": "soccer_epl"}, address=service.address, **{"calls_per_day": 500, **settings}
    )
    return PlayedFeed("the-odds-api", configuration, folder / "feeds", KEY)


def test_an_upcoming_game_with_its_prices_is_known_from_the_look_on(feed: PlayedFeed, service: Service) -> None:
    look = feed.look(NOW)
    (game,) = look.batches["EPL"].games
    start = datetime(2026, 11, 21, 15, tzinfo=UTC)
    expected = GameFact(
        "the-odds-api:e1",
        NOW,
        UNSTATED,
        start,
        False,
        "Northbridge United",
        "Southport Rovers",
        False,
        False,
        "scheduled",
    )
    assert game == expected
    (quote,) = look.batches["EPL"].quotes
    assert (quote.book, quote.moment, quote.known_at) == ("bookone", "last", NOW)
    assert quote.quoted_at == datetime(2026, 11, 21, 11, 40, tzinfo=UTC), "as old as its oldest market"
    assert (quote.odds_home, quote.odds_draw, quote.odds_away) == (1.95, 3.6, 4.1)
    assert (quote.spread_line, quote.odds_home_spread, quote.odds_away_spread) == (0.5, 1.9, 1.95)
    assert (quote.total_line, quote.odds_over, quote.odds_under) == (2.5, 1.85, 2.0)
    assert (look.rejected, look.calls, look.facts) == ([], 11, 2)
    asked = [query for _, query, _ in service.requests]
    assert {query.pop("apiKey") for query in asked} == {KEY}
    assert asked == [
        {"regions": "eu,uk,us", "markets": "h2h,spreads,totals", "oddsFormat": "decimal", "dateFormat": "iso"},
        {"daysFrom": "1", "dateFormat": "iso"},
    ]


def test_a_final_score_is_a_result_and_a_score_in_play_is_none(feed: PlayedFeed, service: Service) -> None:
    early = {"commence_time": "2026-11-21T09:00:00Z", "last_update": "2026-11-21T10:58:00Z"}
    scores = [{"name": "Southport Rovers", "score": "1"}, {"name": "Northbridge United", "score": "3"}]
    service.answers[ODDS] = PlayedAnswer([])
    service.answers[SCORES] = PlayedAnswer(
        [event(**early, completed=True, scores=scores), event(**early, id="e2", completed=False, scores=scores)]
    )
    batch = feed.look(NOW).batches["EPL"]
    assert [game.status for game in batch.games] == ["final", "live"]
    assert batch.results == [Result("the-odds-api:e1", NOW, datetime(2026, 11, 21, 11, tzinfo=UTC), 3, 1)]


BROKEN: dict[str, tuple[PlayedAnswer, str]] = {
    "empty": (PlayedAnswer(b""), "the answer is empty"),
    "half": (PlayedAnswer(b'[{"id": "e1", "comm'), "not JSON, or ends early"),
    "cut off": (PlayedAnswer([event()], cut=True), "cannot be reached: RemoteProtocolError"),
    "a page": (PlayedAnswer(b"<!doctype html><p>Maintenance"), "a page for people"),
    "an object": (PlayedAnswer({"message": "see our new address"}), "expected a list, got dict"),
    "too many requests": (PlayedAnswer({"message": "slow down"}, 429, {"retry-after": "120"}), "too many requests"),
    "an error": (PlayedAnswer({"message": "oops"}, 500), "status 500"),
    "refused": (PlayedAnswer({"message": f"{KEY} is invalid"}, 401), "the key was refused"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_gives_no_fact_and_its_reason_without_the_key(
    name: str, feed: PlayedFeed, service: Service
) -> None:
    service.answers[ODDS], reason = BROKEN[name]
    look = feed.look(NOW)
    assert look.batches["EPL"].quotes == []
    assert reason in look.rejected[0].reason
    assert look.rejected[0].place == ODDS
    assert KEY not in str(look.rejected)


def test_a_late_answer_is_given_up(service: Service, tmp_path: Path) -> None:
    def late() -> PlayedAnswer:
        import time

        time.sleep(0.5)
        return PlayedAnswer([])

    service.answers[ODDS] = late
    feed = make_feed(service, tmp_path)
    feed.time_limit = 0.1
    assert "did not answer in time" in feed.look(NOW).rejected[0].reason


DAMAGED: dict[str, tuple[dict[str, Any], str]] = {
    "no id": (event(id=None, bookmakers=[]), "id, start or a team is missing"),
    "no start": (event(commence_time="soon", bookmakers=[]), "id, start or a team is missing"),
    "one team": (event(away_team="northbridge united", bookmakers=[]), "both teams are one"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_event_costs_itself_alone(name: str, feed: PlayedFeed, service: Service) -> None:
    damaged, reason = DAMAGED[name]
    service.answers[ODDS] = PlayedAnswer([damaged, event(id="whole", bookmakers=[bookmaker("bookone", MONEYLINE)])])
    service.answers[SCORES] = PlayedAnswer([])
    batch = feed.look(NOW).batches["EPL"]
    assert [game.game_id for game in batch.games] == ["the-odds-api:whole"]
    assert reason in batch.rejected[0].reason
    assert len(batch.quotes) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        market("h2h", outcome("Northbridge United", 1.95)),
        market("h2h", outcome("Northbridge United", "n/a"), outcome("Southport Rovers", 4.1), outcome("Draw", 3.6)),
        market("h2h", outcome("Northbridge United", 1.95), outcome("Somebody Else", 4.1), outcome("Draw", 3.6)),
        market("h2h", outcome("Northbridge United", 0.95), outcome("Southport Rovers", 4.1), outcome("Draw", 3.6)),
    ],
)
def test_a_wrong_market_costs_that_market_alone(wrong: dict[str, Any], feed: PlayedFeed, service: Service) -> None:
    service.answers[ODDS] = PlayedAnswer([event(bookmakers=[bookmaker("bookone", wrong, TOTAL)])])
    batch = feed.look(NOW).batches["EPL"]
    (quote,) = batch.quotes
    assert (quote.odds_home, quote.total_line) == (None, 2.5)
    assert len(batch.rejected) == 1


def test_a_book_that_is_listed_twice_is_one_quote_and_what_contradicts_it_is_rejected(
    feed: PlayedFeed, service: Service, sqlite_database: Engine
) -> None:
    """Otherwise each look would find both prices new, for ever."""
    other = market("h2h", outcome("Northbridge United", 2.5), outcome("Southport Rovers", 3.1), outcome("Draw", 3.3))
    listed = [bookmaker("bookone", MONEYLINE), bookmaker("bookone", TOTAL), bookmaker("bookone", other)]
    service.answers[ODDS] = PlayedAnswer([event(bookmakers=listed)])
    batch = feed.look(NOW).batches["EPL"]
    (quote,) = batch.quotes
    assert (quote.odds_home, quote.total_line) == (1.95, 2.5)
    assert quote.quoted_at == datetime(2026, 11, 21, 11, 40, tzinfo=UTC), "as old as its oldest market"
    assert [item.reason for item in batch.rejected] == ["bookone: listed twice, at different prices"]
    added = [
        collect_feed(sqlite_database, LEAGUES, feed, NOW + timedelta(minutes=minutes)).recorded["EPL"].quotes
        for minutes in (5, 10, 15)
    ]
    assert added == [1, 0, 0]


def test_a_price_from_the_future_is_rejected(feed: PlayedFeed, service: Service) -> None:
    ahead = {**MONEYLINE, "last_update": "2026-11-22T12:00:00Z"}
    service.answers[ODDS] = PlayedAnswer([event(bookmakers=[bookmaker("bookone", ahead)])])
    batch = feed.look(NOW).batches["EPL"]
    assert batch.quotes == []
    assert "after the look" in batch.rejected[0].reason


def test_an_unchanged_answer_is_asked_for_conditionally_and_gives_the_same_facts(
    feed: PlayedFeed, service: Service
) -> None:
    service.answers[ODDS].headers["etag"] = '"v1"'  # type: ignore[union-attr]
    first = feed.look(NOW)
    service.answers[ODDS] = PlayedAnswer(b"", 304)
    again = feed.look(NOW + timedelta(minutes=5))
    assert service.requests[2][2]["if-none-match"] == '"v1"'
    assert again.unchanged == 1
    assert [quote.odds_home for quote in again.batches["EPL"].quotes] == [1.95]
    assert len(first.batches["EPL"].games) == len(again.batches["EPL"].games) == 1


def test_raw_answers_are_deleted_when_the_terms_end(feed: PlayedFeed, tmp_path: Path) -> None:
    feed.look(NOW)
    first = set(tmp_path.rglob("answers/*/*.gz"))
    feed.look(NOW + timedelta(hours=71))
    assert first
    assert first <= set(tmp_path.rglob("answers/*/*.gz"))
    feed.look(NOW + timedelta(hours=73))
    kept = set(tmp_path.rglob("answers/*/*.gz"))
    assert kept
    assert not first & kept


def test_after_too_many_requests_nothing_is_asked_until_the_service_allows_it(
    feed: PlayedFeed, service: Service
) -> None:
    service.answers[ODDS] = PlayedAnswer({}, 429, {"retry-after": "120"})
    feed.look(NOW)
    asked = len(service.requests)
    with pytest.raises(RateLimitError) as refused:
        feed.look(NOW + timedelta(seconds=30))
    assert refused.value.retry_after == 90
    assert len(service.requests) == asked == 1
    service.answers[ODDS] = PlayedAnswer([])
    assert feed.look(NOW + timedelta(seconds=121)).calls == 11


def test_failures_in_a_row_are_asked_ever_more_rarely(feed: PlayedFeed, service: Service) -> None:
    service.answers[ODDS] = service.answers[SCORES] = PlayedAnswer(b"", 503)
    moment, pauses = NOW, []
    for _ in range(10):
        feed.look(moment)
        until = feed.ledger.paused_until()
        assert until is not None
        pauses.append((until - moment).total_seconds())
        moment = until
    assert pauses == [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_a_day_never_costs_more_than_its_budget(service: Service, tmp_path: Path) -> None:
    """As a resident process looks: at the interval that the budget allows, and restarted every hour."""
    moment, looks = NOW.replace(hour=0), 0
    feed = make_feed(service, tmp_path, calls_per_day=200)
    while moment < NOW.replace(hour=0) + timedelta(days=1):
        feed.look(moment)
        looks += 1
        moment += max(feed.ledger.spacing(feed.calls_per_look(moment), moment), timedelta(minutes=5))
    assert 180 <= 11 * looks <= 200
    assert len(service.requests) == 2 * looks


def test_the_services_own_count_ends_the_day_earlier(feed: PlayedFeed, service: Service) -> None:
    service.answers[SCORES].headers["x-requests-remaining"] = "5"  # type: ignore[union-attr]
    feed.look(NOW)
    assert feed.ledger.left(NOW) == 5
    with pytest.raises(RateLimitError, match="9 calls are needed, but 5 are left"):
        feed.look(NOW + timedelta(minutes=5))
    assert feed.ledger.left(NOW + timedelta(days=1)) == 500


def test_what_a_look_brought_is_in_the_archive_once_and_a_moved_price_twice(
    feed: PlayedFeed, service: Service, sqlite_database: Engine
) -> None:
    first = collect_feed(sqlite_database, LEAGUES, feed, NOW)
    assert (first.recorded["EPL"].added, first.rejected, first.calls) == (2, 0, 11)
    again = collect_feed(sqlite_database, LEAGUES, feed, NOW + timedelta(minutes=5))
    assert again.recorded["EPL"].added == 0
    moved = {**MONEYLINE, "outcomes": [*MONEYLINE["outcomes"][1:], outcome("Northbridge United", 1.8)]}
    service.answers[ODDS] = PlayedAnswer([event(bookmakers=[bookmaker("bookone", moved, SPREAD, TOTAL)])])
    assert collect_feed(sqlite_database, LEAGUES, feed, NOW + timedelta(minutes=10)).recorded["EPL"].quotes == 1
    assert {game.season for game in archive.load(sqlite_database, EPL).games} == {2026}
    quotes = archive.load(sqlite_database, EPL).quotes
    assert [(quote.known_at - NOW, quote.odds_home) for quote in quotes] == [
        (timedelta(0), 1.95),
        (timedelta(minutes=10), 1.8),
    ]


def test_what_the_archive_refuses_of_a_look_is_counted(
    feed: PlayedFeed, service: Service, sqlite_database: Engine
) -> None:
    service.answers[ODDS] = PlayedAnswer([event(bookmakers=[bookmaker("book\x07one", MONEYLINE)])])
    report = collect_feed(sqlite_database, LEAGUES, feed, NOW)
    assert (report.recorded["EPL"].quotes, report.rejected) == (0, 1)


def test_a_look_writes_what_the_services_terms_allow(service: Service, tmp_path: Path, sqlite_database: Engine) -> None:
    collect_feed(sqlite_database, LEAGUES, make_feed(service, tmp_path, display=False), NOW)
    assert hidden_sources(sqlite_database) == unpublished_sources(sqlite_database) == {"feed:the-odds-api"}
