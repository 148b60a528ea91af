"""A feed whose answers are JSON: asks what a service's module lists, and lets it read each answer.

The error of one request costs that request's facts alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from core.betting.leagues import League, Leagues
from core.errors import DbsbmError, ExternalServiceError, RateLimitError
from feature_store.identity.team_aliases import Aliases
from feature_store.sources.feeds.client.call_ledger import CallLedger
from feature_store.sources.feeds.client.polite_client import PoliteClient
from feature_store.sources.feeds.event_reader import EventReader, reject
from feature_store.sources.feeds.feed import FeedLook, Terms


@dataclass(frozen=True)
class FeedRequest:
    """One request to a service, and how its answer is read."""

    path: str
    parameters: Mapping[str, str]
    read: Callable[[EventReader, Any], Iterable["FeedRequest"]]
    """Reads the decoded answer; returns further requests, such as its next page. Raises ExternalServiceError for an
    answer of another form."""
    calls: int = 1
    """Calls that it counts as."""


RequestsOf = Callable[[League, str, datetime, Sequence[str]], Iterable[FeedRequest]]
"""The requests of a look at a league, by the service's own name of it, the moment, and the regions that are asked for
(none: those of the service's module)."""


class JsonFeed:
    """A service that is asked for some leagues; see ``feed.Feed``."""

    def __init__(
        self,
        name: str,
        client: PoliteClient,
        leagues: Leagues,
        wanted: Mapping[str, str],
        aliases: Aliases,
        requests: RequestsOf,
        terms: Terms,
        regions: Sequence[str] = (),
    ) -> None:
        """``wanted``: the service's own name of each league that is asked for, by our key."""
        self.name = name
        self.leagues = dict(wanted)
        self.terms = terms
        self._client = client
        self._all_leagues = leagues
        self._aliases = aliases
        self._requests = requests
        self._regions = tuple(regions)

    @property
    def ledger(self) -> CallLedger:
        """Budget and pauses of the service."""
        return self._client.ledger

    def calls_per_look(self, now: datetime) -> int:
        """Return the calls of a look without further pages."""
        return sum(
            request.calls
            for key, named in self.leagues.items()
            for request in self._requests(self._all_leagues.get(key), named, now, self._regions)
        )

    def look(self, now: datetime) -> FeedLook:
        """Return what the service shows now. Raises RateLimitError if not even the first request is allowed."""
        self._client.forget_old_answers(now)
        look = FeedLook()
        for key, named in self.leagues.items():
            league = self._all_leagues.get(key)
            reader = EventReader(self.name, league, self._aliases, now)
            try:
                self._ask(look, reader, list(self._requests(league, named, now, self._regions)), now)
            except RateLimitError as error:
                if not look.calls:
                    raise
                look.rejected.append(reject(self.name, "row", key, f"not asked: {error.message}", ""))
            look.batches[key] = reader.batch()
        return look

    def _ask(self, look: FeedLook, reader: EventReader, requests: list[FeedRequest], now: datetime) -> None:
        while requests:
            request = requests.pop(0)
            try:
                answer = self._client.get(request.path, request.parameters, now, calls=request.calls)
                look.unchanged += answer.unchanged
                requests += request.read(reader, _decode(answer.content, f"{self.name} {request.path}"))
            except RateLimitError:
                raise
            except DbsbmError as error:
                look.rejected.append(reject(self.name, "row", request.path, error.message, ""))
            look.calls += request.calls


def _decode(content: bytes, what: str) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ExternalServiceError(f"{what}: the answer is not JSON, or ends early ({error}).") from None
