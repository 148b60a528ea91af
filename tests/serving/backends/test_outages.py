"""Outages of the database and Redis: answers continue, and the service reports what is unavailable."""

import asyncio
import time
from pathlib import Path

import httpx
import pytest
import redis
import sqlalchemy as sa
from sqlalchemy.engine import URL

from core.database.engines import open_database
from core.database.transactions import reading
from core.registry.deployment import versions
from migrations import schema
from serving.predictions.ahead.precompute import score_upcoming
from serving.predictions.body import BODY_FORMAT
from serving.predictions.tables import SERVED, predictions
from tests.conftest import NOW
from tests.services import RedisServer, free_port, mariadb_server, redis_server
from tests.serving.conftest import World, make_world
from tests.serving.models import EPL, deploy
from tests.serving.service import MovingClock, Running, eventually, settings_for, started

GAME = "/v1/predictions/soccer/EPL/EPL-102"
BEGUN = "/v1/predictions/soccer/EPL/EPL%2F104"
AFTER_START = MovingClock(NOW.replace(hour=13))


def logged(world: World) -> int:
    with reading(world.engine) as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(predictions)).scalar_one()


@pytest.mark.server
def test_answers_continue_after_the_database_was_killed(tmp_path: Path) -> None:
    with mariadb_server() as server:
        engine = open_database(server.recreate("ours"))
        schema.upgrade(engine)
        world = make_world(engine, tmp_path / "bundles")
        with started(settings_for(engine, world.store)) as running:
            before = running.get(GAME).json()
            eventually(lambda: running.service.log.depth == 0)
            server.process.kill()
            server.process.wait()
            eventually(lambda: running.service.slate_follower.database_error is not None)
            answers = [running.get(GAME) for _ in range(50)]
            assert {answer.status_code for answer in answers} == {200}
            assert answers[-1].json()["probabilities"] == before["probabilities"]
            ready = running.get("/readyz")
            assert (ready.status_code, ready.json()["slate"]["database"]) == (200, "DB_ERROR")
            eventually(lambda: running.metric("dbsbm_prediction_spool_depth") == 50)
            matchup = running.get("/v1/matchups/soccer/EPL", params={"home": "Arsenal", "away": "Chelsea"})
            assert (matchup.status_code, matchup.json()["code"]) == (503, "DB_ERROR")
            assert str(server.port) not in matchup.text
            metrics = running.service.metrics.registry
        engine.dispose()
        assert metrics.get_sample_value("dbsbm_prediction_log_dropped_total") == 0


def test_a_missing_database_at_the_start_is_reported(tmp_path: Path) -> None:
    unreachable = URL.create("mysql+pymysql", "root", None, "127.0.0.1", free_port(), "ours")
    with started(settings_for(unreachable, tmp_path)) as running:
        assert running.get("/healthz").json() == {"status": "alive"}
        ready = running.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["causes"] == ["Database unavailable (DB_ERROR).", "No champion is loaded."]
        for path in (GAME, "/v1/ranking", "/v1/games"):
            answer = running.get(path)
            assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_ERROR"), path


def test_every_served_prediction_is_logged_exactly_once(service: Running, shared_world: World) -> None:
    def ask(number: int, **more: str) -> httpx.Response:
        return service.get(GAME, headers={"X-Request-ID": f"counted-{number}", **more})

    etag = [ask(number) for number in range(10)][-1].headers["etag"]
    ask(10, **{"If-None-Match": etag})
    service.get("/v1/predictions/soccer/EPL/nothing", headers={"X-Request-ID": "counted-11"})
    games = [{"sport": "soccer", "league": "EPL", "game_id": game} for game in ("EPL-101", "EPL-103", "no")]
    service.post("/v1/predictions/batch", json={"games": games}, headers={"X-Request-ID": "counted-12"})
    eventually(lambda: service.service.log.depth == 0)
    with reading(shared_world.engine) as connection:
        wanted = SERVED.where(predictions.c.request_id.startswith("counted-"))
        rows = connection.execute(wanted).mappings().all()
    assert len(rows) == 12
    row = next(row for row in rows if row["game_id"] == "EPL-101")
    assert row["p_home"] + row["p_draw"] + row["p_away"] == pytest.approx(1)
    assert (row["model"], row["version"], row["cache"], row["served_at"]) == ("EPL-prices", 1, "local", NOW)


def test_a_matchup_is_neither_counted_nor_logged(service: Running, shared_world: World) -> None:
    eventually(lambda: service.service.log.depth == 0)
    counted, written = service.metric("dbsbm_predictions_total", level="computed"), logged(shared_world)
    assert service.get("/v1/matchups/soccer/EPL", params={"home": "Arsenal", "away": "Chelsea"}).status_code == 200
    assert service.metric("dbsbm_predictions_total", level="computed") == counted
    assert (service.service.log.depth, logged(shared_world)) == (0, written)


