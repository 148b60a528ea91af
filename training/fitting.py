"""Fit a whole forecaster: learn the three questions, then blend and calibrate on forecasts of unseen games."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
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

STEPS: Final = 10
FEWEST_PROOFS: Final = 100
"""Unseen games needed before a blend or a calibration is believed."""
UNPROVED: Final = np.array([0.5, 0.5, 0.0])
"""Shares of anchor, full linear model and trees before there is anything to judge by."""


@dataclass(frozen=True, eq=False)
class Proof:
    """What the learners said of games they had not seen, and how those ended: the ground for blend and calibration."""

    outcomes: NDArray[np.int64]
    said: FloatArray
    """Log-probabilities, shape (learners, games, classes)."""
    means: Mapping[str, tuple[FloatArray, FloatArray]]
    """By question: what the learners said, shape (learners, games), and the truth."""


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
    answer = boosters["outcome"].predict(rows, num_threads=1)
    trees = answer if answer.ndim == 2 else np.column_stack((answer, 1 - answer))
    linear = [log_softmax(model(rows), axis=1) for model in learnt["outcome"].linears]
    means = {
        name: np.stack(
            [*(model(rows)[:, 0] for model in learnt[name].linears), boosters[name].predict(rows, num_threads=1)]
        )
        for name in ("margin", "total")
    }
    return Proof(
        outcomes=unseen.outcomes,
        said=np.stack([*linear, np.log(np.clip(trees, 1e-6, 1))]),
        means={"margin": (means["margin"], unseen.margins), "total": (means["total"], unseen.totals)},
    )


def assemble(recipe: Recipe, dataset: Dataset, learnt: Mapping[str, Learnt], proofs: Sequence[Proof]) -> Fitted:
    """Put a forecaster together from what was learnt and what earlier learners proved on unseen games."""
    shares = _outcome_shares(proofs)
    spec = ForecasterSpec(
        classes=dataset.classes,
        features=recipe.features.labels,
        outcome=_head(learnt["outcome"], shares),
        calibration=_calibration(proofs, shares, len(dataset.classes)),
        margin=_head(learnt["margin"], _mean_shares(proofs, "margin")),
        total=_head(learnt["total"], _mean_shares(proofs, "total")),
        shape=_shape(dataset, learnt, recipe),
    )
    return Fitted(spec, {name: item.trees for name, item in learnt.items() if getattr(spec, name).trees_weight})


def _head(learnt: Learnt, shares: FloatArray) -> Head:
    *linear, trees = (float(share) for share in shares)
    return Head(linears=learnt.linears, weights=tuple(linear), trees_weight=trees)


def _outcome_shares(proofs: Sequence[Proof]) -> FloatArray:
    """The learners' shares in the blend that would have given the smallest log loss."""
    outcomes, said = _decided(proofs)
    if len(outcomes) < FEWEST_PROOFS:
        return UNPROVED
    games = np.arange(len(outcomes))
    ways = _ways_to_share(len(said))
    losses = [-log_softmax(np.tensordot(way, said, 1), axis=1)[games, outcomes].mean() for way in ways]
    return np.asarray(ways[int(np.argmin(losses))])


def _mean_shares(proofs: Sequence[Proof], question: str) -> FloatArray:
    """The shares that would have given the smallest squared error."""
    if sum(len(proof.outcomes) for proof in proofs) < FEWEST_PROOFS:
        return UNPROVED
    said = np.concatenate([proof.means[question][0] for proof in proofs], axis=1)
    truth = np.concatenate([proof.means[question][1] for proof in proofs])
    ways = _ways_to_share(len(said))
    return np.asarray(ways[int(np.argmin(((ways @ said - truth) ** 2).mean(axis=1)))])


def _ways_to_share(learners: int) -> FloatArray:
    """Every way to share 1 among the learners in tenths, shape (ways, learners)."""
    shares = [way for way in product(range(STEPS + 1), repeat=learners) if sum(way) == STEPS]
    return np.array(shares, dtype=np.float64) / STEPS


def _calibration(proofs: Sequence[Proof], shares: FloatArray, classes: int) -> Calibration:
    """Slope and shifts of smallest log loss, held near 1 and 0 by a penalty worth fifty games."""
    outcomes, said = _decided(proofs)
    if len(outcomes) < FEWEST_PROOFS:
        return Calibration(slope=1.0, shifts=(0.0,) * classes)
    blended = np.tensordot(shares, said, 1)
    games = np.arange(len(outcomes))

    def loss(parameters: FloatArray) -> float:
        slope, shifts = parameters[0], np.append(parameters[1:], 0.0)
        log_likelihood = log_softmax(slope * blended + shifts, axis=1)[games, outcomes].sum()
        penalty = 50 * ((slope - 1) ** 2 + (shifts**2).sum())
        return float(-log_likelihood + penalty)

    found = minimize(loss, np.append(1.0, np.zeros(classes - 1)), method="BFGS")
    slope, *shifts = (float(value) for value in found.x)
    return Calibration(slope=slope, shifts=(*shifts, 0.0))


def _decided(proofs: Sequence[Proof]) -> tuple[NDArray[np.int64], FloatArray]:
    """Outcomes of the games that somebody won (or drew, where that counts), and what was said of them."""
    if not proofs:
        return np.empty(0, dtype=np.int64), np.empty((0, 0, 0))
    outcomes = np.concatenate([proof.outcomes for proof in proofs])
    said = np.concatenate([proof.said for proof in proofs], axis=1)
    return outcomes[outcomes >= 0], said[:, outcomes >= 0]


def _shape(dataset: Dataset, learnt: Mapping[str, Learnt], recipe: Recipe) -> Shape:
    """Spread of the scores around the linear means, over the games learnt from."""
    rows = dataset.columns(recipe.features)
    margin, total = (learnt[name].linears[-1](rows)[:, 0] for name in ("margin", "total"))
    expected = np.maximum(np.concatenate((total + margin, total - margin)) / 2, 0.05)
    scored = np.concatenate((dataset.home_scores, dataset.away_scores))
    return Shape(
        scores=dataset.league.scores,
        margin_deviation=float(np.std(dataset.margins - margin)),
        total_deviation=float(np.std(dataset.totals - total)),
        dispersion=float(max(((scored - expected) ** 2).mean() / expected.mean(), 1.0)),
        tie_rate=0.0 if dataset.league.outcomes == 3 else float((dataset.margins == 0).mean()),
    )
