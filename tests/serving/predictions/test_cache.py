"""Both cache levels and the body source, with Redis available, stopped, silent and with tampered values."""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import pytest
import redis
from pydantic import SecretStr

from core.errors import DbsbmError, ServiceError
from core.signing import Signer
from serving.backends.circuit_breaker import CircuitBreaker
from serving.backends.sealed_values import seal
from serving.predictions.body_source import BODIES_AT_ONCE, BodySource
from serving.predictions.cache import CachedBody, LocalCache, PredictionCache
from serving.predictions.redis_cache import TIMEOUT_SECONDS, RedisCache
from serving.telemetry.metrics import Metrics
from tests.services import RedisServer, free_port, redis_server

OURS, FOREIGN = Signer(b"our secret, long enough", "cache"), Signer(b"another's secret of that length", "cache")


class Plan(NamedTuple):
    """A plan whose body is computed by a function."""

    key: str
    compute: Callable[[], bytes]


def make(plans: Sequence[Plan]) -> list[bytes | DbsbmError]:
    bodies: list[bytes | DbsbmError] = []
    for plan in plans:
        try:
            bodies.append(plan.compute())
        except DbsbmError as error:
            bodies.append(error)
    return bodies


Make = Callable[[Sequence[Plan]], list[bytes | DbsbmError]]


class Bodies:
    """A cache with a body source."""

    def __init__(self, cache: PredictionCache, make: Make = make) -> None:
        self.local, self.shared, self.keep, self.keep_draft = cache.local, cache.shared, cache.keep, cache.keep_draft
        self.source = BodySource(cache, make)

    async def get(self, key: str, compute: Callable[[], bytes], seconds: float | None = None) -> CachedBody | None:
        body = self.source.request(Plan(key, compute))
        if isinstance(body, CachedBody):
            return body
        await asyncio.wait((body,), timeout=seconds)
        return body.result() if body.done() else None


async def read(cache: Bodies, key: str) -> bytes | None:
    """The body in Redis under the key."""
    assert cache.shared is not None
    (body,) = await cache.shared.read_many([key])
    return body


Work = Callable[[Bodies, Metrics], Coroutine[Any, Any, None]]


def with_cache(url: str | None, work: Work, seconds: float = 5.0) -> None:
    """Run the work with a new cache; the long time limit allows for a slow Redis on a busy machine."""

    async def run() -> None:
        metrics = Metrics()
        cache = PredictionCache(None if url is None else RedisCache(SecretStr(url), OURS, metrics, seconds))
        bodies = Bodies(cache)
        try:
            await work(bodies, metrics)
        finally:
            await bodies.source.close()
            await cache.close()

    asyncio.run(run())


def body(text: str) -> Callable[[], bytes]:
    return lambda: text.encode()


class Hands:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class TestBreaker:
    def test_opens_after_failures_in_a_row_only(self) -> None:
        breaker = CircuitBreaker(failure_threshold=3, timer=Hands())
        for outcome in ("record_failure", "record_failure", "record_success", "record_failure", "record_failure"):
            getattr(breaker, outcome)()
        assert breaker.state == "closed"
        assert breaker.record_failure()
        assert breaker.state == "open"
        assert not breaker.try_acquire()

    def test_admits_one_probe_and_closes_on_its_success(self) -> None:
        hands = Hands()
        breaker = CircuitBreaker(failure_threshold=1, reset_seconds=1.0, timer=hands)
        breaker.record_failure()
        hands.now = 1.0
        assert [breaker.try_acquire() for _ in range(3)] == [True, False, False]
        assert breaker.state == "half_open"
        assert breaker.record_success()
        assert breaker.try_acquire()

    def test_failed_probe_keeps_it_open_and_a_lost_one_is_given_up(self) -> None:
        hands = Hands()
        breaker = CircuitBreaker(failure_threshold=1, reset_seconds=1.0, timer=hands)
        breaker.record_failure()
        hands.now = 1.0
        assert breaker.try_acquire()
        breaker.record_failure()
        assert not breaker.try_acquire()
        hands.now = 2.0
        assert breaker.try_acquire()
        hands.now = 3.0
        assert breaker.try_acquire()


