"""The soak: half an hour of traffic with promotions, new prices, new keys and restarts of Redis; nothing may grow."""

import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import NamedTuple

import redis
import sqlalchemy as sa

from core.database.transactions import reading
from feature_store.archive import store as archive
from feature_store.archive.facts import FactBatch, Quote
from feature_store.rows.build import build
from serving.access.api_keys import create_key, revoke_key
from tests.bench.serving.stage import GAMES, LEAGUE
from tests.chaos.outcome import Outcome, row
from tests.chaos.report import SOAK
from tests.chaos.rows.redis import swapping
from tests.chaos.stage import Stage, until
from tests.chaos.traffic import Load

SOAK_MINUTES = 30.0
RATE = 170.0
COLD_SHARE = 0.05
SAMPLE_SECONDS = 5.0
PRICE_SECONDS, KEY_SECONDS, REDIS_SECONDS = 5.0, 7.0, 60.0
SWAP_SECONDS = 10.0

WARM_SECONDS, WARM = 960.0, 0.5
"""Growth counts from that time on, or in a short soak from that fraction of it on. Bodies live a quarter of an hour, so
the caches of a worker grow until then, by some 1.5 MB a minute: a short soak reports memory, and does not judge it."""

JUDGED_SECONDS = 300.0
"""Least time with full caches for which memory is judged."""

GROWTH_MEGABYTES = 4.0
"""Most that the median memory of a process may grow from the first third of that time to the last one."""

GROWTH_COUNT = 2.0
"""The same for descriptors, threads and connections: pools close and open."""


class Usage(NamedTuple):
    """What a process holds."""

    megabytes: float
    descriptors: int
    threads: int


def usage(pid: int) -> Usage:
    """Return what the process holds now. Raises OSError if it has ended."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return Usage(int(fields["VmRSS"].split()[0]) / 1024, descriptors, int(fields["Threads"]))


@dataclass
class Samples:
    """Values over time by name."""

    values: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, value: float) -> None:
        self.values[name].append((time.monotonic(), value))

    def newest(self) -> str:
        """Return the last value of each name as text."""
        return ", ".join(f"{name} {values[-1][1]:.0f}" for name, values in self.values.items())

    def change(self, name: str, begin: float, end: float) -> tuple[float, float]:
        """Return the medians of the first and of the last third between the two moments."""
        third = (end - begin) / 3
        first = [value for at, value in self.values[name] if begin <= at < begin + third]
        last = [value for at, value in self.values[name] if end - third <= at <= end]
        return statistics.median(first), statistics.median(last)


@row(
    SOAK,
    f"{RATE:.0f} requests a second; another champion, new prices, new keys every few seconds, Redis killed every minute",
)
def soak(stage: Stage, scale: float, outcome: Outcome) -> None:
    samples, statuses = Samples(), Counter[int]()
    seconds = 60 * SOAK_MINUTES * scale
    processes = {"supervisor": stage.service.process.pid}
    processes |= {f"worker {number}": pid for number, pid in enumerate(stage.service.workers(), start=1)}
    began = time.monotonic()
    with (
        stage.load(rate=RATE, cold_share=COLD_SHARE) as load,
        swapping(stage, SWAP_SECONDS),
        repeated(PRICE_SECONDS, lambda number: _quote(stage, number)),
        repeated(KEY_SECONDS, lambda _: _replace_key(stage)),
        repeated(REDIS_SECONDS, lambda _: _restart_redis(stage)),
    ):
        while time.monotonic() - began < seconds:
            time.sleep(SAMPLE_SECONDS)
            _sample(stage, processes, samples)
            statuses.update(_taken(load))
            print(f"{time.monotonic() - began:6.0f} s  {samples.newest()}", file=sys.stderr, flush=True)
        end = time.monotonic()
    statuses.update(_taken(load))
    outcome.report(f"{statuses.total()} requests in {seconds / 60:.0f} minutes: {dict(statuses)}")
    outcome.expect(statuses.keys() == {200}, f"requests failed: {dict(statuses)}")
    outcome.expect(list(processes.values())[1:] == stage.service.workers(), "a worker died")
    for name in samples.values:
        first, last = samples.change(name, began + min(WARM_SECONDS, WARM * seconds), end)
        outcome.report(f"{name} {first:.0f} to {last:.0f}")
        if name.endswith("MB") and seconds < WARM_SECONDS + JUDGED_SECONDS:
            continue
        most = GROWTH_MEGABYTES if name.endswith("MB") else GROWTH_COUNT
        outcome.expect(last - first <= most, f"{name} grew from {first:.1f} to {last:.1f}")


def _taken(load: Load) -> Iterator[int]:
    """Yield the statuses of the answers so far, and forget the answers: hundreds of thousands fill the memory."""
    count = len(load.answers)
    yield from [answer.status for answer in load.answers[:count]]
    del load.answers[:count], load.bare[:]


def _sample(stage: Stage, processes: dict[str, int], samples: Samples) -> None:
    for name, pid in processes.items():
        held = usage(pid)
        samples.add(f"{name} MB", held.megabytes)
        samples.add(f"{name} descriptors", held.descriptors)
        samples.add(f"{name} threads", held.threads)
    with reading(stage.engine) as connection:
        threads = connection.execute(sa.text("SHOW STATUS LIKE 'Threads_connected'")).one()
    samples.add("connections to MySQL", float(threads[1]))
    try:
        with redis.Redis(port=stage.redis.port, socket_timeout=1) as client:
            samples.add("connections to Redis", float(client.info("clients")["connected_clients"]))
    except redis.RedisError:
        return  # it is being restarted


@contextmanager
def repeated(seconds: float, work: object) -> Iterator[None]:
    """Call the function with 0, 1, 2 … every so many seconds until the block ends."""
    stopping = Event()

    def run() -> None:
        number = 0
        while not stopping.wait(seconds):
            work(number)  # type: ignore[operator]
            number += 1

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _quote(stage: Stage, number: int) -> None:
    """A new price of some games, and feature rows with it."""
    now = datetime.now(UTC)
    quotes = [
        Quote(f"G{(7 * number + other) % GAMES}", "book", "last", now, now, 1.7 + (number + other) % 40 / 100, 3.6, 3.1)
        for other in range(5)
    ]
    archive.record(stage.engine, LEAGUE, FactBatch(quotes=quotes), source="chaos", recorded_at=now)
    build(stage.engine, LEAGUE, now)


def _replace_key(stage: Stage) -> None:
    """A key that is made, used and revoked."""
    now = datetime.now(UTC)
    key = create_key(stage.engine, owner="soak", scopes=["predict"], expires_at=now + timedelta(hours=1), now=now).text
    until(lambda: stage.ask("/v1/games", **{"X-API-Key": key})[0] != 401, 10)
    revoke_key(stage.engine, key.partition(".")[0], datetime.now(UTC))


def _restart_redis(stage: Stage) -> None:
    stage.redis.kill()
    stage.before_redis.down()
    time.sleep(2)
    stage.redis.start()
    stage.before_redis.up()
