"""Elo, the sport together, or the league alone: by how many games there are."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.engine import Engine

from core.errors import ServiceError
from core.registry.bundles.store import BundleStore
from core.signing import Signer
from feature_store.archive import store as archive
from tests.conftest import NOW
from tests.databases import mlflow_store
from tests.generated import invented_facts
from tests.training.refused import rescored
from tests.training.runs.test_bad_input import EPL, LALIGA, LEAGUES, NFL, RESULTS, invented
from training.datasets.assembly import LEARNING_GAMES, load_dataset
from training.evaluation.scores import evaluate
from training.fitting.recipe import RECIPES
from training.runs.train import train
from training.runs.trained_model import fit_and_evaluate
from training.runs.training_run import TrainingRun


def test_a_handful_of_games_rests_on_elo() -> None:
    small = invented(NFL, 60)
    assert small.basis == "elo"
    trained = fit_and_evaluate(RESULTS, small)
    spec = trained.fitted.spec
    assert not trained.fitted.trees
    used = np.flatnonzero(np.array(spec.outcome.linears[0].coefficients).any(axis=0))
    assert [trained.recipe.features.names[place] for place in used] == ["rating_gap"]
    rows = np.zeros((1, len(trained.recipe.features.names)))
    rows[0, trained.recipe.features.names.index("rating_gap")] = 400.0
    assert trained.fitted.forecaster().probabilities(rows)[0, 0] == pytest.approx(10 / 11)
    assert evaluate(trained.blocks).scores[0].games > 20


def test_with_prices_a_handful_of_games_takes_the_market_as_it_is() -> None:
    small = invented(EPL, 100)
    assert small.basis == "elo"
    trained = fit_and_evaluate(RECIPES["prices"], small)
    place = [trained.recipe.features.names.index(name) for name in ("market_log_odds", "market_draw")]
    rows = np.zeros((1, len(trained.recipe.features.names)))
    rows[0, place] = np.log(0.5 / 0.3), np.log(0.2 / np.sqrt(0.5 * 0.3))
    said = trained.fitted.forecaster().blended(rows)[0]
    assert np.exp(said) / np.exp(said).sum() == pytest.approx([0.5, 0.2, 0.3], abs=0.02)


def test_elo_gives_the_draw_its_share() -> None:
    small = invented(EPL, 40)
    trained = fit_and_evaluate(RESULTS, small)
    even = trained.fitted.forecaster().probabilities(np.zeros((1, len(trained.recipe.features.names))))[0]
    assert even[0] == pytest.approx(even[2])
    assert 0.15 < even[1] < 0.35


def test_a_small_league_learns_from_its_sport() -> None:
    small = invented(EPL, 60)
    pooled = replace(small, lenders=(invented(LALIGA, 500, seed=8),))
    assert pooled.basis == "pooled"
    assert "LALIGA (500 games)" in pooled.rests_on
    trained = fit_and_evaluate(RESULTS, pooled)
    assert trained.recipe.pooled_with[0].startswith("LALIGA:")
    assert trained.recipe.label != RESULTS.of(small).label
    grown = replace(small, lenders=(invented(LALIGA, 510, seed=8),))
    assert RESULTS.of(grown).pooled_with != trained.recipe.pooled_with
    assert RESULTS.of(grown).label == trained.recipe.label
    assert len(trained.fitted.spec.outcome.linears) == 2


def test_nothing_is_borrowed_from_the_future() -> None:
    small, lender = invented(EPL, 200), invented(LALIGA, 500, seed=8)
    moment = float(small.starts[100])
    basis, lessons = replace(small.select(small.starts < moment), lenders=(lender,)).lessons(moment)
    assert basis == "pooled"
    assert len(lessons) == 100 + (lender.starts < moment).sum()
    assert (lessons.starts < moment).all()
    assert (np.diff(lessons.starts) >= 0).all()


def test_enough_games_stand_alone() -> None:
    assert invented(NFL, LEARNING_GAMES).basis == "own"


def test_the_archive_lends_only_what_plays_alike(sqlite_database: Engine) -> None:
    for league, games in ((EPL, 60), (LALIGA, 400), (NFL, 400)):
        archive.record(
            sqlite_database, league, invented_facts(5, games=games, quirks=False), source="test", recorded_at=NOW
        )
    dataset = load_dataset(sqlite_database, EPL, NOW + timedelta(days=1), LEAGUES)
    assert [other.league.key for other in dataset.lenders] == ["LALIGA"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.slow
def test_the_version_says_what_it_rests_on(sqlite_database: Engine, tmp_path: Path) -> None:
    archive.record(sqlite_database, EPL, invented_facts(5, games=60, quirks=False), source="test", recorded_at=NOW)
    stages: dict[str, str] = {}
    store = BundleStore(tmp_path, mlflow_store(tmp_path), Signer(b"test key", "bundle"))
    # Two of its games at random have the same clubs and score within days, as a game that was moved would have.
    run = TrainingRun(EPL, RESULTS, store, NOW, NOW, accept=["EPL-2023-told_twice"])
    version = train(sqlite_database, run, on_stage=stages.__setitem__)
    assert version.scores["basis"] == "elo"
    assert "Elo ratings" in stages["data"]


@pytest.mark.slow
def test_a_league_that_lends_is_examined_like_the_one_that_learns(sqlite_database: Engine, tmp_path: Path) -> None:
    one_sided = rescored(invented_facts(8, games=500, quirks=False), lambda _: (20, 17))
    for league, facts in ((EPL, invented_facts(7, games=60, quirks=False)), (LALIGA, one_sided)):
        archive.record(sqlite_database, league, facts, source="test", recorded_at=NOW)
    store = BundleStore(tmp_path / "bundles", mlflow_store(tmp_path), Signer(b"tests", "bundle"))
    run = TrainingRun(EPL, RESULTS, store, known_by=NOW + timedelta(days=400), now=NOW, others=(LALIGA,))
    with pytest.raises(ServiceError, match="LALIGA") as refused:
        train(sqlite_database, run)
    assert any("home_wins" in str(flag) for flag in refused.value.facts["flags"])
