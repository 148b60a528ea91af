"""The feeds: where each is reached, how it takes its key, what it calls the leagues, and what it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from feature_store.sources.feeds import the_odds_api
from feature_store.sources.feeds.service_feed import RequestsOf


@dataclass(frozen=True)
class FeedKind:
    """A service that can be asked."""

    title: str
    address: str
    competitions: Mapping[str, str]
    """The service's own name of a league, by our key."""
    requests: RequestsOf
    key_setting: str = ""
    """Setting that holds its key; empty for a service without one."""
    key_parameter: str = ""
    key_header: str = ""
    remaining_header: str = ""
    """Header with the calls that are left by the service's own count."""


KINDS: Final[Mapping[str, FeedKind]] = {
    the_odds_api.NAME: FeedKind(
        "The Odds API: schedule, prices of many books, scores",
        the_odds_api.ADDRESS,
        the_odds_api.COMPETITIONS,
        the_odds_api.requests,
        key_setting="odds_api_key",
        key_parameter=the_odds_api.KEY_PARAMETER,
        remaining_header=the_odds_api.REMAINING_HEADER,
    ),
}
