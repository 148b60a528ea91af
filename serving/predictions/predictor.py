"""One question, one answer: which game, which champion, and the body from the nearest place that has it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple, TypeVar

from core.betting.leagues import Leagues
from core.errors import DbsbmError
from core.registry.forecaster import Forecast
from feature_store.rows.online import OnlineRow
from serving.champions.champion import Champion, Champions
from serving.games.slate import GameKey, Slate, Table, key_of
from serving.games.staleness import Freshness
from serving.predictions.answer import Served, cache_key, encoded, has_begun
from serving.predictions.cache import Found, PredictionCache

Kept = TypeVar("Kept")

MOST_READY: Final = 5_000
"""Answers kept ready to be sent; some 15 MB."""

PATIENCE_SECONDS: Final = 0.02
"""How long a game's new answer may take before its last one is sent, marked as stale."""


class _Ready(NamedTuple):
    """An answer, and until when nothing that it was made from can have changed."""

    served: Served
    table: Table
    champions: Mapping[str, Champion]
    begins_at: datetime | None
    """Start of a game that has not begun."""


class Plan(NamedTuple):
    """One answer that is to be found or made."""

    row: OnlineRow
    checked_at: datetime
    champion: Champion
    begun: bool
    key: str
    """In the caches."""

    @property
    def game(self) -> GameKey:
        return key_of(self.row)

    def compute(self) -> bytes:
        """A draft of the body."""
        return self.written(self.champion.forecast(self.row))

    def written(self, forecast: Forecast) -> bytes:
        """The draft that says this forecast."""
        return encoded(self.champion, self.row, forecast, begun=self.begun, explained=False)

    def served(self, found: Found) -> Served:
        """The body on its way out."""
        return Served(found.body, self.champion, self.row, self.checked_at, found.level)


class Forecasted(NamedTuple):
    """A game's whole score distribution, and of when its data are."""

    champion: Champion
    row: OnlineRow
    forecast: Forecast
    checked_at: datetime
    stale: bool
    """The data were last checked too long ago, or cannot be checked now."""

    def age(self, now: datetime) -> dict[str, Any]:
        """How old the data are, as answers say it."""
        age = max(0.0, (now - self.checked_at).total_seconds())
        dated = {"as_of": self.row.as_of, "checked_at": self.checked_at}
        return {**dated, "age_s": round(age, 3), "stale": self.stale}


class Predictor:
    """Answers for games of the slate. Everything it reads is in memory, but for Redis behind the cache."""

    def __init__(
        self, leagues: Leagues, slate: Slate, champions: Champions, cache: PredictionCache, freshness: Freshness
    ) -> None:
        self._leagues = leagues
        self._slate = slate
        self._champions = champions
        self._cache = cache
        self._freshness = freshness
        self._ready: dict[GameKey, _Ready] = {}
        """By sport, league and id as the caller spells them."""
        self._last: dict[GameKey, Served] = {}

    def ready(self, sport: str, league: str, game_id: str, now: datetime) -> Served | None:
        """The prediction if it was asked for before and nothing has changed since; looks at nothing else."""
        ready = self._ready.get((sport, league, game_id))
        if (
            ready is None
            or ready.table is not self._slate.table
            or ready.champions is not self._champions.loaded
            or (ready.begins_at is not None and ready.begins_at <= now)
        ):
            return None
        if not self._freshness.away:
            return ready.served
        allowed = self._freshness.allows(ready.served.checked_at, now)
        return ready.served.unconfirmed() if allowed else None

    async def predict(self, sport: str, league: str, game_id: str, now: datetime, *, afresh: bool = False) -> Served:
        """The prediction of one game; computed whatever the caches hold if ``afresh``.

        While a changed game's answer takes its time, the last one is given, at the level *stale*. Raises
        ResourceNotFoundError for an unknown league or game, ServiceError for a league without champion,
        DataTooOldError for data that could not be checked for too long.
        """
        table, loaded = self._slate.table, self._champions.loaded
        plan = self.plan(sport, league, game_id, now)
        if afresh:
            return self.computed(plan, now)
        last = self._last.get(plan.game)
        patience = None if last is None else PATIENCE_SECONDS
        found = await self._cache.get(plan.key, plan.compute, patience)
        if found is None:
            assert last is not None  # noqa: S101 - without one there is no patience to run out
            return self._freshness.judged(last.at_level("stale"), now)
        served = plan.served(found)
        at_hand = served.at_level("local")
        _keep(self._last, plan.game, at_hand)
        if found.whole:
            ready = _Ready(at_hand, table, loaded, None if plan.begun else plan.row.game.start_at)
            _keep(self._ready, (sport, league, game_id), ready)
        return self._freshness.judged(served, now)

    def plan(self, sport: str, league: str, game_id: str, now: datetime) -> Plan:
        """Which row and which champion the question is about; nothing is computed. Raises as ``predict`` does."""
        row, checked_at = self._slate.find(self._leagues.at(sport, league), game_id)
        self._freshness.must_allow(checked_at, now)
        champion = self._champions.of_row(row)
        begun = has_begun(row, now)
        return Plan(row, checked_at, champion, begun, cache_key(champion, row, begun=begun))

    def computed(self, plan: Plan, now: datetime) -> Served:
        """The prediction computed whatever the caches hold. Raises ServiceError, DataIntegrityError."""
        return self._served(plan, plan.compute(), now)

    def _served(self, plan: Plan, body: bytes, now: datetime) -> Served:
        served = plan.served(self._cache.drafted(plan.key, body))
        _keep(self._last, plan.game, served)
        return self._freshness.judged(served, now)

    def computed_together(self, plans: Sequence[Plan], now: datetime) -> list[Served | None]:
        """``computed`` of many plans: the same, much cheaper. None for what gives an error when computed alone."""
        served: list[Served | None] = [None] * len(plans)
        by_champion: dict[int, list[int]] = {}
        for place, plan in enumerate(plans):
            by_champion.setdefault(id(plan.champion), []).append(place)
        for places in by_champion.values():
            try:
                forecasts = plans[places[0]].champion.forecasts([plans[place].row for place in places])
            except DbsbmError:
                continue
            for place, forecast in zip(places, forecasts, strict=True):
                plan = plans[place]
                with suppress(DbsbmError):
                    served[place] = self._served(plan, plan.written(forecast), now)
        return served

    def asked_lately(self) -> list[GameKey]:
        """The games that callers asked for, the last one first; for any thread."""
        return list(self._last)[::-1]

    def forecast(self, sport: str, league: str, game_id: str, now: datetime) -> Forecasted:
        """The whole score distribution of one game, computed anew. Raises as ``predict`` does."""
        row, checked_at = self._slate.find(self._leagues.at(sport, league), game_id)
        self._freshness.must_allow(checked_at, now)
        champion = self._champions.of_row(row)
        stale = self._freshness.is_stale(checked_at, now)
        return Forecasted(champion, row, champion.forecast(row), checked_at, stale)


def _keep(kept: dict[GameKey, Kept], key: GameKey, value: Kept) -> None:
    """Put the value last; the first one leaves when there are too many."""
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > MOST_READY:
        del kept[next(iter(kept))]


def computed(champion: Champion, row: OnlineRow, *, begun: bool, explained: bool = True) -> bytes:
    """The body of a prediction, from the feature row on; reasons cost fifty times as much as the rest."""
    return encoded(champion, row, champion.forecast(row), begun=begun, explained=explained)
