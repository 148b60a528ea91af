"""The environment of a row: a service with all features over MariaDB and Redis, which can be killed or sit behind proxies."""

import http.client
import itertools
import json
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy.engine import Engine

from core.database.engines import open_database
from core.signing import KEY_FILE
from migrations import schema
from serving.access.api_keys import SCOPES, create_key
from tests.bench.serving.stage import hello
from tests.chaos.offline import Offline
from tests.chaos.traffic import Load, Mix
from tests.chaos.world import Models, fill, hot_games
from tests.proxy import Proxy, proxy
from tests.services import MariaDb, RedisServer, mariadb_server, redis_server
from tests.serving.conftest import World
from tests.serving.processes import Served, served

GUILDS = 1_000
GUILD_LIMIT = 2_000
SHARERS = 16
"""Greater than the number of processes at any time: each takes a portion of a limit, and rows start many."""
VERSIONS = 4
UNLIMITED = 1_000_000_000


class Outage(NamedTuple):
    """When the database was unavailable, on the monotonic clock; not ``certain`` if it was so only in part."""

    begin: float
    end: float
    certain: bool


@dataclass
class Stage:
    """Everything a row needs. The service requires keys, counts limits in Redis and uses the machine's clock."""

    database: MariaDb
    redis: RedisServer
    before_database: Proxy
    before_redis: Proxy
    engine: Engine
    """This process's own connections to the database; the services reach it through the proxy."""
    world: World
    models: Models
    offline: Offline
    service: Served
    bare: int
    """Port of a server that does nothing, to measure the machine's own delay."""
    key: str
    """An API key with every scope."""
    workers: int
    signing_key: str
    fresh: Iterator[int]
    """Numbers of cold games not requested yet; after the last one they begin again."""
    ring: Iterator[int]
    """Versions tried on this machine before, so that promoting them takes no trial."""
    outages: list[Outage] = field(default_factory=list)

    def untouched(self, count: int) -> list[str]:
        """Return cold games that no other request uses."""
        return [self._cold() for _ in range(count)]

    def _cold(self) -> str:
        return f"soccer/EPL/C{next(self.fresh)}"

    def headers(self) -> dict[str, str]:
        """Return the headers of one request: the key, and one of many guilds, so that its limit is read from Redis."""
        return {"X-API-Key": self.key, "X-Guild-ID": str(random.randint(1, GUILDS))}

    def load(self, *, port: int | None = None, cold_share: float = 0.0, **how: Any) -> Load:
        """Return traffic on the stage's service, or on the one at ``port``, which runs until its block ends."""
        mix = Mix(hot_games(), self._cold, cold_share)
        return Load(self.service.port if port is None else port, mix, self.headers, bare=self.bare, **how)

    def ask(self, path: str, *, port: int | None = None, method: str = "GET", **headers: str) -> tuple[int, Any]:
        """Send one request on a new connection; return status and document. Raises OSError."""
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port if port is None else port, timeout=15)
        try:
            connection.request(method, path, headers={"X-API-Key": self.key, **headers})
            answer = connection.getresponse()
            content = answer.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            connection.close()
        is_json = "json" in (answer.headers["content-type"] or "")
        return answer.status, json.loads(content) if is_json else content.decode()

    def metric(self, name: str, port: int | None = None) -> float:
        """Return the sum of the series of that name over all workers."""
        lines = self.ask("/metrics", port=port)[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.partition("{")[0].split(" ")[0] == name)

    def wait_for_generation(self, change_generation: int, seconds: float = 30.0) -> float:
        """Return the seconds until every worker reports this generation or a later one."""

        def have_converged() -> bool:
            workers = self.ask("/readyz")[1]["workers"].values()
            loaded = [worker.get("EPL-results", {}).get("generation") or 0 for worker in workers]
            return len(loaded) == self.workers and min(loaded) >= change_generation

        return until(have_converged, seconds)

    def rss(self) -> list[int]:
        """Return the memory of each worker [MB]."""
        return [self.service.resident(pid) for pid in self.service.workers()]

    def log(self, service: Served | None = None) -> str:
        """Return the service's output so far."""
        return (service or self.service).said.read_text(errors="replace")

    @contextmanager
    def database_unavailable(self, *, certain: bool = True) -> Iterator[None]:
        """Record the block as an outage, in which answers must be stale, or may be."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.outages.append(Outage(began, time.monotonic(), certain))

    @contextmanager
    def beside(self, *, workers: int = 1, bundles: Path | None = None, **overrides: str) -> Iterator[Served]:
        """Run another service over the same database and Redis with other settings."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="beside-")))
            through = open_database(self.engine.url.set(port=self.before_database.port))
            stack.callback(through.dispose)
            variables = {**self.settings(), "SERVING_DIR": str(folder), **overrides}
            world = World(through, bundles or self.world.store)
            port = int(variables.pop("PORT", "0"))
            yield stack.enter_context(served(world, workers=workers, as_of=None, port=port, **variables))

    def settings(self) -> dict[str, str]:
        """Return the environment variables of a service on this stage."""
        return environment(self.signing_key, self.before_redis.port)


