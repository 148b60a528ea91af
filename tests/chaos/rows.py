"""The rows that run here; each breaks something under load, mends it, and says what it saw."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import redis

from core.registry.deployment import deployment, install_champion
from tests.chaos.history import broken
from tests.chaos.stage import Answer, Stage, until
from tests.conftest import NOW
from tests.serving.models import EPL, deploy

MODEL = "EPL-results"


@dataclass(frozen=True)
class Outcome:
    """What a row saw; it passed if nothing is ``wrong``."""

    done: str
    figures: str
    wrong: list[str]


Row = Callable[[Stage, float], Outcome]


def _outcome(
    stage: Stage, done: str, first: int, *more: str, failures: bool = True, swaps: bool = False, database: bool = False
) -> Outcome:
    answers = stage.answers[first:]
    wrong = broken(stage, answers, allowed=(200,) if failures else (200, 0, 503), swaps=swaps, database=database)
    return Outcome(done, "; ".join((_figures(answers), *more)), wrong)


def _figures(answers: list[Answer]) -> str:
    seconds = sorted(answer.seconds for answer in answers)
    failed = sum(answer.status != 200 for answer in answers)
    stale = sum(bool(answer.body.get("stale")) for answer in answers)
    p99 = seconds[int(0.99 * (len(seconds) - 1))] * 1e3 if seconds else float("nan")
    return f"{len(answers)} requests, {failed} failed, {stale} stale, p99 {p99:.0f} ms"


def _third(scale: float) -> None:
    time.sleep(max(1.5, 20 * scale))


def redis_gone(stage: Stage, scale: float) -> Outcome:
    first = len(stage.answers)
    with stage.load():
        _third(scale)
        stage.before_redis.down()
        _third(scale)
        stage.before_redis.up()
        back = until(lambda: stage.service.get("/readyz").json()["redis"] == "closed", 30)
        _third(scale)
    return _outcome(
        stage, "Redis refused and broke every connection, then came back", first, f"re-joined after {back:.1f} s"
    )


def redis_silent(stage: Stage, scale: float) -> Outcome:
    first = len(stage.answers)
    with stage.load():
        _third(scale)
        stage.redis.process.send_signal(signal.SIGSTOP)
        _third(scale)
        stage.redis.process.send_signal(signal.SIGCONT)
        _third(scale)
    return _outcome(stage, "SIGSTOP to Redis, then SIGCONT", first)


def redis_slow(stage: Stage, scale: float) -> Outcome:
    first = len(stage.answers)
    with stage.load():
        stage.before_redis.latency, stage.before_redis.resets, stage.before_redis.sliced = 0.3, 0.2, True
        _third(scale)
        stage.before_redis.latency, stage.before_redis.resets, stage.before_redis.sliced = 0.0, 0.0, False
    return _outcome(stage, "300 ms latency, 20 % resets, sliced answers before Redis", first)


def redis_poisoned(stage: Stage, scale: float) -> Outcome:
    first = len(stage.answers)
    with stage.load(), redis.Redis(port=stage.redis.port) as client:
        keys = list(client.scan_iter("dbsbm:p*"))
        values = (b"x" * 100, b"\x80\x04pickle", b"0" * 64 + b"\n{}", b"", b"y" * 200_000)
        poisoned = 0
        for number, key in enumerate(keys * 20):
            client.set(key, values[number % len(values)])
            poisoned += 1
        _swap_once(stage)
        _third(scale)
        client.flushall()
    return _outcome(stage, f"{poisoned} values replaced by foreign ones, then a promotion", first, swaps=True)


def redis_flushed(stage: Stage, scale: float) -> Outcome:
    first = len(stage.answers)
    with stage.load(rate=150), redis.Redis(port=stage.redis.port) as client:
        for _ in range(10):
            client.flushall()
            time.sleep(max(0.1, scale))
    return _outcome(stage, "FLUSHALL ten times", first)


def database_gone(stage: Stage, scale: float) -> Outcome:
    first = len(stage.answers)
    with stage.load():
        _third(scale)
        stage.before_database.down()
        _third(scale)
        stage.before_database.up()
        back = until(lambda: stage.service.get("/v1/predictions/soccer/EPL/EPL-102").json()["stale"] is False, 30)
        _third(scale)
    drained = until(lambda: stage.metric("dbsbm_prediction_spool_depth") == 0, 30)
    wrong = [] if any(answer.body.get("stale") for answer in stage.answers[first:]) else ["no answer was marked stale"]
    found = _outcome(
        stage, "MySQL refused and broke every connection, then came back", first,
        f"fresh again after {back:.1f} s, spool empty {drained:.1f} s later", database=True,
    )  # fmt: skip
    return Outcome(found.done, found.figures, [*found.wrong, *wrong])


def database_frozen(stage: Stage, scale: float) -> Outcome:
    first = len(stage.answers)
    slowest = 0.0
    with stage.load():
        stage.database.process.send_signal(signal.SIGSTOP)
        ends = time.monotonic() + max(8.0, 20 * scale)
        while time.monotonic() < ends:
            began = time.monotonic()
            stage.service.get("/healthz")
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.1)
        stage.database.process.send_signal(signal.SIGCONT)
        _third(scale)
    return _outcome(
        stage, "SIGSTOP to MySQL, then SIGCONT", first, f"/healthz at worst {slowest * 1e3:.0f} ms", database=True
    )


def database_restarts(stage: Stage, scale: float) -> Outcome:
    first = len(stage.answers)
    with stage.load():
        for _ in range(10):
            stage.before_database.down()
            time.sleep(0.3)
            stage.before_database.up()
            time.sleep(0.7)
    return _outcome(stage, "MySQL's connections broken and refused ten times in a row", first, database=True)


def bundles_damaged(stage: Stage, scale: float) -> Outcome:
    first, count = len(stage.answers), max(3, int(100 * scale))
    before = _loaded(stage)
    with stage.load(rate=50):
        for number in range(count):
            deploy(stage.engine, stage.world.store, EPL, number=_next(), home_lean=0.31 + number / 1e3, damaged=True)
            time.sleep(0.6)
        time.sleep(2)
        after = _loaded(stage)
    refused = stage.metric("dbsbm_model_load_failures_total")
    wrong = [] if after == before else [f"the champion changed from {before} to {after}"]
    wrong += [] if refused >= 1 else ["no refusal was counted"]
    deploy(stage.engine, stage.world.store, EPL, number=_next(), home_lean=2.5)
    until(lambda: stage.service.get("/readyz").json()["models"][MODEL]["error"] is None)
    found = _outcome(stage, f"{count} damaged bundles promoted one after another", first, f"{refused:.0f} refusals")
    return Outcome(found.done, found.figures, [*found.wrong, *wrong])


def swaps(stage: Stage, scale: float) -> Outcome:
    first, count = len(stage.answers), max(20, int(400 * scale))
    numbers = [_next(), _next()]
    for number in numbers:
        deploy(stage.engine, stage.world.store, EPL, number=number, home_lean=number / 50)
    before = [stage.service.resident(pid) for pid in stage.service.workers()]
    with stage.load():
        for number in range(count):
            install_champion(stage.engine, deployment(stage.engine, MODEL), numbers[number % 2], NOW)
            time.sleep(0.05)
        last = deployment(stage.engine, MODEL).generation
        agreed = until(lambda: _generations(stage) == [last] * len(before), 30)
    after = [stage.service.resident(pid) for pid in stage.service.workers()]
    grown = max(new - old for new, old in zip(after, before, strict=True))
    found = _outcome(
        stage, f"{count} swaps of the champion", first,
        f"all workers agree after {agreed:.1f} s; at most {grown} MB more per worker", swaps=True,
    )  # fmt: skip
    return Outcome(
        found.done, found.figures, [*found.wrong, *([] if agreed <= 10 else ["workers did not agree in 10 s"])]
    )


def worker_killed(stage: Stage, scale: float) -> Outcome:
    first = len(stage.answers)
    count = max(1, int(6 * scale))
    with stage.load():
        for _ in range(count):
            victim = stage.service.workers()[0]
            os.kill(victim, signal.SIGKILL)
            until(lambda victim=victim: victim not in stage.service.workers() and len(stage.service.workers()) == 2)  # type: ignore[misc]
            _third(scale)
    found = _outcome(stage, f"kill -9 of a worker, {count} times, without nginx", first, failures=False)
    lost = sum(answer.status == 0 for answer in stage.answers[first:])
    kept = [one for one in found.wrong if not one.startswith("I5")]
    memory = next((one for one in found.wrong if one.startswith("I5")), "I5 held")
    return Outcome(
        found.done, f"{found.figures}; {lost} connections broken; {memory} (a killed worker loses up to 0.25 s)", kept
    )


ROWS: dict[str, Row] = {
    "F1": redis_gone,
    "F2": redis_silent,
    "F3": redis_slow,
    "F5": redis_poisoned,
    "F6": redis_flushed,
    "F9": database_gone,
    "F10": database_frozen,
    "F11": database_restarts,
    "F15": bundles_damaged,
    "F19": swaps,
    "F21": worker_killed,
}

ELSEWHERE = {
    "F4": "NOT RUN: read-only and LOADING Redis have no row yet",
    "F7": "NOT RUN: jitter of expiry is tested in tests/serving/test_cache.py",
    "F8": "NOT RUN here: cancelled requests are tested in tests/serving/test_cache.py",
    "F12": "NOT RUN here: tests/serving/test_last_good.py (data_too_old)",
    "F13": "NOT RUN here: tests/serving/test_last_good.py (start without database and registry)",
    "F14": "NOT RUN: every row runs with a registry that refuses connections; a hanging one has no row",
    "F16": "NOT RUN here: tests/core/test_bundle_safety.py",
    "F17": "NOT RUN here: tests/core/test_bundle_safety.py",
    "F18": "NOT RUN here: tests/core/test_bundle_safety.py",
    "F20": "NOT RUN: overload at 5x needs a second machine for its clients; tests/serving/test_shadow.py has the order",
    "F22": "NOT RUN here: tests/serving/test_nginx.py",
    "F23": "NOT RUN here: tests/serving/test_spool.py (full disk as a limit of file size)",
    "A1": "NOT RUN here: tests/serving/test_abuse.py, at a size for CI",
    "A2": "NOT RUN here: tests/serving/test_abuse.py",
    "A3": "NOT RUN here: tests/serving/test_abuse.py",
    "A4": "NOT RUN here: tests/serving/test_abuse.py",
    "A5": "NOT RUN: timing over 2,000 tries; wrong keys are in tests/serving/test_limits.py",
    "A6": "NOT RUN here: tests/serving/test_keys.py",
    "A7": "NOT RUN here: tests/serving/test_keys.py",
    "A8": "NOT RUN here: tests/serving/test_gateway.py",
    "A9": "NOT RUN here: tests/serving/test_limits.py",
    "A10": "NOT RUN here: tests/serving/test_limits.py",
    "A11": "NOT RUN here: tests/serving/test_gateway.py",
    "A12": "NOT RUN here: tests/laws/test_api_contract.py",
    "A13": "NOT RUN here: tests/serving/test_deadlines.py",
    "A14": "NOT RUN here: tests/serving/test_abuse.py, tests/serving/test_deadlines.py",
    "A15": "NOT RUN here: tests/serving/test_gateway.py",
}
"""Where a row is proved instead, or why it is not."""

_numbers: Iterator[int] = iter(range(10, 100_000))


def _next() -> int:
    return next(_numbers)


def _swap_once(stage: Stage) -> None:
    deploy(stage.engine, stage.world.store, EPL, number=_next(), home_lean=0.61)


def _loaded(stage: Stage) -> object:
    return stage.service.get("/readyz").json()["models"][MODEL]["version"]


def _generations(stage: Stage) -> list[object]:
    workers = stage.service.get("/readyz").json()["workers"].values()
    return [worker.get(MODEL, {}).get("generation") for worker in workers]
