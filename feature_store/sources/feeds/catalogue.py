"""The feeds: where each is reached, how it takes its key, what it calls the leagues, and what it is asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from core.betting.leagues import League
from feature_store.sources.feeds.service_feed import RequestsOf
from feature_store.sources.feeds.services import api_sports, football_data, nflverse, the_odds_api

USUAL_PACE: Final = timedelta(minutes=5)
PACE_OF_FILES: Final = timedelta(hours=1)
"""Of files that change a few times a week."""


@dataclass(frozen=True)
class FeedKind:
    """A service that can be asked."""

    title: str
    address: str
    competition_of: Callable[[League], str]
    """The service's own name of a league; empty if none is built in."""
    requests: RequestsOf
    key_setting: str = ""
    """Setting that holds its key; empty for a service without one."""
    key_parameter: str = ""
    key_header: str = ""
    remaining_header: str = ""
    """Header with the calls that are left by the service's own count."""
    minute_header: str = ""
    """Header with the calls that are left in this minute."""
    pace: timedelta = USUAL_PACE
    """Between two looks, where the configuration sets nothing else."""


def _api_sports(api: api_sports.SportApi) -> FeedKind:
    return FeedKind(
        f"API-Sports, {api.title}: schedule, results, prices of many books",
        api.address,
        api.competition_of,
        api.requests,
        key_setting="api_sports_key",
        key_header=api_sports.KEY_HEADER,
        remaining_header=api_sports.REMAINING_HEADER,
        minute_header=api_sports.MINUTE_HEADER,
    )


KINDS: Final[Mapping[str, FeedKind]] = {
    the_odds_api.NAME: FeedKind(
        "The Odds API: schedule, prices of many books, scores",
        the_odds_api.ADDRESS,
        the_odds_api.competition_of,
        the_odds_api.requests,
        key_setting="odds_api_key",
        key_parameter=the_odds_api.KEY_PARAMETER,
        remaining_header=the_odds_api.REMAINING_HEADER,
    ),
    **{api.name: _api_sports(api) for api in api_sports.APIS},
    football_data.NAME: FeedKind(
        "football-data.co.uk: this season's results, and the coming games with prices",
        football_data.ADDRESS,
        football_data.competition_of,
        football_data.requests,
        pace=PACE_OF_FILES,
    ),
    nflverse.NAME: FeedKind(
        "nflverse: NFL schedule, results and lines",
        nflverse.ADDRESS,
        nflverse.competition_of,
        nflverse.requests,
        pace=PACE_OF_FILES,
    ),
}
