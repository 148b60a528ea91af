"""One question, one answer: which game, which champion, and the body from the nearest place that has it."""

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

Kept = TypeVar("Kept")

MOST_HITS: Final = 5_000
"""Answers kept ready to be sent; some 15 MB."""

PATIENCE_SECONDS: Final = 0.02
"""How long a game's new answer may take before its last one is sent, marked as stale."""


class _Hit(NamedTuple):
    """An answer, and what it was made from: it is given as long as all of that is current."""

    answer: Answer
    table: SlateTable
    champions: Mapping[str, Champion]
    begins_at: datetime | None
    """Start of a game that has not begun."""


class GameForecast(NamedTuple):
    """A game's whole score distribution, and the age of its data."""

    champion: Champion
    row: OnlineRow
    forecast: Forecast
    checked_at: datetime
    stale: bool
    """The data were last checked too long ago, or cannot be checked now."""

    def age(self, now: datetime) -> dict[str, Any]:
        """Return how old the data are, as answers report it."""
        age = max(0.0, (now - self.checked_at).total_seconds())
        dated = {"as_of": self.row.as_of, "checked_at": self.checked_at}
        return {**dated, "age_s": round(age, 3), "stale": self.stale}


class Predictor:
    """Answers for games of the slate. Everything it reads is in memory, except Redis behind the body source."""

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
        self._hits: dict[GameKey, _Hit] = {}
        """By sport, league and id as the caller spells them."""
        self._last: dict[GameKey, Answer] = {}

    def hit(self, sport: str, league: str, game_id: str, now: datetime) -> Answer | None:
        """Return the prediction if it was asked for before and nothing has changed since; looks at nothing else."""
        hit = self._hits.get((sport, league, game_id))
        if (
            hit is None
            or hit.table is not self._slate.table
            or hit.champions is not self._champions.loaded
            or (hit.begins_at is not None and hit.begins_at <= now)
        ):
            return None
        if not self._staleness.database_unavailable:
            return hit.answer
        allowed = self._staleness.allows(hit.answer.checked_at, now)
        return hit.answer.unconfirmed() if allowed else None

    async def predict(self, sport: str, league: str, game_id: str, now: datetime, *, afresh: bool = False) -> Answer:
        """Return the prediction of one game; computed whatever the caches hold if ``afresh``.

        Questions of the same turn of the event loop are looked up and computed together. While a changed game's answer
        takes its time, the last one is given, at the level *stale*. Raises ResourceNotFoundError for an unknown league
        or game, ServiceError for a league without champion, DataTooOldError for data that could not be checked for too
        long, DataIntegrityError for a row that does not fit the model.
        """
        table, loaded = self._slate.table, self._champions.loaded
        row, checked_at = self._find(sport, league, game_id, now)
        plan = ForecastPlan.of(self._champions.for_row(row), row, now)
        if afresh:
            return self._judged(self._remember(plan, await self._bodies.recompute(plan), checked_at), now)
        last = self._last.get(plan.game)
        body = await self._bodies.get(plan, None if last is None else PATIENCE_SECONDS)
        if body is None:
            assert last is not None  # noqa: S101 - without one there is no patience to run out
            return self._judged(last.at_level("stale"), now)
        answer = self._remember(plan, body, checked_at)
        if body.whole:
            hit = _Hit(answer.at_level("local"), table, loaded, None if plan.begun else row.game.start_at)
            _keep(self._hits, (sport, league, game_id), hit)
        return self._judged(answer, now)

    def asked_lately(self) -> list[GameKey]:
        """Return the games that callers asked for, the last one first; for any thread."""
        return list(self._last)[::-1]

    def forecast(self, sport: str, league: str, game_id: str, now: datetime) -> GameForecast:
        """Return the whole score distribution of one game, computed anew. Raises as ``predict`` does."""
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
        _keep(self._last, plan.game, answer)
        return answer

    def _judged(self, answer: Answer, now: datetime) -> Answer:
        """The answer, marked while the database is unavailable. Raises DataTooOldError."""
        if not self._staleness.database_unavailable:
            return answer
        self._staleness.check(answer.checked_at, now)
        return answer.unconfirmed()


def _keep(kept: dict[GameKey, Kept], key: GameKey, value: Kept) -> None:
    """Put the value last; the first one leaves when there are too many."""
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > MOST_HITS:
        del kept[next(iter(kept))]
