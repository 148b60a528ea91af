"""What the gate asks of a bundle itself: each question has an answer that fails."""

from dataclasses import replace
from time import sleep

import numpy as np
import pytest

from core.arrays import FloatArray
from core.registry.forecaster import Forecast, Forecaster
from tests.training.runs.test_bad_input import EPL, invented
from training.datasets.assembly import Dataset
from training.fitting.recipe import RECIPES
from training.promotion.bundle_checks import GOLDEN_ROWS, blind_to_the_future, coherent, fast, golden_rows
from training.runs.trained_model import fit_and_evaluate

RECIPE = replace(RECIPES["results"], rounds=5)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return invented(EPL, 300)


@pytest.fixture(scope="module")
def forecaster(dataset: Dataset) -> Forecaster:
    return fit_and_evaluate(RECIPE, dataset).fitted.forecaster()


class Deviating:
    """A forecaster whose answers are changed on their way out."""

    def __init__(self, honest: Forecaster, *, shift: float = 0.0, seconds: float = 0.0) -> None:
        self._honest, self._shift, self._seconds = honest, shift, seconds

    def probabilities(self, rows: FloatArray) -> FloatArray:
        return self._honest.probabilities(rows) + np.array([self._shift, 0.0, -self._shift])

    def predict(self, rows: FloatArray) -> list[Forecast]:
        sleep(self._seconds)
        return self._honest.predict(rows)


def test_an_honest_forecaster_passes(dataset: Dataset, forecaster: Forecaster) -> None:
    features = RECIPE.of(dataset).features
    rows = dataset.columns(features)[-20:]
    assert coherent(forecaster, EPL, rows).passed
    assert fast(forecaster, rows).passed
    assert blind_to_the_future(dataset, features, golden_rows(dataset, features)).passed


def test_one_whose_outcomes_are_not_those_of_its_scores_is_incoherent(dataset: Dataset, forecaster: Forecaster) -> None:
    rows = dataset.columns(RECIPE.of(dataset).features)[-20:]
    assert not coherent(Deviating(forecaster, shift=1e-5), EPL, rows).passed  # type: ignore[arg-type]


def test_one_that_takes_longer_than_a_twentieth_of_a_second_is_slow(dataset: Dataset, forecaster: Forecaster) -> None:
    rows = dataset.columns(RECIPE.of(dataset).features)[-3:]
    check = fast(Deviating(forecaster, seconds=0.06), rows)  # type: ignore[arg-type]
    assert not check.passed
    assert "50 allowed" in check.numbers


@pytest.mark.parametrize("place", [0, GOLDEN_ROWS // 2, GOLDEN_ROWS - 1])
def test_a_row_learnt_from_that_the_past_does_not_give_is_named(dataset: Dataset, place: int) -> None:
    features = RECIPE.of(dataset).features
    learnt = golden_rows(dataset, features).copy()
    learnt[place, features.names.index("rating_gap")] += 1e-9
    check = blind_to_the_future(dataset, features, learnt)
    assert not check.passed
    assert "(rating_gap)" in check.numbers


def test_rows_that_cannot_be_those_learnt_from_prove_nothing(dataset: Dataset) -> None:
    features = RECIPE.of(dataset).features
    assert not blind_to_the_future(dataset, features, golden_rows(dataset, features)[:5]).passed