def test_local_entries_end_spread_over_time() -> None:
    hands = Hands()
    cache = LocalCache(timer=hands)
    for number in range(200):
        cache.put(str(number), b"x")
    left = []
    for hands.now in (800.0, 900.0, 1000.0):
        left.append(sum(cache.get(str(number)) is not None for number in range(200)))
    assert left[0] == 200
    assert 0 < left[1] < 200
    assert left[2] == 0


def test_local_entries_are_made_again_before_they_end() -> None:
    hands = Hands()
    cache = LocalCache(timer=hands)
    for number in range(200):
        cache.put(str(number), b"x")
    for hands.now in range(0, 1000, 60):
        missing = [str(number) for number in range(200) if cache.get(str(number)) is None]
        assert missing == []
        for number in range(200):
            if cache.wants(str(number)):
                cache.put(str(number), b"x")


def test_local_entries_are_bounded_in_number_and_in_bytes() -> None:
    few = LocalCache(bodies=10)
    for number in range(100):
        few.put(str(number), b"x")
    assert [number for number in range(100) if few.get(str(number))] == list(range(90, 100))
    small = LocalCache(size=100_000)
    for number in range(100):
        small.put(str(number), b"x" * 9_400)
    assert sum(small.get(str(number)) is not None for number in range(100)) == 10
    small.put("huge", b"x" * 200_000)
    assert small.get("huge") is None
    assert small.get("99") is not None


def test_the_entry_used_least_recently_is_evicted_first() -> None:
    cache = LocalCache(bodies=3)
    for key in "abc":
        cache.put(key, b"x")
    assert cache.get("a") is not None
    cache.put("b", b"again")
    cache.put("d", b"x")
    assert [key for key in "abcd" if cache.get(key)] == ["a", "b", "d"]


def test_expired_and_replaced_entries_take_no_room() -> None:
    hands = Hands()
    cache = LocalCache(bodies=10, timer=hands)
    for round_ in range(5):
        hands.now = round_ * 2_000.0
        for number in range(10):
            assert cache.get(str(number)) is None
            cache.put(str(number), b"draft", whole=False)
            cache.put(str(number), b"whole")
            cache.put(str(number), b"draft", whole=False)
        assert [cache.get(str(number)) for number in range(10)] == [(b"whole", "local", True)] * 10


@pytest.mark.parametrize("shared", [False, True])
def test_one_key_is_computed_once_however_many_ask(
    redis_process: RedisServer, shared_redis: object, *, shared: bool
) -> None:
    calls = []

    def compute() -> bytes:
        calls.append(1)
        return b"answer"

    async def work(cache: Bodies, _: Metrics) -> None:
        found = await asyncio.gather(*(cache.get("dbsbm:key", compute) for _ in range(50)))
        assert {answer.body for answer in found if answer} == {b"answer"}

    with_cache(redis_process.url if shared else None, work)
    assert len(calls) == 1


def test_cancelled_callers_do_not_disturb_others(redis_process: RedisServer, shared_redis: object) -> None:
    async def work(cache: Bodies, _: Metrics) -> None:
        first = asyncio.create_task(cache.get("dbsbm:key", body("answer")))
        second = asyncio.create_task(cache.get("dbsbm:key", body("answer")))
        await asyncio.sleep(0)
        first.cancel()
        assert await second == (b"answer", "computed", False)
        assert await cache.get("dbsbm:key", body("other")) == (b"answer", "local", False)

    with_cache(redis_process.url, work)


def test_no_caller_gets_anothers_answer_though_many_cancel(
    redis_process: RedisServer, shared_redis: "redis.Redis[bytes]"
) -> None:
    keys = [f"dbsbm:{number}" for number in range(500)]
    for key in keys:
        shared_redis.set(key, seal(OURS, key, key.encode()))

    async def work(cache: Bodies, _: Metrics) -> None:
        assert cache.shared is not None
        plans = [(key, asyncio.create_task(read(cache, key))) for key in keys * 4]
        for number, (_, task) in enumerate(plans):
            if number % 3 == 0:
                task.cancel()
            if number % 100 == 0:
                await asyncio.sleep(0)
                task.cancel()
        answers = await asyncio.gather(*(task for _, task in plans), return_exceptions=True)
        stayed = [(key, answer) for (key, _), answer in zip(plans, answers, strict=True) if isinstance(answer, bytes)]
        assert len(stayed) > 1000
        assert all(answer == key.encode() for key, answer in stayed)

    with_cache(redis_process.url, work)


