"""The learners: penalised linear models by scikit-learn, small trees by LightGBM, the market as it is, and Elo.

A linear model's penalty is an independent normal prior on the coefficients of standardised features (Hoerl & Kennard
1970): wide for the favoured few, narrow for the rest, which is implemented by stretching the favoured columns.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any, Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression, Ridge

from core.arrays import FloatArray
from core.registry.linear import Linear
from feature_store.features.sets import EVERYTHING
from feature_store.history.ratings import POINTS_PER_LOGIT, SCALE, rules_of
from training.datasets.assembly import Dataset
from training.fitting.recipe import MARKET, Recipe

ANCHOR_REGULARISATION: Final = 0.1
"""Inverse penalty of the favoured features: negligible with thousands of games, needed with a few hundred."""
SLOPE_DEVIATION: Final = 0.05
"""Prior standard deviation, around 1, of the slope on the market's log-probabilities.

Multiplicative de-vigging with a slope above 1 is nearly the power method, so the slope learns how to take the overround
out.
"""
ELO_GAMES: Final = 100
"""How many games the prior share of draws and the prior points per Elo point count for."""
ELO_DRAWS: Final = 0.26
"""Prior share of draws between equal teams, where a draw is an outcome; about that of soccer."""


@dataclass(frozen=True)
class Learnt:
    """The learners of one question: linear models, and LightGBM's text if trees were grown."""

    linears: tuple[Linear, ...]
    trees: str | None = None


def learn_outcome(recipe: Recipe, dataset: Dataset) -> Learnt:
    """Learn who wins; games that ended level where that is no outcome are left out."""
    decided = dataset.outcomes >= 0
    rows, outcomes = dataset.columns(recipe.features)[decided], dataset.outcomes[decided]
    classes = len(dataset.classes)

    def fit(standardised: FloatArray, regularisation: float) -> tuple[FloatArray, FloatArray]:
        model = LogisticRegression(C=regularisation, max_iter=2000).fit(standardised, outcomes)
        return _all_classes(model, classes)

    standards = _standards(rows)
    if set(MARKET[: classes - 1]) <= set(recipe.anchor):
        anchor = _market(recipe, rows, outcomes, standards, classes)
    else:
        anchor = _anchor(recipe, recipe.anchor, rows, standards, fit)
    linears = (anchor, _everything(recipe, rows, standards, fit))
    if classes == 2:
        return Learnt(linears, _trees(recipe, rows, (outcomes == 0).astype(float), objective="binary"))
    return Learnt(linears, _trees(recipe, rows, outcomes, objective="multiclass", num_class=classes))


def learn_mean(recipe: Recipe, dataset: Dataset, target: FloatArray) -> Learnt:
    """Learn the mean of a number known after each game."""
    rows = dataset.columns(recipe.features)

    def fit(standardised: FloatArray, regularisation: float) -> tuple[FloatArray, FloatArray]:
        model = Ridge(alpha=1 / regularisation).fit(standardised, target)
        return np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)

    standards = _standards(rows)
    linears = (
        _anchor(recipe, recipe.favoured or recipe.anchor, rows, standards, fit),
        _everything(recipe, rows, standards, fit),
    )
    return Learnt(linears, _trees(recipe, rows, target, objective="regression"))


def elo_outcome(recipe: Recipe, dataset: Dataset) -> Learnt:
    """Elo's own probabilities (1978), with draws by Davidson (1970), whose share is learnt from the few games.

    With ratings whose odds are ``r``, home : draw : away = sqrt(r) : nu : 1 / sqrt(r).
    """
    slope = log(10) / SCALE
    if len(dataset.classes) == 2:
        return Learnt((_on_rating(recipe, (slope, 0.0), (0.0, 0.0)),))
    drawn = ELO_DRAWS * ELO_GAMES + float((dataset.outcomes == 1).sum())
    share = drawn / (ELO_GAMES + len(dataset))
    return Learnt((_on_rating(recipe, (slope / 2, 0.0, -slope / 2), (0.0, log(2 * share / (1 - share)), 0.0)),))


def priced_outcome(recipe: Recipe, dataset: Dataset) -> Learnt | None:
    """The market with one slope, if the recipe sees prices and any game has one; else None. Few games are enough."""
    classes = len(dataset.classes)
    if not set(MARKET[: classes - 1]) <= set(recipe.anchor):
        return None
    decided = dataset.outcomes >= 0
    rows = dataset.columns(recipe.features)[decided]
    if np.isnan(rows[:, recipe.features.names.index(MARKET[0])]).all():
        return None
    return Learnt((_market(recipe, rows, dataset.outcomes[decided], _standards(rows), classes),))