def environment(signing_key: str, redis_port: int) -> dict[str, str]:
    return {
        "DBSBM_ENV": "production",
        "SIGNING_KEY": signing_key,
        "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        "KEY_RATE_LIMIT": str(UNLIMITED),
        "GUILD_RATE_LIMIT": str(GUILD_LIMIT),
        "RATE_LIMIT_SHARERS": str(SHARERS),
        "ALLOWED_HOSTS": "127.0.0.1,localhost,*.ours.example",
        "CORS_ORIGINS": "https://ours.example",
    }


@contextmanager
def stage(*, workers: int, cold: int) -> Iterator[Stage]:
    """Run a stage whose service is ready, with cached games in every worker and ``cold`` games that are not cached."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        database = stack.enter_context(mariadb_server(durable=True))
        cache = stack.enter_context(redis_server())
        before_database = stack.enter_context(proxy(database.port))
        before_redis = stack.enter_context(proxy(cache.port))
        engine = open_database(database.recreate("ours"))
        stack.callback(engine.dispose)
        schema.upgrade(engine)
        fill(engine, cold)
        world = World(engine, folder / "bundles")
        models = Models(engine, world.store)
        offline, ring = Offline(engine, world.store), [models.add() for _ in range(VERSIONS)]
        for number in ring:
            offline.champion(number)
        models.promote(ring[-1])
        key = create_key(engine, owner="chaos", scopes=SCOPES, expires_at=None, now=datetime.now(UTC)).text
        signing_key = (folder / KEY_FILE).read_text()
        through = World(open_database(engine.url.set(port=before_database.port)), world.store)
        stack.callback(through.engine.dispose)
        bare = int(stack.enter_context(hello("asgi", folder)).url.rpartition(":")[2])
        variables = environment(signing_key, before_redis.port)
        service = stack.enter_context(served(through, workers=workers, as_of=None, **variables))
        made = Stage(
            database, cache, before_database, before_redis, engine, world, models, offline, service, bare, key,
            workers, signing_key, itertools.cycle(range(cold)), itertools.cycle(ring),
        )  # fmt: skip
        until(lambda: made.ask("/readyz")[0] == 200)
        made.wait_for_generation(models.changes[-1].generation)
        yield made


def until(check: Callable[[], bool], seconds: float = 60.0) -> float:
    """Wait until the check holds; return the seconds, infinite if it never did."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        with suppress(OSError):
            if check():
                return time.monotonic() - began
        time.sleep(0.02)
    return float("inf")


class Watch:
    """Requests a path repeatedly, each time on a new connection, and records answers and seconds."""

    def __init__(self, stage: Stage, path: str, every: float = 0.05, port: int | None = None) -> None:
        self.seen: list[tuple[float, float, int, Any]] = []
        """Time, seconds, status, document."""
        self._ask = lambda: stage.ask(path, port=port)
        self._every = every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._every):
            began = time.monotonic()
            try:
                status, document = self._ask()
            except OSError:
                status, document = 0, {}
            self.seen.append((began, time.monotonic() - began, status, document))
