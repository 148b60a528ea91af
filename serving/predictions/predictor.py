"""Predictions of scheduled games: finds the game and its champion, and gets the body from cache or model."""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

from core.betting.leagues import Leagues
from core.errors import DbsbmError
from core.registry.forecaster import Forecast
from feature_store.rows.online import OnlineRow
from serving.champions.champion import Champion, Champions
from serving.games.slate import GameKey, Slate
from serving.games.staleness import StalenessPolicy
from serving.predictions.answer import Answer
from serving.predictions.body_source import BodySource, PendingBody
from serving.predictions.cache import CachedBody
from serving.predictions.plan import ForecastPlan

ValueType = TypeVar("ValueType")

MOST_CACHED_ANSWERS: Final = 5_000
"""Answers cached as they are sent; about 15 MB."""

WAIT_SECONDS: Final = 0.02
"""How long a new answer may take before the game's last one is served, marked as stale [seconds]."""


class _CachedAnswer(NamedTuple):
    """An answer with the editions of the slate and the champions that it was made from; valid while these are current.

    Not the slate and the champions themselves: an answer that is not asked for again would keep the old ones in memory.
    """

    answer: Answer
    slate: object
    champions: object
    begins_at: datetime | None
    """Start of a game that has not begun; None if it has."""


class GameForecast(NamedTuple):
    """A game's forecast with its score distribution, and the age of its data."""

    champion: Champion
    row: OnlineRow
    forecast: Forecast
    checked_at: datetime
    stale: bool
    """Whether the data was last checked too long ago, or cannot be checked now."""

    def age(self, now: datetime) -> dict[str, Any]:
        """Return the age of the data, as responses report it."""
        age = max(0.0, (now - self.checked_at).total_seconds())
        dated = {"as_of": self.row.as_of, "checked_at": self.checked_at}
        return {**dated, "age_s": round(age, 3), "stale": self.stale}


