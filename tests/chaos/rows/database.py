"""Rows F9 to F12: the database killed, frozen, slow, locked, without connections, restarted, and down for too long."""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime

import pymysql

from feature_store.rows.build import build
from feature_store.rows.online import watermarks
from tests.bench.serving.stage import LEAGUE
from tests.chaos.history import HANGING, NOTICED, broken_invariants
from tests.chaos.outcome import Outcome, row
from tests.chaos.rows.redis import phase
from tests.chaos.stage import Stage, Watch, until
from tests.chaos.traffic import Answer, p99
from tests.chaos.world import hot_games


def fresh_again(stage: Stage) -> float:
    """Wait until no worker's answers are stale; return the seconds."""

    def fresh() -> bool:
        answers = [stage.ask(f"/v1/predictions/{hot_games()[0]}") for _ in range(3 * stage.workers)]
        return all(status == 200 and not body["stale"] for status, body in answers)

    return until(fresh, 60)


def _stale_share(answers: list[Answer], begin: float, end: float) -> float:
    within = [answer for answer in answers if begin <= answer.due and answer.ended <= end]
    return sum(bool(answer.body.get("stale")) for answer in within) / max(1, len(within))


@row("F9", "`kill -9` MySQL, started again on its data half-way through the row")
def database_killed(stage: Stage, scale: float, outcome: Outcome) -> None:
    with stage.load() as load:
        time.sleep(phase(scale, 15))
        with stage.database_unavailable():
            gone = time.monotonic()
            stage.database.kill()
            time.sleep(max(6.0, 30 * scale))
            ends = time.monotonic()
        stage.database.start()
        back = fresh_again(stage)
        time.sleep(phase(scale, 15))
    stage.engine.dispose()
    drained = until(lambda: stage.metric("dbsbm_prediction_spool_depth") == 0, 30)
    stale = _stale_share(load.answers, gone + NOTICED, ends)
    outcome.traffic(load.answers, within=200, bare=load.bare)
    outcome.report(
        f"{stale:.1%} stale from {NOTICED:.0f} s after the kill on, {_stale_share(load.answers, gone, ends):.1%} from the kill on"
    )
    outcome.report(f"fresh {back:.1f} s after MySQL answered again, spool empty {drained:.1f} s later")
    outcome.expect(stale >= 0.99, f"{stale:.1%} of the answers were marked stale, 99 % demanded")
    outcome.expect(back <= 5, f"fresh again after {back:.1f} s, 5 allowed")
    outcome.expect(drained <= 30, "the spool was not drained")
    outcome.wrong += broken_invariants(stage, load.answers)


@contextmanager
def _frozen(stage: Stage) -> Iterator[None]:
    stage.database.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        stage.database.process.send_signal(signal.SIGCONT)


@contextmanager
def _two_seconds_late(stage: Stage) -> Iterator[None]:
    stage.before_database.latency = 2.0
    try:
        yield
    finally:
        stage.before_database.latency = 0.0


@contextmanager
def _locked(stage: Stage) -> Iterator[None]:
    """Lock the tables that the service writes to."""
    with pymysql.connect(host="127.0.0.1", port=stage.database.port, user="root", database="ours") as other:
        other.cursor().execute("LOCK TABLES prediction_log WRITE, serving_workers WRITE")
        yield
        other.cursor().execute("UNLOCK TABLES")


@contextmanager
def _crowded(stage: Stage) -> Iterator[None]:
    """Allow no further connections, and break the existing ones."""
    address = {"host": "127.0.0.1", "port": stage.database.port, "user": "root"}
    with pymysql.connect(**address) as keeper:  # type: ignore[call-overload]
        keeper.cursor().execute("SET GLOBAL max_connections = 10")
        held = []
        stage.before_database.down()
        try:
            while True:
                held.append(pymysql.connect(**address))  # type: ignore[call-overload]
        except pymysql.err.OperationalError:
            stage.before_database.up()
        try:
            yield
        finally:
            for connection in held:
                connection.close()
            keeper.cursor().execute("SET GLOBAL max_connections = 151")


