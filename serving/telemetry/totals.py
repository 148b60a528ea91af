"""Adds up the metrics of several workers, so that no counter ever decreases, whichever worker ends.

Each worker reports the metrics that it keeps in memory. Counters and histograms are sums over all reports, and what a
worker reported last stays in them after its end. A gauge has the value of the worker that is scraped; for the loaded
champions it is the worst value of the living workers.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.registry import Collector

WORST: Final[Mapping[str, Callable[[Iterable[float]], float]]] = {
    "dbsbm_champion_generation": min,
    "dbsbm_champion_refused": max,
}
"""The gauges that show the worst living worker."""

SUMMED: Final = ("counter", "histogram")

SampleKey = tuple[str, tuple[tuple[str, str], ...]]
"""Name of a sample and its labels, sorted."""

Report = list[tuple[str, str, str, list[tuple[str, dict[str, str], float]]]]
"""What a worker reports: name, type, help text and samples of each metric; a sample is its name, labels and value."""


class _Samples(dict[SampleKey, float]):
    """The samples of one metric, with its type and help text."""

    def __init__(self, kind: str, documentation: str) -> None:
        super().__init__()
        self.kind, self.documentation = kind, documentation

    def add(self, more: "_Samples") -> None:
        for key, value in more.items():
            self[key] = self.get(key, 0.0) + value


_Metrics = dict[str, _Samples]


def report_of(registry: CollectorRegistry) -> Report:
    """Return the present values of a registry's metrics, without the moments of creation, which cannot be added."""
    return [
        (
            metric.name,
            metric.type,
            metric.documentation,
            [(one.name, one.labels, one.value) for one in metric.samples if not one.name.endswith("_created")],
        )
        for metric in registry.collect()
    ]


class MetricTotals:
    """The newest report of each living worker, and the sums of those that have ended. Workers are named by number."""

    def __init__(self) -> None:
        self._living: dict[int, _Metrics] = {}
        self._ended: _Metrics = {}

    def put(self, worker: int, report: Report) -> None:
        """Replace the worker's report by a later one."""
        self._living[worker] = _parse(report)

    def end(self, worker: int) -> None:
        """Keep the sums of a worker that has ended, and forget its gauges."""
        for name, samples in self._living.pop(worker, {}).items():
            if samples.kind in SUMMED:
                self._ended.setdefault(name, _Samples(samples.kind, samples.documentation)).add(samples)

    def exposition(self, scraped: int) -> bytes:
        """Return the text that Prometheus scrapes, with the gauges of the worker that is scraped."""
        registry = CollectorRegistry()
        registry.register(_Fixed(self._merge(scraped)))
        return generate_latest(registry)

    def _merge(self, scraped: int) -> Iterator[Metric]:
        own, others = self._living[scraped], [self._ended, *self._living.values()]
        for name in dict.fromkeys(name for metrics in (own, *others) for name in metrics):
            parts = [metrics[name] for metrics in others if name in metrics]
            merged = _Samples(parts[0].kind, parts[0].documentation)
            if merged.kind in SUMMED:
                for part in parts:
                    merged.add(part)
            elif name in WORST:
                keys = dict.fromkeys(key for part in parts for key in part)
                merged.update({key: WORST[name](part[key] for part in parts if key in part) for key in keys})
            else:
                merged.update(own.get(name, {}))
            yield _as_metric(name, merged)


class _Fixed(Collector):
    """Collects metrics that are given to it."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _parse(report: Report) -> _Metrics:
    metrics: _Metrics = {}
    for name, kind, documentation, samples in report:
        parsed = metrics[name] = _Samples(kind, documentation)
        for sample, labels, value in samples:
            parsed[sample, tuple(sorted(labels.items()))] = value
    return metrics


def _as_metric(name: str, samples: _Samples) -> Metric:
    metric = Metric(name, samples.documentation, samples.kind)
    for (sample, labels), value in samples.items():
        metric.add_sample(sample, dict(labels), value)
    return metric
