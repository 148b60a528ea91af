"""Walk forward: each block of games is forecast by a forecaster made from earlier games only.

Blend and calibration of a block's forecaster come from the earlier blocks' forecasts of games they had not seen, so the
model that forecasts a block has not seen any of it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from core.arrays import FloatArray
from core.betting.scores import Outcome
from feature_store.features.sets import EVERYTHING
from training.datasets.assembly import Dataset, refuse_one_ending
from training.datasets.splits import GAP, Block
from training.fitting.fit import Fitted, Proof, assemble, learn, prove
from training.fitting.learners import elo_outcome
from training.fitting.recipe import RECIPES, Recipe

ELO: Final = RECIPES["results"]
EXPECTED_FROM: Final[Mapping[str, tuple[str, ...]]] = {"base_rate": (), "elo": ("rating_gap",)}
"""Columns from which each yardstick estimates margin and total; without columns, their means."""
CHUNK: Final = 256
"""Games whose score distributions are in memory at once: a season of basketball would take a gigabyte."""


class ForecastMeans(NamedTuple):
    """Outcome, expected margin and expected total of a forecast, without its score distribution."""

    outcome: Outcome
    margin: float
    total: float


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Forecasts of one block's games, beside those of the two fitted yardsticks."""

    block: str
    games: Dataset
    forecasts: Sequence[ForecastMeans]
    probabilities: FloatArray
    """The model's probabilities, shape (games, classes); of a decided game where a level score is no outcome."""
    uncalibrated: FloatArray
    """The model's before calibration."""
    base_rate: FloatArray
    elo: FloatArray
    learnt: int
    """Number of games that the forecaster had learnt from."""
    expected: Mapping[str, tuple[FloatArray, FloatArray]]
    """Expected margin and total by the same yardsticks, by name [points]."""


def walk_forward(
    recipe: Recipe,
    dataset: Dataset,
    blocks: Sequence[Block],
    *,
    asked: Sequence[str] | None = None,
    on_block: Callable[[str, int, int], None] = lambda _name, _done, _all: None,
) -> tuple[list[Forecasts], list[Proof]]:
    """Forecast the blocks in order of time; returns the forecasts of the blocks asked for and every block's proof.

    Raises ServiceError when all games ended the same way.
    """
    refuse_one_ending(dataset)
    recipe = recipe.of(dataset)
    done: list[Forecasts] = []
    proofs: list[Proof] = []
    for number, block in enumerate(sorted(blocks, key=lambda block: dataset.starts[block.games].min())):
        on_block(block.name, number, len(blocks))
        before, games = dataset.select(block.before), dataset.select(block.games)
        moment = float(games.starts.min()) - GAP
        basis, lessons = before.lessons(moment)
        learnt = learn(recipe, lessons, basis)
        if asked is None or block.name in asked:
            fitted = assemble(recipe, lessons, learnt, [proof.before(moment) for proof in proofs], basis)
            done.append(_forecasts(recipe, block.name, fitted, before, games))
        proofs.append(prove(recipe, learnt, games))
    return done, proofs


def _forecasts(recipe: Recipe, name: str, fitted: Fitted, before: Dataset, games: Dataset) -> Forecasts:
    forecaster = fitted.forecaster()
    rows = games.columns(recipe.features)
    return Forecasts(
        block=name,
        games=games,
        forecasts=[
            ForecastMeans(one.outcome, one.margin, one.total)
            for first in range(0, len(rows), CHUNK)
            for one in forecaster.predict(rows[first : first + CHUNK])
        ],
        probabilities=forecaster.probabilities(rows),
        uncalibrated=np.exp(forecaster.blended(rows)),
        base_rate=np.tile(_frequencies(before), (len(games), 1)),
        elo=_elo(before, games),
        learnt=len(before),
        expected={name: _expected(before, games, columns) for name, columns in EXPECTED_FROM.items()},
    )


def _expected(before: Dataset, games: Dataset, columns: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Margin and total by least squares on the columns; without columns, the means so far."""
    places = [EVERYTHING.names.index(name) for name in columns]
    past = np.column_stack([np.ones(len(before)), before.values[:, places] / 100])
    asked = np.column_stack([np.ones(len(games)), games.values[:, places] / 100])
    targets = np.column_stack((before.margins, before.totals))
    margin, total = (asked @ np.linalg.lstsq(past, targets, rcond=None)[0]).T
    return margin, total


def _frequencies(before: Dataset) -> FloatArray:
    """Share of each outcome so far, with one game of each added."""
    counts = np.array([(before.outcomes == index).sum() + 1 for index in range(len(before.classes))], dtype=np.float64)
    return np.asarray(counts / counts.sum())


def _elo(before: Dataset, games: Dataset) -> FloatArray:
    """Probabilities by (multinomial) logistic regression on the Elo gap alone; by Elo's formula if games are few."""
    if not before.learnable:
        return np.asarray(softmax(elo_outcome(ELO, before).linears[0](games.columns(ELO.features)), axis=1))
    column = EVERYTHING.names.index("rating_gap")
    decided = before.outcomes >= 0
    model = LogisticRegression(C=1e6, max_iter=1000)
    model.fit(before.values[decided][:, [column]] / 100, before.outcomes[decided])
    return np.asarray(model.predict_proba(games.values[:, [column]] / 100))
