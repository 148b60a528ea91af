"""Rows F1 to F4: Redis killed, silent, slow, or refusing commands."""

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis

from tests.chaos.history import broken_invariants
from tests.chaos.outcome import Outcome, row
from tests.chaos.redis_stub import refusing_redis
from tests.chaos.stage import Stage, Watch, until
from tests.chaos.traffic import Answer, Load, hit_rate, p99

COLD = 0.25
"""Fraction of requests for games that no worker has in memory, so that Redis is asked first."""

SWAP_SECONDS = 2.0
WARNING = '"level": "warning"'


def phase(scale: float, full: float = 20.0) -> float:
    """Return the seconds of a third of a row; at least three, so that breakers have time to open and close."""
    return max(3.0, full * scale)


@contextmanager
def swapping(stage: Stage, every: float = SWAP_SECONDS) -> Iterator[None]:
    """Promote another tried version every few seconds until the block ends."""
    stopping = threading.Event()

    def swap() -> None:
        while not stopping.wait(every):
            stage.models.promote(next(stage.ring))

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def states(watch: Watch, begin: float, end: float) -> list[tuple[float, str]]:
    """Return times and states of the Redis breaker, as the workers reported them."""
    return [(at, ready["redis"]) for at, _, status, ready in watch.seen if status == 200 and begin <= at <= end]


def _outage(
    stage: Stage, scale: float, outcome: Outcome, stop: Callable[[], None], back: Callable[[], None], within: float
) -> list[Answer]:
    """Run traffic and promotions while Redis fails and returns; check the criteria of F1 and F2."""
    with stage.load(cold_share=COLD) as load, swapping(stage), Watch(stage, "/readyz") as watch:
        time.sleep(phase(scale))
        gone = time.monotonic()
        stop()
        time.sleep(phase(scale))
        returned = time.monotonic()
        back()
        closed = until(lambda: all(stage.ask("/readyz")[1]["redis"] == "closed" for _ in range(6)), 30)
        warm_after = until(lambda: hit_rate(_since(load, time.monotonic() - 1)) > 0.9, 60)
        time.sleep(phase(scale))
    opened = next((at - gone for at, state in states(watch, gone, returned) if state != "closed"), float("inf"))
    shut = next((at for at, state in reversed(states(watch, gone, returned)) if state == "closed"), gone)
    calm = [answer for answer in load.answers if not gone <= answer.due <= gone + 0.5]
    outcome.traffic(calm, within=within, bare=load.bare)
    at_the_break = [answer for answer in load.answers if gone <= answer.due <= gone + 0.5]
    outcome.report(f"{p99([answer.seconds for answer in at_the_break]):.0f} ms in the half second of the break")
    outcome.report(f"breaker open after {opened:.2f} s, last closed one seen {shut - gone:.2f} s after the break")
    outcome.report(f"all closed {closed:.1f} s and hit rate over 90 % {warm_after:.1f} s after the return")
    outcome.expect(opened <= 0.5, f"the breaker was open after {opened:.2f} s, .5 allowed")
    outcome.expect(closed <= 10, f"the breakers closed {closed:.1f} s after Redis was back")
    outcome.expect(warm_after <= 60, "the hit rate stayed below 90 %")
    outcome.wrong += broken_invariants(stage, load.answers)
    return load.answers


def _since(load: Load, moment: float) -> list[Answer]:
    return [answer for answer in load.answers[-400:] if answer.due >= moment]


@row("F1", "`kill -9` Redis, started again empty; another champion every 2 s")
def redis_killed(stage: Stage, scale: float, outcome: Outcome) -> None:
    def stop() -> None:
        stage.redis.kill()
        stage.before_redis.down()

    def back() -> None:
        stage.redis.start()
        stage.before_redis.up()

    _outage(stage, scale, outcome, stop, back, within=200)


