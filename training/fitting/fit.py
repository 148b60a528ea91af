"""Fitting a whole forecaster: learn the three questions, then blend and calibrate on forecasts of unseen games."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import lightgbm
import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from core.arrays import FloatArray
from core.registry.forecaster import (
    SMALLEST_PROBABILITY,
    Band,
    Calibration,
    Forecaster,
    ForecasterSpec,
    Head,
    ScoreSpread,
)
from feature_store.history.ratings import rules_of
from training.datasets.assembly import Basis, Dataset
from training.fitting.blending import mean_shares, outcome_shares, prior_shares
from training.fitting.calibration import choose_calibration, identity
from training.fitting.intervals import favourites_band
from training.fitting.learners import (
    Learnt,
    elo_margin,
    elo_outcome,
    elo_total,
    learn_mean,
    learn_outcome,
    priced_outcome,
)
from training.fitting.margin_profile import with_margin_profile
from training.fitting.recipe import Recipe

FEWEST_PROOFS: Final = 100
"""Fewest unseen games from which a blend, a calibration or a pooling weight is estimated."""


@dataclass(frozen=True, eq=False)
class Proof:
    """The learners' forecasts of games they had not seen, and how those ended: what blend and calibration rest on."""

    outcomes: NDArray[np.int64]
    starts: FloatArray
    log_probabilities: FloatArray
    """Shape (learners, games, classes)."""
    means: Mapping[str, tuple[FloatArray, FloatArray]]
    """By question: the learners' means, shape (learners, games), and the truth, shape (games,)."""

    def before(self, moment: float) -> "Proof":
        """Only the games that began before the moment."""
        kept = self.starts < moment
        means = {name: (forecast[:, kept], truth[kept]) for name, (forecast, truth) in self.means.items()}
        return Proof(self.outcomes[kept], self.starts[kept], self.log_probabilities[:, kept], means)


@dataclass(frozen=True)
class Fitted:
    """A forecaster and the texts of its trees, by question."""

    spec: ForecasterSpec
    trees: Mapping[str, str]

    def forecaster(self) -> Forecaster:
        """The forecaster, ready to predict."""
        used = {name: text for name, text in self.trees.items() if getattr(self.spec, name).trees_weight}
        return Forecaster(self.spec, {name: lightgbm.Booster(model_str=text) for name, text in used.items()})


def learn(recipe: Recipe, dataset: Dataset, basis: Basis) -> dict[str, Learnt]:
    """Learn all three questions from the games of the dataset."""
    if basis == "elo":
        return {
            "outcome": priced_outcome(recipe, dataset) or elo_outcome(recipe, dataset),
            "margin": elo_margin(recipe, dataset),
            "total": elo_total(recipe, dataset),
        }
    return {
        "outcome": learn_outcome(recipe, dataset),
        "margin": learn_mean(recipe, dataset, dataset.margins),
        "total": learn_mean(recipe, dataset, dataset.totals),
    }


def prove(recipe: Recipe, learnt: Mapping[str, Learnt], unseen: Dataset) -> Proof:
    """The learners' forecasts of games they have not seen."""
    rows = unseen.columns(recipe.features)
    means = {
        name: np.stack([outputs[:, 0] for outputs in (*_linears(item, rows), *_trees(item, rows))])
        for name, item in learnt.items()
        if name != "outcome"
    }
    return Proof(
        outcomes=unseen.outcomes,
        starts=unseen.starts,
        log_probabilities=learner_log_probabilities(learnt["outcome"], rows),
        means={"margin": (means["margin"], unseen.margins), "total": (means["total"], unseen.totals)},
    )


def learner_log_probabilities(learnt: Learnt, rows: FloatArray) -> FloatArray:
    """Each learner's log-probabilities of the rows' outcomes, shape (learners, games, classes)."""
    linear = [log_softmax(outputs, axis=1) for outputs in _linears(learnt, rows)]
    trees = [np.log(np.clip(_both_sides(outputs), SMALLEST_PROBABILITY, 1)) for outputs in _trees(learnt, rows)]
    return np.stack([*linear, *trees])


def _linears(learnt: Learnt, rows: FloatArray) -> list[FloatArray]:
    return [model(rows) for model in learnt.linears]


def _trees(learnt: Learnt, rows: FloatArray) -> list[FloatArray]:
    """The trees' outputs, if there are any trees."""
    if learnt.trees is None:
        return []
    return [lightgbm.Booster(model_str=learnt.trees).predict(rows, num_threads=1).reshape(len(rows), -1)]


def _both_sides(outputs: FloatArray) -> FloatArray:
    return outputs if outputs.shape[1] > 1 else np.hstack((outputs, 1 - outputs))


