"""Requests to the service with everything on, beside bare yardsticks on the same uvicorn, interleaved (needs ``wrk``).

Everything on: keys, limits through Redis, request log as JSON, metrics, prediction log, security headers. Between two
runs the prediction log is brought from the disk into its tables; that is part of what a request costs the server.
"""

import re
import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from statistics import median

import httpx
from sqlalchemy.engine import make_url

from core.database.engines import open_database
from tests.bench.serving import open_loop, stage
from tests.bench.serving.stage import GAMES, Server, Stage
from tests.services import mariadb_server, redis_server

ROUNDS, SECONDS, CONNECTIONS, BATCH = 5, 3, 16, 25
RATE, OPEN_SECONDS, AFTER_PROMOTION = 100, 60, 10
LONGEST_WRITING = 120.0
TICKS_PER_SECOND = 100

MANY = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [[{body}]]
"""


PREWARMING_SECONDS = 4.0
"""In which the service computes the next games after a promotion; what comes after those is cold."""

COLD_SINGLE = """
local next = 0
request = function()
  next = (next + 1) % {games}
  local path = "/v1/predictions/soccer/LALIGA/G" .. (next + {first})
  return wrk.format("GET", path, {["X-API-Key"] = "{key}"})
end
"""

COLD_BATCH = """
local next = 0
request = function()
  local games = {}
  for number = 1, {size} do
    next = (next + 1) % {games}
    games[number] = '{"sport":"soccer","league":"LALIGA","game_id":"G' .. (next + {first}) .. '"}'
  end
  local headers = {["X-API-Key"] = "{key}", ["Content-Type"] = "application/json"}
  return wrk.format("POST", "/v1/predictions/batch", headers, '{"games":[' .. table.concat(games, ",") .. ']}')
end
"""


@dataclass(frozen=True)
class Target:
    """A request that ``wrk`` repeats."""

    name: str
    server: Server
    path: str
    options: tuple[str, ...] = ()
    logs: bool = False
    """Whether it writes a prediction log, part of which may wait on the disk for a quiet moment."""
    prepare: Callable[[], None] = lambda: None
    """Called before each run."""


@dataclass(frozen=True)
class Shot:
    """One run of ``wrk``."""

    rate: float
    p50: float
    """[ms], like ``p99``."""
    p99: float
    cpu: float
    """Processor time of the server per request [us], until all of it was logged."""
    written: float
    """Until the log of it was in the tables [s]."""


def run() -> None:
    """Print a table of every target, then the open loop's figures."""
    if shutil.which("wrk") is None:
        print("requests: skipped, wrk is not installed (apt-get install wrk)")
        return
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        redis = stack.enter_context(redis_server())
        address = stack.enter_context(mariadb_server()).recreate("bench").render_as_string(hide_password=False)
        place = stage.make_stage(folder, address, redis.url)
        service = stack.enter_context(stage.served(place))
        asgi, fastapi = (stack.enter_context(stage.hello(kind, folder)) for kind in ("asgi", "fastapi"))
        print(f"start to ready {service.ready_seconds:.1f} s, {service.rss():.0f} MiB resident")
        wait_for_whole_bodies(service, place)
        _open_loop(place, service)
        print(f"{service.rss():.0f} MiB resident after the open loops")
        closed_loop(list(targets_of(place, service, asgi, fastapi)))
        print(f"{service.rss():.0f} MiB resident after the closed ones")


def targets_of(place: Stage, service: Server, asgi: Server, fastapi: Server) -> Iterator[Target]:
    """The bare yardsticks and this service's requests, the bare ASGI hello first."""
    key = ("-H", f"X-API-Key: {place.key}")
    one = f"/v1/predictions/{place.game(7)}"
    games = [{"sport": "soccer", "league": "EPL", "game_id": f"G{number}"} for number in range(BATCH)]
    script = place.folder / "batch.lua"
    script.write_text(MANY.format(body=str({"games": games}).replace("'", '"')))
    yield Target("bare ASGI hello", asgi, "/")
    yield Target("bare FastAPI hello", fastapi, "/")
    yield Target("cached prediction", service, one, key, logs=True)
    yield Target("uncached prediction", service, one, (*key, "-H", "Cache-Control: no-cache"), logs=True)
    yield Target(f"batch of {BATCH}", service, "/v1/predictions/batch", (*key, "-s", str(script)), logs=True)


def cold_targets_of(place: Stage, cold: Server) -> Iterator[Target]:
    """Plain requests that find nothing cached, as after a promotion: one game each, and a batch of other games each."""
    for name, size, template in (("cold prediction", 1, COLD_SINGLE), (f"cold batch of {BATCH}", BATCH, COLD_BATCH)):
        script = place.folder / f"cold-{size}.lua"
        first, games = str(stage.PREWARMED), str(stage.COLD_GAMES - stage.PREWARMED)
        text = template.replace("{key}", place.key).replace("{size}", str(size))
        script.write_text(text.replace("{first}", first).replace("{games}", games))
        yield Target(name, cold, "/", ("-s", str(script)), logs=True, prepare=partial(_promote_next, place, cold))


def _promote_next(place: Stage, cold: Server) -> None:
    """Promote another version, so that every cached body is of an old one; wait until the games ahead are computed."""
    engine = open_database(make_url(place.database))
    number = _version(cold, place) + 1
    stage.deploy(engine, place.folder / "bundles", number, place.league)
    engine.dispose()
    while _version(cold, place) != number:
        time.sleep(0.05)
    time.sleep(PREWARMING_SECONDS)


