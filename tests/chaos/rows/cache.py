"""Rows F5 to F8: values in Redis that are forged, deleted or expire together, and callers that disconnect."""

import pickle
import time
from collections import Counter

import redis

from core.signing import signer
from serving.backends.sealed_values import seal
from serving.predictions.body import BODY_FORMAT, cache_key
from serving.predictions.plan import ForecastPlan, make_body
from serving.predictions.redis_cache import PURPOSE
from tests.chaos.history import broken_invariants
from tests.chaos.outcome import Outcome, row
from tests.chaos.rows.redis import swapping
from tests.chaos.stage import Stage
from tests.chaos.traffic import Answer, Load, Mix
from tests.serving.service import settings_for

PATTERN = f"{BODY_FORMAT}:*"


@row(
    "F5",
    "values under the keys that are read next: another's signature, another key's, another version's, pickle, huge, torn, a list",
)
def redis_poisoned(stage: Stage, scale: float, outcome: Outcome) -> None:
    games = stage.untouched(max(70, int(1_000 * scale)))
    before = stage.metric("dbsbm_cache_poisoned_total")
    with redis.Redis(port=stage.redis.port) as client:
        for number, game in enumerate(games):
            _poison(client, stage, game.rpartition("/")[2], number % 7)
        answers = [_asked(stage, game) for game in games]
    counted = stage.metric("dbsbm_cache_poisoned_total") - before
    levels = Counter(answer.body["cache"] for answer in answers)
    outcome.report(f"{len(games)} values read, {counted:.0f} counted, answers {dict(levels)}")
    outcome.expect(counted == len(games), f"{counted:.0f} of {len(games)} poisoned values were counted")
    outcome.expect(levels == {"computed": len(games)}, f"answers came from {dict(levels)}")
    outcome.wrong += broken_invariants(stage, answers)


def _poison(client: "redis.Redis[bytes]", stage: Stage, game: str, kind: int) -> None:
    """Write a wrong value under the key that the next request for the game reads."""
    champion, offline = stage.offline.champion(stage.models.changes[-1].version), stage.offline
    valid_signer = signer(settings_for(stage.engine, stage.world.store, signing_key=stage.signing_key), PURPOSE)
    other_signer = signer(
        settings_for(stage.engine, stage.world.store, signing_key="another installation's key"), PURPOSE
    )
    key = cache_key(champion, offline.row(game), begun=True)
    body = make_body(ForecastPlan(champion, offline.row(game), begun=True, key=key), explained=True)
    wrong = body.replace(b'"home":0.', b'"home":0.9', 1)
    match kind:
        case 0:
            client.set(key, seal(other_signer, key, wrong))
        case 1:
            client.set(key, seal(valid_signer, f"{key}x", wrong))
        case 2:
            client.set(key, seal(valid_signer, key.replace(champion.bundle.sha256[:12], "0" * 12), wrong))
        case 3:
            client.set(key, pickle.dumps({"body": wrong}))
        case 4:
            client.set(key, seal(valid_signer, key, wrong + b" " * 2_000_000))
        case 5:
            client.set(key, seal(valid_signer, key, wrong)[:-20])
        case _:
            client.rpush(key, body)


def _asked(stage: Stage, game: str) -> Answer:
    due, began_at = time.monotonic(), time.time()
    status, body = stage.ask(f"/v1/predictions/{game}", **{"X-Request-ID": (name := f"once-{due}")})
    return Answer(
        due,
        began_at,
        time.time(),
        time.monotonic() - due,
        status,
        game,
        (0, int(due * 1e6)),
        False,
        {"x-request-id": name},
        body,
    )