@pytest.mark.parametrize("path", ["/metrics", "/v1/system/health"])
def test_the_disk_is_not_read_on_the_event_loop(service: Running, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    off_loop: list[bool] = []

    def depths() -> dict[str, int]:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            off_loop.append(True)
        return {}

    monkeypatch.setattr(service.service.spools, "depths", depths)
    assert service.get(path).status_code == 200
    assert off_loop == [True]


def test_predictions_served_just_before_the_end_are_logged(world: World) -> None:
    with started(settings_for(world.engine, world.store)) as running:
        for _ in range(5):
            running.get(GAME)
    assert logged(world) == 5


def test_two_workers_share_one_computation(
    world: World, redis_process: RedisServer, shared_redis: "redis.Redis[bytes]"
) -> None:
    """A game that has begun is not computed ahead: the first worker computes it and shares it with its reasons."""
    settings = settings_for(world.engine, world.store, redis_url=redis_process.url)
    with started(settings, AFTER_START) as first, started(settings, AFTER_START) as second:
        draft = first.get(BEGUN).json()
        assert (draft["cache"], draft["reasons"]) == ("computed", None)
        eventually(lambda: first.get(BEGUN).json()["reasons"] is not None)
        eventually(lambda: bool(_cached_keys(shared_redis, 1)))
        answers = [running.get(BEGUN).json() for running in (first, second, second)]
        assert [answer.pop("cache") for answer in answers] == ["local", "redis", "local"]
        assert all(answer == answers[0] for answer in answers)
        assert answers[0]["probabilities"] == draft["probabilities"]


def _cached_keys(client: "redis.Redis[bytes]", version: int) -> list[bytes]:
    """Return the keys in Redis of the game that has begun."""
    return list(client.keys(f"{BODY_FORMAT}:EPL-results:{version}:*:soccer/EPL/EPL/104:*"))


def _levels(running: Running, world: World, first: int, last: int) -> list[str]:
    """Return the cache level of one answer by each of several versions; each version has its own cache key."""
    levels = []
    for number in range(first, last + 1):
        deploy(world.engine, world.store, EPL, number=number, home_lean=number / 10)
        eventually(lambda number=number: running.service.champions.loaded["EPL-results"].version.version == number)  # type: ignore[misc]
        answer = running.get(BEGUN, headers={"Cache-Control": "no-cache"})
        assert answer.status_code == 200
        assert answer.json()["model"]["version"] == number
        levels.append(answer.json()["cache"])
    return levels


@pytest.mark.server
def test_redis_killed_poisoned_and_back_under_a_running_service(world: World) -> None:
    port = free_port()
    settings = settings_for(world.engine, world.store, redis_url=f"redis://127.0.0.1:{port}/0")
    with started(settings, AFTER_START) as running:
        with redis_server(port) as server, redis.Redis(port=port) as client:
            eventually(lambda: running.get("/readyz").json()["redis"] == "closed")
            assert running.get(BEGUN).json()["cache"] == "computed"
            eventually(lambda: bool(_cached_keys(client, 1)))
            server.process.kill()
            server.process.wait()
        assert set(_levels(running, world, 2, 2)) <= {"computed", "bypass"}
        began = time.monotonic()
        assert {running.get(GAME).status_code for _ in range(100)} == {200}
        assert time.monotonic() - began < 2
        eventually(lambda: running.get("/readyz").json()["redis"] != "closed")
        assert running.metric("dbsbm_redis_breaker") > 0, "the outage shows although every answer was cached"
        with redis_server(port), redis.Redis(port=port) as client:
            eventually(lambda: running.get("/readyz").json()["redis"] == "closed")
            eventually(lambda: bool(_levels(running, world, 3, 3)) and bool(_cached_keys(client, 3)))
            assert running.get("/readyz").json()["redis"] == "closed"


def test_scoring_ahead_writes_what_the_server_reads(
    world: World, redis_process: RedisServer, shared_redis: "redis.Redis[bytes]"
) -> None:
    settings = settings_for(world.engine, world.store, redis_url=redis_process.url)
    clock = MovingClock()
    report = score_upcoming(settings, clock, ["epl"])
    assert (report.games, report.scored, report.written, report.refused, report.unscored) == (4, 4, 4, {}, {})
    assert report.champions == ("EPL-results 1",)
    assert len(shared_redis.keys(f"{BODY_FORMAT}:*")) == 4
    with started(settings, clock) as running:
        service = running.service
        row, _ = service.slate.find(EPL, "EPL-102")
        service.cache.local = type(service.cache.local)()
        assert running.get(GAME).json()["cache"] == "redis", row


def test_scoring_ahead_without_redis_only_checks(world: World) -> None:
    (version,) = versions(world.engine)
    report = score_upcoming(settings_for(world.engine, world.store), MovingClock())
    assert (report.scored, report.written, report.champions) == (4, 0, (f"{version.model} 1",))
