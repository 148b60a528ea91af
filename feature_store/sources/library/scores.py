"""Seasons of games and final scores without prices, from the other sources that the `sports-betting` library knows.

NBA games come from ESPN, EuroLeague games from the league itself; both give tip-offs in UTC. Its source of prices
(The Odds API) needs a paid key and is not read.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from core.betting.leagues import League
from core.errors import ExternalServiceError, ResourceNotFoundError
from feature_store.sources.library.pages import fetch_page, library_sources, open_client, read_seasons


class _Source(NamedTuple):
    league: str
    reader: str
    """The library's class."""


SCORES: Final[Mapping[str, _Source]] = {
    "nba": _Source("NBA", "NBAStats"),
    "euroleague": _Source("EUROLEAGUE", "EuroLeagueStats"),
}
COLUMNS: Final = (
    "league", "season", "game_id", "kickoff_utc", "home_team", "away_team", "home_score", "away_score",
)  # fmt: skip


def fetch_scores(source: str, league: League, season: int, address: str | None = None) -> list[dict[str, Any]]:
    """A season's games in our CSV columns, ``COLUMNS``. Requests: the list of seasons, and each page of this one.

    Raises what ``football_data.fetch_season`` raises, for the same reasons.
    """
    if league.key != SCORES[source].league:
        msg = f"{source} has no seasons of {league.key}."
        raise ResourceNotFoundError(msg, nearest=(SCORES[source].league,), resource_type="league")
    library = library_sources()
    reader = getattr(library, SCORES[source].reader)()
    with open_client() as session:
        index = [library.RawPayload(item, fetch_page(session, item.url, address)) for item in reader.list_index_items()]
        seasons = read_seasons(source, reader, index)
        wanted = [entry for entry in seasons if entry["year"] == season + 1]
        if not wanted:
            years = ", ".join(str(entry["year"] - 1) for entry in seasons)
            msg = f"{source} has no season {season} of {league.key}."
            raise ResourceNotFoundError(msg, hint=f"It has {years}.", resource_type="season")
        items = reader.list_required_items(wanted)
        pages = [library.RawPayload(item, fetch_page(session, item.url, address)) for item in items]
    try:
        frame = reader.to_snapshots(pages)
        games = [] if frame.empty else frame.to_dict("records")
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise ExternalServiceError(f"{source}: the season's pages cannot be read.") from error
    before = {_meeting(game): game for game in games if game["event_status"] == "preplay"}
    after = {_meeting(game): game for game in games if game["event_status"] == "postplay"}
    return [_row(league, season, game, after.get(meeting, {})) for meeting, game in before.items()]


def _meeting(game: Mapping[str, Any]) -> tuple[object, ...]:
    return game["date"], game["home_team"], game["away_team"]


def _row(league: League, season: int, game: Mapping[str, Any], ended: Mapping[str, Any]) -> dict[str, Any]:
    home, away = game["home_team"], game["away_team"]
    return {
        "league": league.key,
        "season": season,
        "game_id": f"{game['date']:%Y-%m-%d}-{home}-{away}".replace(" ", ""),
        "kickoff_utc": f"{game['date']:%Y-%m-%dT%H:%M:%S}",
        "home_team": home,
        "away_team": away,
        "home_score": ended.get("home_points"),
        "away_score": ended.get("away_points"),
    }
