"""Season files of football-data.co.uk, found through the `sports-betting` library; uses the network.

The library says which seasons there are and where each file lies. Its own reader is not used: it skips bad lines
without a word and keeps neither the closing prices nor the books. The ready mapping ``football-data`` reads the file.
"""

from collections.abc import Mapping
from typing import Final

from core.betting.leagues import League
from core.errors import ResourceNotFoundError
from feature_store.sources.library.pages import fetch_page, library_sources, open_client, read_seasons

FOOTBALL_DATA: Final = "football-data"
COUNTRIES: Final[Mapping[str, str]] = {
    "EPL": "England",
    "LALIGA": "Spain",
    "BUNDESLIGA": "Germany",
    "SERIEA": "Italy",
    "LIGUE1": "France",
}
"""Leagues with one file per season there, all of them first divisions."""


def fetch_season(league: League, season: int, address: str | None = None) -> bytes:
    """A season's CSV file. Two requests: the country's page and the file it names.

    ``season`` is the year in which it began, ``address`` that of another server with the same pages. Raises
    ResourceNotFoundError for a league or season that is not published, ExternalServiceError when the library is missing
    or the server answers with anything else than its pages, NetworkError when it cannot be reached,
    OperationTimeoutError when it takes too long.
    """
    country = COUNTRIES.get(league.key)
    if country is None:
        msg = f"{FOOTBALL_DATA} has no season files of {league.key}."
        raise ResourceNotFoundError(msg, nearest=tuple(COUNTRIES), resource_type="league")
    library = library_sources()
    source, selection = library.FootballDataStats(), {"league": [country]}
    with open_client() as session:
        pages = [
            library.RawPayload(item, fetch_page(session, item.url, address))
            for item in source.list_index_items(selection)
        ]
        seasons = read_seasons(FOOTBALL_DATA, source, pages)
        items = source.list_required_items([{"league": country, "division": 1, "year": season + 1}])
        if not items:
            years = [str(entry["year"] - 1) for entry in seasons if entry["division"] == 1]
            msg = f"{FOOTBALL_DATA} has no season {season} of {league.key}."
            raise ResourceNotFoundError(msg, hint=f"It has {', '.join(years)}.", resource_type="season")
        return fetch_page(session, items[0].url, address)
