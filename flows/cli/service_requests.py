"""Requests to the running service, by team names instead of game ids."""

from typing import Any

from core.errors import ResourceNotFoundError
from core.settings import Settings
from serving.client import PredictionClient


def request_forecast(
    settings: Settings, home: str, away: str, league: str | None, *, neutral: bool = False
) -> dict[str, Any]:
    """The forecast of the next game between the teams; if none is scheduled and a league is given, of a match-up.

    Raises ResourceNotFoundError if no game is scheduled and no league is given.
    """
    client = _client(settings)
    game = _next_game(client, home, away, league)
    if game is not None and not neutral:
        return client.prediction(game["sport"], game["league"], game["game_id"])
    if league is None:
        msg = f"No game between {home} and {away} is scheduled."
        raise ResourceNotFoundError(msg, hint="Add --league to forecast a game that is not scheduled.")
    sport = _sport(settings, league)
    return client.matchup(sport, league, home, away, neutral=neutral)


def request_price(
    settings: Settings,
    home: str,
    away: str,
    league: str | None,
    *,
    market: str,
    selection: str,
    line: float | None,
    odds: float | None,
) -> dict[str, Any]:
    """The value of a bet on the next game between the teams. Raises ResourceNotFoundError if none is scheduled."""
    client = _client(settings)
    game = _next_game(client, home, away, league)
    if game is None:
        raise ResourceNotFoundError(f"No game between {home} and {away} is scheduled.")
    return client.price((game["sport"], game["league"], game["game_id"]), market, selection, line=line, odds=odds)


def _client(settings: Settings) -> PredictionClient:
    return PredictionClient(settings.service_url, settings.api_key)


def _next_game(client: PredictionClient, home: str, away: str, league: str | None) -> dict[str, Any] | None:
    """The first scheduled game whose sides contain both names; home and away may be exchanged."""
    names = (home.casefold(), away.casefold())
    for game in client.games(f"{home} {away}", league=league):
        sides = f"{game['home_team']} {game['away_team']}".casefold()
        if all(name in sides for name in names):
            return game
    return None


def _sport(settings: Settings, league: str) -> str:
    from core.betting.leagues import load_leagues

    return load_leagues(settings.leagues_file).get(league).sport
