"""Several workers behind one port: they agree after every swap, count together, and one that dies is missed by nobody."""

import os
import signal
import threading
from pathlib import Path

import httpx

from core.registry.deployment import deployment, install_champion
from tests.conftest import NOW
from tests.serving.conftest import filled_world
from tests.serving.models import EPL, deploy
from tests.serving.processes import Served, served
from tests.serving.service import eventually

GAME = "/v1/predictions/soccer/EPL/EPL-102"
WORKERS = 4
SWAPS = 20


def generations(running: Served) -> list[int | None]:
    workers = running.get("/readyz").json()["workers"].values()
    return [worker.get("EPL-results", {}).get("generation") for worker in workers]


def test_four_workers_agree_after_twenty_swaps_and_no_answer_fails_or_goes_back(tmp_path: Path) -> None:
    statuses: list[int] = []
    with filled_world(tmp_path) as world:
        deploy(world.engine, world.store, EPL, number=2, home_lean=0.9)
        stopping = threading.Event()
        with served(world, workers=WORKERS) as running:
            eventually(lambda: len(generations(running)) == WORKERS, 60)

            def ask() -> None:
                with httpx.Client(base_url=running.url, timeout=20) as client:
                    while not stopping.is_set():
                        statuses.append(client.get(GAME).status_code)

            asking = threading.Thread(target=ask)
            asking.start()
            try:
                for number in range(SWAPS):
                    install_champion(world.engine, deployment(world.engine, "EPL-results"), 1 + number % 2, NOW)
                last = deployment(world.engine, "EPL-results").generation
                eventually(lambda: generations(running) == [last] * WORKERS, 60)
            finally:
                stopping.set()
                asking.join()
            eventually(lambda: running.get("/readyz").json()["agreed"] is True, 60)
            assert set(statuses) == {200}
            counted = running.get("/metrics").text
            line = next(
                line for line in counted.splitlines() if "dbsbm_requests_total{" in line and "{game_id}" in line
            )
            assert float(line.rsplit(" ", 1)[1]) == len(statuses)

            victim = running.workers()[0]
            os.kill(victim, signal.SIGKILL)
            eventually(lambda: victim not in running.workers() and len(running.workers()) == WORKERS, 60)
            assert {running.get(GAME).status_code for _ in range(40)} == {200}
