"""Each source's price, from its own answer to an HTTP answer of the service: look, archive, rows, forecasts, request.

A local server plays the services; the collector looks once at all of them, as ``dbsbm collect --once`` does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy.engine import Engine, make_url

from core.database.engines import open_database
from core.settings import Settings
from feature_store.archive.sources.terms import hidden_sources, unpublished_sources
from feature_store.rows.published_quotes import load_quotes, quotes_by_game
from feature_store.sources.csv.backfill import backfill
from flows.jobs.collecting import make_collector
from flows.jobs.feeds import pull_feed
from migrations import schema
from tests.bot_database import change, create_bot_tables, insert, soccer
from tests.conftest import NOW
from tests.feature_store.sources.feeds import api_sports, test_json_over_http, test_the_odds_api
from tests.feature_store.sources.feeds.service import PlayedAnswer, Service, played_service
from tests.services import MariaDb, RedisServer
from tests.serving.models import EPL, LEAGUES, NFL, deploy, fill
from tests.serving.service import MovingClock, Running, settings_for, started

DAY = timedelta(days=1)
FEEDS = """
[the-odds-api]
leagues = ["EPL"]
calls_per_day = 50
display = false
address = "{address}"

[api-football]
leagues = ["EPL"]
calls_per_day = 50
republish = true
address = "{address}"

[football-data]
leagues = ["EPL"]
calls_per_day = 50
address = "{address}"

[nflverse]
leagues = ["NFL"]
calls_per_day = 50
address = "{address}"
"""


@dataclass(frozen=True)
class ServedGame:
    """A game that a source shows, and the odds that it shows of it."""

    path: str
    odds: tuple[float, ...]


GAMES = {
    "The Odds API": ServedGame("soccer/EPL/the-odds-api:e1", (1.95, 3.6, 4.1)),
    "API-Sports": ServedGame("soccer/EPL/api-football:71", (1.9, 3.7, 4.2)),
    "football-data.co.uk": ServedGame("soccer/EPL/2024-05-06-WolverhamptonWanderers-Arsenal", (2.9, 3.3, 2.5)),
    "nflverse": ServedGame("american_football/NFL/2023_30_DAL_MIA", (1 + 100 / 140, 2.2)),
    "JSON by a mapping": ServedGame("american_football/NFL/club-odds:71", (1 + 100 / 150, 2.3)),
    "the bot's odds": ServedGame("soccer/EPL/990001", (2.1, 3.4, 3.6)),
    "a file, live": ServedGame("american_football/NFL/by-hand", (1.85, 2.05)),
}
UNDISPLAYED = "The Odds API"
"""The source whose terms, by the file above, do not allow to show its prices."""


@pytest.fixture(scope="module")
def services() -> Iterator[Service]:
    with played_service() as service:
        service.answers = {path: PlayedAnswer(content) for path, content in _answers().items()}
        yield service


def _answers() -> dict[str, object]:
    odds_api = test_the_odds_api
    shown = odds_api.market(
        "h2h", odds_api.outcome("Chelsea", 1.95), odds_api.outcome("Arsenal", 4.1), odds_api.outcome("Draw", 3.6),
        at=(NOW - timedelta(minutes=2)).isoformat(),
    )  # fmt: skip
    event = odds_api.event(
        commence_time=(NOW + 9 * DAY).isoformat(), home_team="Chelsea", away_team="Arsenal",
        bookmakers=[odds_api.bookmaker("bookone", shown)],
    )  # fmt: skip
    teams = {"home": {"name": "Wolverhampton Wanderers"}, "away": {"name": "Manchester United"}}
    fixture = api_sports.fixture(date=(NOW + 4 * DAY).isoformat(), teams=teams)
    winner = api_sports.bet("Match Winner", Home="1.90", Draw="3.70", Away="4.20")
    updated = (NOW - timedelta(minutes=20)).isoformat()
    line = {"home": -150, "away": 130}
    sides = [{"name": "Chicago Bears"}, {"name": "Green Bay Packers"}]
    mapped = test_json_over_http.event(
        kickoff=(NOW + 10 * DAY).timestamp(), teams=sides,
        books=[{"title": "Alpha", "updated": (NOW - timedelta(minutes=5)).timestamp(), "line": line}],
    )  # fmt: skip
    coming = "Div,Date,Time,HomeTeam,AwayTeam,AvgH,AvgD,AvgA\nE0,06/05/2024,16:00,Wolverhampton Wanderers,Arsenal,2.9,3.3,2.5\n"
    lines = (
        "game_id,season,gameday,gametime,away_team,away_score,home_team,home_score,away_moneyline,home_moneyline\n"
        "2023_30_DAL_MIA,2023,2024-05-05,13:00,Dallas Cowboys,NA,Miami Dolphins,NA,120,-140\n"
    )
    return {
        test_the_odds_api.ODDS: [event],
        test_the_odds_api.SCORES: [],
        "/fixtures": api_sports.answer(fixture),
        "/odds": api_sports.answer(
            api_sports.prices(api_sports.bookmaker("Bet365", winner), place="fixture", update=updated)
        ),
        "/fixtures.csv": coming.encode(),
        "/data/games.csv": lines.encode(),
        "/v2/gridiron/events": {"data": {"events": [mapped]}},
    }


@pytest.fixture(scope="module")
def bot(mariadb: MariaDb) -> Iterator[Engine]:
    engine = open_database(mariadb.recreate("bot_with_odds"))
    create_bot_tables(engine)
    change(engine, "ALTER TABLE api_games ADD odds JSON NULL")
    winner = api_sports.bet("Match Winner", Home="2.10", Draw="3.40", Away="3.60")
    game = soccer(
        "990001", home_team_name="Manchester United", away_team_name="Arsenal", raw_json="{}", score=None,
        start_time=(NOW + 6 * DAY).replace(tzinfo=None), fetched_at=NOW.replace(tzinfo=None), status="Not Started",
        odds={"response": [api_sports.prices(api_sports.bookmaker("Bwin", winner))]},
    )  # fmt: skip
    insert(engine, "api_games", **game)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_database(make_url(f"sqlite:///{tmp_path_factory.mktemp('feeds-served')}/ours.db"))
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def settings(
    services: Service,
    bot: Engine,
    database: Engine,
    redis_process: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Settings:
    """Of an installation with every feed and the bot, and champions of results and of prices."""
    folder = tmp_path_factory.mktemp("feeds-served")
    for league in (EPL, NFL):
        fill(database, league)
        deploy(database, folder / "bundles", league)
        deploy(database, folder / "bundles", league, "prices")
    path = folder / "feeds.toml"
    path.write_text(FEEDS.format(address=services.address) + test_json_over_http.FEED.format(address=services.address))
    return settings_for(
        database, folder / "bundles", feeds_file=path, feeds_dir=folder / "feeds", odds_api_key="k", api_sports_key="k",
        json_feed_key="k", redis_url=redis_process.url,
        bot_database_url=bot.url.render_as_string(hide_password=False),
    )  # fmt: skip


@pytest.fixture(scope="module")
def running(settings: Settings, database: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The service after one step of the collector."""
    live = tmp_path_factory.mktemp("live") / "by-hand.csv"
    live.write_text(
        "league,game_id,kickoff_utc,home_team,away_team,home_score,away_score,odds_home,odds_away,odds_kind\n"
        f"NFL,by-hand,{NOW + 5 * DAY:%Y-%m-%dT%H:%M},Dallas Cowboys,Green Bay Packers,,,1.85,2.05,Bwin\n"
    )
    backfill(database, LEAGUES, [live], now=NOW, live=True)
    make_collector(settings).step(NOW)
    with started(settings, MovingClock(NOW + timedelta(minutes=1))) as service:
        yield service


