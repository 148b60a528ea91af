"""API-Sports' documented answers become games, results and quotes known from the look on, sport by sport."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import RateLimitError
from feature_store.archive.facts import Result
from feature_store.sources.feeds.configuration import FeedConfiguration, load_feeds
from feature_store.sources.feeds.feed import FeedLook
from tests.feature_store.sources.feeds.api_sports import (
    BOTH,
    GOALS,
    HANDICAP,
    NOW,
    POINTS,
    TWO_WAY,
    WINNER,
    answer,
    bet,
    bookmaker,
    fixture,
    game,
    gridiron_game,
    prices,
)  # fmt: skip
from tests.feature_store.sources.feeds.service import LEAGUES, PlayedAnswer, PlayedFeed, Service, played_service

KEY = "a key that stands nowhere"
LATER = NOW + timedelta(hours=6)


@pytest.fixture
def service() -> Iterator[Service]:
    with played_service() as service:
        service.answers = {
            "/fixtures": PlayedAnswer(answer(fixture())),
            "/odds": PlayedAnswer(answer(prices(bookmaker("Bet365", WINNER, HANDICAP, GOALS, BOTH), place="fixture"))),
        }
        yield service


def feed_of(service: Service, folder: Path, name: str = "api-football", league: str = "EPL") -> PlayedFeed:
    upstream = str(LEAGUES.get(league).upstream_id)
    configuration = FeedConfiguration(leagues={league: upstream}, address=service.address, calls_per_day=100)
    return PlayedFeed(name, configuration, folder, KEY)


@pytest.fixture
def feed(service: Service, tmp_path: Path) -> PlayedFeed:
    return feed_of(service, tmp_path)


def quotes(look: FeedLook) -> list[tuple[Any, ...]]:
    return [(quote.book, quote.quoted_at, *quote[5:]) for quote in look.batches["EPL"].quotes]


def test_a_fixture_with_all_markets_of_a_book_is_known_from_the_look_on(feed: PlayedFeed, service: Service) -> None:
    look = feed.look(NOW)
    (found,) = look.batches["EPL"].games
    assert (found.game_id, found.known_at, found.status, found.season) == ("api-football:71", NOW, "scheduled", 2026)
    assert (found.home_team, found.away_team, found.playoff) == ("Northbridge United", "Southport Rovers", False)
    assert found.start_at == datetime(2026, 11, 21, 15, tzinfo=UTC)
    updated = datetime(2026, 11, 21, 11, 40, tzinfo=UTC)
    assert quotes(look) == [("Bet365", updated, 1.95, 3.6, 4.1, 0.5, 2.5, 1.85, 2.0, 1.93, 1.95, 1.8, 1.96)]
    assert (look.rejected, look.batches["EPL"].rejected, look.calls) == ([], [], 2)
    assert [(path, query) for path, query, _ in service.requests] == [
        ("/fixtures", {"league": "39", "season": "2026"}),
        ("/odds", {"league": "39", "season": "2026"}),
    ]
    assert {headers["x-apisports-key"] for _, _, headers in service.requests} == {KEY}


def test_prices_come_page_by_page_and_each_page_is_a_call(feed: PlayedFeed, service: Service) -> None:
    pages = [
        answer(prices(bookmaker(f"Book {page}", WINNER), place="fixture"), page=page, pages=3) for page in (1, 2, 3)
    ]
    service.answers["/odds"] = lambda: PlayedAnswer(pages.pop(0))
    look = feed.look(NOW)
    assert [quote[0] for quote in quotes(look)] == ["Book 1", "Book 2", "Book 3"]
    assert [query.get("page") for path, query, _ in service.requests if path == "/odds"] == [None, "2", "3"]
    assert (look.calls, feed.ledger.left(NOW)) == (4, 96)


SPORTS: dict[str, tuple[str, str, str, dict[str, Any], tuple[int, int], tuple[int | None, int | None]]] = {
    "cup tie decided in extra time": (
        "api-football", "EPL", "2026",
        fixture(short="AET", goals=(2, 1), score={"fulltime": {"home": 1, "away": 1}}), (2, 1), (1, 1),
    ),
    "basketball": (
        "api-basketball", "NBA", "2026-2027",
        game(12, "2026-2027", {"home": {"total": 110}, "away": {"total": 99}}, "AOT"), (110, 99), (None, None),
    ),
    "basketball in one year": (
        "api-basketball", "EUROLEAGUE", "2026",
        game(1, "2026", {"home": {"total": 80}, "away": {"total": 79}}, "FT"), (80, 79), (None, None),
    ),
    "baseball": (
        "api-baseball", "NPB", "2026",
        game(2, "2026", {"home": {"hits": 7, "total": 4}, "away": {"total": 3}}, "FT"), (4, 3), (None, None),
    ),
    "hockey": (
        "api-hockey", "NHL", "2026",
        game(57, "2026", {"home": 4, "away": 3}, "AP", periods={"first": "1-1", "second": "1-1", "third": "1-1"}),
        (4, 3), (3, 3),
    ),
    "american football": ("api-american-football", "NFL", "2026", gridiron_game("FT", 24, 17), (24, 17), (None, None)),
    "rugby": ("api-rugby", "SUPERRUGBY", "2026", game(1, "2026", {"home": 31, "away": 17}, "FT"), (31, 17), (None, None)),
    "handball": ("api-handball", "EHF", "2026", game(1, "2026", {"home": 31, "away": 27}, "FT"), (31, 27), (None, None)),
}  # fmt: skip


@pytest.mark.parametrize("sport", SPORTS)
def test_finals_of_each_sport_are_results_with_their_season(sport: str, service: Service, tmp_path: Path) -> None:
    name, league, season, record, final, regulation = SPORTS[sport]
    service.answers = {path: PlayedAnswer(answer(record)) for path in ("/fixtures", "/games")}
    service.answers["/odds"] = PlayedAnswer(answer())
    look = feed_of(service, tmp_path, name, league).look(LATER)
    batch = look.batches[league]
    assert [item.reason for item in (*look.rejected, *batch.rejected)] == []
    assert [(found.status, found.season) for found in batch.games] == [("final", 2026)]
    ended = min(batch.games[0].start_at + LEAGUES.get(league).duration, LATER)
    assert batch.results == [Result(f"{name}:71", LATER, ended, *final, *regulation)]
    assert service.requests[0][1] == {"league": str(LEAGUES.get(league).upstream_id), "season": season}


def test_a_two_way_league_has_a_moneyline_a_spread_and_a_total(service: Service, tmp_path: Path) -> None:
    service.answers["/games"] = PlayedAnswer(answer(game(12, "2026-2027", {"home": {"total": None}})))
    handicap = bet(
        "Asian Handicap", **{"Home -5.5": "1.90", "Away +5.5": "1.92", "Home -9.5": "2.60", "Away +9.5": "1.5"}
    )
    three_way = bet("3Way Result", Home="1.70", Draw="13.0", Away="2.60")
    shown = bookmaker("Bwin", three_way, TWO_WAY, handicap, POINTS)
    service.answers["/odds"] = PlayedAnswer(answer(prices(shown)))
    (quote,) = feed_of(service, tmp_path, "api-basketball", "NBA").look(NOW).batches["NBA"].quotes
    assert quote[5:] == (1.6, None, 2.45, 5.5, 220.5, 1.9, 1.92, 1.9, 1.92, None, None)


@pytest.mark.parametrize(
    ("record", "status"),
    [
        (fixture(short="TBD", long="Time to be defined"), "scheduled"),
        (fixture(short="2H", long="Second Half"), "live"),
        (fixture(short="PST", long="Match Postponed"), "void"),
        (fixture(short="WO", long="WalkOver"), "void"),
        (fixture(short="??", long="Something new"), "unknown"),
    ],
)
def test_status_words_mean_what_they_mean_in_the_bots_rows(
    record: dict[str, Any], status: str, feed: PlayedFeed, service: Service
) -> None:
    service.answers["/fixtures"] = PlayedAnswer(answer(record))
    batch = feed.look(NOW).batches["EPL"]
    assert [found.status for found in batch.games] == [status]
    assert batch.results == []


def test_games_that_do_not_count_are_left_out_with_their_prices(service: Service, tmp_path: Path) -> None:
    service.answers["/games"] = PlayedAnswer(answer(gridiron_game(stage="Pre Season")))
    service.answers["/odds"] = PlayedAnswer(answer(prices(bookmaker("Bwin", TWO_WAY))))
    batch = feed_of(service, tmp_path, "api-american-football", "NFL").look(NOW).batches["NFL"]
    assert (batch.games, batch.quotes, batch.rejected) == ([], [], [])


REFUSED: dict[str, tuple[Any, str, float]] = {
    "key": ({"token": "Error/Missing application key."}, "the key was refused: token", 3600),
    "minute": (
        {"rateLimit": "Too many requests. Your rate limit is 10 requests per minute."},
        "refused: rateLimit",
        60,
    ),
    "day": ({"requests": "You have reached the request limit for the day"}, "refused: requests", 12 * 3600 + 1),
    "plan": ({"plan": "Free plans do not have access to this season, try from 2022 to 2024."}, "refused: plan", 0),
    "parameter": ({"season": "The Season field must contain 4 characters."}, "refused: season", 0),
    "a list": ([{"bug": "On our side"}], "refused: [{'bug'", 0),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refusal_in_a_good_answer_is_named_and_its_pause_is_kept(
    kind: str, feed: PlayedFeed, service: Service
) -> None:
    errors, reason, pause = REFUSED[kind]
    service.answers["/fixtures"] = PlayedAnswer(answer(errors=errors))
    look = feed.look(NOW)
    assert look.batches["EPL"].games == look.batches["EPL"].quotes == []
    assert reason in look.rejected[0].reason
    if pause:
        assert service.paths() == ["/fixtures"], "nothing more was asked in this look"
        with pytest.raises(RateLimitError):
            feed.look(NOW + timedelta(seconds=pause - 1))
        assert len(service.requests) == 1
    service.answers["/fixtures"] = PlayedAnswer(answer(fixture()))
    assert len(feed.look(NOW + timedelta(seconds=pause)).batches["EPL"].games) == 1


def test_the_last_call_of_a_minute_is_followed_by_a_pause(feed: PlayedFeed, service: Service) -> None:
    service.answers["/fixtures"].headers["X-RateLimit-Remaining"] = "0"  # type: ignore[union-attr]
    look = feed.look(NOW)
    assert (service.paths(), len(look.batches["EPL"].games)) == (["/fixtures"], 1)
    assert "not asked: The service is not to be asked for 60 s" in look.rejected[0].reason
    service.answers["/fixtures"] = PlayedAnswer(answer(fixture()))
    assert len(feed.look(NOW + timedelta(seconds=60)).batches["EPL"].quotes) == 1


def test_the_days_own_count_of_the_service_is_kept(feed: PlayedFeed, service: Service) -> None:
    service.answers["/odds"].headers["x-ratelimit-requests-remaining"] = "7"  # type: ignore[union-attr]
    feed.look(NOW)
    assert feed.ledger.left(NOW) == 7


DAMAGED: dict[str, tuple[Any, str]] = {
    "text": ("a game", "expected an object"),
    "no id": (fixture(number=None), "id, start or a team is missing"),  # type: ignore[arg-type]
    "a flag for an id": (fixture(number=True), "id, start or a team is missing"),
    "no start": (fixture(date="soon") | {"fixture": {"id": 5}}, "id, start or a team is missing"),
    "a team without a name": (fixture(teams={"home": {}, "away": {"name": "x"}}), "id, start or a team is missing"),
    "another league": (fixture(league={"id": 40, "season": 2026}), "a game of league 40, asked was 39"),
    "final without a score": (fixture(short="FT", date="2026-11-21T09:00:00Z"), "neither raw_json nor score"),
    "final tomorrow": (fixture(short="FT", goals=(1, 0), date="2026-11-22T09:00:00Z"), "starts in the future"),
    "a score of no game": (fixture(short="FT", goals=(99, 0), date="2026-11-21T09:00:00Z"), "final 99-0"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_record_costs_itself_alone(name: str, feed: PlayedFeed, service: Service) -> None:
    record, reason = DAMAGED[name]
    service.answers["/fixtures"] = PlayedAnswer(answer(record, fixture(72)))
    service.answers["/odds"] = PlayedAnswer(answer(prices(bookmaker("Bwin", WINNER), number=72, place="fixture")))
    batch = feed.look(NOW).batches["EPL"]
    assert "api-football:72" in [found.game_id for found in batch.games]
    assert batch.results == []
    assert [item.reason for item in batch.rejected if reason in item.reason]
    assert len(batch.quotes) == 1


WRONG_PRICES: dict[str, tuple[dict[str, Any], str, tuple[Any, ...]]] = {
    "no number": (bookmaker("Bwin", bet("Match Winner", Home="x", Draw="3", Away="4"), GOALS), "not a decimal", (2.5,)),
    "below one": (bookmaker("Bwin", bet("Match Winner", Home="0.9", Draw="3", Away="4"), GOALS), "not a decimal", (2.5,)),
    "an overround of no book": (
        bookmaker("Bwin", bet("Match Winner", Home="9", Draw="9", Away="9"), GOALS), "overround", (2.5,),
    ),
    "a wrong total": (
        bookmaker("Bwin", WINNER, bet("Goals Over/Under", **{"Over 2.5": True, "Under 2.5": "2.0"})), "decimal", (None,),
    ),
    "no name": (bookmaker("", WINNER), "a bookmaker without a name", ()),
    "from tomorrow": (bookmaker("Bwin", WINNER), "after the look", ()),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_PRICES)
def test_a_wrong_market_costs_that_market_alone(name: str, feed: PlayedFeed, service: Service) -> None:
    shown, reason, totals = WRONG_PRICES[name]
    update = "2026-11-22T12:00:00+00:00" if name == "from tomorrow" else "2026-11-21T11:40:00+00:00"
    service.answers["/odds"] = PlayedAnswer(answer(prices(shown, place="fixture", update=update)))
    batch = feed.look(NOW).batches["EPL"]
    assert tuple(quote.total_line for quote in batch.quotes) == totals
    assert [item for item in batch.rejected if item.fact == "quote" and reason in item.reason]


def test_prices_of_an_unknown_game_are_rejected(feed: PlayedFeed, service: Service) -> None:
    service.answers["/odds"] = PlayedAnswer(answer(prices(bookmaker("Bwin", WINNER), number=99, place="fixture")))
    batch = feed.look(NOW).batches["EPL"]
    assert (batch.quotes, batch.rejected[0].reason) == ([], "prices of a game that was not listed")


def test_a_season_without_games_is_named(feed: PlayedFeed, service: Service) -> None:
    service.answers["/fixtures"] = PlayedAnswer(answer())
    assert "the service may name the league or the season otherwise" in feed.look(NOW).rejected[0].reason


def test_leagues_are_known_by_the_bots_ids_in_the_api_of_their_sport(tmp_path: Path) -> None:
    path = tmp_path / "feeds.toml"
    path.write_text('[api-hockey]\nleagues = ["NHL", "KHL"]\ncalls_per_day = 100\n')
    assert load_feeds(path, LEAGUES)["api-hockey"].leagues == {"NHL": "57", "KHL": "1"}