@row("F2", "SIGSTOP to Redis, then SIGCONT; another champion every 2 s")
def redis_silent(stage: Stage, scale: float, outcome: Outcome) -> None:
    process = stage.redis.process
    answers = _outage(
        stage, scale, outcome,
        lambda: process.send_signal(signal.SIGSTOP), lambda: process.send_signal(signal.SIGCONT), within=200,
    )  # fmt: skip
    slow = sum(answer.seconds > 0.2 for answer in answers)
    outcome.report(f"{slow} answers took over 200 ms")


@row("F3", "300 ms latency, 20 % resets and sliced answers before Redis; another champion every 2 s")
def redis_slow(stage: Stage, scale: float, outcome: Outcome) -> None:
    before = stage.before_redis
    with stage.load(cold_share=COLD) as load, swapping(stage), Watch(stage, "/readyz") as watch:
        began = time.monotonic()
        before.latency, before.resets, before.sliced = 0.3, 0.2, True
        time.sleep(2 * phase(scale))
        before.latency, before.resets, before.sliced = 0.0, 0.0, False
        ended = time.monotonic()
        closed = until(lambda: all(stage.ask("/readyz")[1]["redis"] == "closed" for _ in range(6)), 30)
        time.sleep(1)
    seen = states(watch, began, ended)
    opened = sum(state != "closed" for _, state in seen) / max(1, len(seen))
    outcome.traffic(load.answers, within=250, bare=load.bare)
    outcome.report(f"breaker not closed {opened:.0%} of the time, closed {closed:.1f} s after the end")
    outcome.expect(opened > 0.5, f"the breaker was closed {1 - opened:.0%} of the time")
    outcome.expect(closed <= 10, f"the breakers closed {closed:.1f} s after the end")
    outcome.wrong += broken_invariants(stage, load.answers)


@row("F4", "Redis read-only, out of memory, demanding a password, and loading")
def redis_unwilling(stage: Stage, scale: float, outcome: Outcome) -> None:
    with redis.Redis(port=stage.redis.port) as client, refusing_redis(b"-LOADING Redis is loading\r\n") as loading:

        def reconnect() -> None:
            stage.before_redis.down()
            stage.before_redis.up()

        def password(text: str) -> Callable[[], None]:
            def change() -> None:
                client.config_set("requirepass", text)
                if text:
                    client.auth(text)
                reconnect()

            return change

        def upstream(port: int) -> Callable[[], None]:
            def change() -> None:
                stage.before_redis.upstream = port
                reconnect()

            return change

        modes: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
            "read-only": (lambda: client.replicaof("127.0.0.1", "9"), lambda: client.replicaof("NO", "ONE")),
            "out of memory": (lambda: client.config_set("maxmemory", 1), lambda: client.config_set("maxmemory", 0)),
            "password": (password("another's"), password("")),
            "loading": (upstream(loading), upstream(stage.redis.port)),
        }
        warned_at = -math.inf
        for name, (begin, end) in modes.items():
            before, began = stage.log().count(WARNING), time.monotonic()
            with stage.load(cold_share=COLD) as load:
                begin()
                time.sleep(phase(scale, 15))
                end()
                closed = until(lambda: all(stage.ask("/readyz")[1]["redis"] == "closed" for _ in range(6)), 30)
            warnings = stage.log().count(WARNING) - before
            outcome.report(f"{name}: {warnings} warnings")
            outcome.traffic(load.answers, within=250, bare=load.bare)
            most = 2 * stage.workers * (1 + int(phase(scale, 15) // 60))
            # One per breaker and minute: the warning of the previous mode may still apply.
            outcome.expect(warnings > 0 or began - warned_at < 60, f"{name}: no warning was logged")
            warned_at = time.monotonic() if warnings else warned_at
            outcome.expect(
                warnings <= most, f"{name}: {warnings} warnings, {most} allowed (one per breaker and minute)"
            )
            outcome.expect(closed <= 10, f"{name}: the breakers closed {closed:.1f} s after the end")
            outcome.wrong += broken_invariants(stage, load.answers)
