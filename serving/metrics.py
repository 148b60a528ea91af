"""What the service counts, in Prometheus's words. One registry per app, so that two apps can share a process."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from core.errors import DbsbmError
from serving.breaker import BreakerState

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0)
BREAKER_LEVELS: dict[BreakerState, int] = {"closed": 0, "half_open": 1, "open": 2}


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
            "Predictions served, by where their body came from.",
            ("level",),
            registry=self.registry,
        )
        self.poisoned = Counter(
            "dbsbm_cache_poisoned", "Values in Redis that were not what we wrote there.", registry=self.registry
        )
        self.breaker = Gauge(
            "dbsbm_redis_breaker", "Breaker before Redis: 0 closed, 1 half open, 2 open.", registry=self.registry
        )
        self.champion = Gauge(
            "dbsbm_champion_generation", "Generation of the loaded champion.", ("model",), registry=self.registry
        )
        self.load_failures = Counter(
            "dbsbm_model_load_failures", "Champions that were refused.", ("model", "code"), registry=self.registry
        )
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
            "dbsbm_prediction_log_depth", "Served predictions that are not in the database yet.", registry=self.registry
        )
        self.log_dropped = Counter(
            "dbsbm_prediction_log_dropped", "Served predictions that were never logged.", registry=self.registry
        )

    def count_refusal(self, model: str, error: DbsbmError) -> None:
        """One champion was not loaded."""
        self.load_failures.labels(model, error.code).inc()

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
