"""What the service counts, in Prometheus's words. One registry per app, so that two apps can share a process.

Where PROMETHEUS_MULTIPROC_DIR is set (serving/workers.py does it before this is imported), counts of all workers are
added up, dead ones' too. A gauge is the one that was set last, and the scraped worker sets all of them; but of what
each worker has loaded, the worst of the living is shown.
"""

import os
from collections import Counter as Counting
from collections import deque
from collections.abc import Collection, Mapping
from functools import partial
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client import Gauge as AnyGauge
from prometheus_client.multiprocess import MultiProcessCollector

from core.errors import DbsbmError
from serving.telemetry.cache_level import LEVELS, CacheLevel

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)
Gauge = partial(AnyGauge, multiprocess_mode="mostrecent")
T = TypeVar("T")


class Metrics:
    """Every series of the service; labels are route templates and model names, never ids."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "dbsbm_requests", "Requests answered.", ("route", "method", "status"), registry=self.registry
        )
        self.duration = Histogram(
            "dbsbm_request_seconds",
            "Time from the head of a request to the last byte of its answer.",
            ("route",),
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.predictions = Counter(
            "dbsbm_predictions",
            "Predictions served, by where their body came from; local and redis are hits.",
            ("level",),
            registry=self.registry,
        )
        # Looking a child up by its labels costs more than counting with it.
        self._of_request: dict[tuple[str, str, int], Counter] = {}
        self._durations: dict[str, Histogram] = {}
        self._of_level = {level: self.predictions.labels(level) for level in LEVELS}
        self._answered: deque[tuple[str, str, int, float]] = deque()
        self._served: deque[CacheLevel] = deque()
        self.poisoned = Counter(
            "dbsbm_cache_poisoned", "Values in Redis that were not what we wrote there.", registry=self.registry
        )
        self.unwritten = Counter(
            "dbsbm_cache_unwritten", "Values that Redis did not take, or not in time.", registry=self.registry
        )
        self.breaker = Gauge(
            "dbsbm_redis_breaker", "CircuitBreaker before Redis: 0 closed, 1 half open, 2 open.", registry=self.registry
        )
        self.limits_breaker = Gauge(
            "dbsbm_limits_breaker",
            "CircuitBreaker before Redis, of the limits' own connections: 0 closed, 1 half open, 2 open.",
            registry=self.registry,
        )
        self.database_breaker = Gauge(
            "dbsbm_database_breaker",
            "CircuitBreaker before the database: 0 closed, 1 half open, 2 open.",
            registry=self.registry,
        )
        self._champion = AnyGauge(
            "dbsbm_champion_generation",
            "Generation of the loaded champion, 0 if there is none; of several workers the lowest.",
            ("model",),
            registry=self.registry,
            multiprocess_mode="livemin",
        )
        self.load_failures = Counter(
            "dbsbm_model_load_failures", "Champions that were refused.", ("model", "code"), registry=self.registry
        )
        self._refused = AnyGauge(
            "dbsbm_champion_refused",
            "1 while the champion of the record is not the one that answers, because any worker refused it.",
            ("model",),
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._models: set[str] = set()
        self.unforeseen = Counter(
            "dbsbm_unforeseen_errors", "Bugs met by a background thread.", ("thread",), registry=self.registry
        )
        self.slate_age = Gauge(
            "dbsbm_slate_age_seconds", "Since the games were last compared with the database.", registry=self.registry
        )
        self.slate_games = Gauge("dbsbm_slate_games", "Games in memory.", registry=self.registry)
        self.data_age = Gauge(
            "dbsbm_data_newest_fact_age_seconds",
            "Since a source last said something new of a league.",
            ("league", "source"),
            registry=self.registry,
        )
        self.log_depth = Gauge(
            "dbsbm_prediction_log_depth", "Served predictions in memory that wait to be logged.", registry=self.registry
        )
        self.spool_depth = Gauge(
            "dbsbm_prediction_spool_depth",
            "Served predictions on this machine's disk that wait for the database.",
            registry=self.registry,
        )
        self.log_spooled = Counter(
            "dbsbm_prediction_log_spooled", "Served predictions put on disk.", registry=self.registry
        )
        self.log_drained = Counter(
            "dbsbm_prediction_log_drained", "Served predictions brought from disk to the table.", registry=self.registry
        )
        self.log_dropped = Counter(
            "dbsbm_prediction_log_dropped", "Served predictions that were never logged.", registry=self.registry
        )
        self.shadows = Counter(
            "dbsbm_shadow_forecasts",
            "What challengers were asked, by what came of it: logged, dropped or failed.",
            ("outcome",),
            registry=self.registry,
        )
        self.load = Gauge(
            "dbsbm_load_level",
            "0 calm, 1 no shadows, 2 no batches, 3 nothing but answers at hand.",
            registry=self.registry,
        )
        self.shed = Counter(
            "dbsbm_shed",
            "Requests refused because of load, by kind: batch or single.",
            ("kind",),
            registry=self.registry,
        )
        self.rate_limited = Counter(
            "dbsbm_rate_limited",
            "Requests refused because a limit was used up, by whose: key, guild or failed (wrong keys of an address).",
            ("limit",),
            registry=self.registry,
        )
        self.admitted_without_redis = Counter(
            "dbsbm_rate_limit_alone",
            "Requests let pass out of this process's own share, because Redis is away or not configured.",
            registry=self.registry,
        )

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self._answered.append((route, method, status, seconds))

    def count_prediction(self, level: CacheLevel) -> None:
        """One prediction was served."""
        self._served.append(level)

    def settle(self) -> None:
        """Bring what was counted into the series: many at once, because one at a time costs more than an answer."""
        for level, times in Counting(_taken(self._served)).items():
            self._of_level[level].inc(times)
        answered = _taken(self._answered)
        for (route, method, status), times in Counting(request[:3] for request in answered).items():
            self._count_of(route, method, status).inc(times)
        for route, _, _, seconds in answered:
            self._durations[route].observe(seconds)

    def _count_of(self, route: str, method: str, status: int) -> Counter:
        child = self._of_request.get((route, method, status))
        if child is None:
            child = self._of_request[route, method, status] = self.requests.labels(route, method, status)
            self._durations.setdefault(route, self.duration.labels(route))
        return child

    def set_champions(self, generations: Mapping[str, int], refused: Collection[str]) -> None:
        """What this worker answers with, by model, and what it refused; of models that are gone both become 0."""
        models = self._models = self._models | {*generations, *refused}
        for model in models:
            self._champion.labels(model).set(generations.get(model, 0))
            self._refused.labels(model).set(model in refused)

    def count_load_failure(self, model: str, error: DbsbmError) -> None:
        """One champion was not loaded."""
        self.load_failures.labels(model, error.code).inc()

    def dropped(self) -> float:
        """Served predictions that this process lost."""
        return self.registry.get_sample_value("dbsbm_prediction_log_dropped_total") or 0.0

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        self.settle()
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return generate_latest(self.registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)


def _taken(queue: deque[T]) -> list[T]:
    """Everything in the queue, taken out; others may go on appending."""
    return [queue.popleft() for _ in range(len(queue))]
