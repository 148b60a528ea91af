"""Shadow forecasts, load shedding, workers and health."""

import asyncio
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.transactions import reading
from core.registry.deployment import deployment, register, versions
from serving.api.schemas import SystemHealth
from serving.assembly import Timings
from serving.champions.champion import Champions
from serving.champions.loader import Backoff
from serving.champions.rollout_status import ALIVE_SECONDS, DELETE_AFTER_SECONDS, RolloutStatus
from serving.champions.tables import workers as worker_table
from serving.predictions.tables import SERVED, predictions
from serving.runtime.load_shedding import DELAY_LIMITS, SHED_FROM, LoadShedding
from serving.telemetry.metrics import Metrics
from tests.conftest import NOW
from tests.serving.conftest import World
from tests.serving.models import EPL, deploy
from tests.serving.service import Running, eventually, settings_for, started

GAME = "/v1/predictions/soccer/EPL/EPL-102"
BATCH = {"games": [{"sport": "soccer", "league": "EPL", "game_id": "EPL-102"}]}


def logged(engine: Engine) -> list[Any]:
    with reading(engine) as connection:
        return list(connection.execute(SERVED.order_by(predictions.c.id)).mappings())


def challenge(world: World, number: int = 2, **flaw: Any) -> None:
    """Make a challenger: deploy a version, then restore the champion."""
    from core.registry.deployment import install_champion

    version = deploy(world.engine, world.store, EPL, number=number, home_lean=1.5, **flaw)
    install_champion(world.engine, deployment(world.engine, version.model), 1, NOW)
    register(world.engine, version, NOW)


def health(running: Running) -> SystemHealth:
    return SystemHealth.model_validate_json(running.get("/v1/system/health").content)


def test_a_challenger_in_shadow_is_logged_beside_the_champion_and_never_answered(world: World) -> None:
    challenge(world)
    with started(settings_for(world.engine, world.store, shadow=True)) as running:
        assert running.service.shadow is not None
        eventually(lambda: bool(running.service.champion_follower.challengers))
        answers = [running.get(GAME, headers={"X-Request-ID": f"r{n}"}).json() for n in range(5)]
        assert {answer["model"]["version"] for answer in answers} == {1}
        eventually(lambda: len(logged(world.engine)) == 10)
        rows = logged(world.engine)
        shadows = {row["request_id"]: row for row in rows if row["shadow"]}
        assert {row["version"] for row in shadows.values()} == {2}
        assert {row["version"] for row in rows if not row["shadow"]} == {1}
        assert set(shadows) == {f"r{n}" for n in range(5)}
        assert shadows["r0"]["p_home"] > answers[0]["probabilities"]["home"] + 0.1
        assert running.metric("dbsbm_shadow_forecasts_total", outcome="logged") == 5
        running.service.load.level = 1
        running.service.shadow.put(next(iter(running.service.predictor._last.values())), "r9", NOW)
        assert running.metric("dbsbm_shadow_forecasts_total", outcome="dropped") == 1


def test_a_bad_challenger_and_disabled_shadows_change_nothing(world: World) -> None:
    challenge(world, damaged=True)
    for wish in (True, False):
        with started(settings_for(world.engine, world.store, shadow=wish)) as running:
            assert running.get(GAME).json()["model"]["version"] == 1
            assert (running.service.shadow is not None) == wish
            assert running.service.champion_follower.challengers == {}
    assert {row["shadow"] for row in logged(world.engine)} == {False}


@pytest.mark.slow
def test_a_challenger_that_could_not_be_fetched_runs_once_it_can(world: World) -> None:
    challenge(world)
    registered = next(one for one in versions(world.engine) if one.version == 2)
    bundle = world.store / registered.bundle_sha256
    bundle.rename(world.store.parent / "elsewhere")
    settings = settings_for(world.engine, world.store, shadow=True, mlflow_tracking_uri="http://127.0.0.1:9")
    with started(settings, timings=Timings(backoff=Backoff(first=0.2))) as running:
        follower = running.service.champion_follower

        def attempts() -> int:
            failure = follower._loader.failure(("EPL-results", 2))
            return 0 if failure is None else failure.attempts

        eventually(lambda: attempts() > 1)
        assert follower.challengers == {}
        assert "EPL-results" not in follower.failures, "a challenger that is not loaded leaves the champion as it is"
        (world.store.parent / "elsewhere").rename(bundle)
        eventually(lambda: "EPL-results" in follower.challengers)


@pytest.mark.parametrize(
    ("lateness", "shed"),
    [(0.0, ()), (0.1, ("shadow",)), (0.3, ("shadow", "batch")), (1.0, ("shadow", "batch", "single"))],
)
def test_load_sheds_shadows_then_batches_then_uncached_games(lateness: float, shed: tuple[str, ...]) -> None:
    load = LoadShedding(Metrics())
    load.observe(lateness)
    assert load.level < len(shed) or not shed  # one pause is forgiven
    for _ in range(30):
        load.observe(lateness)
    assert tuple(kind for kind in ("shadow", "batch", "single") if load.sheds(kind)) == shed  # type: ignore[arg-type]
    for _ in range(30):
        load.observe(0.0)
    assert load.level == 0


def test_the_latest_loop_is_noticed_soonest() -> None:
    looks = {}
    for lateness in (0.6, 1.2):
        load = LoadShedding(Metrics())
        looks[lateness] = 0
        while not load.sheds("single"):
            load.observe(lateness)
            looks[lateness] += 1
    assert looks == {0.6: 2, 1.2: 2}