@row("F6", "repeated: FLUSHALL, then 300 requests a second for one game that was not requested before")
def redis_flushed(stage: Stage, scale: float, outcome: Outcome) -> None:
    herds = max(3, int(20 * scale))
    seconds = 1.5
    idle = _selects(stage)
    time.sleep(herds * seconds)
    idle = _selects(stage) - idle
    reads, answers, bare, most = _selects(stage), [], [], 0
    with redis.Redis(port=stage.redis.port) as client:
        for game in stage.untouched(herds):
            client.flushall()
            with Load(stage.service.port, Mix([game]), stage.headers, rate=300, clients=50, bare=stage.bare) as load:
                time.sleep(seconds)
            answers += load.answers
            bare += load.bare
            most = max(most, _flights(load.answers))
    reads = _selects(stage) - reads
    outcome.traffic(answers, within=200, bare=bare)
    outcome.report(f"{herds} herds, {most} computations of one at most")
    outcome.report(f"MySQL was read {reads} times, {idle} in as long without requests")
    outcome.expect(reads <= 1.3 * idle + stage.workers * herds, f"MySQL was read {reads} times, {idle} when idle")
    outcome.expect(most <= stage.workers, f"{most} computations for one key, {stage.workers} workers")
    outcome.wrong += broken_invariants(stage, answers)


def _flights(answers: list[Answer]) -> int:
    """Return the number of computations behind the answers: concurrent requests may share one."""
    waits = sorted((one.began_at, one.ended_at) for one in answers if one.body.get("cache") == "computed")
    flights, ended = 0, 0.0
    for began_at, ended_at in waits:
        flights += began_at > ended
        ended = max(ended, ended_at)
    return flights


def _selects(stage: Stage) -> int:
    with stage.engine.connect() as connection:
        return int(connection.exec_driver_sql("SHOW GLOBAL STATUS LIKE 'Com_select'").one()[1])


@row("F7", "every answer in Redis made to expire in the same second, under load")
def redis_expires(stage: Stage, scale: float, outcome: Outcome) -> None:
    wait = max(3.0, 10 * scale)
    with redis.Redis(port=stage.redis.port) as client, stage.load(cold_share=0.1) as load:
        stage.wait_for_generation(stage.models.swap().generation)
        time.sleep(2 * wait)
        keys = list(client.scan_iter(PATTERN, count=1_000))
        ends = Counter(client.pttl(key) // 1_000 for key in keys)
        moment, steady = time.monotonic(), int((time.time() + 1) * 1_000)
        for key in keys:
            client.pexpireat(key, steady)
        time.sleep(1 + wait)
    outcome.traffic(load.answers, within=200, bare=load.bare)
    before = _computed(load.answers, moment - wait, moment)
    after = _computed(load.answers, moment + 1, moment + 1 + wait)
    crowd = max(ends.values(), default=0)
    outcome.report(f"{len(keys)} keys; {before} answers computed in {wait:.0f} s before, {after} after")
    outcome.report(f"without a flush they expire over {max(ends) - min(ends)} s, {crowd} at most in one second")
    outcome.expect(len(keys) >= 100, f"there were only {len(keys)} keys")
    outcome.expect(after <= 2 * before + 5, f"{after} answers computed, {before} in as long before")
    outcome.expect(max(ends) - min(ends) >= 60, "the keys end together")
    outcome.expect(crowd <= 0.1 * len(keys), f"{crowd} of {len(keys)} keys end in one second")
    outcome.wrong += broken_invariants(stage, load.answers)


def _computed(answers: list[Answer], begin: float, end: float) -> int:
    within = [answer for answer in answers if begin <= answer.due < end and answer.status == 200]
    return sum(answer.body["cache"] in ("computed", "bypass") for answer in within)


@row("F8", "30 % of the callers disconnect before their answer, Redis 30 ms late, half of the requests for cold games")
def callers_leave(stage: Stage, scale: float, outcome: Outcome) -> None:
    wanted, rate = int(20_000 * scale), 250.0
    stage.before_redis.latency = 0.03
    try:
        with stage.load(cold_share=0.5, rate=rate, leaving=0.3, clients=32) as load, swapping(stage):
            while len(load.answers) + load.left < wanted:
                time.sleep(0.1)
    finally:
        stage.before_redis.latency = 0.0
    outcome.traffic(load.answers, within=250, bare=load.bare)
    outcome.report(f"{load.left} callers disconnected")
    outcome.expect(load.left >= 0.25 * wanted, f"but {load.left} callers disconnected")
    outcome.wrong += broken_invariants(stage, load.answers)
