"""Fit a whole forecaster: learn the three questions, then blend and calibrate on forecasts of unseen games."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from core.betting.odds import FloatArray
from core.registry.forecaster import Calibration, Forecaster, ForecasterSpec, Head, Shape
from training.dataset import Dataset
from training.learners import Learnt, learn_mean, learn_outcome
from training.recipe import Recipe

WEIGHTS: Final = np.linspace(0, 1, 11)
DEFAULT_WEIGHT: Final = 0.3
FEWEST_PROOFS: Final = 100
"""Unseen games needed before a blend or a calibration is believed."""


@dataclass(frozen=True, eq=False)
class Proof:
    """What the learners said of games they had not seen, and how those ended: the ground for blend and calibration."""

    outcomes: NDArray[np.int64]
    linear: FloatArray
    trees: FloatArray
    """Log-probabilities of the two learners, shape (games, classes)."""
    means: Mapping[str, tuple[FloatArray, FloatArray, FloatArray]]
    """By question: linear answer, trees' answer, truth."""
    scores: FloatArray
    """Final scores, shape (games, 2)."""


@dataclass(frozen=True)
class Fitted:
    """A forecaster and the texts of its trees, by question."""

    spec: ForecasterSpec
    trees: Mapping[str, str]

    def forecaster(self) -> Forecaster:
        used = {name: text for name, text in self.trees.items() if getattr(self.spec, name).trees_weight}
        return Forecaster(self.spec, {name: lightgbm.Booster(model_str=text) for name, text in used.items()})


def learn(recipe: Recipe, dataset: Dataset) -> dict[str, Learnt]:
    """Learn all three questions from the games of the dataset."""
    return {
        "outcome": learn_outcome(recipe, dataset),
        "margin": learn_mean(recipe, dataset, dataset.margins),
        "total": learn_mean(recipe, dataset, dataset.totals),
    }


def prove(recipe: Recipe, learnt: Mapping[str, Learnt], unseen: Dataset) -> Proof:
    """What the learners say of games they have not seen."""
    rows = unseen.columns(recipe.features)
    boosters = {name: lightgbm.Booster(model_str=item.trees) for name, item in learnt.items()}
    said = boosters["outcome"].predict(rows, num_threads=1)
    trees = said if said.ndim == 2 else np.column_stack((said, 1 - said))
    return Proof(
        outcomes=unseen.outcomes,
        linear=log_softmax(learnt["outcome"].linear(rows), axis=1),
        trees=np.log(np.clip(trees, 1e-6, 1)),
        means={
            name: (learnt[name].linear(rows)[:, 0], boosters[name].predict(rows, num_threads=1), truth)
            for name, truth in (("margin", unseen.margins), ("total", unseen.totals))
        },
        scores=np.column_stack((unseen.home_scores, unseen.away_scores)),
    )


def assemble(recipe: Recipe, dataset: Dataset, learnt: Mapping[str, Learnt], proofs: Sequence[Proof]) -> Fitted:
    """Put a forecaster together from what was learnt and what earlier learners proved on unseen games."""
    weight = _outcome_weight(proofs)
    margin, total = (_mean_weight(proofs, question) for question in ("margin", "total"))
    spec = ForecasterSpec(
        classes=dataset.classes,
        features=recipe.features.labels,
        outcome=Head(linear=learnt["outcome"].linear, trees_weight=weight),
        calibration=_calibration(proofs, weight, len(dataset.classes)),
        margin=Head(linear=learnt["margin"].linear, trees_weight=margin),
        total=Head(linear=learnt["total"].linear, trees_weight=total),
        shape=_shape(dataset, learnt, recipe),
    )
    return Fitted(spec, {name: item.trees for name, item in learnt.items() if getattr(spec, name).trees_weight})


def _outcome_weight(proofs: Sequence[Proof]) -> float:
    """The trees' share in the blend that would have given the smallest log loss."""
    outcomes, linear, trees = _decided(proofs)
    if len(outcomes) < FEWEST_PROOFS:
        return DEFAULT_WEIGHT
    games = np.arange(len(outcomes))
    losses = [-log_softmax((1 - w) * linear + w * trees, axis=1)[games, outcomes].mean() for w in WEIGHTS]
    return float(WEIGHTS[int(np.argmin(losses))])


def _mean_weight(proofs: Sequence[Proof], question: str) -> float:
    """The trees' share that would have given the smallest squared error."""
    if sum(len(proof.outcomes) for proof in proofs) < FEWEST_PROOFS:
        return DEFAULT_WEIGHT
    linear, trees, truth = (np.concatenate(parts) for parts in zip(*(p.means[question] for p in proofs), strict=True))
    errors = [(((1 - w) * linear + w * trees - truth) ** 2).mean() for w in WEIGHTS]
    return float(WEIGHTS[int(np.argmin(errors))])


def _calibration(proofs: Sequence[Proof], weight: float, classes: int) -> Calibration:
    """Slope and shifts of smallest log loss, held near 1 and 0 by a penalty worth fifty games."""
    outcomes, linear, trees = _decided(proofs)
    if len(outcomes) < FEWEST_PROOFS:
        return Calibration(slope=1.0, shifts=(0.0,) * classes)
    blended = (1 - weight) * linear + weight * trees
    games = np.arange(len(outcomes))

    def loss(parameters: FloatArray) -> float:
        slope, shifts = parameters[0], np.append(parameters[1:], 0.0)
        log_likelihood = log_softmax(slope * blended + shifts, axis=1)[games, outcomes].sum()
        penalty = 50 * ((slope - 1) ** 2 + (shifts**2).sum())
        return float(-log_likelihood + penalty)

    found = minimize(loss, np.append(1.0, np.zeros(classes - 1)), method="BFGS")
    slope, *shifts = (float(value) for value in found.x)
    return Calibration(slope=slope, shifts=(*shifts, 0.0))


def _decided(proofs: Sequence[Proof]) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    if not proofs:
        return np.empty(0, dtype=np.int64), np.empty((0, 0)), np.empty((0, 0))
    outcomes = np.concatenate([proof.outcomes for proof in proofs])
    linear = np.concatenate([proof.linear for proof in proofs])
    trees = np.concatenate([proof.trees for proof in proofs])
    decided = outcomes >= 0
    return outcomes[decided], linear[decided], trees[decided]


def _shape(dataset: Dataset, learnt: Mapping[str, Learnt], recipe: Recipe) -> Shape:
    """Spread of the scores around the linear means, over the games learnt from."""
    rows = dataset.columns(recipe.features)
    margin, total = learnt["margin"].linear(rows)[:, 0], learnt["total"].linear(rows)[:, 0]
    expected = np.maximum(np.concatenate((total + margin, total - margin)) / 2, 0.05)
    scored = np.concatenate((dataset.home_scores, dataset.away_scores))
    return Shape(
        scores=dataset.league.scores,
        margin_deviation=float(np.std(dataset.margins - margin)),
        total_deviation=float(np.std(dataset.totals - total)),
        dispersion=float(max(((scored - expected) ** 2).mean() / expected.mean(), 1.0)),
        tie_rate=0.0 if dataset.league.outcomes == 3 else float((dataset.margins == 0).mean()),
    )