@pytest.mark.server
def test_a_caller_waits_as_long_as_it_asks_to() -> None:
    async def work(cache: Bodies, _: Metrics) -> None:
        assert await cache.get("key", body("x"), seconds=0.01) is None
        assert await cache.get("key", body("x")) == (b"x", "computed", False)

    with redis_server() as server:
        server.process.send_signal(signal.SIGSTOP)
        try:
            with_cache(server.url, work, 0.3)
        finally:
            server.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("error", [ServiceError("no"), ValueError("a bug")])
def test_error_of_the_computation_reaches_every_caller_and_is_not_kept(error: Exception) -> None:
    def broken() -> bytes:
        raise error

    async def work(cache: Bodies, _: Metrics) -> None:
        answers = await asyncio.gather(*(cache.get("key", broken) for _ in range(3)), return_exceptions=True)
        assert answers == [error] * 3
        assert await cache.get("key", body("good")) == (b"good", "computed", False)

    with_cache(None, work)


def test_requests_of_one_turn_are_computed_together_in_bounded_parts() -> None:
    sizes = []

    def counting(plans: Sequence[Plan]) -> list[bytes | DbsbmError]:
        sizes.append(len(plans))
        return make(plans)

    async def run() -> None:
        bodies = Bodies(PredictionCache(None), counting)
        plans = [Plan(str(number), body(str(number))) for number in range(2 * BODIES_AT_ONCE + 5)]
        answers = await asyncio.gather(*(bodies.get(*plan) for plan in [*plans, *plans]))
        assert [answer and answer.body for answer in answers] == [plan.key.encode() for plan in plans] * 2

    asyncio.run(run())
    assert sizes == [BODIES_AT_ONCE, BODIES_AT_ONCE, 5]


def test_recompute_ignores_the_caches() -> None:
    async def work(cache: Bodies, _: Metrics) -> None:
        assert await cache.get("key", body("old")) == (b"old", "computed", False)
        afresh = [cache.source.recompute(Plan("key", body("new"))) for _ in range(3)]
        cached = cache.get("key", body("never"))
        answers = await asyncio.gather(*afresh, cached)
        assert answers == [(b"new", "computed", False)] * 3 + [(b"old", "local", False)]

    with_cache(None, work)


