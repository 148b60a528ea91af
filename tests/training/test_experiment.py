"""Trying a recipe: what may be changed, what is refused by name, and that the registry stays as it was."""

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.errors import ResourceNotFoundError, ValidationError
from core.registry import deployment
from core.registry.tracking import Tracking
from feature_store import archive
from feature_store.sample import sample_batches
from training.experiment import Change, changed, compare, experiment, parse_settings
from training.recipe import RECIPES

RESULTS, PRICES = RECIPES["results"], RECIPES["prices"]
EPL = Leagues(BUILT_IN).get("EPL")
NOW = datetime(2024, 7, 1, tzinfo=UTC)


def test_settings_are_read_as_the_recipes_own_types() -> None:
    tried = changed(RESULTS, Change(parse_settings(["leaves=15", "learning_rate=.03"])))
    assert (tried.leaves, tried.learning_rate) == (15, 0.03)
    assert tried.label != RESULTS.label
    assert changed(RESULTS, Change({})) == RESULTS


def test_features_are_left_out_of_the_anchor_too_and_keep_their_order() -> None:
    tried = changed(RESULTS, Change({}, without=("rating_gap", "form_gap")))
    assert tried.features.names == tuple(n for n in RESULTS.features.names if n not in ("rating_gap", "form_gap"))
    assert "rating_gap" not in tried.anchor
    back = changed(tried, Change({}, added=("form_gap", "rating_gap")))
    assert back.features.names == RESULTS.features.names


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Change({"leafs": "3"}), "no 'leafs'. Nearest: .*leaves"),
        (Change({"leaves": "many"}), "--set leaves: expected a value such as 4"),
        (Change({"variant": "prices"}), "no 'variant'"),
        (Change({}, without=("form_gab",)), "no feature 'form_gab'. Nearest: form_gap"),
        (Change({}, without=("market_draw",)), "has no market_draw to leave out"),
        (Change({}, added=("market_draw",)), "is a price of the game itself"),
        (Change({}, without=RESULTS.anchor), "anchor is left"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused_by_name(change: Change, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        changed(RESULTS, change)


@pytest.mark.parametrize("text", ["leaves", "=3", "leaves="])
def test_a_setting_without_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="NAME=VALUE"):
        parse_settings([text])


def test_runs_are_compared_on_the_same_games_and_nothing_is_registered(sqlite_database: Engine, tmp_path: Path) -> None:
    archive.record(sqlite_database, EPL, sample_batches(Leagues(BUILT_IN))[EPL], source="sample", recorded_at=NOW)
    uri = f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    with pytest.raises(ResourceNotFoundError, match="no runs yet"):
        compare(Tracking(uri), EPL)
    tried = {}
    for words, change in {
        "plain": Change({"rounds": "5"}),
        "blunt": Change({"regularisation": "1e-9", "rounds": "5"}),
    }.items():
        tried[words], _ = experiment(sqlite_database, EPL, RESULTS, change, tracking_uri=uri, known_by=NOW, now=NOW)
    first, second = compare(Tracking(uri), EPL, against=tried["plain"][:8])
    assert (first.difference, first.run.experiment) == (0, "EPL/experiments")
    assert first.shared_games == second.shared_games > 100
    assert second.difference == pytest.approx(
        second.run.metrics["model_log_loss"] - first.run.metrics["model_log_loss"], abs=1e-5
    )
    assert second.error > 0
    tracking = Tracking(uri)
    tracking._client.search_runs = partial(tracking._client.search_runs, max_results=1)
    assert [one.run.run_id for one in compare(tracking, EPL)] == [tried["blunt"]], "of too many runs, the newest"
    with pytest.raises(ResourceNotFoundError, match="No run begins"):
        compare(Tracking(uri), EPL, against="zzz")
    assert deployment.versions(sqlite_database) == []
    assert deployment.deployments(sqlite_database) == {}
