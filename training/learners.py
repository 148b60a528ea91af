"""The two learners: penalised linear models by scikit-learn and small trees by LightGBM."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from core.betting.odds import FloatArray
from core.registry.forecaster import Linear
from training.dataset import Dataset
from training.recipe import Recipe

ANCHOR_REGULARISATION: Final = 1.0


@dataclass(frozen=True)
class Learnt:
    """What was learnt of one question: the anchor, the linear model of every feature, and LightGBM's text."""

    linears: tuple[Linear, ...]
    trees: str


def learn_outcome(recipe: Recipe, dataset: Dataset) -> Learnt:
    """Learn who wins; games that ended level where that is no outcome are left out."""
    decided = dataset.outcomes >= 0
    rows, outcomes = dataset.columns(recipe.features)[decided], dataset.outcomes[decided]
    classes = len(dataset.classes)

    def fitted(standardised: FloatArray, regularisation: float) -> tuple[FloatArray, FloatArray]:
        model = LogisticRegression(C=regularisation, max_iter=2000).fit(standardised, outcomes)
        return _all_classes(model, classes)

    linears = _linears(recipe, rows, fitted)
    if classes == 2:
        return Learnt(linears, _trees(recipe, rows, (outcomes == 0).astype(float), objective="binary"))
    return Learnt(linears, _trees(recipe, rows, outcomes, objective="multiclass", num_class=classes))


def learn_mean(recipe: Recipe, dataset: Dataset, target: FloatArray) -> Learnt:
    """Learn the mean of a number known after each game."""
    rows = dataset.columns(recipe.features)

    def fitted(standardised: FloatArray, regularisation: float) -> tuple[FloatArray, FloatArray]:
        model = Ridge(alpha=1 / regularisation).fit(standardised, target)
        return np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)

    return Learnt(_linears(recipe, rows, fitted), _trees(recipe, rows, target, objective="regression"))


Fit = Callable[[FloatArray, float], tuple[FloatArray, FloatArray]]


def _linears(recipe: Recipe, rows: FloatArray, fit: Fit) -> tuple[Linear, Linear]:
    """The anchor, whose coefficients are 0 for all features but a few, and the penalised model of all of them."""
    means, scales = _standards(rows)
    standardised = np.nan_to_num((rows - means) / scales, nan=0.0)
    few = [recipe.features.names.index(name) for name in recipe.anchor]
    some, anchor_intercepts = fit(standardised[:, few], ANCHOR_REGULARISATION)
    anchor = np.zeros((len(some), rows.shape[1]))
    anchor[:, few] = some
    coefficients, intercepts = fit(standardised, recipe.regularisation)
    return _linear(means, scales, anchor, anchor_intercepts), _linear(means, scales, coefficients, intercepts)


def _standards(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and scale of each column over the values that are known; a constant or unknown column gets scale 1."""
    known = ~np.isnan(rows)
    counts = np.maximum(known.sum(axis=0), 1)
    filled = np.where(known, rows, 0.0)
    means = filled.sum(axis=0) / counts
    deviations = np.sqrt((np.where(known, rows - means, 0.0) ** 2).sum(axis=0) / counts)
    return means, np.where(deviations > 1e-12, deviations, 1.0)


def _all_classes(model: Any, classes: int) -> tuple[FloatArray, FloatArray]:
    """Coefficients with one row per class; a binary model has one row, for the second of its classes."""
    if classes == 2:
        return np.vstack((-model.coef_[0], 0 * model.coef_[0])), np.array([-model.intercept_[0], 0.0])
    return model.coef_, model.intercept_


def _linear(means: FloatArray, scales: FloatArray, coefficients: FloatArray, intercepts: FloatArray) -> Linear:
    return Linear(
        means=tuple(map(float, means)),
        scales=tuple(map(float, scales)),
        coefficients=tuple(tuple(map(float, row)) for row in coefficients),
        intercepts=tuple(map(float, intercepts)),
    )


def _trees(recipe: Recipe, rows: FloatArray, target: NDArray[Any], **objective: Any) -> str:
    parameters = {
        **objective,
        "num_leaves": recipe.leaves,
        "learning_rate": recipe.learning_rate,
        "min_data_in_leaf": min(recipe.leaf_games, max(len(rows) // 10, 1)),
        "lambda_l2": 10.0,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "seed": recipe.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(rows, label=target, feature_name=list(recipe.features.names), free_raw_data=True)
    text: str = lightgbm.train(parameters, data, num_boost_round=recipe.rounds).model_to_string()
    return text
