"""A service with workers over MariaDB and Redis, each behind a proxy or to be killed, under load that is written down."""

import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.engine import Engine

from core.database import open_database
from migrations import schema
from tests.proxy import Proxy, proxy
from tests.services import MariaDb, RedisServer, mariadb_server, redis_server
from tests.serving.conftest import World, make_world
from tests.serving.processes import Served, served

GAMES = ("EPL-101", "EPL-102", "EPL-103", "EPL%2F104")
TIMEOUT = 5.0


@dataclass
class Answer:
    """One request as its client saw it."""

    at: float
    seconds: float
    status: int
    """0 for an answer that never came."""
    game: str
    client: int
    body: dict[str, Any]


@dataclass
class Stage:
    """Everything a row needs."""

    database: MariaDb
    redis: RedisServer
    before_database: Proxy
    before_redis: Proxy
    engine: Engine
    world: World
    service: Served
    answers: list[Answer] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        return time.monotonic() - self.began

    @contextmanager
    def load(self, clients: int = 4, rate: float = 100.0) -> Iterator[None]:
        """Ask for games, some much oftener than others, until the block ends: ``rate`` a second together."""
        stopping = threading.Event()
        threads = [
            threading.Thread(target=self._ask, args=(number, clients / rate, stopping)) for number in range(clients)
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopping.set()
            for thread in threads:
                thread.join()

    def _ask(self, number: int, pause: float, stopping: threading.Event) -> None:
        chosen = random.Random(number)
        with httpx.Client(base_url=self.service.url, timeout=TIMEOUT) as client:
            due = time.monotonic()
            while not stopping.is_set():
                due += pause
                time.sleep(max(0.0, due - time.monotonic()))
                game = chosen.choices(GAMES, weights=[1 / (rank + 1) for rank in range(len(GAMES))])[0]
                began = time.monotonic()
                headers = {"X-Request-ID": f"c{number}-{len(self.answers)}-{chosen.random():.12f}"}
                try:
                    reply = client.get(f"/v1/predictions/soccer/EPL/{game}", headers=headers)
                    status, body = reply.status_code, reply.json()
                except (httpx.HTTPError, ValueError):
                    status, body = 0, {}
                self.answers.append(
                    Answer(began - self.began, time.monotonic() - began, status, game, number, {**body, **headers})
                )

    def metric(self, name: str) -> float:
        """Sum of the series of that name, over all workers."""
        lines = self.service.get("/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.partition("{")[0].split(" ")[0] == name)


@contextmanager
def stage(*, workers: int = 2, **overrides: str) -> Iterator[Stage]:
    """A stage with its service ready."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        database = stack.enter_context(mariadb_server())
        cache = stack.enter_context(redis_server())
        before_database = stack.enter_context(proxy(database.port))
        before_redis = stack.enter_context(proxy(cache.port))
        engine = open_database(database.recreate("ours"))
        stack.callback(engine.dispose)
        schema.upgrade(engine)
        world = make_world(engine, folder / "bundles")
        through = World(open_database(engine.url.set(port=before_database.port)), world.store)
        stack.callback(through.engine.dispose)
        service = stack.enter_context(
            served(through, workers=workers, REDIS_URL=f"redis://127.0.0.1:{before_redis.port}/0", **overrides)
        )
        made = Stage(database, cache, before_database, before_redis, engine, world, service)
        until(lambda: service.get("/readyz").status_code == 200)
        yield made


def until(check: Callable[[], bool], seconds: float = 60.0) -> float:
    """Seconds until the check held; infinite if it never did."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            if check():
                return time.monotonic() - began
        except httpx.HTTPError:
            pass
        time.sleep(0.05)
    return float("inf")
