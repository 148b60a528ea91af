"""One record per model names the champion; of two concurrent changes one raises ConflictError."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import numpy as np
import pytest
from sqlalchemy.engine import Engine

from core.errors import ConflictError, ResourceNotFoundError
from core.registry.deployment import (
    Deployment,
    Version,
    deployment,
    deployments,
    install_champion,
    model_name,
    register,
    roll_back,
    version,
    versions,
)
from core.registry.held_out import HeldOut, held_out
from tests.conftest import NOW

LATER = NOW + timedelta(hours=1)
MODEL = "EPL-results"


def made(number: int, model: str = MODEL) -> Version:
    return Version(
        model=model,
        version=number,
        sport="soccer",
        league="EPL",
        variant="results",
        recipe="plain",
        bundle_sha256=f"{number:064}",
        features="f" * 64,
        snapshot_sha256="5" * 64,
        trained_until=datetime(2024, 4, 30, tzinfo=UTC),
        registered_at=NOW,
        run_id=f"run-{number}",
        scores={"log_loss": 0.1 + 0.2, "games": 380, "market": None},
    )


def deployed(database: Engine, *numbers: int) -> Deployment:
    """The record after each version was registered and made champion in turn."""
    for number in numbers:
        register(database, made(number), NOW)
        install_champion(database, deployment(database, MODEL), number, NOW)
    return deployment(database, MODEL)


def test_a_model_is_named_after_its_league_and_variant() -> None:
    assert model_name("EPL", "results") == MODEL


def test_a_registered_version_is_a_challenger_and_comes_back_as_it_was(database: Engine) -> None:
    register(database, made(1), NOW)
    assert versions(database) == [made(1)]
    assert deployment(database, MODEL) == Deployment(MODEL, 1, None, 1, None, NOW)


def test_a_later_challenger_takes_the_earlier_ones_place(database: Engine) -> None:
    register(database, made(1), NOW)
    register(database, made(2), LATER)
    assert deployment(database, MODEL) == Deployment(MODEL, 2, None, 2, None, LATER)
    assert [one.version for one in versions(database, MODEL)] == [1, 2]
    assert version(database, MODEL, 1) == made(1)


def test_a_new_champion_leaves_the_old_one_to_go_back_to(database: Engine) -> None:
    register(database, made(1), NOW)
    first = install_champion(database, deployment(database, MODEL), 1, NOW)
    assert (first.generation, first.champion, first.challenger, first.previous) == (2, 1, None, None)
    register(database, made(2), NOW)
    second = install_champion(database, deployment(database, MODEL), 2, LATER)
    assert second == Deployment(MODEL, 4, 2, None, 1, LATER)


def test_a_champion_other_than_the_challenger_leaves_the_challenger_waiting(database: Engine) -> None:
    register(database, made(1), NOW)
    register(database, made(2), NOW)
    changed = install_champion(database, deployment(database, MODEL), 1, NOW)
    assert (changed.champion, changed.challenger) == (1, 2)


def test_going_back_twice_does_not_bring_back_what_was_to_go(database: Engine) -> None:
    before = deployed(database, 1, 2)
    back = roll_back(database, MODEL, LATER)
    assert (back.champion, back.previous, back.generation) == (1, None, before.generation + 1)
    with pytest.raises(ConflictError, match="no previous champion") as refused:
        roll_back(database, MODEL, LATER)
    assert f"dbsbm promote {MODEL} --version N" in refused.value.hint
    assert deployment(database, MODEL) == back
    forth = install_champion(database, back, 2, LATER)
    assert (forth.champion, forth.previous) == (2, 1)


def test_promoting_the_champion_again_keeps_the_way_back(database: Engine) -> None:
    again = install_champion(database, deployed(database, 1, 2), 2, LATER)
    assert (again.champion, again.previous) == (2, 1)


def test_without_a_previous_champion_there_is_no_way_back(database: Engine) -> None:
    before = deployed(database, 1)
    with pytest.raises(ConflictError, match=f"{MODEL} has no previous champion"):
        roll_back(database, MODEL, LATER)
    assert deployment(database, MODEL) == before


def test_a_record_changed_meanwhile_is_not_overwritten(database: Engine) -> None:
    seen = deployed(database, 1)
    register(database, made(2), NOW)
    with pytest.raises(ConflictError, match="changed by someone else") as refused:
        install_champion(database, seen, 1, LATER)
    assert "dbsbm models" in refused.value.hint
    assert deployment(database, MODEL).challenger == 2


def test_of_two_promoters_at_once_one_wins_and_the_other_is_refused(database: Engine) -> None:
    for number in range(1, 5):
        register(database, made(number), NOW)
    seen, ready = deployment(database, MODEL), Barrier(4)

    def promote(number: int) -> int | None:
        ready.wait()
        try:
            return install_champion(database, seen, number, LATER).champion
        except ConflictError:
            return None

    with ThreadPoolExecutor(4) as pool:
        won = [number for number in pool.map(promote, range(1, 5)) if number is not None]
    after = deployment(database, MODEL)
    assert won == [after.champion]
    assert after.generation == seen.generation + 1


def test_versions_registered_at_once_are_all_kept(database: Engine) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: register(database, made(number), NOW), range(1, 9)))
    assert [one.version for one in versions(database, MODEL)] == list(range(1, 9))
    assert deployment(database, MODEL).generation == 8


def test_models_do_not_answer_for_each_other(database: Engine) -> None:
    deployed(database, 1)
    register(database, made(7, "NFL-prices"), NOW)
    assert set(deployments(database)) == {MODEL, "NFL-prices"}
    assert [one.version for one in versions(database, "NFL-prices")] == [7]
    assert deployment(database, MODEL).challenger is None


def test_what_does_not_exist_is_refused_with_the_nearest(database: Engine) -> None:
    deployed(database, 1, 2)
    with pytest.raises(ResourceNotFoundError, match=r"no model 'EPL-result'. Nearest: EPL-results"):
        deployment(database, "EPL-result")
    with pytest.raises(ResourceNotFoundError, match=r"no model 'EPL-result'. Nearest: EPL-results"):
        version(database, "EPL-result", 1)
    with pytest.raises(
        ResourceNotFoundError, match=r"EPL-results has no version 9. Nearest: EPL-results 1, EPL-results 2"
    ):
        version(database, MODEL, 9)


def test_held_out_losses_are_entered_with_their_version_or_not_at_all(database: Engine) -> None:
    losses = HeldOut(("a", "b"), np.array([0.0, 1.0]), np.array([0, 1]), np.array([0.5, 0.7]), np.array([300, 300]))
    register(database, made(1), NOW, losses)
    register(database, made(2), NOW)
    kept = held_out(database, MODEL, 1)
    assert kept is not None
    assert (kept.game_ids, kept.losses.tolist(), kept.learnt.tolist()) == (("a", "b"), [0.5, 0.7], [300, 300])
    assert held_out(database, MODEL, 2) is None
