"""Challengers in the shadow of champions: asked what is served, logged beside it, never answered with.

All of it happens in a thread of its own, behind a bounded queue that is the first to be dropped under load.
"""

import time
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from typing import Final, NamedTuple

from cachetools import LRUCache

from core.errors import DbsbmError
from core.logs import get_logger
from core.registry.deployment import Deployment, Version
from core.settings import Settings
from serving.champions.champion import Champion, load_version
from serving.champions.follower import ChampionFollower, pause_after
from serving.predictions.answer import Served, cache_key, has_begun
from serving.predictions.log import PredictionLog
from serving.predictions.predictor import computed
from serving.runtime.load_shedding import Load
from serving.telemetry.metrics import Metrics

CAPACITY: Final = 2_000
AT_ONCE: Final = 200
REMEMBERED: Final = 2_000
"""Forecasts kept, as the same game is served again and again."""

log = get_logger(__name__)


class Seen(NamedTuple):
    """A prediction that was served."""

    served: Served
    request_id: str
    served_at: datetime


class Refusal(NamedTuple):
    """Why a challenger does not run, and when it is tried again."""

    record: Deployment
    reason: str
    attempts: int
    retry_at: float
    """On the monotonic clock."""


class Shadow:
    """``put`` never waits; ``step`` belongs to a thread of its own."""

    def __init__(
        self,
        settings: Settings,
        follower: ChampionFollower,
        predictions: PredictionLog,
        load: Load,
        metrics: Metrics,
        capacity: int = CAPACITY,
    ) -> None:
        self._settings = settings
        self._follower = follower
        self._predictions = predictions
        self._load = load
        self._metrics = metrics
        self._capacity = capacity
        self._queue: deque[Seen] = deque()
        self._refusals: Mapping[str, Refusal] = {}
        self._forecasts: LRUCache[str, Served] = LRUCache(REMEMBERED)
        self.challengers: Mapping[str, Champion] = {}
        """Those that run, by model name."""

    def put(self, served: Served, request_id: str, now: datetime) -> None:
        """Have the model's challenger, if one runs, forecast the same; dropped under load or if too many wait."""
        if served.model not in self.challengers:
            return
        if self._load.gives_up("shadow") or len(self._queue) >= self._capacity:
            self._metrics.shadows.labels("dropped").inc()
        else:
            self._queue.append(Seen(served, request_id, now))

    def step(self) -> bool:
        """Follow the deployment records, then forecast some of what waits; True if there is more."""
        self._follow()
        for _ in range(AT_ONCE):
            if not self._queue:
                return False
            self._forecast(self._queue.popleft())
        return True

    def _follow(self) -> None:
        records = self._follower.records
        wanted = {record.model: record for record in records.values() if record.challenger is not None}
        for model, challenger in list(self.challengers.items()):
            if model not in wanted or wanted[model].challenger != challenger.version.version:
                self.challengers = {name: kept for name, kept in self.challengers.items() if name != model}
        for record in wanted.values():
            if record.model not in self.challengers:
                self._load_challenger(record)

    def _load_challenger(self, record: Deployment) -> None:
        registered, before = self._registered(record), self._refusals.get(record.model)
        again = before if before is not None and before.record == record else None
        if registered is None or (again is not None and time.monotonic() < again.retry_at):
            return
        try:
            challenger = load_version(self._settings, registered, record.generation)
        except DbsbmError as error:
            self._refuse(record, str(error), again)
            return
        self.challengers = {**self.challengers, record.model: challenger}
        log.info("challenger runs in shadow", model=record.model, version=record.challenger)

    def _refuse(self, record: Deployment, reason: str, before: Refusal | None) -> None:
        """Try again later and later; MLflow may have been away for a moment, a bundle be mended."""
        attempts = 1 if before is None else before.attempts + 1
        if before is None or before.reason != reason:
            log.warning("challenger refused", model=record.model, version=record.challenger, reason=reason)
        refusal = Refusal(record, reason, attempts, time.monotonic() + pause_after(attempts))
        self._refusals = {**self._refusals, record.model: refusal}

    def _registered(self, record: Deployment) -> Version | None:
        versions = self._follower.versions
        return next((one for one in versions if (one.model, one.version) == (record.model, record.challenger)), None)

    def _forecast(self, seen: Seen) -> None:
        challenger = self.challengers.get(seen.served.model)
        if challenger is None:
            return
        row, begun = seen.served.row, has_begun(seen.served.row, seen.served_at)
        key = cache_key(challenger, row, begun=begun)
        try:
            shadow = self._forecasts.get(key)
            if shadow is None:
                body = computed(challenger, row, begun=begun, explained=False)
                shadow = Served(body, challenger, row, seen.served.checked_at, "computed")
                self._forecasts[key] = shadow
        except DbsbmError as error:
            self._metrics.shadows.labels("failed").inc()
            log.warning("challenger failed", model=seen.served.model, reason=str(error))
            return
        self._predictions.put(shadow, seen.request_id, seen.served_at, None, shadow=True)
        self._metrics.shadows.labels("logged").inc()
