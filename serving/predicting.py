"""One question, one answer: which game, which champion, and the body from the nearest place that has it."""

from datetime import datetime

from core.betting.leagues import Leagues
from core.registry.forecaster import Forecast
from feature_store.online import OnlineRow
from serving.answers import Served, cache_key, encoded, has_begun
from serving.cache import PredictionCache
from serving.champions import Champion, Champions
from serving.slate import Slate


class Predictor:
    """Answers for games of the slate. Everything it reads is in memory, but for Redis behind the cache."""

    def __init__(self, leagues: Leagues, slate: Slate, champions: Champions, cache: PredictionCache) -> None:
        self._leagues = leagues
        self._slate = slate
        self._champions = champions
        self._cache = cache

    async def predict(self, sport: str, league: str, game_id: str, now: datetime) -> Served:
        """The prediction of one game.

        Raises ResourceNotFoundError for an unknown league or game, ServiceError for a league without champion.
        """
        row, checked_at = self._slate.find(self._leagues.at(sport, league), game_id)
        champion = self._champions.of_row(row)
        begun = has_begun(row, now)
        key = cache_key(champion, row, begun=begun)
        body, level = await self._cache.get(key, lambda: computed(champion, row, begun=begun))
        return Served(body, champion, row, checked_at, level)

    def forecast(self, sport: str, league: str, game_id: str) -> tuple[Champion, OnlineRow, Forecast]:
        """The whole score distribution of one game, computed anew. Raises as ``predict`` does."""
        row, _ = self._slate.find(self._leagues.at(sport, league), game_id)
        champion = self._champions.of_row(row)
        return champion, row, champion.forecast(row)


def computed(champion: Champion, row: OnlineRow, *, begun: bool) -> bytes:
    """The body of a prediction, from the feature row on."""
    return encoded(champion, row, champion.forecast(row), begun=begun)