def closed_loop(targets: list[Target], rounds: int = ROUNDS) -> dict[str, Shot]:
    """Request all targets in turn for several rounds; print a table and return each one's medians."""
    shots = defaultdict(list)
    for _ in range(rounds):
        for target in targets:
            shots[target.name].append(shoot(target))
    medians = {
        name: Shot(*(median(getattr(shot, part.name) for shot in results) for part in fields(Shot)))
        for name, results in shots.items()
    }
    yardstick = medians[targets[0].name].rate
    heads = ("requests/s", "of the bare ASGI hello", "p50", "p99", "CPU", f"logged, after {SECONDS} s")
    print(f"| {CONNECTIONS} connections, medians of {rounds} | {' | '.join(heads)} |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, shot in medians.items():
        speed = f"{shot.rate:,.0f} | {shot.rate / yardstick:.1%}"
        print(
            f"| {name} | {speed} | {shot.p50:.2f} ms | {shot.p99:.1f} ms | {shot.cpu:.0f} us | {shot.written:.1f} s |"
        )
    return medians


def shoot(target: Target) -> Shot:
    """One run of ``wrk``; RuntimeError if anything but answers with 2xx came."""
    target.prepare()
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", *target.options]
    before = cpu_seconds(target.server)
    output = subprocess.run(
        [*command, target.server.url + target.path], capture_output=True, text=True, check=True
    ).stdout
    written = _wait_for_the_log(target.server) if target.logs else 0.0
    spent = cpu_seconds(target.server) - before
    if "Non-2xx" in output:
        raise RuntimeError(output)
    rate, count = (_figure(output, pattern) for pattern in (r"Requests/sec:\s+([\d.]+)", r"(\d+) requests in"))
    return Shot(rate, _quantile(output, 50), _quantile(output, 99), spent / count * 1e6, written)


def _wait_for_the_log(server: Server) -> float:
    """Until every prediction served is in its table [s]."""
    began = time.monotonic()
    while waiting := _waiting(server):
        if time.monotonic() - began > LONGEST_WRITING:
            raise TimeoutError(f"{waiting:.0f} served predictions are still not in the table")
        time.sleep(0.1)
    return time.monotonic() - began


def _waiting(server: Server) -> float:
    output = httpx.get(f"{server.url}/metrics").text
    return sum(_figure(output, rf"\ndbsbm_prediction_{place}_depth (\S+)") for place in ("log", "spool"))


def _figure(output: str, pattern: str) -> float:
    results = re.search(pattern, output)
    if results is None:
        raise RuntimeError(output)
    return float(results[1])


def _quantile(output: str, percent: int) -> float:
    amount, unit = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", output).groups()  # type: ignore[union-attr]
    return float(amount) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def cpu_seconds(server: Server) -> float:
    """Processor time of the server's process and those it started."""
    return sum(_cpu_ticks(pid) for pid in server.family()) / TICKS_PER_SECOND


def _cpu_ticks(pid: int) -> int:
    output = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(output[11]) + int(output[12])


def _open_loop(place: Stage, service: Server) -> None:
    engine = open_database(make_url(place.database))
    paths = [f"/v1/predictions/{place.game(number)}" for number in range(GAMES)]
    port = int(service.url.rpartition(":")[2])
    key = {"X-API-Key": place.key}
    before = open_loop.run(port, paths, key, rate=RATE, seconds=OPEN_SECONDS)
    print(_said("steady", before, before.hit_rate(0, OPEN_SECONDS)))
    afresh = open_loop.run(port, paths, {**key, "Cache-Control": "no-cache"}, rate=RATE, seconds=OPEN_SECONDS)
    print(_said("each computed", afresh, afresh.hit_rate(0, OPEN_SECONDS)))
    promoted: list[float] = []

    def promote(_due: float) -> None:
        began = time.monotonic()
        stage.deploy(engine, place.folder / "bundles", 2)
        written = time.monotonic()
        while _version(service, place) != 2:
            time.sleep(0.02)
        promoted.extend((written - began, time.monotonic() - written))

    after = open_loop.run(port, paths, key, rate=RATE, seconds=4 * AFTER_PROMOTION, at=promote)
    since = 2 * AFTER_PROMOTION + promoted[0]
    print(_said("a promotion within", after, after.hit_rate(since, since + AFTER_PROMOTION)))
    print(f"from the deployment record to the first answer of the new version: {promoted[1]:.2f} s")
    engine.dispose()


def _said(name: str, record: open_loop.Record, rate: float) -> str:
    return (
        f"open loop, {RATE} requests/s over {GAMES} games by Zipf, {name}: {len(record.due)} answers,"
        f" {record.errors} errors, p99 {record.p99() * 1000:.1f} ms, hit rate {rate:.1%}"
    )


def _prediction(service: Server, place: Stage, number: int) -> dict[str, dict[str, int]]:
    answer = httpx.get(f"{service.url}/v1/predictions/{place.game(number)}", headers={"X-API-Key": place.key})
    content: dict[str, dict[str, int]] = answer.json()
    return content


def _version(service: Server, place: Stage) -> int:
    return _prediction(service, place, 0)["model"]["version"]


def wait_for_whole_bodies(service: Server, place: Stage) -> None:
    """Wait until the service has computed all predictions ahead."""
    while _prediction(service, place, GAMES - 1)["reasons"] is None:
        time.sleep(0.2)
