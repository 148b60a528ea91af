"""What ``make bench-models`` measures: the search runs by default, and one walk gives what two gave."""

from dataclasses import replace

import numpy as np
import pytest

from core.betting.leagues import BUILT_IN, Leagues
from tests.bench.training.anchors import ANCHORS, Measured, measured
from tests.bench.training.models import TRIALS
from tests.bench.training.models_page import Effort, page
from tests.generated import invented_facts
from training.datasets.assembly import Dataset, dataset_of
from training.fitting.recipe import RECIPES
from training.runs.trained_model import fit_and_evaluate

pytestmark = pytest.mark.slow

NFL = Leagues(BUILT_IN).get("NFL")
RECIPE = replace(RECIPES["results"], rounds=5)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Invented games in fourteen seasons, the last three of them the anchor's."""
    made = dataset_of(NFL, invented_facts(3, games=1_280, quirks=False))
    return replace(made, seasons=2007 + np.arange(len(made)) * 14 // len(made))


@pytest.fixture(scope="module")
def untuned(dataset: Dataset) -> Measured:
    return measured("NFL", dataset, RECIPE)


def test_the_final_model_rests_on_the_walk_that_was_made_anyway(dataset: Dataset, untuned: Measured) -> None:
    assert ANCHORS["NFL"].seasons[-1] == dataset.seasons.max()
    head = fit_and_evaluate(RECIPE, dataset).fitted.spec.outcome
    assert untuned.shares == (*head.weights, head.trees_weight)


def test_the_parameters_are_sought_by_default(dataset: Dataset) -> None:
    assert TRIALS > 0
    assert "2 trials on" in measured("NFL", dataset, replace(RECIPE, tune=2)).story


def test_the_page_says_what_it_took_and_how_the_margin_was_taken_out(untuned: Measured) -> None:
    text = page([untuned], [untuned], Effort(61.2, [400.0, 380.0, 300.0], ""))
    assert "took 61 s in two processes; peak memory 400 + 380 + 300 (parent) = 1080 MiB." in text
    losses = untuned.losses["multiplicative"], untuned.losses["market"]
    known = ~np.isnan(losses[0])
    assert f"| NFL | {known.sum():,} | {losses[0][known].mean():.4f} | {losses[1][known].mean():.4f} |" in text