def elo_margin(recipe: Recipe, dataset: Dataset) -> Learnt:
    """The margin by the rating gap: the sport's usual points per rating point, updated by the few games."""
    gaps = dataset.values[:, EVERYTHING.names.index("rating_gap")]
    worth = POINTS_PER_LOGIT * rules_of(dataset.league.sport).margin_deviation * log(10) / SCALE
    usual = ELO_GAMES * SCALE**2 / 16
    slope = (usual * worth + float(gaps @ dataset.margins)) / (usual + float(gaps @ gaps))
    return Learnt((_on_rating(recipe, (slope,), (0.0,)),))


def elo_total(recipe: Recipe, dataset: Dataset) -> Learnt:
    """The total as the mean of the few games."""
    return Learnt((_on_rating(recipe, (0.0,), (float(dataset.totals.mean()),)),))


Fit = Callable[[FloatArray, float], tuple[FloatArray, FloatArray]]
Standards = tuple[FloatArray, FloatArray]


def _anchor(recipe: Recipe, names: tuple[str, ...], rows: FloatArray, standards: Standards, fit: Fit) -> Linear:
    """A weakly penalised model of a few features; the coefficients of all others are 0."""
    few = [recipe.features.names.index(name) for name in names]
    some, intercepts = fit(_standardised(rows, standards)[:, few], ANCHOR_REGULARISATION)
    coefficients = np.zeros((len(some), rows.shape[1]))
    coefficients[:, few] = some
    return _linear(standards, coefficients, intercepts)


def _everything(recipe: Recipe, rows: FloatArray, standards: Standards, fit: Fit) -> Linear:
    """A model of every feature, with a strong penalty only on those that are not favoured."""
    favoured = np.array([name in recipe.favoured for name in recipe.features.names])
    stretch = np.where(favoured, np.sqrt(ANCHOR_REGULARISATION / recipe.regularisation), 1.0)
    coefficients, intercepts = fit(_standardised(rows, standards) * stretch, recipe.regularisation)
    return _linear(standards, coefficients * stretch, intercepts)


def _market(
    recipe: Recipe, rows: FloatArray, outcomes: NDArray[np.int64], standards: Standards, classes: int
) -> Linear:
    """The market's log-probabilities times one slope, its maximum a posteriori."""
    shares = np.zeros((classes, rows.shape[1]))
    shares[[0, -1], recipe.features.names.index(MARKET[0])] = 0.5, -0.5
    if classes == 3:
        shares[1, recipe.features.names.index(MARKET[1])] = 1.0
    used = np.abs(shares).sum(axis=0) > 0
    priced = ~np.isnan(rows[:, used]).any(axis=1)
    market, ended = rows[priced][:, used] @ shares[:, used].T, outcomes[priced]
    games = np.arange(len(ended))

    def loss(slope: float) -> float:
        likelihood = log_softmax(slope * market, axis=1)[games, ended].sum()
        return float(((slope - 1) / SLOPE_DEVIATION) ** 2 / 2 - likelihood)

    slope = float(minimize_scalar(loss, bounds=(0.5, 1.5), method="bounded").x)
    means, scales = standards
    return _linear(standards, slope * shares * scales, slope * shares @ means)


def _on_rating(recipe: Recipe, slopes: tuple[float, ...], intercepts: tuple[float, ...]) -> Linear:
    """A linear model of the rating gap alone, in rating points."""
    names = recipe.features.names
    coefficients = np.zeros((len(slopes), len(names)))
    if "rating_gap" in names:
        coefficients[:, names.index("rating_gap")] = slopes
    return _linear((np.zeros(len(names)), np.ones(len(names))), coefficients, np.array(intercepts))


def _standards(rows: FloatArray) -> Standards:
    """Mean and scale of each column over the values that are present; a constant or missing column gets scale 1."""
    present = ~np.isnan(rows)
    counts = np.maximum(present.sum(axis=0), 1)
    filled = np.where(present, rows, 0.0)
    means = filled.sum(axis=0) / counts
    deviations = np.sqrt((np.where(present, rows - means, 0.0) ** 2).sum(axis=0) / counts)
    return means, np.where(deviations > 1e-12, deviations, 1.0)


def _standardised(rows: FloatArray, standards: Standards) -> FloatArray:
    """Distances from the mean in deviations; 0 where a value is missing."""
    means, scales = standards
    return np.nan_to_num((rows - means) / scales, nan=0.0)


def _all_classes(model: Any, classes: int) -> tuple[FloatArray, FloatArray]:
    """Coefficients with one row per class; a binary model has one row, for the second of its classes."""
    if classes == 2:
        return np.vstack((-model.coef_[0], 0 * model.coef_[0])), np.array([-model.intercept_[0], 0.0])
    return model.coef_, model.intercept_


def _linear(standards: Standards, coefficients: FloatArray, intercepts: FloatArray) -> Linear:
    means, scales = standards
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
