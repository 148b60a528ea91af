"""Hyper-parameter search by Optuna on seasons before the proving ones, so that no score depends on the search.

Every trial forecasts the last of these seasons from earlier ones; the learners are blended by their prior shares. The
recipe's own values stay unless a trial's log loss is better by more than the standard error of the difference. With one
process and a seeded sampler (TPE; Bergstra et al. 2011) the same data give the same choice.
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
from training.fitting.fit import learner_log_probabilities
from training.fitting.learners import learn_outcome
from training.fitting.recipe import Recipe

SEASONS: Final = 2
"""Number of seasons that every trial forecasts."""


@dataclass(frozen=True)
class TunedRecipe:
    """The recipe to use, and how it was chosen."""

    recipe: Recipe
    summary: str


def tune_recipe(
    recipe: Recipe,
    dataset: Dataset,
    blocks: Sequence[Block],
    on_trial: Callable[[int, int], None] = lambda _done, _all: None,
) -> TunedRecipe:
    """The recipe with the best parameters for the seasons before the blocks; unchanged if those are too few."""
    first = min(float(dataset.starts[block.games].min()) for block in blocks)
    past = replace(dataset.select(dataset.starts < first - GAP), lenders=())
    if not recipe.tune:
        return TunedRecipe(recipe, "not tuned")
    if past.basis != "own" or len(set(past.seasons.tolist())) < FEWEST_SEASONS:
        return TunedRecipe(
            recipe, f"{len(past)} games before the proving seasons are too few; the recipe's own values are used"
        )
    trying = proving_blocks(past, SEASONS)
    on_trial(0, recipe.tune)
    usual, starts = _losses(recipe, past, trying)
    losses_by_choice: dict[tuple[tuple[str, Any], ...], FloatArray] = {}

    def objective(trial: optuna.Trial) -> float:
        chosen = _suggest(trial)
        losses_by_choice[tuple(chosen.items())] = losses = _losses(replace(recipe, **chosen), past, trying)[0]
        return float(losses.mean())

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=recipe.seed))
    study.optimize(
        objective, n_trials=recipe.tune, callbacks=[lambda _, trial: on_trial(trial.number + 1, recipe.tune)]
    )
    best = min(losses_by_choice, key=lambda chosen: float(losses_by_choice[chosen].mean()))
    gains = usual - losses_by_choice[best]
    error = standard_error(gains, weeks(starts))
    seasons = ", ".join(block.name for block in trying)
    best_loss = losses_by_choice[best].mean()
    summary = f"{recipe.tune} trials on {seasons}: best log loss {best_loss:.4f} against {usual.mean():.4f}"
    if not gains.mean() > error:
        return TunedRecipe(recipe, f"{summary}, within the error of {error:.4f}; the recipe's own values stay")
    return TunedRecipe(
        replace(recipe, **dict(best)), f"{summary}: {', '.join(f'{name}={value:g}' for name, value in best)}"
    )


def _suggest(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "regularisation": trial.suggest_float("regularisation", 1e-4, 1e-1, log=True),
        "rounds": trial.suggest_int("rounds", 20, 240),
        "leaves": trial.suggest_int("leaves", 2, 16),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.1, log=True),
        "leaf_games": trial.suggest_int("leaf_games", 20, 400),
    }


def _losses(recipe: Recipe, past: Dataset, blocks: Sequence[Block]) -> tuple[FloatArray, FloatArray]:
    """Log loss and start of every decided game of the blocks."""
    losses, starts = [], []
    for block in blocks:
        games = past.select(block.games & (past.outcomes >= 0))
        learnt = learn_outcome(recipe, past.select(block.before))
        by_learner = learner_log_probabilities(learnt, games.columns(recipe.features))
        blended = np.tensordot(prior_shares(recipe.anchor_share, len(by_learner)), by_learner, 1)
        losses.append(-log_softmax(blended, axis=1)[np.arange(len(games)), games.outcomes])
        starts.append(games.starts)
    return np.concatenate(losses), np.concatenate(starts)
