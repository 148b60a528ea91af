"""Predictions of scheduled games: finds the game and its champion, and gets the body from cache or model."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

from core.betting.leagues import Leagues
from core.registry.forecaster import Forecast
from feature_store.rows.online import OnlineRow
from serving.champions.champion import Champion, Champions
from serving.games.slate import GameKey, Slate, SlateTable
from serving.games.staleness import StalenessPolicy
from serving.predictions.answer import Answer
from serving.predictions.body_source import BodySource
from serving.predictions.cache import CachedBody
from serving.predictions.plan import ForecastPlan

ValueType = TypeVar("ValueType")

MOST_CACHED_ANSWERS: Final = 5_000
"""Answers cached as they are sent; about 15 MB."""

WAIT_SECONDS: Final = 0.02
"""How long a new answer may take before the game's last one is served, marked as stale [seconds]."""


class _CachedAnswer(NamedTuple):
    """An answer with the slate and champions that it was made from; valid as long as these are current."""

    answer: Answer
    table: SlateTable
    champions: Mapping[str, Champion]
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
        self._cached_answers: dict[GameKey, _CachedAnswer] = {}
        """By sport, league and game id as the caller spells them."""
        self._last: dict[GameKey, Answer] = {}

    def cached_answer(self, sport: str, league: str, game_id: str, now: datetime) -> Answer | None:
        """Return the prediction if it was requested before and nothing has changed since; None otherwise."""
        entry = self._cached_answers.get((sport, league, game_id))
        if (
            entry is None
            or entry.table is not self._slate.table
            or entry.champions is not self._champions.loaded
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
        table, loaded = self._slate.table, self._champions.loaded
        row, checked_at = self._find(sport, league, game_id, now)
        plan = ForecastPlan.of(self._champions.for_row(row), row, now)
        if recompute:
            return self._check_age(self._remember(plan, await self._bodies.recompute(plan), checked_at), now)
        last = self._last.get(plan.game)
        body = await self._bodies.get(plan, None if last is None else WAIT_SECONDS)
        if body is None:
            assert last is not None  # noqa: S101 - without a last answer the wait has no limit
            return self._check_age(last.at_level("stale"), now)
        answer = self._remember(plan, body, checked_at)
        if body.whole:
            entry = _CachedAnswer(answer.at_level("local"), table, loaded, None if plan.begun else row.game.start_at)
            _put_last(self._cached_answers, (sport, league, game_id), entry)
        return self._check_age(answer, now)

    def recently_requested(self) -> list[GameKey]:
        """Return the games that callers requested, the latest first. Thread-safe."""
        return list(self._last)[::-1]

    def forecast(self, sport: str, league: str, game_id: str, now: datetime) -> GameForecast:
        """Compute the forecast of one game with its score distribution. Raises as ``predict`` does."""
        row, checked_at = self._find(sport, league, game_id, now)
        champion = self._champions.for_row(row)
        stale = self._staleness.is_stale(checked_at, now)
        return GameForecast(champion, row, champion.forecast(row), checked_at, stale)

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


def _put_last(values: dict[GameKey, ValueType], key: GameKey, value: ValueType) -> None:
    """Put the value last; the first one is evicted when there are too many."""
    values.pop(key, None)
    values[key] = value
    if len(values) > MOST_CACHED_ANSWERS:
        del values[next(iter(values))]
