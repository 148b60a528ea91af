"""The service's Prometheus metrics, in memory. One registry per app, so that two apps can share a process.

Several workers behind one port report theirs to their supervisor, which adds them up (serving/telemetry/totals.py).
"""

from collections import Counter as Counting
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

from core.errors import DbsbmError
from serving.telemetry.cache_level import LEVELS, CacheLevel
from serving.telemetry.output_queue import dropped_lines
from serving.telemetry.totals import Report, report_of

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)
T = TypeVar("T")

AddUp = Callable[[Report], Awaitable[bytes]]
"""Adds this worker's metrics to those of the others and returns the text that Prometheus scrapes."""


class Metrics:
    """Every metric of the service; labels are route templates and model names, never ids."""

    def __init__(self, add_up: AddUp | None = None) -> None:
        """``add_up`` is given to a process that is one of several workers."""
        self._add_up = add_up
        self.registry = CollectorRegistry()
        self.registry.register(_DroppedLines())
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
        # Looking up a labelled child costs more than incrementing it.
        self._request_counters: dict[tuple[str, str, int], Counter] = {}
        self._durations: dict[str, Histogram] = {}
        self._level_counters = {level: self.predictions.labels(level) for level in LEVELS}
        self._pending_requests: deque[tuple[str, str, int, float]] = deque()
        self._pending_predictions: deque[CacheLevel] = deque()
        self.poisoned = Counter(
            "dbsbm_cache_poisoned", "Values in Redis without a valid signature.", registry=self.registry
        )
        self.unwritten = Counter(
            "dbsbm_cache_unwritten", "Values that Redis did not accept, or not in time.", registry=self.registry
        )
        self.breaker = Gauge(
            "dbsbm_redis_breaker", "Circuit breaker of Redis: 0 closed, 1 half open, 2 open.", registry=self.registry
        )
        self.limits_breaker = Gauge(
            "dbsbm_limits_breaker",
            "Circuit breaker of the rate limiter's connections to Redis: 0 closed, 1 half open, 2 open.",
            registry=self.registry,
        )
        self.database_breaker = Gauge(
            "dbsbm_database_breaker",
            "Circuit breaker of the database: 0 closed, 1 half open, 2 open.",
            registry=self.registry,
        )
        self._champion = Gauge(
            "dbsbm_champion_generation",
            "Generation of the loaded champion, 0 without one; the lowest of several workers.",
            ("model",),
            registry=self.registry,
        )
        self.load_failures = Counter(
            "dbsbm_model_load_failures",
            "Champions that failed to load.",
            ("model", "code"),
            registry=self.registry,
        )
        self._refused = Gauge(
            "dbsbm_champion_refused",
            "1 while a worker could not load the champion of the deployment record.",
            ("model",),
            registry=self.registry,
        )
        self._models: set[str] = set()
        self.unforeseen = Counter(
            "dbsbm_unforeseen_errors", "Unexpected errors in a background thread.", ("thread",), registry=self.registry
        )
        self.slate_age = Gauge(
            "dbsbm_slate_age_seconds",
            "Time since the games were compared with the database.",
            registry=self.registry,
        )
        self.slate_games = Gauge("dbsbm_slate_games", "Games in memory.", registry=self.registry)
        self.data_age = Gauge(
            "dbsbm_data_newest_fact_age_seconds",
            "Time since a source last delivered something new about a league.",
            ("league", "source"),
            registry=self.registry,
        )
        self.log_depth = Gauge(
            "dbsbm_prediction_log_depth",
            "Served predictions in memory, not logged yet.",
            registry=self.registry,
        )
        self.spool_depth = Gauge(
            "dbsbm_prediction_spool_depth",
            "Served predictions on this machine's disk that are not in the database yet.",
            registry=self.registry,
        )
        self.other_spools_depth = Gauge(
            "dbsbm_prediction_spool_other_depth",
            "Served predictions on this machine's disk in spools that are not known to be of this database.",
            registry=self.registry,
        )
        self.log_spooled = Counter(
            "dbsbm_prediction_log_spooled", "Served predictions written to disk.", registry=self.registry
        )
        self.log_drained = Counter(
            "dbsbm_prediction_log_drained", "Served predictions moved from disk to the table.", registry=self.registry
        )
        self.log_dropped = Counter(
            "dbsbm_prediction_log_dropped", "Served predictions that were never logged.", registry=self.registry
        )
        self.shadows = Counter(
            "dbsbm_shadow_forecasts",
            "Forecasts of challengers, by outcome: logged, dropped or failed.",
            ("outcome",),
            registry=self.registry,
        )
        self.load = Gauge(
            "dbsbm_load_level",
            "0 normal, 1 no shadows, 2 no batches, 3 only cached answers.",
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
            "Requests over a rate limit, by kind: key, guild or failed (wrong keys from an address).",
            ("limit",),
            registry=self.registry,
        )
        self.admitted_without_redis = Counter(
            "dbsbm_rate_limit_alone",
            "Requests admitted from this process's own share, because Redis is unavailable or not configured.",
            registry=self.registry,
        )

    def count_request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count an answered request."""
        self._pending_requests.append((route, method, status, seconds))

    def count_prediction(self, level: CacheLevel) -> None:
        """Count a served prediction."""
        self._pending_predictions.append(level)

    def flush(self) -> None:
        """Add the pending counts to the metrics, in batches, because one at a time costs more than a cached answer."""
        for level, times in Counting(_take_all(self._pending_predictions)).items():
            self._level_counters[level].inc(times)
        answered = _take_all(self._pending_requests)
        for (route, method, status), times in Counting(request[:3] for request in answered).items():
            self._count_of(route, method, status).inc(times)
        for route, _, _, seconds in answered:
            self._durations[route].observe(seconds)

    def _count_of(self, route: str, method: str, status: int) -> Counter:
        child = self._request_counters.get((route, method, status))
        if child is None:
            child = self._request_counters[route, method, status] = self.requests.labels(route, method, status)
            self._durations.setdefault(route, self.duration.labels(route))
        return child

    def set_champions(self, generations: Mapping[str, int], refused: Collection[str]) -> None:
        """Set the loaded generation and the failure flag of each model; both become 0 for a model that is gone."""
        models = self._models = self._models | {*generations, *refused}
        for model in models:
            self._champion.labels(model).set(generations.get(model, 0))
            self._refused.labels(model).set(model in refused)

    def count_load_failure(self, model: str, error: DbsbmError) -> None:
        """Count a champion that could not be loaded."""
        self.load_failures.labels(model, error.code).inc()

    def dropped(self) -> float:
        """Return the number of served predictions that this process lost."""
        return self.registry.get_sample_value("dbsbm_prediction_log_dropped_total") or 0.0

    def report(self) -> Report:
        """Return the metrics as a worker reports them to its supervisor, as of the last ``flush``; from any thread."""
        return report_of(self.registry)

    async def exposition(self) -> bytes:
        """Return the text that Prometheus scrapes, of all workers. Raises ServiceError if they cannot be added up."""
        self.flush()
        return generate_latest(self.registry) if self._add_up is None else await self._add_up(self.report())


class _DroppedLines(Collector):
    """Counts the lines of the log that this process dropped."""

    def collect(self) -> Iterable[CounterMetricFamily]:
        yield CounterMetricFamily(
            "dbsbm_log_lines_dropped", "Lines of the log that were dropped.", value=dropped_lines()
        )


def _take_all(queue: deque[T]) -> list[T]:
    """Empty the queue and return its items; other threads may append meanwhile."""
    return [queue.popleft() for _ in range(len(queue))]
