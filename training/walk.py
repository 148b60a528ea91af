"""Walk forward: each block of games is forecast by a forecaster made from earlier games only.

Blend and calibration of a block's forecaster come from what the forecasters of earlier blocks said of
games they had not seen, so nothing about a block is known to the model that forecasts it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression

from core.betting.odds import FloatArray
from core.registry.forecaster import Forecast
from feature_store.features import EVERYTHING
from training.dataset import Dataset
from training.fitting import Fitted, Proof, assemble, learn, prove
from training.recipe import Recipe
from training.splits import Block


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Forecasts of one block's games, beside the two yardsticks that need fitting."""

    block: str
    games: Dataset
    forecasts: Sequence[Forecast]
    probabilities: FloatArray
    """The model's, shape (games, classes); of a decided game where a level score is no outcome."""
    uncalibrated: FloatArray
    base_rate: FloatArray
    elo: FloatArray


def walk_forward(
    recipe: Recipe,
    dataset: Dataset,
    blocks: Sequence[Block],
    *,
    asked: Sequence[str] | None = None,
    on_block: Callable[[str, int, int], None] = lambda _name, _done, _all: None,
) -> tuple[list[Forecasts], list[Proof]]:
    """Forecast the blocks in order of time; returns the forecasts of the blocks asked for and every block's proof."""
    done: list[Forecasts] = []
    proofs: list[Proof] = []
    for number, block in enumerate(sorted(blocks, key=lambda block: dataset.starts[block.games].min())):
        on_block(block.name, number, len(blocks))
        before, games = dataset.select(block.before), dataset.select(block.games)
        learnt = learn(recipe, before)
        if asked is None or block.name in asked:
            fitted = assemble(recipe, before, learnt, proofs)
            done.append(_forecasts(recipe, block.name, fitted, before, games))
        proofs.append(prove(recipe, learnt, games))
    return done, proofs


def _forecasts(recipe: Recipe, name: str, fitted: Fitted, before: Dataset, games: Dataset) -> Forecasts:
    forecaster = fitted.forecaster()
    rows = games.columns(recipe.features)
    return Forecasts(
        block=name,
        games=games,
        forecasts=forecaster.predict(rows),
        probabilities=forecaster.probabilities(rows),
        uncalibrated=np.exp(forecaster.blended(rows)),
        base_rate=np.tile(_frequencies(before), (len(games), 1)),
        elo=_elo(before, games),
    )


def _frequencies(before: Dataset) -> FloatArray:
    """How often each outcome happened so far, one game of each added."""
    counts = np.array([(before.outcomes == index).sum() + 1 for index in range(len(before.classes))], dtype=np.float64)
    return np.asarray(counts / counts.sum())


def _elo(before: Dataset, games: Dataset) -> FloatArray:
    """Probabilities by a (multinomial) logistic regression on the Elo gap alone."""
    column = EVERYTHING.names.index("rating_gap")
    decided = before.outcomes >= 0
    model = LogisticRegression(C=1e6, max_iter=1000)
    model.fit(before.values[decided][:, [column]] / 100, before.outcomes[decided])
    return np.asarray(model.predict_proba(games.values[:, [column]] / 100))
