"""Changes by an admin over HTTP, and those that only the promotion gate may make."""

import pytest
from sqlalchemy.engine import Engine

from core.logs import configure_logs
from core.registry.deployment import deployment, install_champion, register, version
from tests.conftest import NOW
from tests.serving.conftest import World
from tests.serving.guarded import make_key, production_settings
from tests.serving.models import EPL, damage, deploy
from tests.serving.service import Running, eventually, started

MODEL = "EPL-results"


def act(running: Running, key: str, action: str, model: str = MODEL, **options: object) -> tuple[int, dict]:  # type: ignore[type-arg]
    answer = running.post(f"/v1/admin/models/{model}/{action}", headers={"X-API-Key": key}, **options)
    return answer.status_code, answer.json()


def answers(running: Running, version_number: int, generation: int) -> bool:
    """Whether this version answers; loading its bundle for the first time takes a second or more."""
    champion = running.service.champions.loaded.get(MODEL)
    return champion is not None and (champion.version.version, champion.generation) == (version_number, generation)


@pytest.mark.slow
@pytest.mark.usefixtures("own_logs")
def test_rollback_and_promotion_of_accepted_versions_reach_the_answers(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(world.engine, world.store, EPL, number=2, home_lean=0.9)
    key = make_key(world.engine, "admin")
    settings = production_settings(world)
    configure_logs(settings)
    with started(settings) as running:
        status, record = act(running, key, "promote", json={"version": 1})
        assert (status, record["champion"], record["previous"]) == (200, 1, 2)
        eventually(lambda: answers(running, 1, record["generation"]), seconds=60)
        status, record = act(running, key, "promote", json={"version": 2})
        assert (status, record["champion"], record["previous"]) == (200, 2, 1)
        eventually(lambda: answers(running, 2, record["generation"]), seconds=60)
        status, record = act(running, key, "rollback")
        assert (status, record["champion"], record["previous"]) == (200, 1, None)
        eventually(lambda: answers(running, 1, record["generation"]), seconds=60)
        status, problem = act(running, key, "rollback")
        assert (status, problem["code"]) == (409, "CONFLICT_ERROR")
        assert "no previous champion" in problem["detail"]
        assert act(running, key, "promote", json={"version": 2})[0] == 409
        assert deployment(world.engine, MODEL).champion == 1
    logged = [line for line in capsys.readouterr().err.splitlines() if "deployment changed" in line]
    assert len(logged) == 3
    assert all(key.partition(".")[0] in line for line in logged)


@pytest.mark.parametrize("guild", [None, "5", "6"])
def test_a_key_bound_to_a_guild_changes_nothing_for_others(world: World, guild: str | None) -> None:
    """Even one with the scope: every guild is answered by the same champion."""
    key = make_key(world.engine, "admin", "predict", guild_id=5)
    before = deployment(world.engine, MODEL)
    headers = {"X-API-Key": key, **({"X-Guild-ID": guild} if guild else {})}
    with started(production_settings(world)) as running:
        for action in ("reload", "rollback", "promote"):
            answer = running.post(f"/v1/admin/models/{MODEL}/{action}", headers=headers, json={"version": 1})
            assert (answer.status_code, answer.json()["code"]) == (403, "AUTH_ERROR")
        own = {**headers, "X-Guild-ID": "5"}
        assert running.get("/v1/games", headers=own).status_code == 200
    assert deployment(world.engine, MODEL) == before


def test_only_the_gate_promotes_a_new_version(world: World) -> None:
    first = version(world.engine, MODEL, 1)
    register(world.engine, type(first)(**{**vars(first), "version": 2}), NOW)
    key = make_key(world.engine, "admin")
    with started(production_settings(world)) as running:
        before = deployment(world.engine, MODEL)
        status, problem = act(running, key, "promote", json={"version": 2})
        assert (status, problem["code"]) == (409, "CONFLICT_ERROR")
        assert f"dbsbm promote {MODEL} --version 2" in problem["hint"]
        assert act(running, key, "promote", json={"version": 1})[0] == 409
        assert act(running, key, "promote", json={"version": 9})[0] == 404
        assert act(running, key, "rollback")[0] == 409
        assert act(running, key, "rollback", "EPL-result")[1]["nearest"] == [MODEL]
        for wrong in ({}, {"version": 0}, {"version": "two"}, {"version": 2, "force": True}):
            assert act(running, key, "promote", json=wrong)[0] == 422
        assert deployment(world.engine, MODEL) == before


def test_a_refused_champion_is_loaded_again_by_reload(world: World) -> None:
    second = deploy(world.engine, world.store, EPL, number=2, home_lean=0.9)
    target = world.store / second.bundle_sha256 / "forecaster.json"
    whole = target.read_bytes()
    key = make_key(world.engine, "admin")
    damage(world.store, second)
    with started(production_settings(world)) as running:
        eventually(lambda: MODEL in running.service.champion_follower.failures, seconds=60)
        target.write_bytes(whole)
        status, record = act(running, key, "reload")
        assert (status, record["champion"]) == (200, 2)
        eventually(lambda: answers(running, 2, record["generation"]), seconds=60)
        assert MODEL not in running.service.champion_follower.failures


def test_two_admins_at_once_change_it_once(sqlite_database: Engine, world: World) -> None:
    deploy(world.engine, world.store, EPL, number=2)
    seen = deployment(world.engine, MODEL)
    install_champion(world.engine, seen, 1, NOW)
    with pytest.raises(Exception, match="changed by someone else"):
        install_champion(world.engine, seen, 1, NOW)
