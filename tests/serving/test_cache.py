"""The cache's two levels and its single flight, with Redis there, gone, silent and poisoned."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import redis
from pydantic import SecretStr

from serving.breaker import Breaker
from serving.cache import LocalCache, PredictionCache
from serving.metrics import Metrics
from serving.shared_cache import SOCKET_SECONDS, SharedCache, sealed, unsealed
from tests.services import RedisServer, free_port, redis_server

Work = Callable[[PredictionCache, Metrics], Coroutine[Any, Any, None]]


def with_cache(url: str | None, work: Work, patience: float = 5.0) -> None:
    """Run the work with a cache of its own; on a busy machine a Redis that is there may take its time."""

    async def run() -> None:
        metrics = Metrics()
        cache = PredictionCache(None if url is None else SharedCache(SecretStr(url), metrics, patience))
        try:
            await work(cache, metrics)
        finally:
            await cache.close()

    asyncio.run(run())


def body(text: str) -> Callable[[], bytes]:
    return lambda: text.encode()


class Hands:
    """A clock turned by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class TestBreaker:
    def test_opens_after_failures_in_a_row_only(self) -> None:
        breaker = Breaker(failures=3, timer=Hands())
        for outcome in ("failed", "failed", "succeeded", "failed", "failed"):
            getattr(breaker, outcome)()
        assert breaker.state == "closed"
        assert breaker.failed()
        assert breaker.state == "open"
        assert not breaker.admits()

    def test_lets_one_probe_through_and_closes_on_its_success(self) -> None:
        hands = Hands()
        breaker = Breaker(failures=1, rest=1.0, timer=hands)
        breaker.failed()
        hands.now = 1.0
        assert [breaker.admits() for _ in range(3)] == [True, False, False]
        assert breaker.state == "half_open"
        assert breaker.succeeded()
        assert breaker.admits()

    def test_failed_probe_keeps_it_open_and_a_lost_one_is_given_up(self) -> None:
        hands = Hands()
        breaker = Breaker(failures=1, rest=1.0, timer=hands)
        breaker.failed()
        hands.now = 1.0
        assert breaker.admits()
        breaker.failed()
        assert not breaker.admits()
        hands.now = 2.0
        assert breaker.admits()
        hands.now = 3.0
        assert breaker.admits()


def test_local_entries_end_spread_over_time() -> None:
    hands = Hands()
    cache = LocalCache(timer=hands)
    for number in range(200):
        cache.put(str(number), b"x")
    left = []
    for hands.now in (800.0, 900.0, 1000.0):
        left.append(sum(not cache.lacks(str(number)) for number in range(200)))
    assert left[0] == 200
    assert 0 < left[1] < 200
    assert left[2] == 0


def test_local_entries_are_bounded() -> None:
    cache = LocalCache(size=10)
    for number in range(100):
        cache.put(str(number), b"x")
    assert sum(not cache.lacks(str(number)) for number in range(100)) == 10


def test_one_key_is_computed_once_however_many_ask() -> None:
    calls = []

    def slow() -> bytes:
        calls.append(1)
        time.sleep(0.05)
        return b"answer"

    async def work(cache: PredictionCache, _: Metrics) -> None:
        answers = await asyncio.gather(*(cache.get("key", slow) for _ in range(50)))
        assert {answer for answer, _ in answers} == {b"answer"}

    with_cache(None, work)
    assert len(calls) == 1


def test_cancelled_callers_disturb_nobody() -> None:
    async def work(cache: PredictionCache, _: Metrics) -> None:
        def slow() -> bytes:
            time.sleep(0.05)
            return b"answer"

        first = asyncio.create_task(cache.get("key", slow))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(cache.get("key", slow))
        await asyncio.sleep(0.01)
        first.cancel()
        assert await second == (b"answer", "computed")
        assert await cache.get("key", body("other")) == (b"answer", "local")

    with_cache(None, work)


