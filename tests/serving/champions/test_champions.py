"""Champions are replaced without a restart, and never by a damaged bundle or one made for other features."""

import errno
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.transactions import writing
from core.errors import ConflictError
from core.registry.bundles.store import bundle_store
from core.registry.deployment import Version, deployment, install_champion, register, roll_back
from core.registry.tables import deployments, versions
from feature_store.features.sets import RESULTS
from serving.api.schemas import Models
from serving.champions.champion import Champion
from serving.champions.follower import ChampionFollower
from serving.champions.loader import TRIAL_FOLDER, load_version
from tests.conftest import NOW
from tests.serving.conftest import World, make_world
from tests.serving.models import EPL, NFL, deploy, record_price, written
from tests.serving.service import Running, eventually, settings_for, started

GAME = "/v1/predictions/soccer/EPL/EPL-102"


def version_of(running: Running) -> int:
    number: int = running.get(GAME).json()["model"]["version"]
    return number


def test_new_champion_answers_without_a_restart(mariadb_database: Engine, tmp_path: Path) -> None:
    """On MariaDB, whose sessions would see nothing new at the server's own isolation level."""
    database = mariadb_database
    world = make_world(database, tmp_path / "bundles")
    with started(settings_for(database, world.store)) as running:
        old = running.get(GAME).json()
        deploy(database, world.store, EPL, number=2, home_lean=2.0)
        eventually(lambda: version_of(running) == 2, 10)  # 1 to 3 s; longer only on a busy machine
        new = running.get(GAME).json()
        assert new["probabilities"]["home"] > old["probabilities"]["home"] + 0.1
        assert running.metric("dbsbm_champion_generation", model="EPL-results") == 4
        roll_back(database, "EPL-results", NOW)
        eventually(lambda: version_of(running) == 1)
        assert running.get(GAME).json()["probabilities"] == old["probabilities"]


def test_another_champion_under_the_same_generation_is_followed(world: World) -> None:
    """As after `dbsbm db restore`: the records of both databases may have counted to the same generation."""
    deploy(world.engine, world.store, EPL, number=2, home_lean=2.0)
    with started(settings_for(world.engine, world.store)) as running:
        assert version_of(running) == 2
        with writing(world.engine) as connection:
            connection.execute(sa.update(deployments).values(champion=1, previous=None))
        eventually(lambda: version_of(running) == 1)
        champion = running.service.champions.loaded["EPL-results"]
        other = written(world.store, EPL, number=1, home_lean=1.3)
        assert other.bundle_sha256 != champion.version.bundle_sha256
        with writing(world.engine) as connection:
            connection.execute(
                sa.update(versions).where(versions.c.version == 1).values(bundle_sha256=other.bundle_sha256)
            )
            connection.execute(sa.update(deployments).values(changed_at=NOW + timedelta(days=1)))
        eventually(lambda: _bundle_of(running) == other.bundle_sha256)
        assert running.get("/readyz").json()["agreed"] is True


def test_a_promotion_that_saw_another_record_of_the_same_generation_conflicts(world: World) -> None:
    seen = deployment(world.engine, "EPL-results")
    with writing(world.engine) as connection:
        connection.execute(sa.update(deployments).values(previous=7))
    with pytest.raises(ConflictError):
        install_champion(world.engine, seen, 1, NOW)


def _bundle_of(running: Running) -> str:
    return running.service.champions.loaded["EPL-results"].version.bundle_sha256


@pytest.mark.slow
def test_a_challenger_is_fetched_and_tried_before_its_promotion(world: World) -> None:
    (world.store / TRIAL_FOLDER).unlink()  # trials of other tests do not count here
    with started(settings_for(world.engine, world.store)) as running:
        eventually(lambda: "EPL-results" in running.service.champions.loaded)
        challenger = written(world.store, EPL, number=2, home_lean=1.7)
        register(world.engine, challenger, NOW)
        markers = world.store / TRIAL_FOLDER
        eventually(lambda: any(marker.name.startswith(challenger.bundle_sha256) for marker in markers.glob("*")))
        assert version_of(running) == 1


