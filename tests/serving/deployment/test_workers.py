"""Workers behind one port: same generations after every promotion, common metrics, and a dead worker is replaced."""

import os
import re
import signal
import threading
import time
from importlib.metadata import version as release
from pathlib import Path
from platform import python_version

import httpx
import pytest

from core.registry.deployment import Version, deployment, install_champion
from serving.champions.loader import TRIAL_FOLDER
from tests.conftest import NOW
from tests.serving.conftest import filled_world
from tests.serving.models import EPL, promote, written
from tests.serving.processes import Served, served
from tests.serving.service import eventually

pytestmark = pytest.mark.server

GAME = "/v1/predictions/soccer/EPL/EPL-102"
WORKERS = 4
PROMOTIONS = 100


def generations(running: Served) -> list[int | None]:
    workers = running.get("/readyz").json()["workers"].values()
    return [worker.get("EPL-results", {}).get("generation") for worker in workers]


def mark_as_tried(store: Path, version: Version) -> None:
    """Mark the bundle as tried on this machine: a hundred trials would take minutes."""
    marker = store / TRIAL_FOLDER / f"{version.bundle_sha256}-py{python_version()}-lightgbm{release('lightgbm')}"
    marker.parent.mkdir(exist_ok=True)
    marker.touch()


class Caller:
    """Sends requests over one connection, so to one worker; keeps status and version of every answer."""

    def __init__(self, url: str, stopping: threading.Event) -> None:
        self.answers: list[tuple[int, int | None]] = []
        self._thread = threading.Thread(target=self._ask, args=(url, stopping))
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _ask(self, url: str, stopping: threading.Event) -> None:
        with httpx.Client(base_url=url, timeout=20) as client:
            while not stopping.is_set():
                answer = client.get(GAME)
                self.answers.append((answer.status_code, answer.json().get("model", {}).get("version")))


def gauge(running: Served, name: str) -> float:
    match = re.search(rf'^{name}{{model="EPL-results"}} (\S+)', running.get("/metrics").text, re.MULTILINE)
    assert match is not None
    return float(match[1])


def test_four_workers_converge_after_a_hundred_promotions_without_a_failed_or_older_answer(tmp_path: Path) -> None:
    """Each promotion installs a later version, so that a worker returning to an earlier one would be noticed."""
    stopping = threading.Event()
    with filled_world(tmp_path) as world:
        later = [written(world.store, EPL, number=2 + n, home_lean=0.3 + n / 200) for n in range(1, PROMOTIONS + 1)]
        for version in later:
            mark_as_tried(world.store, version)
        with served(world, workers=WORKERS) as running:
            eventually(lambda: len(generations(running)) == WORKERS, 60)
            callers = [Caller(running.url, stopping) for _ in range(2)]
            try:
                for version in later:
                    promote(world.engine, version)
                    time.sleep(0.03)
                last = deployment(world.engine, "EPL-results").generation
                eventually(lambda: generations(running) == [last] * WORKERS, 60)
            finally:
                stopping.set()
                for caller in callers:
                    caller.join()
            eventually(lambda: running.get("/readyz").json()["agreed"] is True, 60)
            for caller in callers:
                statuses, versions = zip(*caller.answers, strict=True)
                assert set(statuses) == {200}
                assert list(versions) == sorted(versions)
                assert len(set(versions)) > 2
            counted = running.get("/metrics").text
            line = next(
                line for line in counted.splitlines() if "dbsbm_requests_total{" in line and "{game_id}" in line
            )
            assert float(line.rsplit(" ", 1)[1]) == sum(len(caller.answers) for caller in callers)
            eventually(lambda: gauge(running, "dbsbm_champion_generation") == last)

            victim = running.workers()[0]
            os.kill(victim, signal.SIGKILL)
            eventually(lambda: victim not in running.workers() and len(running.workers()) == WORKERS, 60)
            assert {running.get(GAME).status_code for _ in range(40)} == {200}
            newest = install_champion(world.engine, deployment(world.engine, "EPL-results"), 1, NOW)
            # If the dead worker still counted, its generation would remain the lowest.
            eventually(lambda: gauge(running, "dbsbm_champion_generation") == newest.generation, 60)
            assert gauge(running, "dbsbm_champion_refused") == 0
