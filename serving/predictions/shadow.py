"""Shadow forecasts: challengers forecast what champions serve; the forecasts are logged and never served.

They are made in a separate thread from a bounded queue, which is the first work that load shedding drops.
"""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, NamedTuple

from cachetools import LRUCache

from core.errors import DbsbmError
from core.logs import get_logger
from serving.champions.champion import Champion
from serving.predictions.answer import Answer
from serving.predictions.log import PredictionLog
from serving.predictions.plan import ForecastPlan, make_bodies
from serving.runtime.load_shedding import LoadShedding
from serving.telemetry.metrics import Metrics

CAPACITY: Final = 2_000
AT_ONCE: Final = 200
REMEMBERED: Final = 2_000
"""Forecasts kept in memory, because the same game is served many times."""

log = get_logger(__name__)


class ServedAnswer(NamedTuple):
    """A prediction that was served."""

    answer: Answer
    request_id: str
    served_at: datetime


class Shadow:
    """Queue of served answers; ``put`` never waits, ``step`` runs in a separate thread."""

    def __init__(
        self,
        challengers: Callable[[], Mapping[str, Champion]],
        predictions: PredictionLog,
        load: LoadShedding,
        metrics: Metrics,
        capacity: int = CAPACITY,
    ) -> None:
        self._challengers = challengers
        self._predictions = predictions
        self._load = load
        self._metrics = metrics
        self._capacity = capacity
        self._queue: deque[ServedAnswer] = deque()
        self._forecasts: LRUCache[str, Answer] = LRUCache(REMEMBERED)

    def put(self, answer: Answer, request_id: str, now: datetime) -> None:
        """Queue the answer for the model's challenger, if there is one; dropped under load or if the queue is full."""
        if answer.model not in self._challengers():
            return
        if self._load.sheds("shadow") or len(self._queue) >= self._capacity:
            self._metrics.shadows.labels("dropped").inc()
        else:
            self._queue.append(ServedAnswer(answer, request_id, now))

    def step(self) -> bool:
        """Forecast a part of the queue; True if more is waiting."""
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), AT_ONCE))]
        challengers = self._challengers()
        planned = [
            (served, ForecastPlan.of(challengers[served.answer.model], served.answer.row, served.served_at))
            for served in batch
            if served.answer.model in challengers
        ]
        self._forecast({plan.key: (served, plan) for served, plan in planned if plan.key not in self._forecasts})
        for served, plan in planned:
            self._log(served, self._forecasts.get(plan.key))
        return bool(self._queue)

    def _forecast(self, missing: Mapping[str, tuple[ServedAnswer, ForecastPlan]]) -> None:
        bodies = make_bodies([plan for _, plan in missing.values()])
        for (key, (served, plan)), body in zip(missing.items(), bodies, strict=True):
            if isinstance(body, DbsbmError):
                log.warning("challenger failed", model=served.answer.model, reason=str(body))
            else:
                checked_at = served.answer.checked_at
                self._forecasts[key] = Answer(body, plan.champion, plan.row, checked_at, "computed")

    def _log(self, served: ServedAnswer, shadow: Answer | None) -> None:
        if shadow is None:
            self._metrics.shadows.labels("failed").inc()
            return
        self._predictions.put(shadow, served.request_id, served.served_at, None, shadow=True)
        self._metrics.shadows.labels("logged").inc()
