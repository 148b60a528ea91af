"""Hyper-parameters sought by Optuna on seasons before those that prove, so that no score knows of the search.

Every trial forecasts the last seasons of that past from earlier ones; the learners are blended by their prior shares.
The recipe's own values stay unless a trial's log loss is better by more than the standard error of the difference.
One process and a seeded sampler (TPE; Bergstra et al. 2011): the same data, the same choice.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import optuna
from scipy.special import log_softmax

from core.arrays import FloatArray
from core.scoring import standard_error, weeks
from training.datasets.assembly import Dataset
from training.datasets.splits import FEWEST_SEASONS, GAP, Block, proving_blocks
from training.fitting.blending import prior_shares
from training.fitting.fit import learners_said
from training.fitting.learners import learn_outcome
from training.fitting.recipe import Recipe

SEASONS: Final = 2
"""Seasons that every trial forecasts."""


@dataclass(frozen=True)
class Tuned:
    """The recipe to go on with, and how it came about."""

    recipe: Recipe
    story: str


def tuned(
    recipe: Recipe,
    dataset: Dataset,
    blocks: Sequence[Block],
    on_trial: Callable[[int, int], None] = lambda _done, _all: None,
) -> Tuned:
    """The recipe with the best parameters for the seasons before the blocks; as it is where those are too few."""
    first = min(float(dataset.starts[block.games].min()) for block in blocks)
    past = replace(dataset.select(dataset.starts < first - GAP), lenders=())
    if not recipe.tune:
        return Tuned(recipe, "not asked for")
    if past.basis != "own" or len(set(past.seasons.tolist())) < FEWEST_SEASONS:
        return Tuned(
            recipe, f"{len(past)} games before those that prove are too few; the recipe's own values are taken"
        )
    trying = proving_blocks(past, SEASONS)
    on_trial(0, recipe.tune)
    usual, starts = _losses(recipe, past, trying)
    found: dict[tuple[tuple[str, Any], ...], FloatArray] = {}

    def objective(trial: optuna.Trial) -> float:
        chosen = _suggested(trial)
        found[tuple(chosen.items())] = losses = _losses(replace(recipe, **chosen), past, trying)[0]
        return float(losses.mean())

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=recipe.seed))
    study.optimize(
        objective, n_trials=recipe.tune, callbacks=[lambda _, trial: on_trial(trial.number + 1, recipe.tune)]
    )
    best = min(found, key=lambda chosen: float(found[chosen].mean()))
    gains = usual - found[best]
    error = standard_error(gains, weeks(starts))
    seasons = ", ".join(block.name for block in trying)
    said = f"{recipe.tune} trials on {seasons}: best log loss {found[best].mean():.4f} against {usual.mean():.4f}"
    if not gains.mean() > error:
        return Tuned(recipe, f"{said}, within the error of {error:.4f}; the recipe's own values stay")
    return Tuned(replace(recipe, **dict(best)), f"{said}: {', '.join(f'{name}={value:g}' for name, value in best)}")


def _suggested(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "regularisation": trial.suggest_float("regularisation", 1e-4, 1e-1, log=True),
        "rounds": trial.suggest_int("rounds", 20, 240),
        "leaves": trial.suggest_int("leaves", 2, 16),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.1, log=True),
        "leaf_games": trial.suggest_int("leaf_games", 20, 400),
    }


def _losses(recipe: Recipe, past: Dataset, blocks: Sequence[Block]) -> tuple[FloatArray, FloatArray]:
    """Log loss of every decided game of the blocks, and when it began."""
    losses, starts = [], []
    for block in blocks:
        games = past.select(block.games & (past.outcomes >= 0))
        said = learners_said(learn_outcome(recipe, past.select(block.before)), games.columns(recipe.features))
        blended = np.tensordot(prior_shares(recipe.anchor_share, len(said)), said, 1)
        losses.append(-log_softmax(blended, axis=1)[np.arange(len(games)), games.outcomes])
        starts.append(games.starts)
    return np.concatenate(losses), np.concatenate(starts)
