"""The parameter search: repeats exactly, does not use the proving seasons, and changes nothing without evidence."""

from dataclasses import replace

import numpy as np
import pytest

from core.betting.leagues import BUILT_IN, Leagues
from tests.generated import invented_facts
from training.datasets.assembly import Dataset, dataset_of
from training.datasets.splits import GAP, proving_blocks
from training.fitting.recipe import RECIPES, TUNABLE
from training.fitting.tuning import tune_recipe

pytestmark = pytest.mark.slow

NFL = Leagues(BUILT_IN).get("NFL")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Invented games in eight seasons of 160."""
    made = dataset_of(NFL, invented_facts(3, games=1_280, quirks=False))
    return replace(made, seasons=2010 + np.arange(len(made)) * 8 // len(made))


RECIPE = replace(RECIPES["results"], tune=4, proving_seasons=2, rounds=5)


def test_the_same_data_give_the_same_choice(dataset: Dataset) -> None:
    recipe, blocks = RECIPE.of(dataset), proving_blocks(dataset, 2)
    assert tune_recipe(recipe, dataset, blocks) == tune_recipe(recipe, dataset, blocks)


def test_the_search_knows_nothing_of_the_seasons_that_prove(dataset: Dataset) -> None:
    recipe, blocks = RECIPE.of(dataset), proving_blocks(dataset, 2)
    first = min(dataset.starts[block.games].min() for block in blocks)
    later = dataset.starts >= first - GAP
    turned = replace(
        dataset,
        home_scores=np.where(later, dataset.away_scores, dataset.home_scores),
        away_scores=np.where(later, dataset.home_scores, dataset.away_scores),
        values=np.where(later[:, None], 0.0, dataset.values),
    )
    assert tune_recipe(recipe, dataset, blocks) == tune_recipe(recipe, turned, blocks)


def test_on_noise_the_recipes_own_values_stay(dataset: Dataset) -> None:
    """Scores that nothing foretells: no parameters can be surely better by much, and the story has the numbers."""
    chosen = tune_recipe(replace(RECIPE, regularisation=1e-4).of(dataset), dataset, proving_blocks(dataset, 2))
    assert "4 trials on" in chosen.summary
    if "own values stay" in chosen.summary:
        assert chosen.recipe == replace(RECIPE, regularisation=1e-4).of(dataset)
    else:
        assert any(getattr(chosen.recipe, name) != getattr(RECIPE, name) for name in TUNABLE)


def test_too_little_before_the_proof_is_said(dataset: Dataset) -> None:
    short = dataset.select(dataset.seasons >= 2015)
    chosen = tune_recipe(RECIPE.of(short), short, proving_blocks(short, 2))
    assert "too few" in chosen.summary
    assert chosen.recipe == RECIPE.of(short)


def test_what_tuning_finds_is_no_part_of_the_recipes_identity(dataset: Dataset) -> None:
    assert replace(RECIPE, leaves=9).label == RECIPE.label
    assert replace(RECIPE, tune=5).label != RECIPE.label
    assert replace(RECIPE, tune=0, leaves=9).label != replace(RECIPE, tune=0).label
