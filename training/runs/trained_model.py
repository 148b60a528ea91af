"""A fitted forecaster with the evidence for it: walked forward through the last seasons, then fitted on every game."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray
from training.datasets.assembly import Dataset
from training.datasets.splits import proving_blocks
from training.evaluation.pooling_weight import with_pooling_weight
from training.evaluation.scores import Evaluation, evaluate
from training.evaluation.walk_forward import Forecasts, walk_forward
from training.fitting.fit import Fitted, Proof, assemble, learn
from training.fitting.recipe import Recipe
from training.fitting.tuning import tune_recipe
from training.runs.training_run import OnProgress, OnStage


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A fitted forecaster with the evidence for it, before it is registered."""

    recipe: Recipe
    dataset: Dataset
    fitted: Fitted
    evaluation: Evaluation
    blocks: list[Forecasts]
    """The forecasts that the evaluation rests on."""
    warnings: tuple[str, ...] = ()
    """Warnings about the data."""

    def tested_rows(self) -> FloatArray:
        """The feature rows of the held-out games, shape (games, features)."""
        return np.concatenate([block.games.columns(self.recipe.features) for block in self.blocks])


def fit_and_evaluate(
    recipe: Recipe,
    dataset: Dataset,
    on_stage: OnStage = lambda _stage, _result: None,
    on_progress: OnProgress = lambda _what, _done, _all: None,
) -> TrainedModel:
    """Walk forward through the last seasons for the evidence, then fit on every game."""
    recipe = recipe.of(dataset)
    proving = proving_blocks(dataset, recipe.proving_seasons)
    if recipe.tune:
        tuned = tune_recipe(
            recipe, dataset, proving, lambda done, trials: on_progress("seeking parameters", done, trials)
        )
        recipe = tuned.recipe
        on_stage("tune", tuned.summary)
    steps = len(proving) + 1
    blocks, proofs = walk_forward(
        recipe, dataset, proving, on_block=lambda name, done, _: on_progress(f"forecasting {name}", done, steps)
    )
    tested = _tested(blocks)
    evaluation = evaluate(tested)
    on_stage("train", f"log loss {evaluation.raw_log_loss:.4f} on {evaluation.scores[0].games:,} games it had not seen")
    on_progress("learning from every game", len(proving), steps)
    fitted = with_pooling_weight(fit_on_everything(recipe, dataset, proofs), dataset, blocks)
    score = evaluation.scores[0]
    on_stage(
        "calibrate",
        f"log loss {score.log_loss:.4f}, calibration error {score.calibration_error:.3f}"
        f" (a perfect forecast would show {evaluation.calibration_floor:.3f})"
        f"; {fitted.spec.belief or 'too few priced games to weigh it against the market'}",
    )
    return TrainedModel(recipe, dataset, fitted, evaluation, tested)


def fit_on_everything(recipe: Recipe, dataset: Dataset, proofs: Sequence[Proof]) -> Fitted:
    """The forecaster of every game; its blend and calibration rest on earlier forecasters' proofs."""
    basis, lessons = dataset.lessons(math.inf)
    return assemble(recipe, lessons, learn(recipe, lessons, basis), proofs, basis)


def _tested(blocks: list[Forecasts]) -> list[Forecasts]:
    """The blocks whose blend and calibration already rested on an earlier block's proof."""
    return blocks[1:] if len(blocks) > 1 else blocks