def test_error_of_the_computation_reaches_every_caller_and_is_not_kept() -> None:
    def broken() -> bytes:
        raise ValueError("no")

    async def work(cache: PredictionCache, _: Metrics) -> None:
        answers = await asyncio.gather(*(cache.get("key", broken) for _ in range(3)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [ValueError] * 3
        assert (await cache.get("key", body("good")))[0] == b"good"

    with_cache(None, work)


def test_second_process_finds_what_the_first_computed(redis_process: RedisServer, shared_redis: object) -> None:
    async def compute(cache: PredictionCache, _: Metrics) -> None:
        assert await cache.get("dbsbm:k", body("answer")) == (b"answer", "computed")

    async def find(cache: PredictionCache, _: Metrics) -> None:
        assert await cache.get("dbsbm:k", body("never")) == (b"answer", "redis")
        assert await cache.get("dbsbm:k", body("never")) == (b"answer", "local")

    with_cache(redis_process.url, compute)
    with_cache(redis_process.url, find)


@pytest.mark.parametrize(
    "poison",
    [
        b"",
        b"garbage",
        b"\x80\x04\x95pickle",
        sealed("dbsbm:other", b"another's answer"),
        sealed("dbsbm:k", b"an answer")[:-1],
        sealed("dbsbm:k", b"an answer") + b"x",
        sealed("dbsbm:k", b"an answer").replace(b"an", b"no"),
        b"x" * 5_000_000,
    ],
)
def test_a_poisoned_value_is_counted_and_never_served(
    redis_process: RedisServer, shared_redis: "redis.Redis[bytes]", poison: bytes
) -> None:
    shared_redis.set("dbsbm:k", poison)

    async def work(cache: PredictionCache, metrics: Metrics) -> None:
        assert await cache.get("dbsbm:k", body("good")) == (b"good", "computed")
        assert metrics.registry.get_sample_value("dbsbm_cache_poisoned_total") == bool(poison)
        assert unsealed("dbsbm:k", shared_redis.get("dbsbm:k") or b"") == b"good"
        assert cache.shared is not None
        assert cache.shared.breaker.state == "closed"

    with_cache(redis_process.url, work)


def test_a_value_of_another_type_is_poison_too(redis_process: RedisServer, shared_redis: "redis.Redis[bytes]") -> None:
    shared_redis.lpush("dbsbm:k", "x")

    async def work(cache: PredictionCache, metrics: Metrics) -> None:
        assert await cache.get("dbsbm:k", body("good")) == (b"good", "computed")
        assert metrics.registry.get_sample_value("dbsbm_cache_poisoned_total") == 1

    with_cache(redis_process.url, work)


def test_redis_killed_in_the_middle_fails_nobody_and_is_joined_again() -> None:
    port = free_port()

    async def work(cache: PredictionCache, _: Metrics) -> None:
        assert cache.shared is not None
        with redis_server(port) as server:
            assert (await cache.get("before", body("x")))[1] == "computed"
            server.process.kill()
            server.process.wait()
            began = time.monotonic()
            answers = await asyncio.gather(*(cache.get(f"away-{number}", body("x")) for number in range(500)))
            assert {answer for answer, _ in answers} == {b"x"}
            assert cache.shared.breaker.state == "open"
            assert time.monotonic() - began < 10
        with redis_server(port):
            await asyncio.sleep(1.1)
            await cache.get("probe", body("x"))
            assert cache.shared.breaker.state == "closed"
            await cache.get("after", body("y"))
            assert await cache.shared.read("after") == b"y"

    with_cache(f"redis://127.0.0.1:{port}/0", work, SOCKET_SECONDS)


def test_silent_redis_is_given_up_in_a_fraction_of_its_librarys_own_patience() -> None:
    async def work(cache: PredictionCache, _: Metrics) -> None:
        assert cache.shared is not None
        waits = []
        for number in range(10):
            began = time.monotonic()
            assert (await cache.get(f"key-{number}", body("x")))[0] == b"x"
            waits.append(time.monotonic() - began)
        assert max(waits) < 2
        assert cache.shared.breaker.state == "open"

    with redis_server() as server:
        server.process.send_signal(signal.SIGSTOP)
        try:
            with_cache(server.url, work, SOCKET_SECONDS)
        finally:
            server.process.send_signal(signal.SIGCONT)