class Predictor:
    """Predicts games of the slate. Everything it reads is in memory, except for Redis behind the body source."""

    def __init__(
        self,
        leagues: Leagues,
        slate: Slate,
        champions: Champions,
        bodies: BodySource[ForecastPlan],
        staleness: StalenessPolicy,
    ) -> None:
        self._leagues = leagues
        self._slate = slate
        self._champions = champions
        self._bodies = bodies
        self._staleness = staleness
        self._cached_answers: OrderedDict[GameKey, _CachedAnswer] = OrderedDict()
        """By sport, league and game id as the caller spells them."""
        self._last: OrderedDict[GameKey, Answer] = OrderedDict()

    def cached_answer(self, sport: str, league: str, game_id: str, now: datetime) -> Answer | None:
        """Return the prediction if it was requested before and nothing has changed since; None otherwise."""
        entry = self._cached_answers.get((sport, league, game_id))
        if (
            entry is None
            or entry.slate is not self._slate.table.edition
            or entry.champions is not self._champions.edition
            or (entry.begins_at is not None and entry.begins_at <= now)
        ):
            return None
        if not self._staleness.database_unavailable:
            return entry.answer
        allowed = self._staleness.allows(entry.answer.checked_at, now)
        return entry.answer.unconfirmed() if allowed else None

    async def predict(self, sport: str, league: str, game_id: str, now: datetime, *, recompute: bool = False) -> Answer:
        """Return the prediction of one game; ``recompute`` bypasses the caches.

        Calls in the same turn of the event loop are looked up and computed together. While the answer for a changed
        game takes too long, the last one is returned, at the level *stale*. Raises ResourceNotFoundError for an unknown
        league or game, ServiceError for a league without champion, DataTooOldError for data that could not be checked
        for too long, DataIntegrityError for a row that does not fit the model.
        """
        if recompute:
            plan, checked_at = self._plan((sport, league, game_id), now)
            return self._check_age(self._remember(plan, await self._bodies.recompute(plan), checked_at), now)
        (answer,) = await self.predict_many([(sport, league, game_id)], now)
        if isinstance(answer, DbsbmError):
            raise answer
        return answer

    async def predict_many(self, games: Sequence[GameKey], now: datetime) -> list[Answer | DbsbmError]:
        """Return for each game, in order, what ``predict`` returns or raises."""
        editions = self._slate.table.edition, self._champions.edition
        requests = [self._request(game, now) for game in games]
        await _wait_for([request for request in requests if isinstance(request, _Request)])
        return [
            self._finish(request, editions, now) if isinstance(request, _Request) else request for request in requests
        ]

    def _request(self, game: GameKey, now: datetime) -> "_Request | Answer | DbsbmError":
        answer = self.cached_answer(*game, now)
        if answer is not None:
            return answer
        try:
            plan, checked_at = self._plan(game, now)
        except DbsbmError as error:
            return error
        return _Request(game, plan, checked_at, self._last.get(plan.game), self._bodies.request(plan))

    def _finish(self, request: "_Request", editions: tuple[object, object], now: datetime) -> Answer | DbsbmError:
        game, plan, checked_at, last, body = request
        try:
            if isinstance(body, asyncio.Future):
                if last is not None and not body.done():
                    return self._check_age(last.at_level("stale"), now)
                body = body.result()
            answer = self._remember(plan, body, checked_at)
            if body.whole:
                begins_at = None if plan.begun else plan.row.game.start_at
                _put_last(self._cached_answers, game, _CachedAnswer(answer.at_level("local"), *editions, begins_at))
            return self._check_age(answer, now)
        except DbsbmError as error:
            return error

    def recently_requested(self) -> list[GameKey]:
        """Return the games that callers requested, the latest first. Thread-safe."""
        return list(self._last)[::-1]

    def forecast(self, sport: str, league: str, game_id: str, now: datetime) -> GameForecast:
        """Compute the forecast of one game with its score distribution. Raises as ``predict`` does."""
        row, checked_at = self._find(sport, league, game_id, now)
        champion = self._champions.for_row(row)
        stale = self._staleness.is_stale(checked_at, now)
        return GameForecast(champion, row, champion.forecast(row), checked_at, stale)

    def is_current(self, game: GameForecast, now: datetime) -> bool:
        """Whether ``forecast`` would return the same again. Raises as ``forecast`` does."""
        row, checked_at = self._find(game.row.sport, game.row.league, game.row.game.game_id, now)
        stale = self._staleness.is_stale(checked_at, now)
        same = (row.digest, checked_at, stale) == (game.row.digest, game.checked_at, game.stale)
        return same and self._champions.for_row(row) is game.champion

    def _plan(self, game: GameKey, now: datetime) -> tuple[ForecastPlan, datetime]:
        row, checked_at = self._find(*game, now)
        return ForecastPlan.of(self._champions.for_row(row), row, now), checked_at

    def _find(self, sport: str, league: str, game_id: str, now: datetime) -> tuple[OnlineRow, datetime]:
        row, checked_at = self._slate.find(self._leagues.at(sport, league), game_id)
        self._staleness.check(checked_at, now)
        return row, checked_at

    def _remember(self, plan: ForecastPlan, body: CachedBody, checked_at: datetime) -> Answer:
        answer = Answer(body.body, plan.champion, plan.row, checked_at, body.level)
        _put_last(self._last, plan.game, answer)
        return answer

    def _check_age(self, answer: Answer, now: datetime) -> Answer:
        """Return the answer, marked if the database is unavailable. Raises DataTooOldError."""
        if not self._staleness.database_unavailable:
            return answer
        self._staleness.check(answer.checked_at, now)
        return answer.unconfirmed()


class _Request(NamedTuple):
    """One game that is being predicted."""

    game: GameKey
    """As the caller spells it."""
    plan: ForecastPlan
    checked_at: datetime
    last: Answer | None
    """The game's last answer, which is returned if a new one takes too long."""
    body: CachedBody | PendingBody


async def _wait_for(requests: Sequence[_Request]) -> None:
    """Wait for the bodies that have no earlier answer to fall back on, and for a moment for the others."""
    pending = [(request.body, request.last) for request in requests if isinstance(request.body, asyncio.Future)]
    for body, last in pending:
        if last is None:
            with suppress(DbsbmError):  # an error is the answer to its own game only, and is read there
                await body
    with_last = [body for body, last in pending if last is not None]
    if with_last:
        await asyncio.wait(with_last, timeout=WAIT_SECONDS)


def _put_last(values: OrderedDict[GameKey, ValueType], key: GameKey, value: ValueType) -> None:
    """Put the value last; the first one is evicted when there are too many.

    In a plain dictionary, finding the first one would mean passing all those that were evicted before.
    """
    values[key] = value
    values.move_to_end(key)
    if len(values) > MOST_CACHED_ANSWERS:
        values.popitem(last=False)