@pytest.mark.slow
def test_the_load_is_how_late_the_loop_wakes() -> None:
    async def busy() -> int:
        load = LoadShedding(Metrics())
        watching = asyncio.create_task(load.watch())
        for _ in range(12):
            await asyncio.sleep(0)
            import time

            time.sleep(2 * DELAY_LIMITS[0] + 0.05)
            await asyncio.sleep(0.001)
        watching.cancel()
        return load.level

    assert asyncio.run(busy()) >= 1


def test_under_load_batches_are_refused_and_cached_answers_given(world: World) -> None:
    with started(settings_for(world.engine, world.store)) as running:
        assert running.get(GAME).status_code == 200
        ready = running.service.predictor.cached_answer
        eventually(lambda: bool(running.get(GAME)) and ready("soccer", "EPL", "EPL-102", NOW) is not None)
        load = running.service.load
        load.observe = lambda _late: None  # type: ignore[method-assign]
        load.level = 2
        refused = running.post("/v1/predictions/batch", json=BATCH)
        assert (refused.status_code, refused.json()["code"]) == (503, "SERVICE_ERROR")
        assert int(refused.headers["retry-after"]) > 0
        afresh = {"Cache-Control": "no-cache"}
        assert running.get(GAME, headers=afresh).status_code == 200
        load.level = 3
        assert running.get(GAME).status_code == 200
        assert running.get(GAME, headers=afresh).status_code == 503
        load.level = 0
        assert running.post("/v1/predictions/batch", json=BATCH).status_code == 200
        assert running.metric("dbsbm_shed_total", kind="batch") == 1
        assert running.metric("dbsbm_shed_total", kind="single") >= 1


BET = {"market": "moneyline", "selection": "home"}
PARLAY = {"legs": [{"sport": "soccer", "league": "EPL", "game_id": "EPL-102", "odds": 2.0, "bets": [BET]}]}
HEAVY = (
    ("POST", "/v2/models/EPL-results/infer", "batch"),
    ("POST", "/v2/models/EPL-results/versions/1/infer", "batch"),
    ("POST", "/invocations?model=EPL-results", "batch"),
    ("GET", "/v1/ranking", "batch"),
    ("POST", "/v1/parlays", "batch"),
    ("GET", "/v1/prices/soccer/EPL/EPL-102?market=moneyline&selection=home", "single"),
    ("GET", "/v1/matchups/soccer/EPL?home=Arsenal&away=Chelsea", "single"),
    ("GET", "/v1/games?q=ars", "single"),
)


@pytest.mark.parametrize(("method", "path", "kind"), HEAVY)
def test_under_load_every_expensive_request_is_refused_in_its_turn(
    service: Running, method: str, path: str, kind: Literal["batch", "single"]
) -> None:
    load, borne = service.service.load, SHED_FROM[kind] - 1
    try:
        load.level = borne
        assert service.request(method, path, json=PARLAY).status_code in (200, 422)
        load.level = borne + 1
        shed = service.metric("dbsbm_shed_total", kind=kind)
        refused = service.request(method, path, json=PARLAY)
        assert (refused.status_code, refused.json()["code"]) == (503, "SERVICE_ERROR")
        assert service.metric("dbsbm_shed_total", kind=kind) == shed + 1
    finally:
        load.level = 0


@pytest.mark.slow
def test_readiness_shows_the_generation_of_each_model_in_each_worker(world: World) -> None:
    settings = settings_for(world.engine, world.store)
    with started(settings) as first, started(settings) as second:
        agreed = [{"EPL-results": {"version": 1, "generation": 2}}] * 2
        eventually(lambda: list(first.get("/readyz").json()["workers"].values()) == agreed)
        assert first.get("/readyz").json()["agreed"] is True
        named = health(first).workers
        assert set(named) == {first.service.workers.name, second.service.workers.name}
        assert not any(name in first.get("/readyz").text for name in named)
        deploy(world.engine, world.store, EPL, number=2, home_lean=0.7)

        def both_have_it() -> bool:
            responses = [running.get("/readyz").json() for running in (first, second)]
            versions = [
                worker.get("EPL-results", {}).get("version") for one in responses for worker in one["workers"].values()
            ]
            return versions == [2] * 4 and all(one["agreed"] for one in responses)

        eventually(both_have_it)
    with reading(world.engine) as connection:
        assert connection.execute(sa.select(worker_table)).all() == []


def test_a_dead_worker_is_hidden_and_then_deleted(sqlite_database: Engine) -> None:
    moment = 0.0
    living, dead = (RolloutStatus(sqlite_database, Champions(), timer=lambda: moment) for _ in range(2))
    dead.step()
    living.step()
    assert set(living.live_workers()) == {living.name, dead.name}
    moment += ALIVE_SECONDS + 1
    living.step()
    assert set(living.live_workers()) == {living.name}
    moment += DELETE_AFTER_SECONDS
    living.step()
    with reading(sqlite_database) as connection:
        assert [row.worker for row in connection.execute(sa.select(worker_table))] == [living.name]


def test_health_is_that_of_the_worst_component_with_its_cause(world: World) -> None:
    with started(settings_for(world.engine, world.store)) as running:
        running.service.load.observe = lambda _late: None  # type: ignore[method-assign]
        running.service.load.level = 0
        eventually(lambda: health(running).status == "ok")
        assert {part.name for part in health(running).parts} >= {"database", "model EPL-results", "data EPL", "workers"}
        deploy(world.engine, world.store, EPL, number=2, damaged=True)
        eventually(lambda: health(running).status == "degraded")
        (cause,) = health(running).causes
        assert cause.startswith("model EPL-results: Version 2 was refused (SECURITY_ERROR), version 1 still answers:")
        assert running.metric("dbsbm_champion_refused", model="EPL-results") == 1
        deploy(world.engine, world.store, EPL, number=3, home_lean=0.9)
        eventually(lambda: health(running).status == "ok")
        assert running.metric("dbsbm_champion_refused", model="EPL-results") == 0