def assemble(
    recipe: Recipe, dataset: Dataset, learnt: Mapping[str, Learnt], proofs: Sequence[Proof], basis: Basis
) -> Fitted:
    """Assemble a forecaster from the learners and from earlier learners' proofs on unseen games.

    ``dataset`` holds the games learnt from. Proofs with another number of learners, as on another basis, are ignored.
    """
    alike = [
        proof
        for proof in proofs
        if len(proof.outcomes) and len(proof.log_probabilities) == _learners(learnt["outcome"])
    ]
    shares = _shares(recipe, alike, learnt["outcome"])
    calibration = _calibration(alike, shares, len(dataset.classes))
    spec = ForecasterSpec(
        classes=dataset.classes,
        features=recipe.features.labels,
        outcome=_head(learnt["outcome"], shares),
        calibration=calibration,
        margin=_head(learnt["margin"], _mean_shares(alike, "margin", learnt["margin"])),
        total=_head(learnt["total"], _mean_shares(alike, "total", learnt["total"])),
        shape=_score_spread(dataset, learnt, recipe, basis),
        band=_band(alike, shares, calibration),
    )
    trees = {name: item.trees for name, item in learnt.items() if item.trees and getattr(spec, name).trees_weight}
    return Fitted(spec, trees)


def _learners(learnt: Learnt) -> int:
    return len(learnt.linears) + (learnt.trees is not None)


def _head(learnt: Learnt, shares: FloatArray) -> Head:
    linear, trees = shares[: len(learnt.linears)], shares[len(learnt.linears) :]
    return Head(linears=learnt.linears, weights=tuple(map(float, linear)), trees_weight=float(trees.sum()))


def _shares(recipe: Recipe, proofs: Sequence[Proof], learnt: Learnt) -> FloatArray:
    """The learners' shares in the outcome's blend."""
    outcomes, log_probabilities = _decided(proofs)
    if len(outcomes) < FEWEST_PROOFS:
        return _without_trees(prior_shares(recipe.anchor_share, len(learnt.linears)), learnt)
    prior = prior_shares(recipe.anchor_share, len(log_probabilities))
    return outcome_shares(log_probabilities, outcomes, prior, recipe.prior_games)


def _mean_shares(proofs: Sequence[Proof], question: str, learnt: Learnt) -> FloatArray:
    """The learners' shares in a mean's blend."""
    if sum(len(proof.outcomes) for proof in proofs) < FEWEST_PROOFS:
        return _without_trees(np.full(len(learnt.linears), 1 / len(learnt.linears)), learnt)
    means = np.concatenate([proof.means[question][0] for proof in proofs], axis=1)
    return mean_shares(means, np.concatenate([proof.means[question][1] for proof in proofs]))


def _without_trees(shares: FloatArray, learnt: Learnt) -> FloatArray:
    """The linear models' shares and 0 for the trees, which have no share without evidence."""
    return np.append(shares, [0.0] * (learnt.trees is not None))


def _calibration(proofs: Sequence[Proof], shares: FloatArray, classes: int) -> Calibration:
    """The calibration chosen on the blend's past forecasts."""
    blocks = [_decided([proof]) for proof in proofs]
    if sum(len(outcomes) for outcomes, _ in blocks) < FEWEST_PROOFS:
        return identity(classes)
    blended = [(np.tensordot(shares, log_probabilities, 1), outcomes) for outcomes, log_probabilities in blocks]
    return choose_calibration(blended, classes)


def _band(proofs: Sequence[Proof], shares: FloatArray, calibration: Calibration) -> Band | None:
    """How often the favourites of unseen games won."""
    outcomes, log_probabilities = _decided(proofs)
    if len(outcomes) < FEWEST_PROOFS:
        return None
    probabilities = calibration(np.tensordot(shares, log_probabilities, 1))
    return favourites_band(probabilities.max(axis=1), probabilities.argmax(axis=1) == outcomes)


def _decided(proofs: Sequence[Proof]) -> tuple[NDArray[np.int64], FloatArray]:
    """Outcomes and log-probabilities of the games whose result is one of the outcomes."""
    if not proofs:
        return np.empty(0, dtype=np.int64), np.empty((0, 0, 0))
    outcomes = np.concatenate([proof.outcomes for proof in proofs])
    log_probabilities = np.concatenate([proof.log_probabilities for proof in proofs], axis=1)
    return outcomes[outcomes >= 0], log_probabilities[:, outcomes >= 0]


def _score_spread(dataset: Dataset, learnt: Mapping[str, Learnt], recipe: Recipe, basis: Basis) -> ScoreSpread:
    """Spread of the scores around the linear means, over the games learnt from; on ratings alone, the sport's usual."""
    rows = dataset.columns(recipe.features)
    margin, total = (learnt[name].linears[-1](rows)[:, 0] for name in ("margin", "total"))
    expected = np.maximum(np.concatenate((total + margin, total - margin)) / 2, 0.05)
    scored = np.concatenate((dataset.home_scores, dataset.away_scores))
    usual = rules_of(dataset.league.sport)
    spread = ScoreSpread(
        scores=dataset.league.scores,
        margin_deviation=usual.margin_deviation if basis == "elo" else float(np.std(dataset.margins - margin)),
        total_deviation=usual.total_deviation if basis == "elo" else float(np.std(dataset.totals - total)),
        dispersion=float(max(((scored - expected) ** 2).mean() / expected.mean(), 1.0)),
        tie_rate=0.0 if dataset.league.outcomes == 3 else float((dataset.margins == 0).mean()),
    )
    return with_margin_profile(spread, dataset, margin, total)