def test_an_error_replaces_its_body_alone() -> None:
    def broken() -> bytes:
        raise ServiceError("no")

    async def work(cache: Bodies, _: Metrics) -> None:
        answers = await asyncio.gather(
            cache.get("a", body("a")), cache.get("b", broken), cache.get("c", body("c")), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [CachedBody, ServiceError, CachedBody]

    with_cache(None, work)


def test_a_second_process_finds_the_whole_bodies_of_the_first(redis_process: RedisServer, shared_redis: object) -> None:
    async def make(cache: Bodies, _: Metrics) -> None:
        assert await cache.get("dbsbm:k", body("draft")) == (b"draft", "computed", False)
        assert await cache.get("dbsbm:k", body("never")) == (b"draft", "local", False)
        assert cache.local.drafted
        assert cache.local.wants("dbsbm:k")
        await asyncio.to_thread(cache.keep, "dbsbm:k", b"whole", whole=True)
        assert await cache.get("dbsbm:k", body("never")) == (b"whole", "local", True)
        cache.keep_draft("dbsbm:k", b"draft again")
        assert await cache.get("dbsbm:k", body("never")) == (b"whole", "local", True)
        assert not cache.local.wants("dbsbm:k")
        assert cache.shared is not None
        assert await read(cache, "dbsbm:k") == b"whole"

    async def find(cache: Bodies, _: Metrics) -> None:
        assert await cache.get("dbsbm:k", body("never")) == (b"whole", "redis", True)
        assert await cache.get("dbsbm:k", body("never")) == (b"whole", "local", True)

    with_cache(redis_process.url, make)
    with_cache(redis_process.url, find)


@pytest.mark.parametrize(
    "poison",
    [
        b"",
        b"garbage",
        b"\x80\x04\x95pickle",
        b"\n" * 70,
        seal(OURS, "dbsbm:other", b"another's answer"),
        seal(FOREIGN, "dbsbm:k", b"an answer"),
        seal(Signer(b"our secret, long enough", "bundle"), "dbsbm:k", b"an answer"),
        seal(OURS, "dbsbm:k", b"an answer")[:-1],
        seal(OURS, "dbsbm:k", b"an answer") + b"x",
        seal(OURS, "dbsbm:k", b"an answer").replace(b"an", b"no"),
        seal(OURS, "dbsbm:k", b"an answer").replace(b"\n", b" "),
        b"x" * 5_000_000,
    ],
)
def test_a_poisoned_value_is_counted_and_never_served(
    redis_process: RedisServer, shared_redis: "redis.Redis[bytes]", poison: bytes
) -> None:
    shared_redis.set("dbsbm:k", poison)

    async def work(cache: Bodies, metrics: Metrics) -> None:
        assert await cache.get("dbsbm:k", body("good")) == (b"good", "computed", False)
        assert metrics.registry.get_sample_value("dbsbm_cache_poisoned_total") == bool(poison)
        assert cache.shared is not None
        cache.keep("dbsbm:k", b"good", whole=True)
        await asyncio.sleep(0)
        assert await read(cache, "dbsbm:k") == b"good"
        assert cache.shared is not None
        assert cache.shared.breaker.state == "closed"

    with_cache(redis_process.url, work)


def test_a_value_of_another_type_is_poison_too(redis_process: RedisServer, shared_redis: "redis.Redis[bytes]") -> None:
    shared_redis.lpush("dbsbm:k", "x")

    async def work(cache: Bodies, metrics: Metrics) -> None:
        assert await cache.get("dbsbm:k", body("good")) == (b"good", "computed", False)
        assert metrics.registry.get_sample_value("dbsbm_cache_poisoned_total") == 1

    with_cache(redis_process.url, work)


@pytest.mark.server
def test_redis_killed_in_the_middle_fails_no_caller_and_is_used_again() -> None:
    port = free_port()

    async def work(cache: Bodies, _: Metrics) -> None:
        assert cache.shared is not None
        with redis_server(port) as server:
            assert await cache.get("before", body("x")) == (b"x", "computed", False)
            server.process.kill()
            server.process.wait()
            began = time.monotonic()
            for turn in range(3):
                answers = await asyncio.gather(*(cache.get(f"gone-{turn}-{n}", body("x")) for n in range(500)))
                assert {answer.body for answer in answers if answer} == {b"x"}
            assert cache.shared.breaker.state == "open"
            assert time.monotonic() - began < 10
        with redis_server(port):
            for _ in range(20):
                await asyncio.sleep(0.5)
                await read(cache, "probe")
                if cache.shared.breaker.state == "closed":
                    break
            assert cache.shared.breaker.state == "closed"
            assert await cache.get("after", body("y")) == (b"y", "computed", False)
            cache.keep("after", b"y", whole=True)
            await asyncio.sleep(0)
            assert await read(cache, "after") == b"y"

    with_cache(f"redis://127.0.0.1:{port}/0", work, TIMEOUT_SECONDS)


@pytest.mark.server
def test_a_silent_redis_is_given_up_in_a_fraction_of_the_librarys_time_out() -> None:
    async def work(cache: Bodies, _: Metrics) -> None:
        assert cache.shared is not None
        waits = []
        for number in range(10):
            began = time.monotonic()
            found = await cache.get(f"key-{number}", body("x"))
            assert found is not None
            assert found.body == b"x"
            waits.append(time.monotonic() - began)
        assert max(waits) < 2
        assert cache.shared.breaker.state == "open"

    with redis_server() as server:
        server.process.send_signal(signal.SIGSTOP)
        try:
            with_cache(server.url, work, TIMEOUT_SECONDS)
        finally:
            server.process.send_signal(signal.SIGCONT)
