"""Limits: four processes' worth of limiters share one number, and none of them trusts in Redis being there."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from core.errors import RateLimitError
from serving.access.rate_limiter import RateLimiter
from serving.access.redis_counters import WINDOW_SECONDS, RedisCounters
from serving.telemetry.metrics import Metrics
from tests.services import RedisServer, free_port, redis_server

SHARERS = 4
LIMIT = 200


@dataclass
class Minute:
    """A time that a test moves by hand."""

    seconds: float = 60_000.0

    def __call__(self) -> float:
        return self.seconds


@asynccontextmanager
async def limiters(url: str | None, timer: Minute, count: int = SHARERS) -> AsyncIterator[list[RateLimiter]]:
    """As many limiters as there would be processes, each with connections and metrics of its own."""
    made = [
        RateLimiter(
            None if url is None else RedisCounters(SecretStr(url), patience=2.0), Metrics(), sharers=count, timer=timer
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


async def passes(limiter: RateLimiter, name: str = "key/a", limit: int = LIMIT) -> bool:
    try:
        standing = await limiter.take(name, limit)
    except RateLimitError:
        return False
    return standing.limit == limit


async def let_pass(among: list[RateLimiter], requests: int, *, limit: int = LIMIT, threads: int = 50) -> int:
    """How many of so many requests pass, asked by that many callers at once of limiters drawn at random."""
    left = iter(range(requests))

    async def caller() -> int:
        return sum([await passes(random.choice(among), limit=limit) for _ in left])

    return sum(await asyncio.gather(*(caller() for _ in range(threads))))


def test_ten_times_the_limit_over_four_processes_is_the_limit(shared_redis: object, redis_process: RedisServer) -> None:
    async def attack() -> tuple[int, int]:
        minute = Minute()
        async with limiters(redis_process.url, minute) as gates:
            first = await let_pass(gates, 10 * LIMIT)
            minute.seconds += WINDOW_SECONDS
            return first, await let_pass(gates, 10 * LIMIT)

    assert asyncio.run(attack()) == (LIMIT, LIMIT)


def test_without_redis_each_process_lets_its_share_pass() -> None:
    async def attack(url: str | None) -> list[int]:
        minute, counts = Minute(), []
        async with limiters(url, minute) as gates:
            for _ in range(3):
                counts.append(await let_pass(gates, 10 * LIMIT))
                minute.seconds += WINDOW_SECONDS
            assert sum(gate._metrics.limited_alone._value.get() for gate in gates) == sum(counts)
        return counts

    assert asyncio.run(attack(None)) == [LIMIT] * 3
    # Redis is configured but not there: it might have gone this very minute, so that the first one is narrow.
    assert asyncio.run(attack(f"redis://127.0.0.1:{free_port()}/0")) == [4 * (LIMIT // 16), LIMIT, LIMIT]


@pytest.mark.parametrize("before", [0, 60, 190, 400])
def test_the_minute_in_which_redis_dies_and_returns_empty_stays_below_one_and_a_quarter(before: int) -> None:
    async def attack() -> int:
        port = free_port()
        with ExitStack() as first_life:
            first_life.enter_context(redis_server(port))
            async with limiters(f"redis://127.0.0.1:{port}/0", Minute()) as gates:
                passed = await let_pass(gates, before)
                assert passed == min(before, LIMIT)
                first_life.close()
                passed += await let_pass(gates, 5 * LIMIT)
                with redis_server(port):
                    for gate in gates:
                        gate._shared.breaker._rest = 0.0  # type: ignore[union-attr]
                    return passed + await let_pass(gates, 10 * LIMIT)

    assert min(before, LIMIT) <= asyncio.run(attack()) <= 1.25 * LIMIT


def test_one_process_alone_may_use_the_whole_limit(shared_redis: object, redis_process: RedisServer) -> None:
    async def ask() -> tuple[int, int]:
        async with limiters(redis_process.url, Minute()) as gates:
            alone = sum([await passes(gates[0]) for _ in range(2 * LIMIT)])
            return alone, await let_pass(gates[1:], LIMIT)

    assert asyncio.run(ask()) == (LIMIT, 0)


def test_most_requests_ask_redis_nothing(shared_redis: "redis.Redis[bytes]", redis_process: RedisServer) -> None:
    """A thousand requests of a caller, and hardly a hundred commands; what is refused costs none at all."""

    def commands() -> int:
        return int(shared_redis.info("stats")["total_commands_processed"])

    async def ask() -> tuple[int, int]:
        async with limiters(redis_process.url, Minute()) as gates:
            before = commands()
            assert await let_pass(gates, 1_000, limit=2_000, threads=1) == 1_000
            return before, commands()

    async def refuse() -> int:
        async with limiters(redis_process.url, Minute()) as gates:
            assert not any([await passes(gate, "key/b", 0) for gate in gates])
            before = commands()
            assert not any([await passes(gate, "key/b", 0) for gate in gates for _ in range(100)])
            return commands() - before

    before, after = asyncio.run(ask())
    assert after - before < 250
    assert asyncio.run(refuse()) < 5


def test_who_is_refused_is_told_when_the_minute_ends_and_who_passes_what_is_left() -> None:
    async def ask() -> None:
        async with limiters(None, Minute(60_000 + 12.5), 1) as (gate,):
            assert await gate.take("key/a", 2) == (2, 1, 48)
            assert await gate.take("key/a", 2) == (2, 0, 48)
            with pytest.raises(RateLimitError) as refused:
                await gate.take("key/a", 2)
            assert (refused.value.retry_after, refused.value.facts) == (48, {"limit": 2})

    asyncio.run(ask())


def test_a_limit_of_nothing_lets_nobody_pass_with_redis_or_without(
    shared_redis: object, redis_process: RedisServer
) -> None:
    async def ask(url: str | None) -> list[bool]:
        async with limiters(url, Minute(), 2) as gates:
            return [gates[0].take_granted([("guild/a", 0)]) is None, not await passes(gates[1], "guild/a", 0)]

    assert asyncio.run(ask(None)) == asyncio.run(ask(redis_process.url)) == [True, True]


def test_names_do_not_share_a_limit() -> None:
    async def ask() -> Counter[str]:
        passed: Counter[str] = Counter()
        async with limiters(None, Minute(), 1) as (gate,):
            for _ in range(5):
                for name in ("key/a", "guild/a", "key/b"):
                    passed[name] += await passes(gate, name, 3)
        return passed

    assert asyncio.run(ask()) == {"key/a": 3, "guild/a": 3, "key/b": 3}


def test_a_cancelled_caller_loses_nobodys_answer(shared_redis: object, redis_process: RedisServer) -> None:
    async def ask() -> int:
        async with limiters(redis_process.url, Minute(), 1) as (gate,):
            tasks = [asyncio.create_task(passes(gate)) for _ in range(40)]
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            return sum(answer is True for answer in done) + await let_pass([gate], 5 * LIMIT)

    assert LIMIT - 20 <= asyncio.run(ask()) <= LIMIT


class FlakyRedis:
    """One count for all who connect; it may be away, or start again and know nothing."""

    def __init__(self) -> None:
        self.count, self.there, self.starts = 0, True, 0

    def befall(self, what: str) -> None:
        self.there = what != "away"
        if what == "restarted":
            self.count, self.starts = 0, self.starts + 1


@dataclass
class FlakyCounts:
    """A process's connection to it; what was answered before is remembered as RedisCounters does."""

    to: FlakyRedis
    successions: int = 0
    answering: int = 0

    async def add(self, name: str, window: int, amount: int) -> int | None:
        if not self.to.there:
            return None
        if self.to.starts != self.answering:
            self.answering, self.successions = self.to.starts, self.successions + 1
        self.to.count += amount
        return self.to.count

    async def close(self) -> None:
        return None


@given(
    limit=st.integers(0, 30),
    spells=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["there", "away", "restarted"]), st.integers(1, 30)), max_size=20
    ),
)
def test_whatever_redis_does_no_more_than_the_bound_passes(limit: int, spells: list[tuple[int, str, int]]) -> None:
    """Spells of requests to one of three processes, Redis there, away or new in each; a property of the arithmetic."""

    async def play() -> int:
        store, passed = FlakyRedis(), 0
        gates = [
            RateLimiter(FlakyCounts(store), Metrics(), sharers=3, timer=Minute())  # type: ignore[arg-type]
            for _ in range(3)
        ]
        for number, befallen, requests in spells:
            store.befall(befallen)
            passed += sum([await passes(gates[number], "key/a", limit) for _ in range(requests)])
        return passed

    always_there = all(befallen == "there" for _, befallen, _ in spells)
    assert asyncio.run(play()) <= (limit if always_there else 1.25 * limit)
