"""The Odds API, version 4: schedule, prices of many books, and scores (https://the-odds-api.com/liveapi/guides/v4/).

By its documentation prices cost one call for each market and region, and scores with the last days' finals two. The key
is a query parameter. A spread is given from each side's view, scores as text.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from core.betting.leagues import League
from feature_store.archive.facts import GameFact, Status
from feature_store.sources.feeds.event_reader import EventReader, list_of, moment, number, text
from feature_store.sources.feeds.service_feed import FeedRequest

NAME: Final = "the-odds-api"
ADDRESS: Final = "https://api.the-odds-api.com"
KEY_PARAMETER: Final = "apiKey"
REMAINING_HEADER: Final = "x-requests-remaining"
MARKETS: Final = ("h2h", "spreads", "totals")
REGIONS: Final = ("eu", "uk", "us")
FINAL_DAYS: Final = "1"
"""Days of finals that an answer with scores reaches back."""
SCORES_CALLS: Final = 2
DRAW: Final = "Draw"

COMPETITIONS: Final[Mapping[str, str]] = {
    "NFL": "americanfootball_nfl", "NCAA": "americanfootball_ncaaf", "CFL": "americanfootball_cfl",
    "NBA": "basketball_nba", "WNBA": "basketball_wnba", "EUROLEAGUE": "basketball_euroleague",
    "MLB": "baseball_mlb", "NPB": "baseball_npb", "KBO": "baseball_kbo", "NHL": "icehockey_nhl",
    "EPL": "soccer_epl", "LALIGA": "soccer_spain_la_liga", "BUNDESLIGA": "soccer_germany_bundesliga",
    "SERIEA": "soccer_italy_serie_a", "LIGUE1": "soccer_france_ligue_one", "MLS": "soccer_usa_mls",
    "CHAMPIONSLEAGUE": "soccer_uefa_champs_league", "EUROPALEAGUE": "soccer_uefa_europa_league",
    "BRAZIL_SERIE_A": "soccer_brazil_campeonato", "AFL": "aussierules_afl",
}  # fmt: skip
"""The service's name of a competition, by our league."""


def competition_of(league: League) -> str:
    """The service's name of a league; empty if none is known."""
    return COMPETITIONS.get(league.key, "")


def requests(_league: League, competition: str, _now: datetime, regions: Sequence[str]) -> list[FeedRequest]:
    """The requests of a look at a league: its prices, then its scores."""
    regions = regions or REGIONS
    prices = {
        "regions": ",".join(regions), "markets": ",".join(MARKETS), "oddsFormat": "decimal", "dateFormat": "iso",
    }  # fmt: skip
    scores = {"daysFrom": FINAL_DAYS, "dateFormat": "iso"}
    return [
        FeedRequest(f"/v4/sports/{competition}/odds", prices, read_prices, len(MARKETS) * len(regions)),
        FeedRequest(f"/v4/sports/{competition}/scores", scores, read_scores, SCORES_CALLS),
    ]


def read_prices(reader: EventReader, answer: object) -> Iterable[FeedRequest]:
    """Read an answer of the path ``odds``. Raises ExternalServiceError if it is no list."""
    for event in list_of(answer, NAME):
        game = _add_game(reader, event, "scheduled")
        if game is not None:
            for bookmaker in _entries(event, "bookmakers"):
                _add_book(reader, game, event, bookmaker)
    return ()


def read_scores(reader: EventReader, answer: object) -> Iterable[FeedRequest]:
    """Read an answer of the path ``scores``. Raises ExternalServiceError if it is no list."""
    for event in list_of(answer, NAME):
        completed = isinstance(event, dict) and event.get("completed") is True
        scores = {text(entry.get("name")): entry.get("score") for entry in _entries(event, "scores")}
        game = _add_game(reader, event, "final" if completed else "live" if scores else "scheduled")
        if game is not None and completed:
            reader.add_result(game, scores.get(text(event["home_team"])), scores.get(text(event["away_team"])), event)
    return ()


def _add_game(reader: EventReader, event: object, status: Status) -> GameFact | None:
    if not isinstance(event, dict):
        reader.reject("row", "", "expected an object", event)
        return None
    teams = text(event.get("home_team")), text(event.get("away_team"))
    return reader.add_game(text(event.get("id")), moment(event.get("commence_time")), *teams, status, event)


def _add_book(reader: EventReader, game: GameFact, event: Mapping[str, Any], bookmaker: Mapping[str, Any]) -> None:
    book = text(bookmaker.get("key"))
    markets = {text(market.get("key")): market for market in _entries(bookmaker, "markets")}
    read = {"h2h": _moneyline, "spreads": _spread, "totals": _total}
    prices: dict[str, float] = {}
    moments = []
    for name, prices_of in read.items():
        market = markets.get(name)
        if market is None:
            continue
        shown = prices_of(event, _entries(market, "outcomes"))
        if shown is None:
            reader.reject("quote", game.game_id, f"{book} {name}: outcomes are missing or of no price", market)
            continue
        prices |= shown
        moments.append(moment(market.get("last_update")) or moment(bookmaker.get("last_update")) or reader.now)
    if not book:
        reader.reject("quote", game.game_id, "a bookmaker without a key", bookmaker)
    elif prices:
        # A quote is as old as its oldest market.
        reader.add_quote(game, book, min(moments), prices)


def _moneyline(event: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    sides = {text(event["home_team"]): "odds_home", text(event["away_team"]): "odds_away", DRAW: "odds_draw"}
    shown = {sides.get(text(outcome.get("name")), ""): number(outcome.get("price")) for outcome in outcomes}
    prices = {field: price for field, price in shown.items() if price is not None}
    return prices if {"odds_home", "odds_away"} <= prices.keys() and "" not in shown else None


def _spread(event: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """The expected home margin: what the home side gives up, which the service writes as a negative number.

    The odds of both sides are taken where the sides have the same line.
    """
    sides = {text(outcome.get("name")): outcome for outcome in outcomes}
    home, away = (sides.get(text(event[side]), {}) for side in ("home_team", "away_team"))
    handicap, against = number(home.get("point")), number(away.get("point"))
    if handicap is None:
        return None
    spread = {"spread_line": 0.0 - handicap}
    odds_home, odds_away = number(home.get("price")), number(away.get("price"))
    if against != 0.0 - handicap or odds_home is None or odds_away is None:
        return spread
    return {**spread, "odds_home_spread": odds_home, "odds_away_spread": odds_away}


def _total(_event: Mapping[str, Any], outcomes: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    sides = {text(outcome.get("name")): outcome for outcome in outcomes}
    over, under = sides.get("Over"), sides.get("Under")
    if over is None or under is None or over.get("point") != under.get("point"):
        return None
    shown = number(over.get("point")), number(over.get("price")), number(under.get("price"))
    line, odds_over, odds_under = shown
    if line is None or odds_over is None or odds_under is None:
        return None
    return {"total_line": line, "odds_over": odds_over, "odds_under": odds_under}


def _entries(document: object, field: str) -> list[Mapping[str, Any]]:
    """The objects in a list of the document."""
    entries = document.get(field) if isinstance(document, dict) else None
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
