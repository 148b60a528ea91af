"""Questions the command line asks the service, by team names as people write them."""

from typing import Any

from core.errors import ResourceNotFoundError
from core.settings import Settings
from serving.client import PredictionClient


def ask_for_game(
    settings: Settings, home: str, away: str, league: str | None, *, neutral: bool = False
) -> dict[str, Any]:
    """The forecast of the next game between the teams; without one, and with a league, of a game nobody scheduled.

    Raises ResourceNotFoundError when there is neither.
    """
    client = _client(settings)
    game = _next_game(client, home, away, league)
    if game is not None and not neutral:
        return client.prediction(game["sport"], game["league"], game["game_id"])
    if league is None:
        msg = f"No game between {home} and {away} is due."
        raise ResourceNotFoundError(msg, hint="Name a --league to ask how they would fare if they met.")
    sport = _sport(settings, league)
    return client.matchup(sport, league, home, away, neutral=neutral)


def ask_for_price(
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
    """What a bet on the next game between the teams is worth. Raises ResourceNotFoundError when none is due."""
    client = _client(settings)
    game = _next_game(client, home, away, league)
    if game is None:
        raise ResourceNotFoundError(f"No game between {home} and {away} is due.")
    return client.price((game["sport"], game["league"], game["game_id"]), market, selection, line=line, odds=odds)


def _client(settings: Settings) -> PredictionClient:
    return PredictionClient(settings.service_url, settings.api_key)


def _next_game(client: PredictionClient, home: str, away: str, league: str | None) -> dict[str, Any] | None:
    """The first game due whose sides both carry the names asked for; home and away may be the other way round."""
    wanted = (home.casefold(), away.casefold())
    for game in client.games(f"{home} {away}", league=league):
        sides = f"{game['home_team']} {game['away_team']}".casefold()
        if all(name in sides for name in wanted):
            return game
    return None


def _sport(settings: Settings, league: str) -> str:
    from core.betting.leagues import load_leagues

    return load_leagues(settings.leagues_file).get(league).sport
