"""Metrics of champions, of one worker and of several."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from serving.telemetry.metrics import Metrics

AS_WORKER = """
import sys
from serving.telemetry.metrics import Metrics
metrics = Metrics()
exec(sys.argv[1])
"""
LOADED = "metrics.set_champions({'EPL-results': 7, 'NFL-results': 3}, ())"
REFUSED = "metrics.set_champions({'EPL-results': 6}, {'EPL-results', 'NFL-results'})"
SCRAPE = "sys.stdout.buffer.write(metrics.exposition())"
GONE = "from prometheus_client.multiprocess import mark_process_dead; mark_process_dead(int({pid!r}))"


def as_worker(folder: Path, work: str) -> tuple[int, str]:
    """Run the code as a worker; return its process id and output."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}
    with subprocess.Popen(
        [sys.executable, "-c", AS_WORKER, work], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return process.pid, output


@pytest.mark.server
def test_the_worst_value_of_the_living_workers_is_shown(tmp_path: Path) -> None:
    refusing, _ = as_worker(tmp_path, REFUSED)
    as_worker(tmp_path, LOADED)
    _, scraped = as_worker(tmp_path, SCRAPE)
    assert 'dbsbm_champion_generation{model="EPL-results"} 6.0' in scraped
    assert 'dbsbm_champion_generation{model="NFL-results"} 0.0' in scraped
    assert 'dbsbm_champion_refused{model="EPL-results"} 1.0' in scraped
    _, scraped = as_worker(tmp_path, f"{GONE.format(pid=refusing)}; {SCRAPE}")
    assert 'dbsbm_champion_generation{model="EPL-results"} 7.0' in scraped
    assert 'dbsbm_champion_refused{model="NFL-results"} 0.0' in scraped


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
