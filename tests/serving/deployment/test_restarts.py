"""Redis is flushed, and MySQL frozen, killed and restarted, under a running service: answers continue, none is lost."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import redis
import sqlalchemy as sa

from core.database.engines import open_database
from core.database.transactions import reading
from migrations import schema
from serving.predictions.body import BODY_FORMAT
from serving.predictions.tables import predictions
from serving.telemetry.cache_level import LEVELS
from tests.services import RedisServer, mariadb_server
from tests.serving.conftest import World, make_world
from tests.serving.models import EPL, deploy
from tests.serving.service import Running, eventually, settings_for, started

pytestmark = pytest.mark.server

GAME = "/v1/predictions/soccer/EPL/EPL-102"
COMPARED = ("probabilities", "model", "game")


class ContinuousCaller:
    """A caller that sends requests continuously and keeps every answer."""

    def __init__(self, running: Running) -> None:
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self._running = running
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> "ContinuousCaller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.is_set():
            answer = self._running.get(GAME)
            self.answers.append((answer.status_code, answer.json()))
            time.sleep(0.005)

    def wait_for_more(self, answers: int) -> None:
        until = len(self.answers) + answers
        eventually(lambda: len(self.answers) >= until)


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the parts of an answer that do not depend on its age."""
    return {name: answer[name] for name in COMPARED}


def logged(world: World) -> int:
    with reading(world.engine) as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(predictions)).scalar_one()


def test_redis_flushed_under_a_running_service(
    world: World, redis_process: RedisServer, shared_redis: "redis.Redis[bytes]"
) -> None:
    numbers = count(2)

    def shares() -> bool:
        """Whether a new champion's answer reaches Redis; on a busy machine a write may exceed its 50 ms."""
        number = next(numbers)
        deploy(world.engine, world.store, EPL, number=number, home_lean=number / 10)
        eventually(lambda: running.get(GAME).json()["model"]["version"] == number)
        eventually(lambda: running.get(GAME).json()["reasons"] is not None)
        return bool(shared_redis.keys(f"{BODY_FORMAT}:EPL-results:{number}:*"))

    settings = settings_for(world.engine, world.store, redis_url=redis_process.url)
    with started(settings) as running:
        eventually(shares, 60)
        before = comparable(running.get(GAME).json())
        with ContinuousCaller(running) as caller:
            for _ in range(20):
                shared_redis.flushall()
                caller.wait_for_more(5)
        assert {(status, str(comparable(answer))) for status, answer in caller.answers} == {(200, str(before))}
        eventually(lambda: running.get("/readyz").json()["redis"] == "closed")
        assert running.metric("dbsbm_cache_poisoned_total") == 0
        eventually(shares, 60)


def is_database_down(running: Running) -> bool:
    return running.service.slate_follower.database_error is not None


@contextmanager
def constant_answers(running: Running) -> Iterator[ContinuousCaller]:
    """Send requests before, during and after the block; all answers are equal, and stale during an outage."""
    with ContinuousCaller(running) as caller:
        caller.wait_for_more(20)
        yield caller
        eventually(lambda: not is_database_down(running), 60)
        caller.wait_for_more(20)
    assert {status for status, _ in caller.answers} == {200}
    assert len({str(comparable(answer)) for _, answer in caller.answers}) == 1
    assert caller.answers[-1][1]["stale"] is False
    assert any(answer["stale"] for _, answer in caller.answers)


def test_mysql_frozen_then_killed_and_started_again_under_a_running_service(tmp_path: Path) -> None:
    with mariadb_server(durable=True) as server:
        engine = open_database(server.recreate("ours"))
        schema.upgrade(engine)
        world = make_world(engine, tmp_path / "bundles")
        with started(settings_for(engine, world.store)) as running:
            eventually(lambda: running.get(GAME).json()["cache"] == "local")
            with constant_answers(running) as frozen:
                server.process.send_signal(signal.SIGSTOP)
                eventually(lambda: is_database_down(running), 60)
                frozen.wait_for_more(50)
                assert running.get("/healthz").status_code == 200
                assert running.get("/readyz").status_code == 200
                server.process.send_signal(signal.SIGCONT)
            with constant_answers(running) as killed:
                for _ in range(3):
                    server.kill()
                    eventually(lambda: is_database_down(running), 60)
                    killed.wait_for_more(20)
                    server.start()
                    eventually(lambda: not is_database_down(running), 60)
            deploy(engine, world.store, EPL, number=2, home_lean=0.9)
            eventually(lambda: running.get(GAME).json()["model"]["version"] == 2)
            eventually(lambda: running.service.log.depth == 0 == running.service.log.spooled(), 60)
            counted = sum(running.metric("dbsbm_predictions_total", level=level) for level in LEVELS)
            assert logged(world) == counted
            assert running.metric("dbsbm_prediction_log_dropped_total") == 0
            assert running.metric("dbsbm_prediction_log_spooled_total") > 0
        engine.dispose()
