"""Rate limits: limiters of four processes share one count, and each keeps to the limit without Redis as well."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core.errors import RateLimitError
from serving.access.rate_limiter import MAX_NAMES, RateLimiter
from serving.access.redis_counters import KEY_PREFIX, WINDOW_SECONDS, RedisCounters
from serving.telemetry.metrics import Metrics
from tests.services import RedisServer, free_port, redis_server

SHARERS = 4
LIMIT = 200


@dataclass
class Minute:
    """A clock that a test sets."""

    seconds: float = 60_000.0

    def __call__(self) -> float:
        return self.seconds


@asynccontextmanager
async def limiters(url: str | None, timer: Minute, count: int = SHARERS) -> AsyncIterator[list[RateLimiter]]:
    """One limiter per process, each with its own connections and metrics."""
    made = [
        RateLimiter(
            None if url is None else RedisCounters(SecretStr(url), timeout=2.0), Metrics(), sharers=count, timer=timer
        )
        for _ in range(count)
    ]
    try:
        for limiter in made:
            await limiter.open()
        yield made
    finally:
        for limiter in made:
            await limiter.close()


async def is_admitted(limiter: RateLimiter, name: str = "key/a", limit: int = LIMIT) -> bool:
    try:
        status = await limiter.take(name, limit)
    except RateLimitError:
        return False
    return status.limit == limit


async def count_admitted(among: list[RateLimiter], requests: int, *, limit: int = LIMIT, threads: int = 50) -> int:
    """How many of the requests are admitted, sent by concurrent callers to randomly chosen limiters."""
    left = iter(range(requests))

    async def caller() -> int:
        return sum([await is_admitted(random.choice(among), limit=limit) for _ in left])

    return sum(await asyncio.gather(*(caller() for _ in range(threads))))


def test_ten_times_the_limit_over_four_processes_is_the_limit(shared_redis: object, redis_process: RedisServer) -> None:
    async def attack() -> tuple[int, int]:
        minute = Minute()
        async with limiters(redis_process.url, minute) as processes:
            first = await count_admitted(processes, 10 * LIMIT)
            minute.seconds += WINDOW_SECONDS
            return first, await count_admitted(processes, 10 * LIMIT)

    assert asyncio.run(attack()) == (LIMIT, LIMIT)


def test_without_redis_each_process_admits_its_share() -> None:
    async def attack(url: str | None) -> list[int]:
        minute, counts = Minute(), []
        async with limiters(url, minute) as processes:
            for _ in range(3):
                counts.append(await count_admitted(processes, 10 * LIMIT))
                minute.seconds += WINDOW_SECONDS
            assert sum(limiter._metrics.admitted_without_redis._value.get() for limiter in processes) == sum(counts)
        return counts

    assert asyncio.run(attack(None)) == [LIMIT] * 3
    # Redis is configured but unavailable: it may have failed in this minute, so less is admitted in the first one.
    assert asyncio.run(attack(f"redis://127.0.0.1:{free_port()}/0")) == [4 * (LIMIT // 16), LIMIT, LIMIT]


@pytest.mark.parametrize("before", [0, 60, 190, 400])
@pytest.mark.server
def test_the_minute_in_which_redis_dies_and_returns_empty_stays_below_one_and_a_quarter(before: int) -> None:
    async def attack() -> int:
        port = free_port()
        with ExitStack() as first_life:
            first_life.enter_context(redis_server(port))
            async with limiters(f"redis://127.0.0.1:{port}/0", Minute()) as processes:
                admitted = await count_admitted(processes, before)
                assert admitted == min(before, LIMIT)
                first_life.close()
                admitted += await count_admitted(processes, 5 * LIMIT)
                with redis_server(port):
                    for limiter in processes:
                        limiter._counters.breaker._reset_seconds = 0.0  # type: ignore[union-attr]
                    return admitted + await count_admitted(processes, 10 * LIMIT)

    assert min(before, LIMIT) <= asyncio.run(attack()) <= 1.25 * LIMIT


def test_one_process_alone_may_use_the_whole_limit(shared_redis: object, redis_process: RedisServer) -> None:
    async def ask() -> tuple[int, int]:
        async with limiters(redis_process.url, Minute()) as processes:
            alone = sum([await is_admitted(processes[0]) for _ in range(2 * LIMIT)])
            return alone, await count_admitted(processes[1:], LIMIT)

    assert asyncio.run(ask()) == (LIMIT, 0)


def test_most_requests_ask_redis_nothing(shared_redis: "redis.Redis[bytes]", redis_process: RedisServer) -> None:
    """A thousand requests of a caller take few commands; refused requests take none."""

    def commands() -> int:
        return int(shared_redis.info("stats")["total_commands_processed"])

    async def ask() -> tuple[int, int]:
        async with limiters(redis_process.url, Minute()) as processes:
            before = commands()
            assert await count_admitted(processes, 1_000, limit=2_000, threads=1) == 1_000
            return before, commands()

    async def refuse() -> int:
        async with limiters(redis_process.url, Minute()) as processes:
            assert not any([await is_admitted(limiter, "key/b", 0) for limiter in processes])
            before = commands()
            assert not any([await is_admitted(limiter, "key/b", 0) for limiter in processes for _ in range(100)])
            return commands() - before

    before, after = asyncio.run(ask())
    assert after - before < 250
    assert asyncio.run(refuse()) < 5


def test_a_refusal_names_the_seconds_left_and_an_admission_what_remains() -> None:
    async def ask() -> None:
        async with limiters(None, Minute(60_000 + 12.5), 1) as (limiter,):
            assert await limiter.take("key/a", 2) == (2, 1, 48)
            assert await limiter.take("key/a", 2) == (2, 0, 48)
            with pytest.raises(RateLimitError) as refused:
                await limiter.take("key/a", 2)
            assert (refused.value.retry_after, refused.value.facts) == (48, {"limit": 2})

    asyncio.run(ask())


def test_a_limit_of_zero_admits_no_request_with_redis_or_without(
    shared_redis: object, redis_process: RedisServer
) -> None:
    async def ask(url: str | None) -> list[bool]:
        async with limiters(url, Minute(), 2) as processes:
            return [
                processes[0].take_local([("guild/a", 0)]) is None,
                not await is_admitted(processes[1], "guild/a", 0),
            ]

    assert asyncio.run(ask(None)) == asyncio.run(ask(redis_process.url)) == [True, True]


def test_names_do_not_share_a_limit() -> None:
    async def ask() -> Counter[str]:
        admitted: Counter[str] = Counter()
        async with limiters(None, Minute(), 1) as (limiter,):
            for _ in range(5):
                for name in ("key/a", "guild/a", "key/b"):
                    admitted[name] += await is_admitted(limiter, name, 3)
        return admitted

    assert asyncio.run(ask()) == {"key/a": 3, "guild/a": 3, "key/b": 3}


def test_a_cancelled_caller_does_not_affect_others(shared_redis: object, redis_process: RedisServer) -> None:
    async def ask() -> int:
        async with limiters(redis_process.url, Minute(), 1) as (limiter,):
            tasks = [asyncio.create_task(is_admitted(limiter)) for _ in range(40)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            return sum(answer is True for answer in done) + await count_admitted([limiter], 5 * LIMIT)

    assert LIMIT - 20 <= asyncio.run(ask()) <= LIMIT


class FlakyRedis:
    """One count for all connections; it may be unavailable, or restart with no counts."""

    def __init__(self) -> None:
        self.count, self.available, self.starts = 0, True, 0

    def change(self, event: str) -> None:
        self.available = event != "unavailable"
        if event == "restarted":
            self.count, self.starts = 0, self.starts + 1


def test_strangers_take_no_place_from_keys_and_guilds() -> None:
    """56,000 networks that each send one wrong key, as one subscriber of IPv6 can have."""

    async def ask() -> list[int]:
        async with limiters(None, Minute(), 1) as (limiter,):
            strangers = sum(
                [
                    await is_admitted(limiter, f"failed/2001:db8:{n // 65_536:x}:{n % 65_536:x}::/64", 20)
                    for n in range(56_000)
                ]
            )
            return [
                strangers,
                sum([await is_admitted(limiter, "key/a", 30) for _ in range(40)]),
                sum([limiter.take_local([("key/b", 30), ("guild/1", 10)]) is not None for _ in range(40)]),
            ]

    strangers, *good = asyncio.run(ask())
    assert good == [30, 10]
    assert MAX_NAMES <= strangers < 56_000, "strangers beyond the bound share one count among themselves"


@contextmanager
def without_info(server: "redis.Redis[bytes]", port: int, *more: str) -> Iterator[str]:
    """The address of the server for a user who may not use INFO."""
    server.execute_command("ACL", "SETUSER", "limited", "on", ">secret", "~dbsbm:*", "+@all", "-info", *more)
    try:
        yield f"redis://limited:secret@127.0.0.1:{port}/0"
    finally:
        server.execute_command("ACL", "DELUSER", "limited")


@pytest.mark.parametrize("more", [(), ("-set", "-get")])
def test_without_info_processes_share_one_count_all_the_same(
    shared_redis: "redis.Redis[bytes]", redis_process: RedisServer, more: tuple[str, ...]
) -> None:
    async def attack(url: str) -> int:
        async with limiters(url, Minute()) as processes:
            admitted = await count_admitted(processes, 10 * LIMIT)
            assert {limiter.breaker_state for limiter in processes} == {"closed"}
            return admitted

    with without_info(shared_redis, redis_process.port, *more) as url:
        assert asyncio.run(attack(url)) == LIMIT


def test_without_info_lost_counts_are_noticed_by_the_next_connection(
    shared_redis: "redis.Redis[bytes]", redis_process: RedisServer
) -> None:
    async def attack(url: str) -> tuple[int, int]:
        async with limiters(url, Minute()) as processes:
            admitted = await count_admitted(processes, LIMIT)
            shared_redis.flushall()
            for limiter in processes:
                await limiter._counters._pool.disconnect()  # type: ignore[union-attr]
            return admitted, await count_admitted(processes, 10 * LIMIT)

    with without_info(shared_redis, redis_process.port) as url:
        before, after = asyncio.run(attack(url))
    assert before == LIMIT
    assert after <= LIMIT // 4


@pytest.mark.parametrize("value", [b"not a number", b"1.5", b"9223372036854775807", b"", ["a", "list"]])
def test_a_damaged_counter_costs_its_own_key_only(
    shared_redis: "redis.Redis[bytes]", redis_process: RedisServer, value: object
) -> None:
    async def attack() -> tuple[int, int, set[str]]:
        minute = Minute()
        async with limiters(redis_process.url, minute) as processes:
            damage(shared_redis, f"key/a/{int(minute.seconds) // WINDOW_SECONDS}", value)
            damaged = await count_admitted(processes, 10 * LIMIT)
            others = sum([await is_admitted(random.choice(processes), "key/b") for _ in range(2 * LIMIT)])
            return damaged, others, {limiter.breaker_state for limiter in processes}

    damaged, others, states = asyncio.run(attack())
    assert (others, states) == (LIMIT, {"closed"})
    assert 0 < damaged <= LIMIT // 4


def damage(server: "redis.Redis[bytes]", name: str, value: object) -> None:
    key = f"{KEY_PREFIX}:{name}"
    if isinstance(value, list):
        server.rpush(key, *value)
    else:
        server.set(key, value)


@dataclass
class FlakyCounts:
    """A process's connection to it; it detects restarts as RedisCounters does."""

    server: FlakyRedis
    restarts: int = 0
    start: int = 0

    async def add(self, name: str, window: int, amount: int) -> int | None:
        if not self.server.available:
            return None
        if self.server.starts != self.start:
            self.start, self.restarts = self.server.starts, self.restarts + 1
        self.server.count += amount
        return self.server.count

    async def close(self) -> None:
        return None


@given(
    limit=st.integers(0, 30),
    spells=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["available", "unavailable", "restarted"]), st.integers(1, 30)),
        max_size=20,
    ),
)
def test_whatever_redis_does_no_more_than_the_bound_is_admitted(limit: int, spells: list[tuple[int, str, int]]) -> None:
    """Spells of requests to one of three processes; in each Redis is available, unavailable or restarted."""

    async def play() -> int:
        server, admitted = FlakyRedis(), 0
        processes = [
            RateLimiter(FlakyCounts(server), Metrics(), sharers=3, timer=Minute())  # type: ignore[arg-type]
            for _ in range(3)
        ]
        for number, event, requests in spells:
            server.change(event)
            admitted += sum([await is_admitted(processes[number], "key/a", limit) for _ in range(requests)])
        return admitted

    always_available = all(event == "available" for _, event, _ in spells)
    assert asyncio.run(play()) <= (limit if always_available else 1.25 * limit)