@pytest.mark.parametrize("source", GAMES)
def test_a_sources_price_is_in_the_forecast_that_is_served(source: str, running: Running) -> None:
    game = GAMES[source]
    answer = running.get(f"/v1/predictions/{game.path}")
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["model"]["name"].endswith("-prices")
    implied = [1 / odds for odds in game.odds]
    if source == UNDISPLAYED:
        assert (body["market"], body["books"]) == (None, 1), "it counts, and is not shown"
    else:
        assert body["market"]["home"] == pytest.approx(implied[0] / sum(implied))
        assert body["market"]["overround"] == pytest.approx(sum(implied) - 1)
    assert body["cache"] in ("local", "redis"), "it was forecast before it was asked for"
    priced = running.get(f"/v1/prices/{game.path}", params={"market": "moneyline", "selection": "home"})
    assert priced.status_code == 200, priced.text
    assert 0 < priced.json()["win"] < 1


@pytest.mark.usefixtures("running")
def test_a_look_that_shows_the_same_prices_publishes_them_with_its_age(
    database: Engine, settings: Settings, services: Service
) -> None:
    later = NOW + timedelta(minutes=8)
    again = test_the_odds_api.market(
        "h2h", test_the_odds_api.outcome("Chelsea", 1.95), test_the_odds_api.outcome("Arsenal", 4.1),
        test_the_odds_api.outcome("Draw", 3.6), at=(later - timedelta(minutes=1)).isoformat(),
    )  # fmt: skip
    (event,) = services.answers[test_the_odds_api.ODDS].content  # type: ignore[union-attr]
    event["bookmakers"] = [test_the_odds_api.bookmaker("bookone", again)]
    assert pull_feed(settings, later, "the-odds-api") == set()
    (quote,) = quotes_by_game(load_quotes(database, ["EPL"])["EPL"].body)["the-odds-api:e1"]
    assert (quote.quoted_at, quote.displayed) == (later - timedelta(minutes=1), False)


@pytest.mark.usefixtures("running")
def test_the_collector_keeps_what_each_sources_terms_allow(database: Engine) -> None:
    assert hidden_sources(database) == {"feed:the-odds-api"}
    assert "feed:api-football" not in unpublished_sources(database)
    assert "feed:nflverse" in unpublished_sources(database)
