"""A service with everything on over MariaDB and Redis, each behind a proxy or to be killed, and what a row does to it."""

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

from core.database import open_database
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
"""More than there are processes at any time: each takes a portion of a limit, and rows start many."""
VERSIONS = 4
UNLIMITED = 1_000_000_000


class Outage(NamedTuple):
    """When the database was away, on the monotonic clock; not ``certain`` where some of it went on."""

    begin: float
    end: float
    certain: bool


@dataclass
class Stage:
    """Everything a row needs. The service demands keys, counts limits in Redis and lives in the present."""

    database: MariaDb
    redis: RedisServer
    before_database: Proxy
    before_redis: Proxy
    engine: Engine
    """Ours, to the database itself; the services reach it through the proxy."""
    world: World
    models: Models
    offline: Offline
    service: Served
    bare: int
    """Port of a server that does nothing: the yardstick beside the service."""
    key: str
    """Of every scope."""
    workers: int
    signing_key: str
    fresh: Iterator[int]
    """Numbers of cold games that nobody asked for yet; when all were asked for, from the first on again."""
    ring: Iterator[int]
    """Versions that were tried on this machine, so that swapping them costs a service no trial."""
    outages: list[Outage] = field(default_factory=list)

    def untouched(self, count: int) -> list[str]:
        """Cold games that nobody asked for and nobody will."""
        return [self._cold() for _ in range(count)]

    def _cold(self) -> str:
        return f"soccer/EPL/C{next(self.fresh)}"

    def headers(self) -> dict[str, str]:
        """Of one request: the key, and one of many guilds, so that Redis is asked for its limit."""
        return {"X-API-Key": self.key, "X-Guild-ID": str(random.randint(1, GUILDS))}

    def load(self, *, port: int | None = None, cold_share: float = 0.0, **how: Any) -> Load:
        """Traffic on the stage's service, or on another at ``port``, until the block ends."""
        mix = Mix(hot_games(), self._cold, cold_share)
        return Load(self.service.port if port is None else port, mix, self.headers, bare=self.bare, **how)

    def ask(self, path: str, *, port: int | None = None, method: str = "GET", **headers: str) -> tuple[int, Any]:
        """Status and document of one request on a connection of its own. Raises OSError."""
        line = http.client.HTTPConnection("127.0.0.1", self.service.port if port is None else port, timeout=15)
        try:
            line.request(method, path, headers={"X-API-Key": self.key, **headers})
            answer = line.getresponse()
            content = answer.read()
        except http.client.HTTPException as error:
            raise OSError(str(error)) from error
        finally:
            line.close()
        is_json = "json" in (answer.headers["content-type"] or "")
        return answer.status, json.loads(content) if is_json else content.decode()

    def metric(self, name: str, port: int | None = None) -> float:
        """Sum of the series of that name, over all workers."""
        lines = self.ask("/metrics", port=port)[1].splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.partition("{")[0].split(" ")[0] == name)

    def settled(self, change_generation: int, seconds: float = 30.0) -> float:
        """Seconds until every worker says that it answers with this generation or a later one."""

        def agreed() -> bool:
            workers = self.ask("/readyz")[1]["workers"].values()
            loaded = [worker.get("EPL-results", {}).get("generation") or 0 for worker in workers]
            return len(loaded) == self.workers and min(loaded) >= change_generation

        return until(agreed, seconds)

    def rss(self) -> list[int]:
        """Megabytes per worker."""
        return [self.service.resident(pid) for pid in self.service.workers()]

    def log(self, service: Served | None = None) -> str:
        """All that the service wrote so far."""
        return (service or self.service).said.read_text(errors="replace")

    @contextmanager
    def database_away(self, *, certain: bool = True) -> Iterator[None]:
        """Marks the block, so that the history knows that answers of that time must be stale, or may be."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.outages.append(Outage(began, time.monotonic(), certain))

    @contextmanager
    def beside(self, *, workers: int = 1, bundles: Path | None = None, **overrides: str) -> Iterator[Served]:
        """Another service over the same database and Redis, with other settings."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="beside-")))
            through = open_database(self.engine.url.set(port=self.before_database.port))
            stack.callback(through.dispose)
            ours = {**self.settings(), "SERVING_DIR": str(folder), **overrides}
            world = World(through, bundles or self.world.store)
            port = int(ours.pop("PORT", "0"))
            yield stack.enter_context(served(world, workers=workers, as_of=None, port=port, **ours))

    def settings(self) -> dict[str, str]:
        """Environment of a service on this stage."""
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
    """A stage with its service ready and every worker's games warm; ``cold`` further games are not."""
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
        ours = environment(signing_key, before_redis.port)
        service = stack.enter_context(served(through, workers=workers, as_of=None, **ours))
        made = Stage(
            database, cache, before_database, before_redis, engine, world, models, offline, service, bare, key,
            workers, signing_key, itertools.cycle(range(cold)), itertools.cycle(ring),
        )  # fmt: skip
        until(lambda: made.ask("/readyz")[0] == 200)
        made.settled(models.changes[-1].generation)
        yield made


def until(check: Callable[[], bool], seconds: float = 60.0) -> float:
    """Seconds until the check held; infinite if it never did."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        with suppress(OSError):
            if check():
                return time.monotonic() - began
        time.sleep(0.02)
    return float("inf")


class Watch:
    """Asks a path again and again, each time on a connection of its own, and writes down what came and how long it took."""

    def __init__(self, stage: Stage, path: str, every: float = 0.05, port: int | None = None) -> None:
        self.seen: list[tuple[float, float, int, Any]] = []
        """Moment, seconds, status, document."""
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