@pytest.mark.slow
def test_a_load_that_hangs_does_not_delay_other_champions(world: World) -> None:
    freed, settings = threading.Event(), settings_for(world.engine, world.store)
    store = bundle_store(settings)

    def load(registered: Version, generation: int) -> Champion:
        if registered.league == "NFL":
            freed.wait(30)
        if registered.version == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return load_version(store, registered, generation)

    with started(settings, load=load) as running:
        eventually(lambda: "EPL-results" in running.service.champions.loaded)
        deploy(world.engine, world.store, NFL)
        deploy(world.engine, world.store, EPL, number=2, home_lean=2.0)
        eventually(lambda: version_of(running) == 2)
        assert "NFL-results" not in running.service.champions.loaded
        freed.set()
        eventually(lambda: "NFL-results" in running.service.champions.loaded)
        deploy(world.engine, world.store, EPL, number=3, home_lean=0.4)
        eventually(lambda: _refused(running.service.champion_follower) == 3)
        assert "No space" in running.service.champion_follower.failures["EPL-results"].reason
        assert version_of(running) == 2


FLAWS: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"damaged": True}, "SECURITY_ERROR", "forecaster.json"),
    ({"fingerprint": "f" * 64}, "DATA_INTEGRITY_ERROR", "other state rules"),
    (
        {"labels": ("rating_gap@99",) + ("form_gap@1",) * (len(RESULTS.names) - 1)},
        "DATA_INTEGRITY_ERROR",
        "rating_gap@99",
    ),
)


@pytest.mark.slow
def test_bad_champions_are_refused_with_a_reason_and_the_old_one_stays_loaded(world: World) -> None:
    with started(settings_for(world.engine, world.store)) as running:
        old = running.get(GAME).json()
        refusals = running.service.champion_follower
        for number, (flaw, code, reason) in enumerate(FLAWS, start=2):
            before = running.metric("dbsbm_model_load_failures_total", model="EPL-results", code=code)
            deploy(world.engine, world.store, EPL, number=number, home_lean=number / 10, **flaw)
            eventually(lambda number=number: _refused(refusals) == number)  # type: ignore[misc]
            assert running.get(GAME).json()["probabilities"] == old["probabilities"]
            ready = running.get("/readyz")
            error = ready.json()["models"]["EPL-results"]["error"]
            assert (ready.status_code, error["version"], error["code"]) == (200, number, code)
            assert "reason" not in error
            (model,) = Models.model_validate_json(running.get("/v1/models").content).models
            assert (model.champion, model.loaded_version) == (number, 1)
            assert model.error is not None
            assert reason in model.error.reason
            assert running.metric("dbsbm_model_load_failures_total", model="EPL-results", code=code) == before + 1
        deploy(world.engine, world.store, EPL, number=5, home_lean=0.9)
        eventually(lambda: version_of(running) == 5)
        assert running.get("/readyz").json()["models"]["EPL-results"]["error"] is None


def _refused(follower: ChampionFollower) -> int | None:
    refusal = follower.failures.get("EPL-results")
    return None if refusal is None else refusal.version


def test_models_shows_versions_and_roles(service: Running) -> None:
    models = Models.model_validate_json(service.get("/v1/models").content).models
    assert [model.model for model in models] == ["EPL-prices", "EPL-results", "NFL-results"]
    assert models[0].versions[0].role == "champion"
    assert models[0].versions[0].scores["log_loss"] == 0.98
    assert models[0].loaded_generation == models[0].generation == 2


def test_new_price_changes_the_answer_without_a_restart(world: World) -> None:
    deploy(world.engine, world.store, EPL, "prices", with_trees=True)
    with started(settings_for(world.engine, world.store)) as running:
        before = running.get("/v1/predictions/soccer/EPL/EPL-101").json()
        record_price(world.engine, EPL, "EPL-101", 1.2, NOW + timedelta(minutes=1))
        eventually(lambda: running.get("/v1/predictions/soccer/EPL/EPL-101").json()["market"] != before["market"])
        after = running.get("/v1/predictions/soccer/EPL/EPL-101").json()
        assert after["market"]["home"] > before["market"]["home"]
        assert after["cache"] == "local"