@row("F10", "MySQL frozen by SIGSTOP, 2 s late, locked by another transaction, without a free connection")
def database_hangs(stage: Stage, scale: float, outcome: Outcome) -> None:
    faults: dict[str, tuple[Callable[[Stage], AbstractContextManager[None]], bool]] = {
        "frozen": (_frozen, True),
        "2 s late": (_two_seconds_late, False),
        "locked": (_locked, False),
        "crowded": (_crowded, True),
    }
    for name, (fault, is_away) in faults.items():
        with stage.load() as load, Watch(stage, "/healthz", every=0.1) as alive:
            with fault(stage), stage.database_unavailable(certain=is_away):
                time.sleep(max(HANGING + 3, 30 * scale) if is_away else phase(scale, 15))
            back = fresh_again(stage)
        lived = p99([seconds for _, seconds, status, _ in alive.seen if status == 200])
        outcome.report(f"{name}: /healthz p99 {lived:.0f} ms, fresh {back:.1f} s after")
        outcome.traffic(load.answers, within=200, bare=load.bare)
        outcome.expect(all(status == 200 for _, _, status, _ in alive.seen), f"{name}: /healthz failed")
        machine = p99(load.bare)
        outcome.expect(
            lived < 50 + machine, f"{name}: /healthz p99 is {lived:.0f} ms, 50 allowed and {machine:.0f} the machine's"
        )
        outcome.expect(back <= 10, f"{name}: fresh again after {back:.1f} s")
        outcome.wrong += [f"{name}: {one}" for one in broken_invariants(stage, load.answers, noticed=HANGING)]


@row("F11", "MySQL killed and started again, many times in a row, with requests to a route that reads it")
def database_restarts(stage: Stage, scale: float, outcome: Outcome) -> None:
    times = max(4, int(10 * scale))
    matchup = "/v1/matchups/soccer/EPL?home=Team%2000&away=Team%2001"
    answered = []
    with stage.load() as load, Watch(stage, matchup, every=0.1) as reads:
        for _ in range(times):
            with stage.database_unavailable():
                stage.database.kill()
            with stage.database_unavailable(certain=False):
                stage.database.start()
                answered.append(until(lambda: stage.ask(matchup)[0] == 200, 15))
                time.sleep(0.5)
        back = fresh_again(stage)
    stage.engine.dispose()
    statuses = Counter(status for _, _, status, _ in reads.seen)
    outcome.traffic(load.answers, within=200, bare=load.bare)
    outcome.report(
        f"{times} restarts; the route was answered {max(answered):.1f} s after MySQL at worst: {dict(statuses)}"
    )
    outcome.expect(max(answered) <= 5, f"the route was answered {max(answered):.1f} s after MySQL")
    outcome.expect(back <= 5, f"fresh again after {back:.1f} s")
    outcome.expect(statuses.keys() <= {200, 503}, f"the route was answered with {dict(statuses)}")
    outcome.wrong += broken_invariants(stage, load.answers)


@row("F12", "MySQL and Redis dead until the data is older than DATA_LIMIT_HOURS, here a few seconds")
def data_ages(stage: Stage, scale: float, outcome: Outcome) -> None:
    limit = 8.0
    with stage.beside(DATA_LIMIT_HOURS=str(limit / 3600)) as short:
        build(stage.engine, LEAGUE, datetime.now(UTC))
        stage.offline.clear()
        (checked,) = watermarks(stage.engine).values()
        stage.models.checks.add(checked.isoformat())
        until(lambda: stage.ask(f"/v1/predictions/{hot_games()[0]}", port=short.port)[1]["age_s"] < limit / 2)
        with stage.load(port=short.port) as load, stage.database_unavailable():
            stage.database.kill()
            stage.redis.kill()
            time.sleep(limit + max(3.0, 20 * scale))
        stage.redis.start()
        stage.database.start()
        stage.engine.dispose()
        back = until(lambda: stage.ask(f"/v1/predictions/{hot_games()[0]}", port=short.port)[0] == 200, 30)
        history = broken_invariants(stage, load.answers, allowed=(200, 503))
    fresh_again(stage)
    served = [answer for answer in load.answers if answer.status == 200]
    refused = [answer for answer in load.answers if answer.status == 503]
    codes = {(answer.body["code"], "retry-after" in answer.headers) for answer in refused}
    oldest, wrong_way = max(answer.body["age_s"] for answer in served), [a for a in served if a.due > refused[0].ended]
    outcome.report(
        f"{len(served)} answers up to {oldest:.2f} s old, then {len(refused)} times {codes}, back after {back:.1f} s"
    )
    outcome.expect(oldest <= limit + 0.05, f"data {oldest:.2f} s old was served, {limit:.0f} allowed")
    outcome.expect(codes == {("data_too_old", True)}, f"refused with {codes}")
    outcome.expect(not wrong_way, f"{len(wrong_way)} answers after the first refusal")
    outcome.expect(back <= 10, f"answers again after {back:.1f} s")
    outcome.wrong += history
