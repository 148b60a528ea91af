"""Trying a recipe: what may be changed, what is refused by name, and that the registry stays as it was."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.engine import Engine

from core.betting.leagues import BUILT_IN, Leagues
from core.errors import ResourceNotFoundError, ServiceError, ValidationError
from core.registry import deployment
from core.registry.bundles.store import BundleStore
from core.registry.held_out import HeldOut
from core.registry.tracking.client import Tracking
from core.registry.tracking.runs import FinishedRun
from core.signing import Signer
from feature_store.archive import store as archive
from feature_store.sources.library.sample import sample_batches
from tests.databases import mlflow_store
from tests.training.refused import GAMES_OF_300, of_seasons, rescored
from training.fitting.recipe import RANGES, RECIPES
from training.runs.experiment import Change, _best, apply_change, compare, experiment, parse_settings
from training.runs.training_run import TrainingRun

RESULTS, PRICES = RECIPES["results"], RECIPES["prices"]
EPL = Leagues(BUILT_IN).get("EPL")
NOW = datetime(2024, 7, 1, tzinfo=UTC)


def test_settings_are_read_as_the_recipes_own_types() -> None:
    tried = apply_change(RESULTS, Change(parse_settings(["leaves=15", "learning_rate=.03"])))
    assert (tried.leaves, tried.learning_rate) == (15, 0.03)
    assert tried.label != RESULTS.label
    assert apply_change(RESULTS, Change({})) == RESULTS


def test_features_are_left_out_of_the_anchor_too_and_keep_their_order() -> None:
    tried = apply_change(RESULTS, Change({}, without=("rating_gap", "form_gap")))
    assert tried.features.names == tuple(n for n in RESULTS.features.names if n not in ("rating_gap", "form_gap"))
    assert "rating_gap" not in tried.anchor
    back = apply_change(tried, Change({}, added=("form_gap", "rating_gap")))
    assert back.features.names == RESULTS.features.names


@pytest.mark.parametrize(
    ("change", "message"),
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
def test_a_change_that_cannot_be_made_is_refused_by_name(change: Change, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        apply_change(RESULTS, change)


@pytest.mark.parametrize(
    ("name", "value", "span"),
    [
        ("leaves", "1", "2 to 1,024"),
        ("learning_rate", "-1", "0.001 to 1"),
        ("learning_rate", "inf", "0.001 to 1"),
        ("leaf_games", "-5", "1 to 100,000"),
        ("regularisation", "0", "1e-09 to 1,000,000"),
        ("regularisation", "nan", "1e-09 to 1,000,000"),
        ("rounds", "0", "1 to 5,000"),
        ("anchor_share", "2", "0.01 to 0.99"),
        ("prior_games", "-1", "0 to 1,000,000"),
        ("proving_seasons", "0", "1 to 100"),
        ("tune", "-3", "0 to 10,000"),
        ("seed", "-1", "0 to 2,147,483,647"),
    ],
)
def test_a_number_out_of_its_range_is_refused_with_setting_value_and_range(name: str, value: str, span: str) -> None:
    with pytest.raises(ValidationError) as refused:
        apply_change(RESULTS, Change({name: value}))
    read = type(getattr(RESULTS, name))(value)
    assert refused.value.message == f"--set {name}: expected {span}, got {read}."
    assert refused.value.facts["field"] == "set"


def test_every_number_of_a_recipe_has_a_range_that_it_lies_in_itself() -> None:
    for recipe in RECIPES.values():
        numbers = {name: value for name, value in vars(recipe).items() if isinstance(value, int | float)}
        assert set(numbers) == set(RANGES)
        assert apply_change(recipe, Change({name: str(value) for name, value in numbers.items()})) == recipe


@pytest.mark.parametrize("name", ["anchor", "favoured"])
@pytest.mark.parametrize(
    ("features", "message"),
    [
        ("price_margin,raiting_gap", "no feature 'raiting_gap'. Nearest: .*rating_gap"),
        ("price_margin,", "no feature ''"),
        ("market_draw", "market_draw is none of the features"),
        ("form_gap", "form_gap is none of the features"),
        ("home_back_to_back", "home_back_to_back is none of the features"),
    ],
)
def test_a_name_that_is_none_of_the_recipes_features_is_not_dropped_in_silence(
    name: str, features: str, message: str
) -> None:
    with pytest.raises(ValidationError, match=f"--set {name}: .*{message}"):
        apply_change(RESULTS.in_sport("soccer"), Change({name: features}, without=("form_gap",)))


def test_names_that_are_features_are_taken_in_the_order_given() -> None:
    tried = apply_change(RESULTS, Change({"anchor": "rating_gap, price_margin", "favoured": "total_slow"}))
    assert (tried.anchor, tried.favoured) == (("rating_gap", "price_margin"), ("total_slow",))


def test_which_leagues_are_borrowed_from_follows_from_the_data_and_is_no_setting() -> None:
    with pytest.raises(ValidationError, match="no 'pooled_with'"):
        apply_change(RESULTS, Change({"pooled_with": "LALIGA"}))


@pytest.mark.parametrize("text", ["leaves", "=3", "leaves="])
def test_a_setting_without_name_or_value_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="NAME=VALUE"):
        parse_settings([text])


@pytest.mark.slow
def test_runs_are_compared_on_the_same_games_and_nothing_is_registered(sqlite_database: Engine, tmp_path: Path) -> None:
    archive.record(sqlite_database, EPL, sample_batches(Leagues(BUILT_IN))[EPL], source="sample", recorded_at=NOW)
    uri = mlflow_store(tmp_path / "mlflow")
    with pytest.raises(ResourceNotFoundError, match="no runs yet"):
        compare(Tracking(uri), EPL)
    store = BundleStore(tmp_path / "bundles", uri, Signer(b"tests", "bundle"))
    run = TrainingRun(EPL, RESULTS, store, NOW, NOW)
    tried = {}
    for words, change in {
        "plain": Change({"rounds": "5"}),
        "blunt": Change({"regularisation": "1e-9", "rounds": "5"}),
    }.items():
        tried[words], _ = experiment(sqlite_database, run, change)
    first, second = compare(Tracking(uri), EPL, against=tried["plain"][:8])
    assert (first.difference, first.run.experiment) == (0, "EPL/experiments")
    assert first.shared_games == second.shared_games > 100
    assert second.difference == pytest.approx(
        second.run.metrics["model_log_loss"] - first.run.metrics["model_log_loss"], abs=1e-5
    )
    assert second.error > 0
    client = Tracking(uri)._client
    logged = client.get_run(tried["plain"])
    recipe = json.loads(Tracking(uri).document(tried["plain"], "recipe.json"))
    assert (logged.data.tags["basis"], "playoff" in logged.data.tags["constant_features"]) == ("own", True)
    assert str(recipe["features"]) == logged.data.params["features"], (
        "the recipe as it was used, not as it was asked for"
    )
    tracking = Tracking(uri)
    tracking._client.search_runs = partial(tracking._client.search_runs, max_results=1)
    assert [one.run.run_id for one in compare(tracking, EPL)] == [tried["blunt"]], "of too many runs, the newest"
    with pytest.raises(ResourceNotFoundError, match="No run begins"):
        compare(Tracking(uri), EPL, against="zzz")
    assert deployment.versions(sqlite_database) == []
    assert deployment.deployments(sqlite_database) == {}


@pytest.mark.slow
def test_a_refused_experiment_is_logged_and_an_accepted_one_names_its_overlaps(
    sqlite_database: Engine, tmp_path: Path
) -> None:
    def typed(number: int) -> tuple[int, int]:
        """A nought too many in one season."""
        times = 10 if 120 <= number < 180 else 1
        return times * (number * 7 % 5), times * (number * 3 % 4)

    tenfold = rescored(GAMES_OF_300, typed)
    facts = of_seasons(tenfold, lambda number: 2016 + max(number - 30 * (number % 7 == 0), 0) // 60)
    archive.record(sqlite_database, EPL, facts, source="test", recorded_at=NOW)
    uri = mlflow_store(tmp_path / "mlflow")
    change = Change({"rounds": "3"})
    attempt = TrainingRun(EPL, RESULTS, BundleStore(tmp_path, uri, Signer(b"tests", "bundle")), NOW, NOW)
    with pytest.raises(ServiceError, match="Data refused") as refused:
        experiment(sqlite_database, attempt, change)
    client = Tracking(uri)._client
    entry = client.get_experiment_by_name("EPL/experiments")
    assert entry is not None
    (run,) = client.search_runs([entry.experiment_id])
    assert (run.info.status, run.data.tags["refusal"]) == ("FAILED", "quality")
    flags = refused.value.facts["flags"]
    assert isinstance(flags, list)
    accept = [flag.rpartition("[")[2].rstrip("]") for flag in flags]
    made, _ = experiment(sqlite_database, replace(attempt, accept=accept), change)
    quality = client.get_run(made).data.tags["quality"]
    assert f"accepted as {accept[0]}" in quality
    assert "begins before an earlier one has ended" in quality


def finished(run_id: str, variant: str, log_loss: float) -> FinishedRun:
    return FinishedRun(run_id, "EPL", run_id, NOW, {"variant": variant}, {}, {"model_log_loss": log_loss})


def lost(first: int, losses: np.ndarray) -> HeldOut:
    numbers = np.arange(first, first + len(losses))
    ids = tuple(f"g{number}" for number in numbers)
    learnt = np.full(len(numbers), 1_000)
    return HeldOut(ids, numbers * 86_400.0, np.zeros(len(numbers), np.int64), losses, learnt)


def test_the_run_that_others_are_compared_with_is_the_best_on_the_same_games_and_of_the_same_variant() -> None:
    """Its season was hard, so that its raw loss is the largest."""
    hard = np.random.default_rng(2).exponential(0.7, 400)
    runs = {
        "easy season": (finished("easy season", "results", 0.5), lost(1_000, np.full(400, 0.5))),
        "sees prices": (finished("sees prices", "prices", 0.4), lost(0, hard - 0.3)),
        "better": (finished("better", "results", 0.69), lost(0, hard - 0.01)),
        "newest": (finished("newest", "results", 0.7), lost(0, hard)),
    }
    assert _best([run for run, _ in runs.values()], {name: own for name, (_, own) in runs.items()}).run_id == "better"
