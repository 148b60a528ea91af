"""A feed of one service: asks what the service's module lists, and lets it read each answer.

The error of one request costs that request's facts alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from core.betting.leagues import League, Leagues
from core.errors import DbsbmError, ExternalServiceError, RateLimitError
from feature_store.archive.sources.terms import SourceTerms
from feature_store.sources.feeds.client.polite_client import FetchedAnswer, PoliteClient
from feature_store.sources.feeds.event_reader import EventReader, EventReading, reject
from feature_store.sources.feeds.feed import FeedLook


class FeedRequest(NamedTuple):
    """One request to a service, and how its answer is read."""

    path: str
    parameters: Mapping[str, str]
    read: Callable[[EventReader, Any], Iterable["FeedRequest"]]
    """Reads the decoded answer; returns further requests, such as its next page. Raises ExternalServiceError for an
    answer of another form, with ``retry_after`` [seconds] where the answer asks for a pause, AuthenticationError where
    it says that the key is refused."""
    calls: int = 1
    """Calls that it counts as."""
    plain: bool = False
    """Whether the answer is no JSON; ``read`` gets the ``FetchedAnswer`` itself."""

    @property
    def name(self) -> tuple[object, ...]:
        """What is asked: leagues that ask the same of a service in one look share the answer."""
        return (self.path, *sorted(self.parameters.items()))


RequestsOf = Callable[[League, str, datetime, Sequence[str]], Iterable[FeedRequest]]
"""The requests of a look at a league, by the service's own name of it, the moment, and the regions that are asked for
(none: those of the service's module)."""


@dataclass(frozen=True)
class FeedPlan:
    """What a look at a service asks; needs no connection."""

    leagues: Mapping[League, str]
    """The service's own name of each league that is asked for."""
    requests: RequestsOf
    regions: Sequence[str] = ()

    def requests_of(self, league: League, now: datetime) -> list[FeedRequest]:
        """Return the requests of a look at one of the leagues, without further pages."""
        return list(self.requests(league, self.leagues[league], now, self.regions))

    def calls_per_look(self, now: datetime) -> int:
        """Return the calls of a look without further pages."""
        asked = {each.name: each.calls for league in self.leagues for each in self.requests_of(league, now)}
        return sum(asked.values())


def plan_of(leagues: Leagues, wanted: Mapping[str, str], requests: RequestsOf, regions: Sequence[str] = ()) -> FeedPlan:
    """Return the plan for the leagues that are given by key, each with the service's own name of it."""
    return FeedPlan({leagues.get(key): named for key, named in wanted.items()}, requests, regions)


class ServiceFeed:
    """A service that is asked for some leagues; see ``feed.Feed``."""

    def __init__(self, plan: FeedPlan, client: PoliteClient, shared: EventReading, terms: SourceTerms) -> None:
        self.name = shared.feed
        self.leagues = {league.key: named for league, named in plan.leagues.items()}
        self.terms = terms
        self._plan = plan
        self._client = client
        self._shared = shared

    def look(self, now: datetime) -> FeedLook:
        """Return what the service shows now. Raises RateLimitError if not even the first request is allowed."""
        self._client.forget_old_answers(now)
        look = FeedLook()
        answers: dict[tuple[object, ...], FetchedAnswer] = {}
        for league in self._plan.leagues:
            reader = EventReader(self._shared, league, now)
            try:
                self._ask(look, reader, self._plan.requests_of(league, now), answers)
            except RateLimitError as error:
                if not look.calls:
                    raise
                look.rejected.append(reject(self.name, "row", league.key, f"not asked: {error.message}", ""))
            look.batches[league.key] = reader.batch()
        return look

    def _ask(
        self,
        look: FeedLook,
        reader: EventReader,
        requests: list[FeedRequest],
        answers: dict[tuple[object, ...], FetchedAnswer],
    ) -> None:
        """Ask the requests and those that follow from their answers; ``answers`` are those of this look."""
        while requests:
            request = requests.pop(0)
            answer = answers.get(request.name) or self._get(look, request, reader.now)
            if answer is None:
                continue
            answers[request.name] = answer
            try:
                requests += request.read(reader, answer if request.plain else self._decode(request, answer))
            except DbsbmError as error:
                self._client.reject(request.path, request.parameters, error, reader.now)
                self._note(look, request, error)

    def _get(self, look: FeedLook, request: FeedRequest, now: datetime) -> FetchedAnswer | None:
        """Return the answer; None if there is no usable one, which is noted. Raises RateLimitError if not allowed."""
        try:
            answer = self._client.get(request.path, request.parameters, now, calls=request.calls)
        except RateLimitError:
            raise
        except DbsbmError as error:
            look.calls += request.calls
            self._note(look, request, error)
            return None
        look.calls += request.calls
        look.unchanged += answer.unchanged
        return answer

    def _note(self, look: FeedLook, request: FeedRequest, error: DbsbmError) -> None:
        look.rejected.append(reject(self.name, "row", request.path, error.message, ""))

    def _decode(self, request: FeedRequest, answer: FetchedAnswer) -> Any:
        try:
            return orjson.loads(answer.content)
        except orjson.JSONDecodeError as error:
            msg = f"{self.name} {request.path}: the answer is not JSON, or ends early ({error})."
            raise ExternalServiceError(msg) from None
