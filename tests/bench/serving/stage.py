"""Servers of the request bench: the service on a filled database with everything on, and bare yardsticks.

``python -m tests.bench.serving.stage hello-asgi PORT`` and the like start one of them; the same interpreter, the same uvicorn
with uvloop and httptools behind all.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from sqlalchemy.engine import Engine, make_url

from core.betting.leagues import BUILT_IN, League, Leagues
from core.database.engines import open_database
from core.registry.bundles.contents import write_bundle
from core.registry.deployment import Version, deployment, install_champion, register
from core.settings import load_settings
from core.signing import KEY_FILE, signer
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, GameFact, Quote, Result
from feature_store.features.sets import FEATURE_SETS
from feature_store.rows.build import build
from migrations import schema
from serving.access.api_keys import create_key
from tests.services import free_port
from tests.serving.models import forecaster

LEAGUE: League = Leagues(BUILT_IN).get("EPL")
MODEL = "EPL-results"
COLD_LEAGUE: League = Leagues(BUILT_IN).get("LALIGA")
TEAMS = tuple(f"Team {number:02}" for number in range(20))
GAMES = 200
COLD_GAMES, PREWARMED = 30_000, 10_000
"""Games of the cold league, and how many of them the service may compute before they are requested."""

TREE_ROUNDS, TREE_LEAVES = 200, 31
"""With three classes 600 trees, the size of the reference's measurements."""

UNLIMITED = 1_000_000_000


@dataclass(frozen=True)
class Stage:
    """Where the database, the bundles and the key are."""

    folder: Path
    database: str
    redis: str
    key: str = ""
    league: League = LEAGUE

    def environment(self) -> dict[str, str]:
        """Production's settings: keys demanded, JSON logs, limits counted (but none reached)."""
        return {
            "DBSBM_ENV": "production",
            "DATABASE_URL": self.database,
            "REDIS_URL": self.redis,
            "BUNDLE_DIR": str(self.folder / "bundles"),
            "SERVING_DIR": str(self.folder / "serving"),
            "SIGNING_KEY": (self.folder / KEY_FILE).read_text().strip(),
            "KEY_RATE_LIMIT": str(UNLIMITED),
            "GUILD_RATE_LIMIT": str(UNLIMITED),
        }

    def game(self, number: int) -> str:
        return f"{self.league.sport}/{self.league.key}/G{number}"


def make_stage(folder: Path, database: str, redis: str) -> Stage:
    """Two seasons of results, 200 games to come, a champion with 600 trees and a key."""
    engine = open_database(make_url(database))
    schema.upgrade(engine)
    now = datetime.now(UTC)
    _fill(engine, now)
    deploy(engine, folder / "bundles", 1)
    key = create_key(engine, owner="bench", scopes=["predict"], expires_at=None, now=now)
    engine.dispose()
    return Stage(folder, database, redis, key.text)


def make_cold_stage(folder: Path, database: str, redis: str, games: int = COLD_GAMES) -> Stage:
    """The same of a league with so many games to come that after a promotion most of them are not computed ahead."""
    folder.mkdir(exist_ok=True)
    engine = open_database(make_url(database))
    schema.upgrade(engine)
    now, day = datetime.now(UTC), timedelta(days=1)
    teams = [f"Club {number:03}" for number in range(300)]
    pairs = [(home, away) for home in teams for away in teams if home != away][:games]
    batch = FactBatch()
    for number, (home, away) in enumerate(pairs):
        start = now + timedelta(hours=2, seconds=5 * number)
        batch.games.append(_game(f"G{number}", home, away, start, now - day, "scheduled"))
    archive.record(engine, COLD_LEAGUE, batch, source="bench", recorded_at=now)
    build(engine, COLD_LEAGUE, now)
    deploy(engine, folder / "bundles", 1, COLD_LEAGUE)
    key = create_key(engine, owner="bench", scopes=["predict"], expires_at=None, now=now)
    engine.dispose()
    return Stage(folder, database, redis, key.text, COLD_LEAGUE)


def _fill(engine: Engine, now: datetime) -> None:
    batch, day = FactBatch(), timedelta(days=1)
    pairs = [(home, away) for home in TEAMS for away in TEAMS if home != away]
    for number, (home, away) in enumerate(pairs * 2):
        start, season = now - (390 - number / 2) * day, 2023 + number // len(pairs)
        known = start - 10 * day
        batch.games.append(_game(f"P{number}", home, away, start, known, "final", season))
        done = start + timedelta(hours=3)
        batch.results.append(Result(f"P{number}", done, done, (number * 7) % 4, (number * 5) % 3))
    for number, (home, away) in enumerate(pairs[:GAMES]):
        start = now + timedelta(hours=2 + number)
        batch.games.append(_game(f"G{number}", home, away, start, now - day, "scheduled"))
        quoted = now - timedelta(hours=1)
        batch.quotes.append(Quote(f"G{number}", "book", "last", quoted, quoted, 1.8 + number / 200, 3.6, 3.1))
    archive.record(engine, LEAGUE, batch, source="bench", recorded_at=now)
    build(engine, LEAGUE, now)


