"""Metrics of champions, of one worker and of several."""

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from serving.telemetry.metrics import Metrics
from serving.telemetry.totals import MetricTotals

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def reported(totals: MetricTotals, worker: int, metrics: Metrics) -> None:
    metrics.flush()
    totals.put(worker, metrics.report())


def scraped(totals: MetricTotals, worker: int) -> Series:
    families = text_string_to_metric_families(totals.exposition(worker).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def champion(series: Series, name: str, model: str) -> float:
    return series[f"dbsbm_champion_{name}", (("model", model),)]


def test_the_worst_value_of_the_living_workers_is_shown() -> None:
    totals, refusing, loaded = MetricTotals(), Metrics(), Metrics()
    refusing.set_champions({"EPL-results": 6}, {"EPL-results", "NFL-results"})
    loaded.set_champions({"EPL-results": 7, "NFL-results": 3}, ())
    reported(totals, 1, refusing)
    reported(totals, 2, loaded)
    series = scraped(totals, 2)
    assert champion(series, "generation", "EPL-results") == 6
    assert champion(series, "generation", "NFL-results") == 0
    assert champion(series, "refused", "EPL-results") == 1
    totals.end(1)
    series = scraped(totals, 2)
    assert champion(series, "generation", "EPL-results") == 7
    assert champion(series, "refused", "NFL-results") == 0


def test_other_gauges_are_those_of_the_worker_that_is_scraped() -> None:
    totals, first, second = MetricTotals(), Metrics(), Metrics()
    first.slate_age.set(float("inf"))
    second.slate_age.set(3)
    reported(totals, 1, first)
    reported(totals, 2, second)
    ages = [scraped(totals, worker)["dbsbm_slate_age_seconds", ()] for worker in (1, 2)]
    assert ages == [float("inf"), 3]


def test_several_workers_show_the_same_series_as_one() -> None:
    """The names, types and help texts, without the moments of creation, which cannot be added up."""
    totals, metrics = MetricTotals(), Metrics()
    metrics.count_request("/v1/games", "GET", 200, 0.002)
    reported(totals, 1, metrics)
    alone = asyncio.run(metrics.exposition()).decode().splitlines()
    assert sorted(totals.exposition(1).decode().splitlines()) == sorted(
        line for line in alone if "_created" not in line
    )


WORKERS = 3
steps = st.lists(
    st.tuples(st.sampled_from(["count", "report", "scrape", "end"]), st.integers(0, WORKERS - 1)), max_size=60
)


@given(steps)
def test_no_counter_ever_decreases_whichever_workers_end(steps: Sequence[tuple[str, int]]) -> None:
    """A number stands for a place; a worker that has ended there is followed by another one."""
    totals, before, generation = MetricTotals(), Series(), [0] * WORKERS
    metrics = [Metrics() for _ in range(WORKERS)]
    for step, place in steps:
        worker = place + WORKERS * generation[place]
        if step == "count":
            metrics[place].count_request("/v1/games", "GET", 200, 0.002 * place)
        elif step == "report":
            reported(totals, worker, metrics[place])
        elif step == "scrape":
            reported(totals, worker, metrics[place])
            after = {key: value for key, value in scraped(totals, worker).items() if _is_sum(key[0])}
            assert all(after.get(key, 0.0) >= value for key, value in before.items())
            before = after
        else:
            totals.end(worker)
            metrics[place] = Metrics()
            generation[place] += 1


def _is_sum(name: str) -> bool:
    return name.endswith(("_total", "_bucket", "_count", "_sum"))


def test_what_all_workers_counted_is_added_up() -> None:
    totals = MetricTotals()
    for worker in range(4):
        metrics = Metrics()
        for _ in range(worker + 1):
            metrics.count_request("/v1/games", "GET", 200, 0.002)
        reported(totals, worker, metrics)
    totals.end(0)
    totals.end(2)
    series = scraped(totals, 3)
    labels = (("method", "GET"), ("route", "/v1/games"), ("status", "200"))
    assert series["dbsbm_requests_total", labels] == 10
    assert series["dbsbm_request_seconds_bucket", (("le", "0.0025"), ("route", "/v1/games"))] == 10
    assert series["dbsbm_request_seconds_bucket", (("le", "0.001"), ("route", "/v1/games"))] == 0


def test_a_removed_model_is_shown_as_zero() -> None:
    metrics = Metrics()

    def shown(model: str) -> tuple[float | None, float | None]:
        names = ("dbsbm_champion_generation", "dbsbm_champion_refused")
        generation, refused = (metrics.registry.get_sample_value(name, {"model": model}) for name in names)
        return generation, refused

    metrics.set_champions({"EPL-results": 7}, {"EPL-results", "NFL-results"})
    assert (shown("EPL-results"), shown("NFL-results")) == ((7, 1), (0, 1))
    metrics.set_champions({"EPL-results": 8}, ())
    assert (shown("EPL-results"), shown("NFL-results")) == ((8, 0), (0, 0))
    metrics.set_champions({}, ())
    assert shown("EPL-results") == (0, 0)