def _game(
    game_id: str, home: str, away: str, start: datetime, known: datetime, status: Any, season: int = 2024
) -> GameFact:
    return GameFact(game_id, known, season, start, False, home, away, False, False, status)


def deploy(engine: Engine, store: Path, number: int, league: League = LEAGUE) -> None:
    """Make a new version champion, one whose answers differ from those of the others."""
    features, now = FEATURE_SETS["results"], datetime.now(UTC)
    model = f"{league.key}-results"
    spec = forecaster(league, features, home_lean=0.01 * number, with_trees=True)
    fingerprint = features.fingerprint(league.sport)
    sha256, _ = write_bundle(
        store,
        signer(load_settings(_env_file=None, bundle_dir=store), "bundle"),
        spec,
        {"outcome": trees(features.names)},
        np.zeros((2, len(features.names))),
        model=model,
        sport=league.sport,
        league=league.key,
        variant="results",
        recipe="bench",
        fingerprint=fingerprint,
        snapshot_sha256="5" * 64,
        trained_until=now,
        games=760,
    )
    version = Version(
        model=model,
        version=number,
        sport=league.sport,
        league=league.key,
        variant="results",
        bundle_sha256=sha256,
        features=fingerprint,
        snapshot_sha256="5" * 64,
        trained_until=now,
        registered_at=now,
        run_id=f"bench-{number}",
        recipe="bench",
        scores={},
    )
    register(engine, version, now)
    install_champion(engine, deployment(engine, model), number, now)


@cache
def trees(names: tuple[str, ...]) -> str:
    """LightGBM's text of a three-way model, grown on noise: it costs as much as a real one."""
    import lightgbm

    random = np.random.default_rng(7)
    table, outcomes = random.normal(size=(4_000, len(names))), random.integers(0, 3, 4_000)
    parameters = {"objective": "multiclass", "num_class": 3, "num_leaves": TREE_LEAVES, "verbose": -1, "num_threads": 1}
    data = lightgbm.Dataset(table, outcomes, feature_name=list(names))
    grown: str = lightgbm.train(parameters, data, num_boost_round=TREE_ROUNDS).model_to_string()
    return grown


async def hello_asgi(scope: Any, _receive: Any, send: Any) -> None:
    """The smallest possible response."""
    if scope["type"] == "http":
        kind = [(b"content-type", b"application/json"), (b"content-length", b"17")]
        await send({"type": "http.response.start", "status": 200, "headers": kind})
        await send({"type": "http.response.body", "body": b'{"hello":"world"}'})


def _hello_fastapi() -> Any:
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    return app


@dataclass
class Server:
    """A running process that answers at ``url``."""

    url: str
    process: "subprocess.Popen[bytes]"
    ready_seconds: float

    def rss(self) -> float:
        """Resident memory of the process and those it started [MiB]."""
        return sum(_resident(pid) for pid in self.family()) / 1024

    def family(self) -> list[int]:
        """The ids of the process and those it started."""
        return _family(self.process.pid)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in _family(int(child)))]


def _resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in status if line.startswith("VmRSS")))


@contextmanager
def running(
    command: list[str], port: int, ready: str, folder: Path, seconds: float = 120, **settings: str
) -> Iterator[Server]:
    """A server, from the start of its process until it answers at the path ``ready``; stopped in the end."""
    began, url = time.monotonic(), f"http://127.0.0.1:{port}"
    root = str(Path(__file__).parents[3])
    with (folder / f"server-{port}.log").open("wb") as log:
        environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", **settings}
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
        try:
            while not _answers(f"{url}{ready}"):
                if process.poll() is not None or time.monotonic() - began > seconds:
                    raise TimeoutError((folder / f"server-{port}.log").read_text()[-2_000:])
                time.sleep(0.02)
            yield Server(url, process, time.monotonic() - began)
        finally:
            for pid in _family(process.pid)[::-1] if process.poll() is None else ():
                os.kill(pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


@contextmanager
def hello(kind: str, folder: Path) -> Iterator[Server]:
    """A yardstick: ``asgi`` or ``fastapi``."""
    port = free_port()
    with running(
        [sys.executable, "-m", "tests.bench.serving.stage", f"hello-{kind}", str(port)], port, "/", folder
    ) as server:
        yield server


@contextmanager
def served(stage: Stage, python: str | Path = sys.executable) -> Iterator[Server]:
    """The service, with everything on."""
    port = free_port()
    command = [str(python), "-m", "flows.cli", "serve", "--port", str(port)]
    with running(command, port, "/readyz", stage.folder, **stage.environment()) as server:
        yield server


def _main(what: str, port: str) -> None:
    import uvicorn

    app = hello_asgi if what == "hello-asgi" else _hello_fastapi()
    uvicorn.run(app, port=int(port), log_level="warning", access_log=False, server_header=False, lifespan="off")


if __name__ == "__main__":
    _main(*sys.argv[1:])
